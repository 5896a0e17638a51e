"""The meters that the benchmarks compare: how each is set up in a kernel, and the simulated GPU that all of them read.

Peers are installed outside of the repository and named by ``--peers FOLDER``; one that cannot be
imported is left out, with a printed line:

    pip install --target FOLDER "zeus==0.16.*" codecarbon jumper-extension
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
OURS = "jupyter_costmeter"
#: The simulated GPU between cells, in watts.
IDLE_W = 60.0
#: So many newest changes of power are given to the library, which reads them all at each change.
RECENT = 32


@dataclass(frozen=True)
class Meter:
    """One meter as a user would hook it to every cell.

    Args:
        name: in the tables.
        setup: the code that does it.
        needs: the module that must be importable.
        hooked: whether it has to be hooked to the cells by us.
        counter: ``module:attribute`` of what it reads the energy counter with.
        gpu: whether it is given the simulated GPU.
    """

    name: str
    setup: str = "pass"
    needs: str = ""
    hooked: bool = False
    counter: str = ""
    gpu: bool = False


#: How it is hooked to each cell; the setup defines ``_begin()`` and ``_end()``, which answers joules.
HOOKED = """
get_ipython().events.register("pre_run_cell", lambda info: _begin())
get_ipython().events.register("post_run_cell", lambda result: _end())
"""
ZEUS = """
from importlib.util import find_spec as _find
from zeus.monitor import ZeusMonitor as _Monitor
_monitor = _Monitor(gpu_indices=[0], approx_instant_energy={approx})
_sync = _find("torch") is not None  # it synchronises by default, and raises without torch
def _begin():
    _monitor.begin_window("cell", sync_execution=_sync, restart=True)
def _end():
    if "cell" in _monitor.measurement_states:  # not the cell that sets it up
        return _monitor.end_window("cell", sync_execution=_sync).gpu_energy[0]
"""
CODECARBON = """
from codecarbon import OfflineEmissionsTracker as _Tracker
_tracker = _Tracker(country_iso_code="FRA", save_to_file=False, log_level="critical", allow_multiple_runs=True)
_tracker.start_task("warm"); _tracker.stop_task("warm")
def _begin():
    _tracker.start_task("cell")
def _end():
    data = _tracker.stop_task()
    return data and data.gpu_energy * 3.6e6
"""
JUMPER = """
get_ipython().run_line_magic("load_ext", "jumper_extension")
get_ipython().run_line_magic("perfmonitor_start", "1.0")
"""
NVML_ENERGY = "pynvml:nvmlDeviceGetTotalEnergyConsumption"
CODECARBON_ENERGY = "codecarbon.core.gpu_device:GPUDevice._get_energy_kwh"

BARE = Meter("bare")
COSTMETER = Meter(OURS, "get_ipython().run_line_magic('load_ext', 'jupyter_costmeter')")
COSTMETER_GPU = Meter(f"{OURS}, GPU held", COSTMETER.setup, gpu=True)
CODECARBON_TASKS = Meter("codecarbon tasks", CODECARBON, "codecarbon", True, CODECARBON_ENERGY)
CODECARBON_GPU = Meter("codecarbon tasks, GPU", CODECARBON, "codecarbon", True, CODECARBON_ENERGY, True)
ZEUS_WINDOWS = Meter("zeus windows, GPU", ZEUS.format(approx=False), "zeus.monitor", True, NVML_ENERGY, True)
ZEUS_APPROX = Meter("zeus, instant power", ZEUS.format(approx=True), "zeus.monitor", True, NVML_ENERGY, True)
JUMPER_GPU = Meter("jumper-extension, GPU", JUMPER, "jumper_extension", gpu=True)


def there(meters: Iterable[Meter], folders: str) -> list[Meter]:
    """Those of the meters that can be imported; a printed line for each that is left out."""
    found = []
    for meter in meters:
        code = f"{_path(folders)}\nimport {meter.needs or 'sys'}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        if done.returncode:
            print(f"left out: {meter.name}: {done.stderr.strip().splitlines()[-1]}")
        else:
            found.append(meter)
    return found


def setup(meter: Meter, folders: str) -> str:
    """The code that sets it up in a kernel. Peers' folders come last: what is installed here wins."""
    code = meter.setup + HOOKED if meter.hooked else meter.setup
    return f"{_path(folders)}\n{code}" if meter.needs else code


def staged(meter: Meter, folders: str) -> str:
    """The code that sets it up in a kernel with a ``_stage``, which then knows each window's truth."""
    if not meter.hooked:
        return f"{meter.setup}\n_stage.follow(get_ipython())"
    return f"{_path(folders)}\n_stage.hook(get_ipython(), {meter.name!r}, {meter.setup!r}, {meter.counter!r})"


def _path(folders: str) -> str:
    return f"import sys; sys.path += {[f for f in folders.split(os.pathsep) if f]!r}"


# The simulated GPU

#: What peers ask of NVML and our simulation does not have, unless it has it by now.
MORE = {
    "nvmlDeviceGetArchitecture": "(Device *d, unsigned *found) { ENTER(d); return *found = 7, OK; }",
    "nvmlDeviceGetTemperature": "(Device *d, int which, unsigned *c) { ENTER(d); (void)which; return *c = 40, OK; }",
    "nvmlDeviceGetComputeMode": "(Device *d, int *mode) { ENTER(d); return *mode = 0, OK; }",
    "nvmlDeviceGetFieldValues": """(Device *d, int count, FieldValue *values) {
    ENTER(d);
    for (int i = 0; i < count; i++) {
        values[i].code = values[i].id == 185 || values[i].id == 186 ? OK : NOT_SUPPORTED;
        values[i].type = UNSIGNED_INT, values[i].value.ull = 0;
        values[i].value.ui = (unsigned)(power_w(d, refreshed(d, now())) * 1e3 + 0.5);
    }
    return OK;
}""",
}
FIELD_VALUE = (
    "typedef struct { uint32_t id, scope; int64_t time_us, latency_us; int type, code;"
    " union { double d; uint32_t ui; uint64_t ull; } value; } FieldValue;"
)


