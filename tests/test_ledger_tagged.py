"""What the ledger adds up by what is said of records is what adding the records up one by one says."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded import SCOPES, SESSIONS, filled, later, summed
from stated import ABLATION, HOUR, TRAIN, record, usage
from told import told

from jupyter_costmeter.grouping import Group, Groups, Kind, TrialKey, alike
from jupyter_costmeter.ledger import Selection, open_ledger, tagged
from jupyter_costmeter.recent import selected
from jupyter_costmeter.record import CellRecord
from jupyter_costmeter.tag import Tagged, tags_of

many = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
ALL = Selection("all")


def one_by_one(made: list[CellRecord], scope: Selection) -> Groups:
    groups = Groups(infos=dict(SESSIONS))
    groups.add(made, list(selected(made, scope)))
    return groups


def alike_groups(ours: Group, theirs: Group, found: Groups, hourly_before: float) -> None:
    assert (ours.records, ours.first, ours.last) == (theirs.records, theirs.first, theirs.last)
    assert (ours.lengths.count, ours.lengths.failed) == (theirs.lengths.count, theirs.lengths.failed)
    assert {k: n.well for k, n in ours.named.items()} == {k: n.well for k, n in theirs.named.items()}
    assert ours.wall_s == pytest.approx(theirs.wall_s)
    lengths = [[-1.0 if one is None else one for one in group.length()] for group in (ours, theirs)]
    assert lengths[0] == pytest.approx(lengths[1], rel=1e-5, abs=1e-2)
    assert ours.peaks == theirs.peaks
    one, other = (summed(group.uses(found.infos, hourly_before)) for group in (ours, theirs))
    assert {name: missing for name, (_, missing) in one.items()} == {n: m for n, (_, m) in other.items()}
    assert {n: v for n, (v, _) in one.items()} == pytest.approx({n: v for n, (v, _) in other.items()}, abs=1e-3)


@many
@given(told(), st.sampled_from([*SCOPES, Selection("all", label="train")]), st.sampled_from([-inf, inf]))
def test_sums_are_those_of_the_records(
    tmp_path: Path, made: list[CellRecord], scope: Selection, hourly_before: float
) -> None:
    made = later(made)
    ledger = filled(tmp_path / "l.sqlite", made)
    found, wanted = ledger.grouped(scope, hourly_before), one_by_one(made, scope)
    ledger.close()
    assert found.kinds.keys() == wanted.kinds.keys()
    for kind, group in found.kinds.items():
        alike_groups(group, wanted.kinds[kind], found, hourly_before)
    assert found.trials.keys() == wanted.trials.keys()
    for key, tried in found.trials.items():
        alike_groups(tried.group, wanted.trials[key].group, found, hourly_before)
        one, other = tried, wanted.trials[key]
        assert (one.first, one.newest, one.outcome) == (other.first, other.newest, other.outcome)
        assert (one.category, one.method, one.in_paper) == (other.category, other.method, other.in_paper)
        assert one.merged() == other.merged()
    cells, others = ([group for _, group in groups.cells()] for groups in (found, wanted))
    assert found.counts(cells) == wanted.counts(others)


def test_hours_are_told_apart_where_factors_change(tmp_path: Path) -> None:
    """Of a session that began before then; of a later one its beginning stands for all."""
    ledger = open_ledger(tmp_path / "l.sqlite")
    long = record(TRAIN, 1, 0.0, usage(2 * HOUR, ("GPU-1",)), {"category": "train"})
    ledger.append(TRAIN, [long, record(TRAIN, 2, 5.0, usage(60.0, ("GPU-1",)), {"category": "train"})])
    (hourly,) = ledger.grouped(ALL, inf).kinds.values()
    (whole,) = ledger.grouped(ALL).kinds.values()
    ledger.close()
    infos = {TRAIN.id: TRAIN}
    assert len(hourly.uses(infos, inf)) == 4
    assert len(whole.uses(infos, -inf)) == 1


def test_a_record_that_lost_the_one_around_it_is_left_out(tmp_path: Path) -> None:
    """As it is of the totals."""
    ledger = open_ledger(tmp_path / "l.sqlite")
    alone = record(TRAIN, 2, 0.0, usage(60.0), {"category": "hpo"}, parent_id="not there")
    ledger.append(TRAIN, [record(TRAIN, 1, 0.0, usage(60.0)), alone])
    groups = ledger.grouped(ALL)
    assert [kind.category for kind in groups.kinds] == [None]
    ledger.close()


def test_an_inner_record_counts_if_the_outermost_one_is_selected(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "l.sqlite")
    outer = record(ABLATION, 1, 0.0, usage(60.0), label="all of it")
    inner = record(ABLATION, 2, 0.0, usage(20.0), {"category": "hpo"}, parent_id=outer.id, label="a part")
    ledger.append(ABLATION, [outer, inner])
    by_label = {label: ledger.grouped(Selection("all", label=label)) for label in ("all of it", "a part")}
    ledger.close()
    kinds = {kind.name or kind.category: group.wall_s for kind, group in by_label["all of it"].kinds.items()}
    assert kinds == {"all of it": 40.0, "hpo": 20.0}
    assert by_label["a part"].kinds == {}


def test_a_ledger_that_is_not_there_has_no_groups(tmp_path: Path) -> None:
    assert open_ledger(tmp_path / "none.sqlite").grouped(ALL) == Groups()


def test_reading_leaves_nothing_behind(tmp_path: Path) -> None:
    """The table of places is the connection's own: read twice at once, and written between, all is as it was."""
    ledger = open_ledger(tmp_path / "l.sqlite")
    ledger.append(TRAIN, [record(TRAIN, 1, 0.0, usage(60.0))])
    with ledger.at_once():
        counts = [group.records for _ in range(2) for group in ledger.grouped(ALL).kinds.values()]
    ledger.append(TRAIN, [record(TRAIN, 2, 1.0, usage(60.0))])
    counts += [group.records for group in ledger.grouped(ALL).kinds.values()]
    assert counts == [1, 1, 2]
    assert ledger.check() == []
    ledger.close()


