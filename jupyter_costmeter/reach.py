"""What else could have done arithmetic in a cell: libraries that its code reaches, whose FLOPs nobody counts.

By names: those in the cell, looked up where it ran, and from there through functions, classes, objects and small
containers that are the user's own (not an installed package's). So it is what the code could have called, not what it
did; a library that only another package uses inside is not seen. No code of the user's is run for it. Pure, and off the
user's path.
"""

from __future__ import annotations

import ast
import functools
import gc
import itertools
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from .record import UNCOUNTED, Figure, Provenance, Usage

SOURCE = "the cell's code and what it calls"
NO_COUNTERS = "its arithmetic leaves no trace to count by (see the CPU time)"
ITS_OWN = "it runs kernels of its own, which are not seen"
#: Packages that do arithmetic, by the names that they are imported by: what they are called, why they are not counted.
LIBRARIES: dict[str, tuple[str, str]] = {
    "numpy": ("numpy", NO_COUNTERS),
    "scipy": ("scipy", NO_COUNTERS),
    "sklearn": ("scikit-learn", NO_COUNTERS),
    "statsmodels": ("statsmodels", NO_COUNTERS),
    "numba": ("Numba", NO_COUNTERS),
    "xgboost": ("XGBoost", ITS_OWN),
    "lightgbm": ("LightGBM", ITS_OWN),
    "catboost": ("CatBoost", ITS_OWN),
    "cupy": ("CuPy", ITS_OWN),
    "cuml": ("cuML", ITS_OWN),
    "tensorflow": ("TensorFlow", ITS_OWN),
    "keras": ("Keras", "only what it runs in torch is counted"),
    "mxnet": ("MXNet", ITS_OWN),
    "paddle": ("Paddle", ITS_OWN),
    "onnxruntime": ("ONNX Runtime", ITS_OWN),
    "pandas": ("pandas", NO_COUNTERS),
    "polars": ("Polars", ITS_OWN),
    "jax": ("JAX", "`%cost flops jax` counts it from then on"),
    "jaxlib": ("JAX", "`%cost flops jax` counts it from then on"),
    "flash_attn": ("flash_attn", ITS_OWN),
    "xformers": ("xFormers", ITS_OWN),
    "bitsandbytes": ("bitsandbytes", ITS_OWN),
    "transformer_engine": ("Transformer Engine", ITS_OWN),
}
#: Stands among names for an array that has none.
ARRAY = "numpy()"
#: Calls (of torch and numpy) in which an array is handed over, no more.
PASSING = ("tensor", "as_tensor", "from_numpy", "seed", "manual_seed", "load", "save", "savez")
#: So many functions and classes are looked into at most.
MOST = 2000
#: So many of the things that an object or a container holds.
FEW = 50
FUNCTIONS = (FunctionType, BuiltinFunctionType)
#: CPython's ``Py_TPFLAGS_MANAGED_DICT``: objects of such a type have a ``__dict__`` only once it is asked for.
MANAGED_DICT = 1 << 4
WORD = re.compile(r"[A-Za-z_]\w*")
MAGIC = re.compile(r"^\s*(%%?\w*|!.*)", re.MULTILINE)
_INSTALLED = tuple({p for n in ("stdlib", "platstdlib", "purelib", "platlib") if (p := sysconfig.get_path(n))})


class Code(NamedTuple):
    """What ran: a cell's text, or a function; and where its names were looked up."""

    what: str | CodeType
    namespace: Mapping[str, Any]


def with_uncounted(usage: Usage, code: Code, counted: Iterable[str] = ()) -> Usage:
    """The usage with a figure for each library that the code reaches, but for the ``counted`` ones."""
    found = {LIBRARIES[package] for package in reached(code) if package not in counted}
    known = {f.device for f in usage.figures if f.name == UNCOUNTED}
    more = [
        Figure(UNCOUNTED, None, Provenance(None, SOURCE, reason=f"{what}: {why}"), what)
        for what, why in sorted(found)
        if what not in known
    ]
    return Usage(usage.wall_s, (*usage.figures, *more)) if more else usage


def reached(code: Code) -> set[str]:
    """The packages of ``LIBRARIES`` that the code could have called."""
    found: set[str] = set()
    seen: set[int] = set()
    names = _names(code.what) if isinstance(code.what, str) else _names_of_code(code.what)
    found |= {"numpy"} if ARRAY in names else set()
    waiting = list(_values(names, code.namespace))
    while waiting and len(seen) < MOST:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        libraries, inside = _looked_into(value, names)
        found |= libraries
        waiting += inside
    return found


def _looked_into(value: Any, names: set[str]) -> tuple[set[str], list[Any]]:
    """The libraries that a value is of, else what it leads to."""
    try:
        libraries = _packages(value) & LIBRARIES.keys()
        return libraries, [] if libraries else _inside(value, names)
    except Exception:
        return set(), []


