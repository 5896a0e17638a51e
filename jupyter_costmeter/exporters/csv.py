"""CSV: one line a record, a column for each figure and one for how it is known.

The lines without a ``parent_id`` add up to the totals, over all buckets.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from operator import attrgetter
from typing import IO, Any

from .. import cost_pages, money
from ..derived import Applied, Bill, Content, Costs
from ..record import COUNTED, ENERGY, FLOPS, HIGHEST, LEADING, SUMMED, CellRecord, Figure, SessionInfo, Total
from ..slurm import job_of
from ..spreadsheet import harmless
from ..tag import category_of, tagged

WHAT = (
    "id", "session_id", "seq", "parent_id", "bucket", "notebook", "project", "cell_id", "execution_count", "label",
    "outcome", "error_type", "code_hash",
)  # fmt: skip
#: FLOPs by precision: how they are known is said of their sum.
PRECISIONS = (*COUNTED, *LEADING)
FIGURES = ("energy_j", "flops", *(name for name in SUMMED if name not in PRECISIONS), *HIGHEST)
DERIVED = ("electricity_wh", "emissions_g", "embodied_g", "water_l")
#: Derived when it is written, with the factors of then; an ``_uncertainty`` is an absolute half-width in the same unit.
COSTS = (
    *(column for name in DERIVED for column in (name, f"{name}_how", f"{name}_uncertainty")),
    "intensity_g_per_kwh", "intensity_source", "pue", "factors", "money", "money_amount", "money_currency", "money_how",
    "money_uncertainty", "money_source",
)  # fmt: skip
#: What the record is said to be; parameters and scores are JSON.
SAID = ("category", "method", "run", "in_paper", "params", "scores")
#: Where it ran under SLURM: the job, the array and the task, the step.
JOB = ("slurm_job", "slurm_array", "slurm_task", "slurm_step")
NO_JOB = ",,,"
PARTS = {"energy_j": ENERGY, "flops": FLOPS}
END = "\r\n"
#: Texts as most identifiers are, which need no second look: a long export has new ones in each line.
HARMLESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./:-]*")
NOT_DERIVED = ",not derived: there is none in this record,"
#: The six columns of money.
NO_BILL = "," * 5
_facts = attrgetter(*WHAT)


#: So many kinds of lines are remembered.
KNOWN = 1024
NOTHING = tagged(())
#: A column's value out of a record's figures.
Slot = Callable[[Sequence[Figure]], Any]


class CsvExporter:
    suffix = "csv"
    media_type = "text/csv"

    def write(self, out: IO[str], content: Content) -> None:
        how = [column for name in FIGURES for column in (name, f"{name}_how")]
        columns = [*WHAT, "started_at", "wall_s", *how, *PRECISIONS, "gpu_share", "gpu_share_how", *COSTS, *SAID, *JOB]
        out.write(f"{_joined(columns)}{END}")
        figures, costs, jobs = _Figures(), _Costs(), {info.id: _job(info) for info in content.sessions}
        for record in content.cells():
            told = figures.text(record.usage.figures), costs.text(content.costs_of(record))
            out.write(",".join([_what(record), *told, _said(record), jobs.get(record.session_id, NO_JOB)]) + END)


def _joined(values: Iterable[Any]) -> str:
    """Some columns, at least two of them: the csv module says what is quoted."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator=END).writerow(values)
    return line.getvalue()[: -len(END)]


@lru_cache(maxsize=4096)  # a long export says the same of each record
def _quoted(text: str) -> str:
    return _joined((text, ""))[:-1]


@lru_cache(maxsize=4096)
def _harmless(text: str) -> str:
    return text if HARMLESS.fullmatch(text) else _quoted(harmless(text))


def _cell(value: Any) -> str:
    """A column whose text anybody may have written."""
    return "" if value is None else _harmless(value) if isinstance(value, str) else str(value)


def _what(record: CellRecord) -> str:
    started = datetime.fromtimestamp(record.started_at, timezone.utc).isoformat()
    return ",".join([*[_cell(one) for one in _facts(record)], started, str(record.wall_s)])


class _Figures:
    """The columns of records' figures: of those from the same sources only the numbers differ."""

    def __init__(self) -> None:
        self._kinds: dict[Any, tuple[str, list[Slot], Any]] = {}

    def text(self, figures: Sequence[Figure]) -> str:
        key = tuple([(f.name, id(f.provenance), f.value is None) for f in figures])
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) >= KNOWN:
                self._kinds.clear()
            origins = [f.provenance for f in figures]  # kept, so that no other has their identity meanwhile
            kind = self._kinds[key] = (*_kind(figures), origins)
        template, slots, _ = kind
        return template % tuple([slot(figures) for slot in slots])


