"""The examples run from their first cell to their last, and say what they promise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from kernels import ALL
from shell import costmeter

from jupyter_costmeter.costing import Costing
from jupyter_costmeter.gathering import gather
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.statement import Statement

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def ran(name: str, home: Path, ledger: Ledger) -> tuple[Statement, str]:
    """What the ledger says of an example's run, and all that it showed."""
    shutil.copy(EXAMPLES / name, home / name)
    done = costmeter("run", name, cwd=home, timeout=600)
    assert done.returncode == 0, done.stderr
    body = json.loads((home / name.replace(".ipynb", ".run.ipynb")).read_text())
    outputs = [output for cell in body["cells"] for output in cell.get("outputs", ())]
    assert not [one for one in outputs if one["output_type"] == "error"]
    return gather(ledger, ALL, Costing(None, home / "intensity")), json.dumps(outputs)


def test_the_search_tells_tuning_from_the_final_run(home: Path, ledger: Ledger) -> None:
    found, shown = ran("search.ipynb", home, ledger)
    kinds = [(one.category, one.in_paper, bool(one.scores)) for one in found.trials]
    assert kinds == [("hpo", None, True)] * 6 + [("train", True, True)]
    assert {share.category for share in found.shares} >= {"prep", "hpo", "train"}
    for text in ("trial 3 (mlp)", "of 100 mWh", "NeurIPS Paper Checklist", "mlp: hpo"):
        assert text in shown, text


def test_the_comparison_is_verified(home: Path, ledger: Ledger) -> None:
    found, shown = ran("compare.ipynb", home, ledger)
    assert [(one.method, one.category) for one in found.trials] == [("baseline", "train")] * 5 + [("ours", "train")] * 5
    for text in ("points per decade", "power over time", "cost.json"):
        assert text.lower() in shown.lower(), text
    assert costmeter("verify", "cost.json", cwd=home).returncode == 0
