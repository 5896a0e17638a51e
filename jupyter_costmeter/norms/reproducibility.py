"""The Machine Learning Reproducibility Checklist v2.0 of 7 April 2020: its items on experiments (FACTS §1.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..statement import Form, Grid, Item, Statement
from . import hardware, tried
from .wording import (
    COUNTED_AS,
    TIMED,
    amount,
    asked,
    emissions,
    empty,
    known,
    mark,
    meter,
    per_run,
    prose,
    runs,
    times,
    told,
)

SOURCE = "J. Pineau, The Machine Learning Reproducibility Checklist, v2.0, 7 April 2020"
RUNTIME = ("result", "runs", "runtime", "energy, with PUE")


class Reproducibility:
    """For all experimental results: hyperparameters, runs, statistics, runtime or energy, infrastructure."""

    def form(self, statement: Statement) -> Form:
        items = tuple(_items(statement))
        tables = (_runtimes(statement), tried.scores(statement), hardware.workers(statement))
        return Form(
            "reproducibility",
            "Machine Learning Reproducibility Checklist v2.0, experimental results",
            SOURCE,
            items,
            _text(statement, items),
            tuple(table for table in tables if table.rows),
        )


def _items(statement: Statement) -> Iterator[Item]:
    yield told(
        "hyperparameter ranges",
        "the range of hyperparameters considered",
        tried.bounds(statement),
        "parameters of all trials",
        "give the ranges, or say that none was tuned",
    )
    yield tried.chosen_item("selection method", "method to select the best hyperparameter configuration", statement)
    yield tried.finals_item(
        "hyperparameters used",
        "specification of all hyperparameters used to generate results",
        statement,
        "give them, or tag the final runs in_paper=yes",
    )
    yield _runs(statement)
    yield asked(
        "measure",
        "a clear definition of the specific measure or statistics used to report results",
        _measure(statement),
    )
    yield _results(statement)
    yield from _cost(statement)
    yield told(
        "infrastructure",
        "a description of the computing infrastructure used",
        hardware.all_described(statement),
        "by the driver and the system of each machine",
        "describe the machines",
    )


def _results(statement: Statement) -> Item:
    """A search's spread is no error bar."""
    asks, found = "central tendency (e.g. mean) and variation (e.g. error bars)", tried.spread(statement)
    todo = None if tried.has_error_bars(statement) else "give the variation over several seeds of one configuration"
    return Item(
        "results", asks, found, "scores of trials; sd is the sample's standard deviation" if found else "", todo
    )


def _measure(statement: Statement) -> str:
    names = tried.metrics(statement)
    return f"define {', '.join(names)}" if names else "define the measure"


def _runs(statement: Statement) -> Item:
    asks = "the exact number of training and evaluation runs"
    if empty(statement):
        return asked("number of runs", asks, "give it")
    some = [(share.category, share.spent.runs) for share in statement.shares if share.spent.runs]
    untagged = [runs for category, runs in some if category is None]
    trials = tried.counted(statement)
    answer = ", ".join(f"{runs} {category or 'not tagged'}" for category, runs in some) + (
        f"; trials: {trials}" if trials else ""
    )
    todo = "say which of the runs that are not tagged were training, and which evaluation" if untagged else None
    return Item("number of runs", asks, answer, f"{COUNTED_AS}; by their tags, failed ones by their outcome", todo)


def _cost(statement: Statement) -> Iterator[Item]:
    one = "the average runtime for each result, or estimated energy cost"
    yield told("runtime", one, times(statement), TIMED, "give the time of one run")
    whole = statement.whole.electricity_kwh
    found = known("energy", one, whole)
    yield replace(found, how=f"of all that was metered, with PUE: {found.how}") if found.answer else found


def _runtimes(statement: Statement) -> Grid:
    rows = tuple(
        (one.name, str(one.spent.runs), per_run(one), amount(one.spent.electricity_kwh))
        for one in statement.experiments
    )
    return Grid("Average runtime and energy", RUNTIME, rows, frozenset(RUNTIME[1:]))


def _text(statement: Statement, items: tuple[Item, ...]) -> str:
    if empty(statement):
        return prose([mark("nothing was metered here; fill in the checklist")], items)
    said = {item.key: item.answer for item in items}
    heads = (
        ("Number of runs:", "number of runs"),
        ("Hyperparameters considered:", "hyperparameter ranges"),
        ("Used for the results:", "hyperparameters used"),
        ("Results:", "results"),
        ("Average runtime:", "runtime"),
        ("Infrastructure:", "infrastructure"),
    )
    whole = statement.whole
    took = (
        f"{runs(whole.runs)} took {amount(whole.electricity_kwh)} of electricity and {emissions(statement)},"
        f" as metered by {meter(statement)}."
    )
    return prose([*(f"{head} {said[key]}." for head, key in heads if said[key]), took], items)
