"""What else comes of it when ended cells are tagged: that fewer are there, were said to be something else, or failed.

Nothing that was said is lost, but the newest counts; so what no more counts is told when it is replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from . import pages
from .context import Context, unsaved
from .format import in_words
from .ledger import Selection
from .spans import of_said
from .tag import Tagged, category_of, keys_of, tagged

#: So many different things that were said before are told.
SHOWN = 3

Known = Sequence[tuple[str, Tagged]]


def told(record_ids: Sequence[str], said: Mapping[str, Any], context: Context, last: int | None) -> Iterator[str]:
    """What there is to tell, before it is written.

    Args:
        record_ids: the records that are tagged.
        said: what they are said to be, by the keys of ``tag``.
        context: where they are.
        last: the newest so many were asked for.
    """
    if last is not None and len(record_ids) < last:
        yield f"{last} were asked for; there are no more."
    known = _known(record_ids, context)
    yield from _replaced(known, said)
    yield from _judged(known, said.get("category"))


def _known(record_ids: Sequence[str], context: Context) -> Known:
    """How they ended, and what was said of them until now."""
    waiting = {one.id: (one.outcome, tagged(one.tags)) for one in unsaved(Selection("all"), context)}
    found = {**waiting, **context.ledger.told_of(record_ids)}
    return [found[one] for one in record_ids if one in found]


def _replaced(known: Known, said: Mapping[str, Any]) -> Iterator[str]:
    """What of it counted until now."""
    changed = (
        {key: value for key, value in keys_of(one).items() if said.get(key, value) not in (None, value)}
        for _, one in known
    )
    earlier = [in_words(of_said(one)) for one in changed if one]
    if earlier:
        different = list(dict.fromkeys(earlier))
        more = f" and {len(different) - SHOWN} more" if len(different) > SHOWN else ""
        shown = " | ".join(different[:SHOWN])
        yield f"Of {pages.counted(len(earlier))} that replaces what was said before: {shown}{more}."


def _judged(known: Known, category: str | None) -> Iterator[str]:
    """Who tags a failed cell has judged it (docs/tags.md)."""
    failed = sum(category_of(outcome, one) == "failed" for outcome, one in known)
    if failed and category not in (None, "failed"):
        yield (
            f"{pages.counted(failed)} that did not end well counted as failed until now, and from now on as {category};"
            " `tag category=` with the same cells takes that back."
        )
