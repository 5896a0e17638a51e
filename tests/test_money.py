"""Money: FACTS §6.2 to the cent, exact decimals, a lower bound where a price lacks, and no sum of two currencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Context, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter import money
from jupyter_costmeter.clouds import TABLE, CloudPrice
from jupyter_costmeter.derived import Bill
from jupyter_costmeter.factors import PriceUnit, Quantity
from jupyter_costmeter.money import bills, cloud_bill, text
from jupyter_costmeter.tariffs import Tariff, tariff_of

DAY = date(2026, 10, 1)
P100, V100, T4 = "Tesla P100-SXM2-16GB", "Tesla V100-SXM2-16GB", "Tesla T4"


def hours(amount: float, gpu: str = V100, unit: PriceUnit = "gpu_hour", host: str = "x", **more: Any) -> Quantity:
    return Quantity(unit, amount, host, DAY, gpu=gpu, **more)


def rate(line: int = 1, currency: str = "EUR", match: dict[str, str] | None = None, **prices: object) -> Tariff:
    return tariff_of({"match": match or {}, **prices}, f"f.toml:{line}", currency)


def price(gpu: str, gpu_hour: str, provider: str = "aws", as_of: date = DAY, currency: str = "USD") -> CloudPrice:
    return CloudPrice(provider, gpu, Decimal(gpu_hour), currency, as_of, "on demand", "us-east", "a list")


def one(found: Sequence[Bill]) -> Bill:
    assert len(found) == 1, found
    return found[0]


# FACTS §6.2

STRUBELL = [
    (P100, 8, 12.0, "0.43", "41.28"),
    (P100, 8, 12.0, "1.46", "140.16"),
    (V100, 64, 79.2, "0.74", "3750.912"),
    (V100, 64, 79.2, "2.48", "12570.624"),
]


@pytest.mark.parametrize(("gpu", "gpus", "each", "gpu_hour", "cost"), STRUBELL)
def test_strubells_costs_are_exact(gpu: str, gpus: int, each: float, gpu_hour: str, cost: str) -> None:
    used = [hours(each, gpu, host=f"gpu{i}") for i in range(gpus)]
    assert one(bills(used, [rate(gpu_hour=float(gpu_hour), currency="USD")])).amount == Decimal(cost)
    assert one(cloud_bill(used, [price(gpu, gpu_hour)])).amount == Decimal(cost)


@pytest.mark.parametrize("life_years", [3, 4, 7])
def test_58_gpus_over_their_whole_life_cost_what_was_paid_for_them(life_years: int) -> None:
    lab = rate(capex=20000, gpus=8, life_years=life_years, use=1)
    used = [hours(8760.0, host=f"gpu{i}") for i in range(58) for _ in range(life_years)]
    assert one(bills(used, [lab])).amount == Decimal(145000)


# Arithmetic


def test_tenths_are_tenths() -> None:
    found = one(bills([hours(0.1), hours(0.2), hours(0.0)], [rate(gpu_hour=0.1)]))
    assert found.amount == Decimal("0.03")
    assert [(line.amount, line.price, line.cost) for line in found.lines] == [
        (Decimal("0.3"), Decimal("0.1"), Decimal("0.03"))
    ]


def test_a_large_sum_keeps_its_small_parts() -> None:
    used = [hours(1e15), *[hours(1e-4)] * 10_000]
    assert one(bills(used, [rate(gpu_hour=1)])).amount == Decimal(10**15 + 1)


def test_floats_of_any_size_are_summed() -> None:
    found = one(bills([hours(1.7976931348623157e308), hours(5e-324)], [rate(capex=1, gpus=3, life_years=1, use=1)]))
    assert found.amount is not None
    assert found.amount > Decimal("1e303")


def test_a_bill_does_not_depend_on_the_users_decimal_context() -> None:
    used, rows = (
        [hours(79.2), hours(0.123456789, T4)],
        [rate(gpu_hour=2.48), rate(capex=1, gpus=3, life_years=1, use=1, match={"gpu": "T4"})],
    )
    wide = bills(used, rows)
    with localcontext(Context(prec=2, rounding="ROUND_UP")):
        assert bills(used, rows) == wide
        assert text(one(wide)) == "196.42 EUR"


DECIMALS = st.integers(0, 10**9).map(lambda n: n / 10**4)
USED = st.lists(
    st.builds(
        hours,
        DECIMALS,
        st.sampled_from([V100, T4, P100]),
        errors=st.sampled_from([{}, {"counter": 0.05}, {"counter": 0.05, "share": 0.1}]),
        method=st.sampled_from(["measured", "modelled", None]),
        missing=st.sampled_from([0, 0, 1]),
        reason=st.sampled_from([None, "a GPU was lost"]),
    ),
    max_size=8,
)
ROWS = [
    rate(1, gpu_hour=0.55),
    rate(2, gpu_hour="0.1234567", match={"gpu": "T4"}),
    rate(3, "USD", {"gpu": "P100*"}, gpu_hour=2),
]
PRICES = [
    price("V100*", "3.06"),
    price("T4", "0.526"),
    price("V100*", "0.79", "lambda"),
    price("T4", "0.5", "aws", date(2025, 1, 1)),
]


@given(USED, st.randoms())
def test_the_order_of_what_is_billed_never_matters(used: list[Quantity], random: Any) -> None:
    shuffled = random.sample(used, len(used))
    assert bills(shuffled, random.sample(ROWS, len(ROWS))) == bills(used, ROWS)
    assert cloud_bill(shuffled, random.sample(PRICES, len(PRICES))) == cloud_bill(used, PRICES)


@given(USED, st.integers(1, 9))
def test_the_grouping_of_what_is_billed_never_matters(used: list[Quantity], parts: int) -> None:
    """Each amount in parts that are decimals and add up to it exactly; what is missing is missing once."""
    split = []
    for q in used:
        units = round(q.amount * 10**4)
        shares = [units * (i + 1) // parts - units * i // parts for i in range(parts)]
        pieces = [replace(q, amount=n / 10**4, missing=0) for n in shares if n]
        split += [*pieces[:-1], replace(pieces[-1], missing=q.missing)] if pieces else [q]
    assert bills(split, ROWS) == bills(used, ROWS)
    assert cloud_bill(split, PRICES) == cloud_bill(used, PRICES)


@given(USED, st.integers(1, 1000))
def test_money_is_linear_in_hours(used: list[Quantity], times: int) -> None:
    more = [replace(q, amount=round(q.amount * 10**4) * times / 10**4) for q in used]
    for once, often in zip(bills(used, ROWS), bills(more, ROWS), strict=True):
        assert (once.amount is None) is (often.amount is None)
        assert once.amount is None or often.amount == once.amount * times


# Currencies


def test_currencies_are_never_added() -> None:
    used = [hours(2.0), hours(10.0, unit="kwh")]
    eur, usd = bills(used, [rate(1, "USD", kwh=0.3), rate(2, "EUR", gpu_hour=1)])
    assert (eur.currency, eur.amount, eur.incomplete) == ("EUR", 2, False)
    assert (usd.currency, usd.amount, usd.incomplete) == ("USD", 3, False)


def test_there_is_no_way_to_add_bills() -> None:
    assert not [name for name in dir(money) if "total" in name.lower()]
    several = bills(
        [hours(2.0), hours(1.0, T4)], [rate(1, "EUR", gpu_hour=1), rate(2, "USD", {"gpu": "T4"}, gpu_hour=1)]
    )
    assert [b.amount for b in several] == [2, 1]
    for nonsense in (lambda: several[0] + several[1], lambda: sum(several)):  # type: ignore[operator,call-overload]
        with pytest.raises(TypeError):
            nonsense()


@given(USED, st.lists(st.sampled_from(["EUR", "USD", "JPY"]), min_size=1, max_size=4))
def test_each_bill_has_lines_of_rows_in_its_own_currency_only(used: list[Quantity], codes: list[str]) -> None:
    patterns = ["", "V100*", "T4", "P100*"]
    rows = [rate(i, code, {"gpu": patterns[i]}, gpu_hour=i + 1) for i, code in enumerate(codes)]
    found = bills(used, rows)
    assert [b.currency for b in found] == sorted({b.currency for b in found})
    of = {row.origin: row.currency for row in rows}
    for bill in found:
        assert {of[line.source] for line in bill.lines} <= {bill.currency}
        assert sum(line.cost for line in bill.lines) == (bill.amount or 0)


# What has no price


def test_without_tariffs_there_is_no_bill_and_without_use_neither() -> None:
    assert bills([hours(1.0)], []) == ()
    assert bills([], [rate(gpu_hour=1)]) == ()
    assert cloud_bill([hours(1.0)], []) == cloud_bill([], TABLE) == ()


def test_a_lab_that_does_not_price_a_unit_has_complete_bills_without_it() -> None:
    found = one(bills([hours(2.0), hours(9.0, unit="cpu_hour")], [rate(gpu_hour=1)]))
    assert (found.amount, found.missing, found.reasons) == (2, 0, ())
    assert bills([hours(9.0, unit="cpu_hour")], [rate(gpu_hour=1)]) == ()


def test_a_machine_that_no_row_prices_makes_the_bill_a_lower_bound() -> None:
    found = one(
        bills(
            [hours(2.0), hours(3.0, T4, host="y"), hours(4.0, T4, host="y")], [rate(gpu_hour=1, match={"gpu": "V100*"})]
        )
    )
    assert (found.amount, found.missing) == (2, 1)
    assert found.reasons == ("no price per GPU-hour for host y, Tesla T4: add a row to f.toml",)
    assert text(found) == "≥ 2.00 EUR"


def test_only_the_currency_that_prices_the_unit_lacks_it() -> None:
    rows = [rate(1, "EUR", {"gpu": "V100*"}, gpu_hour=1), rate(2, "USD", kwh=0.3)]
    eur, usd = bills([hours(2.0), hours(3.0, T4), hours(10.0, unit="kwh")], rows)
    assert (eur.incomplete, usd.incomplete) == (True, False)


def test_where_nothing_has_a_price_there_is_none_rather_than_zero() -> None:
    found = one(bills([hours(3.0, T4)], [rate(gpu_hour=1, match={"gpu": "V100*"})]))
    assert (found.amount, found.missing, text(found)) == (None, 1, "—")


def test_an_ambiguous_price_is_none() -> None:
    found = one(bills([hours(3.0)], [rate(3, gpu_hour=1), rate(7, gpu_hour=2)]))
    assert found.amount is None
    assert "f.toml:3 (any) and f.toml:7 (any)" in found.reasons[0]


def test_no_hours_on_a_machine_without_a_price_lack_nothing() -> None:
    found = one(bills([hours(2.0), hours(0.0, T4)], [rate(gpu_hour=1, match={"gpu": "V100*"})]))
    assert (found.amount, found.missing) == (2, 0)


def test_windows_without_the_figure_make_the_bill_a_lower_bound() -> None:
    lost = hours(0.0, missing=2, reason="the GPU was lost")
    found = one(bills([hours(2.0), lost], [rate(gpu_hour=1)]))
    assert (found.amount, found.missing, found.reasons) == (2, 2, ("the GPU was lost",))
    assert one(bills([lost], [rate(gpu_hour=1)])).amount is None
    assert one(bills([hours(0.0)], [rate(gpu_hour=1)])).amount == 0


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1.0])
def test_hours_that_are_no_number_are_no_zero(wrong: float) -> None:
    found = one(bills([hours(2.0), hours(wrong)], [rate(gpu_hour=1)]))
    assert (found.amount, found.missing) == (2, 1)
    assert "GPU-hours of host x, Tesla V100-SXM2-16GB" in found.reasons[0]


def test_what_is_free_costs_nothing() -> None:
    assert text(one(bills([hours(2.0)], [rate(gpu_hour=0)]))) == "0 EUR"


# Label, uncertainty, sources


def test_a_declared_price_leaves_the_label_of_the_hours() -> None:
    assert one(bills([hours(9.0), hours(0.5, method="assumed")], [rate(gpu_hour=1)])).method == "measured"
    assert one(bills([hours(9.0), hours(5.0, method="assumed")], [rate(gpu_hour=1)])).method == "assumed"


def test_the_label_is_by_what_parts_cost_rather_than_by_their_hours() -> None:
    used = [hours(9.0), hours(1.0, T4, method="assumed")]
    rows = [rate(1, gpu_hour=1), rate(2, gpu_hour=0.5, match={"gpu": "T4"})]
    assert one(bills(used, rows)).method == "measured"  # 0.5 of 9.5
    assert one(bills(used, rows[:1])).method == "assumed"  # 1 of 10


def test_the_same_on_a_cloud_is_modelled_at_best() -> None:
    assert one(cloud_bill([hours(9.0)], [price(V100, "1")])).method == "modelled"
    assert one(cloud_bill([hours(9.0, method="assumed")], [price(V100, "1")])).method == "assumed"


def test_errors_of_one_cause_add_up_and_of_two_in_quadrature() -> None:
    rows = [rate(gpu_hour=2)]
    same = [hours(30.0, errors={"counter": 0.1}), hours(40.0, errors={"counter": 0.1})]
    other = [hours(30.0, errors={"one": 0.1}), hours(40.0, errors={"other": 0.1})]
    assert one(bills(same, rows)).half_width == pytest.approx(Decimal(14))
    assert one(bills(other, rows)).half_width == pytest.approx(Decimal(10))
    assert one(bills([hours(1.0)], rows)).half_width is None


def test_a_bill_says_by_which_rows_it_was_made() -> None:
    used = [hours(1.0), hours(2.0, T4), hours(10.0, unit="kwh"), hours(5.0, T4)]
    found = one(bills(used, [rate(4, kwh=0.3), rate(9, gpu_hour=1), rate(2, gpu_hour=0.5, match={"gpu": "T4"})]))
    assert [(line.unit, line.source, line.amount, line.cost) for line in found.lines] == [
        ("gpu_hour", "f.toml:2", 7, Decimal("3.5")),
        ("gpu_hour", "f.toml:9", 1, 1),
        ("kwh", "f.toml:4", 10, 3),
    ]
    assert found.sources == ("f.toml:2", "f.toml:4", "f.toml:9")
    assert found.amount == Decimal("7.5")


def test_each_day_has_its_price() -> None:
    rows = [rate(1, gpu_hour=1), rate(2, gpu_hour=2, valid_from=DAY)]
    before = replace(hours(1.0), day=date(2026, 9, 30))
    assert one(bills([before, hours(1.0)], rows)).amount == 3


# The same on a cloud


def test_a_cloud_has_a_bill_for_each_provider_currency_and_date() -> None:
    later, offers = (
        date(2027, 1, 1),
        [
            price(V100, "3"),
            price(V100, "2", "lambda"),
            price(V100, "2.5", as_of=date(2027, 1, 1)),
            price(V100, "2.8", currency="EUR"),
        ],
    )
    assert [(b.kind, b.provider, b.currency, b.as_of, b.amount) for b in cloud_bill([hours(2.0)], offers)] == [
        ("cloud", "aws", "EUR", DAY, Decimal("5.6")),
        ("cloud", "aws", "USD", DAY, 6),
        ("cloud", "aws", "USD", later, 5),
        ("cloud", "lambda", "USD", DAY, 4),
    ]


def test_a_gpu_that_a_cloud_has_no_price_for_is_a_reason_and_no_guess() -> None:
    used = [hours(2.0), hours(1.0, "NVIDIA GeForce RTX 4090"), hours(1.0, "")]
    found = one(cloud_bill(used, [price(V100, "3"), price(T4, "1", "lambda")]))
    assert (found.provider, found.amount, found.missing) == ("aws", 6, 2)
    assert found.reasons == (
        "aws, 2026-10-01: no price for NVIDIA GeForce RTX 4090: add a [[cloud]] row",
        "aws, 2026-10-01: no price for a GPU of unknown model: add a [[cloud]] row",
    )
    assert text(found) == "≥ ~6.00 USD"


def test_where_no_cloud_has_a_price_the_bill_says_so() -> None:
    found = one(cloud_bill([hours(1.0, "NVIDIA GeForce RTX 4090")], TABLE))
    assert (found.amount, found.provider, text(found)) == (None, "aws", "—")
    assert "RTX 4090" in found.reasons[0]


def test_only_gpu_hours_have_a_cloud_price() -> None:
    found = one(cloud_bill([hours(2.0), hours(5.0, unit="cpu_hour"), hours(7.0, unit="kwh")], TABLE))
    assert found.amount == Decimal("6.12")
    assert found.sources == (TABLE[3].described,)
    assert cloud_bill([hours(7.0, unit="kwh")], TABLE) == ()


# In print


@pytest.mark.parametrize(
    ("amount", "currency", "printed"),
    [
        ("3.12", "EUR", "3.12 EUR"),
        ("3", "EUR", "3.00 EUR"),
        ("0.0042", "EUR", "0.0042 EUR"),
        ("0.00416", "EUR", "0.0042 EUR"),
        ("0.0996", "EUR", "0.10 EUR"),
        ("0.096", "EUR", "0.096 EUR"),
        ("0.994", "EUR", "0.99 EUR"),
        ("0.999", "EUR", "1.00 EUR"),
        ("12570.624", "USD", "12570.62 USD"),
        ("1234567890123.456", "USD", "1234567890123.46 USD"),
        ("1E+20", "USD", "100000000000000000000.00 USD"),
        ("1.2E-9", "USD", "0.0000000012 USD"),
        ("3.12", "JPY", "3.1 JPY"),
        ("312.4", "JPY", "312 JPY"),
        ("0.05", "JPY", "0.050 JPY"),
        ("3.1239", "KWD", "3.124 KWD"),
        ("0", "EUR", "0 EUR"),
        ("0E-10", "EUR", "0 EUR"),
    ],
)
def test_amounts_are_printed_to_the_smallest_coin_or_two_digits(amount: str, currency: str, printed: str) -> None:
    assert text(Bill("own", currency, Decimal(amount))) == printed


@given(st.decimals(0, 10**12, allow_nan=False, places=12))
def test_no_amount_is_printed_with_an_exponent_or_far_off(amount: Decimal) -> None:
    number, code = text(Bill("own", "EUR", amount)).split()
    assert code == "EUR"
    assert set(number) <= set("0123456789.")
    assert abs(Decimal(number) - amount) <= amount * Decimal("0.05")


@pytest.mark.parametrize(
    ("half_width", "missing", "method", "printed"),
    [
        ("0.156", 0, "measured", "3.12 EUR ±5.0 %"),
        ("0.156", 1, "modelled", "≥ ~3.12 EUR ±5.0 %"),
        ("0.9", 0, "assumed", "~3.12 EUR ±29 %"),
        ("6.24", 0, "measured", "3.12 EUR ×/÷ 3"),
        ("0", 0, "measured", "3.12 EUR exact"),
        ("0", 1, "measured", "≥ 3.12 EUR"),
        (None, 1, None, "≥ 3.12 EUR"),
    ],
)
def test_a_bill_is_printed_with_what_is_not_sure(
    half_width: str | None, missing: int, method: Any, printed: str
) -> None:
    width = None if half_width is None else Decimal(half_width)
    assert text(Bill("own", "EUR", Decimal("3.12"), method=method, half_width=width, missing=missing)) == printed
