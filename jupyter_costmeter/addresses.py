"""The address of the lab's ledger as a setting says it: where it is, and never what opens it."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from .errors import UsageError

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
WANTS = "it wants an address such as postgresql://db.lab.example/costmeter"
SECRET = (
    "there is a password in it, where anybody can see it: take it out, and give it by ~/.pgpass, PGPASSWORD or the"
    " system's keyring (docs/shared.md)"
)
#: What of a text may be a secret: between a name's colon and the @, and what is said to be a password.
SECRETS = re.compile(r"(?<=:)(?!//)[^/@\s]*(?=@)|(?<=password=)[^&\s'\"]*")


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
    if secret is not None or {"password", "sslpassword"} & parse_qs(found.query, keep_blank_values=True).keys():
        raise UsageError(SECRET)
    if found.scheme not in SCHEMES:
        raise UsageError(f"{WANTS}; PostgreSQL is the only engine that it knows")
    query = f"?{found.query}" if found.query else ""
    return f"postgresql://{found.netloc}{found.path}{query}"


def masked(text: str) -> str:
    """A text without what may be a secret in an address."""
    return SECRETS.sub("…", text)
