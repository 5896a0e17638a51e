"""How child processes inherit the meter: the metered process's folder, told by the environment, and a hook.

``JUPYTER_COSTMETER_PARENT`` names a folder in memory in which each child keeps a file of what it counts
(``published``). Children that are forked make theirs in ``os.register_at_fork``; those that start anew do in a
``sitecustomize`` (``hook/``) that stands first on their ``PYTHONPATH``, and runs the next one there is. Nothing in a
child waits, has a thread or a timer, or is imported before the child itself imports torch.
"""

from __future__ import annotations

import atexit
import mmap
import os
import sys
from contextlib import suppress
from importlib import import_module
from importlib.machinery import PathFinder
from time import process_time

from .published import Publisher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

#: The folder of the process whose child this is.
PARENT = "JUPYTER_COSTMETER_PARENT"
HOOK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hook")  # noqa: PTH120 (pathlib costs 3 ms)
#: The page that parent and children share: how many children have begun (any change will do), the cell that runs
#: (its number, 0 for none), and the session's id.
PAGE, SIZE = "now", 64
CHANGES, CELL, SESSION = 0, 1, slice(16, 48)
#: Instead of a cell's number: none runs. What a child measures then is its kernel's background work, or a script's own.
BETWEEN_CELLS, NOTHING = -1, 0
PREFIX = "costmeter-"
TORCH, POOLS, COUNTING = "torch", "multiprocessing.util", "jupyter_costmeter.flops.publishing"
#: After all other things that a process of ``multiprocessing`` does at its end.
LAST = -1000


class Folder:
    """The metered process's folder, or in a child that of its parent."""

    def __init__(self, path: str, made: bool = False) -> None:
        self.path = path
        name = os.path.join(path, PAGE)
        with open(name, "x+b" if made else "r+b") as file:
            if made:
                file.write(bytes(SIZE))
                file.flush()
            self._map = mmap.mmap(file.fileno(), SIZE)
        self._numbers = memoryview(self._map).cast("q")

    @property
    def changes(self) -> int:
        """Another number than before: children have begun since."""
        return self._numbers[CHANGES]

    def begun(self) -> None:
        """A child has its file."""
        self._numbers[CHANGES] = (self._numbers[CHANGES] + os.getpid()) & 0x7FFFFFFF or 1

    def show(self, cell: int) -> None:
        """The metered process: the number of its outermost run that is open, or one of those for none."""
        self._numbers[CELL] = cell

    def name(self, session_id: str) -> None:
        self._map[SESSION] = session_id.encode()[:32].ljust(32)

    @property
    def around(self) -> str | None:
        """The record that what begins now in a child lies in, by its id; ``None`` if in none."""
        session, cell = self.session_id, self._numbers[CELL]
        return None if cell == NOTHING else f"{session}-{'background' if cell == BETWEEN_CELLS else cell}"

    @property
    def session_id(self) -> str:
        return self._map[SESSION].decode().strip()


#: What this process has made, and what it was started in. A forked child takes the first for the second.
own: Folder | None = None
parent: Folder | None = None
publisher: Publisher | None = None
_hooked = _swept = _watched = False
_paths: str | None = None  # PYTHONPATH as it was


# The metered process


def begin(session_id: str) -> Folder | None:
    """Children that start from now on are metered; ``None`` where they cannot be (no room for the folder)."""
    global own
    if own is None:
        try:
            from tempfile import mkdtemp  # here: children start with this module

            path = mkdtemp(prefix=f"{_prefix()}{os.getpid()}-", dir=_memory())
            own = Folder(path, made=True)
        except OSError:
            return None
        _at_fork()
    own.name(session_id)
    _set_environment(own.path)
    return own


def _memory() -> str | None:
    """A folder in memory, where there is one; else the temporary one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 (mkdtemp makes it ours alone)


def _set_environment(path: str) -> None:
    global _paths
    os.environ[PARENT] = path
    there = os.environ.get("PYTHONPATH")
    if HOOK not in (there or "").split(os.pathsep):
        _paths = there
        os.environ["PYTHONPATH"] = os.pathsep.join([HOOK, there] if there else [HOOK])


def pause() -> None:
    """Children that start from now on are not metered: the environment is as it was."""
    os.environ.pop(PARENT, None)
    words = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if HOOK in words:
        words.remove(HOOK)
        os.environ["PYTHONPATH"] = os.pathsep.join(words)
        if not words and _paths is None:
            del os.environ["PYTHONPATH"]


def end() -> None:
    """The metered process ends, and its folder goes."""
    global own
    if own is None:
        return
    pause()
    path, own = own.path, None
    from shutil import rmtree

    rmtree(path, ignore_errors=True)


def sweep() -> None:
    """Take away the folders of processes that were killed: once, while nothing runs."""
    global _swept
    if own is None or _swept:
        return
    _swept = True
    from shutil import rmtree

    folder, prefix = own.path.rpartition(os.sep)[0], _prefix()
    with suppress(OSError):
        for name in os.listdir(folder):
            pid = name.removeprefix(prefix).partition("-")[0] if name.startswith(prefix) else ""
            if pid.isdigit() and not lives(int(pid)):
                rmtree(os.path.join(folder, name), ignore_errors=True)


def _prefix() -> str:
    """How the folders of those begin whose numbers of processes are ours: containers may share a memory's folder."""
    try:
        return f"{PREFIX}{os.stat('/proc/self/ns/pid').st_ino}-"
    except OSError:
        return PREFIX


