"""The plug points, on one page, and how plug-ins are found.

They are named here so that ``%load_ext`` need not scan the installed packages for entry points
(80 ms on a cold disk).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol

from .record import Channel, DeviceUse, Figure, Reading, Status, Usage

if TYPE_CHECKING:
    from .derived import Content
    from .statement import Document, Form, Statement

Family = Literal["sensors", "late", "tracers", "models", "exporters", "statements", "norms"]


class Sensor(Protocol):
    """Something with counters, read at a window's edges, on the user's path: microseconds, never a wait.

    Where that cannot be promised (a driver's call), ``may_hang`` is true, and the meter reads it
    in a way that no cell waits for.
    """

    name: str
    may_hang: bool

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What ``read`` answers; known after ``open``, and the same from then on (a late one's may grow)."""
        ...

    def open(self) -> Status:
        """Find the devices. Called once; a sensor that is not ``ok`` is never read."""
        ...

    def read(self) -> Reading:
        """One number per channel, ``None`` where it could not be read."""
        ...

    def observe(self) -> tuple[DeviceUse, ...]:
        """Off the user's path, each tick and at the end: see what has no counter. May be slow."""
        ...

    def close(self) -> None: ...


class LateSensor(Protocol):
    """Something that may be read some milliseconds after a window's end, off the user's path.

    It is read on the path only where waiting would be wrong: another window opens before, or
    ``urgent`` says that it is moving.
    """

    name: str

    @property
    def channels(self) -> tuple[Channel, ...]: ...

    @property
    def urgent(self) -> bool: ...

    def open(self) -> Status: ...

    def take(self, quick: bool = False) -> Reading:
        """Counters as they are; high-water marks since the last ``take``, which resets them.

        Args:
            quick: on the user's path after all: read what is known, look for nothing new.
        """
        ...

    def close(self) -> None: ...


class Tracer(Protocol):
    """Something that knows what was launched or counted between two marks, exactly, if only some time later."""

    name: str
    #: A context manager that counts, as the tool's own, what the tracer's thread does.
    working: Callable[[], AbstractContextManager[None]]

    def open(self) -> Status: ...

    def status(self) -> Status:
        """As it is now: it may begin long after it was opened."""
        ...

    def mark(self) -> object:
        """At a window's edge, on the user's path: a point in the order of launches. Raises nothing."""
        ...

    def figures(self, start: object, end: object) -> tuple[Figure, ...]:
        """Off the user's path: the figures of what lies in between.

        Without a value and with its reason where that is not known; empty where nothing is traced.
        """
        ...

    def close(self) -> None: ...


class LateTracer(Tracer, Protocol):
    """One that has nothing to mark before a module is there, and costs a cell's edges nothing until then.

    ``None`` stands for its marks until then.
    """

    awaits: str


class Model(Protocol):
    """Estimates a figure that no counter gives."""

    name: str

    def open(self) -> Status: ...

    def estimate(self, usage: Usage) -> Usage:
        """The usage with the figures that it lacked, each labelled ``modelled`` or ``assumed``."""
        ...


class Exporter(Protocol):
    """A format. ``write`` streams: what ``content.cells`` gives may be longer than memory."""

    suffix: str
    media_type: str

    def write(self, out: IO[str], content: Content) -> None: ...


class StatementFormat(Protocol):
    """A statement's format. ``write`` writes all of a document, which fits into memory."""

    suffix: str
    media_type: str

    def write(self, out: IO[str], document: Document) -> None: ...


class Norm(Protocol):
    """What a conference or a standard asks for. It knows no other, and never fills in what the ledger does not know."""

    def form(self, statement: Statement) -> Form: ...


BUILT_IN: dict[Family, dict[str, str]] = {
    "sensors": {
        "process": "jupyter_costmeter.sensors.process:ProcessSensor",
        "rapl": "jupyter_costmeter.sensors.rapl:RaplSensor",
        "nvml": "jupyter_costmeter.sensors.nvml:NvmlSensor",
        "amd": "jupyter_costmeter.sensors.amd:AmdSensor",
        "apple": "jupyter_costmeter.sensors.apple:AppleSensor",
        "replay": "jupyter_costmeter.sensors.replay:ReplaySensor",
    },
    "late": {
        "memory": "jupyter_costmeter.sensors.memory:MemoryMark",
        "children": "jupyter_costmeter.sensors.children:ChildrenSensor",
        "torch_memory": "jupyter_costmeter.sensors.torch_memory:TorchMemory",
    },
    "tracers": {
        "cupti": "jupyter_costmeter.tracers.cupti:CuptiTracer",
        "torch_flops": "jupyter_costmeter.flops.torch_flops:TorchFlops",
        "jax_flops": "jupyter_costmeter.flops.on_demand:JaxOnDemand",
        "children_flops": "jupyter_costmeter.flops.children:ChildrenFlops",
        "gpm": "jupyter_costmeter.sensors.nvml.gpm:GpmTracer",
    },
    "models": {"power": "jupyter_costmeter.sensors.model:PowerModel"},
    "exporters": {
        "json": "jupyter_costmeter.exporters.json:JsonExporter",
        "csv": "jupyter_costmeter.exporters.csv:CsvExporter",
        "md": "jupyter_costmeter.exporters.markdown:MarkdownExporter",
    },
    "norms": {
        "neurips": "jupyter_costmeter.norms.neurips:NeurIPS",
        "arr": "jupyter_costmeter.norms.arr:ARR",
        "cvpr": "jupyter_costmeter.norms.cvpr:CVPR",
        "reproducibility": "jupyter_costmeter.norms.reproducibility:Reproducibility",
        "aaai": "jupyter_costmeter.norms.aaai:AAAI",
        "model-card": "jupyter_costmeter.norms.model_card:ModelCard",
        "sci": "jupyter_costmeter.norms.sci_score:SCI",
        "boamps": "jupyter_costmeter.norms.boamps:BoAmps",
    },
    "statements": {
        "md": "jupyter_costmeter.statements.markdown:MarkdownStatement",
        "tex": "jupyter_costmeter.statements.latex:LatexStatement",
        "html": "jupyter_costmeter.statements.html:HtmlStatement",
        "csv": "jupyter_costmeter.statements.csv:CsvStatement",
        "yaml": "jupyter_costmeter.statements.yaml:YamlStatement",
    },
}


#: The sensors that may hang. They are loaded, as they are opened, where no cell waits for it; so are the models.
DRIVERS = ("nvml", "amd", "apple")


def load(family: Family, name: str) -> Any:
    """A new plug-in of ours by its name.

    Raises:
        KeyError: there is none of that name.
    """
    module, _, attribute = BUILT_IN[family][name].partition(":")
    return getattr(import_module(module), attribute)()