def test_whatever_is_said_is_read_as_it_was(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "l.sqlite")
    odd = {"param.a\tb\n": "\x1f\n'\"", "param.ключ": ["ж", None], "score.%": 1.5, "method": "\\"}
    ledger.append(TRAIN, [record(TRAIN, 1, 0.0, usage(60.0), odd)])
    (tried,) = ledger.grouped(ALL).trials.values()
    ledger.close()
    assert tried.method == "\\"
    params = {"a\tb\n": "\x1f\n'\"", "ключ": ["ж", None]}
    assert tried.merged() == Tagged(params=params, scores={"%": 1.5})
    assert tagged.told(None) == Tagged()


def test_of_what_was_said_twice_the_newest_counts(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "l.sqlite")
    made = record(TRAIN, 1, 0.0, usage(60.0), {"category": "hpo", "method": "ours"}, "error")
    ledger.append(TRAIN, [made])
    assert list(ledger.grouped(ALL).kinds) == [Kind("cell", "failed", "ours")]
    for n, said in enumerate(({"category": "train"}, {"method": None, "run": "1"})):
        ledger.tag(tags_of(made.id, said, made.started_at + 1 + n, "later", "ada", "box", f"{n}#"))
    groups = ledger.grouped(ALL)
    ledger.close()
    assert list(groups.kinds) == [Kind("cell", "train")]
    assert list(groups.trials) == [TrialKey(None, "1", None)]


def test_sessions_of_one_machine_are_one_where_no_hour_is_asked_for() -> None:
    again = replace(TRAIN, id="again", started_at=TRAIN.started_at + HOUR)
    other = replace(TRAIN, id="other", environment={**TRAIN.environment, "partition": "gpu-large"})
    assert alike([TRAIN, again, other], -inf) == {TRAIN.id: TRAIN.id, "again": TRAIN.id, "other": "other"}
    assert alike([TRAIN, again], again.started_at) == {TRAIN.id: TRAIN.id, "again": "again"}


def test_what_was_done_elsewhere_is_its_cells_and_no_run(tmp_path: Path) -> None:
    """Its energy is in its cell's category; its seconds lie beside the cell's, and it is no run of anything."""
    ledger = open_ledger(tmp_path / "l.sqlite")
    made = [
        record(TRAIN, 1, 0.0, usage(60.0, ("GPU-1",)), {"category": "train"}),
        record(TRAIN, 1, 0.0, usage(600.0), {"category": "train"}, bucket="remote"),
        record(TRAIN, 2, 5.0, usage(30.0)),
        record(TRAIN, 2, 5.0, usage(10.0), {"category": "hpo"}, "error", bucket="remote"),
    ]
    ledger.append(TRAIN, made)
    found, wanted = ledger.grouped(ALL), one_by_one(made, ALL)
    ledger.close()
    for groups in (found, wanted):
        assert {kind.category: (group.lengths.count, group.wall_s) for kind, group in groups.cells()} == {
            "train": (1, 60.0), None: (1, 30.0), "failed": (0, 0.0),
        }  # fmt: skip
        assert groups.whole().runs == 2
    for kind, group in found.kinds.items():
        alike_groups(group, wanted.kinds[kind], found, -inf)
    (train,) = [group for kind, group in found.kinds.items() if kind.category == "train"]
    assert summed(train.uses({TRAIN.id: TRAIN}, -inf))["cpu_s"][0] == pytest.approx(660.0)
