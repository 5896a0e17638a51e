"""An honest anonymous file follows from its records, whatever is named in them, and says as much as the named one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import stated
from hypothesis import given, settings
from hypothesis import strategies as st
from stated import TRAIN

from jupyter_costmeter import report, verifying
from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.record import HIGHEST, CellRecord, SessionInfo
from jupyter_costmeter.toml_files import NAME

Body = dict[str, Any]
#: What people write, with names and places in it.
TEXTS = st.one_of(
    st.sampled_from([
        "/data/cifar10/train", "/data/imagenet/train", "load ~/data/a.csv", "load ~/data/b.csv", "~/runs/a", "~/runs/b",
        "by ada", "by Ada", "ada", "ADA", "person 1", "notebook 1", "notebook 1 (2)", "[path 1]", "train.ipynb", "seed",
        "TRAIN.ipynb", "x.ipynb", "s3://a/b", "s3://a/c", "a@b.org", "c@b.org", "10.1.2.3", "10.1.2.4", "gpu07", "hpo",
        "/home/ada/paper/train.ipynb", "/home/ada/paper/jupyter_costmeter.toml:3", "/x/jupyter_costmeter.toml:3", "bo",
        "lab example", "jos\u00e9", "jose\u0301", "random", "sampler",
    ]),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12).map(str.strip).filter(bool),
)  # fmt: skip
PARTS = st.one_of(
    st.sampled_from([
        "ada", "cloud", "measured", "own", "water", "seed", "usd", "pue", "lyon.x.edu", "jos\u00e9", "zo\u00e9.x",
        "jose\u0301",
    ]),
    st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8),
)  # fmt: skip


@st.composite
def sessions(draw: st.DrawFn) -> list[SessionInfo]:
    """Two, of hosts, users, notebooks and projects that may be called alike."""
    found = []
    for number in (1, 2):
        folder = f"/home/{draw(PARTS)}/{draw(PARTS)}"
        notebook = draw(st.one_of(st.none(), PARTS.map(lambda name, at=folder: f"{at}/{name}.ipynb")))  # type: ignore[misc]
        found.append(
            replace(TRAIN, id=f"g{number}", host=draw(PARTS), user=draw(PARTS), notebook=notebook, project=folder)
        )
    return found


@st.composite
def records(draw: st.DrawFn, info: SessionInfo) -> list[CellRecord]:
    return [draw(one(info, seq)) for seq in (1, 2, 3)]


@st.composite
def one(draw: st.DrawFn, info: SessionInfo, seq: int) -> CellRecord:
    said: Body = {}
    if draw(st.booleans()):
        said |= {"param." + draw(TEXTS): draw(TEXTS), "param.sampler": draw(TEXTS), "score." + draw(TEXTS): 0.5}
    for key in ("method", "run"):
        if draw(st.booleans()):
            said[key] = draw(TEXTS)
    if draw(st.booleans()):
        said["category"] = "hpo"
    used = stated.usage(360.0 * seq, ("GPU-1",))
    source = draw(TEXTS)
    figures = tuple(
        f if f.name in HIGHEST else replace(f, provenance=replace(f.provenance, source=source)) for f in used.figures
    )  # of equal peaks the ledger takes one by its source
    made = stated.record(info, seq, seq * 0.5, replace(used, figures=figures), said, label=draw(st.none() | TEXTS))
    return replace(made, notebook=info.notebook)


def exported(folder: Path, found: list[tuple[SessionInfo, list[CellRecord]]], anonymous: bool = True) -> Path:
    ledger, costing = open_ledger(folder / f"{anonymous}.sqlite"), stated.golden_costing(folder)
    (folder / NAME).write_text(f'{stated.DECLARED}\n[water]\non_site = 1.0\noff_site = 2.0\nsource = "here"\n')
    for info, made in found:
        ledger.append(info, made)
    path = folder / f"{anonymous}.json"
    report.export(ledger, Selection("all"), path, True, costing, lambda each, *_: each, anonymous)
    ledger.close()
    return path


@st.composite
def ledgers(draw: st.DrawFn) -> list[tuple[SessionInfo, list[CellRecord]]]:
    return [(info, draw(records(info))) for info in draw(sessions())]


@pytest.mark.parametrize("name", ["FR", "fr", "US-CA", "world"])
def test_it_does_where_somebody_is_called_as_a_region_is(name: str, tmp_path: Path) -> None:
    info = replace(TRAIN, user=name, host=name)
    made = stated.record(info, 1, 0.5, stated.usage(360.0, ("GPU-1",)), {"method": f"by {name}"})
    file = exported(tmp_path, [(info, [made])])
    assert verifying.verify(file, bar=lambda each, *_: each).ok
    assert f"by {name}" not in file.read_text() or name == "world"  # a common word


@pytest.mark.parametrize("name", ["AI-01", "XQ", "GPU-A"])
def test_what_only_looks_like_a_regions_code_goes_out_of_all_texts(name: str, tmp_path: Path) -> None:
    info = replace(TRAIN, user=name, host=name, environment={**TRAIN.environment, "partition": name})
    used = stated.usage(360.0, ("GPU-1",))
    figures = [replace(f, provenance=replace(f.provenance, source=f"the meter of {name}")) for f in used.figures]
    made = stated.record(info, 1, 0.5, replace(used, figures=tuple(figures)), {})
    assert name not in exported(tmp_path, [(info, [made])]).read_text()


@settings(max_examples=40, deadline=None)
@given(ledgers())
def test_an_honest_anonymous_file_verifies(found: list[tuple[SessionInfo, list[CellRecord]]]) -> None:
    with TemporaryDirectory() as name:
        page = verifying.verify(exported(Path(name), found), bar=lambda each, *_: each)
        assert page.ok, [table.rows for table in page.tables[:2]]


def pair(key: str, one: object, other: object) -> list[tuple[SessionInfo, list[CellRecord]]]:
    """Two runs that differ in one thing."""
    made = []
    for seq, value in ((1, one), (2, other)):
        said = {"category": "hpo", "method": "ours", "score.acc": seq / 10} if key != "label" else {}
        said |= {} if key == "label" else {key: value}
        label = str(value) if key == "label" else None
        made.append(stated.record(TRAIN, seq, seq * 0.1, stated.usage(360.0, ("GPU-1",)), said, label=label))
    return [(TRAIN, made)]


def counts(path: Path) -> object:
    body = json.loads(path.read_text())["statement"]
    shares = [(share["category"], share["configs"], share["spent"]["runs"]) for share in body["shares"]]
    return shares, len(body["experiments"]), len(body["trials"])


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        ("param.data", "/data/cifar10/train", "/data/imagenet/train"),
        ("param.data", "s3://lab/a", "s3://lab/b"),
        ("param.data", "10.1.2.3", "10.1.2.4"),
        ("param.who", "Ada", "ada"),
        ("param.seed", 1, 2),
        ("param.sampler", "bo", "random"),
        ("label", "load ~/data/a.csv", "load ~/data/b.csv"),
        ("label", "train.ipynb", "by ADA"),
        ("run", "~/runs/a", "~/runs/b"),
        ("method", "by Ada", "by ada"),
    ],
)
def test_what_differs_differs_in_the_file(key: str, one: object, other: object, tmp_path: Path) -> None:
    found = pair(key, one, other)
    path = exported(tmp_path, found)
    assert verifying.verify(path).ok
    assert counts(path) == counts(exported(tmp_path, found, anonymous=False))


def test_notebooks_of_one_name_are_one_experiment(tmp_path: Path) -> None:
    other = replace(TRAIN, id="g2", notebook="/elsewhere/train.ipynb", project="/elsewhere")
    found = [(info, [stated.record(info, 1, 0.1, stated.usage(60.0))]) for info in (TRAIN, other)]
    path = exported(tmp_path, found)
    body = json.loads(path.read_text())
    assert [one["name"] for one in body["statement"]["experiments"]] == ["notebook 1"]
    assert {cell["notebook"] for cell in body["cells"]} == {"notebook 1", "folder 1/notebook 1"}
    assert verifying.verify(path).ok


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from (key, *keys(one))
    elif isinstance(value, list):
        for one in value:
            yield from keys(one)


@pytest.mark.parametrize("user", ["j.water", "intensity", "conditions", "gpu_hour", "on_site", "eur", "ada.lovelace"])
def test_a_user_spoils_no_structure(user: str, tmp_path: Path) -> None:
    """Fields and currencies are no names."""
    info = replace(TRAIN, user=user)
    found = [(info, [stated.record(info, 1, 0.1, stated.usage(60.0, ("GPU-1",)))])]
    path = exported(tmp_path, found)
    factors, plain = (json.loads(p.read_text())["factors"] for p in (path, exported(tmp_path, found, False)))
    assert set(keys(factors)) == set(keys(plain))
    assert verifying.verify(path).ok


def test_nothing_of_the_process_and_the_notebooks_ids_stays(tmp_path: Path) -> None:
    made = stated.record(TRAIN, 1, 0.1, stated.usage(60.0))
    again = stated.record(TRAIN, 2, 0.2, stated.usage(60.0))
    found = [(TRAIN, [made, replace(again, cell_id=made.cell_id)])]
    body = json.loads(exported(tmp_path, found).read_text())
    (session,), cells = body["sessions"], body["cells"]
    assert (session["pid"], session["pid_started_at"]) == (0, session["started_at"])
    assert cells[0]["cell_id"] == cells[1]["cell_id"] != made.cell_id
    assert str(made.cell_id) not in json.dumps(body)
