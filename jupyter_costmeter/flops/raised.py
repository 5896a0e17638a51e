"""Raise from C what was caught in Python, so that no frame of ours stands in the user's traceback."""

from __future__ import annotations

import asyncio
from operator import methodcaller
from types import TracebackType
from typing import Any

OURS = __name__.partition(".")[0]


class _NoLoop:
    """What a future wants of an event loop, so that it can hold an error."""

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: object) -> None:
        pass


class Raised(asyncio.Future[Any]):
    """Base of callables that are classes: ``__new__`` answers the result, or, where there was an error, an instance.

    Python initialises an instance: ``__init__`` is a property, which fetches the future's result, which raises. All of
    that is C, and frames are only added by Python.
    """

    __init__ = property(methodcaller("result"))

    @classmethod
    def of(cls, error: BaseException) -> Raised:
        """An instance that raises this error when it is initialised, with the traceback that it had below us."""
        if isinstance(error, StopIteration):  # no future takes it: with our frames rather than not at all
            raise error
        made = asyncio.Future.__new__(cls)
        asyncio.Future.__init__(made, loop=_NoLoop())  # type: ignore[arg-type]
        made.set_exception(error.with_traceback(_below_us(error.__traceback__)))
        return made


def _below_us(traceback: TracebackType | None) -> TracebackType | None:
    """What is left without our frames: those of a kernel that somebody else wrote in Python."""
    while traceback is not None and traceback.tb_frame.f_globals.get("__name__", "").startswith(OURS):
        traceback = traceback.tb_next
    return traceback
