"""What opens the lab's ledger: libpq's own affair first, then the system's keyring; never a setting of ours.

Passwords come from ``PGPASSWORD`` in the environment, or a line of ``~/.pgpass`` (``PGPASSFILE``) that only its owner
may read (https://www.postgresql.org/docs/current/libpq-pgpass.html). Where neither is there, the package ``keyring``
is asked, if it is there. A Hub's service is opened by the token that the Hub gives each user's server.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

#: In the keyring: the name of the service; the user's name there is the address.
SERVICE = "jupyter_costmeter"
NO_TOKEN = (
    "there is no token: a server that a Hub has started has JUPYTERHUB_API_TOKEN, any other may keep one in the keyring"
)


def kept(address: str) -> str | None:
    """The keyring's; ``None`` where libpq has one to look for, or where there is no keyring."""
    if os.environ.get("PGPASSWORD") or pass_file().exists():
        return None
    return _in_keyring(address)


def token(address: str) -> str | None:
    """What lets a user's server in at the Hub's service: the server's own token, else the keyring's."""
    return os.environ.get("JUPYTERHUB_API_TOKEN") or _in_keyring(address)


def hub_user() -> str | None:
    """Whose server this is, as the Hub has told it."""
    return os.environ.get("JUPYTERHUB_USER") or None


def _in_keyring(address: str) -> str | None:
    try:
        import keyring
    except ImportError:
        return None
    try:
        found: str | None = keyring.get_password(SERVICE, address)
    except Exception:  # a machine without a desktop has none, and each backend has errors of its own
        return None
    return found


def open_to_others() -> str | None:
    """What is wrong with the file of passwords: libpq passes over one that others may read, and hardly says so."""
    path = pass_file()
    if sys.platform == "win32" or not path.exists() or not stat.S_IMODE(path.stat().st_mode) & 0o077:
        return None
    return f"{path} may be read by others, so it is not used: chmod 600 {path}"


def pass_file() -> Path:
    """Where libpq looks."""
    if sys.platform == "win32":
        default = Path(os.environ.get("APPDATA", "")) / "postgresql" / "pgpass.conf"
    else:
        default = Path.home() / ".pgpass"
    return Path(os.environ.get("PGPASSFILE") or default)
