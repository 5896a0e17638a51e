"""Ours against a baseline: the gain, and how much more compute it took, over the trials of a statement (FACTS §1.2).

Two questions are kept apart: what the final run of each method took, and what all of its runs took, tuning and failed
ones included. All that the charts and the page show is here, as plain frozen records.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import fsum, isfinite, sqrt
from typing import Literal

from .amounts import added
from .comparison import Step, expected_best, front
from .errors import UsageError
from .format import shortly
from .quotients import Quotient, left, multiplier, per_decade, quotient
from .record import Total
from .searches import Search, said_of, says_how, search_of
from .statement import Spent, Statement, Trial

#: Reserved GPU-hours, CPU-hours, counted FLOPs, and the machines' own kWh: the PUE is the place's, not the method's.
Measure = Literal["gpu_hours", "cpu_hours", "flops", "kwh"]
MEASURES: tuple[Measure, ...] = ("gpu_hours", "cpu_hours", "kwh", "flops")
#: Scored runs from which on a curve is drawn; fewer are printed (FACTS §1.2).
ENOUGH = 5


@dataclass(frozen=True, slots=True)
class Scored:
    """A trial with a finite score of the metric that is compared."""

    trial: Trial
    score: float

    @property
    def name(self) -> str:
        return name_of(self.trial)

    def compute(self, measure: Measure) -> Total:
        return compute_of(self.trial.spent, measure)


@dataclass(frozen=True, slots=True)
class Curve:
    """The best score that n runs are expected to have, at n times the mean compute of a scored run.

    ``per_run`` is that mean, in each measure: what scored and failed runs took, over the number of scored ones. So the
    curve ends at what was really spent, and failing has its price. ``search`` says whether the formula holds.
    """

    steps: tuple[Step, ...]
    per_run: Mapping[Measure, Total]
    search: Search


@dataclass(frozen=True, slots=True)
class Side:
    """One method.

    ``scored`` are in the order of their start; ``failed`` trials count in compute and have no score, ``unscored`` ones
    did not fail and lack this metric, ``unusable`` are scores that were no finite number. ``others`` are runs of the
    method that are no trials. ``all_in`` is the compute of them all. ``apart`` scored runs are none of the search
    (``_draws``); ``curve`` is ``None`` for fewer than ``ENOUGH`` others.
    """

    method: str
    trials: tuple[Trial, ...]
    scored: tuple[Scored, ...]
    failed: int
    unscored: int
    unusable: int
    others: int
    best: Scored
    final: Scored
    final_why: str
    mean: float
    sd: float | None
    all_in: Mapping[Measure, Total]
    multipliers: Mapping[Measure, Quotient]
    curve: Curve | None
    apart: int = 0


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times the baseline's compute ours took, and the points that ten times as much bought."""

    measure: Measure
    all_in: Quotient
    final: Quotient
    all_in_rate: Quotient
    final_rate: Quotient


@dataclass(frozen=True, slots=True)
class Comparison:
    """Ours against a baseline, by one metric.

    ``gain`` is between the best scores, ``final_gain`` between the final runs', in the metric's unit, above 0 where
    ours is better; ``point`` is how much of the metric is one point. ``equal`` holds the best of as many runs as the
    method with fewer has, ours first. ``everyone`` are the scored trials of all methods.
    """

    metric: str
    lower: bool
    point: float
    ours: Side
    baseline: Side
    gain: float
    final_gain: float
    ratios: tuple[Ratio, ...]
    equal: tuple[Step, Step] | None
    everyone: tuple[Scored, ...]

    def ratio(self, measure: Measure) -> Ratio:
        return next(one for one in self.ratios if one.measure == measure)

    def taken(self) -> tuple[Measure, ...]:
        """What either took any of, as far as is known; CPU-hours only where no GPU was held."""
        totals = {measure: [side.all_in[measure] for side in (self.ours, self.baseline)] for measure in MEASURES}
        found = [measure for measure, both in totals.items() if any(total.value or total.missing for total in both)]
        return tuple(measure for measure in found if measure != "cpu_hours" or "gpu_hours" not in found)

    def on_axis(self, measure: Measure) -> tuple[Scored, ...]:
        """Of everyone, those whose compute is known and above nothing: what a logarithmic axis can show."""
        return tuple(one for one in self.everyone if (one.compute(measure).value or 0.0) > 0)

    def front(self, measure: Measure) -> tuple[Scored, ...]:
        """Of those, whom no other beats, by ascending compute."""
        shown = self.on_axis(measure)
        return tuple(shown[at] for at in front([(_value(o, measure), o.score) for o in shown], self.lower))


def _value(one: Scored, measure: Measure) -> float:
    return one.compute(measure).value or 0.0


def compute_of(spent: Spent, measure: Measure) -> Total:
    """How much of a measure some runs took, in its own unit."""
    if measure == "cpu_hours":
        return spent.cpu_hours
    return spent.energy_kwh if measure == "kwh" else spent.flops if measure == "flops" else spent.gpu_hours


