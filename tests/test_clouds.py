"""Prices of clouds: each with its provider and date, for GPUs by the names that drivers give them."""

from __future__ import annotations

import re
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from jupyter_costmeter import currencies, money
from jupyter_costmeter.clouds import DEFAULT, TABLE, CloudPrice, cloud_price_of, price_for, prices
from jupyter_costmeter.currencies import CODES
from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.factors import Quantity
from jupyter_costmeter.peaks import peak
from jupyter_costmeter.tariffs import checked, fits_gpu, tariff_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DOC = Path(__file__).parent.parent / "docs" / "money.md"
ROW = {"provider": "lambda", "gpu": "A100*", "gpu_hour": 1.29, "currency": "USD", "as_of": date(2026, 9, 1)}
#: FACTS §3, by the names that NVML gives.
KNOWN = [
    ("Tesla T4", "0.526"),
    ("Tesla K80", "0.90"),
    ("NVIDIA A10G", "1.006"),
    ("Tesla V100-SXM2-16GB", "3.06"),
    ("NVIDIA A100-SXM4-40GB", "4.10"),
    ("A100-SXM4-40GB", "4.10"),  # as drivers before 470 wrote it
    ("NVIDIA A100-SXM4-80GB", "5.12"),
    ("NVIDIA H100 80GB HBM3", "12.29"),
]
UNKNOWN = [
    "NVIDIA A10",
    "NVIDIA A100-PCIE-40GB",
    "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
    "NVIDIA A100-SXM4-40GB (a MIG slice)",
    "Tesla V100-PCIE-16GB",
    "Tesla V100-SXM2-32GB",
    "NVIDIA H100 PCIe",
    "NVIDIA H200",
    "NVIDIA L4",
    "GPU-8c7d",
    "",
]


@pytest.mark.parametrize(("gpu", "gpu_hour"), KNOWN)
def test_a_gpu_with_a_known_price(gpu: str, gpu_hour: str) -> None:
    found, _ = price_for(TABLE, gpu)
    assert found is not None
    assert (found.provider, found.gpu_hour, found.currency) == (DEFAULT, Decimal(gpu_hour), "USD")


@pytest.mark.parametrize("gpu", UNKNOWN)
def test_a_gpu_without_a_price_is_none_and_says_so(gpu: str) -> None:
    found, why = price_for(TABLE, gpu)
    assert found is None
    assert (gpu or "unknown model") in why


def test_no_shipped_price_is_without_provider_date_way_of_buying_and_source() -> None:
    for row in TABLE:
        assert row.provider
        assert row.as_of == date(2023, 11, 16)
        assert row.described.startswith("on demand, us-east; ")
        assert "November 2023" in row.source
        assert row.currency in CODES
        assert row.gpu_hour > 0


def test_every_shipped_price_is_tested_and_no_gpu_has_two() -> None:
    for gpu, _ in KNOWN:
        assert len([row for row in TABLE if fits_gpu(row.gpu, gpu)]) == 1
    assert all(any(fits_gpu(row.gpu, gpu) for gpu, _ in KNOWN) for row in TABLE)


def test_the_names_are_those_that_peaks_knows() -> None:
    """A name that no driver gives would never have its price. (The K80 is too old for a peak.)"""
    for gpu, _ in KNOWN:
        assert gpu == "Tesla K80" or peak(gpu, "fp32", {}) is not None


def test_an_eighth_of_a_machine_with_eight() -> None:
    by_gpu = dict(KNOWN)
    assert round(Decimal("32.7726") / 8, 1) == Decimal(by_gpu["NVIDIA A100-SXM4-40GB"])
    assert Decimal("98.32") / 8 == Decimal(by_gpu["NVIDIA H100 80GB HBM3"])


# The user's


def test_a_users_price() -> None:
    found = cloud_price_of({**ROW, "provider": "Lambda", "model": "on demand", "where": "us-east-1"}, "/lab/f.toml:7")
    assert found == CloudPrice(
        "lambda", "A100*", Decimal("1.29"), "USD", date(2026, 9, 1), "on demand", "us-east-1", "declared in f.toml:7"
    )
    assert found.described == "on demand, us-east-1; declared in f.toml:7"
    assert cloud_price_of({**ROW, "source": "their web page"}, "").described == "their web page"


