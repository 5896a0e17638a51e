"""The words of ``%cost`` and of ``jupyter costmeter``: how they are spelled and checked.

Raises ``UsageError`` for words it does not know, naming the near one.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from datetime import date
from math import isfinite
from typing import NoReturn, get_args

from .errors import UsageError
from .tag import Category
from .uses import By

#: What a budget may say.
BUDGET_KEYS = (
    "Of what: gpu_hours, gpu_busy_hours, flops, kwh, kgco2e or a currency (EUR=150). When: per=day, week, month,"
    " session, total or 7d; from=DATE until=DATE; zone=Europe/Berlin. Whose: scope=project, notebook, session or user;"
    " project=PATH, notebook=PATH. At the limit: hold=warn, ask or stop; warn=50,80,100 (percent). And name=TEXT,"
    " shared=yes (into the project's folder)."
)


LAB_KEYS = (
    'As lab budget set "200 GPU-h" --per month --each. Of what: GPU-h, busy GPU-h or FLOP; only a head of the lab sets'
    " one (docs/shared.md)."
)
#: What each category means.
CATEGORY_TEXTS: dict[Category, str] = {
    "train": "training from scratch, for results that may be reported",
    "finetune": "training that goes on from weights that somebody has trained",
    "distill": "training a model on another one's outputs",
    "hpo": "search for hyperparameters or architectures: all its trials, good or bad",
    "ablation": "the same without a part of it, to see what that part does",
    "inference": "evaluation and use of a trained model",
    "prep": "downloads, preprocessing, features",
    "failed": "what came to nothing: by itself, from an error or interrupt, unless tagged afterwards",
    "other": "none of these",
}
TAG_KEYS = "\n".join(
    [
        (
            "In a notebook, without --last and so on: of the cell that runs and all from it on, until the next tag"
            " (which says all of it anew) or --off. Of one cell: %%cost tag=hpo method=ours in its first line."
            " KEY= takes back."
        ),
        "What was said stays in the ledger, and the newest counts. Any other KEY=VALUE is a parameter.",
        "",
        "categories:",
        *(f"  {name:10} {text}" for name, text in CATEGORY_TEXTS.items()),
    ]
)


#: Where no notebook is.
NO_PANEL = "the panel is a widget and needs a notebook, where %cost panel shows it; summary has the totals here"


class Parser(argparse.ArgumentParser):
    """Errors are ``UsageError`` instead of an exit, and name the near word."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def parser(prog: str) -> Parser:
    """All commands that only read; the shell adds its own."""
    top = Parser(prog=prog, add_help=False, allow_abbrev=False)
    words = top.add_subparsers(dest="word", parser_class=Parser, metavar="COMMAND")
    scope = _scope()
    words.add_parser("summary", parents=[scope], help="the totals", add_help=False)
    words.add_parser("last", parents=[scope], help="all that is known of the last cell", add_help=False)
    cells = words.add_parser("cells", parents=[scope], help="a line for each of the newest cells", add_help=False)
    cells.add_argument("-n", type=_count, default=20, metavar="COUNT", help="how many (20)")
    cells.add_argument("--dearest", action="store_true", help="the dearest first, instead of the newest")
    if prog == "%cost":  # they are counted in a kernel
        flops = words.add_parser("flops", help="FLOPs: what counts them, and what does not", add_help=False)
        flops.add_argument("what", metavar="[audit | jax] [off]", nargs="?", choices=["audit", "jax"])
        flops.add_argument("off", nargs="?", choices=["off"], help=argparse.SUPPRESS)
        far = words.add_parser("progress", help="say how far this cell is, where no tqdm bar does", add_help=False)
        far.add_argument("done", metavar="DONE/TOTAL", help="such as 3/100")
        what = "the sidebar's essentials in this output, live: for VS Code, Colab, Notebook 7, Voilà"
        words.add_parser("panel", help=what, add_help=False)
    words.add_parser("doctor", help="each part: ready, or why not and what to do", add_help=False)
    plot = words.add_parser("plot", parents=[scope], help="power over time, with the cells as bands", add_help=False)
    plot.add_argument("file", metavar="[FILE]", nargs="?", help="write it (.html), to be opened anywhere")
    plot.add_argument("--last", type=_count, metavar="N", help="from the N-th last cell on (all)")
    plot.add_argument("--force", action="store_true", help="replace a file that is there")
    what = "what SLURM gave jobs, what was used of it, and what sacct says"
    slurm = words.add_parser("slurm", parents=[scope], help=what, add_help=False)
    slurm.add_argument("jobs", metavar="[JOB …]", nargs="*", help="these alone: 4242, 4200_7, or a whole array's 4200")
    _about_costs(words, scope)
    _about_budgets(words, scope)
    _about_the_lab(words)
    _about_statements(words, scope)
    export = words.add_parser("export", parents=[scope], help="write FILE (.json, .csv or .md)", add_help=False)
    export.add_argument("file", metavar="FILE")
    export.add_argument("--anonymous", action="store_true", help="without hosts, users, paths and notebooks' names")
    export.add_argument("--force", action="store_true", help="replace a file that is there")
    about = words.add_parser("help", help="this list, or all about one command", add_help=False)
    about.add_argument("command", metavar="[COMMAND]", nargs="?")
    return top


