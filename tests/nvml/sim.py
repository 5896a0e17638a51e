"""Drives the simulated NVML: builds ``nvml_sim.c`` and says, while it runs, what the GPUs do.

    sim = SimulatedNvml(build(folder), folder / "nvml", gpus=2)
    subprocess.Popen(..., env={**os.environ, **sim.env()})     # an unmodified pynvml loads it
    sim.set(gpu=0, power_w=300, utilization=80)
    sim.process(0, pid, 1 << 30, sm=60)
    sim.fail("nvmlDeviceGetTotalEnergyConsumption", GPU_IS_LOST)
    sim.energy_j(0, sim.clock())                               # the exact truth

Time is the machine's monotonic clock, unless ``now`` gives a simulated one that only ``at``
and ``advance`` move: then every reading is exact.
"""

from __future__ import annotations

import math
import mmap
import shutil
import struct
import subprocess
import time
from bisect import bisect_right
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).with_name("nvml_sim.c")
SIZE = 1 << 21  # of the control file; as in the C file
MOST_SEGMENTS = 16384
UNINITIALIZED, NOT_SUPPORTED, NO_PERMISSION, DRIVER_NOT_LOADED, GPU_IS_LOST, VERSION_MISMATCH = 1, 3, 4, 9, 15, 18


def build(folder: Path, without: Collection[str] = ()) -> Path:
    """Compile the library into ``folder``, less the symbols ``without``; gives the folder to load it from.

    Raises:
        RuntimeError: there is no C compiler, or it fails. Never skipped: these tests are the GPU's stand-in.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise RuntimeError("the simulated NVML needs a C compiler: apt-get install gcc libc6-dev")
    folder.mkdir(parents=True, exist_ok=True)
    hidden = "".join(f" {name};" for name in without)
    script = folder / "symbols"
    script.write_text(f"{{ global: nvml*; local:{hidden} *; }};\n")
    library = folder / "libnvidia-ml.so.1"
    command = [compiler, "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", str(SOURCE)]
    done = subprocess.run(
        [*command, f"-Wl,--version-script={script}", "-o", str(library), "-lm", "-lpthread"],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"the simulated NVML does not compile:\n{done.stderr}")
    return folder


class Segment(NamedTuple):
    """From ``at_s`` on the power goes from ``start_w`` to ``power_w`` with a first-order lag."""

    at_s: float
    energy_j: float
    power_w: float
    utilization: float
    start_w: float
    lag_s: float

    def energy_at(self, now: float) -> float:
        length = now - self.at_s
        lagging = -math.expm1(-length / self.lag_s) * self.lag_s if self.lag_s > 0 and length > 0 else 0.0
        return self.energy_j + self.power_w * length + (self.start_w - self.power_w) * lagging

    def power_at(self, now: float) -> float:
        left = math.exp(-max(0.0, now - self.at_s) / self.lag_s) if self.lag_s > 0 else 0.0
        return self.power_w + (self.start_w - self.power_w) * left


class Process(NamedTuple):
    """A context on a GPU; ``None`` bytes: NVML does not tell how much memory it uses."""

    used_bytes: int | None = None
    graphics: bool = False
    slice: int = 0


@dataclass
class Slice:
    """One MIG slice, of ``gpu_slices`` of the GPU's seven."""

    uuid: str
    gpu_instance: int = 1
    compute_instance: int = 0
    gpu_slices: int = 1
    compute_slices: int = 1
    multiprocessors: int = 14
    memory_bytes: int = 5 << 30


