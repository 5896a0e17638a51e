"""What else could have done arithmetic, told by the names in a cell."""

from __future__ import annotations

import gc
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from jupyter_costmeter.reach import Code, reached, with_uncounted
from jupyter_costmeter.record import UNCOUNTED, Figure, Provenance, Usage

np = pytest.importorskip("numpy", reason="numpy is not installed")

SETTING = """
import functools
import numpy as np
import math
def inner(x): return np.dot(x, x)
def helper(x): return inner(x)
def plain(x): return math.sqrt(x)
class Model:
    def fit(self, x): return helper(x)
class Plain:
    def fit(self, x): return x
class Holder:
    def __init__(self): self.scale = np.ones(3)
    def go(self): return self.scale
def closed():
    a = np.ones(2)
    return lambda: a
model, bare, holder, array, later = Model(), Plain(), Holder(), np.ones(3), closed()
def inside():
    import numpy
    return numpy.ones(2)
def from_inside():
    from numpy import linalg
    return linalg.norm([1])
class Static:
    @staticmethod
    def one(): return helper(1)
    @property
    def two(self): return 2
class Lazy:
    @property
    def three(self): return helper(3)
static, lazy = Static, Lazy()
part, kept, pair = functools.partial(helper, 2), {"a": np.ones(2)}, [np.ones(2)]
wrapped = functools.lru_cache(helper)
bound = model.fit
"""


@pytest.fixture
def names(tmp_path: Path) -> dict[str, Any]:
    """A notebook's namespace; its functions lie in a file of the user's own."""
    file = tmp_path / "cell.py"
    found: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(SETTING, str(file), "exec"), found)
    return found


@pytest.mark.parametrize(
    "code",
    [
        "np.dot(1, 2)", "array.sum()", "helper(2)", "model.fit(1)", "holder.go()", "[helper(i) for i in range(3)]",
        "later()", "%%time\nhelper(3)", "%timeit -n 10 helper(3)", "x = %timeit -o helper(3)",
        "inside()", "from_inside()", "static.one()", "lazy.three", "part()", "kept['a'] @ kept['a']", "pair[0].sum()",
        "bound(1)", "wrapped(2)", "t.numpy() @ t.numpy()", "t.detach().numpy().mean()",
        "async def f():\n    return await g(helper)", "f'{helper(1)}'", "helper(", "map(helper, [])",
    ],
)  # fmt: skip
def test_a_cell_that_can_reach_numpy_says_so(code: str, names: dict[str, Any]) -> None:
    assert reached(Code(code, names)) == {"numpy"}


@pytest.mark.parametrize(
    "code",
    [
        "import numpy as np",
        "print(1)",
        "plain(2)",
        "bare.fit(1)",
        "!ls np",
        "# np.dot",
        "'np.dot'",
        "",
        "x = 1",
        "%cost",
    ],
)
def test_a_cell_that_cannot_does_not(code: str, names: dict[str, Any]) -> None:
    assert reached(Code(code, names)) == set()


def test_scikit_learn_and_what_it_is_called(names: dict[str, Any]) -> None:
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    names["lr"] = linear.LinearRegression()
    assert reached(Code("lr.fit([[1]], [2])", names)) == {"sklearn"}
    usage = with_uncounted(Usage(1.0), Code("lr.fit([[1]], [2])", names))
    (figure,) = usage.figures
    assert (figure.name, figure.value, figure.device) == (UNCOUNTED, None, "scikit-learn")
    assert figure.reason is not None
    assert figure.reason.startswith("scikit-learn: ")
    assert not figure.provenance.absent


def test_a_module_of_the_users_own_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_of_reach.py").write_text("import numpy\ndef go(): return numpy.ones(2)\ndef stay(): return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import mine_of_reach  # type: ignore[import-not-found]

    try:
        assert reached(Code("mine.go()", {"mine": mine_of_reach})) == {"numpy"}
        assert reached(Code("mine.stay()", {"mine": mine_of_reach})) == set()
    finally:
        sys.modules.pop("mine_of_reach")


def test_an_installed_package_is_not_looked_into(names: dict[str, Any]) -> None:
    import hypothesis  # which has numpy in some of its rooms

    names["hypothesis"] = hypothesis
    assert reached(Code("hypothesis.given(hypothesis.strategies.integers())", names)) == set()


@pytest.mark.parametrize("package", ["cupy", "numba", "jax", "tensorflow", "xgboost"])
def test_a_library_that_is_not_installed_here(package: str) -> None:
    kind = type("Thing", (), {"__module__": f"{package}.core"})
    assert reached(Code("thing + thing", {"thing": kind()})) == {package}


def test_jax_is_not_named_where_it_is_counted() -> None:
    kind = type("Array", (), {"__module__": "jaxlib._jax"})
    code = Code("a @ a", {"a": kind()})
    assert [f.device for f in with_uncounted(Usage(1.0), code).figures] == ["JAX"]
    assert with_uncounted(Usage(1.0), code, {"jax", "jaxlib"}) == Usage(1.0)


def test_what_is_noted_already_is_not_noted_twice(names: dict[str, Any]) -> None:
    known = Figure(UNCOUNTED, None, Provenance(None, "x", reason="y"), "numpy")
    assert with_uncounted(Usage(1.0, (known,)), Code("helper(1)", names)).figures == (known,)


def test_no_code_of_an_objects_own_is_run() -> None:
    ran: list[str] = []

    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            ran.append(name)
            return super().__getattribute__(name)

    class Hostile(metaclass=Meta):
        def __getattribute__(self, name: str) -> Any:
            ran.append(name)
            raise RuntimeError(name)

    class Proxy:
        @property
        def __class__(self) -> Any:
            ran.append("__class__")
            raise RuntimeError

    names = {"hostile": Hostile(), "kind": Hostile, "proxy": Proxy(), "module": types.ModuleType("numpy_like")}
    ran.clear()
    assert reached(Code("hostile.x + kind() + proxy.y + module.z", names)) == set()
    assert ran == []


def test_functions_that_call_each_other_end() -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("def a(): return b()\ndef b(): return a()", "cell.py", "exec"), names)
    assert reached(Code("a()", names)) == set()
    assert reached(Code("x" * 10 + "(" * 10_000, names)) == set()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="before Python 3.11 each object has a dictionary from the start")
def test_the_users_objects_are_not_made_slower(names: dict[str, Any]) -> None:
    """An object whose ``__dict__`` has been asked for keeps its attributes there, and each use of them is slower."""
    holder = names["holder"]
    assert reached(Code("holder", names)) == {"numpy"}
    assert not any(type(found) is dict for found in gc.get_referents(holder))
