"""How a method's parameters were tried: at random, on a grid, or nobody knows; pure.

The expected best of n runs (FACTS §1.2, Dodge et al. 2019) holds for independent draws: a random search, or one
configuration under several seeds. A grid gives itself away by its parameters; a manual or a sequential (Bayesian)
search does not, so only the user can say that a search was random.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isclose, isfinite, log, prod
from typing import Any, Literal

Kind = Literal["random", "repeats", "grid", "other", "unknown"]
#: The parameter by which the user says how the others were chosen: ``search=random``.
SEARCH = "search"
#: The same by other names, where the value is a way to search: a sampler may be one of data, and a hyperparameter.
STRATEGIES = frozenset({
    "search_strategy", "search_method", "search_algorithm", "search_type", "strategy", "sampler", "tuner",
})  # fmt: skip
WAYS = frozenset({
    "random", "grid", "manual", "bayesian", "bayes", "bo", "gp", "tpe", "cmaes", "nsgaii", "nsgaiii", "sobol", "halton",
    "qmc", "hyperband", "asha", "bohb", "pbt", "evolutionary", "genetic", "bruteforce",
})  # fmt: skip
#: What tells runs of one configuration apart.
SEEDS = frozenset({"seed", "random_seed", "random_state", "rng_seed"})
SAY = "say search=random if it was"
#: The first digits of numbers that people write into grids, as 1, 3, 10, 30 or 1, 2, 5.
ROUND = (1.0, 2.0, 3.0, 5.0)


@dataclass(frozen=True, slots=True)
class Search:
    """How runs were chosen, and by what that is known. ``valid``: the expected best of n runs holds for it."""

    kind: Kind
    why: str

    @property
    def valid(self) -> bool:
        return self.kind in ("random", "repeats")


def says_how(name: str, value: Any) -> bool:
    """Whether a parameter says how the others were chosen, and so is none of a configuration's own."""
    folded = name.lower()
    return folded == SEARCH or (folded in STRATEGIES and _way(value) in WAYS)


def said_of(params: Mapping[str, Any]) -> str | None:
    """How these parameters were chosen, as one of them says: ``random``, ``bayesian``; ``None`` if none does."""
    found = next((value for name, value in params.items() if says_how(name, value)), None)
    return None if found is None else "random" if _way(found) == "random" else str(found).strip().lower()


def _way(value: Any) -> str:
    """``Random Search`` and ``RandomSampler`` are ``random``."""
    plain = "".join(c for c in str(value).lower() if c.isalnum())
    return plain.removesuffix("search").removesuffix("sampler")


def _searched(params: Mapping[str, Any]) -> dict[str, Any]:
    """But for what says how they were chosen."""
    return {name: value for name, value in params.items() if not says_how(name, value)}


def search_of(params: Sequence[Mapping[str, Any]], failed: Sequence[Mapping[str, Any]] = ()) -> Search:
    """How runs with these parameters were chosen.

    Args:
        params: of each run that has a score.
        failed: of those that failed: they leave holes in a grid, and nobody need say anything of them.
    """
    said = [way for one in params if (way := said_of(one)) is not None]
    params = [_searched(one) for one in params]
    grid = _grid([*params, *(_searched(one) for one in failed if one)])
    if said:
        return _said(said, len(params), grid)
    if any(params) and not _varying(params):
        return Search("repeats", "runs of one configuration, which differ in nothing but the seed")
    if grid:
        return Search("grid", f"{grid}; if they were drawn from these at random, say search=random")
    why = "nobody said how the parameters were chosen" if any(params) else "the runs have no parameters"
    return Search("unknown", f"{why}; {SAY}")


def configurations(params: Iterable[Mapping[str, Any]]) -> int:
    """How many different configurations runs with these parameters tried.

    Seeds and what says how they were chosen (``SEEDS``, ``says_how``) tell no configurations apart, nor do 1 and 1.0.
    Runs without any parameter, or of which only that was said, count as none; those that have only seeds are of one.
    """
    return len({_configuration(told) for one in params if (told := _searched(one))})


def _configuration(params: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    told = {name: value for name, value in params.items() if name.lower() not in SEEDS}
    return tuple(sorted((name, _key(_plain(value))) for name, value in told.items()))


def _plain(value: Any) -> Any:
    """Whole numbers as such, however they are written; inside lists and objects, too."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, (list, tuple)):
        return list(map(_plain, value))
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, Mapping) else value


def _said(said: Sequence[str], runs: int, grid: str | None) -> Search:
    others = sorted({one for one in said if one != "random"})
    if others:
        return Search("other", f"said to be {', '.join(others)}")
    if len(said) < runs:
        return Search("unknown", f"only {len(said)} of {runs} runs are said to be of a random search")
    return Search("random", f"said to be random, though {grid}" if grid else "said to be random")


def _varying(params: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The different values of each parameter that has several; one that a run lacks is a value, too."""
    names = dict.fromkeys(name for one in params for name in one if name.lower() not in SEEDS)
    found = {name: list({_key(one.get(name)): one.get(name) for one in params}.values()) for name in names}
    return {name: values for name, values in found.items() if len(values) > 1}


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _grid(params: Sequence[Mapping[str, Any]]) -> str | None:
    """Why these parameters look like a grid."""
    varying = _varying(params)
    tried = {tuple(_key(one.get(name)) for name in varying) for one in params}
    if len(varying) > 1 and len(tried) == prod(len(values) for values in varying.values()):
        return f"every combination of {', '.join(varying)} was tried"
    numbers = {name: _numbers(values) for name, values in varying.items()}
    scales = {name: found for name, found in numbers.items() if found is not None and len(found) > 2}
    if scales and all(map(_regular, scales.values())):
        return f"the values of {', '.join(scales)} are evenly spaced or round"
    return None


def _numbers(values: Sequence[Any]) -> list[float] | None:
    """In ascending order; ``None`` where one is no finite number. Words of ``%cost tag`` may be text."""
    try:
        found = sorted(float(value) for value in values if not isinstance(value, bool))
    except (TypeError, ValueError):
        return None
    return found if len(found) == len(values) and all(map(isfinite, found)) else None


def _regular(values: Sequence[float]) -> bool:
    """Of the same steps, of the same factors, or such as 1, 3, 10, 30."""
    if _even(values):
        return True
    if values[0] <= 0:
        return False
    return _even([log(value) for value in values]) or all(map(_round, values))


def _even(values: Sequence[float]) -> bool:
    steps = [after - before for before, after in pairwise(values)]
    return all(isclose(step, steps[0], rel_tol=1e-6) for step in steps)


def _round(value: float) -> bool:
    return float(f"{value:e}".partition("e")[0]) in ROUND and isclose(value, float(f"{value:.0e}"), rel_tol=1e-12)
