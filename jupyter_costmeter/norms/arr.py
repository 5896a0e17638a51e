"""The Responsible NLP checklist of ACL Rolling Review, C1 to C3 (FACTS §1.1)."""

from __future__ import annotations

from collections.abc import Iterator

from ..statement import Form, Item, Statement
from . import hardware, tried
from .wording import (
    TAG,
    amount,
    asked,
    emissions,
    empty,
    gpu_hours,
    how,
    known,
    mark,
    meter,
    prose,
    runs,
    share_of,
    told,
)

SOURCE = "ACL Rolling Review, Responsible NLP Research checklist, https://aclrollingreview.org/responsibleNLPresearch/"
BUDGET = "the total computational budget (e.g. GPU hours): all experiments, not only the final runs"


class ARR:
    """C1 budget and infrastructure, C2 hyperparameters, C3 statistics."""

    def form(self, statement: Statement) -> Form:
        items = tuple(_items(statement))
        tables = (hardware.workers(statement), tried.scores(statement))
        return Form(
            "arr",
            "ARR Responsible NLP checklist, C1–C3",
            SOURCE,
            items,
            _text(statement, items),
            tuple(table for table in tables if table.rows),
        )


def _items(statement: Statement) -> Iterator[Item]:
    whole = statement.whole
    yield asked(
        "C1 parameters",
        "the number of parameters in the models used",
        "give it, e.g. sum(p.numel() for p in model.parameters())",
    )
    yield known("C1 budget", BUDGET, gpu_hours(statement))
    yield known("C1 budget, CPU", BUDGET, whole.cpu_hours)
    yield known("C1 budget, energy", BUDGET, whole.electricity_kwh)
    yield told(
        "C1 infrastructure",
        "the computing infrastructure",
        hardware.all_described(statement),
        "by the driver and the system of each machine",
        "name the GPUs and machines",
    )
    yield _parallel(statement)
    yield from _search(statement)
    yield from _statistics(statement)


def _parallel(statement: Statement) -> Item:
    """Only what one session could use; more machines at a time are not known to the ledger."""
    most = max((sum(machine.gpus.values()) for machine in statement.machines), default=0)
    asks = "the degree of parallelism"
    answer = f"at most {most} GPUs in one session" if most > 1 else "one GPU" if most else None
    todo = "say how many GPUs or machines worked on one run at a time"
    return Item("C1 parallelism", asks, answer, "GPUs of the machines that ran it" if answer else "", todo)


def _search(statement: Statement) -> Iterator[Item]:
    asks = "the experimental setup, hyperparameter search and best-found values, with runs that failed or were stopped"
    yield told("C2 runs", asks, tried.counted(statement), "trials, with the failed ones", tried.NO_TRIALS)
    yield told(
        "C2 bounds",
        asks,
        tried.bounds(statement),
        "parameters of all trials",
        "give each hyperparameter's bounds, or say that none was tuned",
    )
    yield tried.chosen_item("C2 method", asks, statement)
    todo = "give the best-found values, or tag the final runs in_paper=yes"
    yield tried.finals_item("C2 best", asks, statement, todo)
    yield told(
        "C2 multiple",
        "(the whole search over what is shown)",
        tried.multiplied(statement),
        tried.multiplied_how(statement),
        "tag the final runs in_paper=yes: what all runs took over them",
    )
    failed = share_of(statement, "failed")
    if failed is not None:
        yield Item(
            "C2 failed",
            asks,
            f"{runs(failed.runs)}, {amount(failed.gpu_hours)}, {amount(failed.cpu_hours)}",
            how(failed.gpu_hours if failed.gpu_hours.value else failed.cpu_hours),
        )


def _statistics(statement: Statement) -> Iterator[Item]:
    asks = "descriptive statistics: error bars, and whether it is the max, the mean or a single run"
    spread = tried.spread(statement)
    todo = (
        "say which of these is reported in the paper" if spread else "give error bars, or say that it is a single run"
    )
    source = "scores of trials; sd is the sample's standard deviation" if spread else ""
    yield Item("C3 statistics", asks, spread, source, todo)


def _text(statement: Statement, items: tuple[Item, ...]) -> str:
    if empty(statement):
        return prose([mark("nothing was metered here; fill in C1 to C3")], items)
    said = {item.key: item.answer for item in items}
    whole = statement.whole
    budget = (
        f"All experiments together ({runs(whole.runs)}, {whole.failed} of them failed) took {amount(whole.gpu_hours)},"
        f" {amount(whole.cpu_hours)}, {amount(whole.electricity_kwh)} of electricity and {emissions(statement)},"
        f" as metered by {meter(statement)}."
    )
    ran = f"They ran on {said['C1 infrastructure'] or mark('name the machines')}."
    search = [
        f"{head} {said[key]}."
        for head, key in (
            ("Trials:", "C2 runs"),
            ("Hyperparameters tried:", "C2 bounds"),
            ("In the paper:", "C2 best"),
            ("Scores:", "C3 statistics"),
        )
        if said.get(key)
    ]
    tag = f"{mark(TAG)}." if statement.shares and all(share.category is None for share in statement.shares) else None
    return prose([budget, ran, *search, tag], items)
