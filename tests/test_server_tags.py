"""Tagging cells over HTTP: what the panel's form sends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from serving import Server

from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.record import CellRecord
from jupyter_costmeter.tag import CATEGORIES, Tagged, tagged
from jupyter_costmeter.uses import By

TRAIN = "paper/train.ipynb"


def records(server: Server, notebook: str = TRAIN) -> dict[str, CellRecord]:
    ledger = open_ledger(server.ledger)
    try:
        found = ledger.records(Selection("notebook", str(server.root / notebook)))
        return {record.cell_id or "": record for record in found}
    finally:
        ledger.close()


def post(server: Server, *cells: object, **said: Any) -> Any:
    which = said.pop("which", "all")
    return server.send("tags", {"cells": list(cells), "which": which, "said": said}, "POST", path=TRAIN)


def test_cells_are_tagged_and_told_of(filled: Server) -> None:
    answer = post(filled, "cell-1", "cell-2", category="hpo", method="ours", run="seed 1", in_paper=True)
    assert (answer.status, answer.json) == (200, {"schema": 1, "tagged": 2})
    found = records(filled)
    assert {name: tagged(one.tags) for name, one in found.items()} == {
        name: Tagged("hpo", "ours", "seed 1", True, judged=True) for name in ("cell-1", "cell-2")
    }
    assert {tag.given for one in found.values() for tag in one.tags} == {"later"}
    assert not any(one.tags for one in records(filled, "paper/eval.ipynb").values())
    known = filled.get("jupyter_costmeter/api/tags", path=TRAIN, cell="cell-1").json
    assert (known["methods"], known["runs"]) == (["ours"], ["seed 1"])
    said = {"category": "hpo", "method": "ours", "run": "seed 1", "in_paper": True}
    assert known["cells"] == {"cell-1": {"runs": 1, "failed": 0, "said": said, "several": []}}
    totals = filled.ask("totals", path=TRAIN, session="session0").json
    assert totals["tagged"] == {"session0-1": said, "session0-2": said}
    assert [cell["category"] for cell in totals["dearest"]["notebook"]] == ["hpo", "hpo"]


def test_null_takes_back_and_what_is_not_named_stays(filled: Server) -> None:
    post(filled, "cell-2", category="hpo", method="ours")
    totals = filled.ask("totals", path=TRAIN, session="session0").json
    assert totals["tagged"]["session0-2"]["category"] == "hpo"  # judged, though it failed
    post(filled, "cell-2", category=None)
    assert tagged(records(filled)["cell-2"].tags) == Tagged(method="ours")
    assert len(records(filled)["cell-2"].tags) == 3  # nothing is lost of what was said


def test_the_newest_run_alone(filled: Server) -> None:
    from shell import cell, fill, session

    info = session("again", str(filled.root / TRAIN))
    fill(filled.ledger, info, cell(info, 1))
    assert post(filled, "cell-1", which="newest", category="train").json["tagged"] == 1
    assert post(filled, "cell-1", which="all", method="ours").json["tagged"] == 2
    known = filled.get("jupyter_costmeter/api/tags", path=TRAIN, cell="cell-1").json["cells"]["cell-1"]
    assert (known["runs"], known["said"]["category"], known["several"]) == (2, "train", ["category"])


def test_what_failed_stays_so_if_it_is_to(filled: Server) -> None:
    """All else is said of it, too: whose compute it was."""
    sent = {"cells": ["cell-1", "cell-2"], "said": {"category": "hpo", "method": "ours"}, "failed": False}
    assert filled.send("tags", sent, "POST", path=TRAIN).json["tagged"] == 2
    found = {name: tagged(one.tags) for name, one in records(filled).items()}
    assert found == {"cell-1": Tagged("hpo", "ours", judged=True), "cell-2": Tagged(method="ours")}
    assert filled.ask("totals", path=TRAIN, session="session0").json["tagged"]["session0-2"]["category"] == "failed"
    known = filled.get("jupyter_costmeter/api/tags", path=TRAIN, cell="cell-2").json["cells"]["cell-2"]
    assert (known["failed"], known["said"]["category"]) == (1, None)


def test_cells_that_have_not_run(filled: Server) -> None:
    answer = post(filled, "unheard of", category="train")
    assert (answer.status, answer.json["tagged"]) == (200, 0)


def test_nothing_is_known_without_a_ledger(server: Server) -> None:
    answer = server.ask("tags", path=TRAIN, cell="cell-1").json
    assert answer == {"schema": 1, "methods": [], "runs": [], "cells": {}}
    assert not server.ledger.exists()


BODY = {"cells": ["cell-1"], "which": "all", "said": {"category": "train"}}


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({**BODY, "said": {"category": "trian"}}, ["trian", *CATEGORIES]),
        ({**BODY, "said": {"method": 3}}, ["method"]),
        ({**BODY, "said": {"in_paper": "perhaps"}}, ["in_paper"]),
        ({**BODY, "said": {"colour": "red"}}, ["colour"]),
        ({**BODY, "said": {}}, []),
        ({**BODY, "said": "train"}, ["said wants an object"]),
        ({**BODY, "cells": []}, ["cells wants the ids"]),
        ({**BODY, "cells": "cell-1"}, ["cells wants the ids"]),
        ({**BODY, "cells": [1]}, ["cells wants the ids"]),
        ({**BODY, "cells": ["x"] * 10_001}, ["it takes 10000"]),
        ({**BODY, "which": "some"}, ["all, newest"]),
        ([], ["wants an object"]),
    ],
)
def test_what_is_wrong_is_said(sent: object, words: list[str], filled: Server) -> None:
    answer = filled.send("tags", sent, "POST", path=TRAIN)
    assert answer.status == 400
    assert all(word in answer.json["message"] for word in words), answer.json
    assert not any(one.tags for one in records(filled).values())


def test_another_folder_is_not_reached(filled: Server) -> None:
    answer = filled.send("tags", BODY, "POST", path="../secret.ipynb")
    assert answer.status == 400
    assert "is not a path in this server's folder" in answer.json["message"]


def test_a_ledger_that_cannot_be_read(server: Server) -> None:
    server.ledger.mkdir(parents=True)
    assert server.ask("tags", path=TRAIN, cell="cell-1").status == 503


def front_end(file: str, name: str) -> list[str]:
    """A list of words in the front end's source."""
    source = (Path(__file__).parents[1] / "labextension" / "src" / file).read_text()
    found = re.search(rf"export const {name} = \[(.*?)\] as const", source, re.DOTALL)
    assert found
    return re.findall(r"'([^']+)'", found[1])


def test_the_front_end_offers_the_same_words() -> None:
    from jupyter_costmeter import norms, plugins
    from jupyter_costmeter.tag import KEYS

    assert front_end("tags.ts", "CATEGORIES") == list(CATEGORIES)
    assert front_end("tags.ts", "KEYS") == list(KEYS)
    assert front_end("statement.ts", "NORMS") == list(norms.NAMES)
    assert set(front_end("statement.ts", "FORMS")) == {*plugins.BUILT_IN["statements"], "json"}
    assert set(front_end("budget.ts", "BYS")) == set(get_args(By))


def test_the_front_end_knows_the_norms_own_files() -> None:
    from jupyter_costmeter import stating

    source = (Path(__file__).parents[1] / "labextension" / "src" / "statement.ts").read_text()
    found = re.search(r"NATIVE: .*? = \{(.*?)\}", source, re.DOTALL)
    assert found
    assert dict(re.findall(r"'?([\w-]+)'?: '(\w+)'", found[1])) == stating.NATIVE
