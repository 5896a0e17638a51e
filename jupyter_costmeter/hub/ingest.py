"""Records from users' servers that cannot reach the database: each batch under the name of the token's owner."""

from __future__ import annotations

from jupyterhub.services.auth import HubAuthenticated
from tornado.web import HTTPError

from ..shared.batches import MOST_BYTES, batch_of
from .answering import Answering
from .seeing import own, person_of

TOKEN = (
    "a token that may access this service is needed: that of a server which the Hub has started since the service is"
    " there (JUPYTERHUB_API_TOKEN)"
)


class Ingest(HubAuthenticated, Answering):  # type: ignore[misc]
    """POST of one batch (``shared.batches``): 204, or a status and a sentence, and nothing of it is written."""

    async def prepare(self) -> None:
        self.hub_auth = self.service.token_auth
        await self.hub_auth.get_user(self, sync=False)  # else it would be asked where everybody waits

    def check_xsrf_cookie(self) -> None:
        """No cookie lets anybody in here, so no other page can make use of one."""

    async def post(self) -> None:
        model = self.current_user
        person = None if model is None else person_of(model)
        if person is None:
            raise HTTPError(403, TOKEN)
        if len(self.request.body) > MOST_BYTES:
            raise HTTPError(413, f"a batch of {len(self.request.body)} bytes; {MOST_BYTES} are taken")
        owner, batch = batch_of(self.request.body)
        if owner not in (None, person.name):
            raise HTTPError(403, "these are somebody else's than the token's")
        await self.service.asked(self.service.ledger.acting(own(person)).take, batch)
        self.set_status(204)
