"""How far a cell is: by tqdm's own bars in any style, and by hand. No bar is touched."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import tqdm
from tqdm.notebook import tqdm as notebook_tqdm
from tqdm.std import tqdm as std_tqdm

import jupyter_costmeter
from jupyter_costmeter import progressing
from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.progressing import look, progress, progress_of


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing was told by hand, and no bar of another test is left."""
    monkeypatch.setattr(progressing, "_told", None)
    yield
    for bar in list(std_tqdm._instances):
        bar.close()


def bar(total: float | None = 100, **more: Any) -> tqdm.tqdm[Any]:
    return tqdm.tqdm(total=total, file=io.StringIO(), **more)


def fraction(started_at: float) -> float | None:
    found = look(started_at)
    return None if found is None else round(found.fraction, 6)


def test_a_bar_of_this_cell_tells_how_far_it_is() -> None:
    began = time.time()
    with bar(desc="epochs: ") as shown:
        assert fraction(began) == 0.0
        shown.update(34)
        found = look(began)
        assert found is not None
        assert (found.fraction, found.label, found.source) == (0.34, "epochs", "tqdm")
        assert began - 0.05 <= found.at <= time.time()
    assert look(began) is None  # it is closed


def test_a_bar_that_goes_on_from_an_earlier_cell_is_not_this_ones() -> None:
    with bar() as shown:
        shown.update(50)
        assert look(time.time() + 1.0) is None


@pytest.mark.parametrize("more", [{"total": None}, {"total": 0}, {"disable": True}])
def test_a_bar_without_an_end_or_hidden_tells_nothing(more: dict[str, Any]) -> None:
    began = time.time()
    with bar(**more):
        assert look(began) is None


def test_a_bar_that_has_gone_past_its_end_tells_nothing() -> None:
    began = time.time()
    with bar(10) as shown:
        shown.n = 11
        assert look(began) is None


def test_nested_bars_refine_the_outermost() -> None:
    began = time.time()
    with bar(4, desc="epochs") as outer:
        outer.update(1)
        with bar(10, desc="batches") as inner:
            inner.update(5)
            found = look(began)
            assert found is not None
            assert (found.label, found.fraction) == ("epochs", pytest.approx((1 + 0.5) / 4))
            with bar(2) as innermost:
                innermost.update(1)
                assert fraction(began) == pytest.approx((1 + (5 + 0.5) / 10) / 4)
        assert fraction(began) == 0.25


def test_a_bar_at_its_end_that_was_never_closed_gives_way_to_the_next() -> None:
    began = time.time()
    first, second = bar(3, desc="first"), bar(8, desc="second")
    first.update(3)
    second.update(2)
    found = look(began)
    assert found is not None
    assert (found.label, found.fraction) == ("second", 0.25)
    second.update(6)
    assert fraction(began) == 1.0


def test_what_a_resumed_loop_had_done_before_has_cost_nothing_here() -> None:
    began = time.time()
    with bar(100, initial=50) as shown:
        shown.update(10)
        found = look(began)
        assert found is not None
        assert (found.fraction, found.since) == (0.6, pytest.approx(10 / 50))


def test_each_style_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are all in one set: notebook's, rich's, those of keras and lightning, which are subclasses."""

    class Lightning(tqdm.tqdm):  # type: ignore[type-arg]
        pass

    for style in (tqdm.auto.tqdm if hasattr(tqdm, "auto") else std_tqdm, std_tqdm, Lightning):
        began = time.time()
        with style(total=10, file=io.StringIO()) as shown:
            shown.update(3)
            assert fraction(began) == 0.3
    pytest.importorskip("ipywidgets")
    began = time.time()
    with notebook_tqdm(total=10, display=False) as shown:
        shown.update(7)
        assert fraction(began) == 0.7


def test_bars_that_come_and_go_meanwhile_disturb_nothing() -> None:
    ended = threading.Event()

    def churn() -> None:
        while not ended.is_set():
            with bar(10) as shown:
                shown.update(1)

    threads = [threading.Thread(target=churn) for _ in range(3)]
    for one in threads:
        one.start()
    began = time.time()
    try:
        for _ in range(3000):
            look(began)
    finally:
        ended.set()
        for one in threads:
            one.join()


def test_by_hand_wins_over_a_bar() -> None:
    began = time.time()
    with bar() as shown:
        shown.update(90)
        progress(3, 100)
        found = look(began)
        assert found is not None
        assert (found.fraction, found.source, found.since) == (0.03, "by hand", 0.0)


def test_by_hand_what_was_done_since_the_first_word_counts() -> None:
    began = time.time()
    for done in range(2, 7):
        progress(done, 10)
    found = look(began)
    assert found is not None
    assert (found.fraction, found.since) == (0.6, pytest.approx(4 / 8))
    progress(1, 10)  # another loop
    again = look(began)
    assert again is not None
    assert (again.fraction, again.since) == (0.1, 0.0)


def test_what_was_told_in_an_earlier_cell_is_not_this_ones() -> None:
    progress(3, 10)
    assert look(time.time() + 0.01) is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [("3/100", 0.03), (" 3 / 100 ", 0.03), ("3 100", 0.03), ("3 of 100", 0.03), ("1.5/3", 0.5), ("0/1", 0.0)],
)
def test_by_words(words: str, expected: float) -> None:
    began = time.time()
    progress_of(words)
    assert fraction(began) == expected


@pytest.mark.parametrize(
    "words", ["", "3", "34%", "three/4", "-1/3", "5/3", "3/0", "nan/3", "1/inf", "1/2/3", "1e999/2"]
)
def test_bad_words_say_what_to_write(words: str) -> None:
    with pytest.raises(UsageError, match="such as %cost progress 3/100"):
        progress_of(words)
    assert look(0.0) is None


@pytest.mark.parametrize(("done", "total"), [(None, 3), ("x", 3), (-1, 3), (4, 3), (1, 0), (float("nan"), 1)])
def test_bad_numbers_say_what_to_write(done: Any, total: Any) -> None:
    with pytest.raises(UsageError, match=r"jupyter_costmeter\.progress\(3, 100\)"):
        progress(done, total)


def test_it_is_a_function_of_the_package_and_cheap() -> None:
    began = time.perf_counter()
    for done in range(10_000):
        jupyter_costmeter.progress(done, 10_000)
    assert time.perf_counter() - began < 1.0  # 100 µs each would be seen in a loop; it is some 2


def test_looking_imports_nothing() -> None:
    import subprocess
    import sys

    look = "from jupyter_costmeter import progressing as p; assert p.look(0.0) is None"
    code = f"import sys; {look}; print('tqdm' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
