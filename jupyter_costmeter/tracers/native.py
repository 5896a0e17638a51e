"""CUPTI's two callbacks in machine code, and the buffers that they lend and take back.

CUPTI calls them from its own threads *while it holds its own lock*. A callback written in Python
would wait there for the interpreter lock, which a thread may hold that waits for CUPTI's: a
deadlock of the user's kernel, seen by PyTorch in its own monitor (pytorch/pytorch#186295, "the
only fix is to make the callback bodies native"). A compiler is not everywhere, so the few hundred
bytes that ``callbacks.c`` compiles to are here; they are mapped as libffi, oneDNN and every other
just-in-time compiler in a torch process map theirs, never writable and executable at once.

Nothing here is ever unmapped: CUPTI keeps a buffer until it gives it back, which may be as the
process ends (pytorch/pytorch#195471).
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import platform
import struct
import sys
from dataclasses import dataclass
from typing import Any

BUFFER_BYTES, BUFFERS = 1 << 20, 64  # CUPTI's advice is 1 to 10 MB; 64 MiB are 300,000 kernels, touched as needed
FREE, LENT, FULL = range(3)
SMALLEST = 88  # bytes of the smallest record that is read (CUpti_ActivityMemset4)

#: By processor: where ``request``, ``complete`` and ``read`` begin, and the code (tests/cupti/build.py prints it).
CODE: dict[str, tuple[tuple[int, int, int], str]] = {
    "x86_64": (
        (16, 123, 210),
        """
        000000000000000000000000000000004889d031c94989f0488d15e1ffffff488b1248890f48890e488908488d725031c9483b4a
        10733e31c041b901000000f04c0fb10e7526be01000000f0480fc17230486bc1184889740260488b4208480fafc848030a48890f
        498900c34883c61848ffc1ebbcf048ff4238c34889d0488d157bffffff488b0a488b114839d07241488b7108488b7910480faffe
        4801d74839f8732d4829d031d248f7f6488d7128ba08000000486bc0184801c84c89405848c7405002000000488b41188b7920ff
        e0c3415731c94989ff415641554154554889f5534889d3488d0512ffffff4883ec284c8b30486bc6184d8b66084d8b6c0658488d
        4424184c0fafe631f64d0326488944240848894c24184889724048897238488972304d85ed7531eb39488b5424084c89ee4c89e7
        41ffd785c07527488b4424188b30488b5010488b781883fe0a756e4885d2753248ff4340488b43284839433072c7486bed1831c0
        4c01f54889455848c74550000000004883c4285b5d415c415d415e415fc34839d772c9488b73304c8d46014c8943304c8b034989
        14f0488b530848893cf28b50288b405c488b7b1048c1e2204809d0488904f7eb9b83fe0275968b5024493b5640758d8b5028493b
        56487584488b5338483b53280f8376ffffff488d720148897338488b7318488b78088b402c48893cd6488b7320488904d6e952ff
        ffff
        """,
    ),
    "aarch64": (
        (16, 172, 260),
        """
        0000000000000000000000000000000088ffff103f0000f9080140f95f0000f91f0000f9090940f9090200b4e9031faa0a410191
        0b0380522d0080522c290b9b8efd5fc88e0000b58dfd0ec8aeffff350c0000145f3f03d5290500910c0940f93f010cebc3feff54
        08e10091097d5fc829050091097d0ac8aaffff35c0035fd60bc100916afd5fc84d0500916dfd0ec8aeffff35082d40a98a0900f9
        6821099b2b0000f9080000f9c0035fd6a8faff10080140f90a0140f949000aeb230200540bb140a96a290c9b5f000aeba2010054
        2909cb9a0a03805201a100910201805229210a9b2a410191242d00f94900805249fd9fc8002140b9030d40f960001fd6c0035fd6
        fe0f1cf809038052f85f01a988f7ff10170140f92a5c099bf65702a9f44f03a9e82640a9ff0700f9552d40f9584101915ffc03a9
        5f1800f9950700b44ba842a9f30302aa5f010beb020700543621019bf40300aae2230091e00316aae10315aa80023fd620060035
        e80740f9090140b93f090071600200543f290071010500540a2541a94b0500d17f0109eb220400546b1a40f96c3640a90f2940b9
        085d40b96e0500916e1a00f96e0a40f908810faa8a792bf8a9792bf8c8792bf818000014092540b9ea2240f95f0109eb81020054
        092940b9ea2640f95f0109eb01020054691e40f96a1640f93f010aeb820100542a0500916a1e00f96aae41a90c0540f9082d40b9
        4c7929f8687929f804000014682240f908050091682200f969a242a91f0109eb83f9ff541f0700f91fff9fc8f44f43a9f65742a9
        f85f41a9fe0744f8c0035fd6
        """,
    ),
}


class Unavailable(Exception):
    """Kernels cannot be traced: why, and what to do."""

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


class NotYet(Unavailable):
    """They cannot be traced so far; asking again later may help."""


class _Slot(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("state", "valid", "serial")]


class _Pool(ctypes.Structure):
    """``struct pool`` of callbacks.c."""

    _fields_ = [
        *[(name, ctypes.c_uint64) for name in ("base", "size", "count", "write", "fd", "one")],
        *[(name, ctypes.c_uint64) for name in ("asked", "refused", "context", "stream")],
        ("slots", _Slot * BUFFERS),
    ]


class _Rows(ctypes.Structure):
    """``struct rows`` of callbacks.c: where ``read`` writes, and how much it wrote."""

    _fields_ = [
        *[(name, ctypes.c_uint64) for name in ("starts", "ends", "places", "sizes", "marks")],
        *[(name, ctypes.c_uint64) for name in ("room", "kernels", "marked", "unknown")],
    ]


@dataclass(frozen=True, slots=True)
class Batch:
    """One buffer's records, as columns.

    Kernels: ``starts`` and ``ends`` in ns of CUPTI's clock, ``places`` the device << 32 | the launch's
    correlation id. Our memsets: (bytes, correlation id). ``unknown`` kernels have no times.
    """

    starts: list[int]
    ends: list[int]
    places: list[int]
    marks: list[tuple[int, int]]
    unknown: int


class Buffers:
    """The pool that CUPTI fills. ``request`` and ``complete`` are what to register with it.

    Raises:
        Unavailable: not this system or processor, or it allows no new code in a process.
    """

    def __init__(self, code: tuple[tuple[int, int, int], bytes] | None = None) -> None:
        starts, text = code or _code()
        libc = _libc()
        self.wakes = os.eventfd(0, os.EFD_CLOEXEC)
        self._pool = _Pool.from_address(_mapped(libc, ctypes.sizeof(_Pool)))
        self._pool.base = _mapped(libc, BUFFERS * BUFFER_BYTES)
        self._pool.size, self._pool.count = BUFFER_BYTES, BUFFERS
        self._pool.write = ctypes.cast(libc.write, ctypes.c_void_p).value or 0
        self._pool.fd, self._pool.one = self.wakes, 1
        self._columns = [(ctypes.c_uint64 * (BUFFER_BYTES // SMALLEST + 1))() for _ in range(5)]
        room = len(self._columns[0])
        self._rows = _Rows(*[ctypes.addressof(column) for column in self._columns], room)
        at = _installed(libc, struct.pack("<Q", ctypes.addressof(self._pool)) + text[8:])
        self.request, self.complete, read = (at + start for start in starts)
        self._floor = 0
        self._read = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p)(read)

    @property
    def asked(self) -> int:
        """How many buffers have been lent so far."""
        return int(self._pool.asked)

    def listen(self, context: int, stream: int) -> None:
        """Whose memsets are marks (CUPTI's ids)."""
        self._pool.context, self._pool.stream = context, stream

    def renew(self) -> None:
        """Expect none of those back that are lent now: whoever had CUPTI meanwhile may have got them."""
        self._floor = self.asked

    def outstanding(self, before: int) -> bool:
        """Whether CUPTI still has a buffer that it was lent among the first ``before``."""
        slots = self._pool.slots
        lent = [slots[i].serial for i in range(BUFFERS) if slots[i].state == LENT]
        return any(self._floor <= serial < before for serial in lent)

    def batches(self, next_record: int) -> list[Batch]:
        """What has come back, in the order in which it was lent; one thread at a time.

        Args:
            next_record: the address of ``cuptiActivityGetNextRecord``.
        """
        slots = self._pool.slots
        full = sorted((slots[i].serial, i) for i in range(BUFFERS) if slots[i].state == FULL)
        return [self._batch(next_record, index) for _, index in full]

    def _batch(self, next_record: int, index: int) -> Batch:
        rows = self._rows
        self._read(next_record, index, ctypes.addressof(rows))
        starts, ends, places = (column[: rows.kernels] for column in self._columns[:3])
        sizes, marks = (column[: rows.marked] for column in self._columns[3:])
        return Batch(starts, ends, places, list(zip(sizes, marks, strict=True)), int(rows.unknown))

    def wait(self) -> None:
        """Sleep until a buffer comes back, or ``wake``."""
        os.read(self.wakes, 8)

    def wake(self) -> None:
        os.write(self.wakes, struct.pack("=Q", 1))


@functools.cache
def shared() -> Buffers:
    """This process's pool: one, however often tracing begins anew."""
    return Buffers()


def supported() -> None:
    """Raises ``Unavailable`` where there is no code for this system."""
    _code()


def _code() -> tuple[tuple[int, int, int], bytes]:
    machine = platform.machine()
    if sys.platform != "linux" or machine not in CODE:
        raise Unavailable(f"kernels are traced on Linux with x86-64 or Arm processors only (here: {machine})")
    starts, text = CODE[machine]
    return starts, bytes.fromhex(text)


def _libc() -> Any:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return libc


def _mapped(libc: Any, size: int) -> int:
    """Memory that Python never frees."""
    found = libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    if found in (None, ctypes.c_void_p(-1).value):
        raise Unavailable(f"no memory for CUPTI's buffers: {os.strerror(ctypes.get_errno())}")
    return int(found)


def _installed(libc: Any, text: bytes) -> int:
    at = _mapped(libc, len(text))
    ctypes.memmove(at, text, len(text))
    if libc.mprotect(at, len(text), mmap.PROT_READ | mmap.PROT_EXEC):
        why = os.strerror(ctypes.get_errno())
        raise Unavailable(f"this system allows no new code in a process: {why}", "SELinux: setsebool deny_execmem 0")
    return at
