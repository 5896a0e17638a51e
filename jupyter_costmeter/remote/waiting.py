"""Waits until the user imports distributed: until then nothing of Dask, and little of ours, is loaded."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .. import guard
from ..flops.imports import Imports

if TYPE_CHECKING:
    from ..session import Session
    from .clusters import Clusters


class Waiting:
    """The clusters of one session, once there may be any."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.clusters: Clusters | None = None
        self._made = 0  # clients, when they were last looked at
        self._imports = Imports({"distributed.client": self._found})

    def open(self) -> None:
        """Wait for the user to import distributed, or find that it has been."""
        self._imports.open()

    def close(self) -> None:
        """Wait no longer; what is known of clusters is billed."""
        self._imports.close()
        if self.clusters is not None:
            self.clusters.close()

    @guard.guarded("distributed's client")
    def _found(self, module: Any) -> None:
        from .clusters import Clusters

        if self.clusters is None:
            self.clusters = Clusters(self.session)
        self.clusters.open(module.Client)

    def greet(self) -> None:
        """A cell has ended: tell of the clients that it made, so that no later cell waits."""
        if self.clusters is None:
            return
        module = sys.modules["distributed.client"]
        if (made := module._global_client_index[0]) != self._made:
            self._made = made
            self.clusters.greet(list(module._global_clients.values()))
