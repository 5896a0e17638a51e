"""Which machines sessions ran on, as far as their environments say (FACTS §1.3), pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from .conditions import Book
from .record import SessionInfo
from .statement import Machine
from .uses import HOUR_S

#: Sessions that agree in these, and in their host, are of one machine; the newest says the rest.
HARDWARE = ("cpu", "cpus", "memory_bytes", "machine")


def of_sessions(sessions: Iterable[SessionInfo], book: Book) -> tuple[Machine, ...]:
    """Each machine once, in the order of its first session."""
    found: dict[tuple[str, ...], list[SessionInfo]] = {}
    for info in sorted(sessions, key=lambda info: (info.started_at, info.id)):
        key = (info.host, *(info.environment.get(name, "") for name in HARDWARE))
        found.setdefault(key, []).append(info)
    return tuple(_machine(infos, book) for infos in found.values())


def _machine(infos: list[SessionInfo], book: Book) -> Machine:
    newest = infos[-1]
    facts = {name: value for info in infos for name, value in info.environment.items()}
    place = book.at(newest.host, int(newest.started_at // HOUR_S))
    cpus = _number(facts, "cpus")
    return Machine(
        host=newest.host,
        cpu=facts.get("cpu", ""),
        cpus=None if cpus is None else int(cpus),
        memory_bytes=_number(facts, "memory_bytes"),
        gpus=_gpus(infos),
        gpu_bytes={model: bytes_ for info in infos for model, bytes_ in _gpu_bytes(info).items()},
        storage_bytes=_number(facts, "storage_bytes"),
        system=facts.get("os") or facts.get("system", ""),
        python=facts.get("python", ""),
        partition=facts.get("partition", ""),
        region=place.region,
        kind=place.kind,
        sessions=len(infos),
    )


def _gpus(infos: Iterable[SessionInfo]) -> dict[str, int]:
    """By model, the most that one session named."""
    found: dict[str, int] = {}
    for info in infos:
        for model, count in Counter(_devices(info, "devices").values()).items():
            found[str(model)] = max(count, found.get(str(model), 0))
    return found


def _gpu_bytes(info: SessionInfo) -> dict[str, float]:
    sizes = _devices(info, "devices_bytes")
    return {str(model): float(sizes[key]) for key, model in _devices(info, "devices").items() if sizes.get(key)}


def _devices(info: SessionInfo, name: str) -> Mapping[str, Any]:
    found: dict[str, Any] = json.loads(info.environment.get(name, "{}"))
    return found


def _number(facts: Mapping[str, str], name: str) -> float | None:
    try:
        return float(facts[name])
    except (KeyError, ValueError):
        return None
