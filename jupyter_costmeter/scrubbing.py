"""Names and paths out of texts: which spellings a name has, and how they are found, pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from unicodedata import normalize

from . import leads
from .folding import folded, plain
from .leads import PIECE, SPACED
from .tag import CATEGORIES
from .toml_files import NAME

#: A word that stands in anybody's text identifies nobody, and taking it out would spoil the text.
COMMON = frozenset(
    (
        *CATEGORIES,
        "a", "admin", "am", "amount", "an", "as", "at", "average", "baseline", "batch", "bayes", "bayesian", "be",
        "busy", "by", "carbon", "cell", "cells", "cluster", "code", "compute", "cost", "costs", "cpu", "cpus", "data",
        "debug", "default", "demo", "desktop", "direct", "do", "docker", "docs", "e-mail", "energy", "error", "eur",
        "eval", "example", "examples", "experiment", "experiments", "figure", "figures", "final", "flop", "flops",
        "folder", "for", "gb", "gbp", "gpu", "gpus", "gram", "grams", "grid", "guest", "home", "host", "hour",
        "hours", "i", "idle", "if", "in", "in_paper", "is", "it", "jovyan", "jpy", "jupyter", "kernel", "kg", "kwh",
        "lab", "laptop", "lifecycle", "link", "links", "local", "localhost", "long", "machine", "main", "manual",
        "marginal", "measured", "memory", "method", "methods", "modelled", "model", "models", "my", "name", "no",
        "nobody", "node", "none", "not", "notebook", "notebooks", "nvidia", "of", "ok", "on", "or", "our", "ours",
        "paper", "param", "partition", "path", "per", "person", "plot", "plots", "price", "project", "pue", "python",
        "qmc", "ram", "random", "random_seed", "random_state", "region", "result", "results", "rng", "rng_seed",
        "root", "run", "runner", "runs", "sampler", "score", "scores", "search", "search_algorithm", "search_method",
        "search_strategy", "search_type", "seed", "server", "short", "so", "source", "src", "stated", "state",
        "strategy", "student", "task", "test", "tests", "the", "time", "to", "total", "tpe", "training", "trial",
        "trials", "tuner", "ubuntu", "unknown", "untitled", "up", "us", "usd", "user", "water", "we", "wh", "work",
        "workspace", "world", "yes",
    )
)  # fmt: skip
#: Parts of a host's name that are no organisation's.
GENERIC = frozenset({
    "amazonaws", "cloud", "com", "corp", "edu", "gov", "hpc", "internal", "intranet", "lan", "net", "org", "svc", "www",
})  # fmt: skip
#: Shorter names are looked for as they are written: "FR" is no user "fr".
SHORT = 3
OUR_FILE = re.compile(rf"{re.escape(NAME)}(?::\d+)?$")
#: Blanks and slashes are written in several ways, in URLs and in JSON.
LOOSE = {" ": r"[\s+]+", "/": r"[/\\]+"}
#: What stands between words of a name, and is written in any of these ways, or not at all, in an author's text.
BETWEEN = re.compile(r"(?<=[^\s+_-])[\s+_-]+(?=[^\s+_-])")


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
    if what == "machine":
        return Spellings(words=tuple(_of_host(name)), bare=tuple(_organisations(name)))
    return _of_user(name) if what == "person" else Spellings(words=(name,))


def home_of(path: str) -> str | None:
    """Whose home folder a path is in."""
    found = re.search(r"(?i)(?:^|[/\\])(?:home|users|documents and settings)[/\\]+([^/\\]+)(?:[/\\]|$)", path)
    return found.group(1) if found else None


def _of_host(name: str) -> list[str]:
    """``gpu3.cs.uni.edu``, ``gpu3``, ``cs.uni.edu``, ``uni.edu``."""
    parts = name.split(".")
    if all(part.isdigit() for part in parts):  # an address
        return [name]
    return [name, parts[0], *(".".join(parts[i:]) for i in range(1, len(parts) - 1))]


def _organisations(host: str) -> list[str]:
    """``uni`` of ``gpu3.cs.uni.edu``."""
    parts = host.split(".")[1:-1]
    return [part for part in parts if len(part) >= SHORT and part not in GENERIC and not part.isdigit()]


def _of_user(name: str) -> Spellings:
    """``ada.lovelace``, and ``lovelace``; a short part (``ada``) is one in an author's text only."""
    parts = re.split(r"[^\w]|_", normalize("NFC", name))
    short = tuple(part for part in parts if len(part) == SHORT)
    return Spellings(words=(name, *(part for part in parts if len(part) > SHORT)), bare=short)


def _key(name: str) -> str:
    """A name as it is in folded texts, with blanks and slashes of one kind."""
    return re.sub(r"[/\\]+", "/", re.sub(r"[\s+]+", " ", plain(name)))


def _joined(name: str) -> str:
    """A name without what stands between its words."""
    return BETWEEN.sub("", plain(name))


