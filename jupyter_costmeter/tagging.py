"""Say what records are: the words of it, what is wrong with them, and the tags that come of it.

A cell that runs is said to be something before it is a record; one that has ended gets tags beside it, and no record
is ever changed. Nothing here is imported before somebody tags, nor imports anything that a cell would wait for.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from math import isfinite
from typing import TYPE_CHECKING, Any

from .errors import UsageError
from .tag import CATEGORIES, KEYS, PARAM, SCORE, Tag, tags_of

if TYPE_CHECKING:
    from .ledger.store import Ledger

YES, NO = ("yes", "true", "1"), ("no", "false", "0")
#: So much like a known word (difflib's ratio) is that word, mistyped; ``param.KEY=VALUE`` says that it is none.
NEAR = 0.8
#: No name is longer, and of a parameter's text no more is kept (characters).
LONGEST, KEPT = 200, 1000


def said_of(words: Sequence[str]) -> dict[str, Any]:
    """What words such as ``hpo method=ours lr=3e-4`` say, by the keys of ``tag``; ``None`` takes back what was said.

    Raises:
        UsageError: a category that there is none of, a key near a known one, a value of the wrong kind.
    """
    said: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        key, value = _one(name.strip(), text.strip()) if equals else ("category", word)
        if key in said:
            raise UsageError(f"{key} is said twice")
        said[key] = value
    return checked(said)


def scores_of(words: Sequence[str]) -> dict[str, float]:
    """What ``accuracy=0.912 loss=0.3`` says, by the keys of ``tag``; of what is not finite a warning is logged.

    Raises:
        UsageError: a word without a value, or a value that is no number.
    """
    if not all(word.partition("=")[2] for word in words) or not words:
        raise UsageError("a score is NAME=VALUE, as in accuracy=0.912")
    pairs = [word.removeprefix(SCORE).partition("=") for word in words]
    told = [(name.strip(), text.strip()) for name, _, text in pairs]
    return {SCORE + name: _score(name, _parsed(text)) for name, text in told if not _diverged(name, text)}


def _diverged(name: str, text: str) -> bool:
    """``nan`` or ``inf``: a run that diverged must not stop the search around it."""
    try:
        if isfinite(float(text)):
            return False
    except ValueError:
        return False
    not_noted(f"score {name}: {text} is no finite number")
    return True


def not_noted(why: str) -> None:
    """A score that cannot be kept is said below the cell, which it never stops: a kernel's log is seen by nobody."""
    with suppress(Exception):  # the user's own sys.stderr
        sys.stderr.write(f"jupyter_costmeter: no score was noted: {why}\n")


def _one(name: str, text: str) -> tuple[str, Any]:
    """One ``KEY=VALUE``; any key that is no other's is a parameter."""
    key = "category" if name == "tag" else name
    if not key:
        raise UsageError(f"={text}: it wants a name before the =")
    if key in KEYS:
        return key, text or None
    if not key.startswith((PARAM, SCORE)):
        _check_near(key, KEYS)
        key = PARAM + key
    return key, _parsed(text)


def _parsed(text: str) -> Any:
    """A number or a truth value where the text is one, else the text; ``None`` where it is empty."""
    try:
        found = json.loads(text.lower() if text in ("True", "False") else text)
    except ValueError:
        found = float(text) if _is_decimal(text) else text
    known = isinstance(found, (bool, int)) or (isinstance(found, float) and isfinite(found))
    return found if known else text or None


def _is_decimal(text: str) -> bool:
    """``.5``, which JSON does not take for a number."""
    whole, point, rest = text.lstrip("+-").partition(".")
    return not whole and bool(point) and rest.isdecimal() and rest.isascii()


def checked(said: Mapping[str, Any]) -> dict[str, Any]:
    """What is said, by the keys of ``tag``, with each value as it will be kept.

    Raises:
        UsageError: nothing is said, or a key or a value that there is none of.
    """
    if not said:
        raise UsageError(f"say what they are: one of {', '.join(CATEGORIES)}, or method=NAME")
    return {_key(key): _value(key, value) for key, value in said.items()}


def _key(key: str) -> str:
    known = key in KEYS or any(key.startswith(start) and key != start for start in (PARAM, SCORE))
    if not known:
        _check_near(key, KEYS)
        raise UsageError(f"there is no {key!r}; there are {', '.join(KEYS)}, {PARAM}NAME and {SCORE}NAME")
    return _clean(key, key)


