"""The meter of a process that works for cells of other processes: one window after the other, divided among them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from .. import accounting, config, place
from ..meter import Meter, Window
from ..overhead import Overhead
from ..parts import built_in
from ..reading import Sample
from ..record import HIGHEST, SUMMED, UNCOUNTED, Figure, Provenance, Usage
from .dividing import divided

#: What a number of ours is about: its name, device, method, source and, where there is none, the reason.
Told = tuple[str, str, float]
#: torch's operators are seen here, and nothing else.
ONLY_TORCH = Provenance(None, "tasks elsewhere", reason="tasks on workers: only torch's operations are counted there")


class WorkerMeter:
    """Meters this process by its own sensors, under this machine's own settings."""

    def __init__(self) -> None:
        self.settings, _ = config.load()
        parts = built_in(self.settings.sensors, self.settings.tracers)
        overhead = Overhead()
        for tracer in parts.tracers:
            tracer.working = overhead.working
        self._overhead = overhead
        parts = replace(parts, sensors=[*parts.sensors, overhead])
        self._meter = Meter(parts, gpu_share=self.settings.gpu_share, wait=True)
        self._meter.observe()

    def begin(self, edge: Sample | None = None) -> Window:
        """A piece begins: one reading on the worker's event loop, or the last one of the piece before it."""
        return self._meter.open_window(edge)

    def end(self, window: Window) -> Sample | None:
        """It ends: another one."""
        self._meter.close_window(window)
        return window.end

    # Off the event loop

    def divided(self, window: Window, shares: Mapping[str | None, float]) -> dict[str | None, list[Told]]:
        """What the piece took, by the cells that threads worked for, as numbers to add up.

        Args:
            window: it has ended.
            shares: thread-seconds by cell; ``None`` is work for no cell.
        """
        with self._overhead.working():
            usage = self._usage(window)
            return {cell: list(_told(part)) for cell, part in divided(usage, shares).items()}

    def _usage(self, window: Window) -> Usage:
        meter = self._meter
        meter.take()
        meter.observe()
        meter.settle([window], [])
        assert window.end is not None
        usage = meter.usage(window, window.end)
        counts = (Figure(UNCOUNTED, None, ONLY_TORCH, "workers"),) if self.settings.flops else ()
        return replace(usage, figures=(*usage.figures, *counts))

    def facts(self) -> dict[str, Any]:
        """What a reader must know of this machine: its CPU, and its devices by their names."""
        about = place.environment()
        return {"cpu": about.get("cpu"), "devices": self._meter.devices()}


def _told(figures: tuple[Figure, ...]) -> Iterator[Told]:
    for figure in accounting.kept(Usage(0.0, figures)).figures:
        origin = figure.provenance
        if origin.absent or figure.name not in (*SUMMED, *HIGHEST, UNCOUNTED):
            continue
        text = json.dumps([figure.name, figure.device, origin.method, origin.source, origin.reason])
        if figure.value is None:
            yield text, "missing", 1.0
        elif figure.name in HIGHEST:
            yield text, "peak", figure.value
        else:
            yield text, "value", figure.value
            if origin.uncertainty is not None:  # what comes from one place is wrong together
                yield text, "width", figure.value * origin.uncertainty
