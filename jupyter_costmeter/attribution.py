"""This process tree's part of what the machine's counters say, pure.

CPU energy goes by CPU seconds, memory's by resident bytes. A GPU's goes wholly to the one
process tree that holds it; of one that others hold, too, a stated share: by the SM time of each
process, by memory, by the MIG slice's size, or, where none of these is known, all of it, as an
upper bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import hypot

from .accounting import missing
from .record import FLOPS, UNCOUNTED, DeviceUse, Figure, Provenance, Usage

#: What sensors say of GPUs before it is known whose it is.
GPU = ("gpu_energy_j", "gpu_busy_s", "peak_gpu_bytes")
NOT_HELD = Provenance(None, "NVML process list", reason="this kernel did not use this GPU", absent=True)
UNSEEN = Provenance(None, "NVML process list", reason="children ran and ended before anybody looked who uses this GPU")
#: CPU seconds below which a child cannot have used a GPU: a CUDA context alone takes more.
CONTEXT_CPU_S = 0.1
RESERVED = Provenance("measured", "wall time with a context on this GPU (NVML process list)", 0.01)
PARTLY_RESERVED = Provenance("modelled", "wall time, upper bound: this GPU was held for a part of it", 0.5)
BUSY = Provenance("modelled", "NVML utilisation samples, whole device", 0.1)
PEAK = Provenance("measured", "NVML process memory, highest of the readings (lower bound)", 0.05)
IDLE = Provenance("modelled", "this GPU's power between cells × time", 0.2)
CPU_IDLE = Provenance("modelled", "lowest power of this package between cells × this kernel's share", 0.3)
BY_POWER = Provenance("modelled", "this GPU's power stayed idle, and so did the driver's last samples", 0.5)
#: A gap whose power is below this many times the idle power, and whose last samples show less than so many
#: busy seconds, was idle.
CALM, QUIET_S = 1.2, 0.15
UNWATCHED = "nobody looked between cells, and the driver keeps its samples for some 20 s"
#: Of these devices the lowest power between cells is noted.
IDLING = ("gpu_energy_j", "package_energy_j")
NO_IDLE = Provenance(None, IDLE.source, reason="no gap between cells was long enough to know this GPU's idle power")


@dataclass(frozen=True, slots=True)
class Device:
    """What is known of one GPU in one window.

    Args:
        use: all looks as one.
        before: the look when the window opened.
        idle_w: what it draws between cells.
        sampled: where ``sampled_j`` comes from, for a GPU without an energy counter.
    """

    use: DeviceUse
    before: DeviceUse | None = None
    idle_w: float | None = None
    sampled: Provenance | None = None
    watched: bool = True  # somebody looked often enough for the driver's samples to cover the window

    def moved(self, name: str) -> float | None:
        """By how much a cumulative figure of the looks has grown."""
        return self.sampled_since(name) if self.watched else None

    def sampled_since(self, name: str) -> float | None:
        """The same by the samples that there are, though they may not cover the window."""
        now, then = getattr(self.use, name), getattr(self.before, name, None)
        return None if now is None or then is None else max(0.0, now - then)


@dataclass(frozen=True, slots=True)
class Share:
    """This tree's part (0 to 1) of a GPU, and by what it is known."""

    value: float
    provenance: Provenance

    @property
    def whole(self) -> bool:
        return self.provenance is EXCLUSIVE


EXCLUSIVE = Provenance("measured", "exclusive: no other process held this GPU", 0.0)


def attributed(
    wall_s: float,
    raw: Iterable[Figure],
    devices: Sequence[Device] = (),
    looked: bool = True,
    gpu_share: str = "auto",
    idle_w: Mapping[str, float] | None = None,
) -> Usage:
    """The process tree's part of what the machine's counters say.

    Args:
        wall_s: the window's length, in seconds.
        raw: the differences of the machine's counters.
        devices: the GPUs, as they were seen over the window.
        looked: whether any look fell into the window, not only after it.
        gpu_share: by what a GPU's energy is split among its users; ``auto``: the best that is known.
        idle_w: what a CPU package draws when idle, as far as that is known.
    """
    usage = _with_cpu(Usage(wall_s, tuple(raw)))
    shared = [*_by_cpu_time(usage, idle_w or {}), *_by_memory(usage)]
    own = [f for f in usage.figures if f.name not in GPU]
    return replace(usage, figures=(*own, *shared, *_gpus(usage, devices, looked, gpu_share)))


