"""Clouds' regions: where they are, whose intensity that is, and the cloud's own PUE."""

from __future__ import annotations

import pytest

from jupyter_costmeter import siting
from jupyter_costmeter.assumptions import place_of
from jupyter_costmeter.carbon import providers, snapshot

ALL = [(cloud, own, place) for cloud, (_, places) in providers.CLOUDS.items() for own, place in places.items()]


@pytest.mark.parametrize(("cloud", "own", "place"), ALL)
def test_each_has_the_intensity_of_a_shipped_place_and_says_so(cloud: str, own: str, place: str) -> None:
    found, there = snapshot.region(f"{cloud}/{own}"), snapshot.region(place)
    assert found.intensity is not None
    assert there.intensity is not None
    assert (found.intensity.g_per_kwh, found.intensity.region) == (there.intensity.g_per_kwh, place)
    assert found.intensity.note
    assert found.intensity.note.startswith(f"{place}'s: ")


def test_a_place_is_found_by_what_the_cloud_calls_it() -> None:
    assert [one.id for one in snapshot.search("aws us-east-1")][:1] == ["aws/us-east-1"]
    assert snapshot.region("Azure westeurope").id == "azure/westeurope"


@pytest.mark.parametrize(
    ("region", "pue"), [("aws/us-east-1", 1.2), ("azure/westeurope", 1.12), ("gcp/us-east4", 1.12)]
)
def test_a_machine_that_stands_there_has_the_clouds_pue(region: str, pue: float) -> None:
    placed = place_of({"host": "*", "region": region}, "")
    assert placed.kind == "cloud"
    assert siting.pue(placed.kind, placed.region).value == pue
