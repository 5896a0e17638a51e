"""The last runs of cells over HTTP: what the line below each cell is made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import golden
import pytest
from serving import Server
from shell import cell, fill, session

TRAIN = "paper/train.ipynb"


def ask(server: Server, *cells: object) -> Any:
    return server.send("runs", {"cells": list(cells)}, "POST", path=TRAIN)


def test_the_newest_run_with_its_costs_and_of_earlier_ones_the_energy(filled: Server) -> None:
    info = replace(session("again", str(filled.root / TRAIN)), started_at=golden.SESSION.started_at + 1000)
    again = cell(info, 1, 500.0, outcome="interrupted")
    fill(filled.ledger, info, replace(again, started_at=again.started_at + 1000))
    answer = ask(filled, "cell-1", "cell-2", "never")
    assert (answer.status, answer.json["schema"]) == (200, 1)
    assert sorted(answer.json["cells"]) == ["cell-1", "cell-2"]
    newest, earlier = answer.json["cells"]["cell-1"]
    assert (newest["id"], newest["outcome"]) == ("again-1", "interrupted")
    assert (earlier["id"], earlier["outcome"]) == ("session0-1", "ok")
    assert {"energy_j", "flops", "peak_rss_bytes"} <= {total["name"] for total in newest["totals"]}
    assert [total["name"] for total in newest["costs"]["totals"]][:2] == ["electricity_wh", "emissions_g"]
    # by the peaks of the devices of its own session
    assert newest["rates"]["mfu_wall"] == pytest.approx(1e14 / 312e12, rel=0.01)
    assert [total["name"] for total in earlier["totals"]] == ["energy_j"]
    assert (earlier["rates"], earlier["costs"]) == (None, None)
    assert not any("figures" in one for one in (newest, earlier))


def test_costs_are_those_of_now(filled: Server) -> None:
    def grams() -> float:
        (newest,) = ask(filled, "cell-1").json["cells"]["cell-1"]
        found: float = next(one["value"] for one in newest["costs"]["totals"] if one["name"] == "emissions_g")
        return found

    before = grams()
    assert filled.place(host="host", region="SE", kind="lab").status == 200
    assert grams() < before / 4


def test_without_a_ledger_no_cell_has_run(server: Server) -> None:
    assert ask(server, "cell-1").json["cells"] == {}
    assert not server.ledger.exists()


@pytest.mark.parametrize("cells", [[], [1], ["x"] * 10_001])
def test_it_wants_the_cells(cells: list[object], filled: Server) -> None:
    answer = ask(filled, *cells)
    assert answer.status == 400
    assert "cells" in answer.json["message"]
