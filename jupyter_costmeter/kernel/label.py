"""``%%cost LABEL``: a label for a cell that otherwise runs just as it is.

A cell magic that executed its body would lose top-level ``await``, the last expression's
display and the error that stops "Run All". So the first line alone becomes a call that sets
the label, and the rest stays the user's, on its own lines.
"""

from __future__ import annotations

from IPython.core.inputtransformer2 import cell_magic


def take_label(lines: list[str]) -> list[str]:
    """An IPython input transformer: pure, since IPython may call it more than once for a cell."""
    if not lines or not (lines[0].startswith("%%cost") and lines[0][6:7] in ("", " ", "\t", "\n")):
        return lines
    label = lines[0][6:].strip()
    body = lines[1:]
    if body and body[0].startswith("%%"):  # another cell magic below ours
        body = cell_magic(body)  # type: ignore[no-untyped-call]
    return [f"get_ipython().run_line_magic('cost', {'label ' + label!r})\n", *body]
