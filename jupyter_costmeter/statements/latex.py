r"""LaTeX: a fragment for ``\input``, ASCII only, its tables by booktabs and longtable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from ..form_pages import CODE, TODO, Section
from ..statement import Document, Grid
from ..statement_pages import sections
from .tex import escaped
from .type_width import width

HEAD = r"""% A fragment: \input{...} it. In the preamble: \usepackage{booktabs,longtable}
% Any LaTeX compiles it (pdflatex, too). In a paper of two columns it takes pages of one column, as longtable needs it.
\begingroup
\makeatletter
\if@twocolumn\onecolumn\def\costmeterback{\twocolumn}\else\def\costmeterback{}\fi
\makeatother
\small\emergencystretch=3em\raggedbottom
"""
TAIL = r"""\costmeterback
\endgroup
"""
#: Sizes of type, each with the digits that its line holds: the first that a table fits into is its own.
SIZES = (("footnotesize", 79), ("scriptsize", 84), ("tiny", 99))
#: What stands between two columns, in digits: twice ``TABCOLSEP``.
GAP, TABCOLSEP = 1.7, ".4em"
#: A column's claim on the line ends here: longer texts have more lines. A longer word is broken, into such pieces.
CLAIM, WORD, PIECE = 100, 16, 8


@dataclass(frozen=True, slots=True)
class Fit:
    """The size of type, and of each column its part of ``room`` (``None``: as wide as it is).

    ``room`` is what the gaps leave of the line, in widths of a digit.
    """

    size: str
    widths: tuple[float | None, ...]
    room: float = 0.0


class LatexStatement:
    suffix = "tex"
    media_type = "application/x-tex"

    def write(self, out: IO[str], document: Document) -> None:
        out.write(HEAD)
        out.write(f"\\section*{{{escaped(document.statement.title)}}}\n")
        for section in sections(document):
            out.writelines(_section(section))
        out.write(TAIL)


def _section(section: Section) -> Iterator[str]:
    yield f"\\subsection*{{{escaped(section.title)}}}\n"
    if section.source:
        yield f"{_marked(f'Source: {section.source}')}\\par\n"
    for line in section.lines:
        yield f"{_marked(line)}\\par\n"
    for grid in section.grids:
        if grid.rows:
            yield from _table(grid)
    if section.todos:
        yield "\\paragraph{Left to you}\\begin{itemize}\n"
        yield from (f"\\item {_marked(f'{TODO} {todo}')}\n" for todo in section.todos)
        yield "\\end{itemize}\n"
    if section.text:
        yield "\\paragraph{To paste}\\leavevmode\\par\n"
        yield from (f"{_marked(line)}\\par\n" for line in section.text.splitlines() if line.strip())
    if section.code:
        yield from _code(section.code)


def _code(code: str) -> Iterator[str]:
    """Line by line, with its blanks; no verbatim, which a text could end."""
    yield "\\begin{flushleft}\\ttfamily\n"
    for line in code.splitlines():
        blanks = len(line) - len(line.lstrip(" "))
        yield f"\\mbox{{}}{'~' * blanks}{escaped(line)}\\\\\n"
    yield "\\end{flushleft}\n"


def _table(grid: Grid) -> Iterator[str]:
    fit = _fitted(grid)
    heads = _row(grid.columns, grid, fit)
    yield f"{{\\{fit.size}\\setlength{{\\tabcolsep}}{{{TABCOLSEP}}}\n"
    yield f"\\begin{{longtable}}{{@{{}}{''.join(_spec(grid, fit))}@{{}}}}\n"
    if grid.title:
        title = f"{{\\textbf{{{escaped(grid.title)}}}}}\\tabularnewline\n"
        yield f"\\multicolumn{{{len(grid.columns)}}}{{@{{}}l@{{}}}}{title}"
    yield f"\\toprule\n{heads}\\midrule\n\\endfirsthead\n\\toprule\n{heads}\\midrule\n\\endhead\n"
    yield "\\bottomrule\n\\endlastfoot\n"
    for row in grid.rows:
        yield _row(row, grid, fit)
    yield "\\end{longtable}}\n"


def _row(cells: Sequence[str], grid: Grid, fit: Fit) -> str:
    rooms = [None if share is None else share * fit.room for share in fit.widths]
    told = (_cell(*each, grid.right) for each in zip(cells, grid.columns, rooms, strict=True))
    return f"{' & '.join(told)}\\tabularnewline{'' if None in rooms else '[2pt]'}\n"


def _cell(text: str, column: str, room: float | None, right: frozenset[str]) -> str:
    """Folded cells are ragged: justified, narrow columns have holes."""
    if room is None:
        return _marked(text)
    words = (_marked(word) if width(word) <= room else _broken(word, room) for word in text.split())
    return f"\\{'raggedleft' if column in right else 'raggedright'} {' '.join(words)}"


def _broken(word: str, room: float) -> str:
    """A line may end in a word that is too long for a column."""
    piece = max(1, min(PIECE, int(room / 2.0)))
    return "\\allowbreak{}".join(_marked(word[i : i + piece]) for i in range(0, len(word), piece))


def _spec(grid: Grid, fit: Fit) -> Iterator[str]:
    """Of a folded column exactly its part of the line without the gaps, however long that is."""
    gaps = 2 * (len(grid.columns) - 1)
    for column, share in zip(grid.columns, fit.widths, strict=True):
        if share is None:
            yield "r" if column in grid.right else "l"
        else:
            yield f"p{{\\dimexpr {share:.4f}\\linewidth-{share * gaps:.4f}\\tabcolsep\\relax}}"


def _fitted(grid: Grid) -> Fit:
    columns = list(zip(grid.columns, *grid.rows, strict=True))
    gaps = GAP * (len(columns) - 1)
    if sum(max(map(width, column)) for column in columns) + gaps <= SIZES[0][1]:
        return Fit(SIZES[0][0], (None,) * len(columns))
    for whole in (True, False):  # numbers are folded only where they must be
        least = [_least(column, whole and column[0] in grid.right) for column in columns]
        size, line = next((one for one in SIZES if sum(least) + gaps <= one[1]), SIZES[-1])
        if sum(least) + gaps <= line:
            break
    room = max(line - gaps, 1.0)
    return Fit(size, tuple(_shares(columns, least, room)), room)


def _shares(columns: Sequence[Sequence[str]], least: Sequence[float], room: float) -> list[float]:
    """What each column gets: the least that it needs, and of the rest as much as its texts are longer."""
    wants = [min(CLAIM, max(map(width, column))) for column in columns]
    spare = max(0.0, room - sum(least))
    claims = sum(max(0.0, want - low) for low, want in zip(least, wants, strict=True))
    shares = [low + spare * max(0.0, want - low) / (claims or 1) for low, want in zip(least, wants, strict=True)]
    return [0.999 * share / max(room, sum(shares)) for share in shares]


def _least(column: Sequence[str], whole: bool) -> float:
    """Of its longest word; of a number's column the longest number, with its unit."""
    return min(WORD, max(width(part) for cell in column for part in ([cell] if whole else cell.split() or [""])))


def _marked(text: str) -> str:
    """``TODO`` stands out, and commands are code."""
    if "`" in text:
        parts = enumerate(CODE.split(text))
        return "".join(rf"\texttt{{{escaped(part)}}}" if i % 2 else _piece(part) for i, part in parts)
    return _bold(text)


def _bold(text: str) -> str:
    return escaped(text).replace(TODO, f"\\textbf{{{TODO}}}")


def _piece(text: str) -> str:
    """What stands beside code, with the blanks at its ends."""
    start, end = (" " if char.isspace() else "" for char in (text[:1], text[-1:]))
    made = _bold(text)
    return f"{start}{made}{end}" if made else start
