"""A progress bar is shown where a person sees it, and changes nothing of what goes through it."""

from __future__ import annotations

import io
import sys

import pytest

from jupyter_costmeter import bars


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Notebook(io.StringIO):
    """As a kernel's stderr is."""


Notebook.__module__ = "ipykernel.iostream"


@pytest.mark.parametrize("stream", [Terminal, Notebook, io.StringIO])
@pytest.mark.parametrize("bar", [bars.shown, bars.none])
def test_all_goes_through_it(stream: type[io.StringIO], bar: bars.Bar[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream())
    assert list(bar(range(1000), 1000, "exporting")) == list(range(1000))


@pytest.mark.parametrize(
    ("stream", "bar", "patience", "seen"),
    [
        (Terminal, bars.shown, 3.0, True),
        (Notebook, bars.shown, 3.0, False),  # it took a moment only
        (Notebook, bars.shown, 0.0, True),
        (io.StringIO, bars.shown, 0.0, False),  # a file, a pipe
        (Terminal, bars.none, 0.0, False),
    ],
)
def test_it_is_seen_where_somebody_waits(
    stream: type[io.StringIO], bar: bars.Bar[int], patience: float, seen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = stream()
    monkeypatch.setattr(sys, "stderr", out)
    monkeypatch.setattr(bars, "PATIENCE_S", patience)
    assert list(bar(range(10), 10, "exporting")) == list(range(10))
    assert ("exporting" in out.getvalue()) == seen
