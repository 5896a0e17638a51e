"""A real Jupyter Server with a token, and what it is asked."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from shell import cell, fill, session

from jupyter_costmeter.carbon import hints

API = "jupyter_costmeter/api"
#: What a cloud's or SLURM's environment says of a place, which the shell that runs the tests may have set.
SUGGEST = (*hints.GOOGLE, *hints.AMAZON, "SLURM_CLUSTER_NAME", "SLURM_JOB_PARTITION")


@dataclass
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A running server, its folder and its ledger."""

    base: str
    token: str
    root: Path
    ledger: Path
    env: dict[str, str]
    log: Path

    @property
    def assumptions(self) -> Path:
        """The user's own file."""
        return Path(self.env["JUPYTER_CONFIG_DIR"]) / "jupyter_costmeter.toml"

    def get(
        self,
        what: str,
        token: str | None = None,
        put: bytes | None = None,
        cookie: str = "",
        xsrf: str = "",
        method: str = "",
        **query: str,
    ) -> Answer:
        """An answer, whatever its status; with the server's token unless told otherwise."""
        url = f"{self.base}/{what}?{urllib.parse.urlencode(query)}"
        headers = {"Authorization": f"token {self.token if token is None else token}"} if token != "" else {}
        headers |= {name: value for name, value in (("Cookie", cookie), ("X-XSRFToken", xsrf)) if value}
        request = urllib.request.Request(url, put, headers, method=method or ("GET" if put is None else "PUT"))
        try:
            with urllib.request.urlopen(request, timeout=30) as found:
                return Answer(found.status, found.headers, found.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def ask(self, what: str, **query: str) -> Answer:
        return self.get(f"{API}/{what}", **query)

    def send(self, what: str, body: object, method: str = "PUT", **query: str) -> Answer:
        """Hand over some JSON."""
        return self.get(f"{API}/{what}", put=json.dumps(body).encode(), method=method, **query)

    def place(self, **said: object) -> Answer:
        """Say where a machine stands."""
        return self.get(f"{API}/place", put=json.dumps(said).encode())


def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found: int = free.getsockname()[1]
        return found


@pytest.fixture(scope="session")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests; its ledger is in a folder of their own."""
    home = tmp_path_factory.mktemp("server")
    env = {name: value for name, value in os.environ.items() if name not in SUGGEST}
    env["IPYTHONDIR"] = str(home / "ipython")
    for name in ("RUNTIME_DIR", "CONFIG_DIR", "DATA_DIR"):
        env[f"JUPYTER_{name}"] = str(home / name.lower())
    (home / "work").mkdir()
    number, token, log = port(), secrets.token_hex(16), home / "log"
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
    command += [f"--ServerApp.port={number}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"]
    command += [f"--ServerApp.root_dir={home / 'work'}", "--LanguageServerManager.autodetect=False"]
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, env=env) as process:
        ledger = home / "data_dir" / "costmeter" / "ledger.sqlite"
        found = Server(f"http://127.0.0.1:{number}", token, home / "work", ledger, env, log)
        wait(found, process)
        yield found
        process.terminate()


def wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            if server.get("api/status").status == 200:
                return
        except OSError:
            pass
        assert process.poll() is None, server.log.read_text()
        assert time.monotonic() < end, server.log.read_text()
        time.sleep(0.2)


@pytest.fixture
def server(one_server: Server) -> Iterator[Server]:
    """With an empty folder, no ledger and no assumptions."""
    yield one_server
    for folder in (one_server.ledger.parent, one_server.root):
        shutil.rmtree(folder, ignore_errors=True)
    one_server.assumptions.unlink(missing_ok=True)
    one_server.root.mkdir()


@pytest.fixture
def filled(server: Server) -> Server:
    """A project with two notebooks, and one notebook elsewhere."""
    (server.root / "paper" / ".git").mkdir(parents=True)
    for n, name in enumerate(("paper/train.ipynb", "paper/eval.ipynb", "other.ipynb")):
        info = session(f"session{n}", str(server.root / name))
        fill(server.ledger, info, cell(info, 1, 1000.0), cell(info, 2, None, label="lost", outcome="error"))
    return server
