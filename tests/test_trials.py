"""Trials: blocks with parameters and scores, in scripts, workers and cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kernels import Kernel, cells
from scripts import script

import jupyter_costmeter
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.tag import Tagged, category_of, tagged


def said(ledger: Ledger) -> list[Tagged]:
    """What each record is said to be, in the order of their start."""
    return [tagged(record.tags) for record in cells(ledger)]


def test_a_trial_is_what_measure_is_and_what_is_said_of_it(home: Path, ledger: Ledger) -> None:
    ran = script(
        home,
        "import jupyter_costmeter, json\n"
        "with jupyter_costmeter.trial('try', method='ours', run=3, category='hpo', in_paper=False,\n"
        "                             lr=3e-4, opt=dict, params={'method': 'sgd'}) as t:\n"
        "    sum(range(10**6))\n"
        "    t.score('accuracy', 0.5)\n"
        "    t.score('accuracy', 0.912)\n"
        "t.score('loss', 1)\n"
        "print(json.dumps([t.wall_s, t.energy_j, [g.key for g in t.record.tags], repr(t)]))\n",
    )
    wall_s, energy_j, keys, text = json.loads(ran.stdout)
    (record,) = cells(ledger)
    assert tagged(record.tags) == Tagged(
        "hpo", "ours", "3", False,
        {"lr": 3e-4, "opt": "dict", "method": "sgd"}, {"accuracy": 0.912, "loss": 1.0},
    )  # fmt: skip
    assert (record.label, record.wall_s, record.outcome) == ("try", wall_s, "ok")
    assert energy_j > 0
    assert sorted(keys) == sorted(tag.key for tag in record.tags)
    assert text.startswith("<trial try: ")
    assert {tag.key: tag.given for tag in record.tags}["score.loss"] == "later"
    assert ledger.check() == []


def test_a_trial_that_an_exception_leaves_failed_by_itself(home: Path, ledger: Ledger) -> None:
    script(
        home,
        "import jupyter_costmeter\n"
        "try:\n"
        "    with jupyter_costmeter.trial(category='hpo', lr=10): 1/0\n"
        "except ZeroDivisionError: pass\n",
    )
    (record,) = cells(ledger)
    assert (record.outcome, record.error_type) == ("error", "ZeroDivisionError")
    assert category_of(record.outcome, tagged(record.tags)) == "failed"


def test_what_the_user_says_wrong_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="did you mean 'hpo'"):
        jupyter_costmeter.trial(category="hpoo")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="in_paper=perhaps: it wants yes or no"):
        jupyter_costmeter.trial(in_paper="perhaps")  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "value"), [("loss", float("nan")), ("loss", float("inf")), ("loss", "high"),
                                             ("loss", None), (" ", 1.0)])  # fmt: skip
def test_a_score_that_is_none_stops_nothing(name: str, value: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """In a search some run diverges: the others shall go on."""
    one = jupyter_costmeter.trial(method="m" * 500)
    one.score("loss", 0.5)
    one.score(name, value)
    jupyter_costmeter.score(name, value)
    assert capsys.readouterr().err.count("no score was noted") == 2
    assert (one._said["score.loss"], len(one._said["method"])) == (0.5, 200)


def test_where_metering_fails_a_trial_runs_all_the_same(home: Path) -> None:
    ran = script(
        home,
        "import jupyter_costmeter, jupyter_costmeter.current as s\n"
        "s.config.load = lambda own=None: 1/0\n"
        "class Odd:\n"
        "    def __repr__(self): raise RuntimeError\n"
        "with jupyter_costmeter.trial(method='ours', x=Odd()) as t:\n"
        "    t.score('a', 1)\n"
        "    jupyter_costmeter.score('b', 1)\n"
        "    print('ran')\n"
        "t.score('a', 2)\n"
        "print(t.record, t)\n",
    )
    assert ran.stdout == "ran\nNone <trial ours: not measured>\n"


def test_a_score_belongs_to_the_trial_that_it_is_told_in(home: Path, ledger: Ledger) -> None:
    """Tasks of one thread and threads of one process each have their own."""
    script(
        home,
        "import asyncio, threading, jupyter_costmeter as jc\n"
        "async def task(i):\n"
        "    with jc.trial(run=i):\n"
        "        await asyncio.sleep(0.02 * (3 - i))\n"
        "        jc.score('task', i)\n"
        "        await asyncio.sleep(0)\n"
        "def work(i):\n"
        "    with jc.trial(run=i): jc.score('thread', i)\n"
        "async def main(): await asyncio.gather(*(task(i) for i in range(3)))\n"
        "asyncio.run(main())\n"
        "threads = [threading.Thread(target=work, args=(10 + i,)) for i in range(3)]\n"
        "for t in threads: t.start()\n"
        "for t in threads: t.join()\n",
    )
    found = {one.run: dict(one.scores) for one in said(ledger)}
    assert found == {
        "0": {"task": 0.0}, "1": {"task": 1.0}, "2": {"task": 2.0},
        "10": {"thread": 10.0}, "11": {"thread": 11.0}, "12": {"thread": 12.0},
    }  # fmt: skip


def test_a_score_outside_of_all_is_said_to_be_lost(home: Path, ledger: Ledger) -> None:
    ran = script(
        home,
        "import jupyter_costmeter as jc\n"
        "with jc.trial(lr=1): pass\n"
        "jc.score('accuracy', 1)\n"
        "with jc.measure('block'): jc.score('loss', 2)\n",
    )
    assert "no cell and no trial runs that could have the score" in ran.stderr
    assert [dict(one.scores) for one in said(ledger)] == [{}, {"loss": 2.0}]


def test_forked_workers_write_their_trials(home: Path, ledger: Ledger) -> None:
    ran = script(
        home,
        "import jupyter_costmeter as jc, multiprocessing\n"
        "def work(i):\n"
        "    jc.score('lost', i)\n"
        "    with jc.trial(method='ours', seed=i) as t: t.score('accuracy', i / 10)\n"
        "    t.score('later', i)\n"
        "if __name__ == '__main__':\n"
        "    with jc.trial(method='all') as outer:\n"
        "        with multiprocessing.get_context('fork').Pool(2) as pool: pool.map(work, range(4))\n",
    )
    assert "no cell and no trial runs" in ran.stderr  # the outer trial is another process's
    found = said(ledger)
    assert sorted((one.params["seed"], dict(one.scores)) for one in found if one.params) == [
        (i, {"accuracy": i / 10, "later": float(i)}) for i in range(4)
    ]
    (outer,) = [one for one in found if not one.params]
    assert (outer.method, dict(outer.scores)) == ("all", {})


def test_a_score_that_a_forked_process_told_last_is_written(home: Path, ledger: Ledger) -> None:
    """It ends without atexit, and its writer's thread with it."""
    script(
        home,
        "import jupyter_costmeter as jc, os\n"
        "with jc.measure('parent'): pass\n"
        "if os.fork() == 0:\n"
        "    with jc.trial(seed=1) as t: pass\n"
        "    t.score('accuracy', 0.5)\n"
        "    os._exit(0)\n"
        "os.wait()\n",
    )
    assert [dict(one.scores) for one in said(ledger) if one.params] == [{"accuracy": 0.5}]


