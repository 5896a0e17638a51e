"""Marks the tasks that a Dask client sends, at the one place through which all of them go.

``dask.array``, ``dataframe``, ``delayed``, ``submit`` and ``map`` all end in ``Client._graph_to_futures``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from .. import guard
from ..flops.raised import Raised

_PLACE = "_graph_to_futures"
_put: list[tuple[Any, Any]] = []


class Sending(NamedTuple):
    """What is asked before a client sends tasks, and what is told after it."""

    mark: Callable[[Any], str | None]
    sent: Callable[[Any, str, dict[Any, Any]], None]


def put_in(client: Any, sending: Sending) -> None:
    """Mark what all clients of this class send from now on."""
    put_back()
    original = client.__dict__[_PLACE]
    _put.append((client, original))
    setattr(client, _PLACE, _Method(original, sending))


def put_back() -> None:
    """As it was."""
    while _put:
        client, original = _put.pop()
        setattr(client, _PLACE, original)


class _Method:
    """A method that is no Python function: its errors come without a frame of ours."""

    def __init__(self, original: Any, sending: Sending) -> None:
        self._original = original

        class Sent(Raised):
            def __new__(cls, client: Any, *args: Any, **kwargs: Any) -> Any:
                mark = guard.guarded("marking a cell's tasks")(sending.mark)(client)
                try:
                    if mark is None:
                        return original(client, *args, **kwargs)
                    futures = _marked(mark, original, client, args, kwargs)
                except BaseException as error:  # the user's, as it would be without us
                    return cls.of(error)
                guard.guarded("noting a cell's tasks")(sending.sent)(client, mark, futures)
                return futures

        self._sent = Sent

    def __get__(self, client: Any, owner: Any = None) -> Any:
        return self._original if client is None else partial(self._sent, client)


def _marked(mark: str, original: Any, client: Any, args: Any, kwargs: Any) -> Any:
    import dask

    with dask.annotate(costmeter=mark):
        return original(client, *args, **kwargs)
