"""Names and paths out of texts: which spellings a name has, and how they are found, pure."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import quote, quote_plus

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
#: A folder's end, or more of the path: what a path in running text may hold.
PIECE = r"[^\s/\\\"'`<>|,;:()\[\]{}*?]"
#: With blanks in it a path is only known by its end.
SPACED = (
    r"(?:[^\n/\\\"'`<>|,;:()\[\]{}*?]+[/\\])*[^\n/\\\"'`<>|,;:()\[\]{}*?]*?\.(?:toml|ipynb|pyc?|json|csv|sqlite|db)\b"
)
ROOT = r"(?:file://+|(?<![\w/.~])(?:~\w*|\.\.?)?/(?![/\s])|(?<!\w)[A-Za-z]:[\\/](?![/\s])|\\\\(?=\w))"
ANY_PATH = re.compile(rf"{ROOT}(?:{SPACED}|{PIECE}+(?:[/\\]+{PIECE}+)+[/\\]?)")
OUR_FILE = re.compile(rf"{re.escape(NAME)}(?::\d+)?$")
E_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
DEVICE = re.compile(r"\b(GPU|MIG)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
PATH = "[path]"


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
    found = re.match(r"(?:/home|/Users|[A-Za-z]:[\\/]Users)[\\/]([^/\\]+)[\\/]", path)
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


def _written(word: str) -> Iterator[str]:
    """As it is, and as it stands in a URL, in HTML and in LaTeX."""
    yield from (word, quote(word), quote_plus(word), html.escape(word), re.sub(r"([_&%$#{}])", r"\\\1", word))


class Scrubber:
    """Finds the names that it was told of, and what looks like a path."""

    def __init__(self) -> None:
        self._paths: dict[str, str] = {}
        self._folders: set[str] = set()
        self._words: dict[str, str] = {}
        self._bare: dict[str, str] = {}
        self._aliases: dict[str, str] = {}
        self._devices: dict[str, str] = {}
        self._made: tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]] | None = None

    def add(self, spellings: Spellings, alias: str) -> None:
        """One more name, and what stands for it; of two that read alike the first counts."""
        words, bare = _telling(spellings.words), _telling(spellings.bare)
        for known, found in ((self._paths, spellings.paths), (self._words, words), (self._bare, bare)):
            for written in (one for word in found for one in _written(word)):
                known.setdefault(written, alias)
                self._aliases.setdefault(written.lower(), alias)
        self._folders.update(one for folder in spellings.folders for one in _written(folder))
        self._made = None

    def clean(self, text: str, bare: bool = False) -> str:
        """The text without them; ``bare`` looks for the bare names of files, too."""
        paths, words, all_words = self._patterns()
        text = ANY_PATH.sub(self._path, paths.sub(self._path, text))
        text = DEVICE.sub(self._device, E_MAIL.sub("[e-mail]", text))
        return (all_words if bare else words).sub(self._word, text)

    def _patterns(self) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
        if self._made is None:
            self._made = (
                re.compile(_inside({*self._paths, *self._folders})),
                re.compile(_whole_words(self._words)),
                re.compile(_whole_words({**self._bare, **self._words})),
            )
        return self._made

    def _path(self, match: re.Match[str]) -> str:
        found = match.group().removeprefix("file://")
        path = found.rstrip(".")
        ours = OUR_FILE.search(path)
        return (self._paths.get(path) or (ours.group() if ours else PATH)) + found[len(path) :]

    def _device(self, match: re.Match[str]) -> str:
        kind = match.group(1).upper()
        return self._devices.setdefault(match.group().lower(), f"{kind}-{len(self._devices) + 1}")

    def _word(self, match: re.Match[str]) -> str:
        before, alias = match.group("before") or "", self._aliases[match.group("name").lower()]
        return alias if before and alias.startswith(before.strip()) else before + alias


def _inside(folders: Collection[str]) -> str:
    """These paths, and what lies in them."""
    tail = rf"(?:[/\\]+(?:{SPACED}|{PIECE}+(?:[/\\]+{PIECE}+)*))?"
    return rf"(?:file://)?(?:{_any(folders)}){tail}(?!\w)" if folders else r"(?!)"


def _telling(words: Iterable[str]) -> list[str]:
    return [word for word in words if word and word.lower() not in COMMON]


def _any(words: Iterable[str]) -> str:
    """The longest first: a name may hold another."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def _whole_words(words: Iterable[str]) -> str:
    """Whole words, in either case but for short ones; a word of ours before its number is not said twice."""
    spelled = {written: None for word in words for written in _written(word)}
    long = _any(word for word in spelled if len(word) >= SHORT)
    short = _any(word for word in spelled if len(word) < SHORT)
    names = "|".join(filter(None, [f"(?i:{long})" if long else "", short]))
    before = r"(?P<before>\b(?:notebook|project|machine|person|partition)\s+)?"
    return rf"{before}(?<![^\W_])(?P<name>{names})(?![^\W_])" if names else r"(?!)(?P<before>)(?P<name>)"
