"""What a user's server sends to the Hub's service: it comes out as it went in, and each mistake is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import golden
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.record import CellRecord, Figure, Provenance, SessionInfo, Usage
from jupyter_costmeter.shared.batches import OtherVersion, batch_of, text_of
from jupyter_costmeter.shared.store import Batch
from jupyter_costmeter.tag import Tag, tags_of

RECORDS = [golden.record(1, 40.0, 9000.0), golden.record(2, 7200.0, None), golden.record(3, 1.0, 5.0, outcome="error")]
BATCH = Batch([golden.SESSION], RECORDS, tags_of("r1", {"category": "hpo"}, 1.79e9, "run", "ada", "host"))
TEXT = st.text(max_size=9)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
ORIGINS = st.builds(
    Provenance, st.sampled_from([None, "measured", "assumed"]), TEXT | st.none(), NUMBER | st.none(), TEXT | st.none(),
    st.booleans(),
)  # fmt: skip
USAGES = st.builds(
    Usage,
    st.floats(0, 1e6),
    st.lists(st.builds(Figure, TEXT, NUMBER | st.none(), ORIGINS, TEXT | st.none()), max_size=4).map(tuple),
)
RECORD = st.builds(
    CellRecord, id=TEXT, session_id=TEXT, seq=st.integers(), started_at=st.floats(0, 4e9), usage=USAGES,
    outcome=st.sampled_from(["ok", "killed"]), notebook=TEXT | st.none(), execution_count=st.integers() | st.none(),
    bucket=st.sampled_from(["cell", "held_idle"]), tags=st.just(()), error_type=TEXT | st.none(),
)  # fmt: skip
INFO = st.builds(
    SessionInfo, id=TEXT, environment=st.dictionaries(TEXT, TEXT, max_size=3), started_at=NUMBER, pid_started_at=NUMBER
)


@given(st.lists(RECORD, max_size=3), st.lists(INFO, max_size=2), TEXT | st.none())
def test_it_comes_out_as_it_went_in(records: list[CellRecord], infos: list[SessionInfo], owner: str | None) -> None:
    whole = Batch(infos, records, list(BATCH.tags), golden.EVENTS)
    assert batch_of(text_of(whole, owner)) == (owner, whole)


def test_provenances_are_written_once() -> None:
    body = json.loads(text_of(BATCH))
    assert len(body["provenances"]) == len({f.provenance for r in RECORDS for f in r.usage.figures})


def changed(change: Callable[[Any], object]) -> bytes:
    body = json.loads(text_of(BATCH, "ada"))
    change(body)
    return json.dumps(body).encode()


def put(*path: Any) -> Callable[[Any], None]:
    """Sets what is last where the rest leads."""
    *way, last, value = path

    def change(body: Any) -> None:
        for step in way:
            body = body[step]
        body[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("owner", 7), "owner is '7'; it wants text or null"),
        (put("extra", 7), "a batch has no 'extra'"),
        (put("records", {}), "records wants a list"),
        (put("records", [{}] * 2001), "records has 2001 rows"),
        (put("records", 1, []), r"records\[1\] wants an object"),
        (put("records", 1, "seq", 1.5), r"records\[1\].seq is '1.5'; it wants whole number"),
        (put("records", 1, "seq", True), r"records\[1\].seq is 'True'"),
        (put("records", 1, "outcome", "fine"), r"records\[1\].outcome .* one of ok, error"),
        (put("records", 1, "wall_s", -1), r"wall_s is -1 s"),
        (put("records", 1, "wall_s", 1e12), r"wall_s is 1e\+12 s, which no record lasts"),
        (put("records", 1, "wall_s", 10**400), r"wall_s"),
        (put("records", 1, "started_at", 1e11), r"started_at is 1e\+11, which no clock shows"),
        (put("records", 1, "usage", {}), r"records\[1\] has a field 'usage', which is not known"),
        (put("records", 1, "tags", []), r"records\[1\] has a field 'tags'"),
        (put("records", 1, "figures", 0, ["cpu_s", 1.0, None]), r"figures\[0\] wants name, value"),
        (put("records", 1, "figures", 0, 3, "none"), r"figures\[0\] names a provenance"),
        (put("records", 1, "figures", 0, 3, ["x"]), r"figures\[0\] names a provenance"),
        (put("records", 1, "figures", 0, 1, "9"), r"figures\[0\]\[1\] is '9'; it wants number or null"),
        (put("sessions", 0, "environment", {"a": 1}), r"sessions\[0\].environment"),
        (put("sessions", 0, "hosts", "x"), r"sessions\[0\] has a field 'hosts'"),
        (put("events", [{"id": 1}]), r"events\[0\]"),
        (put("tags", 0, {}), r"tags\[0\] lacks id"),
        (put("provenances", "x", {"method": "guessed"}), "provenances.x.method"),
        (put("provenances", []), "provenances wants an object"),
        (lambda body: body["records"][0].pop("id"), r"records\[0\] lacks id"),
    ],
)
def test_a_mistake_is_said_with_its_place(change: Callable[[Any], object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        batch_of(changed(change))


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"7", b"\xff", b"[" * 100_000, b'{"version": NaN}', b'{"version": 1, "owner": Infinity}']
)
def test_what_is_no_batch_is_refused(text: bytes) -> None:
    with pytest.raises(UsageError, match="JSON|batch"):
        batch_of(text)


def test_a_number_that_is_too_great_for_a_float_is_refused() -> None:
    text = text_of(BATCH).replace(b'"wall_s":40.0', b'"wall_s":1e999')
    with pytest.raises(UsageError, match="wall_s"):
        batch_of(text)


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
def test_of_another_version(version: object) -> None:
    with pytest.raises(OtherVersion, match="takes 1"):
        batch_of(changed(put("version", version)))


NAMES = TEXT | st.sampled_from(["version", "records", "sessions", "tags", "provenances"])
ANY = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner | st.just(1)),
)


@given(ANY)
def test_whatever_is_sent_is_a_batch_or_a_mistake(body: object) -> None:
    try:
        _, found = batch_of(json.dumps(body).encode())
    except UsageError:
        return
    assert all(isinstance(tag, Tag) for tag in found.tags)