def _kind(figures: Sequence[Figure]) -> tuple[str, list[Slot]]:
    """A line's columns with a mark for each number, and what these are."""
    texts, slots = [], []
    for name in FIGURES:
        parts = PARTS.get(name, (name,))
        found = [i for i, f in enumerate(figures) if f.name in parts]
        found = [i for i in found if len(parts) == 1 or not figures[i].provenance.absent]
        texts += ["%s", _escaped(_how([figures[i] for i in found]))]
        slots.append(_slot(name, found, figures))
    for name in PRECISIONS:
        texts.append("%s")
        slots.append(_slot(name, [i for i, f in enumerate(figures) if f.name == name], figures))
    return ",".join([*texts, "%s"]), [*slots, _share]


def _escaped(text: str) -> str:
    return _quoted(text).replace("%", "%%")


def _slot(name: str, found: Sequence[int], figures: Sequence[Figure]) -> Slot:
    """Over all devices; empty where nothing was measured (never 0)."""
    there = [i for i in found if figures[i].value is not None]
    if not there:
        return lambda _: ""
    if len(there) == 1 and name not in HIGHEST:
        (only,) = there
        return lambda now: 0 + now[only].value  # type: ignore[operator]
    most: Callable[[Any], Any] = max if name in HIGHEST else sum
    return lambda now: most([now[i].value for i in there])


def _how(figures: Sequence[Figure]) -> str:
    """How they are known; the reason where nothing was measured."""
    how = dict.fromkeys(f.method or f"not measured: {f.reason}" for f in figures)
    return "; ".join(how) or "not measured: there is none in this record"


class _Costs:
    """The columns ``COSTS``; factors that many records share are written once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Sequence[Applied], str]] = {}

    def text(self, costs: Costs | None) -> str:
        totals = {total.name: total for total in costs.footprint.totals} if costs else {}
        applied = self._applied(costs.footprint.applied if costs else ())
        return ",".join(
            [*[_total(totals.get(name)) for name in DERIVED], applied, _bills(costs.bills if costs else ())]
        )

    def _applied(self, used: Sequence[Applied]) -> str:
        known = self._known.get(id(used))
        if known is None:
            if len(self._known) >= KNOWN:
                self._known.clear()
            known = self._known[id(used)] = used, _joined(_factors(used))
        return known[1]


def _factors(used: Sequence[Applied]) -> Iterator[str]:
    """Of several factors all are named."""
    yield "; ".join(f"{a.value:.6g}" for a in used if a.name == "intensity")
    yield harmless("; ".join(f"{a.intensity.region}: {a.source}" for a in used if a.intensity is not None))
    yield "; ".join(f"{a.value:g}" for a in used if a.name == "pue")
    yield harmless("; ".join(map(cost_pages.said, used)))


def _bills(bills: Sequence[Bill]) -> str:
    if not bills:
        return NO_BILL
    sources = dict.fromkeys(source for bill in bills for source in bill.sources)
    return _joined(("; ".join(map(money.text, bills)), *_amount(bills), harmless("; ".join(sources))))


def _said(record: CellRecord) -> str:
    """For ``SAID``: of a record inside another only its own; empty where nothing is said."""
    if not record.tags:
        return f"{(record.bucket == 'cell' and category_of(record.outcome, NOTHING)) or ''},,,,,"
    said = tagged(record.tags)
    paper = None if said.in_paper is None else "yes" if said.in_paper else "no"
    held = [json.dumps(each, ensure_ascii=False) if each else None for each in (said.params, said.scores)]
    category = category_of(record.outcome, said) if record.bucket == "cell" else None
    return _joined((category, harmless(said.method), harmless(said.run), paper, *held))


def _job(info: SessionInfo) -> str:
    """For ``JOB``."""
    job = job_of(info)
    return NO_JOB if job is None else _joined(map(harmless, (job.id, job.array_id, job.task, job.step)))


def _amount(bills: Sequence[Bill]) -> Iterator[Any]:
    """A number to calculate with, exact, where there is one currency: several are never added."""
    known = [bill for bill in bills if bill.amount is not None]
    alone = known[0] if len(known) == 1 else None
    yield None if alone is None else f"{alone.amount:f}"
    yield "; ".join(bill.currency for bill in known or bills)
    yield "; ".join(f"{b.method or 'not known'}{', a lower bound' if b.missing else ''}" for b in known or bills)
    yield None if alone is None or alone.half_width is None else f"{alone.half_width:f}"


def _total(total: Total | None) -> str:
    if total is None:
        return NOT_DERIVED
    if total.value is None:
        return _joined((None, "not measured: " + "; ".join(total.reasons), total.uncertainty))
    how = f"{total.method}, a lower bound" if total.missing else str(total.method)
    return f"{total.value},{_quoted(how)},{'' if total.uncertainty is None else total.uncertainty}"


def _share(figures: Sequence[Figure]) -> str:
    """A share of one GPU; those of several do not add up."""
    shares = [f for f in figures if f.name == "gpu_share"]
    if len(shares) > 1:
        told = (f"{'—' if f.value is None else round(f.value, 4)} ({f.device}: {f.source})" for f in shares)
        return _joined((None, "of several GPUs: " + "; ".join(told)))
    how, value = _how(shares), shares[0].value if shares else None
    return f",{_quoted(how)}" if value is None else f"{value},{_quoted(f'{how}: {shares[0].source}')}"
