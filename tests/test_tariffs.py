"""Tariffs: a row as FACTS §3 writes it, each mistake named, and one row for a machine by a rule that is written."""

from __future__ import annotations

import sys
from datetime import date, datetime, timedelta
from decimal import Context, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.factors import PriceUnit
from jupyter_costmeter.tariffs import Match, Tariff, checked, fits_gpu, matched, tariff_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

A100 = "NVIDIA A100-SXM4-40GB"
DAY = date(2026, 10, 1)
#: FACTS §3, as TOML takes it.
FACTS = """
[currency]
code = "EUR"

[[rates]]
match = {host = "", partition = "gpu-small", gpu = "A100*"}
gpu_hour = 0.55
cpu_hour = 0.01
gb_hour = 0.002
basis = "internal"
valid_from = 2026-10-01
note = "capex 4y, 60 % use"
"""


def row(line: int = 1, valid_from: date | None = None, gpu_hour: str = "1", **match: str) -> Tariff:
    patterns = {"host": "", "partition": "", "gpu": "", **match}
    return Tariff(
        **patterns,
        prices={"gpu_hour": Decimal(gpu_hour)},
        currency="EUR",
        valid_from=valid_from,
        origin=f"f.toml:{line}",
    )


def find(
    *rows: Tariff,
    unit: PriceUnit = "gpu_hour",
    host: str = "gpu07",
    partition: str = "gpu-small",
    gpu: str = A100,
    day: date = DAY,
) -> Match:
    return matched(rows, unit, host, partition, gpu, day)


def line(match: Match) -> int | None:
    return None if match.tariff is None else int(match.tariff.origin.rpartition(":")[2])


# Rows


def test_the_example_of_facts_is_read_as_it_is_written() -> None:
    document = tomllib.loads(FACTS)
    found = tariff_of(document["rates"][0], "jupyter_costmeter.toml:5", document["currency"]["code"])
    prices = {"gpu_hour": Decimal("0.55"), "cpu_hour": Decimal("0.01"), "gb_hour": Decimal("0.002")}
    assert found == Tariff(
        "", "gpu-small", "A100*", prices, "EUR", DAY, "internal", "capex 4y, 60 % use", "jupyter_costmeter.toml:5"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("written", "price"),
    [
        (0.1, "0.1"),
        (3, "3"),
        (0, "0"),
        ("0.30", "0.30"),
        (" 2 ", "2"),
        (1e-07, "1E-7"),
        (1.5e3, "1500.0"),
        ("1e3", "1E+3"),
    ],
)
def test_a_price_is_what_is_written(written: object, price: str) -> None:
    assert str(tariff_of({"kwh": written}, "", "EUR").prices["kwh"]) == price


@pytest.mark.parametrize(
    "wrong",
    [
        -1,
        -0.5,
        "-1",
        float("nan"),
        float("inf"),
        True,
        "cheap",
        "0,55",
        "",
        "1_000",
        "٣",
        [],
        {},
        DAY,
        1e15,
        1e-60,
        "9" * 50,
    ],
)
def test_what_is_no_price_is_refused(wrong: object) -> None:
    with pytest.raises(UsageError, match=r"cpu_hour.*wants a number from 0 on"):
        tariff_of({"cpu_hour": wrong}, "", "EUR")


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"gpu_hours": 1}, "gpu_hours.*did you mean 'gpu_hour'"),
    ({"gpu_hour": 1, "match": {"gpus": "A100*"}}, "gpus.*did you mean 'gpu'"),
    ({"gpu_hour": 1, "gpu": "A100*"}, r"gpu belongs into match: match = \{gpu = 'A100\*'\}"),
    ({"gpu_hour": 1, "match": "A100*"}, "match.*wants a table"),
    ({"gpu_hour": 1, "match": {"host": 7}}, "host.*wants a text"),
    ({"gpu_hour": 1, "note": 7}, "note.*wants a text"),
    ({"gpu_hour": 1, "currency": "eur"}, "currency = 'eur'.*ISO 4217.*'EUR'"),
    ({"gpu_hour": 1, "currency": "€"}, "currency = '€'.*ISO 4217"),
    ({"gpu_hour": 1, "currency": "XYZ"}, "currency = 'XYZ'.*ISO 4217"),
    ({"gpu_hour": 1, "currency": 978}, "currency = 978.*ISO 4217"),
    ({}, "no price.*gpu_hour.*capex"),
    ({"basis": "internal"}, "no price"),
    ({"gpu_hour": 1, "valid_from": "next year"}, "valid_from = 'next year'.*a day, such as 2026-10-01"),
    ({"gpu_hour": 1, "valid_from": "2026-02-30"}, "valid_from.*a day"),
    ({"gpu_hour": 1, "valid_from": "20261001"}, "valid_from.*a day"),
    ({"gpu_hour": 1, "valid_from": "1.10.2026"}, "valid_from.*a day"),
    ({"gpu_hour": 1, "valid_from": 2026}, "valid_from.*a day"),
    ({"gpu_hour": 1, "valid_from": datetime(2026, 10, 1, 12)}, "valid_from.*a day"),
    ({"capex": 20000, "gpu_hour": 1}, "capex and gpu_hour: give one"),
    ({"overhead_per_gpu_hour": 1, "gpu_hour": 1}, "overhead_per_gpu_hour and gpu_hour: give one"),
    ({"capex": 20000, "gpus": 8, "use": 1}, "life_years missing"),
    ({"gpus": 8}, "capex, life_years, use missing"),
    ({"overhead_per_gpu_hour": 1}, "capex, gpus, life_years, use missing"),
    ({"capex": 20000, "gpus": 8, "life_years": 4, "use": 60}, "use = 60.*up to 1"),
    ({"capex": 20000, "gpus": 8, "life_years": 4, "use": 0}, "use = 0.*above 0"),
    ({"capex": 20000, "gpus": 0, "life_years": 4, "use": 1}, "gpus = 0.*above 0"),
    ({"capex": 20000, "gpus": 2.5, "life_years": 4, "use": 1}, "gpus = 2.5.*number of GPUs"),
    ({"capex": 20000, "gpus": 8, "life_years": True, "use": 1}, "life_years = True.*above 0"),
    ({"capex": -1, "gpus": 8, "life_years": 4, "use": 1}, "capex = -1.*from 0"),
]


