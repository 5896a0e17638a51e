"""libcupti and libcuda as this process has loaded them, by ctypes. Nothing is loaded and no CUDA is initialised by us.

Calls that may take CUPTI's or the driver's locks give the interpreter lock away (``CDLL``); the
few on the user's path that cannot wait keep it (``PyDLL``).
"""

from __future__ import annotations

import ctypes
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .native import Buffers, NotYet, Unavailable

CUPTI = ("libcupti.so.13", "libcupti.so.12", "libcupti.so.11.2")
CUDA = ("libcuda.so.1",)

# CUpti_ActivityKind. Not KERNEL (3), which would run the user's kernels one after the other.
MEMSET, CONCURRENT_KERNEL = 2, 10
FLUSH_FORCED = 1
#: CUptiResult: why it does not trace, and what to do.
REFUSED = {
    1: ("CUPTI refused a call", None),
    15: ("CUPTI and the NVIDIA driver do not fit (CUPTI_ERROR_NOT_INITIALIZED)", "update the driver"),
    35: (
        "no permission to trace this GPU (CUPTI_ERROR_INSUFFICIENT_PRIVILEGES)",
        "an administrator can allow it: NVreg_RestrictProfilingToAdminUsers=0",
    ),
    39: ("another profiler has CUPTI, which serves one at a time", "end it, and restart the kernel"),
}
NON_BLOCKING, RELAXED = 1, 2  # CUstream_flags, CUstreamCaptureMode
#: Seconds over which the records' clock is compared with ours, and how far off it may be to pass for nanoseconds.
COMPARED_S, SAME = 0.02, 0.01
#: Marks are memsets of 1 to this many bytes: the record's size names the mark.
SIZES = 4096


def loaded(names: Sequence[str]) -> Any:
    """The library of one of these names, if this process has loaded it; ``None`` otherwise."""
    for name in names:
        try:
            return ctypes.CDLL(name, mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
        except OSError:
            continue
    return None


class Cuda:
    """What is needed of libcuda: who has a context, the names of the GPUs, and marks.

    Raises:
        NotYet: no GPU is in use.
        Unavailable: libcuda is not loaded, or fails.
    """

    def __init__(self, names: Sequence[str] = CUDA) -> None:
        self._lib = loaded(names)
        if self._lib is None:
            raise Unavailable("libcuda is not loaded")
        self._quick = ctypes.PyDLL(self._lib._name, handle=self._lib._handle)
        self._bytes, self._stream, self._context = ctypes.c_uint64(), ctypes.c_void_p(), ctypes.c_void_p()
        self._memset = self._lib.cuMemsetD8Async
        self._memset.argtypes = [ctypes.c_uint64, ctypes.c_ubyte, ctypes.c_size_t, ctypes.c_void_p]
        self.device = self._used()
        self._check(self._lib.cuDevicePrimaryCtxRetain(ctypes.byref(self._context), self.device))
        with self._current(), self._uncaptured():
            self._prepare()

    @property
    def context(self) -> ctypes.c_void_p:
        return self._context

    @property
    def stream(self) -> ctypes.c_void_p:
        return self._stream

    def place(self, size: int) -> int:
        """A memset of that many bytes on our own stream: a launch with a record. Gives CUDA's error, 0 if none."""
        now = ctypes.c_void_p()
        self._quick.cuCtxGetCurrent(ctypes.byref(now))
        if now.value == self._context.value:
            return int(self._memset(self._bytes, 0, size, self._stream))
        with self._current():
            return int(self._memset(self._bytes, 0, size, self._stream))

    def names(self) -> dict[int, str]:
        """By CUDA's ordinal, as NVML spells it. Of a MIG slice CUDA gives the slice's own id."""
        found = {}
        for ordinal in range(self._count()):
            raw, device = ctypes.create_string_buffer(16), ctypes.c_int()
            if not self._lib.cuDeviceGet(ctypes.byref(device), ordinal) and not self._uuid(raw, device):
                found[ordinal] = f"GPU-{uuid.UUID(bytes=raw.raw)}"
        return found

    def _uuid(self, raw: Any, device: ctypes.c_int) -> int:
        ask = getattr(self._lib, "cuDeviceGetUuid_v2", None) or self._lib.cuDeviceGetUuid
        return int(ask(raw, device))

    def _count(self) -> int:
        count = ctypes.c_int()
        return 0 if self._lib.cuDeviceGetCount(ctypes.byref(count)) else count.value

    def _used(self) -> int:
        """A GPU whose primary context is there: asking makes none."""
        flags, active = ctypes.c_uint(), ctypes.c_int()
        for ordinal in range(self._count()):
            failed = self._lib.cuDevicePrimaryCtxGetState(ordinal, ctypes.byref(flags), ctypes.byref(active))
            if not failed and active.value:
                return ordinal
        raise NotYet("no GPU is in use by this process yet")

    def _prepare(self) -> None:
        """Of the highest priority, so that a mark need not wait for the user's kernels to leave the GPU."""
        low, high = ctypes.c_int(), ctypes.c_int()
        self._check(self._lib.cuCtxGetStreamPriorityRange(ctypes.byref(low), ctypes.byref(high)))
        self._check(self._lib.cuStreamCreateWithPriority(ctypes.byref(self._stream), NON_BLOCKING, high))
        self._check(self._lib.cuMemAlloc_v2(ctypes.byref(self._bytes), ctypes.c_size_t(SIZES)))

    @contextmanager
    def _current(self) -> Iterator[None]:
        """Our context on this thread's stack, whatever it had before."""
        self._check(self._quick.cuCtxPushCurrent_v2(self._context))
        try:
            yield
        finally:
            self._quick.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))

    @contextmanager
    def _uncaptured(self) -> Iterator[None]:
        """What we allocate may not break a CUDA graph that another thread is capturing."""
        mode = ctypes.c_int(RELAXED)
        self._quick.cuThreadExchangeStreamCaptureMode(ctypes.byref(mode))
        try:
            yield
        finally:
            self._quick.cuThreadExchangeStreamCaptureMode(ctypes.byref(mode))

    def _check(self, error: int) -> None:
        if error:
            raise Unavailable(f"CUDA error {error}")


