"""``jupyter costmeter lab`` as a member, a head and a stranger type it, with a real PostgreSQL, and without one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from labs import Lab, peopled
from shared_ledgers import Postgres

from jupyter_costmeter import cli
from jupyter_costmeter.shared import planned

Says = Callable[..., str]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    yield from peopled()


@pytest.fixture
def lab(postgres: Postgres) -> Iterator[Lab]:
    made = Lab(postgres)
    yield made
    made.close()


@pytest.fixture
def says(home: Path, ledger_path: Path, lab: Lab, capsys: pytest.CaptureFixture[str]) -> Says:
    """What a person is answered, in one line; the exit status first where it is not 0."""
    folder = home / "config_dir"
    folder.mkdir(exist_ok=True)

    def typed(person: str, *words: str) -> str:
        (folder / "jupyter_costmeter_config.py").write_text(f"c.CostMeter.ledger_share = {lab.address(person)!r}")
        code = cli.main(["lab", *words])
        said = capsys.readouterr()
        return " ".join([*([str(code)] if code else []), *f"{said.out} {said.err}".split()])

    return typed


def test_a_head_sets_and_everybody_sees(lab: Lab, says: Says) -> None:
    said = says("cleo", "budget", "set", "200 GPU-h", "--per", "month", "--each", "--hold", "ask")
    assert said.startswith("Lab budget set: 200 GPU-h per month, each of the lab")
    assert "no cell starts" in said
    assert says("cleo", "budget", "set", "500", "GPU-h", "--project", "paper").startswith(
        "Lab budget set: 500 GPU-h in all, the lab, project paper"
    )
    assert "changed: 250 GPU-h" in says("cleo", "budget", "set", "gpu_hours=250", "per=month", "--each")
    lab.used("ada", 36000.0)
    lab.used("ben", 72000.0)
    said = says("ada")
    assert "2 lab budgets" in said
    assert "10 of 250 GPU-h this month (4 %), 240 GPU-h left; all together 30 GPU-h" in said
    assert "30 of 500 GPU-h in all (6 %), 470 GPU-h left; of it mine 10 GPU-h" in said
    assert "ben" not in said
    assert "person" not in said
    said = says("cleo")
    assert "person" in said
    assert "10 GPU-h (4 %)" in said
    assert "20 GPU-h (8 %)" in said
    assert "/home/x/paper" in said
    listed = says("ada", "budget")
    assert "2 lab budgets" in listed
    assert "cleo" in listed


def test_one_persons_own(lab: Lab, says: Says) -> None:
    says("cleo", "budget", "set", "200 GPU-h", "--per", "month", "--each")
    said = says("cleo", "budget", "set", "300 GPU-h", "--per", "month", "--user", "ada", "--name", "for ada")
    assert "Only ada and the lab's heads see it" in said
    assert "0 of 300 GPU-h" in says("ada")
    assert "200 GPU-h" not in says("ada")
    assert "for ada" not in says("ben", "budget")
    lab.used("ada", 36000.0)
    lab.used("ben", 36000.0)
    said = says("cleo")  # each by the budget that is theirs
    assert "ada 10 GPU-h (3 %)" in said
    assert "ben 10 GPU-h (5 %)" in said
    assert "Lab budget deleted: for ada" in says("cleo", "budget", "delete", "for ada")
    assert "0 of 200 GPU-h" in says("ada")


def test_a_member_sets_none(lab: Lab, says: Says) -> None:
    said = says("ada", "budget", "set", "200 GPU-h")
    assert said.startswith("1 jupyter costmeter: only a head of the lab sets budgets")
    says("cleo", "budget", "set", "200 GPU-h")
    assert "only a head" in says("ada", "budget", "delete", "200 GPU-h in all, the lab")
    assert len(planned.budgets(lab.of("ben"))) == 1


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["budget", "set", "5 kWh"], "factors that each machine declares"),
        (["budget", "set", "EUR=5"], "factors that each machine declares"),
        (["budget", "set", "5"], "no amount of GPU-h, busy GPU-h, FLOP"),
        (["budget", "set", "--each"], "how much?"),
        (["budget", "set", "5 GPU-h", "--each", "--user", "ada"], "say one of them"),
        (["budget", "set", "5 GPU-h", "--per", "7d"], "a lab's budget is per day, week or month"),
        (["budget", "set", "5 GPU-h", "--per", "session"], "a lab's budget is per day, week or month"),
        (["budget", "set", "5 GPU-h", "--project", "/home/ada/paper"], "the folder's name alone"),
        (["budget", "set", "5 GPU-h", "scope=user"], "no word of a lab's budget"),
        (["budget", "set", "5 GPU-h", "--zone", "Mars/Base"], "no such time zone"),
        (["budget", "set", "5 GPU-h", "--hold", "beg"], "hold"),
        (["budget", "delete", "nothing"], "no budget 'nothing'"),
        (["--each"], "of a budget that is set"),
        (["budgte"], "there is no lab 'budgte'"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_set(lab: Lab, says: Says, words: list[str], wrong: str) -> None:
    said = says("cleo", *words)
    assert said.startswith("2 ")
    assert wrong in said
    assert planned.budgets(lab.of("cleo")) == []


def test_away_it_says_what_was_known_and_since_when(lab: Lab, says: Says, postgres: Postgres) -> None:
    says("cleo", "budget", "set", "1 PFLOP", "--per", "week")
    assert "0 FLOP" in says("ada")
    postgres.stop()
    try:
        said = says("ada")
        assert said.startswith("1 1 lab budget")
        assert "cannot be used" in said
        assert "PFLOP per week, the lab" in said
        assert says("cleo", "budget", "set", "2 PFLOP").startswith("1 ")
    finally:
        postgres.start()


def test_an_older_database_and_one_without_rights_say_what_to_do(lab: Lab, says: Says, postgres: Postgres) -> None:
    postgres.run("CREATE USER dora")
    assert "grants you costmeter_member" in says("dora")
    postgres.run("DELETE FROM costmeter.migration WHERE number > 1", database=lab.name)
    assert "sync --init" in says("ada")


def test_where_nothing_is_shared_it_says_how(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lab"]) == 2
    assert "ledger_share" in capsys.readouterr().err
