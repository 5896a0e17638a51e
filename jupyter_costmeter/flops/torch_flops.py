"""FLOPs of what torch runs, by operator and precision: a ``plugins.Tracer`` over cumulative counts.

torch is never imported by us. What is installed is installed for the whole process, once, however many tracers (and
calls of ``count_flops``) want it, on the thread that imports torch: the dispatcher's tables must not change under a
running operator. ``close`` takes it out again.
"""

from __future__ import annotations

import sys
import threading
from _thread import get_ident
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..record import UNCOUNTED, Figure, Provenance, Status
from .counts import Counts, Snapshot, between

if TYPE_CHECKING:
    from .aten.compiled import Compiled
    from .aten.kernels import Kernels
    from .aten.replays import Replays
    from .aten.triton import Triton

SOURCE = "torch operators that ran, counted by their shapes"
EXACT = Provenance("measured", SOURCE, 0.0)
ORDER = Provenance("modelled", "torch's linear algebra and FFT, by the leading order of their formulas", 0.3)
#: Feeds attribution: what children do while graphs are compiled is compiling.
COMPILED_GRAPHS = "compiled_graphs"
WAITING = "FLOPs are counted once torch is imported"
COUNTING = "FLOPs of torch's operators are counted"
#: ``torch.library`` gives kernels their key sets since then.
OLDEST = (2, 4)
#: What is watched for, besides torch itself.
COMPILED, GRAPHS, TRITON = "torch._inductor.output_code", "torch.cuda.graphs", "triton.runtime.jit"


class Counting:
    """What is installed in this process."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.why: str | None = WAITING
        self.begun = False  # whether anything can have been counted
        self.kernels: Kernels | None = None
        self._parts: tuple[Compiled, Replays, Triton] | None = None
        self._imports: Any = None
        self._users = 0
        self._lock = threading.RLock()

    def acquire(self) -> None:
        """Count from now on, or from when torch is imported."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._watch()

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._leave()

    def look(self) -> None:
        """At a window's edge: torch may have come in a way that was not noticed."""
        torch = sys.modules.get("torch") if self.kernels is None and self.why == WAITING else None
        if torch is None or getattr(torch.__spec__, "_initializing", False):
            return
        if get_ident() == threading.main_thread().ident:  # not ours, beside a running operator
            self._begin(torch)

    def watching(self, name: str) -> Any:
        """In the middle of the import of ``name``: count from now on, and find it so that we are told of it."""
        with self._lock:
            if self._imports is None:
                self.acquire()
        return self._imports.find_spec(name)

    def _watch(self) -> None:
        from .imports import Imports

        self.why = WAITING
        self._imports = Imports(
            {
                "torch": self._begin,
                COMPILED: lambda module: self._extend(0, module),
                GRAPHS: lambda module: self._extend(1, module),
                TRITON: lambda module: self._extend(2, module),
            }
        )
        self._imports.open()

    def _begin(self, torch: ModuleType) -> None:
        """It is there: raises nothing, the user's import goes on."""
        try:
            with self._lock:
                if self._users and self.kernels is None:
                    self._install(torch)
        except Exception as error:
            self.why = f"{type(error).__name__}: {error}"

    def _install(self, torch: Any) -> None:
        if (version := _version(torch)) < OLDEST:
            found, wanted = (".".join(map(str, v)) for v in (version, OLDEST))
            self.why = f"torch {found} is too old to count FLOPs in (they are from {wanted} on)"
            return
        from .aten.compiled import Compiled
        from .aten.kernels import Kernels
        from .aten.replays import Replays
        from .aten.triton import Triton
        from .publishing import publish

        publish(self)  # in a child process
        kernels = Kernels(self.counts)
        kernels.acquire(torch)
        self.kernels, self.why, self.begun = kernels, None, True
        self._parts = (Compiled(kernels), Replays(kernels), Triton(kernels))
        for at, name in enumerate((COMPILED, GRAPHS, TRITON)):
            if (module := sys.modules.get(name)) is not None:
                self._extend(at, module)

    def _extend(self, at: int, module: ModuleType) -> None:
        """A part of torch that is imported later, or Triton."""
        if self._parts is None:
            return
        try:
            compiled, replays, triton = self._parts
            if at == 0:
                compiled.install(sys.modules["torch"], module)
            else:
                (replays if at == 1 else triton).install(module)
        except Exception as error:  # it is seen only as far as its operators are
            assert self.kernels is not None
            self.kernels.failed[module.__name__] = f"{type(error).__name__}: {error}"

    def _leave(self) -> None:
        if self._imports is not None:
            self._imports.close()
        for part in self._parts or ():
            part.remove()
        if self.kernels is not None:
            self.kernels.release()
        self.kernels, self._parts, self._imports = None, None, None


