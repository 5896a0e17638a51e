"""Names and paths out of texts: which spellings a name has, and how they are found, pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from unicodedata import normalize

from . import leads
from .folding import folded, plain
from .leads import PATH, PIECE, SPACED
from .tag import CATEGORIES
from .toml_files import NAME

#: A word that stands in anybody's text identifies nobody, and taking it out would spoil the text.
COMMON = frozenset(
    (
        *CATEGORIES, "a", "admin", "am", "amount", "an", "as", "at", "baseline", "batch", "be", "busy", "by", "carbon",
        "cell", "cells", "cluster", "code", "compute", "cost", "costs", "cpu", "data", "debug", "default", "demo",
        "desktop", "do", "docker", "docs", "energy", "error", "eval", "example", "examples", "experiment",
        "experiments", "figure", "figures", "final", "flop", "flops", "for", "gb", "go", "gpu", "gpus", "guest", "home",
        "host", "hour", "hours", "i", "idle", "if", "in", "is", "it", "jovyan", "jupyter", "kernel", "kg", "kwh", "lab",
        "laptop", "local", "localhost", "long", "machine", "main", "measured", "memory", "method", "methods", "model",
        "models", "my", "name", "no", "nobody", "node", "none", "notebook", "notebooks", "nvidia", "of", "ok", "on",
        "or", "our", "ours", "paper", "partition", "path", "per", "person", "plot", "plots", "price", "project",
        "python", "region", "result", "results", "root", "run", "runner", "runs", "score", "scores", "server", "short",
        "so", "source", "src", "student", "task", "test", "tests", "the", "time", "to", "total", "training", "trial",
        "trials", "ubuntu", "unknown", "untitled", "up", "us", "user", "we", "wh", "work", "workspace", "world", "yes",
    )
)  # fmt: skip
#: Shorter names are looked for as they are written: "FR" is no user "fr".
SHORT = 3
OUR_FILE = re.compile(rf"{re.escape(NAME)}(?::\d+)?$")
#: Blanks and slashes are written in several ways, in URLs and in JSON.
LOOSE = {" ": r"[\s+]+", "/": r"[/\\]+"}


@dataclass(frozen=True, slots=True)
class Spellings:
    """How a name may be written: ``paths`` as they are, ``words`` anywhere, ``bare`` ones only in an author's text."""

    paths: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()


def variants(what: str, name: str) -> Spellings:
    """The spellings of a host, a user, a partition, or of a notebook's or project's path."""
    if what in ("notebook", "project"):
        path = PureWindowsPath(name) if "\\" in name else PurePosixPath(name)
        folders = tuple(str(one) for one in path.parents if len(one.parts) > 1)
        whole = (path.name,) if path.suffix else ()
        return Spellings((name,), folders, whole, (*dict.fromkeys((path.name, path.stem)),))
    words = {"machine": _of_host, "person": _of_user}.get(what, _itself)(name)
    return Spellings(words=tuple(words))


def home_of(path: str) -> str | None:
    """Whose home folder a path is in."""
    found = re.search(r"(?i)(?:^|[/\\])(?:home|users|documents and settings)[/\\]+([^/\\]+)(?:[/\\]|$)", path)
    return found.group(1) if found else None


def _itself(name: str) -> list[str]:
    return [name]


def _of_host(name: str) -> list[str]:
    """``gpu3.cs.uni.edu``, ``gpu3``, ``cs.uni.edu``, ``uni.edu``."""
    parts = name.split(".")
    if all(part.isdigit() for part in parts):  # an address
        return [name]
    return [name, parts[0], *(".".join(parts[i:]) for i in range(1, len(parts) - 1))]


def _of_user(name: str) -> list[str]:
    """``ada.lovelace``, and ``lovelace``."""
    return [name, *(part for part in re.split(r"[^\w]|_", name) if len(part) > SHORT)]


def _key(name: str) -> str:
    """A name as it is in folded texts, with blanks and slashes of one kind."""
    return re.sub(r"[/\\]+", "/", re.sub(r"[\s+]+", " ", plain(name)))


