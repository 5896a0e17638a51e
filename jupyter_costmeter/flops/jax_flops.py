"""FLOPs of the JAX programs that ran, by precision and device: a ``plugins.Tracer`` that one opts into.

A program is counted once, by its jaxpr without dead code, and what it does is added each time it is launched.
``cost_analysis()`` would see XLA's optimisations, but it counts a loop's body once and elementwise work, too.
"""

from __future__ import annotations

import threading
from _thread import get_ident
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib import import_module
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from ..record import UNCOUNTED, Figure, Provenance, Status
from .dtypes import AMPERE
from .jax_hooks import Hooks, Unknown
from .jaxpr import Note, Work, count
from .jaxpr_formulas import Target

SOURCE = "JAX programs that ran, counted by their jaxpr"
EXACT = Provenance("measured", SOURCE, 0.0)
ORDER = Provenance("modelled", "JAX's linear algebra and FFT, by the leading order of their formulas", 0.3)

OFF = "JAX programs are not counted; %cost flops jax counts them"
ON = "JAX programs are counted"
#: Measured by benchmarks/flops_jax.py on a virtual machine of 2 cores; 9 tenths of it is JAX's own path by Python.
COST = "about 0.2 ms a call of a small compiled function (else 0.02 ms), while it is on"
PARTLY = Note("programs", "counted during a part of this window only")
AHEAD = Note("ahead-of-time program", "it was compiled before counting began")
SPLIT = Note("partitioned by XLA", "what it repeats on several devices is counted once")


class Mark(NamedTuple):
    """All counts at one instant; ``turn`` is how often counting was turned on or off before."""

    turn: int
    flops: dict[tuple[int, str, str], int]  # thread, figure's name, device
    notes: dict[tuple[int, Note], int]


class Program(NamedTuple):
    """What one launch adds."""

    flops: tuple[tuple[str, str, int], ...]  # figure's name, device, FLOPs
    notes: tuple[Note, ...]


