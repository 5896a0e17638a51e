"""This process's session: begun by the door that is opened first, ended with the process."""

from __future__ import annotations

import atexit
import os
from functools import partial

from traitlets.config import Config

from . import config, guard, inheriting
from .session import Session

#: Seconds that a process's end waits for a ledger that is locked or slow.
EXIT_S = 60.0

_current: Session | None = None


def current(own: Config | None = None, script: bool = True) -> Session:
    """This process's session, begun with the first call; a forked child begins its own.

    Args:
        own: settings of the door that calls, which win.
        script: whether the process may be a script's, whose path then stands for the notebook's.
    """
    global _current
    if _current is None or _current.forked:
        settings, problems = config.load(own)
        forked = _current is not None
        inheriting.started() if script else inheriting.leave()
        _current = Session(settings, problems, script)
        if script:  # no reply waits for it, and a script may end before a thread has loaded it
            _current.meter.complete()
        _current.in_child = forked
        for problem in problems:
            guard.log.warning("jupyter_costmeter: %s", problem)
        inherit(_current)
        atexit.register(_at_exit, _current)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=partial(setattr, _current, "forked", True))
    return _current


def inherit(session: Session) -> None:
    """Child processes that start from now on are metered; those of a child are its parent's."""
    if session.settings.children and session.settings.flops and inheriting.parent is None:
        inheriting.begin(session.info.id)
        inheriting.show_rest(session.cells_only)
        session.at_rest = [*(each for each in session.at_rest if each is not inheriting.sweep), inheriting.sweep]


def _at_exit(session: Session) -> None:
    if session.forked:
        return
    try:
        _flushed(session)
    finally:
        inheriting.end()


def _flushed(session: Session) -> None:
    session.close_all()
    if (flops := session.meter.tracer("torch_flops")) is not None:
        flops.close()  # a thread of torch's must not come into Python when it has ended
    session.gaps.close()
    if not session.flush(EXIT_S):
        lost = session.ledger.waiting + session.unsettled
        why = session.ledger.message or "a sensor does not answer"
        guard.log.warning("jupyter_costmeter: %s; not saved: %d", why, lost)
