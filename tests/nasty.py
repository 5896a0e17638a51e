"""Texts that mean something to some format, and what tests of several formats share."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from hypothesis import strategies as st
from stated import golden_statement

from jupyter_costmeter.statement import Document, Experiment, Form, Grid, Item, Statement, Trial

NASTY = (
    r"\input{/etc/passwd}", r"\write18{id}", "$x_1^2$ $$y$$", "50 % & #1 ~ {a} \\", "a\\\\[2cm]b", "[1em] *2",
    "\\end{longtable}", "^^41 `` '' ?` !` << >> -- ---", "\"'`", "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>", "</script><b>x", "a\" onmouseover=\"alert(1)", "<!-- -->",
    "javascript:alert(1)", "&lt;b&gt; &amp;", "[a](http://evil.example)", "![a](http://evil.example/x.png)",
    "https://evil.example www.evil.example", "| a | b |\n| - | - |", "# h\n- l\n> q\n1. n", "```\ncode\n```",
    "~~~", "* * *", "***", "---", "===", "    indented", "<https://evil.example>", "=1+1", "+1", "-1",
    "@SUM(A1)", "\t=1", "\r=1", " =1", "\u200b=1", "＝1+1", "=cmd|' /C calc'!A0", "a;=1+1", 'a",=1+1', "a\n=1+1",
    "key: value", "- x", "? y", "!!python/object/apply:os.system [id]", "&anchor *alias", "yes", "null", "1e3",
    "2026-01-01", "{a: b}", "%TAG", "{{ 7*7 }}", "CO₂ ±5 μs × 3 ≥ 2", "中文 日本語 한국어", "😀👩‍💻",
    "\u202eright to left", "\x07\x1b[31m\x00", "é ł ß ø ż ﬁ ½ Ω ₂ ² ™", "e\u0301\u0328", "", " ", "\ud800",
    "\u2028line\u0085end", "\ufeff", "x" * 300, "a_b/c_d-" * 20,
)  # fmt: skip
MARKS = r"\{}$&#%_^~<>|\"'`*[]()!?+-=@:;,./" + "\n\t 1aé₂中😀\x07"


def texts() -> st.SearchStrategy[str]:
    """Any text, often one that some format takes for more."""
    special = st.text(st.sampled_from(MARKS), max_size=30)
    return st.one_of(st.sampled_from(NASTY), special, st.text(max_size=30))


def form(*said: str) -> Form:
    """A form in which these texts stand everywhere."""
    items = tuple(Item(f"key {i}", f"asks {one}", one, f"how {one}", one) for i, one in enumerate(said))
    grid = Grid("Grid", ("a", "b"), tuple((one, one) for one in said), frozenset({"b"}))
    native = {"co2_eq_emissions": {"emissions": 33.0, "texts": list(said), **{f"k{one}": one for one in said}}}
    open_items = tuple(Item(f"open {i}", "asks", None, "", one or "x") for i, one in enumerate(said))
    return Form("norm", "Norm", "its source", (*items, *open_items), "\n".join(said), (grid,), native, "yaml")


@cache
def _golden() -> Statement:
    return golden_statement()


def document(*said: str, trials: int = 3) -> Document:
    """The golden statement, with these texts in all its names."""
    one = _golden()
    first = said[0] if said else "ours"
    tried = tuple(_trial(trial, said, i) for i, trial in enumerate(one.trials[:trials]))
    experiments = tuple(_experiment(each, said, i) for i, each in enumerate(one.experiments[: max(2, len(said))]))
    machines = tuple(replace(each, host=first, cpu=first, partition=first) for each in one.machines)
    named = replace(
        one, title=first, scope=first, trials=tried, experiments=experiments, machines=machines, problems=said,
        factors=tuple(replace(each, source=first) for each in one.factors),
    )  # fmt: skip
    return Document(named, (form(*said),))


def _trial(trial: Trial, said: tuple[str, ...], i: int) -> Trial:
    text = said[i % len(said)] if said else "x"
    scores = {text: 0.5 + i / 10, "accuracy": 0.5}
    return replace(trial, method=text, run=text, params={text: text, "list": [text]}, scores=scores)


def _experiment(one: Experiment, said: tuple[str, ...], i: int) -> Experiment:
    text = said[i % len(said)] if said else "x"
    return replace(one, name=text, method=text)
