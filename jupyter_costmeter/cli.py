"""The shell's door: ``jupyter costmeter …``. ``main`` is the one place where errors become exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from . import commands
from .errors import CostMeterError, UsageError
from .version import __version__

#: 0 well, 1 the notebook or the ledger failed, 2 the words were wrong.
FAILED, MISUSED = 1, 2


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; what it answers goes to stdout, what went wrong to stderr."""
    asked = list(sys.argv[1:] if words is None else words)
    try:
        return _run(asked)
    except UsageError as error:
        print(f"jupyter costmeter: {error}", file=sys.stderr)
        print("jupyter costmeter help lists the commands.", file=sys.stderr)
        return MISUSED
    except CostMeterError as error:
        print(f"jupyter costmeter: {error}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:  # | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(words: list[str]) -> int:
    ledger, words = _ledger_option(words)
    known = parser()
    if words[:1] in (["--version"], ["-V"]):
        print(__version__)
        return 0
    if not words or words[0] in ("-h", "--help"):
        words = ["help"]
    elif set(words) & {"-h", "--help"}:
        print(commands.usage_of(known, words[0]))
        return 0
    own = OWN.get(words[0])
    if own is not None:
        return own(commands.parse(words, known), ledger)
    page = commands.run(words, commands.of_folder(ledger), known)
    print(page.text())
    return 0


def _ledger_option(words: list[str]) -> tuple[str | None, list[str]]:
    """``--ledger FILE`` goes before or after the command."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--ledger")
    asked, rest = first.parse_known_args(words)
    return asked.ledger, rest


def parser() -> commands.Parser:
    """The shared commands, and those that only a shell has."""
    top = commands.parser("jupyter costmeter")
    words = commands.words_of(top)
    run = words.add_parser("run", help="execute a notebook, metered, and print what it cost", add_help=False)
    run.add_argument("notebook", metavar="NOTEBOOK")
    run.add_argument("-o", "--output", metavar="FILE", help="the executed notebook (NOTEBOOK with .run before .ipynb)")
    run.add_argument("--inplace", action="store_true", help="write the outputs into NOTEBOOK itself")
    run.add_argument("--timeout", type=float, metavar="SECONDS", help="for each cell (none)")
    run.add_argument("--kernel", metavar="NAME", help="instead of the one that the notebook names")
    run.add_argument("--allow-errors", action="store_true", help="go on after a cell that fails")
    for word, what in (("enable", "meter every IPython kernel of this user from now on"), ("disable", "no longer")):
        sub = words.add_parser(word, help=what, add_help=False)
        sub.add_argument("--profile", default="default", metavar="NAME", help="the IPython profile (default)")
    return top


def _run_notebook(asked: argparse.Namespace, ledger: str | None) -> int:
    from .headless import run_notebook

    path = Path(asked.notebook)
    if not path.exists():
        raise UsageError(f"there is no {path}")
    output = path if asked.inplace else Path(asked.output or path.with_suffix(".run.ipynb"))
    done = run_notebook(path, output, asked.kernel, asked.timeout, asked.allow_errors, ledger)
    print(f"Wrote {output}.")
    if done.session_id is not None:
        context = commands.of_folder(ledger, str(path.parent))
        print(commands.run(["summary", "--session", done.session_id], context).text())
    if done.problem:
        print(f"jupyter costmeter: {done.problem}", file=sys.stderr)
    return FAILED if done.problem else 0


def _enable(asked: argparse.Namespace, ledger: str | None) -> int:
    from .startup import enable

    print(enable(asked.profile))
    return 0


def _disable(asked: argparse.Namespace, ledger: str | None) -> int:
    from .startup import disable

    print(disable(asked.profile))
    return 0


OWN: dict[str, Callable[[argparse.Namespace, str | None], int]] = {
    "run": _run_notebook,
    "enable": _enable,
    "disable": _disable,
}

if __name__ == "__main__":
    sys.exit(main())