@pytest.mark.parametrize(("wrong", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_each_mistake_names_the_key_and_what_is_wanted(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        tariff_of(wrong, "", "EUR")


@pytest.mark.parametrize("of_file", [None, "euro"])
def test_a_row_needs_a_currency_of_its_own_or_the_files(of_file: str | None) -> None:
    with pytest.raises(UsageError, match="currency"):
        tariff_of({"gpu_hour": 1}, "", of_file)
    assert tariff_of({"gpu_hour": 1, "currency": "JPY"}, "", of_file).currency == "JPY"


def test_a_date_may_stand_in_quotes() -> None:
    assert tariff_of({"gpu_hour": 1, "valid_from": "2026-10-01"}, "", "EUR").valid_from == DAY


# What machines cost


def lab(**changed: object) -> Tariff:
    return tariff_of({"capex": 20000, "gpus": 8, "life_years": 4, "use": 0.6, **changed}, "", "EUR")


def test_a_labs_rate_follows_from_what_the_machines_cost() -> None:
    assert str(lab().prices["gpu_hour"])[:12] == "0.1189117199"  # 20,000 / (8 · 4 · 8760 · 0.6)
    assert lab(use=1, gpus=1, life_years=1, capex=8760).prices["gpu_hour"] == 1
    assert lab(use=1, gpus=1, life_years=1, capex=8760, overhead_per_gpu_hour=0.1).prices["gpu_hour"] == Decimal("1.1")
    assert lab(use=0.5).prices == lab(use=1, capex=40000).prices


def test_a_labs_rate_says_what_it_rests_on_unless_the_user_does() -> None:
    assert lab(overhead_per_gpu_hour=0.1).basis == "capex 20000 / (8 GPUs × 4 years × 8760 h × 0.6 in use) + 0.1"
    assert lab(basis="the dean's word").basis == "the dean's word"


def test_a_labs_rate_does_not_depend_on_the_users_decimal_context() -> None:
    with localcontext(Context(prec=3)):
        narrow = lab(overhead_per_gpu_hour="0.1234567")
    assert narrow == lab(overhead_per_gpu_hour="0.1234567")


# Which GPU


@pytest.mark.parametrize(
    ("pattern", "model"),
    [
        ("", A100), ("", ""), ("A100*", A100), ("a100*", A100), (A100, A100), ("A100-SXM4-40GB", A100),
        ("A100*", "A100-SXM4-40GB"), ("NVIDIA A100*", A100), ("T4", "Tesla T4"), ("V100*", "Tesla V100-SXM2-16GB"),
        ("MI210", "AMD Instinct MI210"), ("Instinct MI*", "AMD Instinct MI210"), ("*", A100), ("A[14]00*", A100),
        ("GPU [0]", "GPU [0]"), ("A100*MIG*", f"{A100} MIG 1g.5gb"), ("*mig*", f"{A100} (a MIG slice)"),
        ("", f"{A100} MIG 1g.5gb"),
    ],
)  # fmt: skip
def test_a_pattern_that_means_the_gpu(pattern: str, model: str) -> None:
    assert fits_gpu(pattern, model)


@pytest.mark.parametrize(
    ("pattern", "model"),
    [
        ("A100*", ""), ("*", ""), ("A10", A100), ("A100", A100), ("A10", "NVIDIA A10G"), ("100*", A100),
        ("A100*", f"{A100} MIG 1g.5gb"), ("*", f"{A100} (a MIG slice)"), ("A100*MIG*", A100), ("H100*", A100),
    ],
)  # fmt: skip
def test_a_pattern_that_means_another(pattern: str, model: str) -> None:
    assert not fits_gpu(pattern, model)


# Which row


@pytest.mark.parametrize(
    ("vague", "specific"),
    [
        ({}, {"gpu": "A100*"}),
        ({}, {"gpu": "*"}),
        ({"gpu": "*"}, {"gpu": "A*"}),
        ({"gpu": "A100*"}, {"gpu": "A100-SXM4*"}),
        ({"gpu": "A[0-9]00*"}, {"gpu": "A1*00*"}),
        ({"gpu": "A100*"}, {"gpu": "A100-SXM4-40GB"}),
        ({"gpu": "A100-SXM4*"}, {"gpu": "A*", "partition": "*"}),
        ({"gpu": "A100-SXM4*", "partition": "gpu-*", "host": "gpu*"}, {"host": "gpu07"}),
        ({"host": "gpu07"}, {"host": "gpu07", "gpu": "*"}),
        ({"host": "gpu07"}, {"partition": "gpu-small"}),  # both are one name spelled out: the longer one
    ],
)
def test_the_more_specific_row_wins_in_either_order(vague: dict[str, str], specific: dict[str, str]) -> None:
    rows = row(1, **vague), row(2, **specific)
    assert line(find(*rows)) == line(find(*reversed(rows))) == 2


@pytest.mark.parametrize(
    ("match", "machine"),
    [
        ({"host": "gpu07"}, {"host": "gpu08"}),
        ({"host": "*"}, {"host": ""}),
        ({"partition": "gpu-small"}, {"partition": "GPU-SMALL"}),
        ({"partition": "*"}, {"partition": ""}),
        ({"gpu": "*"}, {"gpu": ""}),
        ({"host": "gpu07", "gpu": "H100*"}, {}),
    ],
)
def test_a_row_fits_only_if_each_of_its_patterns_does(match: dict[str, str], machine: dict[str, str]) -> None:
    assert find(row(**match), **machine).tariff is None  # type: ignore[arg-type]


def test_hosts_are_alike_in_any_case() -> None:
    assert line(find(row(host="GPU0*"), host="gpu07")) == line(find(row(host="gpu07"), host="Gpu07")) == 1


def test_each_unit_has_the_most_specific_row_that_has_a_price_for_it() -> None:
    power = Tariff("", "", "", {"kwh": Decimal("0.3"), "gpu_hour": Decimal(9)}, "EUR", origin="f.toml:8")
    special = row(12, gpu="A100*")
    assert line(find(power, special)) == 12
    assert line(find(power, special, unit="kwh")) == 8
    assert find(power, special, unit="gb_hour") == Match(None, "no row has a price per GB-hour")


@pytest.mark.parametrize("other", [{"host": "gpu07"}, {"partition": "gpu-s"}, {"gpu": "A100-SXM4-40GB"}])
def test_two_rows_that_fit_equally_well_are_no_price(other: dict[str, str]) -> None:
    first, second = {"host": "g????", "partition": "gpu-*"}, {"partition": "gpu-*", "host": "????7"}
    found = find(row(3, **first), row(9, **second))
    assert found.tariff is None
    assert "f.toml:3 (partition gpu-* and host g????) and f.toml:9 (partition gpu-* and host ????7)" in found.why
    assert "no price per GPU-hour for host gpu07, partition gpu-small" in found.why


def test_rows_that_only_differ_in_price_or_case_are_no_price_either() -> None:
    for second in (row(2, gpu="A100*", gpu_hour="2"), row(2, gpu="a100*")):
        assert find(row(1, gpu="A100*"), second).tariff is None


def test_the_same_row_twice_is_one_row() -> None:
    assert line(find(row(1), row(1))) == 1


def test_an_ambiguity_that_a_more_specific_row_ends_does_no_harm() -> None:
    assert line(find(row(1, gpu="A*"), row(2, gpu="A*"), row(3, gpu="A100*"))) == 3


# From when on


def test_a_row_is_valid_from_its_day_on() -> None:
    old, new = row(1), row(2, valid_from=DAY)
    assert line(find(old, new, day=DAY - timedelta(1))) == 1
    assert line(find(old, new, day=DAY)) == line(find(new, old, day=DAY + timedelta(1))) == 2


def test_what_is_not_valid_yet_has_no_price() -> None:
    found = find(row(4, valid_from=DAY), day=DAY - timedelta(1))
    assert found.tariff is None
    assert "line 4 (any, from 2026-10-01) is not valid yet" in found.why


def test_a_newer_row_replaces_the_one_with_the_same_patterns_only() -> None:
    special, newer = row(1, gpu="A100*", valid_from=date(2020, 1, 1)), row(2, valid_from=DAY)
    assert line(find(special, newer)) == 1


def test_a_newer_row_without_that_price_leaves_the_older_ones() -> None:
    newer = Tariff("", "", "", {"kwh": Decimal(1)}, "EUR", DAY, origin="f.toml:2")
    assert line(find(row(1), newer)) == 1


def test_two_rows_with_the_same_patterns_and_day_are_no_price() -> None:
    assert find(row(1, valid_from=DAY), row(2, valid_from=DAY)).tariff is None
    assert line(find(row(1, valid_from=DAY), row(2, valid_from=DAY), row(3, valid_from=DAY + timedelta(1)))) is None


def test_an_old_ambiguity_is_over_when_a_newer_row_is_valid() -> None:
    assert line(find(row(1), row(2), row(3, valid_from=DAY))) == 3


PATTERNS = {
    "host": ["", "*", "gpu*", "gpu07", "cpu*"],
    "partition": ["", "gpu-*", "gpu-small", "long"],
    "gpu": ["", "*", "A100*", A100, "H100*"],
}


@given(
    st.lists(
        st.tuples(*(st.sampled_from(p) for p in PATTERNS.values()), st.sampled_from([None, DAY, DAY + timedelta(1)])),
        max_size=6,
    ),
    st.randoms(),
)
def test_the_rows_order_never_matters_and_the_winner_is_the_most_specific(rows: list[Any], random: Any) -> None:
    made = [row(i, valid_from=since, **dict(zip(PATTERNS, said, strict=True))) for i, (*said, since) in enumerate(rows)]
    shuffled = random.sample(made, len(made))
    found = find(*made)
    assert find(*shuffled) == found
    if found.tariff is not None:
        said = [found.tariff.host, found.tariff.partition, found.tariff.gpu]
        with_all_of_it = [p for p in said if p]
        for other in made:  # none that fits alone says all that the winner does, and more
            more = [p for p in (other.host, other.partition, other.gpu) if p]
            if find(other).tariff is not None and set(more) > set(with_all_of_it):
                pytest.fail(f"{more} is more specific than {with_all_of_it}")


# Why


def test_why_in_words() -> None:
    rows = (
        row(8),
        row(10, gpu="A100*", partition="gpu-small"),
        row(12, gpu="A100*", partition="gpu-small", valid_from=DAY),
        row(14, gpu="H100*"),
    )
    assert find(*rows).why.split("; ") == [
        "line 12: gpu A100* and partition gpu-small, from 2026-10-01",
        "newer than line 10",
        "more specific than line 8 (any)",
    ]
    assert find(rows[0]).why == "line 8: any; no other row fits"
    assert (
        find(rows[3]).why == f"no price per GPU-hour for host gpu07, partition gpu-small, {A100}: add a row to f.toml"
    )


def test_why_names_the_files_where_there_are_several() -> None:
    other = Tariff("", "", "A100*", {"gpu_hour": Decimal(1)}, "EUR", origin="g.toml:3")
    assert find(row(8), other).why == "g.toml:3: gpu A100*; more specific than f.toml:8 (any)"


def test_a_check_is_a_table_of_what_is_priced() -> None:
    rates = [lab(kwh="0.30", match={"gpu": "A100*"}), tariff_of({"kwh": 0.25}, "f.toml:9", "USD")]
    machines = [("gpu07", "", A100, DAY), ("login", "", "", DAY), ("gpu07", "", A100, DAY)]
    assert [c[:4] for c in checked(rates, machines)] == [
        (f"host gpu07, {A100}", "GPU-hour", "0.118912 EUR", ""),
        (f"host gpu07, {A100}", "kWh", "0.3 EUR", ""),
        ("host login", "kWh", "0.25 USD", "f.toml:9"),
    ]
    assert [c[2:] for c in checked([row(1)], [("cpu1", "", "H100", DAY)])] == [
        ("1 EUR", "f.toml:1", "line 1: any; no other row fits")
    ]
    assert checked([row(4, gpu="A100*")], [("cpu1", "", "H100", DAY)])[0] == (
        "host cpu1, H100", "GPU-hour", "—", "—", "no price per GPU-hour for host cpu1, H100: add a row to f.toml"
    )  # fmt: skip
    assert checked([], machines) == []
