"""``%cost plot`` in a real kernel, in the notebook that is exported of it, and in a shell."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import nbformat
from kernels import Kernel
from nbconvert import HTMLExporter  # type: ignore[attr-defined]
from shell import costmeter, said


def shown(kernel: Kernel, code: str) -> dict[str, Any]:
    """What a cell displays, by media type."""
    found: list[dict[str, Any]] = []

    def note(message: dict[str, Any]) -> None:
        if "text/html" in message["content"].get("data", {}):
            found.append(message["content"]["data"])

    kernel.client.execute_interactive(code, timeout=60, output_hook=note)
    return found[0]


def exported(data: dict[str, Any]) -> str:
    """A notebook with that output as a page of HTML."""
    output = nbformat.v4.new_output("display_data", data)  # type: ignore[no-untyped-call]
    cell = nbformat.v4.new_code_cell("%cost plot", outputs=[output])  # type: ignore[no-untyped-call]
    body: str
    body, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))  # type: ignore[no-untyped-call]
    return body


def test_of_a_session_and_exported(kernel: Kernel, home: Path) -> None:
    kernel.run("sum(range(10**7))")
    kernel.run("%%cost trained\n1 / 0")
    data = shown(kernel, "%cost plot")
    words = r"2 runs of cells took .*, 1 of them failed"
    assert re.search(words, data["text/plain"])
    assert "Highest mean power: CPU ~" in data["text/plain"]
    assert "embed_item" in data["text/html"]
    page = exported(data)
    assert re.search(words, page)
    (encoded,) = re.findall(r'<img alt="[^"]*power over time"[^>]*base64,([^"]+)"', page)
    picture = base64.b64decode(encoded).decode()
    assert "mean power, " in picture
    assert ">cells</text>" in picture
    last = shown(kernel, "%cost plot --last 1")["text/plain"]
    assert re.search("[12] runs? of cells took", last)
    assert "took" in shown(kernel, "%cost plot --notebook")["text/plain"]


def test_a_shell_writes_the_same(kernel: Kernel, home: Path) -> None:
    kernel.run("sum(range(10**7))")
    kernel.flush()
    assert "1 run of cells took" in said(costmeter("plot", "--all", cwd=home))
    assert "Wrote" in said(costmeter("plot", "found.html", "--all", cwd=home))
    made = (home / "found.html").read_text()
    assert "1 run of cells took" in made
    assert "Bokeh" in made
