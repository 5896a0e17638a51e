"""A JupyterHub's service: each user's own use, the lab's for those who lead it, and the ingest (docs/hub.md).

Only this package imports jupyterhub, and not before the service starts: ``jupyterhub_config.py`` needs nothing of it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ..addresses import address_of, of_a_hub
from ..errors import UsageError

NAME = "costmeter"
#: In the service's environment: what ``configure`` was told, as JSON.
TOLD = "JUPYTER_COSTMETER_HUB"
#: Lets a person's browser see the service, and that person's server send to it.
ACCESS = f"access:services!service={NAME}"
#: What the Hub itself gives a user, and a user's server, by default.
DEFAULTS = {"user": ("self",), "server": ("users:activity!user", "access:servers!server")}
#: Of the Hub's own environment the service has what it needs to find the database's secrets and Jupyter's folders.
KEPT = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_CONFIG_PATH", "JUPYTER_DATA_DIR", "PYTHON_KEYRING_BACKEND")


def configure(
    c: Any,
    database: str,
    leads: Mapping[str, Sequence[str]] | None = None,
    port: int = 10113,
    share: bool = True,
) -> None:
    """Add the service to a Hub, from ``jupyterhub_config.py``; behind what else is said there of services and roles.

    Args:
        c: the Hub's configuration.
        database: the lab's ledger, ``postgresql://…`` without a password, as a user who has costmeter_service.
        leads: of each of the Hub's groups, who leads it.
        port: on which the service listens, on the loopback.
        share: whether users' servers may send to it.

    Raises:
        UsageError: the address is none of a database, or has a secret in it.
    """
    address = address_of(database)
    if of_a_hub(address):
        raise UsageError("the service wants the lab's database itself: postgresql://…")
    told = {"database": address, "leads": {group: sorted(names) for group, names in (leads or {}).items()}}
    hub = c.JupyterHub
    hub.services = [*_there(hub, "services"), _service(told, port)]
    usual = {**DEFAULTS, "user": (*DEFAULTS["user"], *sorted(hub.get("extra_user_scopes", ())))}
    hub.load_roles = _roles(_there(hub, "load_roles"), usual, sorted(told["leads"]), share)


def _service(told: Mapping[str, Any], port: int) -> dict[str, Any]:
    kept = {name: os.environ[name] for name in os.environ if name.startswith("PG") or name in KEPT}
    return {
        "name": NAME,
        "url": f"http://127.0.0.1:{port}",
        "command": [sys.executable, "-m", "jupyter_costmeter.hub"],
        "environment": {**kept, TOLD: json.dumps(told)},
        "oauth_no_confirm": True,  # it is the Hub's own
    }


def _roles(
    there: Sequence[Mapping[str, Any]], usual: Mapping[str, Sequence[str]], groups: Sequence[str], share: bool
) -> list[dict[str, Any]]:
    """Those that are there; users, and their servers, may come to the service, and it may see who is in the groups."""
    found = {role["name"]: dict(role) for role in there}
    for name in usual if share else ("user",):
        role = found.setdefault(name, {"name": name})
        role["scopes"] = list(dict.fromkeys([*role.get("scopes", usual[name]), ACCESS]))
    if groups:
        scopes = [f"read:groups!group={group}" for group in groups]
        found[NAME] = {"name": NAME, "services": [NAME], "scopes": scopes}
    return list(found.values())


def _there(section: Any, name: str) -> list[Any]:
    """What is said so far, be it set or appended."""
    said = section.get(name, [])
    return list(said.get_value([]) if hasattr(said, "get_value") else said)
