"""The shell's door: ``jupyter costmeter …``. ``main`` is the one place where errors become exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TextIO

from . import commands, config, context, screen
from .errors import CostMeterError, UsageError
from .layout import block
from .ledger import Selection
from .pages import Page
from .version import __version__
from .words import Parser, parse, words_of
from .words import parser as shared_words

#: 0 well, 1 the notebook or the ledger failed, 2 the words were wrong, 3 a budget held the notebook, 130 Ctrl-C.
FAILED, MISUSED, HELD, INTERRUPTED = 1, 2, 3, 130
#: How each SQLite file begins (sqlite.org/fileformat.html, 1.3).
SQLITE = b"SQLite format 3\0"
DEMO = "JupyterLab with a simulated GPU, to try it all; other options are JupyterLab's (--no-browser, --port N)"


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; what it answers goes to stdout, what went wrong to stderr."""
    asked = list(sys.argv[1:] if words is None else words)
    for stream in (sys.stdout, sys.stderr):
        screen.spelling(stream)
    try:
        code = _run(asked)
        sys.stdout.flush()
        return code
    except UsageError as error:
        return _failed(f"{error}\njupyter costmeter help lists the commands.", MISUSED)
    except CostMeterError as error:
        return _failed(str(error), FAILED)
    except KeyboardInterrupt:
        return _failed("interrupted", INTERRUPTED)
    except BrokenPipeError:  # | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _failed(message: str, code: int) -> int:
    _say(f"jupyter costmeter: {message}", sys.stderr)
    return code


def _say(text: str, out: TextIO | None = None) -> None:
    """Print it in lines that are no longer than the terminal."""
    out = out or sys.stdout
    print("\n".join(block(text, screen.width(out))), file=out)


def _run(words: list[str]) -> int:
    ledger, words = _ledger_option(words)
    if words[:1] in (["--version"], ["-V"]):
        print(__version__)
        return 0
    known = parser()
    words, for_lab = _lab_options(words)
    asked = parse(words or ["help"], known)
    asked.for_lab = for_lab
    own = OWN.get(asked.word)
    if own is not None:
        return own(asked, ledger)
    _check_there(ledger)
    page = commands.run(words or ["help"], context.of_folder(ledger), known)
    return _shown(page)


def _check_there(ledger: str | None) -> None:
    """A mistyped name would be answered as if nothing had been metered."""
    if ledger is not None and not os.path.exists(ledger):
        raise UsageError(f"there is no ledger {ledger}; `jupyter costmeter sensors` without --ledger says where it is")


def _ledger_option(words: list[str]) -> tuple[str | None, list[str]]:
    """``--ledger FILE`` goes before or after the command."""
    first = Parser(add_help=False, allow_abbrev=False)
    first.add_argument("--ledger")
    asked, rest = first.parse_known_args(words)
    if asked.ledger is not None:
        _check_ledger(Path(asked.ledger))
    return asked.ledger, rest


def _lab_options(words: list[str]) -> tuple[list[str], list[str]]:
    """Words of ``demo`` that are not its own are JupyterLab's."""
    if words[:1] != ["demo"]:
        return words, []
    own = Parser(add_help=False, allow_abbrev=False)
    own.add_argument("--folder")
    own.add_argument("-h", "--help", action="store_true")
    asked, rest = own.parse_known_args(words[1:])
    kept = [*(["--help"] if asked.help else []), *([] if asked.folder is None else [f"--folder={asked.folder}"])]
    return ["demo", *kept], rest


def _check_ledger(path: Path) -> None:
    """A file named by mistake must not be taken for a ledger that is corrupt, and moved aside."""
    try:
        with path.open("rb") as file:
            start = file.read(len(SQLITE))
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    if start not in (SQLITE, b""):
        raise UsageError(f"{path} is no ledger (nor any SQLite file)")


def parser() -> Parser:
    """The shared commands, and those that only a shell has."""
    top = shared_words("jupyter costmeter")
    words = words_of(top)
    run = words.add_parser("run", help="execute a notebook, metered, and print what it cost", add_help=False)
    run.add_argument("notebook", metavar="NOTEBOOK")
    out = run.add_mutually_exclusive_group()
    out.add_argument("-o", "--output", metavar="FILE", help="the executed notebook (NOTEBOOK with .run before .ipynb)")
    out.add_argument("--inplace", action="store_true", help="write the outputs into NOTEBOOK itself")
    run.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="for each cell (none)")
    run.add_argument("--kernel", metavar="NAME", help="instead of the one that the notebook names")
    run.add_argument("--allow-errors", action="store_true", help="go on after a cell that fails")
    demo = words.add_parser("demo", help=DEMO, description=f"{DEMO}; as root also --allow-root.", add_help=False)
    demo.add_argument("--folder", metavar="FOLDER", help="where its notebook goes, and stays (a temporary one)")
    top_word(words)
    strip = words.add_parser("strip", help="take the costs out of notebooks' files", add_help=False)
    strip.add_argument("notebook", metavar="NOTEBOOK …", nargs="+", help="several, or - from stdin to stdout")
    strip.add_argument("--check", action="store_true", help="change nothing; exit status 1 where there are some")
    check = words.add_parser("verify", help="check an exported JSON file, and derive its figures again", add_help=False)
    check.add_argument("file", metavar="FILE")
    check.add_argument("--head", metavar="DIGEST", help="the chain's head, as it was published")
    merge = words.add_parser("merge", help="bring ledgers together: all that the others hold, once", add_help=False)
    merge.add_argument("into", metavar="INTO", help="the ledger that takes (made if there is none)")
    merge.add_argument("sources", metavar="FROM …", nargs="+", help="ledgers, which stay as they are")
    sync = words.add_parser("sync", help="send what waits to the lab's shared ledger (docs/shared.md)", add_help=False)
    sync.add_argument("address", metavar="ADDRESS", nargs="?", help="postgresql://… (the setting ledger_share)")
    how = sync.add_mutually_exclusive_group()
    how.add_argument("--all", action="store_true", help="also what was written before sharing began")
    how.add_argument("--status", action="store_true", help="send nothing, say how it stands")
    how.add_argument("--init", action="store_true", help="prepare the lab's database, once, as whoever runs it")
    for word, what in (("enable", "meter every IPython kernel of this user from now on"), ("disable", "no longer")):
        sub = words.add_parser(word, help=what, add_help=False)
        sub.add_argument("--profile", default="default", metavar="NAME", help="the IPython profile (default)")
    return top