def test_a_worker_that_starts_anew_writes_its_trials(home: Path, ledger: Ledger) -> None:
    script(
        home,
        "import jupyter_costmeter as jc, multiprocessing\n"
        "def work(i):\n"
        "    with jc.trial(seed=i) as t: pass\n"
        "    t.score('accuracy', i)\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        pool.map(work, range(2))\n"
        "        pool.close()\n"
        "        pool.join()\n",
    )
    assert sorted((one.params["seed"], one.scores["accuracy"]) for one in said(ledger)) == [(0, 0.0), (1, 1.0)]


def test_scores_may_be_numpys(home: Path, ledger: Ledger) -> None:
    pytest.importorskip("numpy")
    script(
        home,
        "import jupyter_costmeter as jc, numpy as np\n"
        "with jc.trial(lr=np.float32(0.5), layers=np.int64(3), sizes=np.arange(2)) as t:\n"
        "    t.score('accuracy', np.float32(0.25))\n",
    )
    (one,) = said(ledger)
    assert (one.params, one.scores) == ({"lr": 0.5, "layers": 3, "sizes": "[0 1]"}, {"accuracy": 0.25})


def test_a_trial_in_a_cell_is_in_that_cell(kernel: Kernel, ledger: Ledger) -> None:
    kernel.run(
        "import jupyter_costmeter as jc\n"
        "for lr in (1, 2):\n"
        "    with jc.trial(lr=lr) as t: jc.score('accuracy', lr)\n"
        "jc.score('best', 2)",
        "a",
    )
    kernel.flush()
    outer, *inner = sorted(cells(ledger), key=lambda record: record.seq)
    assert [one.parent_id for one in inner] == [outer.id, outer.id]
    assert [tagged(one.tags).scores for one in inner] == [{"accuracy": 1.0}, {"accuracy": 2.0}]
    assert tagged(outer.tags) == Tagged(scores={"best": 2.0})


def test_torch_scalars() -> None:
    torch = pytest.importorskip("torch")
    from jupyter_costmeter.tagging import plain, score_of

    assert score_of("loss", torch.tensor([0.5], requires_grad=True)) == ("score.loss", 0.5)
    assert plain(torch.tensor(3)) == 3
    with pytest.raises(TypeError, match="Tensor is not one number"):
        score_of("loss", torch.zeros(2))
