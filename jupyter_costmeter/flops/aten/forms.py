"""The overloads of torch's operators as its dispatcher knows them, and the keys by which it goes on below us."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

#: Functionalities (the first letters of a dispatch key) whose operators run others, which are counted instead.
THROUGH = ("Meta", "Python", "Fake", "Nested", "Undefined")
#: Those whose work is not known by shapes.
OPAQUE = {"Sparse": "sparse operators", "Quantized": "quantized operators"}
#: Arguments that not every form of an operator has.
OPTIONAL = ("out", "output_mask", "mode")

Pick = Callable[[tuple[Any, ...], dict[str, Any], Any], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Form:
    """One overload of an operator, by torch's dispatcher (its Python object takes 0.3 ms to make)."""

    name: str
    overload: str
    arguments: tuple[str, ...]
    required: int  # so many of them are always given by their places
    redispatch: Callable[..., Any]

    @property
    def full_name(self) -> str:
        return f"{self.name}.{self.overload}" if self.overload else self.name

    def pick(self, names: tuple[str, ...]) -> Pick:
        """A function of a call's arguments and result that gives those of these names, ``None`` for one left out.

        Raises:
            ValueError: this torch's operator has no such argument.
        """
        known = self.arguments
        if missing := [n for n in names if n not in (*known, *OPTIONAL)]:
            raise ValueError(f"{self.full_name} has no {', '.join(missing)}")
        places = [known.index(n) for n in names if n in known]
        with_out, named = names[-1] == "out", [n for n in names if n != "out"]
        if 1 < len(places) == len(named) and max(places) < self.required and names.count("out") == with_out:
            return _quick(itemgetter(*places), with_out)
        wanted = [(n, known.index(n) if n in known else len(known)) for n in names]

        def pick(args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Sequence[Any]:
            return [
                out if name == "out" else args[place] if place < len(args) else kwargs.get(name)
                for name, place in wanted
            ]

        return pick


def _quick(get: Callable[[tuple[Any, ...]], tuple[Any, ...]], with_out: bool) -> Pick:
    """Where all operands are always given, and by their places."""
    if with_out:
        return lambda args, kwargs, out: (*get(args), out)
    return lambda args, kwargs, out: get(args)


def forms(torch: Any, name: str) -> Iterator[Form]:
    """Those with kernels of their own: not generated ones, which call another, nor what is made of others before."""
    c = torch._C
    for schema in c._jit_get_schemas_for_operator(name):
        overload, arguments = schema.overload_name, tuple(a.name for a in schema.arguments)
        always = [not (a.kwarg_only or a.has_default_value()) for a in schema.arguments]
        redispatch = c._dispatch_find_schema_or_throw(name, overload).redispatch_boxed
        form = Form(name, overload, arguments, [*always, False].index(False), redispatch)
        tags = c._get_operation_overload(name, overload)[2]
        implicit = c._dispatch_has_kernel_for_dispatch_key(form.full_name, "CompositeImplicitAutograd")
        if torch.Tag.generated not in tags and not implicit:
            yield form


class Below(dict[int, Any]):
    """A dispatch key set (as an integer) to the one that goes on below us; ``None``: not to be counted here."""

    def __init__(self, torch: Any) -> None:
        c = torch._C
        self._after = c._dispatch_keyset_full_after(c.DispatchKey.BackendSelect)
        self._of = c.DispatchKeySet.from_raw_repr

    def __missing__(self, raw: int) -> Any:
        counts = not self.backend(raw).startswith((*THROUGH, *OPAQUE))
        self[raw] = self.rest(raw) if counts else None
        return self[raw]

    def rest(self, raw: int) -> Any:
        """The rest of the keys."""
        return self._of(raw) & self._after

    def opaque(self, raw: int) -> str | None:
        """What it is, where its work is not known by shapes."""
        return next((what for start, what in OPAQUE.items() if self.backend(raw).startswith(start)), None)

    def backend(self, raw: int) -> str:
        """The first dispatch key below us."""
        return str(self.rest(raw).highestPriorityTypeId().name)


class Plain(dict[int, Any]):
    """The same for dense tensors of the CPU only."""

    def __init__(self, below: Below) -> None:
        self._below = below

    def __missing__(self, raw: int) -> Any:
        self[raw] = self._below[raw] if self._below.backend(raw) == "CPU" else None
        return self[raw]
