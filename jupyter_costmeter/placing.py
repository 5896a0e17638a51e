"""Say where this machine stands: one ``[[where]]`` row in the user's own ``jupyter_costmeter.toml``.

The rest of the file stays as it is, comments too. Only the user says where: what the environment suggests is shown
and never used by itself.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from jupyter_core.paths import jupyter_config_dir

from . import tables
from .assumptions import NAME, Placed, place_of
from .errors import ReportError, UsageError
from .tables import Row

#: The beginning of any table, of one of ours, and a line that is no table's.
HEAD, OWN, ASIDE = re.compile(r"\s*\["), re.compile(r"\s*\[\[\s*where\s*\]\]"), re.compile(r"\s*(#|$)")
#: Seconds that another program's writing is waited for.
LOCK_S = 3.0


def own_file() -> Path:
    """The file that the user's own declarations are in."""
    return Path(jupyter_config_dir()) / NAME


def declare(
    region: str, kind: str = "", host: str | None = None, pue: float | None = None, since: date | None = None
) -> Placed:
    """Say where a machine stands, in place of what the file said of it (with ``since``: from that day on).

    Args:
        region: by its id or name.
        kind: laptop, lab or cloud; ``""``: not said.
        host: a host name or pattern; this machine's if ``None``.
        pue: the site's own.
        since: an earlier place stays what it was until then.

    Raises:
        UsageError: there is no such region or kind, or the file is no TOML.
        ReportError: the file cannot be written.
    """
    row = {"host": socket.gethostname() if host is None else host, "region": region, "kind": kind, "pue": pue}
    named = {key: value for key, value in {**row, "from": since}.items() if value not in (None, "")}
    placed = place_of(named, str(own_file()))
    named["region"] = placed.region

    def gone(one: Row) -> bool:
        return _is_of(one, placed.host) and (since is None or one.get("from") == since)

    _rewrite(lambda text: _changed(text, gone, named))
    return placed


def forget(host: str | None = None) -> bool:
    """Take this machine's rows away; whether there were any."""
    name = socket.gethostname() if host is None else host
    return _rewrite(lambda text: _changed(text, lambda row: _is_of(row, name)))


def _is_of(row: Row, host: str) -> bool:
    return str(row.get("host", "")).lower() == host.lower()


def _changed(text: str, gone: Callable[[Row], bool], row: Row | None = None) -> str:
    """The file's text without the rows that are gone, and with ``row`` in the place of the first of them, or last.

    Raises:
        UsageError: the file is no TOML, or its rows are written otherwise than as ``[[where]]``.
    """
    known, lines = _parsed(text), text.splitlines(keepends=True)
    rows, spans = known.get("where", []), _spans(lines)
    if len(rows) != len(spans) or ("where" in known and not spans):
        raise UsageError("where: write it as [[where]], once for each row")
    dropped = [i for i, one in enumerate(rows) if gone(one)]
    place = dropped[0] if dropped else len(rows)
    at = spans[place][0] if dropped else len(lines)
    for i in reversed(dropped):
        del lines[slice(*spans[i])]
    if row is not None:
        lines[at:at] = _written(row, text, apart=not dropped)
    kept = [one for i, one in enumerate(rows) if i not in dropped]
    found, wanted = "".join(lines), {**known, "where": [*kept[:place], *([row] if row else []), *kept[place:]]}
    if repr(sorted({"where": [], **_parsed(found)}.items())) != repr(sorted(wanted.items())):
        raise UsageError("where: its rows cannot be told from the rest; change it by hand")
    return found


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tables.parsed(text)
    except ValueError as error:
        raise UsageError(f"{error}; mend it first") from error


def _spans(lines: Sequence[str]) -> list[tuple[int, int]]:
    """From and up to which line each ``[[where]]`` goes, without what stands between it and the next table."""
    heads = [i for i, line in enumerate(lines) if HEAD.match(line)]
    found = []
    for i in heads:
        if OWN.match(lines[i]):
            end = next((head for head in heads if head > i), len(lines))
            found.append((i, max(n for n in range(i, end) if not ASIDE.match(lines[n])) + 1))
    return found


def _written(row: Row, text: str, apart: bool) -> list[str]:
    """The row's lines, with line ends as in the file; ``apart``: below all else."""
    end = "\r\n" if "\r\n" in text else "\n"
    before = ["", ""][text.endswith("\n") :] if apart and text and not text.endswith(("\n\n", "\r\n\r\n")) else []
    body = [f"{key} = {value if isinstance(value, (float, date)) else json.dumps(value)}" for key, value in row.items()]
    return [f"{line}{end}" for line in (*before, "[[where]]", *body)]


def _rewrite(change: Callable[[str], str]) -> bool:
    """Change the user's file, whole or not at all, one program at a time; whether that changed anything."""
    path = Path(os.path.realpath(own_file()))  # a link stays one
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_S):
            text = path.read_bytes().decode() if path.exists() else ""
            found = change(text)
            if found == text:
                return False
            part.write_bytes(found.encode())
            if path.exists():
                shutil.copymode(path, part)
            os.replace(part, path)
            return True
    except (UsageError, UnicodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    except (OSError, Timeout) as error:
        raise ReportError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
