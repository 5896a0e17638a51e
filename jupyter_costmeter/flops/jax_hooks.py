"""Where JAX is looked into to see each program that runs. There is no public way, so all of it is guarded.

A jitted function that ran once is run by C++ alone from then on. ``pjit`` asks a module-level function for what
C++ needs for that; while we are in, it gets none for programs that do something counted, so each of their calls
comes by ``_pjit_call_impl_python``, with its jaxpr. What C++ knew is forgotten as we come and as we go: compiled
programs stay where they are, so nothing is traced or compiled again. Operators outside of jit, control flow,
pmap and shard_map all become jitted programs. Programs compiled ahead of time are followed by the three public
methods that make and run them.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from typing import Any
from weakref import WeakKeyDictionary

#: Tested: 0.10.0, 0.10.1, 0.10.2 and 0.11.2. An older or newer JAX moves private names each month.
KNOWN = ("0.10", "0.11")
#: Private names that are needed, with the parameters by which they are called.
NEEDED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("jax._src.pjit", "_pjit_call_impl_python", ("jaxpr",)),
    ("jax._src.pjit", "_get_fastpath_data", ("executable",)),
    ("jax._src.pjit", "_pjit_call_impl", ("jaxpr",)),
    ("jax._src.pjit", "_run_python_pjit", ()),
    ("jax._src.stages", "Traced.lower", ()),
    ("jax._src.stages", "Traced.jaxpr", ()),
    ("jax._src.stages", "Lowered.compile", ()),
    ("jax._src.stages", "Compiled.__call__", ()),
    ("jax._src.stages", "Compiled._executable", ()),
    ("jax._src.interpreters.pxla", "MeshExecutable.xla_executable", ()),
    ("jax._src.interpreters.pxla", "MeshExecutable._in_shardings", ()),
    ("jax._src.interpreters.pxla", "MeshExecutable._out_shardings", ()),
    ("jax._src.interpreters.partial_eval", "dce_jaxpr", ("jaxpr", "used_outputs")),
    ("jax._src.lib", "_jax.PjitFunctionCache.clear_all", ()),
)
#: What an executable did: its jaxpr, where known. Answers whether the next call is of interest, too.
Ran = Callable[[Any, Any], bool]


class Unknown(Exception):
    """JAX is not there, or unlike those we know."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


def check() -> None:
    """Import JAX, and see that it is one that we know.

    Raises:
        Unknown: it is not, and why.
    """
    try:
        jax = import_module("jax")
    except ImportError as error:
        raise Unknown(f"JAX cannot be imported: {error}", "pip install jax") from None
    remedy = f"use JAX {' or '.join(KNOWN)}, or do without JAX's FLOPs"
    version = str(jax.__version__)
    if ".".join(version.split(".")[:2]) not in KNOWN:
        raise Unknown(f"JAX {version} is not known here: its programs are seen by private names only", remedy)
    if missing := [found for needed in NEEDED if (found := _missing(*needed))]:
        raise Unknown(f"JAX {version} lacks {', '.join(missing)}", remedy)


def _missing(module: str, path: str, parameters: tuple[str, ...]) -> str | None:
    """The name of what is not as it should be."""
    try:
        found = attrgetter(path)(import_module(module))
        if parameters and not set(parameters) <= set(inspect.signature(found).parameters):
            return f"{module}.{path}({', '.join(parameters)})"
    except (ImportError, AttributeError, ValueError, TypeError):
        return f"{module}.{path}"
    return None


class Hooks:
    """What is put into JAX, and taken out again.

    Args:
        ran: told of each program, in the thread that ran it, when it has been launched.
        failed: told of what goes wrong in here, none of which reaches the user's code.
    """

    def __init__(self, ran: Ran, failed: Callable[[Exception], None]) -> None:
        self._ran, self._failed = ran, failed
        self._on = False
        self._put: list[tuple[Any, str, Any, Any]] = []
        self._last = threading.local()  # .quiet: the program that just ran, if nobody need see it again
        self._lowered: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
        self._ahead: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()

    def install(self) -> None:
        """Look at each program from now on.

        Raises:
            Unknown: this JAX is not known, and nothing was changed.
        """
        check()
        pjit, stages = import_module("jax._src.pjit"), import_module("jax._src.stages")
        self._on = True
        self._put_in(pjit, "_pjit_call_impl_python", self._running)
        self._put_in(pjit, "_get_fastpath_data", self._going_fast)
        self._put_in(stages.Traced, "lower", self._lowering)
        self._put_in(stages.Lowered, "compile", self._compiling)
        self._put_in(stages.Compiled, "__call__", self._running_ahead)
        _forget()

    def remove(self) -> None:
        """As it was before. What somebody put over ours stays, and ours below it only passes on."""
        self._on = False
        while self._put:
            owner, name, original, ours = self._put.pop()
            if owner.__dict__.get(name) is ours:
                setattr(owner, name, original)
        _forget()

    def _put_in(self, owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
        original = owner.__dict__[name]
        ours = functools.wraps(original)(_internal(wrap(original)))
        self._put.append((owner, name, original, ours))
        setattr(owner, name, ours)

    # What takes the place of JAX's own: it calls that, and then looks

    def _running(self, original: Any) -> Any:
        def run(*args: Any, **kwargs: Any) -> Any:
            answer = original(*args, **kwargs)
            if self._on:
                try:
                    executable = answer[1]
                    self._last.quiet = None if self._ran(executable, kwargs["jaxpr"]) else executable
                except Exception as error:
                    self._failed(error)
            return answer

        return run

    def _going_fast(self, original: Any) -> Any:
        def fast(executable: Any, *args: Any, **kwargs: Any) -> Any:
            if self._on and executable is not None:
                quiet, self._last.quiet = getattr(self._last, "quiet", None), None
                if quiet is not executable:
                    return None
            return original(executable, *args, **kwargs)

        return fast

    def _lowering(self, original: Any) -> Any:
        def lower(traced: Any, *args: Any, **kwargs: Any) -> Any:
            lowered = original(traced, *args, **kwargs)
            self._guarded(lambda: self._lowered.__setitem__(lowered, traced.jaxpr))
            return lowered

        return lower

    def _compiling(self, original: Any) -> Any:
        def compile_(lowered: Any, *args: Any, **kwargs: Any) -> Any:
            compiled = original(lowered, *args, **kwargs)
            self._guarded(lambda: self._ahead.__setitem__(compiled._executable, self._lowered.get(lowered)))
            return compiled

        return compile_

    def _running_ahead(self, original: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:  # a program's own parameter may be called anything
            answer = original(*args, **kwargs)
            self._guarded(lambda: self._ran(args[0]._executable, self._ahead.get(args[0]._executable)))
            return answer

        return call

    def _guarded(self, look: Callable[[], object]) -> None:
        if self._on:
            try:
                look()
            except Exception as error:
                self._failed(error)


def _forget() -> None:
    """What C++ knows of functions: they come by Python once more."""
    import_module("jax._src.lib")._jax.PjitFunctionCache.clear_all()


def _internal(wrapper: Any) -> Any:
    """Its frames pass for JAX's own, which are left out of users' traces, and of XLA's notes of a program's origin."""
    wrapper.__code__ = wrapper.__code__.replace(co_filename=f"{import_module('jax._src.pjit').__file__}/{__name__}")
    return wrapper
