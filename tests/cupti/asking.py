"""What a tracer answers, in short."""

from __future__ import annotations

from jupyter_costmeter.record import Figure
from jupyter_costmeter.tracers.cupti import CuptiTracer


def busy(tracer: CuptiTracer, start: object, end: object) -> dict[str | None, float | None]:
    return {figure.device: figure.value for figure in tracer.figures(start, end)}


def only(tracer: CuptiTracer, start: object, end: object) -> Figure:
    (figure,) = tracer.figures(start, end)
    return figure


def why(tracer: CuptiTracer, start: object, end: object) -> str | None:
    figure = only(tracer, start, end)
    assert figure.value is None
    assert figure.method is None
    return figure.reason
