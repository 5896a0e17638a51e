"""Clouds that publish no carbon intensity of their regions: where each region is, by the cloud's own list of them.

The intensity is then that of the country, state or province; the PUE is the cloud's own (``siting``). Google Cloud
publishes its regions' intensities, which are in the snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..factors import Region

#: Where AWS's own name of a region puts it, no closer: "Canada (Central)" and "GovCloud (US-East)" name no state.
AWS = {
    "af-south-1": "ZA",
    "ap-east-1": "HK",
    "ap-east-2": "TW",
    "ap-northeast-1": "JP",
    "ap-northeast-2": "KR",
    "ap-northeast-3": "JP",
    "ap-south-1": "IN",
    "ap-south-2": "IN",
    "ap-southeast-1": "SG",
    "ap-southeast-2": "AU",
    "ap-southeast-3": "ID",
    "ap-southeast-4": "AU",
    "ap-southeast-5": "MY",
    "ap-southeast-6": "NZ",
    "ap-southeast-7": "TH",
    "ca-central-1": "CA",
    "ca-west-1": "CA-AB",
    "cn-north-1": "CN-BJ",
    "cn-northwest-1": "CN-NX",
    "eu-central-1": "DE",
    "eu-central-2": "CH",
    "eu-north-1": "SE",
    "eu-south-1": "IT",
    "eu-south-2": "ES",
    "eu-west-1": "IE",
    "eu-west-2": "GB",
    "eu-west-3": "FR",
    "il-central-1": "IL",
    "me-central-1": "AE",
    "me-south-1": "BH",
    "mx-central-1": "MX",
    "sa-east-1": "BR",
    "us-east-1": "US-VA",
    "us-east-2": "US-OH",
    "us-gov-east-1": "US",
    "us-gov-west-1": "US",
    "us-west-1": "US-CA",
    "us-west-2": "US-OR",
}
#: Where Azure's list of regions (their "physical location") puts each.
AZURE = {
    "australiacentral": "AU",
    "australiacentral2": "AU",
    "australiaeast": "AU",
    "australiasoutheast": "AU",
    "austriaeast": "AT",
    "brazilsouth": "BR",
    "brazilsoutheast": "BR",
    "canadacentral": "CA-ON",
    "canadaeast": "CA-QC",
    "centralindia": "IN",
    "centralus": "US-IA",
    "eastasia": "HK",
    "eastus": "US-VA",
    "eastus2": "US-VA",
    "francecentral": "FR",
    "francesouth": "FR",
    "germanynorth": "DE",
    "germanywestcentral": "DE",
    "indonesiacentral": "ID",
    "israelcentral": "IL",
    "italynorth": "IT",
    "japaneast": "JP",
    "japanwest": "JP",
    "koreacentral": "KR",
    "koreasouth": "KR",
    "malaysiawest": "MY",
    "mexicocentral": "MX",
    "newzealandnorth": "NZ",
    "northcentralus": "US-IL",
    "northeurope": "IE",
    "norwayeast": "NO",
    "norwaywest": "NO",
    "polandcentral": "PL",
    "qatarcentral": "QA",
    "southafricanorth": "ZA",
    "southafricawest": "ZA",
    "southcentralus": "US-TX",
    "southeastasia": "SG",
    "southindia": "IN",
    "spaincentral": "ES",
    "swedencentral": "SE",
    "switzerlandnorth": "CH",
    "switzerlandwest": "CH",
    "uaecentral": "AE",
    "uaenorth": "AE",
    "uksouth": "GB",
    "ukwest": "GB",
    "westcentralus": "US-WY",
    "westeurope": "NL",
    "westindia": "IN",
    "westus": "US-CA",
    "westus2": "US-WA",
    "westus3": "US-AZ",
}
CLOUDS = {"aws": ("AWS", AWS), "azure": ("Azure", AZURE)}


def regions(shipped: Iterable[Region]) -> Iterator[Region]:
    """``aws/us-east-1`` with Virginia's intensity, and so on; none whose place is not shipped."""
    known = {each.id: each for each in shipped}
    for cloud, (name, places) in CLOUDS.items():
        for own, place in places.items():
            if place in known:
                yield _region(f"{cloud}/{own}", f"{name} {own}", known[place])


def is_one(region_id: str) -> bool:
    """Whether it is the id of one of these."""
    return region_id.partition("/")[0] in CLOUDS


def _region(own_id: str, own_name: str, place: Region) -> Region:
    note = f"{place.id}'s: {own_name.partition(' ')[0]} publishes none of its regions"
    found = place.intensity and replace(place.intensity, note="; ".join(filter(None, (note, place.intensity.note))))
    return Region(own_id, f"{own_name}, {place.name}", found, (own_name,), "; ".join(filter(None, (note, place.note))))
