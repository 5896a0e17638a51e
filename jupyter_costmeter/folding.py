"""Texts so that all spellings of one name read alike, and where each sign of them stood; pure.

Unicode writes one letter in several ways (composed and decomposed: NFC, NFD; a ligature or a full-width letter: NFKC,
NFKD), in either case, and URLs, HTML, JSON and LaTeX write signs in their own. A folded text has them all in one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from unicodedata import combining, normalize

#: Signs that are written otherwise: in URLs, HTML, JSON and LaTeX.
ESCAPED = re.compile(
    r"(?P<url>(?:%[0-9a-fA-F]{2})+)|(?P<html>&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]\w{1,30});)"
    r"|(?P<json>(?:\\u[0-9a-fA-F]{4})+)|(?P<latex>\\[_&%$#{}\"])"
)
#: What is no letter and stands between letters unseen.
UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")


@lru_cache(maxsize=4096)
def letters(text: str) -> str:
    """In one form, whatever the case: ``ﬁ``, ``FI`` and ``fi`` are the same."""
    for _ in range(2):  # folding may bring forth what has another form
        text = normalize("NFKD", normalize("NFKD", text).upper().casefold())
    return text


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text; ``starts`` and ``ends`` say of each sign where it stood, and are empty where it is the same."""

    text: str
    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a part of it stood, the marks on its last letter included."""
        return (self.starts[start], self.ends[end - 1]) if self.starts else (start, end)


def folded(text: str) -> Folded:
    """The text in one spelling."""
    if text.isascii() and not any(sign in text for sign in "%&\\"):
        return Folded(text.lower())
    signs, starts, ends = list[str](), list[int](), list[int]()
    for cluster, start, end in _clusters(text):
        found = letters(cluster)
        signs.append(found)
        starts += [start] * len(found)
        ends += [end] * len(found)
    return Folded("".join(signs), tuple(starts), tuple(ends))


def plain(name: str) -> str:
    """A name as it is in folded texts."""
    return folded(name).text


def _clusters(text: str) -> Iterator[tuple[str, int, int]]:
    """Letters with the marks on them, whose order does not matter."""
    cluster, begun, ended = "", 0, 0
    for sign, start, end in _signs(text):
        if not sign or UNSEEN.match(sign):
            continue
        if cluster and not combining(sign[0]):
            yield cluster, begun, ended
            cluster = ""
        begun = begun if cluster else start
        cluster, ended = cluster + sign, end
    if cluster:
        yield cluster, begun, ended


def _signs(text: str) -> Iterator[tuple[str, int, int]]:
    """Each with where it stands."""
    at = 0
    for match in ESCAPED.finditer(text):
        yield from ((text[i], i, i + 1) for i in range(at, match.start()))
        yield from _unescaped(match)
        at = match.end()
    yield from ((text[i], i, i + 1) for i in range(at, len(text)))


def _unescaped(match: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    start, end, written = match.start(), match.end(), match.group()
    if match.lastgroup == "url":
        found = [(sign, 3 * len(sign.encode())) for sign in _decoded(bytes.fromhex(written.replace("%", "")), "utf-8")]
    elif match.lastgroup == "json":
        units = bytes.fromhex(written.replace("\\u", ""))
        found = [(sign, 6 * (len(sign.encode("utf-16-be")) // 2)) for sign in _decoded(units, "utf-16-be")]
    else:
        sign = written[1:] if match.lastgroup == "latex" else html.unescape(written)
        found = [(sign, end - start)]
    if not found:
        found = [(one, 1) for one in written]
    for sign, width in found:
        yield sign, start, start + width
        start += width


def _decoded(coded: bytes, how: str) -> str:
    try:
        return coded.decode(how)
    except UnicodeDecodeError:
        return ""
