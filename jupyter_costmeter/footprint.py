"""Joules to electricity, carbon and water, pure: what sessions used times the conditions under which they did.

emissions = Σ energy × PUE × intensity (Henderson et al. 2020, Patterson et al. 2021; FACTS §1.2); embodied carbon =
Σ GPU-hours × what an hour of its life is of its making (SCI). Nothing is subtracted for certificates or offsets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from math import fsum, nan

from . import embodied, uncertain
from .accounting import Part, weakest
from .assumptions import Water
from .carbon import snapshot
from .conditions import Book, Conditions
from .derived import Applied, Footprint
from .factors import Factor, Intensity
from .record import Method, Provenance, Total
from .uncertain import Adding, Term
from .units import J_PER_WH, kwh_of
from .uses import HOUR_S, Use

#: A GPU-hour or joule of a use, its part, and the conditions of that hour.
Piece = tuple[float, Part, Conditions]
#: In how many windows a total's figure is missing, and why.
Lacking = tuple[int, list[str]]
#: What a term has beside its value: a method, the share that was measured, errors by their cause, sources.
Origin = tuple["Method | None", float, Mapping[str, float], tuple[str, ...]]


def footprint(uses: Sequence[Use], book: Book) -> Footprint:
    """Of what some sessions used."""
    pieces = [piece for use in uses for piece in _pieces(use, book)]
    electricity = list(map(_electricity, pieces))
    emissions = list(map(_emissions, pieces, electricity))
    applied = (*_intensities(pieces), *_pues(pieces), *_lives(uses, book))
    found = _totals(uses, book, pieces, electricity, emissions)
    return Footprint(found, applied, *_range(pieces, electricity, emissions))


def totals(uses: Sequence[Use], book: Book) -> tuple[Total, ...]:
    """Of what some sessions used its totals alone: for many trials, none of which says by which factors."""
    pieces = [piece for use in uses for piece in _pieces(use, book)]
    electricity = list(map(_electricity, pieces))
    return _totals(uses, book, pieces, electricity, list(map(_emissions, pieces, electricity)))


def _totals(
    uses: Sequence[Use], book: Book, pieces: Sequence[Piece], electricity: Sequence[Term], emissions: Sequence[Term]
) -> tuple[Total, ...]:
    sums = _sums(uses, book, pieces, electricity, emissions)
    return tuple(uncertain.total(name, unit, terms, *lacking) for name, unit, terms, lacking in sums)


def _sums(
    uses: Sequence[Use], book: Book, pieces: Sequence[Piece], electricity: Sequence[Term], emissions: Sequence[Term]
) -> Iterator[tuple[str, str, Sequence[Term], Lacking]]:
    """The totals that there are: each one's name, unit, terms and what it lacks."""
    lacking, water = _lacking(part for use in uses for part in use.energy), book.assumptions.water
    if any(use.energy for use in uses):
        yield "electricity_wh", "Wh", electricity, lacking
        yield "emissions_g", "gCO2e", emissions, lacking
    making, unmade = [term for use in uses for term in _making(use, book)], _unmade(uses)
    if making or unmade[0]:  # none where no GPU was held: of other hardware no figure is known
        yield "embodied_g", "gCO2e", making, unmade
    if water is not None:
        yield "water_l", "L", _drunk(pieces, electricity, water), lacking


def _lacking(parts: Iterable[Part]) -> Lacking:
    found = [part for part in parts if part.missing]
    return sum(part.missing for part in found), sorted({part.provenance.reason or "" for part in found} - {""})


class Alike:
    """The footprint of uses that are alike in all but their figures' values: what is the same is looked up once.

    Args:
        use: one of them. In each the same figures have a value, the same reserved GPU-seconds are 0, and the GPUs that
            were held are of one model.
        book: its conditions are the same for all of them.
    """

    def __init__(self, use: Use, book: Book) -> None:
        self._at, self._water = book.at(use.host, use.hour), book.assumptions.water
        self._factors = [factor for _, _, _, factor in _gpu_hours(use, book)]
        pieces = list(_pieces(use, book))
        electricity = list(map(_electricity, pieces))
        sums = _sums([use], book, pieces, electricity, list(map(_emissions, pieces, electricity)))
        self._sums = [(name, unit, Adding(terms), lacking) for name, unit, terms, lacking in sums]
        self._applied = (*_intensities(pieces), *_pues(pieces), *_lives([use], book))

    def footprint(self, joules: Sequence[float], gpu_s: Sequence[float]) -> Footprint:
        """Of one of them: its energies and reserved GPU-seconds that have a value, in its order."""
        wh = [_wh(one, self._at) for one in joules]
        values = {"electricity_wh": wh, "emissions_g": [_grams(one, self._at) for one in wh]}
        values["embodied_g"] = [_made(one, factor) for one, factor in zip(gpu_s, self._factors, strict=False)]
        if self._water is not None:
            values["water_l"] = [_litres(one, self._water, self._at) for one in joules]
        found = [terms.total(name, unit, values[name], *lacking) for name, unit, terms, lacking in self._sums]
        between = _range_of(0.0, fsum(wh)) if wh and self._at.unknown else (None, None)
        return Footprint(tuple(found), self._applied, *between)


