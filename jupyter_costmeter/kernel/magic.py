"""``%cost``: the commands of ``commands.py`` in a notebook cell."""

from __future__ import annotations

import shlex
from typing import Any

from IPython.core.error import UsageError as IPythonUsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.display import display

from .. import errors
from ..progressing import progress_of
from ..session import Session


@magics_class
class CostMagics(Magics):
    """``%cost``, ``%cost last``, ``%cost cells``, …"""

    def __init__(self, shell: Any, session: Session) -> None:
        super().__init__(shell)
        self.session = session

    @line_cell_magic
    def cost(self, line: str, cell: str | None = None) -> None:
        """What this session's cells cost so far; ``%cost help`` lists the words.

        ``%%cost LABEL`` in a cell's first line labels the cell.
        """
        if cell is not None:  # pragma: no cover - the input transformer has taken the cell's form
            raise IPythonUsageError("%%cost LABEL belongs in the first line of a cell")
        try:
            if line.split(maxsplit=1)[:1] == ["label"]:
                self._label(line.partition("label")[2].strip())  # as it stands: "don't stop" is a label, too
                return
            if line.split(maxsplit=1)[:1] == ["progress"]:
                progress_of(line.partition("progress")[2])  # it may be called in a loop
                return
            from .. import commands, context  # a report's imports stay off %load_ext's path, and off a labelled cell's

            page = commands.run(shlex.split(line), context.of_session(self.session))
        except (errors.CostMeterError, ValueError) as error:
            raise IPythonUsageError(str(error)) from None
        display(page)  # type: ignore[no-untyped-call]

    def _label(self, label: str) -> None:
        if not label:
            raise errors.UsageError("%%cost LABEL wants a label; for the session's cost, use %cost with one %")
        run = self.session.innermost()
        if run is not None:
            run.label = label
