"""``%%cost LABEL`` and ``%%cost tag=hpo method=ours``: what a cell is, that otherwise runs just as it is.

A cell magic that executed its body would lose top-level ``await``, the last expression's
display and the error that stops "Run All". So the first line alone becomes calls that set
the label and say what the cell is, and the rest stays the user's, on its own lines.
"""

from __future__ import annotations

import re

from IPython.core.inputtransformer2 import cell_magic

#: With the first of these words the tags begin; a label may stand before them.
_TAGS = re.compile(r"(?:^|(?<=\s))(?:tag|category|method|run|in_paper)=")


def take_label(lines: list[str]) -> list[str]:
    """An IPython input transformer: pure, since IPython may call it more than once for a cell."""
    if not lines or not (lines[0].startswith("%%cost") and lines[0][6:7] in ("", " ", "\t", "\n")):
        return lines
    body = lines[1:]
    if body and body[0].startswith("%%"):  # another cell magic below ours
        body = cell_magic(body)  # type: ignore[no-untyped-call]
    calls = [f"get_ipython().run_line_magic('cost', {words!r})" for words in _words(lines[0][6:].strip())]
    return ["; ".join(calls) + "\n", *body]


def _words(first: str) -> list[str]:
    """What the first line says, as words of ``%cost``."""
    tags = _TAGS.search(first)
    if tags is None:
        return [f"label {first}"]
    label, said = first[: tags.start()].strip(), first[tags.start() :]
    return [*([f"label {label}"] if label else []), f"tag --cell {said}"]
