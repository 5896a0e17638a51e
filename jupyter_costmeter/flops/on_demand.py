"""JAX's counter, loaded when it is asked for: few notebooks do, and it would cost each ``%load_ext`` its import."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from ..record import Figure, Status

if TYPE_CHECKING:
    from .jax_flops import JaxFlops

OFF = "JAX programs are not counted; %cost flops jax counts them"


class JaxOnDemand:
    """Implements ``plugins.Tracer`` for ``JaxFlops``, once there is one."""

    name = "jax_flops"
    awaits = f"{__package__}.jax_flops"

    def __init__(self) -> None:
        self.working: Callable[[], AbstractContextManager[Any]] = nullcontext
        self._real: JaxFlops | None = None

    def open(self) -> Status:
        return self._real.open() if self._real else self.status()

    def status(self) -> Status:
        return self._real.status() if self._real else Status(self.name, True, OFF)

    def mark(self) -> object:
        return self._real.mark() if self._real else None

    def figures(self, start: object, end: object) -> tuple[Figure, ...]:
        """None of a window that began before JAX was counted: that is the cell which asked for it."""
        return self._real.figures(start, end) if self._real else ()

    def close(self) -> None:
        if self._real:
            self._real.close()

    def opt_in(self) -> Status:
        """Count from now on, or say why not."""
        if self._real is None:
            from .jax_flops import JaxFlops

            self._real = JaxFlops()
            self._real.open()
        return self._real.opt_in()

    def opt_out(self) -> Status:
        """Count no longer."""
        return self._real.opt_out() if self._real else self.status()
