"""Say where this machine stands: one ``[[where]]`` row in the user's own ``jupyter_costmeter.toml``.

The rest of the file stays as it is, comments too. Only the user says where: what the environment suggests is shown
and never used by itself.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from jupyter_core.paths import jupyter_config_dir

from .assumptions import NAME, Placed, place_of
from .errors import ReportError, UsageError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

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
    _rewrite(lambda document: _put(document, named))
    return placed


def forget(host: str | None = None) -> bool:
    """Take this machine's rows away; whether there were any."""
    name = socket.gethostname() if host is None else host
    gone: list[bool] = []
    _rewrite(lambda document: gone.append(_drop(document, name, False)))
    return gone[0]


def _put(document: TOMLDocument, row: dict[str, Any]) -> None:
    import tomlkit

    _drop(document, row.get("host", ""), "from" in row, row.get("from"))
    rows = document.setdefault("where", tomlkit.aot())
    table = tomlkit.table()
    table.update(row)
    rows.append(table)


def _drop(document: TOMLDocument, host: str, dated: bool, since: date | None = None) -> bool:
    """Remove a host's rows; of a dated one only that of the same day."""
    rows = document.get("where", [])
    same = [i for i, row in enumerate(rows) if row.get("host", "") == host and (not dated or row.get("from") == since)]
    for i in reversed(same):
        del rows[i]
    return bool(same)


def _rewrite(change: Any) -> None:
    """Change the user's file, whole or not at all, one program at a time."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    path = own_file()
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_S):
            document = tomlkit.parse(path.read_text(encoding="utf-8") if path.exists() else "")
            change(document)
            part.write_text(tomlkit.dumps(document), encoding="utf-8")
            os.replace(part, path)
    except TOMLKitError as error:
        raise UsageError(f"{path}: {error}; mend it first") from error
    except (OSError, Timeout) as error:
        raise ReportError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