def top_word(words: argparse._SubParsersAction[Parser]) -> None:
    """The word ``top``: it may be asked for a scope, but for no label, which a running kernel has not."""
    top = words.add_parser("top", help="what runs now, and what it costs, live; q ends", add_help=False)
    which = top.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="all kernels of this ledger (so it is)")
    which.add_argument("--project", metavar="FOLDER", nargs="?", const="", help="only a project's")
    which.add_argument("--notebook", metavar="PATH", help="only a notebook's")
    top.add_argument("--once", action="store_true", help="print it once, as in a pipe")
    top.add_argument("--interval", type=_seconds, default=1.0, metavar="SECONDS", help="between two looks (1)")
    top.set_defaults(session=None, label=None)


def _seconds(text: str) -> float:
    """A time that can pass, for ``--timeout`` and ``--interval``."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds


def _run_notebook(asked: argparse.Namespace, ledger: str | None) -> int:
    from .headless import run_notebook

    path = Path(asked.notebook)
    if not path.is_file():
        raise UsageError(f"{path} is a folder, not a notebook" if path.exists() else f"there is no {path}")
    output = path if asked.inplace else Path(asked.output or path.with_suffix(".run.ipynb"))
    done = run_notebook(path, output, asked.kernel, asked.timeout, asked.allow_errors, ledger)
    _say(f"Wrote {output}.")
    if done.problem:
        _failed(done.problem, FAILED)
    here = context.of_folder(ledger, str(path.parent))
    page = commands.run(["summary"], replace(here, selection=Selection("session", done.session_id)))
    _shown(page)
    return HELD if done.held else FAILED if done.problem else 0


def _top(asked: argparse.Namespace, ledger: str | None) -> int:
    from .top import Top

    _check_there(ledger)
    here = context.of_folder(ledger)
    scoped = asked.project is not None or asked.notebook is not None
    selection = context.selection_of(asked, here) if scoped else Selection("all")
    top = Top(here, selection, config.load()[0].tick_s)
    try:
        if asked.once or not sys.stdout.isatty() or screen.dumb():
            return _shown(top.page())
        return screen.watch(partial(top.frame, sys.stdout), asked.interval, sys.stdout, sys.stdin)
    finally:
        top.close()


def _demo(asked: argparse.Namespace, ledger: str | None) -> int:
    from .demo import run_demo

    return run_demo(asked.folder, asked.for_lab, ledger, partial(print, flush=True))


def _strip(asked: argparse.Namespace, ledger: str | None) -> int:
    from . import stripping

    if "-" not in asked.notebook:
        lines, found = stripping.strip([Path(name) for name in asked.notebook], asked.check)
        _say("\n".join(lines))
        return FAILED if asked.check and found else 0
    if len(asked.notebook) > 1:
        raise UsageError("- is stdin, and stands alone")
    content, found = stripping.stripped(sys.stdin.buffer.read(), "stdin")
    if not asked.check:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    return FAILED if asked.check and found else 0


def _verify(asked: argparse.Namespace, ledger: str | None) -> int:
    from .verifying import verify

    return _shown(verify(Path(asked.file), asked.head))


def _merge(asked: argparse.Namespace, ledger: str | None) -> int:
    from .merging import merge

    into = Path(asked.into)
    _check_ledger(into)
    return _shown(merge(into, [Path(source) for source in asked.sources]))


def _sync(asked: argparse.Namespace, ledger: str | None) -> int:
    from . import bars, sharing

    _check_there(ledger)
    settings, problems = config.load()
    path = Path(os.path.abspath(ledger)) if ledger else settings.ledger_file
    if asked.status:
        return _shown(sharing.standing(path, settings.ledger_share))
    for problem in problems:
        _say(problem, sys.stderr)
    address = sharing.shared_address(settings.ledger_share, asked.address)
    return _shown(sharing.prepare(address) if asked.init else sharing.sync(path, address, asked.all, bars.shown))


def _shown(page: Page) -> int:
    """Print it; whether it is well is the exit status."""
    print(page.shown(sys.stdout, screen.shell_width(sys.stdout)))
    return 0 if page.ok else FAILED


def _enable(asked: argparse.Namespace, ledger: str | None) -> int:
    from .startup import enable

    _say(enable(asked.profile))
    return 0


def _disable(asked: argparse.Namespace, ledger: str | None) -> int:
    from .startup import disable

    _say(disable(asked.profile))
    return 0


OWN: dict[str, Callable[[argparse.Namespace, str | None], int]] = {
    "run": _run_notebook,
    "demo": _demo,
    "top": _top,
    "strip": _strip,
    "verify": _verify,
    "merge": _merge,
    "sync": _sync,
    "enable": _enable,
    "disable": _disable,
}

if __name__ == "__main__":
    sys.exit(main())