class Scrubber:
    """Finds the names that it was told of in all their spellings, and what leads to somebody without naming them."""

    def __init__(self) -> None:
        self._paths: dict[str, str] = {}
        self._folders: set[str] = set()
        self._words: dict[str, str] = {}
        self._bare: dict[str, str] = {}
        self._short: set[str] = set()
        self._devices: dict[str, str] = {}
        self._made: tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]] | None = None

    def add(self, spellings: Spellings, alias: str) -> None:
        """One more name, and what stands for it; of two that read alike the first counts."""
        words, bare = _telling(spellings.words), _telling(spellings.bare)
        for known, found in ((self._paths, spellings.paths), (self._words, words), (self._bare, bare)):
            for name in found:
                known.setdefault(_key(name), alias)
        self._short.update(normalize("NFKC", word) for word in (*words, *bare))
        self._folders.update(map(_key, spellings.folders))
        self._made = None

    def clean(self, text: str, bare: bool = False) -> str:
        """The text without them; ``bare`` looks for the bare names of files, too."""
        paths, words, all_words = self._patterns()
        text = _replaced(leads.without_links(text), paths, self._path)
        text = leads.ANY_PATH.sub(lambda match: self._path(match, match.group()), text)
        text = leads.DEVICE.sub(self._device, leads.E_MAIL.sub("[e-mail]", text))
        return leads.without_addresses(_replaced(text, all_words if bare else words, self._word, "name"))

    def _patterns(self) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
        if self._made is None:
            self._made = (
                re.compile(_inside({*self._paths, *self._folders})),
                re.compile(_whole_words(self._words)),
                re.compile(_whole_words({**self._bare, **self._words})),
            )
        return self._made

    def _path(self, match: re.Match[str], _: str) -> str:
        found = match.group().removeprefix("file://")
        path = found.rstrip(".")
        ours = OUR_FILE.search(path)
        return (self._paths.get(_key(path)) or (ours.group() if ours else PATH)) + found[len(path) :]

    def _device(self, match: re.Match[str]) -> str:
        kind = match.group(1).upper()
        return self._devices.setdefault(match.group().lower(), f"{kind}-{len(self._devices) + 1}")

    def _word(self, match: re.Match[str], written: str) -> str:
        key = _key(match.group("name"))
        if len(key) < SHORT and normalize("NFKC", written) not in self._short:
            return written
        alias = self._words.get(key) or self._bare[key]
        return _again(match, alias)


def _again(match: re.Match[str], alias: str) -> str:
    """What stands for a name, without its first word where that stands before it already."""
    before = (match.group("before") or "").strip()
    return alias.removeprefix(before).lstrip() if before and alias.startswith(f"{before} ") else alias


def _replaced(
    text: str, pattern: re.Pattern[str], how: Callable[[re.Match[str], str], str], group: int | str = 0
) -> str:
    """Whatever the pattern finds in the folded text, replaced in the text itself."""
    low, made, at = folded(text), list[str](), 0
    for match in pattern.finditer(low.text):
        start, end = low.span(*match.span(group))
        if start >= at and end > start:
            made += (text[at:start], how(match, text[start:end]))
            at = end
    return "".join([*made, text[at:]]) if made else text


def _inside(folders: Iterable[str]) -> str:
    """These paths, and what lies in them."""
    tail = rf"(?:[/\\]+(?:{SPACED}|{PIECE}+(?:[/\\]+{PIECE}+)*))?"
    known = _any(folders)
    return rf"(?:file://)?(?:{known}){tail}(?!\w)" if known else r"(?!)"


def _telling(words: Iterable[str]) -> list[str]:
    """Those that say whose it is."""
    return [word for word in words if word.strip() and not _is_common(plain(word))]


def _is_common(word: str) -> bool:
    return word in COMMON or (word.isascii() and (len(word) == 1 or (word.isdigit() and len(word) < SHORT)))


def _any(words: Iterable[str]) -> str:
    """The longest first: a name may hold another."""
    return "|".join(_loose(word) for word in sorted(words, key=len, reverse=True) if word)


def _loose(word: str) -> str:
    return "".join(LOOSE.get(sign) or re.escape(sign) for sign in word)


def _whole_words(words: Iterable[str]) -> str:
    """Whole words, with a word of ours before its number."""
    names = _any(words)
    before = r"(?P<before>\b(?:notebook|project|machine|person|partition)\s+)?"
    return rf"{before}(?<![^\W_])(?P<name>{names})(?![^\W_])" if names else r"(?!)(?P<before>)(?P<name>)"
