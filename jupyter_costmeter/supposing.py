"""What if the same had run elsewhere: other assumptions laid over those of now. Nothing of it is written anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from . import clouds, embodied, siting
from .assumptions import Assumptions
from .carbon import snapshot
from .conditions import Book, Conditions
from .costing import costs_of
from .derived import Costs
from .errors import UsageError
from .factors import Factor, Intensity, Kind, Region
from .tariffs import fits_gpu
from .uses import HOUR_S, Use

KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
NOT_COMPARABLE = "Intensities that count other things (lifecycle, direct, …) are not comparable."
OTHER_PUE = "The PUE is that of such a place: one that was declared is of its own site. Tariffs stay the lab's own."
#: What people leave out, or put, before a model.
MAKER = {"nvidia", "tesla"}


@dataclass(frozen=True, slots=True)
class Supposition:
    """What is supposed; ``None`` stays as it is, but for the PUE where the region or the kind is another."""

    region: Region | None = None
    kind: Kind | None = None
    pue: Factor | None = None
    intensity: Intensity | None = None
    gpu: str | None = None

    @property
    def name(self) -> str:
        """``SE, PUE 1.1, H100``."""
        words = [self.region.id if self.region else "", self.kind or ""]
        words += [f"PUE {self.pue.value:g}" if self.pue else "", self.gpu or ""]
        words += [f"{self.intensity.g_per_kwh:g} g/kWh" if self.intensity else ""]
        return ", ".join(filter(None, words))

    def notes(self, columns: Sequence[Costs]) -> Iterator[str]:
        """What to know of the costs as they are and as they would be."""
        applied = [one.intensity for costs in columns for one in costs.footprint.applied]
        if len({intensity.basis for intensity in applied if intensity is not None}) > 1:
            yield NOT_COMPARABLE
        if (self.region or self.kind) and self.pue is None:
            yield OTHER_PUE
        if self.gpu and any(costs.footprint.total("embodied_g") for costs in columns):
            gpu = _model(self.gpu)
            yield f"The same hours and joules, charged as {gpu}: how fast it is, and what it draws, is not known."
        elif self.gpu:
            yield f"No GPU was held, so nothing is charged as {self.gpu}."


def supposition(
    region: str | None = None, pue: float | None = None, gpu: str | None = None, g_per_kwh: float | None = None,
    kind: str | None = None,
) -> Supposition:  # fmt: skip
    """From what people say.

    Raises:
        UsageError: there is no such region or kind, or a number cannot be.
    """
    if kind and kind not in KINDS:
        raise UsageError(f"there is no kind {kind!r}; there are {', '.join(KINDS)}")
    if g_per_kwh is not None and not 0 <= g_per_kwh <= 2000:
        raise UsageError(f"{g_per_kwh:g} g/kWh is no carbon intensity: they are from 0 to 2000")
    return Supposition(
        _usable(region) if region else None,
        KINDS.get(kind or ""),
        _pue(pue),
        None if g_per_kwh is None else Intensity(g_per_kwh, "supposed", "what if", method="declared", uncertainty=0.0),
        gpu or None,
    )


def _usable(region: str) -> Region:
    found = snapshot.region(region)
    if found.intensity is None:
        raise UsageError(f"{found.name} has no carbon intensity: {found.note}")
    return found


def _pue(value: float | None) -> Factor | None:
    try:
        return None if value is None else siting.declared_pue(value, "what if")
    except ValueError as error:
        raise UsageError(str(error)) from None


def costs_if(uses: Sequence[Use], book: Book, supposed: Supposition) -> Costs:
    """What these uses would have cost.

    Raises:
        UsageError: of the GPU neither a price nor what its making emitted is known.
    """
    if supposed.gpu:
        model = _model(supposed.gpu)
        _check_known(model, book.assumptions)
        uses = [_on(model, use) for use in uses]
    return costs_of(uses, SupposedBook(book, supposed))


def _on(model: str, use: Use) -> Use:
    """The same use on a machine with GPUs of that model, if it had any."""
    return replace(use, gpu_s=tuple((model, part) for _, part in use.gpu_s), gpu=model if use.gpu_s else "")


def _check_known(model: str, declared: Assumptions) -> None:
    patterns = [row.gpu for row in declared.tariffs] + [row.gpu for row in clouds.prices(declared.clouds)]
    making = embodied.is_known(model, declared.hardware)
    if not making and not any(fits_gpu(pattern, model) for pattern in patterns if pattern):
        known = ", ".join(row.gpu for row in clouds.TABLE)
        how = "declare a [[cloud]] price or gpu_kg in jupyter_costmeter.toml"
        raise UsageError(f"of the GPU {model!r} neither a price nor its making is known: {how}; known are {known}")


def _model(name: str) -> str:
    """The name as a driver has it of what people call H100, as far as a price of it is known."""
    full = next((row.gpu for row in clouds.TABLE if _means(name, row.gpu)), None)
    if full is None:
        return name
    return full if full.startswith("Tesla") else f"NVIDIA {full}"


def _means(name: str, full: str) -> bool:
    """Whether it names that model by whole words: an A10 is no A10G, and 100 is none at all."""
    asked, known = _words(name), _words(full)
    return known[0] in asked and set(asked) <= set(known)


def _words(model: str) -> list[str]:
    """``a100``, ``sxm4``, ``40gb``: the model, then its variant."""
    return [word for word in re.split(r"[\s-]+", model.lower()) if word and word not in MAKER]


class SupposedBook(Book):
    """The conditions of another book with what is supposed laid over them, whenever and wherever something ran."""

    def __init__(self, book: Book, supposed: Supposition) -> None:
        super().__init__(book.assumptions, book.grid)
        self._book = book
        self._supposed = supposed

    def at(self, host: str, hour: int) -> Conditions:
        """Of that machine in that UTC hour."""
        known, supposed = self._book.at(host, hour), self._supposed
        region = supposed.region.id if supposed.region else known.region
        kind = supposed.kind or ("cloud" if "/" in (region or "") else known.kind)
        moved = (region, kind) != (known.region, known.kind)
        pue = supposed.pue or (siting.pue(kind, region) if moved else known.pue)
        elsewhere = self._of(supposed.region, hour * HOUR_S) if supposed.region else None
        return Conditions(region, kind, supposed.intensity or elsewhere or known.intensity, pue)

    def _of(self, region: Region, start: float) -> Intensity | None:
        """What is known of that region, but for a constant that was declared for wherever something ran."""
        declared = self.assumptions.intensity(region.id, start)
        return region.intensity if declared and not declared.region else self.intensity(region.id, start)
