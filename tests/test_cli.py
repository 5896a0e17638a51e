"""``jupyter costmeter …``, as it is typed: in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from shell import cell, costmeter, fill, here, newer, said, session

from jupyter_costmeter import cli
from jupyter_costmeter.version import __version__
from jupyter_costmeter.words import words_of

WORDS = [
    "summary", "report", "last", "cells", "doctor", "where", "factors", "refresh", "rates", "sci", "what-if",
    "budget", "lab", "spent", "forecast", "tag", "score", "compare", "plot", "export", "help", "run", "demo", "top",
    "strip", "verify", "merge", "sync", "slurm", "enable", "disable",
]  # fmt: skip


@pytest.fixture
def project(home: Path) -> Path:
    """A project with a notebook in it, metered twice in one session, and another one beside it."""
    folder = home / "paper"
    (folder / ".git").mkdir(parents=True)
    return folder


@pytest.fixture
def filled(project: Path, ledger_path: Path) -> Path:
    """Two sessions of the project's notebook (one of them with an error), one of a notebook elsewhere."""
    first, again = (session(name, str(project / "train.ipynb")) for name in ("aaa1", "aab2"))
    other = session("bbb3", str(project.parent / "elsewhere" / "other.ipynb"))
    fill(ledger_path, first, cell(first, 1, label="train"), cell(first, 2, outcome="error", error_type="ValueError"))
    fill(ledger_path, again, cell(again, 3, 5000.0, label="dear"))
    fill(ledger_path, other, cell(other, 4, label="far"))
    return project


def test_it_is_a_subcommand_of_jupyter() -> None:
    here = str(Path(sys.executable).parent)
    jupyter = shutil.which("jupyter", path=here)
    assert jupyter
    path = f"{here}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        [jupyter, "costmeter", "--version"], capture_output=True, text=True, env={**os.environ, "PATH": path}
    )
    assert said(ran) == f"{__version__}\n"


def test_help_lists_each_command(home: Path) -> None:
    shown = said(costmeter("help"))
    for word in WORDS:
        assert f"jupyter costmeter {word}" in shown
    assert said(costmeter()) == said(costmeter("--help")) == shown


