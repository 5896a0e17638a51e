"""The address of the lab's ledger as a setting says it: where it is, and never what opens it."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qs, urlsplit

from .errors import UsageError

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
WANTS = (
    "it wants an address such as postgresql://db.lab.example/costmeter, or https://hub.lab.example/services/costmeter"
)
PLAIN = "over http anybody on the way reads the token: it wants https (but for this machine itself)"
SECRET = (
    "there is a password or a token in it, where anybody can see it: take it out, and give it by ~/.pgpass, PGPASSWORD"
    " or the system's keyring (docs/shared.md)"
)
#: What no name in an address's query may have in it.
SAID = ("password", "token", "secret", "scram")
#: What of a text may be a secret: between a name's colon and the @, and what is said to be a password.
SECRETS = re.compile(r"(?<=:)(?!//)[^/@\s]*(?=@)|(?<=password=)[^&\s'\"]*|(?<=token=)[^&\s'\"]*")


def address_of(said: str) -> str:
    """The address, spelled in one way.

    Raises:
        UsageError: it is none, or holds a secret (which the message does not repeat).
    """
    try:
        found = urlsplit(said.strip())
        secret, _ = found.password, found.port
    except ValueError:
        raise UsageError(WANTS) from None
    names = (name.casefold() for name in parse_qs(found.query, keep_blank_values=True))
    if secret is not None or any(word in name for name in names for word in SAID):
        raise UsageError(SECRET)
    if found.scheme in ("https", "http"):
        return _of_a_hub(found)
    if found.scheme not in SCHEMES:
        raise UsageError(f"{WANTS}; PostgreSQL is the only engine that it knows")
    query = f"?{found.query}" if found.query else ""
    return f"postgresql://{found.netloc}{found.path}{query}"


def _of_a_hub(found: SplitResult) -> str:
    """Of its service; a query or a user's name would be a secret, or nothing."""
    if not found.hostname or found.query or found.fragment or found.username is not None:
        raise UsageError(f"{WANTS}, without a user, query or fragment")
    address = f"{found.scheme}://{found.netloc}{found.path.rstrip('/')}"
    if found.scheme == "http" and not on_loopback(address):
        raise UsageError(PLAIN)
    return address


def of_a_hub(address: str) -> bool:
    """Whether it is a Hub's service, and no database."""
    return address.startswith(("https://", "http://"))


def on_loopback(address: str) -> bool:
    """Whether it is this machine's own."""
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def masked(text: str) -> str:
    """A text without what may be a secret in an address."""
    return SECRETS.sub("…", text)
