"""BokehJS as the installed Bokeh package has it: so it fits the charts that this Python makes, without a network."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path

from jupyter_server.auth.decorator import authorized
from tornado import web

from .base import Handler, answered

#: How long a browser need not ask again (seconds).
FRESH_S = 3600


class BokehJS(Handler):
    @web.authenticated
    @authorized
    @answered
    async def get(self, name: str) -> None:
        """One of its scripts."""
        found = await asyncio.to_thread(script, name)
        if found is None:
            self.say(404, f"Bokeh has no script {name!r}")
            return
        body, tag = found
        self.set_header("Cache-Control", f"private, max-age={FRESH_S}")
        self.set_header("Etag", tag)
        if self.check_etag_header():
            self.set_status(304)
            self.finish()
            return
        self.finish(body, set_content_type="text/javascript; charset=utf-8")


def script(name: str) -> tuple[bytes, str] | None:
    """A script and its tag; ``None`` where there is none of that name: it is looked up in a list, never as a path."""
    from bokeh.util.paths import bokehjs_path

    there = {path.name: path for path in Path(bokehjs_path(), "js").glob("bokeh*.min.js")}
    if name not in there:
        return None
    body = there[name].read_bytes()
    return body, f'"{sha256(body).hexdigest()[:20]}"'
