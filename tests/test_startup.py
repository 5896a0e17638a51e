"""``jupyter costmeter enable`` and ``disable``: every IPython kernel of this user meters itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from kernels import Kernel, cells
from shell import costmeter, said

from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.startup import NAME, TEXT


def file(home: Path, profile: str = "default") -> Path:
    return home / "ipython" / f"profile_{profile}" / "startup" / NAME


def test_from_enable_to_disable(start_kernel: Callable[..., Kernel], home: Path, ledger: Ledger) -> None:
    shown = said(costmeter("enable"))
    assert f"wrote {file(home)}" in shown
    assert "from its next start on" in shown
    kernel = start_kernel(load=False)
    assert kernel.run("40 + 2", cell_id="the first cell")["execution_count"] == 1
    assert kernel.text == "42"
    assert kernel.value("[n for n in globals() if 'cost' in n.lower()]") == []  # nothing in the user's namespace
    kernel.run("%cost")
    assert "This session: 1 cell" in kernel.text
    kernel.flush()
    assert [r.cell_id for r in cells(ledger)] == ["the first cell", None]
    assert f"removed {file(home)}" in said(costmeter("disable"))
    bare = start_kernel(load=False)
    bare.run("1")
    assert not bare.value("hasattr(get_ipython(), 'costmeter')")


def test_both_can_be_said_twice(home: Path) -> None:
    said(costmeter("enable"))
    before = file(home).stat().st_mtime_ns
    assert "metered already" in said(costmeter("enable"))
    assert file(home).stat().st_mtime_ns == before
    said(costmeter("disable"))
    assert "nothing to do" in said(costmeter("disable"))
    assert not file(home).exists()


def test_an_older_file_of_ours_is_renewed_and_the_users_stay(home: Path) -> None:
    file(home).parent.mkdir(parents=True)
    file(home).write_text("older")
    (file(home).parent / "00-mine.py").write_text("mine = 1")
    said(costmeter("enable"))
    assert file(home).read_text() == TEXT
    said(costmeter("disable"))
    assert [p.name for p in file(home).parent.iterdir()] == ["00-mine.py"]


def test_a_profile_of_ones_own(home: Path) -> None:
    said(costmeter("enable", "--profile", "work"))
    assert file(home, "work").exists()
    assert not file(home).exists()
    said(costmeter("disable", "--profile", "work"))
    assert not file(home, "work").exists()


def test_a_profile_that_cannot_be_written_to(home: Path) -> None:
    file(home).parent.parent.mkdir(parents=True)
    file(home).parent.write_text("a file where a folder should be")
    assert f"cannot write {file(home)}" in said(costmeter("enable"), 1)
    file(home).parent.unlink()
    file(home).mkdir(parents=True)
    assert f"cannot write {file(home)}" in said(costmeter("enable"), 1)
    assert f"cannot remove {file(home)}" in said(costmeter("disable"), 1)


def test_where_the_package_is_not_installed_it_is_silent(home: Path) -> None:
    """The profile is shared by all of the user's environments."""
    said(costmeter("enable"))
    code = (
        "import sys\n"
        "class Hidden:\n"
        "    def find_spec(self, name, path=None, target=None): return None\n"
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f)]\n"
        f"sys.path = [p for p in sys.path if p not in ('', {str(Path(__file__).parent.parent)!r})]\n"
        "import importlib.util; assert not importlib.util.find_spec('jupyter_costmeter')\n"
        "from IPython import start_ipython; start_ipython(['-c', 'print(6 * 7)\\n%who'])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=home, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "42\nInteractive namespace is empty.\n"
    assert ran.stderr == ""


def test_a_terminal_ipython_is_metered_too(home: Path, ledger: Ledger) -> None:
    said(costmeter("enable"))
    ran = subprocess.run(
        [sys.executable, "-m", "IPython", "-c", "print(6 * 7)"], capture_output=True, text=True, cwd=home, timeout=60
    )
    assert (ran.stdout, ran.stderr) == ("42\n", "")
    assert len(cells(ledger)) == 1
