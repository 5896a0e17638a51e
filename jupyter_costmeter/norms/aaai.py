"""The AAAI reproducibility checklist: its items on computational experiments (FACTS §1.1)."""

from __future__ import annotations

from collections.abc import Iterator

from ..statement import Form, Item, Machine, Statement
from . import hardware, tried
from .wording import asked, empty, mark, meter, prose

SOURCE = "AAAI Reproducibility Checklist, computational experiments (yes / partial / no)"
INFRASTRUCTURE = (
    "specifies the computing infrastructure used for running experiments (hardware and software), including GPU/CPU"
    " models; amount of memory; operating system; names and versions of relevant software libraries and frameworks"
)
LIBRARIES = "add names and versions of the libraries and frameworks, of the GPU's driver and CUDA: then it is yes"


class AAAI:
    """Each answer is yes only if the paper says what stands beside it."""

    def form(self, statement: Statement) -> Form:
        items = tuple(_items(statement))
        tables = (hardware.workers(statement), tried.scores(statement))
        return Form(
            "aaai",
            "AAAI reproducibility checklist, computational experiments",
            SOURCE,
            items,
            _text(statement, items),
            tuple(table for table in tables if table.rows),
        )


def _items(statement: Statement) -> Iterator[Item]:
    yield _infrastructure(statement)
    yield _number(statement)
    yield _seeds(statement)
    yield _variation(statement)
    yield _said(
        "final parameters",
        "lists all final (hyper-)parameters used for each model/algorithm",
        tried.finals(statement),
        "partial" if tried.lacking_finals(statement) else "yes",
        "trials tagged in_paper=yes",
        f"list them{_of(tried.lacking_finals(statement))}, or tag the final runs in_paper=yes",
    )
    criterion = "add the criterion used for selecting the final setting: then it is yes"
    yield _said(
        "ranges",
        "states the number and range of values tried per (hyper-)parameter, along with the criterion"
        " used for selecting the final parameter setting",
        tried.bounds(statement),
        "partial",
        "parameters of all trials",
        criterion,
    )
    yield asked(
        "measures",
        "formally describes evaluation metrics used and explains the motivation for choosing them",
        "describe the metrics, and why they were chosen",
    )
    yield asked(
        "significance",
        "the significance of any improvement is judged using appropriate statistical tests",
        "name the test, or answer no",
    )


def _of(methods: str | None) -> str:
    return f" for {methods}" if methods else ""


def _said(key: str, asks: str, found: str | None, answer: str, source: str, todo: str) -> Item:
    """An answer with what it rests on; one that is no plain yes keeps what is left to do."""
    if found is None:
        return asked(key, asks, todo)
    return Item(key, asks, answer, f"{found} ({source})", None if answer == "yes" else todo)


def _infrastructure(statement: Statement) -> Item:
    """Partial: the ledger does not know the libraries."""
    found = hardware.all_described(statement)
    pythons = hardware.each(statement, _python)
    said = "; ".join(filter(None, [found, pythons])) or None
    return _said("infrastructure", INFRASTRUCTURE, said, "partial", "by the driver and the system", LIBRARIES)


def _python(machine: Machine) -> str:
    return f"Python {machine.python}" if machine.python else ""


def _number(statement: Statement) -> Item:
    return _said(
        "number of runs",
        "states the number of algorithm runs used to compute each reported result",
        tried.counted(statement),
        "yes",
        "trials, with the failed ones",
        "state it, or meter each run as a trial",
    )


def _seeds(statement: Statement) -> Item:
    asks = "if an algorithm depends on randomness, the method used for setting seeds is described"
    todo = (
        "describe how each library's seed is set: then it is yes"
        if tried.seeds(statement)
        else ("describe how seeds are set, or answer NA")
    )
    return _said("seeds", asks, tried.seeds(statement), "partial", "parameters of trials", todo)


def _variation(statement: Statement) -> Item:
    """Yes only for several seeds of one configuration: a search's spread is none of the result."""
    asks = (
        "analysis of experiments goes beyond single-dimensional summaries of performance (e.g. average, median) to"
        " include measures of variation, confidence, or other distributional information"
    )
    spread, bars = tried.spread(statement), tried.has_error_bars(statement)
    todo = "run the final configuration with several seeds, or answer no"
    return _said("variation", asks, spread, "yes" if bars else "partial", "scores of trials", todo)


def _text(statement: Statement, items: tuple[Item, ...]) -> str:
    if empty(statement):
        return prose([mark("nothing was metered here; fill in the checklist")], items)
    lines = [f"As metered by {meter(statement)}.", *map(_line, items)]
    return "\n".join(lines)


def _line(item: Item) -> str:
    """``ranges: partial. lr = 0.1, 0.2 (parameters of all trials). TODO(author): …``."""
    parts = [f"{item.answer}. {item.how}." if item.answer else None, f"{mark(item.todo)}." if item.todo else None]
    return f"{item.key}: {' '.join(filter(None, parts))}"
