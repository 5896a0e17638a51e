"""What is shipped: one version, no traces of where it was built, and a wheel that works by itself."""

from __future__ import annotations

import ast
import configparser
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import nbformat
import pytest

from jupyter_costmeter.version import __version__

ROOT = Path(__file__).resolve().parent.parent
#: Hosts of mirrors and registries; the public ones are named nowhere either, since tools know them.
HOSTS = re.compile(r"https?://[\w.:@-]*(registry|npmjs|yarnpkg|pypi|artifactory|nexus|mirror)[\w.:-]*", re.IGNORECASE)


def test_one_version_in_every_manifest() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())
    found = {
        "package.json": json.loads((ROOT / "package.json").read_text())["version"],
        "package-lock.json": lock["version"],
        "package-lock.json, its root": lock["packages"][""]["version"],
    }
    assert found == dict.fromkeys(found, __version__)


def tracked() -> list[Path]:
    """What git would ship from here, what is not committed yet too."""
    if not (ROOT / ".git").exists():
        pytest.skip("not in a git checkout")
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [p for name in listed.split("\0") if name and (p := ROOT / name).is_file()]


def test_each_module_is_in_a_row_of_who_may_import_whom() -> None:
    """One that is in none could import anything."""
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg")
    rows = re.split(r"[\s|:]+", found["importlinter:contract:rows"]["layers"].strip())
    there = {path.stem for path in (ROOT / "jupyter_costmeter").glob("*.py")}
    there |= {path.parent.name for path in (ROOT / "jupyter_costmeter").glob("*/__init__.py")}
    assert sorted(rows) == sorted(f"jupyter_costmeter.{name}" for name in there - {"__init__"})


def test_no_test_module_is_imported() -> None:
    """What several of them need is in a module of its own."""
    found = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [getattr(node, "module", None) or "", *(one.name for one in node.names)]
                if any(part.startswith("test_") for name in names for part in name.split(".")):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


def test_no_file_names_a_registrys_host() -> None:
    named = {}
    for path in tracked():
        text = path.read_text(encoding="utf-8", errors="ignore")
        if path != Path(__file__).resolve() and (found := HOSTS.search(text)):
            named[str(path.relative_to(ROOT))] = found[0]
    assert named == {}
    lock = json.loads((ROOT / "package-lock.json").read_text())
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]


def test_no_built_file_is_tracked() -> None:
    names = [str(p.relative_to(ROOT)) for p in tracked()]
    assert not [n for n in names if n.startswith(("jupyter_costmeter/labextension/", "node_modules/", "dist/"))]
    assert not [n for n in names if n.endswith((".pyc", ".tsbuildinfo", ".run.ipynb"))]