def lives(pid: int) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # … or there cannot be one
        return False
    except OSError:  # another user's
        return True
    return True


def leave() -> None:
    """A kernel in a child process is metered by itself, and its cells are its own."""
    global parent, publisher
    if parent is not None:
        parent = publisher = None
        _counting("stop")
    os.environ.pop(PARENT, None)


def show(run: int) -> None:
    """To children: what they measure from now on lies in the run of that number."""
    if own is not None:
        own.show(run)


def show_rest(cells_only: bool) -> None:
    """To children: no run is open, in a kernel (``cells_only``) or in a script."""
    show(BETWEEN_CELLS if cells_only else NOTHING)


# A child


def around() -> str | None:
    """The record of the parent's that what this process measures now lies in; ``None`` in a process of its own."""
    return parent.around if parent is not None else None


def started() -> None:
    """A Python process starts in the environment of a metered one: some 0.3 ms. Raises nothing."""
    global parent
    path = os.environ.get(PARENT)
    if not path or own is not None or parent is not None:
        return
    try:
        parent = Folder(path)
        _publish()
    except (OSError, ValueError):  # the parent has gone
        parent = None
        return
    sys.meta_path.insert(0, Waiting())
    _at_fork()
    atexit.register(ending)


def within() -> str | None:
    """The parent's session; ``None`` in a process of its own."""
    return parent.session_id if parent is not None else None


def _publish() -> None:
    global publisher
    publisher = None
    if parent is not None:
        publisher = Publisher(parent.path)
        parent.begun()


def _at_fork() -> None:
    global _hooked
    if not _hooked and hasattr(os, "register_at_fork"):
        _hooked = True
        os.register_at_fork(after_in_child=_forked)


def _forked() -> None:
    """In a child: a file of its own. What stands in the parent's folder and counts is the parent's."""
    global own, parent
    if own is None and parent is None:
        return
    own, parent = None, own or parent
    with suppress(OSError, ValueError):
        _publish()
    _counting("forked")
    atexit.register(ending)
    _end_with_programs()
    if POOLS in sys.modules:
        _end_with_pools(sys.modules[POOLS])


def _counting(what: str, *args: object) -> None:
    """Tell those who count, where this process has them."""
    module = sys.modules.get(COUNTING)
    if module is not None:
        getattr(module, what)(*args)


def ending() -> None:
    """The process ends well: what it used, which nobody can see afterwards. Raises nothing."""
    try:
        if publisher is not None and publisher.pid == os.getpid():
            _counting("peaks", publisher)
            publisher.end(process_time(), _peak_rss())
    except Exception:  # noqa: S110 (a process of the user's, which ends; its figures are lower bounds)
        pass


def _peak_rss() -> float | None:
    """The most memory that the process has had; in a forked one what it had of its parent's is in it."""
    with suppress(OSError), open("/proc/self/status", "rb") as file:
        for line in file:
            if line.startswith(b"VmHWM"):
                return float(line.split()[1]) * 1024
    return None


def _end_with_programs() -> None:
    """One that becomes another program counts no more; ``!…`` is such a fork, and its shell may be a Python then."""
    global _watched
    if not _watched:
        _watched = True
        sys.addaudithook(_becoming)


def _becoming(event: str, _: object) -> None:
    if event == "os.exec":
        ending()


def _end_with_pools(util: Any) -> None:
    """``multiprocessing``'s processes end by ``os._exit``, after what they were told to do then."""
    util.register_after_fork(ending, lambda _: util.Finalize(None, ending, exitpriority=LAST))


class Waiting:
    """At the front of ``sys.meta_path`` until the child has imported torch and ``multiprocessing``, if ever."""

    def __init__(self) -> None:
        self._wanted = {TORCH, POOLS}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Python's import asks here first; what fails here leaves the import to the others."""
        if name not in self._wanted:
            return None
        self._wanted.discard(name)
        try:
            return _counted(name) if name == TORCH else _told(name, path)
        except Exception:
            return None


def _counted(name: str) -> Any:
    return None if parent is None else import_module(COUNTING).find(name)


def _told(name: str, path: Any) -> Any:
    """The module as Python finds it, and a word when it has run."""
    found = PathFinder.find_spec(name, path)
    loader: Any = found.loader if found is not None else None
    run = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        run(module)
        _end_with_pools(module)

    loader.exec_module = exec_module
    return found
