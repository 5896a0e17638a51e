"""A real JupyterHub of the tests' own: the simple spawner, the dummy authenticator, the proxy from npm, our service.

It is set up by the very lines that docs/hub.md gives; all of it is stopped by its own processes.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

import psutil
import pytest
from shared_ledgers import Postgres

ROOT = Path(__file__).resolve().parents[1]
PROXY = ROOT / "node_modules" / ".bin" / "configurable-http-proxy"
PASSWORD = "not a secret"  # noqa: S105 (of people who are nobody)
ITS = "postgresql://costmeter_hub@db.lab.example/costmeter"
BLOCK = re.compile(r"```python\n(# jupyterhub_config.py\n.*?)```", re.DOTALL)
#: Cleo leads the group vision, in which Ada is; Dora is the Hub's administrator; Ben is in no group.
CONFIG = """
c.JupyterHub.bind_url = {base!r}
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.command = [{proxy!r}]
c.ConfigurableHTTPProxy.pid_file = {pid!r}
c.JupyterHub.db_url = "sqlite:///{root}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{root}/cookie_secret"
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = {password!r}
c.Authenticator.allowed_users = {{"ada", "ben", "cleo", "dora"}}
c.Authenticator.admin_users = {{"dora"}}
c.JupyterHub.load_groups = {{"vision": {{"users": ["ada", "cleo"]}}}}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{root}/homes/{{username}}"
c.Spawner.args = ["--allow-root"]
c.Spawner.default_url = "/api"
c.JupyterHub.services = [{{"name": "tests", "api_token": {token!r}}}]
c.JupyterHub.load_roles = [
    {{"name": "tests", "services": ["tests"], "scopes": ["admin:users", "admin:servers", "tokens"]}}
]
"""


@dataclass
class Hub:
    """A running one; ``service`` is our service's address, as a setting says it."""

    base: str
    root: Path
    token: str
    refused_with: Message | None = None  # the headers of the newest answer that was an error

    @property
    def service(self) -> str:
        return f"{self.base}/services/costmeter"

    def api(self, path: str, method: str = "GET", body: object = None) -> Any:
        """What the Hub's own interface answers to the tests' service."""
        status, answer = self.ask(f"{self.base}/hub/api{path}", method, body, self.token)
        assert status < 300, (status, answer)
        return answer

    def ask(self, url: str, method: str, body: object, token: str | None, **headers: str) -> tuple[int, Any]:
        """The status and the parsed answer of one request."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as found:
                return found.status, _parsed(found.read())
        except urllib.error.HTTPError as error:
            self.refused_with = error.headers
            return error.code, _parsed(error.read())

    def home(self, name: str) -> Path:
        found = self.root / "homes" / name
        found.mkdir(parents=True, exist_ok=True)
        return found

    def start_server(self, name: str) -> None:
        """A person's server, and wait for it."""
        self.api(f"/users/{name}/server", "POST")
        for _ in range(300):
            if self.api(f"/users/{name}")["servers"].get("", {}).get("ready"):
                return
            time.sleep(0.2)
        raise AssertionError((self.root / "hub.log").read_text()[-5000:])

    def environment(self, name: str) -> dict[str, str]:
        """That of a person's server."""
        pid = self.api(f"/users/{name}?include_stopped_servers=true")["servers"][""]["state"]["pid"]
        return psutil.Process(pid).environ()


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def the_docs_lines() -> str:
    """What docs/hub.md says that jupyterhub_config.py needs."""
    (found,) = BLOCK.findall((ROOT / "docs" / "hub.md").read_text())
    return str(found)


@contextmanager
def running(root: Path, postgres: Postgres, database: str = "lab") -> Iterator[Hub]:
    """A Hub whose service uses that database as the user ``hub``."""
    if not PROXY.exists():
        pytest.fail("no configurable-http-proxy in node_modules: `./lab setup` installs it")
    if shutil.which("node") is None:
        pytest.fail("no node on this machine: `./lab setup` installs it")
    port, hub, api, ours = (_free_port() for _ in range(4))
    made = Hub(f"http://127.0.0.1:{port}", root, secrets.token_hex(16))
    (root / "homes").mkdir()
    lines = the_docs_lines().replace(ITS, postgres.address("hub", database))
    assert ITS not in lines
    text = CONFIG.format(
        base=made.base, hub=hub, api=api, proxy=str(PROXY), pid=str(root / "proxy.pid"), root=root,
        password=PASSWORD, token=made.token,
    )  # fmt: skip
    port_of_ours = f"\nc.JupyterHub.services[-1]['url'] = 'http://127.0.0.1:{ours}'\n"
    (root / "jupyterhub_config.py").write_text(text + lines + port_of_ours)
    environ = {**os.environ, "JUPYTER_CONFIG_DIR": str(root / "config"), "JUPYTER_DATA_DIR": str(root / "data")}
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-m", "jupyterhub", "-f", str(root / "jupyterhub_config.py")]
    with (root / "hub.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environ, cwd=root, start_new_session=True)
    try:
        _wait(made, process)
        yield made
    finally:
        _stop(process, made)


def _wait(hub: Hub, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        try:
            if hub.ask(f"{hub.service}/health", "GET", None, None)[0] == 200:
                return
        except OSError:
            pass
        assert process.poll() is None, (hub.root / "hub.log").read_text()
        time.sleep(0.2)
    raise AssertionError((hub.root / "hub.log").read_text())


def _stop(process: subprocess.Popen[bytes], hub: Hub) -> None:
    """The Hub, which stops the proxy, the service and the servers; and what of these is still there."""
    below = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for one in below:
        if one.is_running():
            one.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