def name_of(trial: Trial) -> str:
    """How a run is called: by its name, else by its parameters, else by its record."""
    if trial.run:
        return trial.run
    return shortly({name: one for name, one in trial.params.items() if not says_how(name, one)}) or trial.id[:8]


def compare(
    statement: Statement, ours: str, baseline: str, metric: str | None = None, lower: bool = False
) -> Comparison:
    """Ours against a baseline, over the trials of a statement.

    Args:
        statement: what was gathered.
        ours: a method, as it was tagged.
        baseline: another one.
        metric: which score; without it the one that both have.
        lower: less of it is better.

    Raises:
        UsageError: a method has no trials, or there is no such metric (or several, and none was named).
    """
    pairs = _trials(statement, ours, baseline)
    metric = _metric(pairs, (ours, baseline), metric)
    one, other = (
        _side(name, trials, _others(statement, name, trials), metric, lower)
        for name, trials in zip((ours, baseline), pairs, strict=True)
    )
    everyone = tuple(Scored(t, t.scores[metric]) for t in statement.trials if _usable(t, metric))
    sign = -1.0 if lower else 1.0
    gain, final = (sign * (a.score - b.score) for a, b in ((one.best, other.best), (one.final, other.final)))
    point = _point([scored.score for scored in (*one.scored, *other.scored)])
    ratios = tuple(_ratio(measure, one, other, gain / point, final / point) for measure in MEASURES)
    return Comparison(metric, lower, point, one, other, gain, final, ratios, _equal(one, other), everyone)


def _point(scores: Sequence[float]) -> float:
    """Scores between 0 and 1 are parts of a whole, of which a point is a hundredth."""
    return 0.01 if all(0.0 <= score <= 1.0 for score in scores) else 1.0


def _equal(one: Side, other: Side) -> tuple[Step, Step] | None:
    if one.curve is None or other.curve is None:
        return None
    runs = min(curve.steps[-1].runs for curve in (one.curve, other.curve))
    found, beside = (next((s for s in curve.steps if s.runs == runs), None) for curve in (one.curve, other.curve))
    return (found, beside) if found and beside else None


# Which trials, and which metric


def _trials(statement: Statement, *methods: str) -> list[tuple[Trial, ...]]:
    if len(set(methods)) < len(methods):
        raise UsageError(f"{methods[0]!r} cannot be compared with itself; name two methods")
    return [_of_method(statement.trials, method) for method in methods]


def _of_method(trials: Sequence[Trial], method: str) -> tuple[Trial, ...]:
    found = tuple(trial for trial in trials if trial.method == method)
    if not found:
        raise UsageError(f"no trial here is of the method {method!r}; {_there_are(trials, method)}")
    return found


def _there_are(trials: Sequence[Trial], method: str) -> str:
    names = sorted({trial.method for trial in trials if trial.method is not None})
    if not names:
        return (
            f'there are none of any: with jupyter_costmeter.trial(method="{method}") as t: … t.score("accuracy", 0.9)'
        )
    return f"{_near(method, names)}there are {', '.join(names)}"


def _near(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, 1, 0.5)
    return f"did you mean {near[0]!r}? " if near else ""


def _metric(pairs: Sequence[Sequence[Trial]], methods: tuple[str, str], metric: str | None) -> str:
    has = [_metrics(trials) for trials in pairs]
    if metric is not None:
        for method, names in zip(methods, has, strict=True):
            if metric not in names:
                raise UsageError(f"no run of {method!r} has a score {metric!r}; {_near(metric, names)}{_listed(names)}")
        return metric
    both = [name for name in has[0] if name in has[1]]
    if len(both) > 1:
        raise UsageError(f"which score? Name it: --metric {both[0]}; both have {', '.join(both)}")
    if not both:
        each = "; ".join(f"{method!r}: {_listed(names)}" for method, names in zip(methods, has, strict=True))
        raise UsageError(f"the two have no score in common ({each})")
    return both[0]


def _metrics(trials: Sequence[Trial]) -> list[str]:
    return sorted({name for trial in trials for name in trial.scores if _usable(trial, name)})


def _listed(names: Sequence[str]) -> str:
    return f"it has {', '.join(names)}" if names else "it has no scores of runs that ended well"


def has_failed(trial: Trial) -> bool:
    """By itself, unless somebody said afterwards what it is."""
    return trial.category == "failed" or (trial.category is None and trial.outcome != "ok")


def _finite(score: object) -> bool:
    """Scores come from files of tags, where not-a-number is a text."""
    return isinstance(score, (int, float)) and not isinstance(score, bool) and isfinite(score)


def _usable(trial: Trial, metric: str) -> bool:
    return not has_failed(trial) and _finite(trial.scores.get(metric))


# One method


@dataclass(frozen=True, slots=True)
class _Others:
    """Runs of a method that are no trials, and what they took."""

    runs: int = 0
    totals: Mapping[Measure, Total] = field(default_factory=dict)


