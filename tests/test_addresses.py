"""The lab's ledger's address: where it is, and never a secret, not even in what is said of a wrong one."""

from __future__ import annotations

import pytest

from jupyter_costmeter import config
from jupyter_costmeter.addresses import address_of, masked
from jupyter_costmeter.errors import UsageError


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("postgresql://db.lab.example/costmeter", "postgresql://db.lab.example/costmeter"),
        (" postgres://ada@db.lab.example:5433/x ", "postgresql://ada@db.lab.example:5433/x"),
        ("postgresql+psycopg:///?service=lab", "postgresql:///?service=lab"),
        ("https://hub.lab.example/services/costmeter/", "https://hub.lab.example/services/costmeter"),
        ("http://127.0.0.1:8000/services/costmeter", "http://127.0.0.1:8000/services/costmeter"),
        ("http://[::1]:8000/hub/services/costmeter", "http://[::1]:8000/hub/services/costmeter"),
        ("http://localhost/services/costmeter", "http://localhost/services/costmeter"),
        ("postgresql://[::1]/x?sslmode=verify-full", "postgresql://[::1]/x?sslmode=verify-full"),
    ],
)
def test_addresses_are_spelled_in_one_way(said: str, address: str) -> None:
    assert address_of(said) == address
    assert address_of(address) == address


@pytest.mark.parametrize(
    "said",
    [
        "postgresql://ada:hunter2@db.lab.example/x", "postgresql://db/x?password=hunter2",
        "postgresql://ada:@db/x", "mysql://ada:hunter2@db/x", "postgresql://db/x?sslpassword=hunter2",
        "https://hub/services/costmeter?token=hunter2", "https://ada:hunter2@hub/services/costmeter",
    ],
)  # fmt: skip
def test_a_secret_is_refused_and_not_repeated(said: str) -> None:
    with pytest.raises(UsageError, match="password") as refused:
        address_of(said)
    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in masked(f"CostMeter.ledger_share = {said!r}: no")


@pytest.mark.parametrize(
    "said",
    ["db.lab.example", "mysql://db/x", "sqlite:///x", "postgresql://db:port/x", "http://[", "https://", "https://a@hub/x",
     "https://hub/x?a=b", "https://hub/x#a"],
)  # fmt: skip
def test_what_is_no_address_says_what_one_is(said: str) -> None:
    with pytest.raises(UsageError, match=r"postgresql://db\.lab\.example/costmeter"):
        address_of(said)


@pytest.mark.parametrize(
    "said", ["http://hub.lab.example/services/costmeter", "http://10.0.0.7/x", "http://localhost.x/"]
)
def test_a_token_goes_over_no_network_in_the_clear(said: str) -> None:
    with pytest.raises(UsageError, match="it wants https"):
        address_of(said)


def test_what_holds_no_secret_is_left_as_it_is() -> None:
    for text in ("postgresql://db:5432/x", "at 12:30 ada@db", "a://b/c", "tick_s = 'x'"):
        assert masked(text) == text


@pytest.mark.parametrize("said", [
    "postgresql://ada:hun/ter2@db/x", "host=db password='hunter2'", "password = hunter2", "postgresql://db/x?PASSWORD=hunter2",
    "postgresql://db/x?oauth_client_secret=hunter2", ["hunter2"],
])  # fmt: skip
@pytest.mark.parametrize("name", ["ledger_share", "otel_endpoint"])
def test_no_part_of_a_wrong_address_is_repeated(name: str, said: object) -> None:
    settings, problems = config.CostMeter(), list[str]()
    config._set(settings, name, said, problems)
    assert "ter2" not in " ".join(problems)
    assert name == "otel_endpoint" or (len(problems) == 1 and settings.ledger_share == "")
