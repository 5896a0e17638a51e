"""What was tried, as forms ask for it: how many runs, over which parameters, and how their scores spread."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

from ..comparing import draws, has_failed
from ..format import MARK, plain
from ..quotients import Quotient, quotient
from ..record import Total
from ..searches import SEEDS, Search, configurations, says_how, search_of
from ..statement import Grid, Item, Statement, Trial
from .wording import amount, measured, runs

#: Values of a parameter that are listed before they are a range, and characters of one.
LISTED, LONG = 6, 60
NO_TRIALS = "no trial was metered: with jupyter_costmeter.trial(method=…, lr=…) as t: … t.score(…)"


def by_method(statement: Statement) -> dict[str, tuple[Trial, ...]]:
    """Trials in the order of their start."""
    found: dict[str, list[Trial]] = {}
    for trial in statement.trials:
        found.setdefault(trial.method or "no method named", []).append(trial)
    return {method: tuple(trials) for method, trials in found.items()}


def counted(statement: Statement) -> str | None:
    """``ours: 24 runs, 3 of them failed, 12 configurations; …``; ``None`` without trials."""
    return "; ".join(f"{method}: {_count(trials)}" for method, trials in by_method(statement).items()) or None


def _count(trials: Sequence[Trial]) -> str:
    failed, different = sum(map(has_failed, trials)), configurations(trial.params for trial in trials)
    parts = [runs(len(trials)), f"{failed} of them failed" if failed else ""]
    return ", ".join(filter(None, [*parts, runs(different, "configuration") if different else ""]))


# Parameters


def ranges(trials: Iterable[Trial]) -> dict[str, str]:
    """Of each parameter the values that were tried: ``0.0001 to 0.003 (8 values)``, ``adam, sgd``."""
    found: dict[str, list[Any]] = {}
    for trial in trials:
        for name, value in trial.params.items():
            if not says_how(name, value):
                found.setdefault(name, []).append(value)
    return {name: _range(values) for name, values in found.items()}


def _range(values: Sequence[Any]) -> str:
    different = list({_key(value): value for value in values}.values())
    numbers = [v for v in different if isinstance(v, (int, float)) and not isinstance(v, bool) and isfinite(v)]
    if len(numbers) == len(different):
        different = sorted(numbers)
    if len(different) <= LISTED:
        return ", ".join(map(value_said, different))
    if numbers and len(numbers) == len(different):
        return f"{value_said(different[0])} to {value_said(different[-1])} ({len(different)} values)"
    return f"{', '.join(map(value_said, different[:LISTED]))}, … ({len(different)} values)"


def value_said(value: Any) -> str:
    """A parameter as it was given, shortened."""
    text = value if isinstance(value, str) else plain(value, 6) if _is_float(value) else _key(value)
    return text if len(text) <= LONG else f"{text[: LONG - 1]}…"


def _is_float(value: Any) -> bool:
    return isinstance(value, float) and isfinite(value) and (value == 0 or 1e-6 <= abs(value) < 1e15)


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def bounds(statement: Statement) -> str | None:
    """``ours: lr 0.0001 to 0.003 (8 values), dropout 0.1, 0.3; …``; ``None`` where no parameters were said."""
    return _of_methods((method, ranges(trials)) for method, trials in by_method(statement).items())


def finals(statement: Statement) -> str | None:
    """The parameters of what is in the paper; ``None`` where no trial was said to be."""
    shown = ((m, [trial for trial in trials if trial.in_paper]) for m, trials in by_method(statement).items())
    return _of_methods((method, ranges(trials)) for method, trials in shown)


def lacking_finals(statement: Statement) -> str | None:
    """The named methods without a trial in the paper whose parameters are known; ``None`` where each has one."""
    lacking = [
        method
        for method, trials in by_method(statement).items()
        if trials[0].method is not None
        and not any(trial.in_paper and configurations([trial.params]) for trial in trials)
    ]
    return ", ".join(lacking) or None


def finals_item(key: str, asks: str, statement: Statement, todo: str) -> Item:
    """The final parameters; of which methods they are not known is left to the author."""
    found, lacking = finals(statement), lacking_finals(statement)
    if found is None:
        return Item(key, asks, None, "", todo)
    more = f"{todo}: of {lacking} no final parameters are known" if lacking else None
    return Item(key, asks, found, "parameters of trials tagged in_paper=yes", more)


def _of_methods(found: Iterable[tuple[str, Mapping[str, str]]]) -> str | None:
    parts = [f"{m}: {', '.join(f'{name} = {value}' for name, value in said.items())}" for m, said in found if said]
    return "; ".join(parts) or None


def how_chosen(statement: Statement) -> str | None:
    """``ours: random (said to be random)``: how the parameters were chosen, where anything is known of it."""
    found = {method: _search(trials) for method, trials in by_method(statement).items()}
    said = [f"{m}: {s.kind} ({s.why})" for m, s in found.items() if s.kind != "unknown"]
    return "; ".join(said) or None


def chosen_item(key: str, asks: str, statement: Statement) -> Item:
    """How parameters were chosen. By which criterion the best was is in no ledger."""
    found, criterion = how_chosen(statement), "say by which criterion the best one was chosen"
    if found is None:
        return Item(
            key, asks, None, "", f"say how values were chosen (manual, grid, random, Bayesian), and {criterion}"
        )
    return Item(key, asks, found, "by the parameters, or said as search=…", criterion)


def _search(trials: Sequence[Trial]) -> Search:
    return search_of([trial.params for trial in draws(trials)])


def seeds(statement: Statement) -> str | None:
    """The seeds that were parameters of trials."""
    found = {n: v for n, v in ranges(statement.trials).items() if n.lower() in SEEDS}
    return ", ".join(f"{name} = {value}" for name, value in found.items()) or None


def parameter(statement: Statement, *names: str) -> str | None:
    """What trials said of a parameter that has one of these names: ``batch_size = 32, 64``."""
    found = {n: v for n, v in ranges(statement.trials).items() if n.lower().replace("-", "_") in names}
    return ", ".join(f"{name} = {value}" for name, value in found.items()) or None


# Scores

#: Beside a search: what it was for.
FINAL = "final, not of the search: "
COLUMNS = ("method", "metric", "runs", "mean", "sd", "min", "max", "over")
REPEATS = "seeds of one configuration"


def metrics(statement: Statement) -> tuple[str, ...]:
    """All names of scores."""
    return tuple(dict.fromkeys(name for trial in statement.trials for name in trial.scores))


def scores(statement: Statement) -> Grid:
    """Of each method and metric the mean, the sample's standard deviation, and over what it is taken.

    Over a search it says how much the parameters matter; only over seeds of one configuration it is an error bar.
    """
    rows = [
        _row(method, metric, some, found, over)
        for method, trials in by_method(statement).items()
        for metric in metrics(statement)
        for over, some in _searched(trials).items()
        if (found := _finite(some, metric))
    ]
    return Grid("Scores", COLUMNS, tuple(rows), frozenset({"runs", "mean", "sd", "min", "max"}))


def _searched(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Those of the search, and what it was for: their scores have no mean in common."""
    found = draws(trials)
    drawn = set(map(id, found))
    return {"": found, FINAL: [trial for trial in trials if id(trial) not in drawn]}


