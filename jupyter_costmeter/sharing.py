"""The lab's ledger from a shell and for the panel: prepare it, send to it, and say how that goes (docs/shared.md)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from . import bars
from .addresses import address_of, masked, of_a_hub
from .errors import LedgerError, UsageError
from .format import about
from .labs import Snapshot, keep, kept_beside
from .ledger import Share, open_ledger
from .ledger.outbox import Waiting
from .pages import Page
from .record import Status
from .shared.opening import Taker, opened, standing_of
from .shared.sending import send
from .shared.store import SharedLedger

NOWHERE = (
    'nothing is shared: set c.CostMeter.ledger_share = "postgresql://…" in jupyter_costmeter_config.py, or name the'
    " address here"
)


def shared_address(setting: str, named: str | None = None) -> str:
    """The lab's ledger, as it is named here or by the setting.

    Raises:
        UsageError: neither does, or it is no address.
    """
    said = named or setting
    if not said:
        raise UsageError(NOWHERE)
    try:
        return address_of(said)
    except UsageError as error:
        raise UsageError(f"the lab's ledger's address: {error}") from None


def database(address: str) -> SharedLedger:
    """The database at an address.

    Raises:
        UsageError: it is a Hub's service, behind which one only adds to it.
    """
    if of_a_hub(address):
        raise UsageError(f"{address} is a Hub's service: name the database itself, postgresql://…, or look at its page")
    return SharedLedger(address)


def prepare(address: str) -> Page:
    """Make its tables and roles, or bring them up to date.

    Raises:
        UsageError: it is a Hub's service.
    """
    with closing(database(address)) as there:
        steps = there.prepare()
    done = "is prepared" if steps else "was up to date already"
    grant = "Grant each person costmeter_member, and the lab's head costmeter_head (docs/shared.md)."
    return Page(f"The lab's ledger {address} {done}.", [], [grant])


def sync(path: Path, address: str, whole: bool = False, bar: bars.Bar[list[Waiting]] = bars.none) -> Page:
    """Send what waits in a ledger's file; with ``whole`` also what was written before sharing began.

    Raises:
        LedgerError: the file cannot be read or written.
    """
    with closing(open_ledger(path)) as ledger, closing(opened(address)) as there:
        begun = ledger.share()
        ledger.begin_share(address, time.time())
        if whole:
            ledger.queue_all()
        sent = send(ledger, there, bar)
        if not sent.away:
            keep_standing(path, there)
    title = f"{_records(sent.count)} sent to {address}, {sent.waiting or 'none'} waiting."
    notes = [sent.problem] if sent.problem else []
    if begun is None and not whole:
        notes.append("What was written before sharing began stays here, unless you say --all.")
    return Page(title, [], notes, ok=sent.problem is None)


def keep_standing(path: Path, there: Taker) -> Snapshot:
    """Ask the lab's ledger where its budgets stand, and keep that beside the ledger's file.

    Raises:
        LedgerError: it cannot be asked, or that cannot be written.
    """
    found = standing_of(there)
    try:
        keep(kept_beside(path), found)
    except OSError as error:
        raise LedgerError(f"what the lab's ledger says of budgets cannot be kept beside {path}: {error}") from error
    return found


def standing(path: Path, address: str | None = None) -> Page:
    """How the sending goes; ``address`` is where a setting says that it is to go."""
    with closing(open_ledger(path)) as ledger:
        share = ledger.share()
    if share is None and address:
        return Page(f"Nothing was sent to {masked(address)} yet: what is metered from now on will be.")
    if share is None:
        return Page("Nothing of this ledger is shared.", [], [f"{NOWHERE[0].upper()}{NOWHERE[1:]}."])
    return Page(sentence(share), [], [share.problem] if share.problem else [], ok=share.problem is None)


def sentence(share: Share) -> str:
    """``12 records wait for postgresql://…; last sent 3 min ago.``"""
    return f"{'; '.join(_said(share))}."


def _said(share: Share) -> Iterator[str]:
    waits = (
        "nothing waits"
        if not share.waiting
        else f"{_records(share.waiting)} {'wait' if share.waiting > 1 else 'waits'}"
    )
    yield f"{waits} for {share.address}"
    yield f"last sent {about(time.time() - share.sent_at)} ago" if share.sent_at else "nothing was sent yet"


def _records(count: int) -> str:
    return f"{count:,} record{'' if count == 1 else 's'}"


def status(path: Path) -> list[Status]:
    """For ``doctor``: nothing where nothing is shared."""
    with closing(open_ledger(path)) as ledger:
        share = ledger.share()
    if share is None:
        return []
    if share.problem is None:
        return [Status("share", True, sentence(share))]
    return [Status("share", False, f"{share.problem}; {sentence(share)}", "what waits is sent when it works again")]
