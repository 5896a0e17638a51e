"""Say where this machine stands: one ``[[where]]`` row in the user's own ``jupyter_costmeter.toml``.

The rest of the file stays as it is, comments too, and of that row all that was not said anew. Only the user says
where: what the environment suggests is shown and never used by itself.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_config_dir

from .assumptions import Placed, place_of
from .errors import UsageError
from .tables import Row, printable
from .toml_files import NAME
from .toml_rows import File, rewrite


def own_file() -> Path:
    """The file that the user's own declarations are in."""
    return Path(jupyter_config_dir()) / NAME


def declare(
    region: str,
    kind: str = "",
    host: str | None = None,
    pue: float | None = None,
    since: date | None = None,
    known: Placed | None = None,
) -> Placed:
    """Say where a machine stands: changes what is named in its own row of now, or adds one where there is none.

    Args:
        region: by its id or name; ``""``: that of the row, or of ``known``.
        kind: laptop, lab or cloud; ``""``: not said.
        host: a host name or pattern; this machine's if ``None``.
        pue: the site's own.
        since: the row that begins on that day (UTC) is meant; earlier ones stay.
        known: what a new row says besides.

    Returns:
        What the row says now.

    Raises:
        UsageError: there is no such region or kind, no such host can be, or the file is no TOML.
        ReportError: the file cannot be written.
    """
    name = _host(host)
    said = _filled({"region": region, "kind": kind, "pue": pue})
    fresh = {"host": name, **_filled({**_besides(known), **said, "from": since})}
    placed = place_of(fresh, str(own_file()))
    fresh["region"] = placed.region
    said.update({"region": placed.region} if region else {})
    written: Row = fresh

    def change(text: str) -> str:
        nonlocal written
        file = File.of(text, "where")
        i = _row_of(file.rows, placed, since)
        written = fresh if i is None else _changed(file.rows[i], said)
        return file.with_row(written) if i is None else file.with_changed(i, written)

    rewrite(own_file(), change)
    return place_of(written, str(own_file()))


def forget(host: str | None = None, since: date | None = None) -> bool:
    """Take this machine's rows away, or that of one day alone; whether there were any."""
    name = socket.gethostname() if host is None else host

    def change(text: str) -> str:
        file = File.of(text, "where")
        return file.without(
            {i for i, row in enumerate(file.rows) if _is_of(row, name) and since in (None, row.get("from"))}
        )

    return rewrite(own_file(), change)


def _host(host: str | None) -> str:
    """Refused where it cannot be printed: without these characters it would be another, or any."""
    name = socket.gethostname() if host is None else host
    if not name.isprintable():
        raise UsageError(f"host = {name!r}: only printable characters can be written into {NAME}")
    return name


def _filled(row: Row) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value not in (None, "")}


def _besides(known: Placed | None) -> dict[str, Any]:
    if known is None:
        return {}
    return {"region": known.region, "kind": known.kind, "pue": known.pue.value if known.pue else None}


def _is_of(row: Row, host: str) -> bool:
    return printable(str(row.get("host", ""))).lower() == printable(host).lower()


def _row_of(rows: Sequence[Row], placed: Placed, since: date | None) -> int | None:
    """The host's own row that counts now, or that begins on the same day; ``None`` where there is none."""
    now, found = time.time(), []
    for i, row in enumerate(rows):
        with suppress(UsageError, ValueError, TypeError, ArithmeticError):  # a mistake, which counts nothing
            one = place_of(row, "")
            meant = one.span[0] <= now < one.span[1] if since is None else one.span[0] == placed.span[0]
            found += [(one.rank, i)] if _is_of(row, placed.host) and meant else []
    return max(found)[1] if found else None


def _changed(row: Row, said: Row) -> Row:
    """The row with what is said, without what was about another PUE, or of a cloud where that is none any more."""
    found = {**row, **said}
    if found.get("pue") != row.get("pue"):
        found.pop("pue_source", None)
    clouds = {"/" in place_of({"region": one["region"]}, "").region for one in (row, found)}
    if len(clouds) > 1 and "kind" not in said:
        found.pop("kind", None)
    return found