def _about_costs(words: argparse._SubParsersAction[Parser], scope: Parser) -> None:
    """The words for what is derived of the joules."""
    where = words.add_parser("where", help="say where this machine stands (FR, US-CA, gcp/us-central1)", add_help=False)
    where.add_argument("region", metavar="[REGION]", nargs="?", help="its id or name")
    where.add_argument("--kind", metavar="KIND", help="laptop, lab or cloud: it decides the PUE")
    where.add_argument("--pue", type=number, metavar="PUE", help="the site's own")
    where.add_argument("--host", metavar="HOST", help="another machine's name, or a pattern of several (gpu-*)")
    where.add_argument("--from", dest="since", type=_day, metavar="DATE", help="from that day on (else for all times)")
    where.add_argument("--search", metavar="TEXT", nargs="?", const="", help="list regions")
    where.add_argument("--forget", action="store_true", help="take the place away")
    words.add_parser("factors", parents=[scope], help="the factors behind carbon and money", add_help=False)
    words.add_parser("refresh", parents=[scope], help="ask the live carbon source now", add_help=False)
    rates = words.add_parser("rates", parents=[scope], help="which tariff prices what, and why", add_help=False)
    rates.add_argument("what", metavar="[check]", nargs="?", choices=["check"])
    rates.add_argument("file", metavar="[FILE]", nargs="?", help="a TOML file with [[rates]]")
    sci = words.add_parser("sci", parents=[scope], help="the SCI score (ISO/IEC 21031) per unit", add_help=False)
    sci.add_argument("--per", metavar="UNIT", default="run", help="run, session, epoch, '1000 queries' (run)")
    sci.add_argument("--count", type=number, metavar="N", help="how many of the unit there were")
    what = words.add_parser("what-if", parents=[scope], help="the same elsewhere, side by side", add_help=False)
    what.add_argument("--region", metavar="REGION", action="append", help="another region; several: a column each")
    what.add_argument("--pue", type=number, metavar="PUE")
    what.add_argument("--gpu", metavar="MODEL", help="charged as another GPU")
    what.add_argument("--g-per-kwh", type=number, metavar="GRAMS", help="another carbon intensity")
    what.add_argument("--kind", metavar="KIND", help="laptop, lab or cloud")


def _about_budgets(words: argparse._SubParsersAction[Parser], scope: Parser) -> None:
    """The words for what there is to spend."""
    what = "where budgets stand; gpu_hours=20 per=week sets one; pause, resume, extend or delete NAME"
    budget = words.add_parser("budget", help=what, epilog=BUDGET_KEYS, add_help=False)
    budget.add_argument("said", metavar="KEY=VALUE", nargs="*", help="what it says, as in jupyter_costmeter.toml")
    spent = words.add_parser("spent", parents=[scope], help="what spent a budget, or the energy", add_help=False)
    bys = get_args(By)
    spent.add_argument("--by", choices=bys, default="cell", metavar="ROWS", help=f"{', '.join(bys)} (cell)")
    spent.add_argument("--budget", metavar="NAME", help="which budget (the tightest)")
    ahead = words.add_parser("forecast", help="what the next run of each cell will cost", add_help=False)
    ahead.add_argument("--notebook", metavar="PATH", help="another notebook")


def _about_the_lab(words: argparse._SubParsersAction[Parser]) -> None:
    """The word for what several people have together."""
    what = 'your share of the lab\'s budgets, and who is where; budget set "200 GPU-h" sets one, delete NAME'
    lab = words.add_parser("lab", help=what, epilog=LAB_KEYS, add_help=False)
    lab.add_argument("said", metavar="[budget [set AMOUNT | delete NAME]]", nargs="*", help="the lab's budgets")
    lab.add_argument("--each", action="store_true", help="for each person (else for all together)")
    lab.add_argument("--user", metavar="PERSON", help="for one person, by the name in the database")
    lab.add_argument("--project", metavar="NAME", help="only what is used in folders of that name")
    lab.add_argument("--per", metavar="PERIOD", help="day, week, month or total (total)")
    lab.add_argument("--hold", metavar="HOLD", help="warn, ask or stop (warn)")
    lab.add_argument("--warn", metavar="PERCENTS", help="when to warn (50,80,100)")
    lab.add_argument("--zone", metavar="ZONE", help="whose midnights are meant (UTC)")
    lab.add_argument("--name", metavar="TEXT", help="what it is called")
    lab.add_argument("--at", metavar="ADDRESS", help="the lab's ledger (the setting ledger_share)")