class JaxFlops:
    """Implements ``plugins.Tracer``. Nothing is counted, and JAX not imported, before ``opt_in``.

    Args:
        gpu_name: what the GPU with that ordinal is called, as other sources of figures call it.
    """

    name = "jax_flops"
    cost = COST

    def __init__(self, gpu_name: Callable[[int], str] = "GPU {}".format) -> None:
        self.working: Callable[[], AbstractContextManager[Any]] = nullcontext
        self._gpu_name = gpu_name
        self._lock = threading.Lock()
        self._hooks: Hooks | None = None
        self._refused: Status | None = None
        self._turn = 0
        # a key holds the thread that adds, so that no two threads write one number
        self._flops: defaultdict[tuple[int, str, str], int] = defaultdict(int)
        self._notes: defaultdict[tuple[int, Note], int] = defaultdict(int)
        self._programs: WeakKeyDictionary[Any, Program] = WeakKeyDictionary()

    def open(self) -> Status:
        """Nothing is begun: that is the user's decision."""
        return self.status()

    def status(self) -> Status:
        if self._hooks is not None:
            return Status(self.name, True, f"{ON}: {self.cost}")
        return self._refused or Status(self.name, True, OFF)

    def opt_in(self) -> Status:
        """Count from now on. Imports JAX. Not ``ok``, and nothing changed, where this JAX is not known."""
        with self._lock:
            if self._hooks is None:
                self._begin()
        return self.status()

    def opt_out(self) -> Status:
        """Count no more; JAX is as it was."""
        with self._lock:
            if self._hooks is not None:
                self._hooks.remove()
                self._hooks = None
                self._turn += 1
        return self.status()

    def mark(self) -> Mark:
        """A copy of the counts: a microsecond, or some."""
        return Mark(self._turn, dict(self._flops), dict(self._notes))

    def figures(self, start: object, end: object) -> tuple[Figure, ...]:
        """``flops_…`` of each precision and device, and ``flops_uncounted`` of what else ran."""
        if not isinstance(start, Mark) or not isinstance(end, Mark):
            return ()
        counted = tuple(_counted(start, end))
        notes = {note for (thread, note), n in end.notes.items() if n > start.notes.get((thread, note), 0)}
        if start.turn != end.turn and (counted or notes):
            notes.add(PARTLY)
        return (*counted, *_uncounted(notes))

    def close(self) -> None:
        self.opt_out()

    # As programs run, in the user's threads

    def _begin(self) -> None:
        hooks = Hooks(self._ran, self._failed)
        self._refused = None
        try:
            hooks.install()
        except Unknown as unknown:
            self._refused = Status(self.name, False, unknown.message, unknown.remedy)
        except Exception as error:  # a JAX that only looks like one that we know
            with suppress(Exception):
                hooks.remove()
            self._refused = Status(self.name, False, f"JAX cannot be looked into: {_of(error)}", "use another JAX")
        else:
            self._hooks, self._turn = hooks, self._turn + 1

    def _ran(self, executable: Any, jaxpr: Any) -> bool:
        """Add what a program does. Whether that is anything at all."""
        program = self._programs.get(executable)
        if program is None:
            program = self._programs[executable] = self._read(executable, jaxpr)
        thread = get_ident()
        for name, device, flops in program.flops:
            self._flops[thread, name, device] += flops
        for note in program.notes:
            self._notes[thread, note] += 1
        return bool(program.flops or program.notes)

    def _failed(self, error: Exception) -> None:
        self._notes[get_ident(), _failure(error)] += 1

    def _read(self, executable: Any, jaxpr: Any) -> Program:
        """Once for each program: what a launch of it does. What cannot be read is a note."""
        if jaxpr is None:
            return Program((), (AHEAD,))
        try:
            devices = executable.xla_executable.local_devices()
            if devices[0].platform not in ("cpu", "gpu"):
                return Program((), (Note(f"programs on {devices[0].platform}", "only CPUs and GPUs are counted"),))
            work = count(_live(jaxpr), _target(devices[0]))
            return self._spread(work, devices, executable)
        except Exception as error:  # a jaxpr, or an executable, unlike those we know
            return Program((), (_failure(error),))

    def _spread(self, work: Work, devices: list[Any], executable: Any) -> Program:
        """Over the devices. All that this process has get like parts; other processes see to theirs."""
        shardings = [s for s in (*executable._in_shardings, *executable._out_shardings) if hasattr(s, "device_set")]
        everywhere = max([len(devices), *(len(s.device_set) for s in shardings)])
        repeated = not work.constrained and all(s.is_fully_replicated for s in shardings)
        sums: defaultdict[tuple[str, str], int] = defaultdict(int)
        for (precision, leading, manual), flops in work.flops.items():
            times = everywhere if repeated and not manual else 1
            for name, share in Counter(map(self._device_name, devices)).items():
                figure = f"flops_{precision}_leading" if leading else f"flops_{precision}"
                sums[figure, name] += flops * times * share // everywhere
        split = everywhere > 1 and not repeated and not all(key.manual for key in work.flops)
        notes = work.notes | ({SPLIT} if split else set())
        return Program(tuple((*key, flops) for key, flops in sums.items()), tuple(sorted(notes)))

    def _device_name(self, device: Any) -> str:
        return "CPU" if device.platform == "cpu" else self._gpu_name(device.local_hardware_id)


def _live(closed: Any) -> Any:
    """The jaxpr without what no output needs: JAX leaves it out when it lowers."""
    partial_eval = import_module("jax._src.interpreters.partial_eval")
    return partial_eval.dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars))[0]


def _target(device: Any) -> Target:
    """DEFAULT and HIGH are tf32 on a GPU that has it (``jax.lax.Precision``); ROCm's is not known to have."""
    if device.platform == "cpu":
        return Target()
    maker = "rocm" if "rocm" in str(device.client.platform_version).lower() else "cuda"
    major = str(getattr(device, "compute_capability", "")).partition(".")[0]
    return Target(frozenset(["gpu", maker]), tf32=maker == "cuda" and major.isdigit() and int(major) >= AMPERE)


def _counted(start: Mark, end: Mark) -> Iterator[Figure]:
    sums: Counter[tuple[str, str]] = Counter()
    for key, total in end.flops.items():
        sums[key[1:]] += total - start.flops.get(key, 0)
    for (name, device), flops in sorted(sums.items()):
        if flops > 0:
            yield Figure(name, float(flops), ORDER if name.endswith("_leading") else EXACT, device)


def _uncounted(notes: set[Note]) -> Iterator[Figure]:
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for what, why in sorted(notes):
        reasons[what].append(why)
    for what, whys in reasons.items():
        yield Figure(UNCOUNTED, None, Provenance(None, SOURCE, reason=f"{what}: {'; '.join(whys)}"), f"jax: {what}")


def _failure(error: Exception) -> Note:
    return Note("programs", f"counting failed: {_of(error)}")


def _of(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
