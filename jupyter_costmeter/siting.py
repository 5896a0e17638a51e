"""What the place of a machine decides: the PUE (power usage effectiveness) by its kind, where nobody declared it.

PUE is all the electricity of a site over that of its computers, so never below 1. Defaults and sources: FACTS §2.5.
"""

from __future__ import annotations

from .factors import Factor, Kind

ROOM = Factor("pue", 1.56, "1", "assumed", "Uptime Institute's survey of 2024, as in Green Algorithms v3", 0.15)
ALONE = Factor("pue", 1.0, "1", "assumed", "a personal computer has no cooled room around it (Green Algorithms)", 0.0)
CLOUDS = {
    "gcp": Factor("pue", 1.12, "1", "assumed", "Google Cloud, in Green Algorithms", 0.15),
    "azure": Factor("pue", 1.12, "1", "assumed", "Azure, in Green Algorithms", 0.15),
    "aws": Factor("pue", 1.2, "1", "assumed", "AWS, in Green Algorithms", 0.15),
}


def pue(kind: Kind | None, region: str | None = None) -> Factor:
    """The PUE to assume: 1.0 on a laptop, a cloud's own by its provider (``aws/us-east-1``), else a server room's."""
    if kind == "laptop":
        return ALONE
    provider = (region or "").partition("/")[0]
    return CLOUDS.get(provider, ROOM) if kind in ("cloud", None) else ROOM


def declared_pue(value: float, source: str) -> Factor:
    """One that the user knows.

    Raises:
        ValueError: it is below 1, or no number.
    """
    if not 1.0 <= value <= 10.0:
        raise ValueError(f"a PUE is 1.0 or more, and seldom above 3; {value:g} is none")
    return Factor("pue", value, "1", "declared", source, 0.0)