def _finite(trials: Iterable[Trial], metric: str) -> list[float]:
    given = [trial.scores.get(metric) for trial in trials if not has_failed(trial)]
    return [float(s) for s in given if isinstance(s, (int, float)) and not isinstance(s, bool) and isfinite(s)]


def _row(method: str, metric: str, trials: Sequence[Trial], found: Sequence[float], over: str) -> tuple[str, ...]:
    spread = plain(statistics.stdev(found), 2) if len(found) > 1 else "—"
    mean, least, most = (plain(value, 4) for value in (statistics.fmean(found), min(found), max(found)))
    return (method, metric, str(len(found)), mean, spread, least, most, over + _over(trials, found))


def _over(trials: Sequence[Trial], found: Sequence[float]) -> str:
    if len(found) == 1:
        return "a single run"
    search = _search(trials)
    return REPEATS if search.kind == "repeats" else f"all runs of a search ({search.kind})"


def spread(statement: Statement) -> str | None:
    """``ours, accuracy: 0.91 ± 0.012 (sd of 5 runs, seeds of one configuration); …``; ``None`` without scores."""
    return "; ".join(map(_spread, scores(statement).rows)) or None


def _spread(row: Sequence[str]) -> str:
    method, metric, count, mean, sd, least, most, over = row
    if count == "1":
        return f"{method}, {metric}: {mean} ({over})"
    return f"{method}, {metric}: {mean} ± {sd} (sd of {count} runs, {over}; {least} to {most})"


def has_error_bars(statement: Statement) -> bool:
    """Whether any score is of several seeds of one configuration."""
    return any(row[-1].endswith(REPEATS) for row in scores(statement).rows)


# How much of it was tuning


def multiplier(statement: Statement) -> Quotient | None:
    """All of it over what the paper shows, by GPU-hours, else by CPU-hours (Strubell et al. 2019, §4.2; FACTS §6.3).

    GPU-hours count what was held idle, since nobody else could use it. Energy would, too, on a machine without a GPU:
    its memory's, which grows while nobody works. ``None`` where nothing was said to be in the paper.
    """
    if statement.reported is None:
        return None
    whole, shown = (getattr(part, _basis(statement)) for part in (statement.whole, statement.reported))
    return quotient(whole, shown, ("all of it", "what is in the paper"))


def _basis(statement: Statement) -> str:
    return "gpu_hours" if statement.whole.gpu_hours.value else "cpu_hours"


def multiplied(statement: Statement) -> str | None:
    """``2.4 times what the paper shows (0.50 GPU-h)``."""
    found, shown = multiplier(statement), statement.reported
    if found is None or found.value is None or shown is None:
        return None
    mark = (f"{found.bound} " if found.bound else "") + MARK[found.method]
    of = amount(getattr(shown, _basis(statement)), bare=True)
    return f"{mark}{plain(found.value, 3)} times what the paper shows ({of})"


def multiplied_how(statement: Statement) -> str:
    """What is over what, and how both are known."""
    whole: Total = getattr(statement.whole, _basis(statement))
    of = whole.unit.replace("-h", "-hours")
    parts = [f"all {of} over those of what was tagged in_paper=yes", f"{whole.method}", measured(whole)]
    return "; ".join(filter(None, parts))
