"""A JSON file read piece by piece, however it was formatted: its top level's values, of one list each element."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any, NoReturn

#: Characters that are read at a time; an element of the list may have so many times more before it is given up.
CHUNK, MOST = 1 << 18, 64
SPACE = " \t\n\r"
#: What of a number that goes on may stand at the end of what was read: ``0.``, ``1e+``.
TAIL = ".eE+-"


class NotJson(ValueError):
    """The text is no JSON, or ends in its midst; says where."""


def pieces(file: IO[str], apart: str) -> Iterator[tuple[str, Any]]:
    """The keys and values of the object that a file holds, in their order.

    Args:
        file: its text.
        apart: the key of a list of which each element is given with that key: it may be longer than the memory.

    Raises:
        NotJson: it holds no object, or something in it is wrong; a key that stands twice is.
    """
    text, seen = _Text(file), set()
    if not text.next():
        raise NotJson("the file is empty")
    text.take("{", "this is no JSON object")
    while text.next() != "}":
        key = text.value()
        if not isinstance(key, str) or key in seen:
            text.fail(f"the key {key!r} stands twice" if isinstance(key, str) else f"{key!r} is no key")
        seen.add(key)
        text.take(":", "a colon is missing")
        if key == apart and text.next() == "[":
            yield from ((key, element) for element in _elements(text))
        else:
            yield key, text.value()
        text.comma("}")
    text.take("}", "")
    if text.next():
        text.fail("there is more after its end")


def _elements(text: _Text) -> Iterator[Any]:
    text.take("[", "")
    while text.next() != "]":
        yield text.value(CHUNK * MOST)
        text.comma("]")
    text.take("]", "")


class _Text:
    """The part of a file's text that is not used up yet."""

    def __init__(self, file: IO[str]) -> None:
        self._file, self._rest, self._at, self._before, self._ended = file, "", 0, 0, False
        decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
        self._decode = decoder.raw_decode

    def _more(self, count: int = 0) -> bool:
        """Whether there was more to read."""
        read = "" if self._ended else self._file.read(count or CHUNK)
        self._ended = not read
        self._before += self._at
        self._rest, self._at = self._rest[self._at :] + read, 0
        return bool(read)

    def next(self) -> str:
        """The next character that is no space; none at the end."""
        while True:
            while self._at < len(self._rest):
                if self._rest[self._at] not in SPACE:
                    return self._rest[self._at]
                self._at += 1
            if not self._more():
                return ""

    def take(self, char: str, unless: str) -> None:
        found = self.next()
        if found != char:
            self.fail(unless if found else "it ends too early")
        self._at += 1

    def comma(self, end: str) -> None:
        """A comma, unless that is the end."""
        if self.next() != end:
            self.take(",", "a comma is missing")
            if self.next() == end:
                self.fail(f"after a comma there is {end!r}")

    def value(self, most: int | None = None) -> Any:
        """The next value, of not more than so many characters."""
        self.next()
        count = CHUNK
        while True:
            try:
                found, end = self._decode(self._rest, self._at)
            except (json.JSONDecodeError, RecursionError) as error:
                if most and len(self._rest) > most:
                    self.fail(f"it is wrong here, or longer than {most:,} characters")
                if not self._more(count):
                    self._wrong(error)
                count *= 2
                continue
            except ValueError as error:
                self.fail(str(error))
            length = end - self._at
            if self._rest[end : end + len(TAIL)].strip(TAIL) or not self._more():  # a number may go on
                self._at += length
                return found

    def _wrong(self, error: json.JSONDecodeError | RecursionError) -> NoReturn:
        at_end = isinstance(error, json.JSONDecodeError) and (
            "Unterminated" in error.msg or error.pos >= len(self._rest)
        )
        self.fail("it ends too early" if at_end else "it is nested too deep" if isinstance(error, RecursionError)
                  else error.msg)  # fmt: skip

    def fail(self, why: str) -> NoReturn:
        raise NotJson(f"{why} (at character {self._before + self._at + 1:,})")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which each key stands once: of two with the same name readers take different ones."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a key twice")
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")