@pytest.mark.parametrize("key", ["provider", "gpu", "gpu_hour", "currency", "as_of"])
def test_no_price_without_its_provider_date_gpu_and_currency(key: str) -> None:
    row = {k: v for k, v in ROW.items() if k != key}
    with pytest.raises(UsageError, match=f"{key} is missing"):
        cloud_price_of(row, "")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"provider": " "}, "provider is missing"),
        ({"gpu": ""}, "gpu is missing"),
        ({"gpu_hour": -1}, "gpu_hour.*from 0"),
        ({"gpu_hour": float("nan")}, "gpu_hour.*number"),
        ({"gpu_hour": "four"}, "gpu_hour.*number"),
        ({"currency": "usd"}, "currency = 'usd'.*'USD'"),
        ({"as_of": "last year"}, "as_of.*a day"),
        ({"as_of": datetime(2026, 9, 1)}, "as_of.*a day"),
        ({"region": "us-east"}, "there is no 'region'"),
        ({"gpus": 8}, "gpus.*did you mean 'gpu'"),
        ({"where": 1}, "where.*a text"),
    ],
)
def test_each_mistake_is_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        cloud_price_of({**ROW, **wrong}, "")


def test_the_users_price_wins_over_the_shipped_one_of_that_gpu_only() -> None:
    own = cloud_price_of(ROW, "f.toml:7")
    merged = prices([own])
    for gpu in ("NVIDIA A100-SXM4-40GB", "NVIDIA A100-SXM4-80GB", "NVIDIA A100-PCIE-40GB"):
        assert price_for(merged, gpu)[0] == own
    assert [row.gpu for row in merged if row.provider == DEFAULT] == [row.gpu for row in TABLE if "A100" not in row.gpu]
    assert prices() == TABLE


def test_the_more_specific_of_two_prices_is_taken_and_of_two_alike_none() -> None:
    wide, narrow = cloud_price_of(ROW, "f.toml:7"), cloud_price_of({**ROW, "gpu": "A100-SXM4-80GB"}, "f.toml:9")
    assert price_for([wide, narrow], "NVIDIA A100-SXM4-80GB")[0] == narrow
    assert price_for([narrow, wide], "NVIDIA A100-SXM4-40GB")[0] == wide
    again = cloud_price_of({**ROW, "gpu_hour": 2}, "f.toml:11")
    found, why = price_for([wide, again], "NVIDIA A100-SXM4-40GB")
    assert found is None
    assert "f.toml:11" in why
    assert "f.toml:7" in why
    assert price_for([wide, wide], "NVIDIA A100-SXM4-40GB")[0] == wide


# The page


def test_the_page_lists_the_table() -> None:
    lines = DOC.read_text(encoding="utf-8").splitlines()
    for row in TABLE:
        assert any(line.startswith(f"| {row.gpu} | {row.gpu_hour} |") for line in lines), row


def tables_of_the_page() -> dict[str, Any]:
    return tomllib.loads("".join(re.findall(r"```toml\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)))


def test_the_pages_example_comes_to_what_the_page_says() -> None:
    declared, page = tables_of_the_page(), DOC.read_text(encoding="utf-8")
    tariffs = [tariff_of(row, "f.toml:1", declared["currency"]["code"]) for row in declared["rates"]]
    a100 = ("gpu07", date(2026, 10, 7), "gpu-small", "NVIDIA A100-SXM4-40GB")
    used = [
        Quantity("gpu_hour", 2.0, *a100),
        Quantity("cpu_hour", 1.5, *a100),
        Quantity("kwh", 0.6, *a100, errors={"counter": 0.05}),
    ]
    (bill,) = money.bills(used, tariffs)
    for line in bill.lines:
        assert f" | {currencies.price(line.price, 'EUR')} | {currencies.price(line.cost, 'EUR')} |" in page
    assert f"**{currencies.price(bill.amount or Decimal(0), 'EUR')}: printed {money.text(bill)}**" in page
    (elsewhere,) = money.cloud_bill(used, TABLE)
    assert f"({elsewhere.provider}, {elsewhere.as_of}): 2 × 4.10 = {money.text(elsewhere)}." in page
    (t4,) = [c for c in checked(tariffs, [("old", "", "Tesla T4", date(2026, 10, 7))]) if c.unit == "GPU-hour"]
    assert f"= {t4.price}." in page


def test_the_pages_cloud_row_is_one() -> None:
    assert [cloud_price_of(row, "f.toml:1").provider for row in tables_of_the_page()["cloud"]] == ["lambda"]


def test_a_simulated_gpu_is_priced_as_what_it_stands_for() -> None:
    for pattern, model in (("T4", "Tesla T4 (simulated)"), ("A100-SXM4-40GB", "NVIDIA A100-SXM4-40GB (simulated)")):
        assert fits_gpu(pattern, model)
    assert not fits_gpu("T4", "Tesla T40 (simulated)")