#: CPU seconds of children from which on they may have done arithmetic worth a word.
COMPUTING_S = 1.0
IN_CHILDREN = Provenance(
    None, "child processes", reason="child processes: what they compute is not seen (meter them on their own)"
)


def with_children(usage: Usage) -> Usage:
    """FLOPs of this process and of the children that count theirs, as one; of others that worked a word.

    What children used of whom nothing is heard is what all of them used less what those told, who count, and may have
    used after their word. One that was ended by a signal tells nothing: then what is left is taken to be its.
    """
    own = _summed(usage)
    compiling = bool(_value(usage, "compiled_graphs"))  # torch's compilers are children, and multiply nothing
    silent = bool(_value(usage, "silent_children"))
    used, told, leaving = (_value(usage, f"{what}_cpu_s") or 0.0 for what in ("children", "reported", "leaving"))
    left = used - told - leaving
    if left < COMPUTING_S or compiling or silent:
        return own
    if any(f.name == UNCOUNTED and f.device == IN_CHILDREN.source for f in own.figures):
        return own
    return replace(own, figures=(*own.figures, Figure(UNCOUNTED, None, IN_CHILDREN, IN_CHILDREN.source)))


def _summed(usage: Usage) -> Usage:
    """Each figure of FLOPs once for each device: this process's and its children's added up."""
    found: dict[tuple[str, str | None], Figure] = {}
    for figure in usage.figures:
        if figure.name in FLOPS:
            key = figure.name, figure.device
            found[key] = _both(found[key], figure) if key in found else figure
    if sum(f.name in FLOPS for f in usage.figures) == len(found):
        return usage
    return replace(usage, figures=(*(f for f in usage.figures if f.name not in FLOPS), *found.values()))


def _both(one: Figure, other: Figure) -> Figure:
    """Two figures of FLOPs of one precision and device; of what was not counted, all the reasons."""
    if one.value is None or other.value is None:
        reasons = dict.fromkeys(r for r in (one.reason, other.reason) if r)
        return replace(one, provenance=replace(one.provenance, reason="; ".join(reasons)))
    source = f"{one.source}; {other.source}"
    origin = one.provenance if one.source == other.source else replace(one.provenance, source=source)
    return replace(one, value=one.value + other.value, provenance=origin)


def _with_cpu(usage: Usage) -> Usage:
    """The CPU seconds of the process and its children as one figure, the meter's own threads left out."""
    own = usage.figure("own_cpu_s")
    if own is None:
        return usage
    children, meter = usage.figure("children_cpu_s"), _value(usage, "meter_cpu_s") or 0.0
    origin = own.provenance
    if children is not None and children.value is None:
        origin = replace(origin, source=f"{origin.source} (lower bound: the children could not be read)")
    others = ((children and children.value) or 0.0) - meter
    value = None if own.value is None else max(0.0, own.value + others)
    return replace(usage, figures=(Figure("cpu_s", value, origin), *usage.figures))


def _value(usage: Usage, name: str) -> float | None:
    figure = usage.figure(name)
    return figure.value if figure else None


def _by_cpu_time(usage: Usage, idle_w: Mapping[str, float]) -> Iterator[Figure]:
    """Package energy by this tree's CPU seconds over the machine's, and the part of it that is idle power."""
    own, machine = _value(usage, "cpu_s"), _value(usage, "machine_cpu_s")
    share = min(1.0, own / machine) if own is not None and machine else None
    why = "the machine's CPU time did not move in this window"
    for figure in _shared(usage, "package_energy_j", "cpu_energy_j", share, "CPU time", why):
        yield figure
        watts = idle_w.get(figure.device or "")
        if figure.value is not None and watts is not None and share is not None:
            idle_j = min(figure.value, share * watts * usage.wall_s)
            yield Figure("cpu_idle_energy_j", idle_j, CPU_IDLE, figure.device)


