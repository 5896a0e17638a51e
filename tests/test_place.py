"""Where a session runs: its notebook and its project."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_costmeter.place import environment, notebook_path, project_of, session_info


def folders(*paths: Path) -> None:
    for path in paths:
        path.mkdir(parents=True, exist_ok=True)


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "ada"))
    folders(tmp_path / "ada")
    return tmp_path / "ada"


@pytest.mark.parametrize("mark", [".git", "pyproject.toml", "jupyter_costmeter.toml"])
def test_a_mark_makes_a_project(mark: str, user: Path) -> None:
    folders(user / "paper" / "notebooks" / "old")
    (user / "paper" / mark).mkdir() if mark == ".git" else (user / "paper" / mark).touch()
    assert project_of(str(user / "paper" / "notebooks" / "old" / "a.ipynb")) == str(user / "paper")
    assert project_of(str(user / "paper" / "a.ipynb")) == str(user / "paper")


def test_a_worktrees_git_is_a_file(user: Path) -> None:
    folders(user / "tree" / "sub")
    (user / "tree" / ".git").write_text("gitdir: elsewhere")
    assert project_of(str(user / "tree" / "sub" / "a.ipynb")) == str(user / "tree")


def test_the_nearest_mark_counts(user: Path) -> None:
    folders(user / "all" / ".git", user / "all" / "one")
    (user / "all" / "one" / "pyproject.toml").touch()
    assert project_of(str(user / "all" / "one" / "a.ipynb")) == str(user / "all" / "one")


def test_dotfiles_in_the_home_folder_are_no_project(user: Path, tmp_path: Path) -> None:
    folders(user / ".git", user / "work" / "deep", tmp_path / ".git")
    assert project_of(str(user / "work" / "deep" / "a.ipynb")) == str(user / "work" / "deep")
    assert project_of(str(user / "a.ipynb")) == str(user)


def test_a_home_that_is_a_link_is_the_boundary_too(user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders(user / ".git", user / "work")
    (tmp_path / "linked").symlink_to(user)
    monkeypatch.setenv("HOME", str(tmp_path / "linked"))
    assert project_of(str(user / "work" / "a.ipynb")) == str(user / "work")


def test_a_declared_project_wins(user: Path) -> None:
    folders(user / "paper" / ".git")
    assert project_of(str(user / "paper" / "a.ipynb"), "~/thesis") == str(user / "thesis")
    assert project_of(None, "~/thesis") == str(user / "thesis")
    assert project_of(None) == project_of(str(Path.cwd() / "any.ipynb"))  # where it runs


def test_the_notebook_is_the_one_that_the_server_names(user: Path) -> None:
    assert notebook_path(environ={"JPY_SESSION_NAME": str(user / "a.ipynb")}) == str(user / "a.ipynb")
    assert notebook_path(environ={"JPY_SESSION_NAME": "sub/a.ipynb"}) == str(Path.cwd().resolve() / "sub" / "a.ipynb")
    assert notebook_path(environ={"JPY_SESSION_NAME": "console-1"}) is None  # JupyterLab's console has no file
    (user / "linked.ipynb").symlink_to(user / "a.ipynb")
    assert notebook_path(environ={"JPY_SESSION_NAME": str(user / "linked.ipynb")}) == str(user / "a.ipynb")


@pytest.mark.parametrize(("how", "expected"), [("script", "work.py"), ("-c", None), ("-m", "work.py")])
def test_a_script_is_its_own_notebook(how: str, expected: str | None, home: Path) -> None:
    code = "from jupyter_costmeter.place import notebook_path; print(notebook_path())"
    (home / "work.py").write_text(code)
    words = {"script": ["work.py"], "-c": ["-c", code], "-m": ["-m", "work"]}[how]
    ran = subprocess.run([sys.executable, *words], cwd=home, capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == str(expected and home / expected)


def test_a_session_knows_its_machine() -> None:
    info = session_info("/home/ada/paper/train.ipynb")
    assert info.pid == os.getpid()
    assert info.project == "/home/ada/paper"
    assert session_info(None).id != info.id
    assert info.environment["python"].startswith("3.")
    assert info.environment["cpu"]
    assert all(isinstance(v, str) for v in environment().values())


def test_the_machine_has_a_system_and_storage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    facts = environment()
    assert float(facts["storage_bytes"]) == shutil.disk_usage(tmp_path).total
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"PRETTY_NAME": "Ubuntu 22.04.4 LTS"})
    assert environment()["os"] == "Ubuntu 22.04.4 LTS"


@pytest.mark.parametrize(("mac", "name"), [("14.5", "macOS 14.5"), ("", f"{platform.system()} {platform.release()}")])
def test_a_system_without_the_file_has_a_name_too(mac: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> dict[str, str]:
        raise FileNotFoundError

    def unreadable(path: str) -> None:
        raise OSError

    monkeypatch.setattr(platform, "freedesktop_os_release", missing)
    monkeypatch.setattr(platform, "mac_ver", lambda: (mac, ("", "", ""), ""))
    monkeypatch.setattr(shutil, "disk_usage", unreadable)
    facts = environment()
    assert facts["os"] == name
    assert "storage_bytes" not in facts  # not known is not 0


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 987_654)  # as in a container started with --user
    assert session_info(None).user == "987654"