@dataclass
class Gpu:
    """One simulated GPU.

    Args:
        step_ms: from one refresh of the energy counter to the next; 0: it is always fresh.
        jitter_ms: how far a refresh may be from its place (a hash of its number), to both sides.
        distort_ms: how much of what was accumulated a read of the counter loses at most.
        rise_ms, fall_ms: the time constants with which the power follows what ``move`` sets.
        offset_j: added to what the counter shows; no part of the truth.
        sample_ms, power_sample_ms: the driver's own samples, 0: none.
        sm_each: each of a process's samples is given, not one for all since the last look.
        mig_slices: how many compute slices MIG divides it into.
        gpm: whether the activity of its pipes can be sampled (Hopper and later).
        cores, cc_major, cc_minor: CUDA cores, compute capability.
    """

    uuid: str
    name: str = "NVIDIA A100-SXM4-40GB"
    memory_bytes: int = 40 << 30
    used_bytes: int = 0
    step_ms: float = 0.0
    jitter_ms: float = 0.0
    distort_ms: float = 0.0
    rise_ms: float = 0.0
    fall_ms: float = 0.0
    offset_j: float = 0.0
    sample_ms: float = 100.0
    power_sample_ms: float = 20.0
    limit_w: float = 400.0
    mig_slices: int = 7
    sm_each: bool = False
    gpm: bool = False
    cores: int = 6912
    cc_major: int = 8
    cc_minor: int = 0
    sm_mhz: float = 1410.0
    max_sm_mhz: float = 1410.0
    segments: list[Segment] = field(default_factory=list)
    processes: dict[int, Process] = field(default_factory=dict)
    sm: list[tuple[int, float, float]] = field(default_factory=list)  # (pid, from s, %)
    slices: list[Slice | str] = field(default_factory=list)
    pipes: list[tuple[int, int, float, float]] = field(default_factory=list)  # (slice, metric, from s, active %)

    def move(self, now: float, power_w: float | None, utilization: float | None) -> None:
        """From ``now`` on another power or utilisation; the energy so far stays."""
        last = self.segments[-1] if self.segments else Segment(now, 1000.0, 0.0, 0.0, 0.0, 0.0)
        start = last.power_at(now)
        power = last.power_w if power_w is None else power_w
        busy = last.utilization if utilization is None else utilization
        lag_s = (self.rise_ms if power > start else self.fall_ms) / 1e3
        start = start if lag_s else power
        self.segments.append(Segment(now, last.energy_at(now), power, busy, start, lag_s))
        assert len(self.segments) <= MOST_SEGMENTS

    def energy_j(self, now: float) -> float:
        """The true joules until then, whatever the counter shows; of differences, the truth."""
        return self._segment(now).energy_at(now)

    def power_w(self, now: float) -> float:
        return self._segment(now).power_at(now)

    def _segment(self, now: float) -> Segment:
        return self.segments[max(0, bisect_right(self.segments, now, key=lambda s: s.at_s) - 1)]

    def lines(self, index: int) -> Iterable[str]:
        yield f"gpu {self.uuid} {self.name}"
        for name in FIELDS:
            yield f"set {index} {name} {float(getattr(self, name))!r}"
        for segment in self.segments:
            yield f"segment {index} " + " ".join(map(repr, segment))
        for pid, process in self.processes.items():
            used = -1 if process.used_bytes is None else process.used_bytes
            yield f"process {index} {pid} {used} {process.slice} {int(process.graphics)}"
        for pid, since, percent in self.sm:
            yield f"sm {index} {pid} {since!r} {percent!r}"
        for where, metric, since, percent in self.pipes:
            yield f"pipe {index} {where} {metric} {since!r} {percent!r}"
        for one in self.slices:
            part = Slice(one) if isinstance(one, str) else one
            numbers = (part.gpu_instance, part.compute_instance, part.gpu_slices, part.compute_slices)
            yield f"mig {index} {part.uuid} " + " ".join(map(str, (*numbers, part.multiprocessors, part.memory_bytes)))


FIELDS = (
    *("memory_bytes", "used_bytes", "step_ms", "jitter_ms", "distort_ms", "offset_j"),
    *("sample_ms", "power_sample_ms", "limit_w", "mig_slices", "sm_each"),
    *("gpm", "cores", "cc_major", "cc_minor", "sm_mhz", "max_sm_mhz"),
)
#: An H100 SXM5.
HOPPER: dict[str, object] = {
    "name": "NVIDIA H100 80GB HBM3",
    "memory_bytes": 80 << 30,
    "gpm": True,
    "cores": 132 * 128,
    "cc_major": 9,
    "cc_minor": 0,
    "sm_mhz": 1830.0,
    "max_sm_mhz": 1980.0,
}