# Energy


def _pieces(use: Use, book: Book) -> Iterator[Piece]:
    """A use's joules by where they are from, under the conditions of then."""
    conditions = book.at(use.host, use.hour)
    for part in use.energy:
        if part.value is not None:
            yield part.value, part, conditions


def _electricity(piece: Piece) -> Term:
    joules, part, conditions = piece
    return Term(_wh(joules, conditions), *_origin_of(part.name, part.provenance, conditions.pue))


def _wh(joules: float, conditions: Conditions) -> float:
    return joules * conditions.pue.value / J_PER_WH


@lru_cache(maxsize=1024)
def _origin_of(name: str, origin: Provenance, pue: Factor) -> Origin:
    """What a kWh of electricity rests on: the same of all trials on one machine."""
    method = weakest(origin.method, pue.method)
    measured = float(origin.method == "measured")
    errors = {cause: error for cause, error in (_cause(name, origin), _cause_of(pue)) if error is not None}
    return method, measured, errors, (f"energy × PUE {pue.value:g} ({pue.source})",)


def _cause(name: str, origin: Provenance) -> tuple[str, float | None]:
    """What an energy's error comes from."""
    return f"{name}: {origin.method}, {origin.source}, {origin.uncertainty}", origin.uncertainty


def _cause_of(factor: Factor) -> tuple[str, float | None]:
    """Of an exact factor no error: it must not make an energy of unknown error look exact."""
    return f"{factor.name}: {factor.source}", factor.uncertainty or None


def _emissions(piece: Piece, term: Term) -> Term:
    """Of a piece and its electricity."""
    method, errors, said = _emitted(piece[1].name, piece[1].provenance, piece[2])
    return Term(_grams(term.value, piece[2]), method, term.measured, errors, said)


def _grams(wh: float, conditions: Conditions) -> float:
    return wh / 1000.0 * conditions.intensity.g_per_kwh


@lru_cache(maxsize=1024)
def _emitted(
    name: str, origin: Provenance, conditions: Conditions
) -> tuple[Method | None, Mapping[str, float], tuple[str, ...]]:
    """What a gram rests on."""
    intensity, (method, _, known, _) = conditions.intensity, _origin_of(name, origin, conditions.pue)
    error = nan if intensity.uncertainty is None else intensity.uncertainty  # not known, so not the sum's either
    errors = {**known, f"intensity: {intensity.region}, {intensity.source}": error}
    return weakest(method, intensity.method), errors, (_said(conditions),)


def _said(conditions: Conditions) -> str:
    """``FR, Our World in Data 2023 (average, lifecycle) × PUE 1.56``; without the value, which may change each hour."""
    intensity, pue = conditions.intensity, conditions.pue
    stale = ", stale" if intensity.stale else ""
    what = f"{intensity.region}: {intensity.source} ({intensity.signal}, {intensity.basis}{stale})"
    return f"{what} × PUE {pue.value:g}"


def _range(
    pieces: Sequence[Piece], electricity: Sequence[Term], emissions: Sequence[Term]
) -> tuple[tuple[float, float], tuple[str, str]] | tuple[None, None]:
    """The emissions if what ran nobody knows where had run in the cleanest or the dirtiest country."""
    if not any(conditions.unknown for _, _, conditions in pieces):
        return None, None
    known = fsum(term.value for piece, term in zip(pieces, emissions, strict=True) if not piece[2].unknown)
    unknown = [term.value for piece, term in zip(pieces, electricity, strict=True) if piece[2].unknown]
    return _range_of(known, fsum(unknown))


def _range_of(known_g: float, unknown_wh: float) -> tuple[tuple[float, float], tuple[str, str]]:
    """Of emissions that are known, and electricity that was used nobody knows where."""
    least, most = snapshot.span()
    assert least.intensity is not None  # span says so
    assert most.intensity is not None
    kwh = unknown_wh / 1000.0
    low, high = (known_g + kwh * region.g_per_kwh for region in (least.intensity, most.intensity))
    return (low, high), (least.name, most.name)