# The wheel. The packages it needs (Python's and npm's) are those of the environment that tests
# it, so that this takes a minute and not ten; the front end is built anew, in a clean clone.


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a clean clone of what is committed."""
    if not (ROOT / ".git").exists():
        pytest.skip("not in a git checkout")
    clone = tmp_path_factory.mktemp("wheel") / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True, timeout=60)
    assert not (clone / "jupyter_costmeter" / "labextension").exists()
    (clone / "node_modules").symlink_to(ROOT / "node_modules")
    words = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(clone / "dist"),
        str(clone),
    ]
    built = subprocess.run(words, capture_output=True, text=True, timeout=280)
    assert built.returncode == 0, built.stdout + built.stderr
    (found,) = (clone / "dist").glob("*.whl")
    return found


@pytest.mark.timeout(300)
def test_the_wheel_holds_both_halves(wheel: Path) -> None:
    assert wheel.name == f"jupyter_costmeter-{__version__}-py3-none-any.whl"
    names = zipfile.ZipFile(wheel).namelist()
    data = f"jupyter_costmeter-{__version__}.data/data"
    lab = f"{data}/share/jupyter/labextensions/jupyter-costmeter"
    for name in (
        "jupyter_costmeter/py.typed",
        "jupyter_costmeter/demo.ipynb",
        "jupyter_costmeter/hub/style.css",
        "jupyter_costmeter/hub/templates/frame.html",
        "jupyter_costmeter/sensors/nvml/sensor.py",
        f"{data}/etc/jupyter/jupyter_server_config.d/jupyter_costmeter.json",
        f"{lab}/install.json",
        f"{lab}/package.json",
        f"{lab}/schemas/jupyter-costmeter/panel.json",
        f"{lab}/static/style.js",
    ):
        assert name in names
    assert len([n for n in names if n.startswith(f"{lab}/static/remoteEntry.")]) == 1  # no stale chunks
    assert not [n for n in names if n.startswith(("tests/", "labextension/", "jupyter_costmeter/labextension/"))]
    assert not [n for n in names if n.endswith((".map", ".ts", ".tsx"))]
    entries = json.loads(zipfile.ZipFile(wheel).read(f"{lab}/package.json"))["jupyterlab"]["_build"]
    assert f"{lab}/{entries['load']}" in names


@pytest.mark.timeout(300)
def test_the_front_end_is_small(wheel: Path) -> None:
    """All that a page may load of it, as a server sends it."""
    archive = zipfile.ZipFile(wheel)
    loaded = [n for n in archive.namelist() if "/labextensions/" in n and n.endswith((".js", ".css"))]
    assert sum(len(gzip.compress(archive.read(name), 9)) for name in loaded) < 150_000


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a fresh venv with the wheel in it and no Node.js."""
    home = tmp_path_factory.mktemp("user")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home / "venv")], check=True, timeout=120)
    python = str(home / "venv" / "bin" / "python")
    words = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    subprocess.run(words, check=True, timeout=120)
    places = {"base": str(home / "venv"), "platbase": str(home / "venv")}
    site = Path(sysconfig.get_path("purelib", vars=places))
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))  # an editable install in it does not count
    env = {"PATH": str(home / "venv" / "bin"), "HOME": str(home), "LANG": "C.UTF-8", "JUPYTER_PLATFORM_DIRS": "1"}
    assert shutil.which("node", path=env["PATH"]) is None
    return {**env, "PYTHON": python}


def said(env: dict[str, str], *words: str) -> str:
    """What a module of the fresh venv prints, without colours."""
    command = [env["PYTHON"], "-m", *words]
    ran = subprocess.run(command, cwd=env["HOME"], env=env, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return re.sub(r"\x1b\[[\d;]*m", "", ran.stdout + ran.stderr)


@pytest.mark.timeout(300)
def test_an_installed_wheel_is_enabled_with_no_further_step(installed: dict[str, str]) -> None:
    where = said(installed, "jupyter_costmeter.cli", "--version")
    assert where.strip() == __version__
    lab = said(installed, "jupyterlab.labextensions", "list")
    assert re.search(rf"jupyter-costmeter v{__version__} enabled OK \(python, jupyter_costmeter\)", lab)
    assert installed["HOME"] in lab.partition("jupyter-costmeter")[0]
    server = said(installed, "jupyter_server.extension.serverextension", "list")
    assert re.search(r"jupyter_costmeter enabled\n.*\n.*jupyter_costmeter .*OK", server)


@pytest.mark.timeout(300)
def test_an_installed_wheel_meters_a_kernel(installed: dict[str, str]) -> None:
    home = Path(installed["HOME"])
    code = "import jupyter_costmeter; print(jupyter_costmeter.__file__)"
    body = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])  # type: ignore[no-untyped-call]
    nbformat.write(body, home / "a.ipynb")  # type: ignore[no-untyped-call]
    assert ": 1 cell, " in said(installed, "jupyter_costmeter.cli", "run", "a.ipynb")
    assert str(home / "venv") in (home / "a.run.ipynb").read_text()  # not the checkout
    said(installed, "jupyter_costmeter.cli", "export", "--all", "out.json")
    (record,) = [c for c in json.loads((home / "out.json").read_text())["cells"] if c["bucket"] == "cell"]
    assert record["outcome"] == "ok"
    assert os.path.realpath(record["notebook"]) == os.path.realpath(home / "a.ipynb")
    assert {f["name"] for f in record["figures"]} >= {"cpu_s", "cpu_energy_j", "ram_energy_j", "peak_rss_bytes"}
