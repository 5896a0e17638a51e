"""What child processes inherit, and that nothing of the user's is other than it was."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jupyter_costmeter import inheriting
from jupyter_costmeter.published import Published

ID = "5e" * 16
Children = Callable[[], list[Published]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The metered process's folder: this process is it, in a place of its own."""
    monkeypatch.setattr(inheriting, "_memory", lambda: str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    made = inheriting.begin(ID)
    assert made is not None
    yield Path(made.path)
    inheriting.end()


@pytest.fixture
def children(folder: Path) -> Children:
    return lambda: [Published(str(p)) for p in sorted(folder.iterdir()) if p.name != inheriting.PAGE]


def python(code: str, executable: str = sys.executable, **env: str) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run([executable, "-c", code], env={**os.environ, **env}, cwd="/", capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran


def test_a_python_that_is_started_has_a_file_and_tells_what_it_used(folder: Path, children: Children) -> None:
    changes = inheriting.own.changes if inheriting.own else None
    python("import time\nwhile time.process_time() < 0.3: pass")
    (child,) = children()
    assert child.ended_s is not None
    assert child.ended_s > child.began_s
    assert 0.3 < child.cpu_s < 5.0
    assert (child.peak_rss_bytes or 0) > 1 << 20
    assert inheriting.own is not None
    assert inheriting.own.changes != changes


def test_what_it_starts_in_turn_has_one_too(children: Children) -> None:
    python("import subprocess, sys; subprocess.run([sys.executable, '-c', 'pass'])")
    assert len({child.pid for child in children()}) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is not there")
def test_a_forked_one_has_a_file_of_its_own(folder: Path, children: Children) -> None:
    code = "import os\nif os.fork() == 0: os._exit(0)\nos.wait()"
    python(code)
    assert len({child.pid for child in children()}) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is not there")
def test_a_forked_one_that_becomes_another_program_has_told_what_it_used(children: Children) -> None:
    """As each ``!…`` of IPython does: what the program uses then is not the fork's."""
    code = "import os\nif os.fork() == 0: os.execv({0!r}, [{0!r}, {1}'-c', {2!r}])\nos.wait()"
    busy = "import time\nwhile time.process_time() < 0.5: pass"
    python(code.format(sys.executable, "'-I', ", busy))
    assert [child.ended_s is not None and child.cpu_s < 0.4 for child in children()] == [True, True]
    python(code.format(sys.executable, "", busy))
    assert 0.4 < sum(child.cpu_s for child in children()) < 0.9


def test_processes_of_multiprocessing_tell_what_they_used(children: Children, tmp_path: Path) -> None:
    script = tmp_path / "pools.py"
    script.write_text(
        "import multiprocessing, sys\ndef work(): pass\n"
        "if __name__ == '__main__':\n"
        "    for way in ('fork', 'spawn', 'forkserver'):\n"
        "        one = multiprocessing.get_context(way).Process(target=work)\n"
        "        one.start(); one.join(); print(one.pid, one.exitcode)\n"
    )
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    told = {child.pid for child in children() if child.ended_s is not None}
    started = [line.split() for line in ran.stdout.splitlines()]
    assert [code for _, code in started] == ["0"] * 3
    assert {int(pid) for pid, _ in started} <= told


def test_the_users_own_sitecustomize_runs_too_and_the_path_is_as_ever(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "sitecustomize.py").write_text("import builtins\nbuiltins.mine = __file__\n")
    paths = os.pathsep.join([inheriting.HOOK, str(tmp_path / "own"), os.environ["PYTHONPATH"]])
    code = "import sys, sitecustomize\nprint(mine, sitecustomize.__file__, *sys.path, sep='\\n')"
    mine, there, *path = python(code, PYTHONPATH=paths).stdout.splitlines()
    assert mine == there == str(tmp_path / "own" / "sitecustomize.py")
    assert inheriting.HOOK not in path


def test_an_error_in_the_users_own_is_told_as_python_does(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import no_such_module")
    paths = os.pathsep.join([inheriting.HOOK, str(tmp_path)])
    env = {**os.environ, "PYTHONPATH": paths}
    ran = subprocess.run([sys.executable, "-c", "print(1)"], env=env, capture_output=True, text=True)
    assert ran.stdout == "1\n"
    assert "no_such_module" in ran.stderr or "sitecustomize" in ran.stderr


def test_a_python_without_this_package_starts_as_ever(folder: Path, children: Children) -> None:
    code = (
        "import sys, importlib.util\n"
        "assert importlib.util.find_spec('jupyter_costmeter') is None\nassert 'sitecustomize' in sys.modules\n"
    )
    python(code, getattr(sys, "_base_executable", sys.executable), PYTHONPATH=inheriting.HOOK)
    assert children() == []


def test_another_version_of_this_package_that_fails_keeps_nothing_from_running(folder: Path, tmp_path: Path) -> None:
    there = tmp_path / "other"
    (there / "jupyter_costmeter").mkdir(parents=True)
    (there / "jupyter_costmeter" / "__init__.py").touch()
    (there / "jupyter_costmeter" / "inheriting.py").write_text("def started(): raise TypeError")
    (there / "sitecustomize.py").write_text("import builtins\nbuiltins.mine = 1")
    assert python("print(mine)", PYTHONPATH=os.pathsep.join([inheriting.HOOK, str(there)])).stdout == "1\n"


def test_a_parent_that_has_gone_is_nobodys_parent(folder: Path) -> None:
    code = "from jupyter_costmeter import inheriting; print(inheriting.parent)"
    assert python(code, JUPYTER_COSTMETER_PARENT="/no/such/folder").stdout == "None\n"


def test_a_child_imports_nothing_of_ours_but_two_small_modules(folder: Path) -> None:
    code = "import sys; print(*sorted(m for m in sys.modules if m.startswith('jupyter_costmeter') or m == 'typing'))"
    alone = python("import sys; print(*(m for m in sys.modules if m == 'typing'))", JUPYTER_COSTMETER_PARENT="")
    found = python(code).stdout.split()
    assert [m for m in found if m.startswith("jupyter")] == [
        "jupyter_costmeter", "jupyter_costmeter.inheriting", "jupyter_costmeter.published", "jupyter_costmeter.version",
    ]  # fmt: skip
    assert ("typing" in found) == ("typing" in alone.stdout.split())


@pytest.mark.parametrize("before", [None, "", "/some/where"])
def test_the_environment_is_as_it_was_once_it_is_paused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    monkeypatch.setattr(inheriting, "_memory", lambda: str(tmp_path))
    if before is None:
        monkeypatch.delenv("PYTHONPATH", raising=False)
    else:
        monkeypatch.setenv("PYTHONPATH", before)
    try:
        for _ in range(2):  # once more than needed
            made = inheriting.begin(ID)
        assert made is not None
        assert os.environ["PYTHONPATH"].split(os.pathsep) == [inheriting.HOOK, *([before] if before else [])]
        inheriting.pause()
        assert os.environ.get("PYTHONPATH") == before
        assert inheriting.PARENT not in os.environ
    finally:
        inheriting.end()
    assert not Path(made.path).exists()


def test_what_a_killed_process_left_is_taken_away_by_the_next_that_rests(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inheriting, "_swept", False)
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    left = folder.parent / f"{inheriting._prefix()}{dead.pid}-left"
    alive = folder.parent / f"{inheriting._prefix()}{os.getppid()}-alive"
    in_another_container = folder.parent / f"costmeter-123-{dead.pid}-alive"
    for one in (left, alive, in_another_container):
        one.mkdir()
    inheriting.sweep()
    there = [one.exists() for one in (left, alive, in_another_container, folder)]
    assert there == [False, True, True, True]


def test_no_room_for_the_folder_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inheriting, "_memory", lambda: str(tmp_path / "missing"))
    assert inheriting.begin(ID) is None
    assert inheriting.PARENT not in os.environ


def test_a_child_knows_which_run_it_is_in(folder: Path) -> None:
    code = "from jupyter_costmeter import inheriting; print(inheriting.around())"
    assert inheriting.own is not None
    found = []
    for number in (7, inheriting.BETWEEN_CELLS, inheriting.NOTHING):
        inheriting.own.show(number)
        found.append(python(code).stdout.strip())
    assert found == [f"{ID}-7", f"{ID}-background", "None"]


def test_a_number_that_no_process_can_have_is_nobodys() -> None:
    assert not inheriting.lives(10**30)
    assert inheriting.lives(os.getpid())
