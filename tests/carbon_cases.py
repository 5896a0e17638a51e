"""Made-up records with round numbers, and what they cost by the way that the panel takes: record, use, costs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from jupyter_costmeter.assumptions import Assumptions, Placed, place_of
from jupyter_costmeter.conditions import Book, Grid
from jupyter_costmeter.costing import costs_of
from jupyter_costmeter.derived import Costs
from jupyter_costmeter.factors import Intensity
from jupyter_costmeter.record import CellRecord, Figure, Provenance, SessionInfo, Total, Usage
from jupyter_costmeter.uses import Use, of_records

HOUR = 3600.0
KWH = 3.6e6
NVML = Provenance("measured", "NVML energy counter", 0.05)
TDP = Provenance("modelled", "TDP × CPU time", 0.5)
RAM = Provenance("modelled", "DIMM model", 2.0)
CLOCK = Provenance("measured", "process CPU clock", 0.01)
LOST = Provenance(None, "NVML energy counter", None, "the GPU is lost")
NO_GPU = Provenance(None, "NVML", None, "no GPU here", absent=True)
A100, H100 = "NVIDIA A100-SXM4-40GB", "NVIDIA H100 80GB HBM3"


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> float:
    """Seconds since 1970."""
    return datetime(year, month, day, hour, minute, tzinfo=timezone.utc).timestamp()


NOON = utc(2026, 10, 1, 12)


class FakeGrid:
    """A live source's cache: so many g/kWh in these UTC hours of these regions; remembers what it was asked."""

    def __init__(self, values: dict[tuple[str, int], float]) -> None:
        self.values, self.asked = values, list[tuple[str, float, float]]()

    def at(self, region: str, start: float, end: float) -> Intensity | None:
        self.asked.append((region, start, end))
        found = self.values.get((region, int(start // HOUR)))
        live = Intensity(found or 0.0, region, "a live source", method="modelled", start=start, end=end)
        return None if found is None else live


def session(host: str = "host", at: float = NOON, gpus: Mapping[str, str] | None = None, **more: str) -> SessionInfo:
    return SessionInfo(f"s-{host}", at, host, "ada", 1, at, environment={"devices": json.dumps(gpus or {}), **more})


def joules(value: float | None, origin: Provenance = NVML, name: str = "gpu_energy_j") -> Figure:
    return Figure(name, value, origin)


def held(hours: float | None, device: str = "GPU-1", origin: Provenance = CLOCK) -> Figure:
    return Figure("gpu_reserved_s", None if hours is None else hours * HOUR, origin, device)


def record(*figures: Figure, at: float = NOON, wall_s: float = HOUR, **more: Any) -> CellRecord:
    return CellRecord(more.pop("id", "r"), "s", 1, at, Usage(wall_s, figures), "ok", **more)


def place(region: str = "FR", pue: float | None = 1.0, **more: Any) -> Placed:
    return place_of({"region": region, **({} if pue is None else {"pue": pue}), **more}, "jupyter_costmeter.toml:1")


def constant(g_per_kwh: float, region: str = "FR", **more: Any) -> Intensity:
    return Intensity(g_per_kwh, region, "the operator's bill", **{"method": "declared", "uncertainty": 0.0, **more})


def lab(g_per_kwh: float = 100.0, pue: float | None = 1.0, **more: Any) -> Assumptions:
    """All machines stand in one place, whose intensity and PUE are declared."""
    kind = more.pop("kind", "lab")
    return Assumptions(places=(place("FR", pue, kind=kind),), intensities=(constant(g_per_kwh),), **more)


def costs(
    assumed: Assumptions, *records: CellRecord, info: SessionInfo | None = None, grid: Grid | None = None, **more: Any
) -> Costs:
    """What the panel shows of these records of one session."""
    info, book = info or session(), Book(assumed, grid)
    return costs_of(of_records(records, info, hourly=info.started_at < book.changed_at), book, **more)


def whole(records: CellRecord | Iterable[CellRecord], info: SessionInfo) -> Use:
    """What a record, or several of one session, used in all hours together."""
    (use,) = of_records([records] if isinstance(records, CellRecord) else records, info)
    return use


def total(of: Costs, name: str) -> Total:
    found = of.footprint.total(name)
    assert found is not None, f"there is no {name}"
    return found


def amount(of: Costs, name: str) -> float:
    value = total(of, name).value
    assert value is not None, f"{name} was not measured"
    return value
