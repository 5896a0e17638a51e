"""The Python API of experiments: a block that is one trial, with its parameters, its scores and its cost."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from contextvars import Token
from dataclasses import replace
from types import FrameType, TracebackType
from typing import Any

from . import current, guard, spans, tagging
from .errors import UsageError
from .measuring import FLUSH_S, measure
from .record import CellRecord
from .runs import Run, record_id_of
from .session import Session
from .tag import PARAM, Category, Tag


class trial(measure):
    """``with trial(method="ours", lr=3e-4) as t: …; t.score("accuracy", 0.912)``: one run of an experiment.

    All that ``measure`` tells is known of it, too. A block that an exception leaves is ``failed`` by itself. What is
    not said here (its category, its method, whether it is in the paper) is as of the cell that it lies in.

    Args:
        label: a name for the block in reports.
        method, run: what is tried, and which of its runs this is (a seed); several trials of one run are one.
        category: one of ``tag.CATEGORIES``, such as ``"hpo"``.
        in_paper: whether the paper reports it.
        params: parameters whose names are taken by one of these.
        more: all other parameters. What JSON does not know is kept as its text.

    Raises:
        ValueError: there is no such category.
    """

    def __init__(
        self,
        label: str | None = None,
        *,
        method: str | None = None,
        run: str | int | None = None,
        category: Category | None = None,
        in_paper: bool | None = None,
        params: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(label)
        texts = {"method": method, "run": run, "category": category}
        said = {key: str(value)[: tagging.LONGEST] for key, value in texts.items() if value is not None}
        self._said = _checked(said if in_paper is None else {**said, "in_paper": in_paper})
        self._said |= _params({**more, **(params or {})}) or {}
        self._later: tuple[Tag, ...] = ()
        self._token: Token[tuple[Session, Run] | None] | None = None

    def __enter__(self) -> trial:
        self._open(sys._getframe(1))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._token is not None:
            with suppress(ValueError):  # a generator may be closed elsewhere than it was begun
                spans.trial_of.reset(self._token)
        super().__exit__(kind, error, _)

    def score(self, name: str, value: Any) -> None:
        """How good it was: one number (a NumPy or torch scalar, too), in the block or when it has ended.

        Of several of one name the last counts. What is no finite number (a run that diverged) gives no score: a
        warning is logged, and the search around it goes on.
        """
        if found := _kept(name, value):
            self._say(*found)

    @property
    def record(self) -> CellRecord | None:
        """What is in the ledger, with all that was said of it; asked for at once, it may take half a second."""
        found = super().record
        return found and replace(found, tags=(*found.tags, *self._later))

    @guard.guarded("trial")
    def _open(self, caller: FrameType) -> None:
        super()._open(caller)
        if self._run is not None and self._session is not None:
            self._run.said.update(self._said)
            self._token = spans.trial_of.set((self._session, self._run))

    @guard.guarded("a trial's score")
    def _say(self, key: str, value: float) -> None:
        session, run = self._session, self._run
        if run is None or session is None or run.window.end is None:
            said = self._said if run is None else run.said  # before, or while it runs
            said[key] = value
            if session is not None and session.forked:
                guard.log.warning("jupyter_costmeter: a score told in a forked process reaches no ledger: %s", key)
        else:
            self._say_later(session, record_id_of(run, session.info), {key: value})

    def _say_later(self, session: Session, record_id: str, said: Mapping[str, Any]) -> None:
        """Its record is made, or being made."""
        tags = tagging.later([record_id], said, session.info.user, session.info.host)
        self._later += tuple(tags)
        session.say(tags)
        if session.in_child:  # a forked worker ends without atexit
            session.flush(FLUSH_S)

    @property
    def _name(self) -> str:
        return f"trial {self.label or self._said.get('method', '')}"


def score(name: str, value: Any) -> None:
    """How good the trial was that runs, else the cell: one number. As ``trial.score``."""
    if found := _kept(name, value):
        _score(*found)


def _kept(name: str, value: Any) -> tuple[str, float] | None:
    try:
        return tagging.score_of(name, value)
    except (TypeError, ValueError) as error:
        tagging.not_noted(str(error))
        return None


@guard.guarded("a score")
def _score(key: str, value: float) -> None:
    spans.score(current.current(), key, value)


def _checked(said: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return tagging.checked(said) if said else {}
    except UsageError as error:
        raise ValueError(str(error)) from None


@guard.guarded("a trial's parameters")
def _params(params: Mapping[str, Any]) -> dict[str, Any]:
    return {PARAM + tagging.name_of(name): tagging.plain(value) for name, value in params.items()}
