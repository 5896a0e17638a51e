"""Sessions on three machines and made-up records of theirs, for the tests of what a ledger adds up."""

from __future__ import annotations

from dataclasses import replace
from math import fsum
from pathlib import Path

import golden
from hypothesis import strategies as st
from kernels import ALL

from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord, Figure, Provenance, SessionInfo, Usage
from jupyter_costmeter.uses import HOUR_S, Use

#: The first session's, since 1970; and the second with which it begins.
HOUR = 497_000
START = HOUR * HOUR_S
ONE = '{"GPU-1": "NVIDIA A100-SXM4-40GB", "GPU-2": "NVIDIA A100-SXM4-40GB"}'
TWO = '{"GPU-1": "NVIDIA A100-SXM4-40GB", "GPU-2": "Tesla T4"}'


def info(name: str, devices: str = ONE, partition: str = "", host: str = "box", hour: int = HOUR) -> SessionInfo:
    facts = {"devices": devices, **({"partition": partition} if partition else {})}
    return replace(golden.SESSION, id=name, host=host, started_at=hour * HOUR_S, environment=facts)


SESSIONS = {
    s.id: s for s in (info("s1"), info("s2", TWO, "gpu-small", "gpu07", HOUR + 1), info("s3", "{}", hour=HOUR + 2))
}
PLACES = [("/p/a.ipynb", "/p"), ("/p/b.ipynb", "/p"), ("/p/in/c.ipynb", "/p/in"), ("/pq/d.ipynb", "/pq"), (None, None)]
SCOPES = [
    ALL,
    *(Selection("session", name) for name in (*SESSIONS, "none")),
    *(Selection("notebook", notebook) for notebook, _ in PLACES if notebook),
    *(Selection("project", folder) for folder in ("/p", "/p/in", "/pq", "/", "/none")),
]
ORIGINS = [
    Provenance("measured", "NVML energy counter", 0.05),
    Provenance("modelled", "TDP", 0.5),
    Provenance(None, "NVML energy counter", None, "the GPU is lost"),
    Provenance(None, "NVML", None, "there is no GPU", absent=True),
]
GPU = Provenance("measured", "NVML", 0.05)
NAMES = ["cpu_energy_j", "ram_energy_j", "gpu_energy_j", "gpu_reserved_s", "cpu_s", "peak_rss_bytes", "gpu_busy_s"]


@st.composite
def figures(draw: st.DrawFn) -> tuple[Figure, ...]:
    found = {}
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=6)):
        origin = draw(st.sampled_from(ORIGINS))
        of_gpu = name.startswith("gpu") and not origin.absent  # what is not there has no device
        device = draw(st.sampled_from(["GPU-1", "GPU-2"])) if of_gpu else None
        value = None if origin.method is None else draw(st.just(0.0) | st.floats(1e-3, 1e7))
        found[name, device] = Figure(name, value, origin, device)
    return tuple(found.values())


@st.composite
def records(draw: st.DrawFn) -> list[CellRecord]:
    """Records of several sessions, with gaps, and with blocks inside of cells."""
    made: list[CellRecord] = []
    for n in range(draw(st.integers(0, 10))):
        session, (notebook, project) = draw(st.sampled_from(list(SESSIONS))), draw(st.sampled_from(PLACES))
        bucket = draw(st.sampled_from(["cell", "cell", "held_idle", "background"]))
        outer = [r.id for r in made if r.session_id == session and r.bucket == "cell"]
        parent = outer[-1] if outer and bucket == "cell" and draw(st.booleans()) else None
        wall_s = draw(st.sampled_from([0.0, 1.0, 600.0, 3600.0, 7200.0, 50_000.0]) | st.floats(0, 2e5))
        started_at = START + draw(st.sampled_from([0.0, 3599.0, 3600.0]) | st.floats(0, 1e5))
        made.append(
            CellRecord(
                f"r{n}",
                session,
                n,
                started_at,
                Usage(wall_s, draw(figures())),
                "ok",
                notebook,
                project,
                f"c{n}",
                n,
                None,
                draw(st.sampled_from([None, "train", "eval"])),
                parent,
                bucket=bucket,
            )  # fmt: skip
        )
    return made


def record(seq: int, wall_s: float, started_at: float = START, **figures: float) -> CellRecord:
    """One of the first session's, with these measured figures."""
    made = tuple(
        Figure(name, value, ORIGINS[0], "GPU-1" if name.startswith("gpu") else None) for name, value in figures.items()
    )
    return CellRecord(f"r{seq}", "s1", seq, started_at, Usage(wall_s, made), "ok", "/p/a.ipynb", "/p")


def filled(path: Path, made: list[CellRecord]) -> Ledger:
    """A new ledger of these records in that file."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    ledger = open_ledger(path)
    for session in SESSIONS.values():
        ledger.append(session, [r for r in made if r.session_id == session.id])
    return ledger


def later(made: list[CellRecord]) -> list[CellRecord]:
    """No record began before its session."""
    return [replace(r, started_at=max(r.started_at, SESSIONS[r.session_id].started_at)) for r in made]


def summed(uses: list[Use]) -> dict[str, tuple[float, int]]:
    """Value and windows that lack it, of each figure."""
    parts = [p for use in uses for p in (*use.energy, *use.cpu_s, *use.work, *(part for _, part in use.gpu_s))]
    parts += [use.memory_byte_s for use in uses if use.memory_byte_s is not None]
    found: dict[str, tuple[float, int]] = {}
    for part in parts:
        value, missing = found.get(part.name, (0.0, 0))
        found[part.name] = (value + (part.value or 0.0), missing + part.missing)
    return {name: one for name, one in found.items() if any(one)}


def run(n: int, cell_id: str, outcome: str = "ok", at: float | None = None, **more: object) -> CellRecord:
    """A cell of the first session's whose GPU takes joules of 10 to the power of its number."""
    made = Usage(60.0, (Figure("gpu_energy_j", 10.0**n, GPU, "GPU-1"), Figure("gpu_reserved_s", 60.0, GPU, "GPU-1")))
    base = CellRecord(
        f"r{n}", "s1", n, START + 100 * n if at is None else at, made, "ok", "/p/a.ipynb", "/p", cell_id, n
    )
    return replace(base, **{"outcome": outcome, **more})  # type: ignore[arg-type]


def joules(uses: tuple[Use, ...]) -> float:
    return fsum(part.value or 0.0 for use in uses for part in use.energy)