def _by_memory(usage: Usage) -> Iterator[Figure]:
    """DRAM energy by this tree's resident memory over the machine's."""
    own, machine = _value(usage, "peak_rss_bytes"), _value(usage, "machine_memory_bytes")
    share = min(1.0, own / machine) if own is not None and machine else None
    why = "this kernel's memory could not be read"
    yield from _shared(usage, "dram_energy_j", "ram_energy_j", share, "memory (at its peak)", why)


def _shared(usage: Usage, raw: str, name: str, share: float | None, by: str, why: str) -> Iterator[Figure]:
    for figure in usage.figures:
        if figure.name != raw:
            continue
        if figure.value is None or share is None:
            yield Figure(name, None, missing(figure.provenance, figure.reason or why), figure.device)
        else:
            source = f"{figure.source} × this kernel's share of the machine's {by}"
            origin = replace(figure.provenance, method="modelled", source=source)
            yield Figure(name, figure.value * share, origin, figure.device)


# GPUs


def _gpus(usage: Usage, devices: Sequence[Device], looked: bool, by: str) -> Iterator[Figure]:
    """Energy, share, reserved and busy time and peak memory of the GPUs that this process tree holds."""
    unseen = not looked and (_value(usage, "children_cpu_s") or 0.0) >= CONTEXT_CPU_S
    known = {device.use.device: device for device in devices}
    for figure in usage.figures:
        if figure.name != "gpu_energy_j":
            continue
        yield from (_seen_by(figure, made) for made in _gpu(usage, figure, known.get(figure.device or ""), unseen, by))


def _gpu(usage: Usage, figure: Figure, device: Device | None, unseen: bool, by: str) -> Iterator[Figure]:
    if device is None:
        yield from _energy(figure, usage.wall_s, None, _upper_bound(None))
    elif device.use.held is False:
        yield Figure("gpu_energy_j", None, UNSEEN if unseen else NOT_HELD, figure.device)
    else:
        yield from _energy(_sampled(figure, device), usage.wall_s, device, _share(device, by))
        yield from _time(usage, device)
        yield from _peak(usage, device)


def _seen_by(energy: Figure, made: Figure) -> Figure:
    """Its source names who looked at this GPU, as the energy's does: NVML, AMD SMI, Apple, or that it is simulated.

    Nothing of a GPU that is not there was measured.
    """
    word, counter, _ = (energy.source or "").partition(" energy counter")
    if not counter:
        return made
    source = (made.source or "").replace("NVML", word)
    if word == "simulated" and word not in source:
        source = f"{word}: {source}"
    method = "declared" if word == "simulated" and made.method == "measured" else made.method
    if (source, method) == (made.source, made.method):
        return made
    return replace(made, provenance=replace(made.provenance, source=source, method=method))


def _sampled(figure: Figure, device: Device) -> Figure:
    """Where the GPU has no energy counter: its power samples, integrated."""
    joules = device.moved("sampled_j")
    if figure.value is None and device.sampled is not None and not device.watched:
        return replace(figure, provenance=Provenance(None, device.sampled.source, reason=UNWATCHED))
    if figure.value is not None or joules is None or device.sampled is None:
        return figure
    return replace(figure, value=joules, provenance=device.sampled)


def _energy(figure: Figure, wall_s: float, device: Device | None, share: Share) -> Iterator[Figure]:
    yield Figure("gpu_share", share.value, share.provenance, figure.device)
    if figure.value is None:
        yield figure
        return
    ours = figure.value * share.value
    if share.whole:
        yield figure
    else:
        yield Figure("gpu_energy_j", ours, _times(figure.provenance, share), figure.device)
        yield replace(figure, name="gpu_device_energy_j")
    if device is None or device.idle_w is None:
        yield Figure("gpu_idle_energy_j", None, NO_IDLE, figure.device)
    else:
        yield Figure("gpu_idle_energy_j", min(ours, device.idle_w * wall_s * share.value), IDLE, figure.device)


def _times(origin: Provenance, share: Share) -> Provenance:
    width = round(hypot(origin.uncertainty or 0.0, share.provenance.uncertainty or 0.0), 1)
    return replace(origin, method="modelled", source=f"{origin.source} × {share.provenance.source}", uncertainty=width)


