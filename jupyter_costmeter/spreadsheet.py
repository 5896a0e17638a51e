"""What a cell of a table may hold so that no spreadsheet runs it (OWASP: CSV injection)."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

#: What a spreadsheet takes for the beginning of a formula; tabs and line ends may hide one.
FORMULA = tuple("=+-@\t\r\n")


#: Where a spreadsheet that separates by ";" (many locales') begins a new cell, quotes or not, and a formula follows.
INSIDE = re.compile("([;\t\r\n])(?=[\"'\\s\u200b-\u200f\u2060\ufeff]*[=+\\-@＝＋－＠﹢﹣﹦﹫⁺₊⁻₋⁼₌])")


def harmless(value: Any) -> Any:
    """A text that begins like a formula gets an apostrophe before it; all else stays as it is.

    Spaces and what cannot be seen before the sign are looked through, and a wide ``＝`` is an ``=``, as some
    spreadsheets see them.
    """
    return _harmless(value) if isinstance(value, str) else value


@lru_cache(maxsize=4096)  # a long export says the same of each record
def _harmless(value: str) -> str:
    blanks = value[: len(value) - len(value.lstrip())]
    text = blanks + INSIDE.sub(r"\1'", value[len(blanks) :])
    return f"'{text}" if value.startswith(FORMULA) or _begins(value) in FORMULA else text


def _begins(value: str) -> str:
    """The first character that counts."""
    seen = next((c for c in value if c.isprintable() and not c.isspace()), " ")
    return unicodedata.normalize("NFKC", seen)[:1]
