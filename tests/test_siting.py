"""PUE by the kind of place, with who says so (FACTS §2.5)."""

from __future__ import annotations

import pytest

from jupyter_costmeter import siting
from jupyter_costmeter.factors import Kind

#: Kind, region, PUE, and whose figure it is.
DEFAULTS: list[tuple[Kind | None, str | None, float, str]] = [
    ("laptop", "FR", 1.0, "personal computer"),
    ("laptop", None, 1.0, "personal computer"),
    ("lab", "FR", 1.56, "Uptime"),
    (None, None, 1.56, "Uptime"),
    (None, "FR", 1.56, "Uptime"),
    ("cloud", "gcp/us-central1", 1.12, "Google"),
    (None, "gcp/europe-west9", 1.12, "Google"),
    ("cloud", "azure/westeurope", 1.12, "Azure"),
    ("cloud", "aws/us-east-1", 1.2, "AWS"),
    ("cloud", "FR", 1.56, "Uptime"),  # a cloud, but nobody said whose
    ("cloud", "ovh/gra", 1.56, "Uptime"),
]


@pytest.mark.parametrize(("kind", "region", "value", "who"), DEFAULTS)
def test_defaults(kind: Kind | None, region: str | None, value: float, who: str) -> None:
    found = siting.pue(kind, region)
    assert found.value == value
    assert who in found.source
    assert (found.name, found.unit, found.method) == ("pue", "1", "assumed")


def test_what_is_assumed_of_a_room_is_good_to_15_percent() -> None:
    assert siting.pue("lab").uncertainty == 0.15
    assert siting.pue("cloud", "aws/us-east-1").uncertainty == 0.15
    assert not siting.pue("laptop").uncertainty


def test_the_users_own() -> None:
    found = siting.declared_pue(1.08, "our operator")
    assert (found.value, found.method, found.source) == (1.08, "declared", "our operator")


@pytest.mark.parametrize("value", [1.0, 1.58, 10.0])
def test_what_may_be_declared_in_a_file_may_be_here(value: float) -> None:
    assert siting.declared_pue(value, "x").value == value


@pytest.mark.parametrize("value", [0.99, 0.0, -1.2, 10.1, 110.0, float("nan"), float("inf")])
def test_what_is_no_pue(value: float) -> None:
    with pytest.raises(ValueError, match=r"a PUE is 1\.0 or more"):
        siting.declared_pue(value, "x")
