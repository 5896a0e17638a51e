"""The words about budgets, as the shell and ``%cost`` answer them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from costing_words import Words
from kernels import Kernel
from shell import cell, fill, session

from jupyter_costmeter import planning
from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.toml_files import NAME

# How they are spelled


@pytest.mark.parametrize(
    ("words", "row"),
    [
        ("gpu_hours=20 per=week", {"gpu_hours": 20, "per": "week"}),
        ("kwh=0.5", {"kwh": 0.5}),
        ("flops=2.4e18", {"flops": 2.4e18}),
        ("EUR=150", {"amount": 150, "currency": "EUR"}),
        ("eur=1.5", {"amount": 1.5, "currency": "EUR"}),
        ("amount=2 currency=SEK", {"amount": 2, "currency": "SEK"}),
        ("kg=1 warn=50,80%,100", {"kg": 1, "warn": [0.5, 0.8, 1.0]}),
        ("kg=1 from=2026-10-01 until=2026-11-01", {"kg": 1, "from": date(2026, 10, 1), "until": date(2026, 11, 1)}),
        ("kg=1 shared=yes paused=No", {"kg": 1, "shared": True, "paused": False}),
        ("kg=1 project=/lab/../lab/x/", {"kg": 1, "project": "/lab/x"}),
        ("kg=1 hold=ask zone=Europe/Berlin name=a=b", {"kg": 1, "hold": "ask", "zone": "Europe/Berlin", "name": "a=b"}),
    ],
)
def test_what_words_say(words: str, row: dict[str, Any]) -> None:
    assert planning.row_of(words.split()) == row


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("gpu_hours 20", "write it as gpu_hours=VALUE, without spaces. An example: budget gpu_hours=20"),
        ("gpu=20", "there is no 'gpu'; did you mean 'gpu_hours'? An example: "),
        ("gpu_huors=20", "there is no 'gpu_huors'; did you mean 'gpu_hours'?"),
        ("paus mine", "there is no 'paus'; did you mean 'pause'?"),
        (
            "raise quota",
            "to raise a budget, say all that it is, without 'raise': budget gpu_hours=30 per=week name=NAME",
        ),
        ("kwh=lots", "kwh: 'lots' is no number"),
        ("kwh=inf", "kwh: 'inf' is no number"),
        ("kwh=", "kwh= says nothing. An example: "),
        ("kwh=1 kwh=2", "kwh is said twice"),
        ("EUR=1 currency=USD", "currency is said twice"),
        ("kwh=1 warn=0.5,1", "warn=0.5,1: it wants percents, such as warn=50,80,100"),
        ("kwh=1 from=October", "from=October: it wants a day, such as from=2026-10-01"),
        ("kwh=1 shared=maybe", "shared=maybe: it wants yes or no"),
    ],
)
def test_a_mistake_names_the_near_word(words: str, named: str) -> None:
    with pytest.raises(UsageError) as error:
        planning.row_of(words.split())
    assert str(error.value).startswith(named)


# What they answer: three cells of 2 s with a GPU, two days ago


def test_without_any_it_says_how_to_set_one(words: Words) -> None:
    shown = words("budget")
    assert shown.startswith("No budgets\n")
    assert "`%cost budget gpu_hours=20 per=week`, or in a shell `jupyter costmeter budget …`, sets one" in shown


def test_setting_one_says_what_was_set_where_it_stands_and_where_it_is_written(words: Words, metered: Path) -> None:
    shown = words("budget", "gpu_hours=20", "per=week", "hold=ask", "name=GPU quota")
    assert shown.startswith("Budget set: GPU quota (20 GPU-h per week, project paper)\n")
    assert "GPU-h left; begins anew on Mon " in shown
    assert "It warns at 50 %, 80 %, 100 %." in shown
    assert "When it is spent, no cell starts; run it again within a minute, and it goes on." in shown
    assert f"Written to {metered}:1." in shown
    again = words("budget", "gpu_hours=30", "per=week", "name=GPU quota")
    assert again.startswith("Budget changed: GPU quota (30 GPU-h per week, project paper)\n")
    assert metered.read_text().count("[[budget]]") == 1


def test_what_was_spent_is_counted(words: Words, metered: Path) -> None:
    words("budget", "gpu_hours=0.002", "per=7d")
    (line,) = [line for line in words("budget").splitlines() if line.startswith("7.2 GPU-s")]
    parts = re.split(r"\s{2,}", line)
    assert parts[1] == "6 GPU-s"  # 3 × 2 s
    assert parts[2:5] == ["7.2 GPU-s", "1.2 GPU-s", "83 %"]
    assert parts[5:] == ["in any 7 days", "warn", f"{metered}:1"]


def test_of_a_limit_of_nothing_there_is_no_share(words: Words) -> None:
    words("budget", "gpu_hours=0", "name=none at all")
    (line,) = [line for line in words("budget").splitlines() if line.startswith("none at all")]
    assert re.split(r"\s{2,}", line)[1:5] == ["6 GPU-s", "0 GPU-h", "0 GPU-h", "—"]


def test_the_summary_tells_of_what_has_come_to_a_threshold(words: Words) -> None:
    assert "Budget" not in words("summary")
    words("budget", "gpu_hours=1", "per=7d")
    assert "Budget" not in words("summary")
    words("budget", "gpu_hours=0.003", "per=7d")
    sentence = "6 of 10.8 GPU-s in the last 7 days (56 %), 4.8 GPU-s left."
    assert f"Budget 10.8 GPU-s in any 7 days, project paper: {sentence}" in words("summary")
    words("budget", "pause", "10.8 GPU-s")
    assert "Budget" not in words("summary")


def test_a_lower_bound_says_why(words: Words, ledger_path: Path, home: Path) -> None:
    info = session("bbb1", str(home / "paper" / "train.ipynb"))
    fill(ledger_path, info, cell(info, 1, None))
    words("budget", "kwh=5")
    assert re.search(r"5 kWh in all, project paper: a lower bound: .*the GPU is lost", words("budget"))


def test_pausing_resuming_and_deleting(words: Words, metered: Path) -> None:
    words("budget", "kwh=5", "per=month", "name=mine")
    shown = words("budget", "pause", "mine")
    assert "Budget paused: mine (5 kWh per month, project paper)" in shown
    assert "It is paused: it neither warns nor holds." in shown
    assert re.search(r"^mine .* paused +/", words("budget"), re.MULTILINE)
    assert "Now: " in words("budget", "resume", "mine")
    shown = words("budget", "delete", "mine")
    assert f"Taken out of {metered}. What was spent stays in the ledger." in shown
    assert "there is no budget 'mine'; there is none yet; set one: " in words("budget", "pause", "mine", code=2)


def test_extending_is_kept_in_the_ledger(words: Words) -> None:
    words("budget", "gpu_hours=0.001", "per=month", "hold=ask", "from=2020-01-01", code=2)
    words("budget", "gpu_hours=0.001", "hold=ask", "from=2020-01-01", "name=quota")
    shown = words("budget", "extend", "quota")
    assert "6 of 6.36 GPU-s (with 2.76 GPU-s granted)" in shown
    assert "6.36 GPU-s" in words("budget")


def test_a_shared_one_is_beside_the_project(words: Words, home: Path) -> None:
    path = home / "paper" / NAME
    assert f"Written to {path}:1." in words("budget", "kwh=5", "shared=yes")
    assert path.read_text() == '[[budget]]\nkwh = 5\nscope = "project"\n'


def test_the_administrators_is_listed_and_cannot_be_changed(words: Words, metered: Path) -> None:
    config = metered.parent / "jupyter_costmeter_config.json"
    config.write_text(json.dumps({"CostMeter": {"caps": [{"gpu_hours": 20, "per": "week", "name": "lab"}, 5]}}))
    shown = words("budget")
    assert re.search(rf"^lab .* {re.escape(str(config))} \(the administrator's\)", shown, re.MULTILINE)
    assert f"{config}: CostMeter.caps: 5: it wants a row" in shown
    for verb in ("pause", "delete", "extend"):
        assert "set by the administrator in" in words("budget", verb, "lab", code=2)


def test_mistakes_in_a_file_are_below_the_list(words: Words, metered: Path) -> None:
    metered.write_text('[[budget]]\nkwh = 1\n[[budget]]\nkwh = "x"\n[[budget]]\nkwh = 1\nproject = "/elsewhere"\n')
    shown = words("budget")
    assert shown.startswith("1 budget\n")
    assert f"{metered}:4: [[budget]]: kwh = 'x': it wants a number from 0 on" in shown
    assert "1 more budget of other notebooks or projects." in shown


def test_in_a_shell_those_of_the_projects_notebooks_are_listed(words: Words, home: Path) -> None:
    words("budget", "kwh=1", f"notebook={home / 'paper' / 'train.ipynb'}")
    words("budget", "kwh=1", f"notebook={home / 'other' / 'train.ipynb'}")
    shown = words("budget")
    assert "1 kWh in all, notebook train.ipynb" in shown
    assert "1 more budget of other notebooks or projects." in shown


def test_help_lists_what_it_may_say(words: Words) -> None:
    shown = words("help", "budget")
    assert "gpu_hours, gpu_busy_hours, flops, kwh, kgco2e or a currency" in shown
    assert re.search(r"jupyter costmeter budget KEY=VALUE +where budgets stand", words("help"))


def test_in_a_kernel(start_kernel: Callable[..., Kernel], home: Path) -> None:
    kernel = start_kernel()

    def say(line: str) -> str:
        kernel.run(line)
        return kernel.text

    assert "No budgets" in say("%cost budget")
    shown = say('%cost budget kwh=1 per=week scope=notebook name="my quota"')
    assert "Budget set: my quota (1 kWh per week, notebook train.ipynb)" in shown
    assert re.search(r"my quota +[~≥ ]*\S+ \S*Wh +1 kWh ", say("%cost budget"))
    assert "Budget extended: my quota" in say("%cost budget extend my quota")
    assert re.search(r"my quota +[~≥ ]*\S+ \S*Wh +1.1 kWh ", say("%cost budget"))
    assert "there is no 'kwhs'; did you mean 'kwh'?" in say("%cost budget kwhs=1")


def test_its_name_is_enough_to_raise_a_budget_of_any_scope(words: Words) -> None:
    words("budget", "gpu_hours=2", "per=day", "scope=user", "hold=ask", "name=nb gpu")
    shown = words("budget", "gpu_hours=3", "name=nb gpu")
    assert shown.startswith("Budget changed: nb gpu (3 GPU-h per day, all of mine)\n")
    assert words("budget").startswith("1 budget\n")
    assert words("budget", "gpu_hours=1", "scope=project", "name=nb gpu").startswith("Budget set: ")


def test_a_file_that_cannot_be_read_is_named_and_not_taken_for_none(words: Words, metered: Path) -> None:
    metered.write_text('[[budget]]\ngpu_hours = 20\nhold = "ask\n')
    shown = words("budget")
    assert f"{metered}: " in shown
    assert "nothing of this file is used until that is mended" in shown
    assert "None is set here" not in shown
    metered.write_text("[[budgets]]\ngpu_hours = 20\n")
    assert "did you mean 'budget'?" in words("budget")
