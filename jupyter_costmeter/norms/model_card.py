"""``co2_eq_emissions`` of a Hugging Face model card: exact keys, and emissions in grams (FACTS §1.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..format import plain
from ..statement import Form, Item, Statement
from . import hardware
from .wording import (
    UNPLACED,
    amount,
    emissions,
    emissions_how,
    how,
    known,
    mark,
    meter,
    prose,
    said,
    share_of,
    told,
)

SOURCE = "Hugging Face Hub documentation, https://huggingface.co/docs/hub/model-cards-co2"
TRAINING = {"train": "pre-training", "finetune": "fine-tuning"}
CHECK = "check that what was metered here is this model's: all of it is counted, with tuning and failed runs"


class ModelCard:
    """The YAML block between the ``---`` lines at the head of README.md; a key that is not known is left out."""

    def form(self, statement: Statement) -> Form:
        items = tuple(_items(statement))
        keys = _keys(statement)
        native = {"co2_eq_emissions": keys} if "emissions" in keys else None
        return Form(
            "model-card",
            "Hugging Face model card, co2_eq_emissions",
            SOURCE,
            items,
            _text(statement, items),
            native=native,
            native_suffix="yaml" if native else None,
        )


def _keys(statement: Statement) -> dict[str, Any]:
    """Those that are known, in the order of the documentation."""
    grams = _grams(statement)
    found = {
        "emissions": grams,
        "source": _source(statement) if grams is not None else None,
        "training_type": _training(statement),
        "geographical_location": _location(statement),
        "hardware_used": _hardware(statement),
    }
    return {key: value for key, value in found.items() if value is not None}


def _grams(statement: Statement) -> float | None:
    """Four digits; ``None`` while it is not known where it ran: then it is a range, and the card wants a number."""
    found = statement.whole.emissions_kg.value
    return None if found is None or statement.region_g is not None else float(plain(found * 1000.0, 4))


def _source(statement: Statement) -> str:
    """What measured, and how it is known: a card has no other place for it."""
    found = statement.whole.emissions_kg
    return f"{meter(statement)}: {amount(found, bare=True)}, {how(found)}"


def _training(statement: Statement) -> str | None:
    """``None`` where nothing, or both, was tagged."""
    found = [said_of for category, said_of in TRAINING.items() if share_of(statement, category)]  # type: ignore[arg-type]
    return found[0] if len(found) == 1 else None


def _location(statement: Statement) -> str | None:
    """All places; ``None`` where one of them is not known."""
    return hardware.each(statement, hardware.region)


def _hardware(statement: Statement) -> str | None:
    """``2 machines, each with 2 × NVIDIA A100 (42.9 GB each)``; of a machine without GPUs its CPU."""
    return hardware.all_gpus(statement)


def _items(statement: Statement) -> Iterator[Item]:
    yield _emissions(statement)
    grams = _grams(statement)
    yield told(
        "source",
        "source of the information",
        None if grams is None else _source(statement),
        "this tool",
        "name the source",
    )
    yield told(
        "training_type",
        "pre-training or fine-tuning",
        _training(statement),
        "by tags of categories",
        "say which: `%cost tag train` or `%cost tag finetune`",
    )
    yield told("geographical_location", "as granular as possible", _location(statement), "declared", UNPLACED)
    yield told(
        "hardware_used", "how much compute and what kind", _hardware(statement), "by the driver", "name the hardware"
    )


def _emissions(statement: Statement) -> Item:
    asks = "number, in grams of CO2"
    total, grams = statement.whole.emissions_kg, _grams(statement)
    if total.value is None:
        return known("emissions", asks, total)
    if grams is None:
        todo = f"a number is wanted, and it is {emissions(statement)} by where it ran: {UNPLACED}"
        return Item("emissions", asks, None, emissions_how(statement), todo)
    return Item("emissions", asks, plain(grams, 4), f"{how(total)}{_trained(statement)}", CHECK)


def _trained(statement: Statement) -> str:
    """How much of it was training itself."""
    parts = [
        share.spent.emissions_kg for share in statement.shares if share.category in ("train", "finetune", "distill")
    ]
    values = [part.value for part in parts if part.value is not None]
    if not values or len(values) < len(parts):
        return ""
    return f"; {said(sum(values), 'kgCO2e')} of it in runs tagged train, finetune or distill"


def _text(statement: Statement, items: tuple[Item, ...]) -> str:
    if _grams(statement) is None:
        return prose([mark("the card needs emissions in grams")], items)
    place = _location(statement)
    where = f" in {place}" if place else ""
    on = _hardware(statement)
    with_ = f" on {on}" if on else ""
    return prose(
        [
            f"Developing this model{with_}{where} emitted {amount(statement.whole.emissions_kg)},",
            f"as metered by {meter(statement)}; {mark(CHECK)}.",
        ],
        items,
    )
