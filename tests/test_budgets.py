"""Which budgets hold somewhere: rows of files, caps, ids, and mistakes that are named with their line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jupyter_core.paths import jupyter_config_path

from jupyter_costmeter import assumptions, budgets, config
from jupyter_costmeter.budget import Budget
from jupyter_costmeter.budgets import Declared, Plans, load
from jupyter_costmeter.toml_files import NAME

Write = Callable[[str], Path]


@pytest.fixture
def project(home: Path) -> Path:
    (home / "lab" / "paper").mkdir(parents=True)
    return (home / "lab" / "paper").resolve()


@pytest.fixture
def own(home: Path) -> Write:
    """Write the user's own file."""

    def write(text: str) -> Path:
        (home / "config_dir").mkdir(exist_ok=True)
        path = home / "config_dir" / NAME
        path.write_text(text)
        return path

    return write


def only(declared: Declared) -> Budget:
    assert not declared.problems
    (one,) = declared.budgets
    return one


def test_every_key_of_a_row(own: Write, project: Path) -> None:
    path = own(
        f'\n[[budget]]\ngpu_hours = 20\nper = "week"\nscope = "project"\nproject = "{project}"\nhold = "ask"\n'
        'warn = [0.5, 1.0]\nzone = "Europe/Berlin"\nname = "GPU quota"\npaused = true\nnote = "by the lab"\n'
    )
    one = only(load(str(project)))
    assert (one.measure, one.limit, one.scope, one.key, one.hold) == ("gpu_hours", 20.0, "project", str(project), "ask")
    assert (one.period.kind, one.period.zone) == ("week", "Europe/Berlin")
    assert (one.warn, one.name, one.paused) == ((0.5, 1.0), "GPU quota", True)
    assert (one.origin, one.file, one.cap, one.shared) == (f"{path}:2", str(path), False, False)


@pytest.mark.parametrize(
    ("row", "scope", "key"),
    [
        ("kwh = 1", "project", ""),
        ('kwh = 1\nscope = "user"', "user", None),
        ('kwh = 1\nscope = "session"', "session", ""),
        ('kwh = 1\nper = "session"', "session", ""),
        ('kwh = 1\nnotebook = "a.ipynb"', "notebook", "a.ipynb"),
        ('kwh = 1\nscope = "session"\nnotebook = "a.ipynb"', "session", "a.ipynb"),
        ('kwh = 1\nproject = "deep"', "project", "deep"),
        ('kwh = 1\nproject = ".."', "project", ".."),
    ],
)
def test_in_a_projects_file_paths_are_relative_to_it(row: str, scope: str, key: str | None, project: Path) -> None:
    (project / NAME).write_text(f"[[budget]]\n{row}\n")
    one = only(load(str(project)))
    assert (one.scope, one.shared) == (scope, True)
    assert one.key == (None if key is None else os.path.normpath(project / key))


def test_files_of_the_folders_around_a_project_count_up_to_home(
    home: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "lab" / NAME).write_text("[[budget]]\ngpu_hours = 100\n")
    (project / NAME).write_text("[[budget]]\ngpu_hours = 20\n")
    (home / NAME).write_text("[[budget]]\ngpu_hours = 1\n")
    monkeypatch.setenv("HOME", str(home))
    assert [(b.limit, b.key) for b in load(str(project)).budgets] == [
        (100.0, str(project.parent)),
        (20.0, str(project)),
    ]


def test_a_project_that_is_reached_by_a_link_is_the_same(home: Path, project: Path) -> None:
    (project / NAME).write_text("[[budget]]\nkwh = 1\n")
    (home / "link").symlink_to(project)
    by_link, direct = only(load(str(home / "link"))), only(load(str(project)))
    assert (by_link.key, by_link.id) == (direct.key, direct.id)


def test_without_a_project_only_the_users_own_count(own: Write) -> None:
    own("[[budget]]\nkwh = 1\n")
    assert only(load(None)).scope == "user"