def _names(text: str) -> set[str]:
    """Names that the text loads, and attributes; of one that is no Python (a magic's) all words."""
    try:
        tree = ast.parse(MAGIC.sub("", text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(WORD.findall(text))
    found: set[str] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        if any(map(_makes_an_array, _operands(node))):
            found.add(ARRAY)
        if not _only_passes_on(node):
            waiting += ast.iter_child_nodes(node)
    return found


def _operands(node: ast.AST) -> list[ast.expr]:
    """What something is done with."""
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    return [node.value] if isinstance(node, ast.Attribute) else []


def _makes_an_array(node: ast.expr) -> bool:
    """``tensor.numpy()``: an array that has no name."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "numpy"


def _only_passes_on(node: ast.AST) -> bool:
    """A call that takes an array, or seeds or stores one, and calculates nothing with it."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in PASSING


def _names_of_code(code: CodeType) -> set[str]:
    inner = (_names_of_code(const) for const in code.co_consts if isinstance(const, CodeType))
    return set(code.co_names).union(code.co_freevars, *inner)


def _values(names: Iterable[str], namespace: Mapping[str, Any]) -> Iterator[Any]:
    return (namespace[name] for name in names if name in namespace)


def _packages(value: Any) -> set[str]:
    """The packages that a value, or its class, comes from. Only types are asked: a proxy must not begin to work."""
    kind = type(value)
    of = [_module_of(kind)]
    if issubclass(kind, ModuleType):
        of.append(vars(value).get("__name__"))
    elif issubclass(kind, type):
        of.append(_module_of(value))
    elif kind in FUNCTIONS:
        of.append(value.__module__)
    return {name.partition(".")[0] for name in of if isinstance(name, str)}


def _module_of(kind: type) -> Any:
    """The module's name as it stands in a class, whatever its metaclass does."""
    return type.__getattribute__(kind, "__module__")


def _held(value: Any) -> list[Any]:
    """What an object has in its attributes, and a container in it, as far as that is few."""
    if type(value) in (list, tuple, set, frozenset):
        return list(itertools.islice(value, FEW))
    if type(value) is dict:
        return list(itertools.islice(value.values(), FEW))
    if type.__getattribute__(type(value), "__flags__") & MANAGED_DICT:
        return list(itertools.islice(_attributes(value), FEW))
    try:
        held = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return []
    return list(itertools.islice(dict(held).values(), FEW))


def _attributes(value: Any) -> Iterator[Any]:
    """Not by ``__dict__``: that would be made for it, and each use of the user's object is slower from then on."""
    for found in gc.get_referents(value):
        if type(found) is dict:
            yield from list(found.values())
        elif found is not type(value):
            yield found


def _unwrapped(value: Any) -> Any:
    """The function in a partial, a method or a descriptor."""
    kind = type(value)
    if kind is functools.partial:
        return value.func
    if kind in (staticmethod, classmethod, MethodType):
        return value.__func__
    if kind is property:
        return value.fget
    return value.__dict__.get("__wrapped__", value) if kind is FunctionType else value


def _inside(value: Any, names: set[str]) -> list[Any]:
    """What a value that is the user's own leads to."""
    function = _unwrapped(value)
    if function is not value:
        more = [*value.args, *value.keywords.values()] if type(value) is functools.partial else []
        return [function, *more, *([value.__self__] if type(value) is MethodType else [])]
    kind = type(value)
    if issubclass(kind, ModuleType):
        return list(_values(names, vars(value))) if _own(vars(value).get("__file__")) else []
    if kind is FunctionType:
        return list(_of_function(value)) if _own(value.__code__.co_filename) else []
    if issubclass(kind, type):
        return _of_class(value)
    return [*_held(value), *_of_class(kind)]


def _of_class(kind: type) -> list[Any]:
    """The methods of a class that is the user's own."""
    name = _module_of(kind)
    module = sys.modules.get(name) if isinstance(name, str) else None
    own = name == "__main__" or (module is not None and _own(vars(module).get("__file__")))
    methods = type.__getattribute__(kind, "__dict__").values()
    return [m for m in methods if type(m) in (FunctionType, staticmethod, classmethod, property)] if own else []


def _of_function(function: FunctionType) -> Iterator[Any]:
    names = _names_of_code(function.__code__)
    yield from _values(names, function.__globals__)
    yield from _values(names & LIBRARIES.keys(), sys.modules)  # what it imports itself
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue


def _own(file: str | None) -> bool:
    """Whether a file is no installed package's."""
    return file is not None and not file.startswith((*_INSTALLED, "<frozen"))
