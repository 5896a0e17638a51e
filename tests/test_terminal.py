"""All words in terminals: no line is longer than the terminal, its letters are used, and colours where it has some."""

from __future__ import annotations

import io
import re
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from costing_words import HOST
from shell import cell, fill, session

from jupyter_costmeter import cli
from jupyter_costmeter.layout import columns_of
from jupyter_costmeter.tag import tags_of
from jupyter_costmeter.words import words_of

WIDE, MARKED = "学習率の探索と評価をするための長いラベルです", "cafe\u0301 au lait und so weiter, sehr lang 🚀"
DECLARED = """
[[where]]
region = "FR"
[[rates]]
gpu_hour = "1.20"
currency = "EUR"
[[budget]]
gpu_hours = 0.003
per = "week"
name = "quota"
[[budget]]
kwh = 0.0075
name = "予算の名前は長い"
[[budget]]
kgco2e = 0.001
paused = true
"""
WORDS = [
    "summary", "summary --all", "report", "last", "cells", "cells --dearest", "doctor", "where", "where FR",
    "where --search germany", "factors", "rates", "rates check jupyter_costmeter.toml", "sci", "report neurips",
    "what-if --region SE --region PL --region US-CA", "report arr cvpr boamps", "report -o out.md --force", "budget",
    "budget gpu_hours=2 name=another", "spent", "spent --by notebook", "spent --by outcome", "forecast",
    "tag hpo --record aaa1-1", "score f1=0.5 --last", "compare ours base", "export out.json --force", "enable",
    "disable", "strip x.ipynb", "top", "top --project", "help", "help tag", "help sci", "help spent", "help run",
    "refresh", "rates check", "rates check 訓練.toml", "nope", "plot", "plot -o x.html", "cells -n x",
    "forecast --notebook a.ipynb", "--version", "sync", "sync --status", "sync postgresql://127.0.0.1:1/lab", "lab",
    "lab --at postgresql://127.0.0.1:1/lab", "lab budget set 5 kWh --at postgresql://127.0.0.1:1/lab",
    "slurm", "slurm 4242 --all",
]  # fmt: skip
#: Words of which each is tried by itself elsewhere, or which start something that stays.
ELSEWHERE = {"run", "demo", "merge", "verify"}
ESCAPE = re.compile("\x1b\\[[0-9;]*m")
Shown = Callable[..., str]


class Terminal(io.TextIOWrapper):
    """What is written to a terminal (or not one) of some encoding."""

    def __init__(self, encoding: str = "utf-8", terminal: bool = True) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="\n", write_through=True)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def text(self) -> str:
        made = self.buffer
        assert isinstance(made, io.BytesIO)
        return made.getvalue().decode(self.encoding)


@pytest.fixture
def filled(home: Path, ledger_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with long and wide names, a failed cell, scores, prices and budgets in all states."""
    folder, now = home / "paper", time.time()
    (folder / ".git").mkdir(parents=True)
    (home / "config_dir").mkdir()
    (folder / "jupyter_costmeter.toml").write_text(DECLARED, encoding="utf-8")
    (folder / "x.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    long = "a-very-long-notebook-name-that-goes-on-and-on.ipynb"
    one, two = (
        replace(session(name, str(folder / file)), host=HOST, started_at=now - 900)
        for name, file in (("aaa1", long), ("bbb2", "訓練ノート実験その一.ipynb"))
    )
    made = [
        replace(cell(one, at, 3600.0), tags=said(f"aaa1-{at}", at, "ours" if at < 3 else "base")) for at in range(1, 5)
    ]
    made.append(cell(one, 5, None, outcome="error", error_type="ValueError"))
    made.append(cell(one, 6, 10.0, outcome="interrupted"))
    fill(ledger_path, one, *(replace(record, started_at=now - 800 + record.seq) for record in made))
    wide = [replace(cell(two, at, 500.0, label=label), started_at=now - 700) for at, label in ((7, WIDE), (8, MARKED))]
    fill(ledger_path, two, *wide)
    monkeypatch.chdir(folder)
    return folder


def said(record_id: str, at: int, method: str) -> Any:
    keys = {"category": "train", "method": method, "run": f"{method}-{at}", "score.accuracy": 0.9 + at / 100}
    return tags_of(record_id, keys, time.time(), "run", "ada", socket.gethostname())


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """What a command writes, to both of its streams."""
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")

    def run(words: str, columns: int = 80, encoding: str = "utf-8", terminal: bool = True, once: bool = True) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        out = Terminal(encoding, terminal)
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", out)
        asked = words.split() + (["--once"] if words.startswith("top") and once else [])
        away = "127.0.0.1:1" in words  # a database that does not answer
        assert cli.main(asked) in ((1, 2) if away else (0, 2)), out.text()
        return out.text()

    return run


def too_long(text: str, columns: int) -> list[str]:
    """Lines that are longer; not those of one word, which may be a path or a digest to be copied, nor tqdm's bars."""
    lines = [line for line in re.split("[\r\n]", ESCAPE.sub("", text)) if "records/s" not in line]
    return [line for line in lines if columns_of(line) > columns and len(line.split()) > 1]


def test_all_words_are_tried() -> None:
    known = set(words_of(cli.parser()).choices) - ELSEWHERE
    assert known <= {words.split()[0] for words in WORDS}


@pytest.mark.parametrize("words", WORDS)
def test_no_line_is_longer_than_the_terminal(words: str, filled: Path, shown: Shown) -> None:
    for columns in (40, 80, 160):
        text = shown(words, columns)
        assert text.strip()
        assert too_long(text, columns) == []


@pytest.mark.parametrize("words", WORDS)
def test_a_terminal_without_these_letters_has_them_spelled(words: str, filled: Path, shown: Shown) -> None:
    text = shown(words, 80, "ascii")
    assert text.isascii()
    assert too_long(text, 80) == []
    if words == "summary":
        assert ">= ~" in text
        assert "+-5.0 %" in text
        assert "?" not in text.replace("?" * 8, "")  # but the budget's Japanese name


@pytest.mark.parametrize("words", WORDS)
def test_what_is_piped_has_no_colour_and_whole_sentences(words: str, filled: Path, shown: Shown) -> None:
    assert "\x1b" not in shown(words, 40, terminal=False)


def test_colour_is_for_what_failed_and_for_budgets_near_their_limits(filled: Path, shown: Shown) -> None:
    cells = shown("cells", 160)
    assert "\x1b[31m✗ error\x1b[0m" in cells
    assert "\x1b[33m■ interrupted\x1b[0m" in cells
    budgets = shown("budget", 160)
    assert re.search("\x1b\\[31m1[0-9]{2} %\x1b\\[0m", budgets)
    assert re.search("\x1b\\[33m[89][0-9] %\x1b\\[0m", budgets)
    assert "\x1b" not in shown("summary", 160)


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"CLICOLOR": "0"}])
def test_who_wants_no_colour_gets_none(
    env: dict[str, str], filled: Path, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    coloured = shown("cells", 160)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert shown("cells", 160) == ESCAPE.sub("", coloured) != coloured


def test_columns_stay_in_line_with_colours_and_with_wide_letters(filled: Path, shown: Shown) -> None:
    lines = ESCAPE.sub("", shown("cells", 160)).splitlines()
    header = next(line for line in lines if "started" in line)
    at = columns_of(header[: header.index("started")])
    began = [columns_of(line[: found.start()]) for line in lines if (found := re.search("20[0-9]{2}-", line))]
    assert len(began) == 8
    assert set(began) == {at}
