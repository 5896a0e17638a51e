"""``%cost``: the commands of ``commands.py`` in a notebook cell."""

from __future__ import annotations

import dataclasses
import re
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError as IPythonUsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.display import display

from .. import errors, guard
from ..progressing import progress_of
from ..session import Session
from .live import Live

if TYPE_CHECKING:
    from ..record import CellRecord
    from .widget import Panel

#: Where there can be no panel.
BARE = "The panel needs ipywidgets, which cannot be loaded here (pip install ipywidgets), so this is the summary."
BROKEN = "The panel cannot be shown, so this is the summary; %cost doctor says why."
#: What is in quotes, or what a line ends with after a "#" that stands by itself.
_COMMENT = re.compile(r"""'[^']*'|"[^"]*"|(?P<comment>(?:^|\s)\s*#(?:\s.*)?$)""")


@magics_class
class CostMagics(Magics):
    """``%cost``, ``%cost last``, ``%cost cells``, …"""

    def __init__(self, shell: Any, session: Session, live: Live) -> None:
        super().__init__(shell)
        self.session, self._live = session, live
        self._widget: Panel | None = None

    @line_cell_magic
    def cost(self, line: str, cell: str | None = None) -> None:
        """What this session's cells cost so far; ``%cost help`` lists the words.

        ``%%cost LABEL`` in a cell's first line labels the cell, ``%%cost tag=hpo method=ours`` tags it.
        """
        if cell is not None:  # pragma: no cover - the input transformer has taken the cell's form
            raise IPythonUsageError("%%cost LABEL belongs in the first line of a cell")
        line = _said(line.strip())
        word, _, rest = line.partition(" ")
        own: dict[str, Callable[[str], bool | None]]
        own = {"label": self._label, "tag": self._tag, "score": self._score, "progress": progress_of}
        own["panel"] = self._panel
        quick = own.get(word)
        try:
            if quick is None or quick(rest.strip()) is False:
                self._answer(shlex.split(line))
        except (errors.CostMeterError, ValueError) as error:
            raise IPythonUsageError(str(error)) from None

    def _answer(self, words: list[str]) -> None:
        """A report's imports stay off %load_ext's path, and off those of cells that are labelled or tagged."""
        from .. import commands, context

        known = dataclasses.replace(context.of_session(self.session), asks_only=self._asks_only)
        display(commands.run(words, known))  # type: ignore[no-untyped-call]

    def _asks_only(self, record: CellRecord) -> bool:
        """Whether a cell of this session ran nothing but words of ours, by IPython's own history."""
        from .. import holding
        from ..context import asked_only

        shell: Any = self.shell
        typed, number = shell.history_manager.input_hist_raw, record.execution_count or 0
        own = record.session_id == self.session.info.id and record.parent_id is None
        return asked_only(record) or (own and 0 < number < len(typed) and holding.ours(typed[number]))

    def _panel(self, rest: str) -> bool:
        """The panel, or the summary where it cannot be; whether that was all that was asked, and this is a notebook."""
        if rest or getattr(self.shell, "kernel", None) is None:
            return False
        if not self._shown():
            self._answer(["summary"])
            _print(BROKEN if sys.modules.get("ipywidgets") else BARE)
        return True

    @guard.guarded("the panel")
    def _shown(self) -> bool:
        """Show the one panel of this kernel, in a further output if there is one."""
        from .widget import Panel

        if self._widget is None or self._widget.closed:
            self._widget = Panel(self.shell, self.session, self._live)
        self._widget.show()
        return True

    def stop(self) -> None:
        """The meter is unloaded."""
        if self._widget is not None:
            self._widget.stop()

    def _label(self, label: str) -> None:
        """As it stands: "don't stop" is a label, too."""
        if not label:
            raise errors.UsageError("%%cost LABEL wants a label; for the session's cost, use %cost with one %")
        run = self.session.innermost()
        if run is not None:
            run.label = label

    def _tag(self, rest: str) -> bool:
        """What the cell that runs is, or all from it on; whether that was all that was asked."""
        words = shlex.split(rest)
        if words == ["--off"]:
            return self._off()
        alone = words[:1] == ["--cell"]
        if not words or any(word.startswith("-") for word in words[alone:]):
            return False
        from .. import spans, tagging

        said = tagging.said_of(words[alone:])
        if alone:
            spans.of_cell(self.session, said)
        else:
            _print(spans.begin(self.session, said))
        return True

    def _off(self) -> bool:
        from .. import spans

        _print(spans.end(self.session))
        return True

    def _score(self, rest: str) -> bool:
        """A score of what runs; whether that was all that was asked."""
        words = shlex.split(rest)
        if not words or any(word.startswith("-") for word in words):
            return False
        from .. import spans, tagging

        for key, value in tagging.scores_of(words).items():
            spans.score(self.session, key, value)
        return True


def _print(text: str) -> None:
    """A page would load what shows tables."""
    sys.stdout.write(f"{text}\n")


def _said(line: str) -> str:
    """Without a comment at its end, as in Python; a label is as it stands."""
    if line.startswith("label "):
        return line
    comment = next((one for one in _COMMENT.finditer(line) if one["comment"]), None)
    return line[: comment.start()] if comment else line
