"""The LaTeX fragment, really compiled by pdflatex: in one column and in two, whatever is in it."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from nasty import NASTY, document
from stated import golden_statement

from jupyter_costmeter import norms
from jupyter_costmeter.statement import Document, Grid
from jupyter_costmeter.statements.latex import Fit, LatexStatement, _cell, _fitted, _spec
from jupyter_costmeter.statements.tex import escaped

PAPER = r"""\documentclass%s{article}
\usepackage{booktabs,longtable}
\begin{document}
Before.
\input{statement}
After.
\end{document}
"""


def pdflatex() -> str:
    """Fails, and does not skip, where there is none: what does not compile is no LaTeX."""
    found = shutil.which("pdflatex")
    if found is None:
        pytest.fail(
            "no pdflatex on this machine: `./lab test` installs it as root, else: "
            "apt-get install texlive-latex-base texlive-latex-recommended"
        )
    return found


def compiled(made: Document, folder: Path, columns: str = "") -> str:
    """The log; fails where LaTeX stops."""
    out = io.StringIO()
    LatexStatement().write(out, made)
    (folder / "statement.tex").write_text(out.getvalue(), encoding="ascii")
    (folder / "paper.tex").write_text(PAPER % columns, encoding="ascii")
    ran = subprocess.run(
        [pdflatex(), "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"],
        cwd=folder, capture_output=True, encoding="utf-8", errors="replace", timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert (folder / "paper.pdf").stat().st_size > 1000
    return ran.stdout


@pytest.mark.parametrize("ranged", [False, True])
@pytest.mark.parametrize("columns", ["", "[twocolumn]"])
def test_all_norms_compile_and_no_line_is_too_long(columns: str, ranged: bool, tmp_path: Path) -> None:
    statement = replace(golden_statement(), **({"region_g": (250.0, 9590.0)} if ranged else {}))
    log = compiled(Document(statement, norms.forms(statement)), tmp_path, columns)
    assert "Missing character" not in log
    assert re.findall(r"Overfull \\hbox.*", log) == []


@pytest.mark.parametrize("start", range(0, len(NASTY), 12))
def test_nasty_texts_compile(start: int, tmp_path: Path) -> None:
    log = compiled(document(*NASTY[start : start + 12], trials=12), tmp_path)
    assert "Missing character" not in log
    assert "(/etc/passwd" not in log


def test_the_fragment_says_what_it_needs() -> None:
    out = io.StringIO()
    LatexStatement().write(out, Document(golden_statement(), ()))
    assert r"\usepackage{booktabs,longtable}" in out.getvalue().splitlines()[0]
    assert out.getvalue().startswith("%")
    assert out.getvalue().isascii()


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("CO₂", r"CO\textsubscript{2}"),
        ("m²", r"m\textsuperscript{2}"),
        ("±5 %", r"\ensuremath{\pm}5 \%"),
        ("µμ", r"\ensuremath{\mu}\ensuremath{\mu}"),
        ("é ñ ö ç ž", r"\'{e} \~{n} \"{o} \c{c} \v{z}"),
        ("ï", r"\"{\i}"),
        ("ß ł", r"\ss{} \l{}"),
        ("ﬁ", "fi"),
        ("中", r"{\ttfamily\textless{}U+4E2D\textgreater{}}"),
        ("\x07", r"{\ttfamily\textless{}U+0007\textgreater{}}"),
        ("😀", r"{\ttfamily\textless{}U+1F600\textgreater{}}"),
        ("a_b", r"a\_\allowbreak{}b"),
        ("a\n\nb", "a b"),
    ],
)
def test_what_a_character_becomes(text: str, made: str) -> None:
    assert escaped(text) == made


def test_a_word_that_is_wider_than_its_column_may_be_broken() -> None:
    assert _cell("interrupted", "a", 9.0, frozenset()) == r"\raggedright inte\allowbreak{}rrup\allowbreak{}ted"
    assert _cell("killed", "a", 9.0, frozenset("a")) == r"\raggedleft killed"
    assert _cell("WWWWWW", "a", 9.0, frozenset()).count("allowbreak") == 1  # as wide as twelve digits
    assert _cell("any thing", "a", None, frozenset()) == "any thing"


def test_the_columns_and_the_gaps_between_them_are_the_line() -> None:
    grid = Grid("", tuple("abcdefgh"), (tuple("word " * 20 for _ in range(8)),))
    spec = "".join(_spec(grid, _fitted(grid)))
    parts = [(float(a), float(b)) for a, b in re.findall(r"p\{\\dimexpr ([\d.]+)\\linewidth-([\d.]+)\\tabcolsep", spec)]
    assert len(parts) == 8
    assert sum(share for share, _ in parts) == pytest.approx(0.999, abs=1e-3)
    assert sum(gaps for _, gaps in parts) == pytest.approx(14, abs=0.05)


def test_wide_tables_are_set_smaller_and_folded() -> None:
    small = Grid("", ("a", "b"), (("1", "2"),))
    assert _fitted(small) == Fit("footnotesize", (None, None))
    wide = Grid("", tuple("abcdefgh"), (tuple("word " * 20 for _ in range(8)),))
    fit = _fitted(wide)
    assert fit.size == "footnotesize"
    assert sum(one or 0 for one in fit.widths) < 1
    many = Grid("", tuple(f"column{i}" for i in range(16)), (tuple(f"{i} " + "x" * 9 for i in range(16)),))
    assert _fitted(many).size == "tiny"
