"""Who is in the Hub's groups, as the Hub itself says."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import quote

from jupyterhub.services.auth import HubAuth
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

from ..errors import CostMeterError


class HubAway(CostMeterError):
    """The Hub did not say who is in a group."""


async def members(auth: HubAuth, groups: Iterable[str]) -> list[str]:
    """The members of these groups; a group that the Hub does not know has none.

    Raises:
        HubAway: the Hub does not say.
    """
    found: set[str] = set()
    for group in groups:
        found |= set(await _of(auth, group))
    return sorted(found)


async def _of(auth: HubAuth, group: str) -> list[str]:
    request = HTTPRequest(
        f"{auth.api_url}/groups/{quote(group, safe='')}",
        headers={"Authorization": f"token {auth.api_token}", "Accept": "application/json"},
        request_timeout=10,
        follow_redirects=False,
    )
    try:
        answer = await AsyncHTTPClient().fetch(request)
    except HTTPClientError as error:
        if error.code == 404:
            return []
        raise HubAway(f"the Hub does not say who is in the group {group} ({error.code})") from None
    except OSError as error:
        raise HubAway(f"the Hub does not say who is in the group {group}: {error}") from None
    users = json.loads(answer.body).get("users", [])
    return [name for name in users if isinstance(name, str)]