@pytest.mark.parametrize("word", WORDS)
def test_each_command_has_help(word: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(WORDS) == set(words_of(cli.parser()).choices)
    assert cli.main([word, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: jupyter costmeter {word}")
    assert cli.main(["help", word]) == 0
    assert capsys.readouterr().out == shown
    assert not list(home.rglob("*.sqlite"))


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["summry"], "there is no 'summry'; did you mean 'summary'?"),
        (["exprot", "x.csv"], "did you mean 'export'?"),
        (["cels", "--all"], "did you mean 'cells'?"),
        (["rum", "x.ipynb"], "did you mean 'run'?"),
        (["help", "cels"], "did you mean 'cells'?"),
        (["zzz"], "there are summary, last"),
        (["cells", "--nonsense"], "--nonsense"),
        (["cells", "-n", "0"], "'0' is no number of cells"),
        (["cells", "-n", "-5"], "'-5' is no number of cells"),
        (["cells", "-n", "many"], "'many' is no number of cells"),
        (["export"], "FILE"),
        (["summary", "--all", "--session", "a"], "not allowed with"),
        (["--ledger"], "--ledger"),
        (["run", "there-is-none.ipynb"], "there is no there-is-none.ipynb"),
        (["run", "x.ipynb", "--timeout", "-1"], "'-1' is no number of seconds"),
        (["run", "x.ipynb", "--inplace", "-o", "y.ipynb"], "not allowed with"),
        (["cells", "--notebook"], "which notebook? Name it: --notebook PATH"),
        (["factros"], "did you mean 'factors'?"),
        (["where", "FR", "--pue", "low"], "'low' is no number"),
        (["where", "FR", "--from", "soon"], "'soon' is no day; write it as 2026-10-01"),
        (["where", "FR", "--forget"], "--forget takes no place"),
        (["where", "Frnace"], "there is no region 'Frnace'"),
        (["where", "--kind", "lab"], "say the region, too: where FR --kind lab"),
        (["what-if"], "what if what? Name it: --region SE"),
        (["what-if", "--region", "Frnace"], "there is no region 'Frnace'"),
        (["what-if", "--kind", "palace"], "there is no kind 'palace'; there are laptop, lab, cloud"),
        (["what-if", "--pue", "0.5"], "a PUE is 1.0 or more"),
        (["what-if", "--g-per-kwh", "-1"], "-1 g/kWh is no carbon intensity"),
        (["what-if", "--region", "CF"], "has no carbon intensity"),
        (["sci"], "no energy was metered there"),
        (["sci", "--per", "epoch"], "how many epoch? --count N says it"),
        (["sci", "--per", "0 queries"], "name what one of is counted"),
        (["rates", "check"], "which file? rates check jupyter_costmeter.toml"),
        (["rates", "check", "none.toml"], "there is no none.toml"),
        (["rates", "chekc"], "invalid choice: 'chekc'"),
        (["refresh"], 'no live source is asked for: write [live] source = "uk" into'),
    ],
)
def test_wrong_words(words: list[str], named: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 2
    shown = capsys.readouterr()
    assert named in shown.err
    assert "help lists the commands" in shown.err
    assert shown.out == ""


def test_wrong_words_in_a_shell(home: Path) -> None:
    assert "did you mean 'doctor'?" in said(costmeter("docter"), 2)


@pytest.mark.parametrize("word", ["summary", "report", "last", "cells"])
def test_nothing_was_metered_yet(word: str, home: Path, ledger_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([word]) == 0
    shown = capsys.readouterr().out
    assert "Nothing was metered yet." in shown
    assert "--all" not in shown
    assert not ledger_path.parent.exists()  # reading makes no file


def test_doctor_on_a_fresh_machine(home: Path, ledger_path: Path) -> None:
    shown = said(costmeter("doctor"))
    for part in ("process", "rapl", "nvml", "power", "ledger"):
        assert f" {part} " in shown
    assert f"{ledger_path} (nothing was metered yet)" in shown


def test_export_of_nothing(home: Path) -> None:
    """A file of nothing would pass for an export that worked."""
    assert "nothing was metered" in said(costmeter("export", "out.json", cwd=home), 2)
    assert not (home / "out.json").exists()


def test_a_script_is_metered_and_shown(project: Path) -> None:
    (project / "work.py").write_text(
        "import jupyter_costmeter\n"
        "with jupyter_costmeter.measure('warm up'): sum(range(10**5))\n"
        "with jupyter_costmeter.measure('real work'): all(i for i in range(1, 10**7))\n"
    )
    subprocess.run([sys.executable, "work.py"], cwd=project, check=True, timeout=60)
    assert "Project paper: 2 cells" in (shown := said(costmeter("summary", cwd=project)))
    assert "CPU time" in shown
    assert "GPU" not in shown  # none here: nothing to tell
    lines = said(costmeter("cells", cwd=project)).splitlines()
    assert [" ".join(line.split()[:2]) for line in lines[-2:]] == ["warm up", "real work"]
    assert said(costmeter("last", cwd=project)).startswith("real work: ")
    report = said(costmeter("report", cwd=project))
    assert report.index("CPU energy") < report.index("real work") < report.index("warm up")
    assert said(costmeter("--label", "warm up", cwd=project)).startswith("Project paper: 1 cell, ")


def test_scopes(filled: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(filled)

    def cells(*words: str) -> set[str]:
        shown = said(here(capsys, "cells", *words))
        return {word for word in ("train", "In [2]", "dear", "far") if f"{word} " in shown}

    everything = {"train", "In [2]", "dear", "far"}
    assert cells() == {"train", "In [2]", "dear"}
    assert cells("--all") == everything
    assert cells("--project", str(filled)) == cells()
    assert cells("--project", "..") == everything  # a project counts those inside it
    assert cells("--notebook", "train.ipynb") == cells()
    assert cells("--notebook", "../elsewhere/other.ipynb") == {"far"}
    assert cells("--session", "aab") == {"dear"}
    assert cells("--all", "--label", "train") == {"train"}
    assert cells("-n", "1") == {"dear"}
    assert cells("--all", "-n", "2") == {"dear", "far"}
    assert cells("--all", "-n", "1", "--dearest") == {"dear"}


def test_the_summary_adds_up(filled: Path) -> None:
    shown = said(costmeter(cwd=filled / ".git")) and said(costmeter("summary", cwd=filled))
    assert shown.startswith("Project paper: 3 cells in 2 sessions, 6.00 s, 1 of them failed")
    assert "5.20 kJ" in shown  # the GPU's 100 + 100 + 5000 J
    assert said(costmeter("summary", "--session", "bbb")).startswith("Session bbb3: 1 cell, 2.00 s")


def test_a_linked_folder_is_the_same_notebook(filled: Path) -> None:
    (filled.parent / "link").symlink_to(filled)
    assert "3 cells" in said(costmeter("summary", "--notebook", str(filled.parent / "link" / "train.ipynb")))


def test_an_ambiguous_session_is_not_guessed(filled: Path) -> None:
    assert "2 sessions begin with 'aa'" in said(costmeter("last", "--session", "aa"), 2)
    assert "no sessions begin with 'xyz'" in said(costmeter("last", "--session", "xyz"), 2)


@pytest.mark.parametrize("word", ["summary", "report", "last", "cells", "export"])
def test_what_is_elsewhere_is_hinted_at(word: str, filled: Path, monkeypatch: pytest.MonkeyPatch,
                                        capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    (filled.parent / "empty").mkdir()
    monkeypatch.chdir(filled.parent / "empty")
    code = cli.main([word, *(["out.csv"] if word == "export" else [])])
    shown = capsys.readouterr()
    assert code == (2 if word == "export" else 0)
    assert "The ledger has 4 cells in all: --all shows them." in shown.out + shown.err


def test_another_ledger(filled: Path, home: Path, ledger_path: Path) -> None:
    other = home / "other.sqlite"
    shutil.copy(ledger_path, other)
    fill(other, info := session("new", str(filled / "x.ipynb")), cell(info, 9))
    assert "Everything in the ledger: 5 cells" in said(costmeter("--ledger", str(other), "summary", "--all"))
    assert "Everything in the ledger: 5 cells" in said(
        costmeter("summary", "--all", "--ledger", "../other.sqlite", cwd=filled)
    )
    assert "Everything in the ledger: 4 cells" in said(costmeter("summary", "--all"))
    mistyped = costmeter("--ledger", str(home / "none.sqlite"), "summary", "--all")
    assert "there is no ledger" in said(mistyped, 2)  # not that nothing was metered


def test_the_ledger_of_the_settings_is_read(filled: Path, home: Path, ledger_path: Path) -> None:
    shutil.move(ledger_path, home / "moved.sqlite")
    (home / "config_dir").mkdir()
    config = {"CostMeter": {"ledger_path": str(home / "moved.sqlite"), "tick_s": "soon"}}
    (home / "config_dir" / "jupyter_costmeter_config.json").write_text(json.dumps(config))
    shown = said(costmeter("summary", "--all"))
    assert "4 cells" in shown
    assert "CostMeter.tick_s = 'soon'" in shown  # malformed: said, and the default used
    assert "CostMeter.tick_s = 'soon'" in said(costmeter("doctor"))


@pytest.mark.parametrize("text", ["# My paper\n", "SQLite"])
def test_a_file_named_by_mistake_is_left_alone(text: str, home: Path) -> None:
    (home / "README.md").write_text(text)
    for words in (["cells"], ["run", "x.ipynb"], ["doctor"]):
        assert "README.md is no ledger" in said(costmeter("--ledger", "README.md", *words, cwd=home), 2)
    assert sorted(p.name for p in home.iterdir()) == ["README.md"]
    assert (home / "README.md").read_text() == text
    assert "Is a directory" in said(costmeter("--ledger", str(home), "cells"), 2)


def test_a_corrupt_ledger_is_put_aside_and_said_so(filled: Path, ledger_path: Path) -> None:
    whole = ledger_path.read_bytes()
    ledger_path.write_bytes(whole[:100] + b"\xa5" * (len(whole) - 100))
    broken = ledger_path.read_bytes()
    shown = said(costmeter("cells", "--all"))
    assert "was corrupt: it was moved aside to" in shown
    assert "Nothing was metered yet" in shown
    (aside,) = [p for p in ledger_path.parent.glob("*.corrupt-*") if not p.name.endswith(("-wal", "-shm"))]
    assert aside.read_bytes() == broken
    assert str(aside) in shown
    assert "corrupt" not in said(costmeter("cells", "--all"))


def test_no_report_passes_for_one_of_a_corrupt_ledger(filled: Path, ledger_path: Path) -> None:
    ledger_path.write_bytes(b"\xa5" * 50_000)
    assert "was corrupt" in said(costmeter("export", "--all", "out.json", cwd=filled), 1)
    assert not list(filled.glob("*out.json*"))


def test_a_ledger_of_a_later_version_is_refused(filled: Path, ledger_path: Path) -> None:
    newer(ledger_path)
    before = ledger_path.read_bytes()
    shown = said(costmeter("summary", "--all"), 1)
    assert "was written by jupyter_costmeter 99.0" in shown
    assert "pip install -U 'jupyter_costmeter>=99.0'" in shown
    assert "99.0" in said(costmeter("doctor"))
    assert ledger_path.read_bytes() == before


def test_a_pipe_that_closes_early_is_no_error(filled: Path, ledger_path: Path) -> None:
    many = session("many", str(filled / "many.ipynb"))
    fill(ledger_path, many, *(cell(many, n) for n in range(10, 1010)))
    for words in ("cells -n 1000", "cells -n 2", "help"):
        line = f"{sys.executable} -m jupyter_costmeter.cli {words} | head -c 1"
        ran = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line], cwd=filled, capture_output=True, text=True, timeout=60
        )
        assert (ran.returncode, ran.stderr, len(ran.stdout)) == (0, "", 1)
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    for word in ("cells", "help"):  # more and less than the stream keeps back
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write, "w") as closed:
            command = [sys.executable, "-m", "jupyter_costmeter.cli", word]
            gone = subprocess.run(
                command, stdout=closed, stderr=subprocess.PIPE, text=True, cwd=filled, timeout=60, env=buffered
            )
        assert (gone.returncode, gone.stderr) == (0, "")


def test_a_terminal_without_unicode(filled: Path) -> None:
    assert "GPU energy" in said(costmeter("summary", cwd=filled, PYTHONIOENCODING="ascii", PYTHONUTF8="0"))
