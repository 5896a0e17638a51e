"""The secret comes from the environment, a file that only its owner reads or the keyring, and stays there."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from jupyter_costmeter.shared import secret

ADDRESS = "postgresql://db.lab.example/costmeter"


class Keyring(types.ModuleType):
    """One that knows one secret."""

    def get_password(self, service: str, user: str) -> str | None:
        return "hunter2" if (service, user) == ("jupyter_costmeter", ADDRESS) else None


class Broken(types.ModuleType):
    def get_password(self, service: str, user: str) -> str | None:
        raise RuntimeError("no backend")


@pytest.fixture(autouse=True)
def clean(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pass"))
    monkeypatch.setitem(sys.modules, "keyring", Keyring("keyring"))


def test_the_keyring_is_asked_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert secret.kept(ADDRESS) == "hunter2"
    assert secret.kept("postgresql://elsewhere/x") is None
    (tmp_path / "pass").write_text("*:*:*:*:other\n")
    assert secret.kept(ADDRESS) is None
    (tmp_path / "pass").unlink()
    monkeypatch.setenv("PGPASSWORD", "other")
    assert secret.kept(ADDRESS) is None


def test_none_or_a_broken_one_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", Broken("keyring"))
    assert secret.kept(ADDRESS) is None
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert secret.kept(ADDRESS) is None


@pytest.mark.skipif(sys.platform == "win32", reason="its files have no such modes")
def test_a_file_that_others_may_read_is_named(tmp_path: Path) -> None:
    assert secret.open_to_others() is None
    (tmp_path / "pass").write_text("")
    (tmp_path / "pass").chmod(0o644)
    assert f"chmod 600 {tmp_path / 'pass'}" in (secret.open_to_others() or "")
    (tmp_path / "pass").chmod(0o600)
    assert secret.open_to_others() is None


def test_a_hubs_service_is_opened_by_the_servers_token_else_the_keyrings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTERHUB_API_TOKEN", raising=False)
    monkeypatch.setenv("PGPASSWORD", "of a database")
    assert secret.token(ADDRESS) == "hunter2"
    assert secret.token("https://elsewhere/services/costmeter") is None
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "the server's")
    assert secret.token(ADDRESS) == "the server's"
    for name, found in (("ada", "ada"), ("", None)):
        monkeypatch.setenv("JUPYTERHUB_USER", name)
        assert secret.hub_user() == found
