"""Numbers that one process counts and another reads while it does, in a small file that both have mapped.

Nobody waits for the other: a number is eight bytes, written in one go, so the reader sees the last one that was
written, also when the writer has been killed in the middle of its work. Loaded at the start of child processes, so
that only the standard library is imported.
"""

from __future__ import annotations

import mmap
import os
from time import perf_counter

#: The layout: so many bytes of numbers about the process, then slots of a number and its name.
VERSION, HEAD, SLOT = 1.0, 128, 128
#: Slots of one file; what finds none is noted in ``FULL``.
SLOTS = 255
SIZE = HEAD + SLOTS * SLOT
#: Places in the head, in numbers of eight bytes. ``VOID`` takes what has no slot.
AT_VERSION, PID, BEGAN, ENDED, CPU, RSS, USED, FULL, VOID, COUNTS = range(10)
#: Between a name's parts.
BREAK = "\x1f"


#: What a number is: a figure, its device, and of one that has no value why (else empty).
Name = tuple[str, str, str]


class Publisher:
    """The writer's side. Only its own process writes, each slot from one thread.

    Args:
        folder: where the reader looks.

    Raises:
        OSError: the file cannot be made: no such folder (the reader has gone), or no room.
    """

    def __init__(self, folder: str) -> None:
        self.pid = os.getpid()
        self.path = os.path.join(folder, f"{self.pid}-{int(perf_counter() * 1e9)}")
        made = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _reserve(made)
            self._map = mmap.mmap(made, SIZE)
        finally:
            os.close(made)
        self.numbers = memoryview(self._map).cast("d")
        self.numbers[PID], self.numbers[BEGAN] = self.pid, perf_counter()
        self.numbers[AT_VERSION] = VERSION  # last: now it is whole
        self._at: dict[Name, int] = {}

    def place(self, name: Name) -> int:
        """Where a new number of that name goes in ``numbers``; ``VOID`` where there is no slot left."""
        used = int(self.numbers[USED])
        if used == SLOTS:
            self.numbers[FULL] = 1.0
            return VOID
        at = HEAD + used * SLOT
        text = BREAK.join(name).encode("utf-8", "replace")[: SLOT - 8]
        self._map[at + 8 : at + 8 + len(text)] = text
        self.numbers[USED] = used + 1
        return at // 8

    def put(self, name: Name, value: float) -> None:
        """One number of that name, in the place of what it was before."""
        if name not in self._at:
            self._at[name] = self.place(name)
        self.numbers[self._at[name]] = value

    def end(self, cpu_s: float, peak_rss_bytes: float | None) -> None:
        """The process ends: what it used."""
        self.numbers[CPU], self.numbers[RSS] = cpu_s, peak_rss_bytes or 0.0
        self.numbers[ENDED] = perf_counter()


def _reserve(file: int) -> None:
    """Room for all of it: writing to a page for which there is none would kill the process (SIGBUS)."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, SIZE)
    else:
        os.write(file, bytes(SIZE))


class Published:
    """The reader's side of one file.

    Raises:
        OSError, ValueError: it is gone, or not whole yet.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        with open(path, "rb") as file:
            self._map = mmap.mmap(file.fileno(), SIZE, access=mmap.ACCESS_READ)
        self._numbers = memoryview(self._map).cast("d")
        if self._numbers[AT_VERSION] != VERSION:
            raise ValueError(f"{path} is not whole")
        self.pid, self.began_s = int(self._numbers[PID]), self._numbers[BEGAN]
        self._names: list[Name] = []

    @property
    def ended_s(self) -> float | None:
        """When its process told that it ends, by the clock of ``perf_counter``; ``None`` if it has not."""
        return self._numbers[ENDED] or None

    @property
    def cpu_s(self) -> float:
        """CPU seconds of the process alone, once it has told that it ends."""
        return self._numbers[CPU]

    @property
    def peak_rss_bytes(self) -> float | None:
        return self._numbers[RSS] or None

    @property
    def counts(self) -> bool:
        """Whether it counts what it computes: else it has not imported what is counted, and may compute otherwise."""
        return bool(self._numbers[COUNTS])

    @property
    def full(self) -> bool:
        """Whether something had no slot, so that the numbers are lower bounds."""
        return bool(self._numbers[FULL])

    def read(self) -> dict[Name, float]:
        """All numbers as they are now; those of one name (of several threads) added up."""
        used = int(self._numbers[USED])
        for at in range(len(self._names), used):
            self._names.append(self._name(HEAD + at * SLOT + 8))
        found: dict[Name, float] = {}
        for at, name in enumerate(self._names):
            found[name] = found.get(name, 0.0) + self._numbers[(HEAD + at * SLOT) // 8]
        return found

    def _name(self, at: int) -> Name:
        text = self._map[at : at + SLOT - 8].rstrip(b"\0").decode("utf-8", "replace")
        figure, device, reason = [*text.split(BREAK), "", ""][:3]
        return figure, device, reason