class Cupti:
    """What is needed of libcupti.

    Raises:
        Unavailable: it is not loaded.
        AttributeError: a function is missing.
    """

    def __init__(self, names: Sequence[str] = CUPTI) -> None:
        self._lib = loaded(names)
        if self._lib is None:
            raise Unavailable("libcupti is not loaded")
        self._flush, self._dropped = self._lib.cuptiActivityFlushAll, self._lib.cuptiActivityGetNumDroppedRecords
        self._enable, self._disable = self._lib.cuptiActivityEnable, self._lib.cuptiActivityDisable
        self.next_record = ctypes.cast(self._lib.cuptiActivityGetNextRecord, ctypes.c_void_p).value or 0
        #: Ticks of the records' times in a nanosecond. Documented as 1, but torch.profiler (Kineto) has CUPTI take the
        #: processor's own clock, for good: 2.1 ticks were seen with torch 2.11 (docs/gpu-checks.md).
        self.rate = 1.0

    def start(self, buffers: Buffers, cuda: Cuda) -> None:
        """From now on kernels and marks are recorded.

        Raises:
            Unavailable: CUPTI refuses; nothing is left enabled.
        """
        context, stream = ctypes.c_uint32(), ctypes.c_uint32()
        addresses = [ctypes.c_void_p(at) for at in (buffers.request, buffers.complete)]
        buffers.renew()
        try:
            self._check(self._lib.cuptiActivityRegisterCallbacks(*addresses))
            for kind in (MEMSET, CONCURRENT_KERNEL):
                self._check(self._enable(kind))
            self._check(self._lib.cuptiGetContextId(cuda.context, ctypes.byref(context)))
            own = ctypes.c_uint8(0)
            self._check(self._lib.cuptiGetStreamIdEx(cuda.context, cuda.stream, own, ctypes.byref(stream)))
            self.rate = self._rate()
        except Unavailable:
            self.stop()
            raise
        buffers.listen(context.value, stream.value)

    def _rate(self) -> float:
        """CUPTI's timestamps are by the clock of its records, whoever has set that."""
        if not hasattr(self._lib, "cuptiGetTimestamp"):
            return 1.0
        doubt, began, first = self._instant()
        time.sleep(COMPARED_S)
        more, ended, last = self._instant()
        rate, slack = (last - first) / (ended - began), SAME + (doubt + more) / (ended - began)
        return rate if rate > 0 and abs(rate - 1) > slack else 1.0

    def _instant(self) -> tuple[int, int, int]:
        """How long a look took, our time and CUPTI's, in ns: the quickest of five, as a busy machine slows some."""
        looks = []
        for _ in range(5):
            began = time.monotonic_ns()
            now = self._now()
            looks.append((time.monotonic_ns() - began, began, now))
        return min(looks)

    def _now(self) -> int:
        now = ctypes.c_uint64()
        self._check(self._lib.cuptiGetTimestamp(ctypes.byref(now)))
        return now.value

    def stop(self) -> None:
        """Nothing is recorded any more, and all that was comes back."""
        for kind in (MEMSET, CONCURRENT_KERNEL):
            self._disable(kind)
        self._flush(ctypes.c_uint32(FLUSH_FORCED))

    def flush(self) -> None:
        """Have the buffers back in which all kernels have ended."""
        self._flush(ctypes.c_uint32(0))

    def dropped(self) -> int:
        """Records lost since the last call, as no buffer was free."""
        count = ctypes.c_size_t()
        return 0 if self._dropped(None, ctypes.c_uint32(0), ctypes.byref(count)) else count.value

    def _check(self, result: int) -> None:
        if result:
            text = ctypes.c_char_p()
            self._lib.cuptiGetResultString(result, ctypes.byref(text))
            said = f"CUPTI: {text.value.decode() if text.value else result}"
            raise Unavailable(*REFUSED.get(result, (said, None)))