class Scrubber:
    """Finds the names that it was told of in all their spellings, and what leads to somebody without naming them.

    Args:
        regions: codes that our own sentences have: who is called like one of them is so in an author's text only.
    """

    def __init__(self, regions: Container[str] = ()) -> None:
        self._regions = regions
        self._paths: dict[str, str] = {}
        self._folders: set[str] = set()
        self._words: dict[str, str] = {}
        self._bare: dict[str, str] = {}
        self._short: set[str] = set()
        self._loosely: dict[str, str] = {}
        self._numbers: dict[str, dict[str, int]] = {}
        self._made: tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]] | None = None

    def add(self, spellings: Spellings, alias: str, of_bare: str | None = None) -> None:
        """One more name, and what stands for it (for the bare name of a file ``of_bare``).

        Of two that read alike the first counts.
        """
        telling, last = _telling(spellings.words), of_bare or alias
        words = [word for word in telling if word not in self._regions]
        bare = [*_telling(spellings.bare), *(word for word in telling if word in self._regions)]
        for known, found, name_of in (
            (self._paths, spellings.paths, alias), (self._words, words, last), (self._bare, bare, last),
        ):  # fmt: skip
            for name in found:
                known.setdefault(_key(name), name_of)
        for name in bare:
            self._loosely.setdefault(_joined(name), last)
        self._short.update(normalize("NFKC", word) for word in (*words, *bare))
        self._folders.update(map(_key, spellings.folders))
        self._made = None

    def clean(self, text: str, bare: bool = False) -> str:
        """The text without them; ``bare`` looks for the bare names of files, too.

        What is replaced gets a number: what was written otherwise another one, and the same the same.
        """
        paths, words, all_words = self._patterns()
        text = _replaced(leads.without_links(text, self._called), paths, self._path)
        text = leads.ANY_PATH.sub(lambda match: self._path(match, match.group()), text)
        text = leads.E_MAIL.sub(lambda match: self._called("e-mail", match.group()), text)
        text = _replaced(leads.DEVICE.sub(self._device, text), all_words if bare else words, self._word, "name")
        return leads.without_addresses(text, self._called)

    def _called(self, kind: str, written: str) -> str:
        return f"[{kind} {self._number(kind, written)}]"

    def _number(self, kind: str, written: str) -> int:
        known = self._numbers.setdefault(kind, {})
        return known.setdefault(written, len(known) + 1)

    def _patterns(self) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
        if self._made is None:
            self._made = (
                re.compile(_inside({*self._paths, *self._folders})),
                re.compile(_whole_words(self._words)),
                re.compile(_whole_words(self._words, self._bare)),
            )
        return self._made

    def _path(self, match: re.Match[str], written: str) -> str:
        path = written.rstrip(".")
        ours = OUR_FILE.search(path)
        known = self._paths.get(_key(match.group().removeprefix("file://").rstrip(".")))
        return (known or (self._ours(path, ours) if ours else self._called("path", path))) + written[len(path) :]

    def _ours(self, path: str, ours: re.Match[str]) -> str:
        """The name and line of a file of ours; of the second one of that name with its folder's number."""
        number = self._number("folder", path[: ours.start()])
        return ours.group() if number == 1 else f"[folder {number}]/{ours.group()}"

    def _device(self, match: re.Match[str]) -> str:
        return f"{match.group(1).upper()}-{self._number('device', match.group().lower())}"

    def _word(self, match: re.Match[str], written: str) -> str:
        found = match.group("name")
        key = _key(found)
        if len(key) < SHORT and normalize("NFKC", written) not in self._short:
            return written
        alias = self._words.get(key) or self._bare.get(key) or self._loosely[_joined(found)]
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


def _any(words: Iterable[str], loose: Iterable[str] = ()) -> str:
    """The longest first: a name may hold another."""
    found = {word: _loose(word) for word in words} | {word: _loosely(word) for word in loose}
    return "|".join(found[word] for word in sorted(found, key=len, reverse=True) if word)


def _loose(word: str) -> str:
    return "".join(LOOSE.get(sign) or re.escape(sign) for sign in word)


def _loosely(word: str) -> str:
    """However its words are joined; a short one's or one of ours are not written in one."""
    joined = _joined(word)
    between = r"[\s+_-]*" if len(joined) > SHORT and not _is_common(joined) else r"[\s+_-]+"
    return between.join(map(_loose, BETWEEN.split(word)))


def _whole_words(words: Iterable[str], loose: Iterable[str] = ()) -> str:
    """Whole words, with a word of ours before its number."""
    names = _any(words, loose)
    before = r"(?P<before>\b(?:notebook|project|machine|person|partition)\s+)?"
    return rf"{before}(?<![^\W_])(?P<name>{names})(?![^\W_])" if names else r"(?!)(?P<before>)(?P<name>)"