@pytest.mark.parametrize(
    ("row", "measure", "limit", "currency"),
    [
        ("kg = 3", "kgco2e", 3.0, None),
        ("kgco2e = 3", "kgco2e", 3.0, None),
        ("flops = 1e18", "flops", 1e18, None),
        ('amount = 150.5\ncurrency = "EUR"', "amount", 150.5, "EUR"),
        ('amount = 1\n[currency]\ncode = "SEK"', "amount", 1.0, "SEK"),
        ("kwh = 0", "kwh", 0.0, None),
    ],
)
def test_measures(row: str, measure: str, limit: float, currency: str | None, own: Write) -> None:
    own(f"[[budget]]\n{row}\n")
    one = only(load(None))
    assert (one.measure, one.limit, one.currency) == (measure, limit, currency)


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("gpu_hour = 1", "there is no 'gpu_hour'; did you mean 'gpu_hours'?"),
        ('per = "week"', "it says no measure: one row has one of gpu_hours, "),
        ("gpu_hours = 1\nkwh = 1", "it has gpu_hours and kwh"),
        ("kg = 1\nkgco2e = 1", "it has kgco2e and kg"),
        ('kwh = "5"', "kwh = '5': it wants a number from 0 on"),
        ("kwh = -1", "kwh = -1: it wants a number from 0 on"),
        ("kwh = nan", "kwh = nan: it wants a number"),
        ("kwh = inf", "kwh = inf: it wants a number"),
        ("kwh = true", "kwh = True: it wants a number"),
        ('kwh = 1\nper = "weekly"', "per = 'weekly': it wants session, day, week"),
        ('kwh = 1\nzone = "Berlin"', "zone = 'Berlin': there is no such time zone"),
        ('kwh = 1\nscope = "projct"', "scope: there is no 'projct'; did you mean 'project'?"),
        ('kwh = 1\nhold = "stopp"', "hold: there is no 'stopp'; did you mean 'stop'?"),
        ("kwh = 1\nwarn = [0.8, 0.5]", "warn = [0.8, 0.5]: it wants ascending parts"),
        ("kwh = 1\nwarn = [50]", "warn = [50]: it wants ascending parts"),
        ("kwh = 1\npaused = 1", "paused = 1: it wants true or false"),
        ("amount = 5", "an amount of money wants its currency, too: EUR, USD or another ISO code"),
        ('amount = 5\ncurrency = "EURO"', "currency = 'EURO': it wants a code of ISO 4217, did you mean 'EUR'?"),
        ('kwh = 5\ncurrency = "EUR"', "currency is of an amount"),
        ('kwh = 1\nscope = "notebook"', 'which notebook? notebook = "PATH" says it'),
        ('kwh = 1\nscope = "project"', 'which project? project = "PATH" says it'),
        ('kwh = 1\nscope = "notebook"\nproject = "/lab"', 'scope = "notebook" wants notebook = "PATH"'),
        ('kwh = 1\nscope = "user"\nproject = "/lab"', "leave notebook and project out"),
        ('kwh = 1\nnotebook = "/a"\nproject = "/lab"', "of a notebook or of a project, not of both"),
        ('kwh = 1\nproject = "lab"', "'lab': it wants a whole path, from / on"),
        ("kwh = 1\nfrom = 2026-02-01\nuntil = 2026-01-01", "until is not after from"),
        ("kwh = 1\nfrom = 0001-01-01", "0001-01-01: it wants a day in the years 1970 to 9998"),
        ('kwh = 1\nfrom = "soon"', "from = 'soon': it wants a day such as 2026-10-01"),
        ("kwh = 1\nfrom = 2026", "from = 2026: it wants a day such as 2026-10-01"),
        ('kwh = 1\nper = "week"\nfrom = 2026-02-01', "a budget has one of them"),
        ("kwh = 1\nname = 5", "name = 5: it wants a text in quotes"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_the_rest_is_used(row: str, named: str, own: Write) -> None:
    path = own(f"[[budget]]\nkwh = 3\n\n[[budget]]\n{row}\n")
    declared = load(None)
    assert [one.limit for one in declared.budgets] == [3.0]
    (problem,) = declared.problems
    line, header, said = problem.removeprefix(f"{path}:").partition(": [[budget]]: ")
    keys = [text.partition(" ")[0] for text in row.split("\n")]
    stands = [n for n, key in enumerate(keys, 5) if said.startswith((f"{key} =", f"{key}:", f"there is no {key!r}"))]
    assert header
    assert int(line) == (stands or [4])[0]
    assert named in said


def test_of_several_mistakes_in_a_row_each_is_named_with_its_own_line(own: Write) -> None:
    path = own('[[budget]]\nkwh = 3\nper = "wek"\n# hold = "stop"\nhold = "aks"\nnmae = "x"\n')
    assert [problem.partition(": [[")[0] for problem in load(None).problems] == [f"{path}:{n}" for n in (6, 3, 5)]


@pytest.mark.parametrize("text", ['[budget]\nproject = {gpu_hours = 20, per = "week"}\n', "[budget]\ngpu_hours = 20\n"])
def test_a_lonely_table_is_told_how_rows_are_written(text: str, own: Write) -> None:
    path = own(text)
    (problem,) = load(None).problems
    assert problem == f"{path}:1: [budget]: write each budget as a row, [[budget]] with gpu_hours = 20"


@pytest.mark.parametrize("text", ["[[budget]\n", "[[budgets]]\nkwh = 1\n", "[currency]\ncode = 5\n"])
def test_what_another_reader_tells_is_not_told_twice(text: str, own: Write) -> None:
    own(text)
    assert assumptions.load(None).problems
    assert not set(load(None).problems) & set(assumptions.load(None).problems)


def ids(text: str, own: Write) -> list[str]:
    own(text)
    return [one.id for one in load(None).budgets]


def test_an_id_stays_when_the_limit_the_hold_or_the_lines_change(own: Write) -> None:
    (first,) = ids('[[budget]]\nkwh = 3\nper = "week"\n', own)
    assert len(first) == 12
    assert ids('# mine\n\n[[budget]]\nper = "week"\nkwh = 5.5\nhold = "stop"\nwarn = [1]\n', own) == [first]
    for other in ('per = "day"\nkwh = 3', 'kg = 3\nper = "week"', 'kwh = 3\nper = "week"\nname = "x"'):
        assert ids(f"[[budget]]\n{other}\n", own) != [first]


def test_rows_that_are_alike_have_ids_of_their_own(own: Write) -> None:
    row = "[[budget]]\nkwh = 3\n"
    first, second = ids(row * 2, own)
    assert first != second
    assert ids(row, own) == [first]


# The administrator's


@pytest.fixture
def machine(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config directory of the whole machine."""
    (home / "etc").mkdir()
    (home / "config_dir").mkdir()
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(home / "etc"))
    assert str(home / "etc") in jupyter_config_path()
    return home / "etc"


CAPS = '[{"gpu_hours": 20, "per": "week", "hold": "ask"}]'


def test_a_cap_is_of_all_that_a_user_spends(machine: Path) -> None:
    path = machine / "jupyter_costmeter_config.py"
    path.write_text(f"c.CostMeter.caps = {CAPS}\n")
    settings, problems = config.load()
    assert not problems
    one = only(load(None, settings.caps))
    assert (one.scope, one.key, one.cap, one.file, one.hold) == ("user", None, True, None, "ask")
    assert one.origin == str(path)


@pytest.mark.parametrize(
    ("row", "scope", "key"),
    [
        ('"per": "session"', "session", None),
        ('"project": "/lab"', "project", "/lab"),
        ('"notebook": "/lab/a.ipynb"', "notebook", "/lab/a.ipynb"),
        ('"project": "/lab", "scope": "session"', "session", "/lab"),
    ],
)
def test_a_cap_may_be_of_less(row: str, scope: str, key: str | None, machine: Path) -> None:
    (machine / "jupyter_costmeter_config.py").write_text(f'c.CostMeter.caps = [{{"kwh": 1, {row}}}]\n')
    one = only(load(None, config.load()[0].caps))
    assert (one.scope, one.key, one.cap) == (scope, key, True)


@pytest.mark.parametrize(
    "mine", ["c.CostMeter.caps = []", 'c.CostMeter.caps = [{"kwh": 1}]', "c.CostMeter.caps = 5", "1 / 0"]
)
def test_a_users_file_takes_no_cap_away(mine: str, machine: Path, home: Path) -> None:
    (machine / "jupyter_costmeter_config.json").write_text(json.dumps({"CostMeter": {"caps": json.loads(CAPS)}}))
    (home / "config_dir" / "jupyter_costmeter_config.py").write_text(mine)
    settings, _ = config.load()
    declared = load(None, settings.caps)
    assert "gpu_hours" in [one.measure for one in declared.budgets]
    assert ("kwh" in [one.measure for one in declared.budgets]) == ("kwh" in mine)


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("7", "7: it wants a row such as"),
        ('{"gpu_hour": 1}', "did you mean 'gpu_hours'?"),
        ('{"kwh": "x"}', "kwh = 'x'"),
    ],
)
def test_a_malformed_cap_is_named_and_the_others_hold(row: str, named: str, machine: Path) -> None:
    path = machine / "jupyter_costmeter_config.py"
    path.write_text(f'c.CostMeter.caps = [{row}, {{"kwh": 2, "from": "2026-10-01"}}]\n')
    settings, _ = config.load()
    declared = load(None, settings.caps)
    assert [one.limit for one in declared.budgets] == [2.0]
    (problem,) = declared.problems
    assert problem.startswith(f"{path}: CostMeter.caps: ")
    assert named in problem


def test_caps_that_are_no_list_are_named(machine: Path) -> None:
    (machine / "jupyter_costmeter_config.py").write_text('c.CostMeter.caps = {"kwh": 1}\n')
    settings, problems = config.load()
    assert settings.caps == []
    (problem,) = problems
    assert "CostMeter.caps" in problem
    assert "it wants a list" in problem


# Settings


@pytest.mark.parametrize(("said", "taken"), [([0.9], [0.9]), ([0.9, 0.5], [0.5, 0.8, 1.0]), (["x"], [0.5, 0.8, 1.0])])
def test_when_to_warn_by_default(said: Any, taken: list[float], home: Path, own: Write) -> None:
    own("[[budget]]\nkwh = 1\n[[budget]]\nkwh = 2\nwarn = [0.1]\n")
    (home / "config_dir" / "jupyter_costmeter_config.json").write_text(json.dumps({"CostMeter": {"budget_warn": said}}))
    settings, problems = config.load()
    assert bool(problems) == (said != taken)
    found = Plans(settings.caps, tuple(settings.budget_warn)).of(None).budgets
    assert [list(one.warn) for one in found] == [taken, [0.1]]


# Kept


def test_a_changed_file_is_read_anew_and_an_unchanged_one_is_not(own: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    plans, read = Plans(), []

    def counted(*given: Any) -> Declared:
        read.append(given)
        return load(*given)

    monkeypatch.setattr(budgets, "load", counted)
    assert plans.of(None).budgets == ()
    own("[[budget]]\nkwh = 1\n")
    assert [plans.of(None).budgets[0].limit for _ in range(3)] == [1.0] * 3
    own("[[budget]]\nkwh = 22\n")
    assert plans.of(None).budgets[0].limit == 22.0
    assert len(read) == 3