def _drunk(pieces: Sequence[Piece], electricity: Sequence[Term], water: Water) -> list[Term]:
    """On-site WUE is per kWh of the computers alone; off-site per kWh with PUE (Li et al. 2023; FACTS §2.7)."""
    terms = []
    for (joules, _, conditions), term in zip(pieces, electricity, strict=True):
        litres, method = _litres(joules, water, conditions), weakest(term.method, "declared")
        terms.append(Term(litres, method, term.measured, term.errors, (water.source,)))
    return terms


def _litres(joules: float, water: Water, conditions: Conditions) -> float:
    return kwh_of(joules) * (water.on_site + water.off_site * conditions.pue.value)


# Making


def _making(use: Use, book: Book) -> Iterator[Term]:
    for _, grams, part, factor in _gpu_hours(use, book):
        errors = {f"embodied: {factor.source}": factor.uncertainty} if factor.uncertainty is not None else {}
        if part.provenance.uncertainty is not None:
            errors[f"reserved: {part.provenance.source}"] = part.provenance.uncertainty
        yield Term(grams, weakest(part.provenance.method, factor.method), 0.0, errors, (factor.source,))


def _gpu_hours(use: Use, book: Book) -> Iterator[tuple[str, float, Part, Factor]]:
    """Each GPU model's embodied grams in a use."""
    conditions = book.at(use.host, use.hour)
    for model, part in use.gpu_s:
        if part.value is not None and not embodied.is_slice(model):
            factor = embodied.gpu_hour(model, conditions.kind, book.assumptions.hardware)
            yield model, _made(part.value, factor), part, factor


def _made(reserved_s: float, factor: Factor) -> float:
    return reserved_s / HOUR_S * factor.value


def _unmade(uses: Sequence[Use]) -> Lacking:
    """What an embodied total lacks: reserved time that was not read, and slices of GPUs."""
    parts = [(part, embodied.is_slice(model)) for use in uses for model, part in use.gpu_s]
    missing, reasons = _lacking(part for part, _ in parts)
    slices = sum(part.count for part, is_slice in parts if is_slice and part.value)
    return missing + slices, reasons + [embodied.SLICE] * bool(slices)


# What was applied


def _intensities(pieces: Sequence[Piece]) -> Iterator[Applied]:
    """One for each region and source, however many hours have a value of their own; a refused region is its own.

    What was noted of some hours (a forecast), or is less certain, is told of these alone.
    """
    groups: dict[tuple[str, ...], list[Piece]] = {}
    for piece in pieces:
        i, refused = piece[2].intensity, piece[2].unknown and piece[2].intensity.note
        key = (i.region, i.source, i.signal, i.basis, i.method, str((i.stale, refused, i.note, i.uncertainty)))
        groups.setdefault(key, []).append(piece)
    whole = fsum(joules for joules, _, _ in pieces)
    for group in groups.values():
        values = [conditions.intensity.g_per_kwh for _, _, conditions in group]
        joules = fsum(j for j, _, _ in group)
        varied = joules and min(values) < max(values)
        mean = fsum(j * c.intensity.g_per_kwh for j, _, c in group) / joules if varied else values[0]
        one = group[0][2].intensity
        hours = {c.intensity.start for _, _, c in group if _is_an_hours(c.intensity)}
        yield Applied(
            "intensity", mean, "g/kWh", one.method, one.source, _part_of(joules, whole), one.uncertainty,
            min(values), max(values), len(hours), one,
        )  # fmt: skip


def _is_an_hours(intensity: Intensity) -> bool:
    start, end = intensity.start, intensity.end
    return start is not None and end is not None and end - start <= HOUR_S


def _pues(pieces: Sequence[Piece]) -> Iterator[Applied]:
    groups: dict[Factor, list[float]] = {}
    for joules, _, conditions in pieces:
        groups.setdefault(conditions.pue, []).append(joules)
    whole = fsum(joules for joules, _, _ in pieces)
    for pue, used in groups.items():
        yield _applied(pue, _part_of(fsum(used), whole))


def _lives(uses: Iterable[Use], book: Book) -> Iterator[Applied]:
    groups: dict[Factor, list[float]] = {}
    for use in uses:
        for _, grams, _, factor in _gpu_hours(use, book):
            groups.setdefault(factor, []).append(grams)
    whole = fsum(grams for found in groups.values() for grams in found)
    for factor, made in groups.items():
        yield _applied(factor, _part_of(fsum(made), whole))


def _applied(factor: Factor, share: float) -> Applied:
    return Applied(factor.name, factor.value, factor.unit, factor.method, factor.source, share, factor.uncertainty)


def _part_of(part: float, whole: float) -> float:
    return part / whole if whole else 1.0
