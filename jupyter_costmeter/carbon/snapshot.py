"""The shipped carbon intensities: countries, states, provinces, bidding zones, clouds' regions, the world.

Made from codecarbon's data files (``data/README.md``: sources, years, rules, licences). Their bases differ, so two
regions' figures compare only where the basis is the same (FACTS §2.1). All are annual averages, ±20 % (FACTS §4) or
more where the source rounds more coarsely. The world's average is used where the place is not known, so that its
error is that of the place: no shipped country is further from it than 95 %, hence ±100 %, twice as much or nothing.

The file is read when it is first needed, in a few milliseconds; a damaged one is a ``CostMeterError``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any
from unicodedata import category, normalize

from ..errors import CostMeterError, UsageError
from ..factors import WORLD, Intensity, Region
from . import providers

DATA = Path(__file__).parent / "data" / "intensity.json"
WORD = re.compile(r"\w+")


@cache
def regions() -> tuple[Region, ...]:
    """All shipped regions, and those of clouds by where they are (``providers``)."""
    try:
        data = json.loads(DATA.read_text(encoding="utf-8"))
        found = tuple(_region(row, data["sets"][row["set"]]) for row in data["rows"])
        found += tuple(providers.regions(found))
        if WORLD not in {each.id for each in found}:
            raise ValueError("the world's average is missing")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        why = f"the shipped carbon intensities cannot be read ({error or type(error).__name__})"
        raise CostMeterError(f"{why}: install jupyter_costmeter anew") from error
    return found


def region(id_or_name: str) -> Region:
    """The region of that id, ISO alpha-3 code or name, in any case: ``us-ca``, ``FRA``, ``gcp:us-central1``, ``UK``.

    Raises:
        UsageError: nothing is called so (says what is near), or several are (says which).
    """
    text = fold(id_or_name)
    entries = _entries()
    found = [e for e in entries if e.id == text] or [e for e in entries if text in e.names]
    if len(found) == 1:
        return found[0].region
    if found:
        raise UsageError(f"several regions are called {id_or_name!r}: {_listed(e.region for e in found)}; give the id")
    raise UsageError(f"there is no region {id_or_name!r}{_nearest(text)}")


def search(text: str, limit: int = 20) -> list[Region]:
    """At most ``limit`` regions that fit all words of ``text``, the best first; no words, no regions.

    First those whose id or whole name it is, then those whose id, name or words begin so, then aliases, then those
    that have it anywhere. Case, accents and punctuation do not matter.
    """
    wanted = fold(text)
    ranked = [(rank, e.region.name, e.region) for e in _entries() if wanted and (rank := e.rank(wanted)) is not None]
    return [found for *_, found in sorted(ranked, key=_order)[:limit]]


def _order(ranked: tuple[int, str, Region]) -> tuple[bool, int, str]:
    """A cloud's region that has its place's intensity comes after all that have their own, unless it is meant."""
    rank, name, found = ranked
    return rank > 1 and providers.is_one(found.id), rank, name


def world() -> Region:
    """The world's average, of method "assumed"."""
    return region(WORLD)


@cache
def span() -> tuple[Region, Region]:
    """The least and the most carbon-intense country: what there may be while the place is not known.

    Countries that were refused, or about which there is something to note, are left out.
    """
    sound = [(each.intensity.g_per_kwh, each) for each in regions() if each.intensity and _is_sound(each)]
    if not sound:
        raise CostMeterError("the shipped carbon intensities have no country: install jupyter_costmeter anew")
    ordered = [each for _, each in sorted(sound, key=lambda pair: pair[0])]
    return ordered[0], ordered[-1]


def fold(text: str) -> str:
    """Its words in lower case without accents, one space between: ``gcp:us-central1`` is ``gcp us central1``."""
    plain = text.casefold()
    if not plain.isascii():
        plain = "".join(letter for letter in normalize("NFKD", plain) if not category(letter).startswith("M"))
    return " ".join(WORD.findall(plain))


# Rows


def _region(row: Mapping[str, Any], origin: Mapping[str, str]) -> Region:
    note = "; ".join(filter(None, (row.get("note"), origin.get("note")))) or None
    intensity = None if row["g"] is None else _intensity(row, origin, note)
    return Region(row["id"], row["name"], intensity, tuple(row.get("aliases", ())), note)


def _intensity(row: Mapping[str, Any], origin: Mapping[str, Any], note: str | None) -> Intensity:
    if not (isfinite(row["g"]) and row["g"] > 0):
        raise ValueError(f"{row['id']} has {row['g']} g/kWh")
    return Intensity(
        float(row["g"]),
        row["id"],
        origin["source"].replace("{year}", str(row["year"])),
        int(row["year"]),
        basis=origin["basis"],
        method=origin.get("method", "modelled"),
        uncertainty=row.get("uncertainty", 0.2),
        note=note,
    )


def _is_sound(each: Region) -> bool:
    """A country of which there is nothing to note. Only countries have ids of two letters."""
    return len(each.id) == 2 and each.note is None


# Names


@dataclass(frozen=True, slots=True)
class _Entry:
    """A region and its folded names."""

    region: Region
    id: str
    names: tuple[str, ...]

    def rank(self, text: str) -> int | None:
        """How well it fits, 0 is best; ``None`` where it does not."""
        words, name = text.split(), self.names[0]
        fits = (
            text == self.id,
            text in self.names,
            self.id.startswith(text),
            name.startswith(text),
            _begin(words, f"{self.id} {name}"),
            _begin(words, " ".join((self.id, *self.names))),
            all(word in " ".join((self.id, *self.names)) for word in words),
        )
        return next((rank for rank, fit in enumerate(fits) if fit), None)


def _begin(words: Iterable[str], text: str) -> bool:
    """Whether each is the beginning of a word of ``text``."""
    return all(f" {word}" in f" {text}" for word in words)


@cache
def _entries() -> tuple[_Entry, ...]:
    return tuple(_Entry(each, fold(each.id), tuple(map(fold, (each.name, *each.aliases)))) for each in regions())


def _nearest(text: str) -> str:
    """What to say of a name that no region has."""
    called = {name: entry.region for entry in _entries() for name in (entry.id, *entry.names)}
    near = dict.fromkeys(called[name] for name in get_close_matches(text, called, n=5))
    if near:
        return f"; near it are {_listed(list(near)[:3])}"
    return "; name a country (FR, France), a state (US-CA) or a cloud's region (gcp/us-central1, aws/us-east-1)"


def _listed(found: Iterable[Region]) -> str:
    return ", ".join(f"{each.id} ({each.name})" for each in found)
