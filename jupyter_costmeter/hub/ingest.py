"""Records from users' servers that cannot reach the database: each batch under the name of the token's owner."""

from __future__ import annotations

from dataclasses import asdict

from jupyterhub.services.auth import HubAuthenticated
from tornado.web import HTTPError

from ..shared.batches import MOST_BYTES, batch_of
from ..shared.planned import snapshot
from .answering import Answering
from .seeing import Person, own, person_of

TOKEN = (
    "a token that may access this service is needed: that of a server which the Hub has started since the service is"
    " there (JUPYTERHUB_API_TOKEN)"
)


class Sender(HubAuthenticated, Answering):  # type: ignore[misc]
    """Who a token says that it is."""

    async def prepare(self) -> None:
        self.hub_auth = self.service.token_auth
        await self.hub_auth.get_user(self, sync=False)  # else it would be asked where everybody waits

    def check_xsrf_cookie(self) -> None:
        """No cookie lets anybody in here, so no other page can make use of one."""

    @property
    def person(self) -> Person:
        model = self.current_user
        found = None if model is None else person_of(model)
        if found is None:
            raise HTTPError(403, TOKEN)
        return found


class Ingest(Sender):
    """POST of one batch (``shared.batches``): 204, or a status and a sentence, and nothing of it is written."""

    async def post(self) -> None:
        person = self.person
        if len(self.request.body) > MOST_BYTES:
            raise HTTPError(413, f"a batch of {len(self.request.body)} bytes; {MOST_BYTES} are taken")
        owner, batch = await self.service.asked(batch_of, self.request.body)  # a full one takes seconds to read
        if owner not in (None, person.name):
            raise HTTPError(403, "these are somebody else's than the token's")
        await self.service.asked(self.service.ledger.acting(own(person)).take, batch)
        self.set_status(204)


class Standings(Sender):
    """GET of where the lab's budgets stand, for the token's owner: what a sender keeps beside its ledger."""

    async def get(self) -> None:
        ledger = self.service.ledger.acting(own(self.person))
        self.finish(asdict(await self.service.asked(snapshot, ledger)))
