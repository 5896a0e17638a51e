"""What the environment of a cloud or of SLURM suggests about the place, for the user to confirm.

A hint is never used by itself: such a variable says where a program acts by default, and may be set on a laptop.
Only environment variables are read; no metadata service is asked (FACTS §2.4).

Not read: Azure's. App Service documents ``REGION_NAME``, but notebooks do not run there and anything may set a
variable of so plain a name; for virtual machines and Azure ML no variable with the region was found documented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..factors import Kind
from . import providers
from .snapshot import regions

#: gcloud's settings, those of Vertex AI, and whether the value is a zone (``us-central1-a``).
GOOGLE = {
    "GOOGLE_CLOUD_REGION": False,
    "CLOUD_ML_REGION": False,
    "CLOUDSDK_COMPUTE_REGION": False,
    "CLOUDSDK_COMPUTE_ZONE": True,
}
AMAZON = ("AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True, slots=True)
class Hint:
    """A place to suggest; ``region`` is a shipped region's id, ``""`` where only the kind of place is known."""

    region: str
    kind: Kind
    why: str


def hint(environ: Mapping[str, str]) -> Hint | None:
    """What those environment variables suggest, ``None`` where nothing does. A cloud's say more than SLURM's.

    Raises:
        CostMeterError: the shipped intensities, in which a Google Cloud region is looked up, cannot be read.
    """
    return _google(environ) or _amazon(environ) or _slurm(environ)


def _google(environ: Mapping[str, str]) -> Hint | None:
    for name, is_zone in GOOGLE.items():
        value = environ.get(name, "").strip().lower()
        place = f"gcp/{value.rpartition('-')[0] if is_zone else value}"
        if value and any(each.id == place for each in regions()):
            return Hint(place, "cloud", f"{name} is {value}")
    return None


def _amazon(environ: Mapping[str, str]) -> Hint | None:
    for name in AMAZON:
        value = environ.get(name, "").strip().lower()
        if value in providers.AWS:
            return Hint(f"aws/{value}", "cloud", f"{name} is {value}")
    return None


def _slurm(environ: Mapping[str, str]) -> Hint | None:
    """A job of SLURM runs on a cluster, not on a laptop; where that stands its name does not say."""
    name = environ.get("SLURM_CLUSTER_NAME", "").strip()
    if not name:
        return None
    return Hint("", "lab", f"SLURM_CLUSTER_NAME is {name}: a cluster, but not where it stands")
