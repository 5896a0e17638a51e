"""Texts in Markdown that read as they are, whatever they hold: no markup, no link, no HTML."""

from __future__ import annotations

import re
from functools import lru_cache

from .tables import printable

#: Markup anywhere in a line; ``$`` is mathematics in some, ``{`` a template's.
MARKS = re.compile(r"([\\`*_{}\[\]<>|~&$^@])")
#: Markup at the beginning of a line: headings, lists, quotes, code, rules.
START = re.compile(r"^(\s*)([-+#=>:]|\d+(?=[.)](?:\s|$)))")
#: What some make a link of.
LINK = re.compile(r"(:)(?=//)|(?<=www)(\.)", re.IGNORECASE)


@lru_cache(maxsize=4096)  # a long export says the same of many records
def escaped(text: str) -> str:
    """A text on one line."""
    line = MARKS.sub(r"\\\1", printable(" ".join(text.split())))
    return START.sub(_started, LINK.sub(r"\\\g<0>", line))


def _started(match: re.Match[str]) -> str:
    """A number at the beginning is one of a list only with its point."""
    mark = match.group(2)
    return match.group(0) + "\\" if mark.isdigit() else f"{match.group(1)}\\{mark}"
