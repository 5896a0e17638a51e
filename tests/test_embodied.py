"""Embodied carbon of a GPU-hour: the SCI's M over the hardware's life, and the defaults of FACTS §2.6."""

from __future__ import annotations

import pytest
from carbon_cases import A100, H100
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.embodied import Hardware, embodied_g, gpu_hour
from jupyter_costmeter.factors import Kind

LIVES = [(6.0, 0.85), (4.0, 1.0), (3.0, 0.5)]
#: kgCO2e of a GPU, and grams of one of its hours by these lives (FACTS §2.6).
TABLE = [(150, (3.36, 4.28, 11.4)), (164, (3.67, 4.68, 12.5)), (318, (7.1, 9.1, 24.2))]


@pytest.mark.parametrize(("kg", "grams"), TABLE)
def test_facts_table(kg: float, grams: tuple[float, ...]) -> None:
    for (years, use), expected in zip(LIVES, grams, strict=True):
        own = Hardware({"*": kg}, server_kg=0.0, life_years=years, use=use, source="x")
        assert float(f"{gpu_hour(A100, 'lab', own).value:.3g}") == pytest.approx(expected, abs=0.051)


@given(st.floats(0, 1e5), st.floats(0, 1e5), st.floats(1, 1e6), st.floats(0, 1))
def test_linear_in_making_time_and_share(kg: float, hours: float, life: float, share: float) -> None:
    assert embodied_g(kg, life, life) == pytest.approx(1000 * kg)  # its whole life is all of it
    once = embodied_g(kg, hours, life, share)
    assert embodied_g(2 * kg, hours, life, share) == pytest.approx(2 * once)
    assert embodied_g(kg, 2 * hours, life, share) == pytest.approx(2 * once)
    assert embodied_g(kg, hours, 2 * life, share) == pytest.approx(once / 2)
    assert embodied_g(kg, hours, life, share / 2) == pytest.approx(once / 2)
    assert embodied_g(kg, hours, life) >= once * (1 - 1e-9)


# Defaults


@pytest.mark.parametrize(
    ("model", "kind", "grams"),
    [
        # an eighth of the server's 2500 kg besides, over 44,676 h
        (A100, "lab", 10.3523),
        (A100, None, 10.3523),
        (A100, "cloud", 10.3523),
        (H100, "lab", 10.6657),
        # a laptop's GPU without any server, over 4 years
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "laptop", 4.2808),
        ("", "lab", 10.3523),
    ],
)
def test_by_model_and_kind_of_place(model: str, kind: Kind | None, grams: float) -> None:
    found = gpu_hour(model, kind)
    assert found.value == pytest.approx(grams, abs=5e-5)
    assert (found.name, found.unit, found.method) == ("embodied", "g/GPU-h", "assumed")


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [
        (A100, "lab", ("BLOOM", "lower bound", "HPE DL345", "shared by 8", "6 years")),
        (H100, "lab", ("NVIDIA's product carbon footprint", "1312 kg / 8", "HPE DL345")),
        ("Tesla T4", "lab", ("Tesla T4: no figure is known", "as for an A100")),
        ("", "lab", ("this GPU: no figure is known",)),
        (A100, "laptop", ("the GPU alone", "4 years")),
    ],
)
def test_it_says_what_it_rests_on(model: str, kind: Kind, words: tuple[str, ...]) -> None:
    assert all(word in gpu_hour(model, kind).source for word in words)


def test_a_model_without_a_figure_is_less_certain() -> None:
    """×/÷ 2 of what is known, ×/÷ 3 of what is not (FACTS §4)."""
    assert gpu_hour(A100).uncertainty == gpu_hour(H100).uncertainty == 1.0
    assert gpu_hour("Tesla T4").uncertainty == 2.0


# What the user declares


@pytest.mark.parametrize("pattern", ["A100*", "NVIDIA A100*", "NVIDIA A100-SXM4-40GB", "A100-SXM4-40GB", "*40GB"])
def test_a_pattern_names_a_model_with_or_without_its_maker(pattern: str) -> None:
    own = Hardware({"H100*": 1.0, pattern: 300.0}, source="our vendor")
    assert gpu_hour(A100, "lab", own).value == pytest.approx((300 + 312.5) / 44.676)


def test_another_models_figure_is_not_taken() -> None:
    assert gpu_hour(H100, "lab", Hardware({"A100*": 999.0}, source="x")).value == pytest.approx(10.6657, abs=5e-5)


def test_server_life_and_use() -> None:
    own = Hardware({"*": 200.0}, server_kg=1600.0, gpus_per_server=4, life_years=5.0, use=0.5, source="our vendor")
    found = gpu_hour(A100, "lab", own)
    assert found.value == pytest.approx(600e3 / (5 * 8760 * 0.5))
    assert (found.method, found.source) == ("declared", "our vendor; a server of 1600 kg for 4 GPUs (our vendor)")


@pytest.mark.parametrize(
    ("server_kg", "gpus", "kg", "said"),
    [
        (100.0, 1.0, 100.0, "100 kg for 1 GPUs"),
        (100.0, None, 12.5, "100 kg for 8 GPUs"),
        (None, 4.0, 625.0, "2500 kg for 4 GPUs"),
    ],
)
def test_a_server_and_its_gpus_are_each_taken_and_said(
    server_kg: float | None, gpus: float | None, kg: float, said: str
) -> None:
    own = Hardware({"*": 0.0}, server_kg=server_kg, gpus_per_server=gpus, life_years=1.0, use=1.0, source="x")
    found = gpu_hour(A100, "lab", own)
    assert found.value == pytest.approx(1000 * kg / 8760)
    assert said in found.source


@pytest.mark.parametrize(("pattern", "model"), [("t4", "Tesla T4"), ("V100*", "Tesla V100-SXM2-16GB"), ("a100*", A100)])
def test_models_are_named_as_in_tariffs(pattern: str, model: str) -> None:
    own = Hardware({pattern: 1000.0}, source="x")
    assert gpu_hour(model, "laptop", own).value == pytest.approx(1e6 / (4 * 8760))


@pytest.mark.parametrize(
    "own",
    [
        Hardware({"*": 200.0}, source="our vendor"),
        Hardware(server_kg=1600.0, source="our vendor"),
        Hardware({"*": 200.0}, server_kg=0.0, source="our vendor"),
        Hardware(life_years=5.0, source="our vendor"),
    ],
)
def test_what_is_declared_in_part_is_assumed_and_names_both(own: Hardware) -> None:
    found = gpu_hour(A100, "lab", own)
    assert found.method == "assumed"
    assert "our vendor" in found.source
    assert found.source != "our vendor"


def test_a_life_without_its_use_keeps_the_default_of_that() -> None:
    found = gpu_hour(A100, "lab", Hardware(life_years=5.0, source="x"))
    assert found.value == pytest.approx(462.5e3 / (5 * 8760 * 0.85))
    halved = gpu_hour(A100, "laptop", Hardware(use=0.5, source="x"))
    assert halved.value == pytest.approx(150e3 / (4 * 8760 * 0.5))