def _others(statement: Statement, method: str, trials: Sequence[Trial]) -> _Others:
    """Cells of the method without parameters, scores and a run's name, and what is left of those with trials inside."""
    every = [one.spent for one in statement.experiments if one.method == method]
    runs = sum(spent.runs for spent in every) - sum(trial.spent.runs for trial in trials)
    if runs <= 0:
        return _Others()
    tried = _added(trial.spent for trial in trials)
    return _Others(runs, {measure: left(whole, tried[measure]) for measure, whole in _added(every).items()})


def _side(method: str, trials: tuple[Trial, ...], others: _Others, metric: str, lower: bool) -> Side:
    scored = tuple(Scored(trial, float(trial.scores[metric])) for trial in trials if _usable(trial, metric))
    well = [trial for trial in trials if not has_failed(trial)]
    unusable = sum(metric in trial.scores and not _finite(trial.scores[metric]) for trial in well)
    best = _best(scored, lower)
    final, why = _final(scored, lower)
    mean, sd, draws = *_spread([one.score for one in scored]), _draws(scored)
    rest = {measure: _rest(trials, others, final.trial, measure) for measure in MEASURES}
    return Side(
        method, trials, scored, len(trials) - len(well), len(well) - len(scored) - unusable, unusable, others.runs,
        best, final, why, mean, sd, {measure: added([final.compute(measure), *rest[measure]]) for measure in MEASURES},
        {measure: multiplier(final.compute(measure), rest[measure], method) for measure in MEASURES},
        _curve(trials, draws, lower), len(scored) - len(draws),
    )  # fmt: skip


def _rest(trials: Iterable[Trial], others: _Others, final: Trial, measure: Measure) -> list[Total]:
    """What all but the final run took."""
    found = [compute_of(trial.spent, measure) for trial in trials if trial is not final]
    return found + ([others.totals[measure]] if others.runs else [])


def _best(scored: Sequence[Scored], lower: bool) -> Scored:
    """The first of several."""
    return (min if lower else max)(scored, key=lambda one: one.score)


def _final(scored: Sequence[Scored], lower: bool) -> tuple[Scored, str]:
    """The run that the paper shows, and by what that is known."""
    tagged = [one for one in scored if one.trial.in_paper]
    if tagged:
        many = f", the best of {len(tagged)}" if len(tagged) > 1 else ""
        return _best(tagged, lower), f"tagged in_paper{many}"
    left = [one for one in scored if one.trial.in_paper is None]
    return _best(left or scored, lower), "the best one: none is tagged in_paper"


def _spread(scores: Sequence[float]) -> tuple[float, float | None]:
    """The mean, and the sample's standard deviation of two or more."""
    mean = fsum(scores) / len(scores)
    if len(scores) < 2:
        return mean, None
    return mean, sqrt(fsum((score - mean) ** 2 for score in scores) / (len(scores) - 1))


def _added(found: Iterable[Spent]) -> dict[Measure, Total]:
    every = list(found)
    return {measure: added([compute_of(spent, measure) for spent in every]) for measure in MEASURES}


def _draws(scored: Sequence[Scored]) -> list[Scored]:
    found = set(map(id, draws([one.trial for one in scored])))
    return [one for one in scored if id(one.trial) in found]


def draws(trials: Sequence[Trial]) -> list[Trial]:
    """Those of the search: where some are said to be of one, a run that is not, and that is in the paper or of a
    category that none of them has, is what the search was for.
    """
    said = [one.category for one in trials if said_of(one.params) is not None]
    return [
        one for one in trials
        if not said or said_of(one.params) is not None or (one.category in said and not one.in_paper)
    ]  # fmt: skip


def _curve(trials: Sequence[Trial], scored: Sequence[Scored], lower: bool) -> Curve | None:
    if len(scored) < ENOUGH:
        return None
    tried, failed = [one.trial for one in scored], [trial for trial in trials if has_failed(trial)]
    took = _added(trial.spent for trial in (*tried, *failed))
    per_run = {measure: _shared(total, len(scored)) for measure, total in took.items()}
    search = search_of([trial.params for trial in tried], [trial.params for trial in failed])
    return Curve(expected_best([one.score for one in scored], lower), per_run, search)


def _shared(total: Total, runs: int) -> Total:
    value, width = (None if one is None else one / runs for one in (total.value, total.uncertainty))
    return replace(total, value=value, uncertainty=width)


# Both


def _ratio(measure: Measure, ours: Side, baseline: Side, gain: float, final_gain: float) -> Ratio:
    """``gain`` and ``final_gain`` are in points."""
    names = (ours.method, baseline.method)
    all_in = quotient(ours.all_in[measure], baseline.all_in[measure], names)
    final = quotient(ours.final.compute(measure), baseline.final.compute(measure), names)
    return Ratio(measure, all_in, final, per_decade(gain, all_in), per_decade(final_gain, final))
