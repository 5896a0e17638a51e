"""Where a session runs: its notebook, its project, its machine."""

from __future__ import annotations

import getpass
import os
import platform
import shutil
import socket
import sys
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from . import slurm
from .record import SessionInfo

#: What makes a folder a project's, nearest first.
MARKS = ("jupyter_costmeter.toml", ".git", "pyproject.toml")


def notebook_path(script: bool = True, environ: Mapping[str, str] = os.environ) -> str | None:
    """The notebook that this kernel was started for (Jupyter Server says so), or the script.

    Args:
        script: whether ``__main__`` may be one; in IPython it is whatever file ran last.
        environ: the environment.
    """
    named = environ.get("JPY_SESSION_NAME")
    if named:
        return canonical(named) if named.endswith(".ipynb") else None
    main = getattr(sys.modules.get("__main__"), "__file__", None) if script else None
    return canonical(main) if main else None


def canonical(path: str) -> str:
    """A path's one name: a notebook that is reached by a link is the same in every door."""
    return os.path.realpath(os.path.expanduser(path))


def project_of(notebook: str | None, declared: str = "") -> str | None:
    """The project's folder: declared, else the nearest marked one above the notebook (or the working directory)."""
    if declared:
        return canonical(declared)
    folder = Path(notebook).parent if notebook else Path.cwd()
    home = Path.home().resolve()
    for candidate in (folder, *folder.parents):
        if candidate == home:  # a .git of dotfiles does not make all work one project
            break
        if any((candidate / mark).exists() for mark in MARKS):
            return str(candidate)
    return str(folder)


def session_info(notebook: str | None, declared_project: str = "", within: str | None = None) -> SessionInfo:
    """This process, as a session that starts now; ``within`` another one, whose process has started this one."""
    return SessionInfo(
        id=uuid.uuid4().hex,
        started_at=time.time(),
        host=socket.gethostname(),
        user=_user(),
        pid=os.getpid(),
        pid_started_at=process_started(os.getpid()),
        notebook=notebook,
        project=project_of(notebook, declared_project),
        environment={**environment(), **({"within": within} if within else {})},
    )


def process_started(pid: int) -> float:
    """When a process began, in seconds: since the machine's start on Linux, where no clock step changes it.

    Raises:
        psutil.Error: there is no such process.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return float(psutil.Process(pid).create_time())
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")  # starttime, proc(5)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user id has no name
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def environment() -> dict[str, str]:
    """What the norms ask for of the machine (FACTS §1.3), without asking any other program."""
    partition = os.environ.get("SLURM_JOB_PARTITION")  # tariffs may be by partition
    return {
        **({"partition": partition} if partition else {}),
        **slurm.facts(os.environ),
        "python": platform.python_version(),
        "system": platform.system(),
        "os": _os_name(),
        "machine": platform.machine(),
        "cpu": _cpu_name(),
        "cpus": str(os.cpu_count() or ""),
        "memory_bytes": str(psutil.virtual_memory().total),
        **_storage(),
    }


def _os_name() -> str:
    """The system's name and version: ``Ubuntu 22.04.4 LTS``, ``macOS 14.5``, ``Windows 10``."""
    with suppress(OSError):
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    mac = platform.mac_ver()[0]
    return f"macOS {mac}" if mac else f"{platform.system()} {platform.release()}"


def _storage() -> dict[str, str]:
    """The size of the filesystem that the process works in; nothing where it cannot be told."""
    with suppress(OSError):
        return {"storage_bytes": str(shutil.disk_usage(".").total)}
    return {}


def _cpu_name() -> str:
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
