"""Drives the simulated NVML: builds ``nvml_sim.c`` and says, while it runs, what the GPUs do.

    sim = SimulatedNvml(build(folder), folder / "nvml", gpus=2)
    subprocess.Popen(..., env={**os.environ, **sim.env()})     # an unmodified pynvml loads it
    sim.set(gpu=0, power_w=300, utilization=80)
    sim.process(0, pid, 1 << 30)
    sim.fail("nvmlDeviceGetTotalEnergyConsumption", GPU_IS_LOST)

Time is the machine's monotonic clock, unless ``now`` gives a simulated one that only ``at``
and ``advance`` move: then every reading is exact.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).with_name("nvml_sim.c")
SIZE = 1 << 20  # of the control file; as in the C file
NOT_SUPPORTED, NO_PERMISSION, DRIVER_NOT_LOADED, GPU_IS_LOST, VERSION_MISMATCH = 3, 4, 9, 15, 18


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
        [*command, f"-Wl,--version-script={script}", "-o", str(library), "-lm"], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"the simulated NVML does not compile:\n{done.stderr}")
    return folder


@dataclass
class Gpu:
    """One simulated GPU; ``segments`` are (from s, energy J, power W, utilisation %), ascending."""

    uuid: str
    name: str = "NVIDIA A100-SXM4-40GB"
    memory_bytes: int = 40 << 30
    used_bytes: int = 0
    step_ms: float = 0.0
    offset_j: float = 0.0
    sample_ms: float = 100.0
    segments: list[tuple[float, float, float, float]] = field(default_factory=list)
    processes: dict[int, int | None] = field(default_factory=dict)
    slices: list[str] = field(default_factory=list)

    def move(self, now: float, power_w: float | None, utilization: float | None) -> None:
        """From ``now`` on another power or utilisation; the energy so far stays."""
        since, energy, power, busy = self.segments[-1] if self.segments else (now, 1000.0, 0.0, 0.0)
        energy += power * (now - since)
        power = power if power_w is None else power_w
        busy = busy if utilization is None else utilization
        self.segments.append((now, energy, power, busy))

    def lines(self, index: int) -> Iterable[str]:
        memory = f"{self.memory_bytes} {self.used_bytes}"
        yield f"gpu {self.uuid} {memory} {self.step_ms} {self.offset_j} {self.sample_ms} {self.name}"
        for segment in self.segments:
            yield f"segment {index} " + " ".join(map(repr, segment))
        for pid, used in self.processes.items():
            yield f"process {index} {pid} {-1 if used is None else used}"
        for uuid in self.slices:
            yield f"mig {index} {uuid}"


class SimulatedNvml:
    """The GPUs of one test, and the control file through which a running process sees them change."""

    def __init__(self, library: Path, control: Path, gpus: int = 1, now: float | None = None) -> None:
        self.library, self.control, self.now = library, control, now
        self.driver = "580.1"
        self.gpus = [Gpu(f"GPU-{i:08x}-1111-2222-3333-444444444444") for i in range(gpus)]
        self.faults: dict[tuple[str, int], int] = {}
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
            if power_w is not None or utilization is not None:
                device.move(self.clock(), power_w, utilization)
            for name, value in fields.items():
                assert hasattr(device, name), name
                setattr(device, name, value)
        self.write()

    def process(self, gpu: int, pid: int, used_bytes: int | None = None) -> None:
        """A process has a context there; ``None`` bytes: NVML does not tell how much memory it uses."""
        self.gpus[gpu].processes[pid] = used_bytes
        self.write()

    def fail(self, function: str, code: int, gpu: int = -1) -> None:
        """From now on that function returns ``code``, for one GPU or all; 0 mends it. ``nvmlInit`` counts too."""
        self.faults[function, gpu] = code
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
        if self.now is not None:
            yield f"now {self.now!r}"
        for index, gpu in enumerate(self.gpus):
            yield from gpu.lines(index)
        for (function, index), code in self.faults.items():
            if code:
                yield f"error {function} {code} {index}"