def _share(device: Device, by: str) -> Share:
    """By the named way, or by the best that is known."""
    use = device.use
    if by == "upper_bound":
        return _upper_bound(use)
    ways = {"mig_slice": _by_slice, "exclusive": _exclusive, "sm_util": _by_sm, "memory": _by_memory_share}
    if by == "exclusive":
        return Share(1.0, Provenance("declared", "declared exclusive (CostMeter.gpu_share)", 0.0))
    for way in ways.values() if by == "auto" else (_exclusive, ways[by]):
        found = way(device)
        if found is not None:
            return found
    return _upper_bound(use)


def _by_slice(device: Device) -> Share | None:
    part = device.use.slice_share
    source = "mig_slice: this slice's part of the GPU's compute slices (what the slice itself drew cannot be known)"
    return None if part is None else Share(part, Provenance("modelled", source, 1.0))


def _exclusive(device: Device) -> Share | None:
    use = device.use
    alone = use.held and not use.foreign and not use.partly and use.slice_share is None
    return Share(1.0, EXCLUSIVE) if alone else None


def _by_sm(device: Device) -> Share | None:
    own, everybody = device.moved("own_sm_s"), device.moved("all_sm_s")
    if own is None or not everybody:
        return None
    source = "sm_util: this kernel's part of all processes' SM time (NVML samples)"
    share = min(1.0, own / everybody)  # 34 % too much and too little were seen (docs/gpu-checks.md)
    return Share(share, Provenance("modelled", source, 0.4))


def _by_memory_share(device: Device) -> Share | None:
    part = device.use.memory_share
    source = "memory: this kernel's part of the GPU memory that all processes use"
    return None if part is None or not device.use.foreign else Share(part, Provenance("modelled", source, 0.5))


def _upper_bound(use: DeviceUse | None) -> Share:
    why = "its processes cannot be seen"
    if use is not None and use.held:
        why = "shared with other processes" if use.foreign else "held for a part of the time"
    return Share(1.0, Provenance("modelled", f"whole device: upper bound, {why}", 0.05))


def _time(usage: Usage, device: Device) -> Iterator[Figure]:
    wall_s, use = usage.wall_s, device.use
    if use.held is None:
        reason = Provenance(None, RESERVED.source, reason="the processes on this GPU cannot be seen")
        yield Figure("gpu_reserved_s", None, reason, use.device)
    else:
        yield Figure("gpu_reserved_s", wall_s, PARTLY_RESERVED if use.partly else RESERVED, use.device)
    traced = usage.figure("gpu_busy_s", use.device)
    if traced is not None and traced.value is not None:
        yield traced
        return
    energy = usage.figure("gpu_energy_j", use.device)
    drawn = energy.value if energy is not None else None
    yield _busy(wall_s, device, drawn, f"; not traced: {traced.reason}" if traced is not None else "")


def _busy(wall_s: float, device: Device, drawn_j: float | None, note: str) -> Figure:
    """By the driver's samples; where they cover only the end of a long gap, and show nothing, by its power, too."""
    last = device.sampled_since("busy_s")
    quiet = drawn_j is not None and device.idle_w is not None and drawn_j <= CALM * device.idle_w * wall_s
    if not device.watched and last is not None and last < QUIET_S and quiet:
        return Figure("gpu_busy_s", last, BY_POWER, device.use.device)
    moved, known = device.moved("busy_s"), device.use.busy_s is not None
    origin = replace(BUSY, source=f"{BUSY.source}{note}")
    if moved is not None:
        return Figure("gpu_busy_s", min(wall_s, moved), origin, device.use.device)
    why = "it was not yet known when the cell began" if known else "this driver gives no utilisation samples"
    why = why if device.watched else UNWATCHED
    return Figure("gpu_busy_s", None, Provenance(None, origin.source, reason=why), device.use.device)


def _peak(usage: Usage, device: Device) -> Iterator[Figure]:
    """By torch's allocator where it is there, else the most that NVML showed."""
    exact = usage.figure("peak_gpu_bytes", device.use.device)
    if exact is not None and exact.value is not None:
        yield exact
    elif device.use.used_bytes is not None:
        yield Figure("peak_gpu_bytes", device.use.used_bytes, PEAK, device.use.device)
