"""The GPUs whose pipes' activity can be sampled (GPM), and the driver's samples of it."""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import devices
from .devices import Device
from .library import NO_FUNCTION, NO_PERMISSION, OK, UNTIL_BACK, Library, Unavailable
from .pipes import CORES_PER_SM, METRICS, PER_CYCLE

SM_CLOCK = 1  # nvmlClockType_t
NOT_SUPPORTED = 3  # nvmlReturn_t
BEFORE_HOPPER = "this GPU does not count its pipes' activity (before Hopper)"
OLD_DRIVER = "this driver does not give the pipes' activity (GPM, 525 and newer)"
NO_SIZE = "the driver does not tell how many SMs this GPU has"
PART_OF_INSTANCE = "the pipes are counted per GPU instance, of which this MIG slice has only a part of the SMs"
CLOSED = "sampling has ended"
#: Why a sample is refused, now and later.
FOR_GOOD = {
    NOT_SUPPORTED: "the driver gives no pipe activity of this GPU as it is set up",
    NO_PERMISSION: "no permission to read this GPU's pipe activity",
    NO_FUNCTION: OLD_DRIVER,
}


@dataclass(slots=True, eq=False)
class Gpu:
    """One GPU or MIG slice. ``missing`` tells why nothing is known of it, ``lost`` whether that may end.

    What it counts since it was found can be compared; a GPU that comes back is another object.
    """

    uuid: str
    handle: Any = None
    part: Any = None
    instance: int | None = None  # of the MIG slice
    capability: tuple[int, int] = (0, 0)
    sms: int = 0
    highest_mhz: float | None = None
    missing: str | None = None
    lost: bool = False

    def refused(self, code: int) -> str:
        """A call for it returned that code: why it has no figure."""
        self.missing = FOR_GOOD.get(code) or UNTIL_BACK.get(code)
        self.lost = code in UNTIL_BACK
        return self.missing or f"the driver gave no sample of this GPU's pipes (NVML error {code})"


def found(library: Library) -> list[Gpu]:
    """The GPUs of this process, named as the sensor names them.

    Raises:
        Unavailable: there is none, or this process may open none.
    """
    return [_gpu(library, device) for device in devices.found(library)]


def _gpu(library: Library, device: Device) -> Gpu:
    gpu = Gpu(device.uuid, device.handle, device.part, missing=device.missing, lost=device.lost)
    if device.handle is None:  # it could not be opened, which may end
        gpu.missing, gpu.lost = device.missing or UNTIL_BACK[28], True
        return gpu
    gpu.missing = None  # what the energy counter lacks is no matter here
    try:
        _support(library, gpu)
        gpu.capability = _capability(library, gpu)
        gpu.sms = _slice_sms(library, gpu) if device.part is not device.handle else _all_sms(library, gpu)
    except Unavailable as why:
        gpu.missing = gpu.missing or why.message
    gpu.highest_mhz = library.ask("nvmlDeviceGetMaxClockInfo", gpu.handle, SM_CLOCK)
    return gpu


def _support(library: Library, gpu: Gpu) -> None:
    answer, code = library.attempt("nvmlGpmQueryDeviceSupport", gpu.handle)
    if code == NOT_SUPPORTED or (answer is not None and not answer.isSupportedDevice):
        raise Unavailable(BEFORE_HOPPER)
    if code != OK:
        raise Unavailable(gpu.refused(code))


def _capability(library: Library, gpu: Gpu) -> tuple[int, int]:
    found = library.ask("nvmlDeviceGetCudaComputeCapability", gpu.handle)
    if found is None:
        raise Unavailable("the driver does not tell this GPU's compute capability")
    if (known := (int(found[0]), int(found[1]))) not in PER_CYCLE:
        raise Unavailable(f"what the pipes of compute capability {known[0]}.{known[1]} do per clock is not known to us")
    return known


def _all_sms(library: Library, gpu: Gpu) -> int:
    cores = library.ask("nvmlDeviceGetNumGpuCores", gpu.handle)
    if not cores:
        raise Unavailable(NO_SIZE)
    return int(cores) // CORES_PER_SM[gpu.capability]


def _slice_sms(library: Library, gpu: Gpu) -> int:
    """Of the GPU instance, which is what is sampled; a compute instance may be less than it."""
    size = library.ask("nvmlDeviceGetAttributes_v2", gpu.part)
    gpu.instance = library.ask("nvmlDeviceGetGpuInstanceId", gpu.part)
    if size is None or gpu.instance is None or not size.multiprocessorCount:
        raise Unavailable(NO_SIZE)
    if size.computeInstanceSliceCount < size.gpuInstanceSliceCount:
        raise Unavailable(PART_OF_INSTANCE)
    return int(size.multiprocessorCount)


class Sample:
    """The driver's counters of one GPU at one instant. Its memory goes back to the driver with this object."""

    __slots__ = ("__weakref__", "number")

    def __init__(self, number: int) -> None:
        self.number = number


class Samples:
    """Takes samples, keeps their memory, compares two."""

    def __init__(self, library: Library) -> None:
        self._library, self._pid = library, os.getpid()
        self._memory: dict[int, Any] = {}  # of the samples that somebody holds, by number
        self._numbers = itertools.count()
        self._comparing = threading.Lock()  # a sample is not for two threads at once (nvml.h), nor freed meanwhile

    def take(self, gpu: Gpu) -> tuple[Sample | None, int]:
        """A sample of that GPU now, or NVML's return code."""
        memory, code = self._library.attempt("nvmlGpmSampleAlloc")
        if code != OK:
            return None, code
        if gpu.instance is None:
            _, code = self._library.attempt("nvmlGpmSampleGet", gpu.handle, memory)
        else:
            _, code = self._library.attempt("nvmlGpmMigSampleGet", gpu.handle, gpu.instance, memory)
        if code != OK:
            self._library.ask("nvmlGpmSampleFree", memory)
            return None, code
        return self._kept(memory), OK

    def _kept(self, memory: Any) -> Sample:
        sample = Sample(next(self._numbers))
        self._memory[sample.number] = memory
        weakref.finalize(sample, self._free, sample.number).atexit = False
        return sample

    def percents(self, first: Sample, second: Sample) -> Mapping[int, float | None]:
        """By metric, the percent of the cycles between them in which a pipe was active.

        Raises:
            Unavailable: they cannot be compared.
        """
        with self._comparing:
            earlier, later = self._memory.get(first.number), self._memory.get(second.number)
            if earlier is None or later is None:
                raise Unavailable(CLOSED)
            found, code = self._library.gpm_metrics(earlier, later, METRICS)
        if code != OK:
            raise Unavailable(UNTIL_BACK.get(code) or f"the driver could not compare two samples (NVML error {code})")
        return found

    def free(self) -> None:
        """All of them, before NVML is shut down: afterwards it takes none back."""
        if self._comparing.acquire(timeout=1.0):  # else the driver hangs, and their memory is lost
            try:
                for number in tuple(self._memory):
                    self._free(number)
            finally:
                self._comparing.release()

    def _free(self, number: int) -> None:
        memory = self._memory.pop(number, None)  # once only, whoever comes first
        if memory is not None and os.getpid() == self._pid:
            self._library.ask("nvmlGpmSampleFree", memory)


def renewed(library: Library, gpus: Sequence[Gpu], everything: bool) -> list[Gpu]:
    """Those that were lost, as they are now; all of them anew after a reload of the driver.

    Raises:
        Unavailable: none can be opened yet.
    """
    present = {gpu.uuid: gpu for gpu in found(library)}
    return [present.get(gpu.uuid, gpu) if gpu.lost or everything else gpu for gpu in gpus]