#: Before torch has been there.
NOTHING = Snapshot({}, {})
#: One for the process: operators are replaced for all of it.
COUNTS = Counting()


class TorchFlops:
    """Implements ``plugins.Tracer``: figures of FLOPs by precision and device, and of what was not counted."""

    name = "torch_flops"
    awaits = "torch"

    def __init__(self, counting: Counting = COUNTS) -> None:
        self.working: Callable[[], AbstractContextManager[Any]] = nullcontext
        self.counting = counting
        self._open = False
        self._names: dict[int, str] = {-1: "CPU"}
        self._capability: dict[int, int] = {}

    def open(self) -> Status:
        """Costs some 20 ms where torch is there already."""
        if not self._open:
            self._open = True
            self.counting.acquire()
        return self.status()

    def status(self) -> Status:
        why, kernels = self.counting.why, self.counting.kernels
        if why is not None or kernels is None:
            ok = why == WAITING
            return Status(
                self.name, ok, why or WAITING, None if ok else "use a later torch, or CostMeter.flops = False"
            )
        missing = f"; not {', '.join(sorted(kernels.failed))}" if kernels.failed else ""
        return Status(self.name, True, COUNTING + missing)

    def mark(self) -> Snapshot:
        """A copy of the counts: some microseconds."""
        counting = self.counting
        if counting.kernels is None:
            counting.look()
            if not counting.begun:
                return NOTHING
        if counting.kernels is not None:
            counting.kernels.muted.discard(get_ident())  # an interrupt may have left this thread so
        return counting.counts.snapshot()

    def figures(self, start: object, end: object) -> tuple[Figure, ...]:
        """``flops_…`` of each precision and device, and ``flops_uncounted`` of what else ran."""
        if start is None:  # before torch was there
            start = NOTHING
        if not isinstance(start, Snapshot) or not isinstance(end, Snapshot):
            return ()
        found = between(start, end)
        graphs = [Figure(COMPILED_GRAPHS, float(found.compiled), EXACT)] if found.compiled else []
        return (*self._counted(found.flops.items()), *_uncounted(found), *graphs)

    def close(self) -> None:
        if self._open:
            self._open = False
            self.counting.release()

    def _counted(self, flops: Iterable[tuple[Any, int]]) -> Iterator[Figure]:
        from .aten import operators

        sums: dict[tuple[str, int], int] = {}
        for (_, name, kind, device), count in flops:
            figure, factor = operators.figure(name, kind, self._major(device))
            sums[figure, device] = sums.get((figure, device), 0) + count * factor
        for (figure, device), count in sorted(sums.items()):
            if count > 0:
                yield Figure(figure, float(count), origin_of(figure), self.device_name(device))

    def figure_of(self, name: str, kind: Any, device: int) -> tuple[str, str, int]:
        """Which figure an operator's FLOPs are of, of which device, and how many real ones one of its formula's is."""
        from .aten import operators

        figure, factor = operators.figure(name, kind, self._major(device))
        return figure, self.device_name(device), factor

    def _major(self, device: int) -> int | None:
        """A GPU's compute capability, which tells whether it has tf32."""
        if device < 0:
            return None
        if device not in self._capability:
            self._capability[device] = capability(device)
        return self._capability[device]

    def device_name(self, device: int) -> str:
        """As NVML spells a GPU; -1 is the CPU."""
        if device not in self._names:
            self._names[device] = _device_name(device)
        return self._names[device]


def origin_of(figure: str) -> Provenance:
    """How FLOPs of that figure are known."""
    return ORDER if figure.endswith("_leading") else EXACT


def _uncounted(found: Snapshot) -> Iterator[Figure]:
    reasons: dict[str, set[str]] = {}
    for _, what, why in found.notes:
        reasons.setdefault(what, set()).add(why)
    for what, whys in sorted(reasons.items()):
        yield Figure(UNCOUNTED, None, Provenance(None, SOURCE, reason=f"{what}: {'; '.join(sorted(whys))}"), what)


def _version(torch: Any) -> tuple[int, ...]:
    """``(2, 13)`` of ``2.13.0+cpu``."""
    return tuple(int(part) for part in str(torch.__version__).split(".")[:2])


def capability(device: int) -> int:
    """A GPU's major compute capability, 0 where it has none (MPS, XPU) and is not CUDA's."""
    torch = sys.modules["torch"]
    try:
        return int(torch.cuda.get_device_capability(device)[0]) if torch.cuda.is_initialized() else 0
    except Exception:  # no CUDA device (MPS, XPU): no tf32
        return 0


def _device_name(device: int) -> str:
    torch = sys.modules["torch"]
    if torch.cuda.is_available():
        from ..devices import cuda_name

        return cuda_name(torch, device)
    return f"GPU {device}"
