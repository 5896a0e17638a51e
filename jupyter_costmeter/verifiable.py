"""What the verifiable file holds beside its records: made when it is written, and again when it is verified.

The file (docs/verify.md) is written by ``exporters.json`` and read by ``verifying``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from . import breakdown, chain
from .derived import Content, Costs
from .plain import plain
from .record import UNITS, Summary
from .version import __version__

SCHEMA = 2
#: What the digest of the whole file is not made of: the records have their chain, and no digest can hold itself.
APART = ("cells", "chain")


def head_of(content: Content) -> dict[str, Any]:
    """All but the records, their provenances and the chain."""
    return {
        "schema": SCHEMA,
        "software": {"name": "jupyter_costmeter", "version": __version__},
        "title": content.title,
        "made_at": time.time(),
        "units": UNITS,
        **figures_of(content),
        "problems": list(content.problems),
        "sessions": [plain(info) for info in content.sessions],
    }


def figures_of(content: Content) -> dict[str, Any]:
    """What follows from the records and the factors, and the factors."""
    return {
        "summary": plain(content.summary),
        "gpu_utilisation": _utilisation(content.summary),
        "costs": content.costs and _costs(content.costs),
        **plain(content.evidence()),
    }


def whole(head: str, body: Mapping[str, Any]) -> str:
    """The digest of a whole file: of the chain's head, and of all that the chain does not hold."""
    return chain.link(head, chain.canonical({key: value for key, value in body.items() if key not in APART}))


def _utilisation(summary: Summary) -> dict[str, Any] | None:
    """Seconds held and used, and the used share; ``None`` where no GPU was held."""
    found = breakdown.utilisation(summary)
    if found is None:
        return None
    used_s = found.busy.value if found.busy else None
    return {"held_s": found.held.value, "used_s": used_s, "share": found.share, "bound": found.bound or None,
            "method": found.method}  # fmt: skip


def _costs(costs: Costs) -> dict[str, Any]:
    """All of them; amounts of money are decimal, so texts."""
    return {**plain(costs.footprint), "bills": plain(costs.bills), "clouds": plain(costs.clouds)}
