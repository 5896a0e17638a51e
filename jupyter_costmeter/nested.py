"""What records inside others take of these, so that all together are what the outermost ones are; pure.

Windows inside another may lie beside each other (a block in each of several threads), and a process's counters cannot
tell its threads apart: where together they have more than the one around them, each takes its part of what there is.
What that one could not read, it has nothing to give of: the inner one's figure then counts beside it, the totals of the
outermost ones are lower bounds without it, and whoever reads them is told so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from . import accounting
from .accounting import Part
from .format import NAMES
from .record import FLOPS, CellRecord
from .uses import WANTED, wanted

WALL = ("wall_s", "")


@dataclass(frozen=True, slots=True)
class Taken:
    """What is left of a record, by device and figure; ``cut`` where others were taken out of it.

    ``beside`` names the figures that it has and none around it: they are in no total of the outermost records.
    """

    wall_s: float
    parts: tuple[tuple[str, Part], ...]
    cut: bool
    beside: tuple[str, ...] = ()


class Left(NamedTuple):
    """Of one figure of a record: what it was granted of the one around it, less what it gave.

    ``beside`` is whether all of it lies outside of the outermost one's, of which it could not be had.
    """

    value: float
    gave: bool
    beside: bool = False


def taken(records: Sequence[CellRecord], around: Callable[[CellRecord], Sequence[str]]) -> dict[str, Taken]:
    """What is left of each record that has another one in it, or lies in one; the rest are whole.

    Args:
        records: outermost ones and those in them that count by themselves.
        around: the ids of the records around one, out of these, the nearest first.
    """
    chains = {record.id: around(record) for record in records if record.parent_id is not None}
    involved = {key for chain in chains.values() for key in chain} | chains.keys()
    found = [record for record in records if record.id in involved]
    parts = {record.id: _parts(record) for record in found}
    names = {key for of in parts.values() for key in of}
    left = {key: rests(chains, {i: of[key].value for i, of in parts.items() if key in of}) for key in names}
    walls = rests(chains, {record.id: record.wall_s for record in found})
    return {
        i: Taken(
            walls[i].value,
            tuple((_device(key), _rest(part, left[key].get(i))) for key, part in of.items()),
            walls[i].gave,
            tuple(key[0] for key in of if i in left[key] and left[key][i].beside),
        )
        for i, of in parts.items()
    }


def notes(found: Iterable[Taken]) -> list[str]:
    """What a reader of groups should know that hold these: which figures are more than the outermost records'."""
    beside = {name for one in found for name in one.beside}
    names = (f"FLOPs ({NAMES[name]})" if name in FLOPS else NAMES[name] for name in WANTED if name in beside)
    return [
        f"{name}: of some cells it was not read, but of trials or blocks inside them it was: it counts there, and so"
        " the parts are more than the whole, which lacks it"
        for name in names
    ]


def _rest(part: Part, left: Left | None) -> Part:
    return part if left is None else replace(part, value=left.value)


def _device(key: tuple[str, str]) -> str:
    return key[1] if key[0] == "gpu_reserved_s" else ""


def _parts(record: CellRecord) -> dict[tuple[str, str], Part]:
    figures = list(wanted(record.usage, WANTED))
    found = zip(figures, accounting.parts(figures), strict=True)
    return {(figure.name, figure.device or ""): part for figure, part in found}


def rests(chains: Mapping[str, Sequence[str]], values: Mapping[str, float | None]) -> dict[str, Left]:
    """One figure of records: what each has once those inside it have taken theirs; they add up to the outermost ones'.

    Args:
        chains: of each record inside others, the ids of those, the nearest first.
        values: by id; ``None``, or no entry, where the figure could not be had.

    Returns:
        Of each that has a value what is left of it, never below 0. All together they are the outermost ones' values
        and those that count beside them.
    """
    there = {key: value for key, value in values.items() if value is not None}
    givers = {key: next((i for i in chains.get(key, ()) if i in there), None) for key in there}
    asked = _by_giver(givers, there)
    granted: dict[str, float] = {}
    for key in sorted(there, key=lambda i: len(chains.get(i, ()))):  # from the outside in
        giver = givers[key]
        granted[key] = there[key] if giver is None else there[key] * _share(granted[giver], there[giver], asked[giver])
    given = _by_giver(givers, granted)
    beside = {key for key, giver in givers.items() if giver is None and chains.get(key) and there[key] > 0}
    return {key: Left(max(0.0, granted[key] - given.get(key, 0.0)), key in given, key in beside) for key in there}


def _by_giver(givers: Mapping[str, str | None], values: Mapping[str, float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, giver in givers.items():
        if giver is not None:
            found[giver] = found.get(giver, 0.0) + values[key]
    return found


def _share(granted: float, value: float, asked: float) -> float:
    """The part that those inside get of what they ask for: of one that was granted so much of its value."""
    return granted / max(value, asked) if max(value, asked) > 0 else 0.0