def library(folder: Path) -> Path:
    """Build the simulated NVML of the tests, with what peers need more, and an ``nvidia-smi`` for codecarbon."""
    sim = _sim()
    source = sim.SOURCE.read_text()
    more = [f"int {name}{body}" for name, body in MORE.items() if f"{name}(" not in source]
    own = folder / "nvml_sim_more.c"
    own.write_text("\n".join([f'#include "{sim.SOURCE}"', FIELD_VALUE, *more, ""]))
    sim.SOURCE = own
    smi = folder / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text("#!/bin/sh\nexit 0\n")
    smi.chmod(0o755)
    built: Path = sim.build(folder / "nvml")
    return built


def environment(built: Path, control: Path) -> dict[str, str]:
    """What a kernel needs to find the simulated GPU of that control file."""
    path = f"{built.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "LD_LIBRARY_PATH": str(built), "NVML_SIM": str(control), "PATH": path}


def simulated(built: Path, control: Path, **fields: object) -> Any:
    """A GPU of those fields (see ``Gpu`` in tests/nvml/sim.py), idling."""
    made = _sim().SimulatedNvml(built, control)
    made.set(power_w=IDLE_W, utilization=0.0, **fields)
    return made


def _sim() -> Any:
    if str(ROOT / "tests") not in sys.path:
        sys.path.insert(0, str(ROOT / "tests"))
    return import_module("nvml.sim")


# Inside of a kernel


class Stage:
    """In a kernel: a GPU that draws what the cells say, and what it truly drew in each cell's window.

    Args:
        built, control: of the simulated library.
        fields: of its GPU.
    """

    def __init__(self, built: str, control: str, fields: dict[str, Any]) -> None:
        self.sim = simulated(Path(built), Path(control), **fields)
        self.sim.process(0, os.getpid(), 1 << 30)
        self.history = list(self.sim.gpus[0].segments)
        self.windows: list[tuple[str, str, float, float, float | None]] = []
        self._read_at = 0.0  # when a meter last read the counter at an edge

    def work(self, seconds: float, watts: float) -> None:
        """What a cell does: the GPU draws that power, while the CPU waits for it."""
        self._to(watts, 90.0)
        time.sleep(seconds)
        self._to(IDLE_W, 0.0)

    def _to(self, watts: float, utilization: float) -> None:
        gpu = self.sim.gpus[0]
        gpu.move(time.monotonic(), watts, utilization)
        self.history.append(gpu.segments[-1])
        del gpu.segments[:-RECENT]
        self.sim.write()

    def true_j(self, start_s: float, end_s: float) -> float:
        """The exact joules between two instants."""
        whole = _sim().Gpu("history", segments=self.history)
        found: float = whole.energy_j(end_s) - whole.energy_j(start_s)
        return found

    def hook(self, ip: Any, name: str, code: str, counter: str) -> None:
        """Hook a peer to each cell, noting when it reads the counter."""
        scope: dict[str, Any] = {}
        exec(code, scope)
        self._wrap(counter)
        self._note(ip, name, scope["_begin"], scope["_end"])

    def follow(self, ip: Any) -> None:
        """Ours, if it is loaded, says itself when its windows begin and end."""
        if (ours := getattr(ip, "costmeter", None)) is None:
            return
        meter = ours.session.meter
        opens, closes = meter.open_window, meter.close_window

        def opened() -> Any:
            window = opens()
            self._read_at = window.start.t_s
            return window

        def closed(window: Any) -> None:
            closes(window)
            self._read_at = window.end.t_s

        meter.open_window, meter.close_window = opened, closed
        self._note(ip, OURS, lambda: None, lambda: None)

    def _note(self, ip: Any, name: str, begin: Callable[[], Any], end: Callable[[], float | None]) -> None:
        started: list[tuple[str, float]] = []

        def before(info: Any) -> None:
            begin()
            started[:] = [(info.cell_id, self._read_at)]

        def after(result: Any) -> None:
            joules = end()
            if started and started[0][0]:
                self.windows.append((name, *started.pop(), self._read_at, joules))

        ip.events.register("pre_run_cell", before)
        ip.events.register("post_run_cell", after)

    def _wrap(self, counter: str) -> None:
        module, _, path = counter.partition(":")
        *parents, name = path.split(".")
        holder: Any = import_module(module)
        for parent in parents:
            holder = getattr(holder, parent)
        read: Callable[..., Any] = getattr(holder, name)

        def reading(*args: Any) -> Any:
            began = time.monotonic()
            answer = read(*args)
            self._read_at = (began + time.monotonic()) / 2
            return answer

        if getattr(read, "__name__", "") != "reading":
            setattr(holder, name, reading)

    def results(self) -> list[tuple[str, str, float, float | None]]:
        """Of each meter's windows: its name, the cell's id, the true joules, a peer's figure."""
        return [(name, cell, self.true_j(start, end), joules) for name, cell, start, end, joules in self.windows]
