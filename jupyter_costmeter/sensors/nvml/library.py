"""The driver's library: found, started, asked; and its errors in words."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from ctypes import CDLL, addressof, c_ulonglong, c_void_p, cast
from typing import Any

LIBRARY = "libnvidia-ml.so.1"

# nvmlReturn_t (nvml.h): pynvml has the same numbers, but is not imported without a driver.
OK, UNINITIALIZED, INVALID, NO_PERMISSION, NOT_FOUND, NOT_LOADED, NO_FUNCTION, NO_DATA = 0, 1, 2, 4, 6, 9, 13, 21
#: Why a GPU gives no energy, now and later; after an error that is in neither table the next reading may succeed.
FOR_GOOD = {
    3: "this GPU has no energy counter (before Volta)",
    NO_PERMISSION: "no permission to read this GPU's energy counter",
    NO_FUNCTION: "this driver has no energy counter",
}
#: Why it gives none until NVML is started again, or the GPU is back.
UNTIL_BACK = {
    UNINITIALIZED: "the NVIDIA driver was reloaded (or another library shut NVML down)",
    INVALID: "the NVIDIA driver was reloaded",
    NOT_LOADED: "the NVIDIA driver is not loaded",
    15: "this GPU is lost (it fell off the bus)",
    16: "this GPU needs a reset",
    28: "this GPU is gone",
}
#: Of these, what makes every handle worthless, and our start undone.
RELOADED = (UNINITIALIZED, INVALID, NOT_LOADED)
#: Why NVML does not start, and what to do.
REFUSED = {
    NO_PERMISSION: ("no permission to use the NVIDIA driver", "ask for access to /dev/nvidia*"),
    NOT_LOADED: ("the NVIDIA driver is not loaded", "sudo modprobe nvidia"),
    18: ("the NVIDIA driver and its library differ in version", "reboot, or reload the driver after its update"),
}
VALUES = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")  # of nvmlValue_t, by nvmlValueType_t
POWER_SAMPLES, UTILISATION_SAMPLES = 0, 1  # nvmlSamplingType_t


class Unavailable(Exception):
    """No GPU can be metered: why, what to do, and whether that is because there is none."""

    def __init__(self, message: str, remedy: str | None = None, absent: bool = False) -> None:
        self.message, self.remedy, self.absent = message, remedy, absent


class Library:
    """NVML, as one process started it.

    ``reloaded`` says that it must be started again before it answers anything.
    """

    def __init__(self) -> None:
        self.reloaded = False
        self._pynvml: Any = None
        self._error: Any = Unavailable  # pynvml.NVMLError, once imported
        self._energy: Any = None
        self._pid = 0  # the process in which it was started

    def start(self) -> None:
        """Takes some milliseconds, and seconds where no process keeps the driver awake (persistence mode off).

        Raises:
            Unavailable: there is no NVML, or it does not start.
        """
        self._load()
        try:
            self._pynvml.nvmlInit()
        except self._error as error:
            raise refused(error.value, str(error)) from None
        self._pid, self.reloaded = os.getpid(), False

    def stop(self) -> None:
        """Undo our own start (NVML counts them), in the process that made it, where it still counts."""
        if self._pid == os.getpid() and not self.reloaded:
            with suppress(self._error):
                self._pynvml.nvmlShutdown()
        self._pid = 0

    def answered(self, code: int) -> None:
        """What one of our own calls returned."""
        self.reloaded |= code in RELOADED

    def _load(self) -> None:
        found = _library()
        try:
            import pynvml
        except ImportError:
            raise Unavailable("the Python package nvidia-ml-py is missing", "pip install nvidia-ml-py") from None
        self._pynvml, self._error = pynvml, pynvml.NVMLError
        # A function object of our own: pynvml's costs 40 % more each time, and this is on the user's path.
        self._energy = getattr(found, "nvmlDeviceGetTotalEnergyConsumption", None)

    def ask(self, function: str, *args: Any) -> Any:
        """What that function answers, ``None`` where it cannot."""
        return self.attempt(function, *args)[0]

    def attempt(self, function: str, *args: Any) -> tuple[Any, int]:
        """What that function answers, ``None`` where it cannot, and its return code."""
        if args and args[0] is None:  # a GPU that is gone has no handle
            return None, INVALID
        try:
            return getattr(self._pynvml, function)(*args), OK
        except AttributeError:
            return None, NO_FUNCTION
        except self._error as error:
            self.reloaded |= error.value in (UNINITIALIZED, NOT_LOADED)
            return None, int(error.value)

    def samples(self, handle: Any, kind: int, after_us: int) -> list[tuple[int, float]] | None:
        """(µs, value) of the driver's samples since then, oldest first; ``None`` where there are none ever."""
        found, code = self.attempt("nvmlDeviceGetSamples", handle, kind, after_us)
        if found is None:
            return [] if code in (NOT_FOUND, NO_DATA) else None
        values = ((int(s.timeStamp), float(getattr(s.sampleValue, VALUES[found[0]]))) for s in found[1])
        return sorted(sample for sample in values if sample[0] > after_us)

    def gpm_metrics(self, first: Any, second: Any, metrics: Sequence[int]) -> tuple[dict[int, float | None], int]:
        """What that metric was between two GPM samples, ``None`` where the driver lacks it; and NVML's return code."""
        try:
            query = self._pynvml.c_nvmlGpmMetricsGet_t()
        except AttributeError:  # a pynvml from before GPM
            return {}, NO_FUNCTION
        query.version, query.numMetrics = self._pynvml.NVML_GPM_METRICS_GET_VERSION, len(metrics)
        query.sample1, query.sample2 = first, second
        for place, metric in enumerate(metrics):
            query.metrics[place].metricId = metric
        _, code = self.attempt("nvmlGpmMetricsGet", query)
        answers = zip(metrics, query.metrics, strict=False)
        return {metric: float(a.value) if a.nvmlReturn == OK else None for metric, a in answers}, code

    def counter(self, handle: Any, failed: Callable[[int], None]) -> Callable[[], float | None]:
        """Reads that GPU's joules since its driver was loaded, in 1 µs; else tells ``failed`` NVML's return code.

        The interpreter's lock is given away meanwhile, as a driver may hang. Two threads may read at once:
        they share the place for the number, so one may get the other's, which is as new.
        """
        if self._energy is None:
            failed(NO_FUNCTION)
            return nothing
        energy, device, millijoules = self._energy, cast(handle, c_void_p), c_ulonglong()
        place = c_void_p(addressof(millijoules))

        def read() -> float | None:
            if code := energy(device, place):
                failed(code)
                return None
            return millijoules.value / 1000.0

        return read


def nothing() -> None:
    """Reads what cannot be read."""


def _library() -> CDLL:
    """Before anything is imported: is NVML there at all? A look by the loader takes 0.2 ms."""
    try:
        return CDLL(LIBRARY)
    except OSError as error:
        if "No such file" not in str(error):
            raise Unavailable(f"{LIBRARY} cannot be loaded: {error}") from None
        if driver_loaded():
            message = f"there is an NVIDIA GPU, but not its management library ({LIBRARY} not found)"
            raise Unavailable(message, "in a container: NVIDIA_DRIVER_CAPABILITIES=compute,utility") from None
        raise Unavailable(f"no NVIDIA driver here ({LIBRARY} not found)", absent=True) from None


def driver_loaded() -> bool:
    """Whether there is a driver, though its library may not be here."""
    return os.path.exists("/dev/nvidiactl") or os.path.exists("/proc/driver/nvidia/version")


def refused(code: int, said: str) -> Unavailable:
    """NVML is there but does not start. Without a driver there is no GPU for this process either."""
    message, remedy = REFUSED.get(code, (f"NVML does not start: {said}", None))
    return Unavailable(message, remedy, absent=code == NOT_LOADED and not driver_loaded())