def _check_near(key: str, known: Sequence[str]) -> None:
    import difflib

    near = difflib.get_close_matches(key, known, 1, NEAR)
    if near:
        raise UsageError(f"there is no {key!r}; did you mean {near[0]!r}? (A parameter of that name: {PARAM}{key}=…)")


def _value(key: str, value: Any) -> Any:
    if value is None or value == "":
        return None
    if key == "category":
        return _category(value)
    if key == "in_paper":
        return _truth(value)
    if key in KEYS:
        return _clean(key, value)
    if key.startswith(SCORE):
        return _score(key[len(SCORE) :], value)
    return plain(value)


def _category(value: Any) -> str:
    if value in CATEGORIES:
        return str(value)
    import difflib

    near = difflib.get_close_matches(str(value), CATEGORIES, 1, 0.5)
    hint = f"did you mean {near[0]!r}? There" if near else "there"
    raise UsageError(f"there is no category {value!r}; {hint} are {', '.join(CATEGORIES)}")


def _truth(value: Any) -> bool:
    text = str(value).lower()
    if text not in (*YES, *NO):
        raise UsageError(f"in_paper={value}: it wants yes or no")
    return text in YES


def _clean(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{key} wants a text")
    text = name_of(value)
    if len(text) > LONGEST:
        raise UsageError(f"{key}: {len(text)} characters; a name has up to {LONGEST}")
    return text


def _score(name: str, value: Any) -> float:
    try:
        return score_of(name, value)[1]
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from None


# Values


def score_of(name: str, value: Any) -> tuple[str, float]:
    """A score's key, and its value: of a number, or of what has one value (a NumPy or torch scalar).

    Raises:
        TypeError: the name is no text, or the value is no number.
        ValueError: there is no name, or the value is not finite.
    """
    if not isinstance(name, str):
        raise TypeError(f"a score's name is a text, not {type(name).__name__}")
    text = name_of(name)
    if not text or len(text) > LONGEST:
        raise ValueError(f"a score's name has from 1 to {LONGEST} characters")
    if isinstance(value, (str, bytes)) or value is None:
        raise TypeError(f"score {text}: {value!r} is no number")
    try:
        number = float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError, OverflowError, AttributeError):  # torch: of several elements
        raise TypeError(f"score {text}: {type(value).__name__} is not one number") from None
    if not isfinite(number):
        raise ValueError(f"score {text}: {number} is no finite number")
    return SCORE + text, number


def name_of(text: str) -> str:
    """A name that every ledger, page and message can hold: on one line."""
    return " ".join(_storable(str(text)).split())


def plain(value: Any) -> Any:
    """A parameter as JSON holds it, else its text: it may be any object, and must not change any more."""
    try:
        text = _storable(json.dumps(_scalar(value), allow_nan=False, ensure_ascii=False))
        if len(text) <= KEPT:
            return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        text = _storable(_text(value))
    return text if len(text) <= KEPT else f"{text[: KEPT - 1]}…"


def _storable(text: str) -> str:
    """A lone surrogate can neither be stored nor sent."""
    return text.encode("utf-8", "replace").decode()


def _scalar(value: Any) -> Any:
    """A NumPy or torch scalar is a number."""
    if not isinstance(value, (str, int, float)) and getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return value.item()
    return value


def _text(value: Any) -> str:
    """A class or a function by its name: an address would tell equal parameters apart."""
    name = getattr(value, "__qualname__", None)
    try:
        return name if isinstance(name, str) else str(value)
    except Exception:  # the user's own __str__
        return type(value).__qualname__


# Tags


def tag(ledger: Ledger, record_ids: Iterable[str], said: Mapping[str, Any], user: str, host: str) -> int:
    """Say this of records that have ended; how many they are.

    Raises:
        LedgerError: it cannot be written.
    """
    ids = list(dict.fromkeys(record_ids))
    ledger.tag(later(ids, said, user, host))
    return len(ids)


def later(record_ids: Iterable[str], said: Mapping[str, Any], user: str, host: str) -> list[Tag]:
    """Tags of records that have ended, beside all that were given before."""
    at, salt = time.time(), f"{uuid.uuid4().hex}#"
    return [one for record_id in record_ids for one in tags_of(record_id, said, at, "later", user, host, salt)]
