"""How far a cell is: by tqdm's own bars in any style, and by hand. No bar is touched."""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import tqdm
from tqdm.notebook import tqdm as notebook_tqdm
from tqdm.std import tqdm as std_tqdm

import jupyter_costmeter
from jupyter_costmeter import epochs, progressing
from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.progressing import look, progress, progress_of


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing was told by hand, and no bar of another test is left."""
    monkeypatch.setattr(progressing, "_told", None)
    monkeypatch.setattr(progressing, "_series", None)
    monkeypatch.setattr(epochs, "_numbers", {})
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


# One bar per epoch, as Lightning and many loops have them


class LightningBar(tqdm.tqdm):  # type: ignore[type-arg]
    """Its class as it is named there, and what its callback does with it."""

    def begin(self, epoch: int, total: int) -> None:
        self.reset()
        self.total, self.initial = total, 0
        self.set_description(f"Epoch {epoch}")

    def to(self, n: int) -> None:
        self.n = n
        self.refresh()


LightningBar.__name__, LightningBar.__module__ = "Tqdm", "lightning.pytorch.callbacks.progress.tqdm_progress"


def trainer(monkeypatch: pytest.MonkeyPatch, max_epochs: int, status: str = "running") -> None:
    """A variable of the notebook."""
    made = type("Trainer", (), {"__module__": "lightning.pytorch.trainer.trainer"})()
    made.max_epochs, made.state = max_epochs, SimpleNamespace(status=status)
    monkeypatch.setattr(sys.modules["__main__"], "its_trainer", made, raising=False)


def test_lightnings_bar_of_one_epoch_is_a_part_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose trainer says how many there are; at its end it is validated, by a bar inside."""
    trainer(monkeypatch, 4)
    began = time.time()
    with LightningBar(desc="Training", file=io.StringIO()) as train:
        assert look(began) is None
        for epoch in range(4):
            train.begin(epoch, 10)
            train.to(5)
            assert fraction(began) == (epoch + 0.5) / 4
            train.to(10)
            with LightningBar(desc="Validation", total=5, file=io.StringIO()) as validation:
                validation.to(4)
                assert fraction(began) == (epoch + 1) / 4
        found = look(began)
        assert found is not None
        assert (found.since, found.label) == (1.0, "Epoch 3")
        assert began - 0.05 <= found.at < train.start_t  # of the first epoch


@pytest.mark.parametrize(("max_epochs", "status"), [(-1, "running"), (10, "finished")])
def test_lightnings_bar_alone_tells_nothing(monkeypatch: pytest.MonkeyPatch, max_epochs: int, status: str) -> None:
    """It says 95 % in epoch 1 of 10, and nothing says of how many."""
    trainer(monkeypatch, max_epochs, status)
    began = time.time()
    with LightningBar(file=io.StringIO()) as train:
        train.begin(0, 100)
        train.to(95)
        assert look(began) is None


def test_lightnings_trial_before_it_trains_tells_nothing() -> None:
    began = time.time()
    with LightningBar(desc="Sanity Checking", total=2, file=io.StringIO()) as trial:
        trial.set_description("Sanity Checking DataLoader 0")
        trial.to(1)
        assert look(began) is None


def test_lightning_within_a_loop_over_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer(monkeypatch, 3)
    began = time.time()
    with bar(2, desc="folds"), LightningBar(file=io.StringIO()) as train:
        train.begin(0, 10)
        train.to(9)
        assert fraction(began) == pytest.approx(0.9 / 3 / 2, abs=1e-6)


def test_a_lightning_that_resumes_has_cost_what_it_did_here(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer(monkeypatch, 10)
    began = time.time()
    with LightningBar(file=io.StringIO()) as train:
        train.begin(6, 10)
        train.to(10)
        found = look(began)
        assert found is not None
        assert (found.fraction, found.since) == (0.7, pytest.approx(1 / 4))


@pytest.mark.parametrize("named", ["Epoch {}/{}", "epoch [{}/{}]", "Train Epoch: {} of {}", "Fold {}/{}: "])
def test_a_new_bar_for_each_epoch(named: str) -> None:
    began = time.time()
    for epoch in (1, 2, 3):
        with bar(10, desc=named.format(epoch, 3)) as shown:
            shown.update(5)
            assert fraction(began) == pytest.approx((epoch - 1 + 0.5) / 3, abs=1e-6)


def test_epochs_that_count_from_zero() -> None:
    """``0/2`` to ``2/2``; one that ends at ``1/2`` has said too little, never too much."""
    began = time.time()
    for epoch in (0, 1, 2):
        with bar(10, desc=f"Epoch {epoch}/2") as shown:
            shown.update(5)
            assert fraction(began) == pytest.approx((epoch + 0.5) / 3, abs=1e-6)


def test_a_bar_of_one_epoch_of_nobody_knows_how_many() -> None:
    began = time.time()
    with bar(100, desc="Epoch 3") as shown:
        shown.update(95)
        assert look(began) is None


@pytest.mark.parametrize("named", ["Epoch {}", "Epoch {}/4"])
@pytest.mark.parametrize("first", [0, 1])
def test_a_bar_over_the_epochs_that_says_which_one_it_is(named: str, first: int) -> None:
    began = time.time()
    with bar(4) as shown:
        for epoch in range(4):
            shown.set_description(named.format(epoch + first))
            with bar(10, desc=named.format(epoch + first)) as inner:
                inner.update(5)
                assert fraction(began) == (epoch + 0.5) / 4
            shown.update(1)


def test_a_second_run_through_epochs_and_another_cell() -> None:
    began = time.time()
    for epoch in (3, 4, 1):
        with bar(10, desc=f"Epoch {epoch}/4") as shown:
            shown.update(4)
            found = look(began)
            assert found is not None
            assert found.fraction == pytest.approx((epoch - 1 + 0.4) / 4)
            assert found.since == pytest.approx({3: 0.1 / 0.5, 4: 0.35 / 0.5, 1: 0.1}[epoch])  # 3 was the first seen
    time.sleep(0.06)
    with bar(10, desc="Epoch 2/4") as shown:
        found = look(time.time())
        assert found is not None
        assert (found.fraction, found.since) == (0.25, 0.0)


def test_keras_validates_when_its_bar_of_batches_is_at_its_end() -> None:
    """Both bars live through all epochs; the one of batches is set back at the beginning of each."""
    began = time.time()
    with bar(3) as outer, bar(None) as batches:
        for epoch in range(3):
            batches.reset(total=10)
            time.sleep(0.12)  # tqdm notes its steps at most ten times a second
            batches.update(10)
            assert fraction(began) == pytest.approx((epoch + 1) / 3, abs=1e-6)
            time.sleep(0.12)
            outer.update(1)
            assert fraction(began) == pytest.approx((epoch + 1) / 3, abs=1e-6)


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
