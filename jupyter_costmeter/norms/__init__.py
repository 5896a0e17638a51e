"""The forms that conferences and standards ask for, each filled in as far as the ledger knows (docs/statements.md).

A norm is a plug-in (``plugins.Norm``): a module of this package that knows no other. What they share is in
``wording`` (amounts and how they are known), ``hardware`` (machines and places) and ``tried`` (trials).
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from .. import plugins
from ..errors import UsageError
from ..plugins import Norm
from ..statement import Form, Statement

NAMES: tuple[str, ...] = tuple(plugins.BUILT_IN["norms"])


def forms(statement: Statement, names: Sequence[str] = ()) -> tuple[Form, ...]:
    """The forms of a statement, in the order asked for, each once; all of them where none is named.

    Raises:
        UsageError: there is no norm of that name (says the near one).
    """
    return tuple(_norm(name).form(statement) for name in dict.fromkeys(map(known, names or NAMES)))


def _norm(name: str) -> Norm:
    found: Norm = plugins.load("norms", name)
    return found


def known(name: str) -> str:
    """A norm's name, in any case and with ``_`` for ``-``."""
    folded = name.casefold().replace("_", "-")
    if folded in NAMES:
        return folded
    near = get_close_matches(folded, NAMES, 1, 0.5)
    meant = f"did you mean {near[0]!r}? " if near else ""
    raise UsageError(f"there is no norm {name!r}; {meant}there are {', '.join(NAMES)}")