def _about_statements(words: argparse._SubParsersAction[Parser], scope: Parser) -> None:
    """The words for what was spent on what, and for papers."""
    what = "the totals and the dearest cells; with NORM (neurips, arr, cvpr, …): its statement"
    report = words.add_parser("report", parents=[scope], help=what, add_help=False)
    report.add_argument("norm", metavar="[NORM …]", nargs="*", help="which norms (with -o and none: all)")
    report.add_argument("-o", "--output", metavar="FILE", help="write it (.md, .tex, .html, .json, .csv or .yaml)")
    report.add_argument("--anonymous", action="store_true", help="without hosts, users, paths and notebooks' names")
    report.add_argument("--force", action="store_true", help="replace a file that is there")
    what = "say what cells are: CATEGORY method=NAME run=NAME in_paper=yes KEY=VALUE …"
    tag = words.add_parser(
        "tag", parents=[scope], help=what, epilog=TAG_KEYS, formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )  # fmt: skip
    tag.add_argument("said", metavar="[CATEGORY] [KEY=VALUE …]", nargs="*", help="what they are")
    _which(tag).add_argument("--off", action="store_true", help="end the span that a tag began")
    score = words.add_parser(
        "score", parents=[scope], help="how good the cell or trial was: accuracy=0.912", add_help=False
    )
    score.add_argument("said", metavar="NAME=VALUE", nargs="+", help="a number; of several of one name the last counts")
    _which(score)
    compare = words.add_parser(
        "compare", parents=[scope], help="ours against a baseline: gain per compute", add_help=False
    )
    compare.add_argument("ours", metavar="OURS", help="a method, as it was tagged")
    compare.add_argument("baseline", metavar="BASELINE", help="another one")
    compare.add_argument("--metric", metavar="NAME", help="which score (the one that both have)")
    compare.add_argument("--lower", action="store_true", help="less of the score is better (a loss, an error)")
    compare.add_argument("-o", "--output", metavar="FILE", help="write it, with the charts (.html)")
    compare.add_argument("--force", action="store_true", help="replace a file that is there")


def _which(word: Parser) -> argparse._MutuallyExclusiveGroup:
    """Which cells that have ended."""
    which = word.add_mutually_exclusive_group()
    which.add_argument("--last", type=_count, metavar="N", nargs="?", const=1, help="the last N cells (1)")
    which.add_argument("--cells", metavar="RANGE", help="by their In [numbers]: 3, 3-7, or from the newest: -2, -3..-1")
    which.add_argument("--record", metavar="ID", action="append", help="one record; several may be named")
    return which


def number(text: str, name: str = "") -> float:
    """A finite number, for an option of that name.

    Raises:
        UsageError: it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise UsageError(f"{name}: {text!r} is no number" if name else f"{text!r} is no number")
    return value


def _day(text: str) -> date:
    """A day, for ``--from``."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write it as 2026-10-01") from None


def _count(text: str) -> int:
    """A whole number from 1 on, for ``-n``."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of cells")
    return int(text)


def _scope() -> Parser:
    scope = Parser(add_help=False)
    one = scope.add_mutually_exclusive_group()
    one.add_argument("--session", metavar="ID", help="one session (the first letters of its id)")
    one.add_argument("--notebook", metavar="PATH", nargs="?", const="", help="a notebook, over all its sessions")
    one.add_argument("--project", metavar="FOLDER", nargs="?", const="", help="a project, over all its notebooks")
    one.add_argument("--all", action="store_true", help="everything in the ledger")
    scope.add_argument("--label", help="only cells with this label")
    return scope


def parse(words: Sequence[str], known: Parser) -> argparse.Namespace:
    """The words, checked.

    Raises:
        UsageError: an unknown word, with the near one.
    """
    if {"-h", "--help"} & set(words):
        words = ["help", *(word for word in words[:1] if not word.startswith("-"))]
    if not words or words[0].startswith("-"):
        words = ["summary", *words]
    check_word(words[0], known)
    return known.parse_args(_in_order(list(words)) if words[0] in ("tag", "score") else list(words))


#: Options that what is said may follow: those of the others would be taken for it.
_BARE = ("--last", "--off", "--all")


def _in_order(words: list[str]) -> list[str]:
    """What is said comes first, as argparse wants it, and ``--cells -2`` is no option's name."""
    said, rest = words[:1], list[str]()
    for before, word in zip(words, words[1:], strict=False):
        free = not before.startswith("--") or "=" in before or before in _BARE
        if before == "--cells" and word.startswith("-"):
            rest[-1] = f"--cells={word}"
        elif not word.startswith("-") and free and not (before == "--last" and word.isdecimal()):
            said.append(word)
        else:
            rest.append(word)
    return [*said, *rest]


def check_word(word: str, known: Parser) -> None:
    """Raises ``UsageError`` where there is no such command, naming the near one."""
    names = list(words_of(known).choices)
    if word == "panel" and word not in names:
        raise UsageError(NO_PANEL)
    if word in ("session", "notebook", "project", "all"):
        raise UsageError(f"there is no {word!r}; did you mean --{word}?")
    if word not in names:
        near = difflib.get_close_matches(word, names, 1, 0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
        raise UsageError(f"there is no {word!r}; {hint}")


def words_of(known: Parser) -> argparse._SubParsersAction[Parser]:
    """The parser's commands, to list them or to add some."""
    return next(a for a in known._actions if isinstance(a, argparse._SubParsersAction))