class SimulatedNvml:
    """The GPUs of one test, and the control file through which a running process sees them change."""

    def __init__(self, library: Path, control: Path, gpus: int = 1, now: float | None = None) -> None:
        self.library, self.control, self.now = library, control, now
        self.driver = "580.1"
        self.loads = 0
        self.gpus = [Gpu(f"GPU-{i:08x}-1111-2222-3333-444444444444") for i in range(gpus)]
        self.faults: dict[tuple[str, int], int] = {}
        self.hangs: dict[tuple[str, int], float] = {}
        self._sequence = 0
        control.write_bytes(bytes(SIZE))
        with control.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), SIZE)
        self.set(power_w=0.0, utilization=0.0)

    def env(self) -> dict[str, str]:
        """What a process needs to load this NVML instead of the machine's."""
        return {"LD_LIBRARY_PATH": str(self.library), "NVML_SIM": str(self.control)}

    def set(
        self, gpu: int | None = None, power_w: float | None = None, utilization: float | None = None, **fields: object
    ) -> None:
        """Change one GPU, or all: power and utilisation from now on, and any field of ``Gpu``."""
        for device in self.gpus if gpu is None else [self.gpus[gpu]]:
            for name, value in fields.items():
                assert hasattr(device, name), name
                if name == "processes":
                    device.sm += [(pid, self.clock(), 0.0) for pid in device.processes]
                setattr(device, name, value)
            if power_w is not None or utilization is not None:
                device.move(self.clock(), power_w, utilization)
        self.write()

    def play(
        self, steps: Iterable[tuple[float, float, float | None]], gpu: int = 0, start: float | None = None
    ) -> None:
        """Power (and utilisation, ``None``: as it is) from that many seconds after ``start`` (or now) on, ascending."""
        start = self.clock() if start is None else start
        for after_s, power_w, utilization in steps:
            self.gpus[gpu].move(start + after_s, power_w, utilization)
        self.write()

    def energy_j(self, gpu: int, t: float) -> float:
        """The exact joules of that GPU until ``t``: what the counter shows at step 0, less ``offset_j``."""
        return self.gpus[gpu].energy_j(t)

    def process(
        self,
        gpu: int,
        pid: int,
        used_bytes: int | None = None,
        sm: float | None = None,
        graphics: bool = False,
        slice: int = 0,
    ) -> None:
        """A process has a context there; from now on it uses ``sm`` percent of the SM time."""
        self.gpus[gpu].processes[pid] = Process(used_bytes, graphics, slice)
        if sm is not None:
            self.gpus[gpu].sm.append((pid, self.clock(), sm))
        self.write()

    def pipe(self, gpu: int, metric: int, percent: float, slice: int = -1) -> None:
        """From now on that pipe (``nvmlGpmMetricId_t``) is active in ``percent`` of the cycles, a slice's too."""
        self.gpus[gpu].pipes.append((slice, metric, self.clock(), percent))
        self.write()

    def fail(self, function: str, code: int, gpu: int = -1) -> None:
        """From now on that function returns ``code``, for one GPU or all; 0 mends it. ``nvmlInit`` counts too."""
        self.faults[function, gpu] = code
        self.write()

    def hang(self, function: str, ms: float, gpu: int = -1) -> None:
        """From now on that function takes so long, for one GPU or all; 0 mends it."""
        self.hangs[function, gpu] = ms
        self.write()

    def reload_driver(self) -> None:
        """Everything from before is ``UNINITIALIZED`` until ``nvmlInit``; the counters start again from zero."""
        self.loads += 1
        for gpu in self.gpus:
            gpu.offset_j = -gpu.energy_j(self.clock())
        self.write()

    def clock(self) -> float:
        return time.monotonic() if self.now is None else self.now

    def at(self, now: float) -> None:
        """Set the simulated clock, in seconds."""
        self.now = now
        self.write()

    def advance(self, seconds: float) -> None:
        assert self.now is not None, "the clock is the machine's"
        self.at(self.now + seconds)

    def write(self) -> None:
        """Publish the whole state at once (seqlock: odd while the text is being written)."""
        text = "\n".join(self._lines()).encode() + b"\n\0"
        assert len(text) + 8 <= SIZE
        self._map[:8] = struct.pack("<Q", self._sequence + 1)
        self._map[8 : 8 + len(text)] = text
        self._sequence += 2
        self._map[:8] = struct.pack("<Q", self._sequence)

    def _lines(self) -> Iterable[str]:
        yield f"driver {self.driver}"
        yield f"load {self.loads}"
        if self.now is not None:
            yield f"now {self.now!r}"
        for index, gpu in enumerate(self.gpus):
            yield from gpu.lines(index)
        for statement, faults in (("error", self.faults), ("hang", self.hangs)):
            for (function, index), amount in faults.items():
                if amount:
                    yield f"{statement} {function} {round(amount)} {index}"
