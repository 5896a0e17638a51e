"""What ``%cost compare`` says: the gain, at which compute, and on what it rests."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from compared import DODGE, failed, lower_bound, runs, spent, statement, total, trial, with_params

from jupyter_costmeter import comparing_pages
from jupyter_costmeter.comparing import compare
from jupyter_costmeter.comparing_pages import Compared, page_of
from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.statement import Trial
from jupyter_costmeter.words import parse, parser, words_of


def page(*trials: Trial, lower: bool = False) -> Compared:
    return page_of(compare(statement(*trials), "ours", "baseline", None, lower), "Project paper")


def row(found: Compared, *starts: str) -> list[str]:
    """The line of a table that begins so; of the compute table by its measure and what it is of."""
    measure = ""
    for table in found.tables:
        for line in table.rows:
            measure = line[0] or measure
            if (measure, *line[1:])[: len(starts)] == starts:
                return list(line[len(starts) :])
    raise AssertionError(found.text())


TENFOLD = (*runs("ours", [0.80, 0.91], 5.0), *runs("baseline", [0.90], 1.0))


def test_the_gain_and_what_it_took() -> None:
    found = page(*TENFOLD)
    assert found.title == "Project paper: ours against baseline, by accuracy"
    assert found.headlines == [
        (
            "Gain: +0.01 accuracy (+1 point), at 10 times the GPU time, 10 times the energy without PUE,"
            " 10 times the FLOPs, all runs counted."
        )
    ]
    assert row(found, "best accuracy") == ["0.91 (ours 1)", "0.9 (baseline 0)"]
    assert row(found, "GPU time", "all runs") == ["10.0 GPU-h", "1.00 GPU-h", "10× exact", "+1"]
    assert row(found, "GPU time", "final run") == ["5.00 GPU-h", "1.00 GPU-h", "5× exact", "+1.43"]
    assert row(found, "GPU time", "all ÷ final") == ["2× exact", "1× exact", "", ""]
    assert row(found, "energy without PUE", "all runs") == ["3.00 kWh", "300 Wh", "10× ±7.1 %", "+1"]
    assert "energy without PUE: measured (NVML energy counter)." in found.notes


@pytest.mark.parametrize(
    ("ours", "baseline", "note"),
    [
        ([trial("ours", 0.9, None)], runs("baseline", [0.8]),
         ("GPU time, all runs, final runs, all ÷ final: ratio not known (ours: the GPU is lost), so there is no rate of"
          " points for more.")),
        (runs("ours", [0.9], 0.5), runs("baseline", [0.8]),
         "energy without PUE: it took no more compute, so there is no rate of points for more."),
        ([*runs("ours", [0.9]), failed("ours")], runs("baseline", [0.8]),
         "ours: 1 failed run counts in its compute and has no score."),
        ([*runs("ours", [0.9]), trial("ours", 0.1, scores={"accuracy": "nan"})], runs("baseline", [0.8]),
         "ours: 1 score left out, no finite number."),
        (runs("ours", [0.9, 0.8]), runs("baseline", [0.8]),
         "ours: 2 scored runs, too few for a curve (from 5 on), so they are listed."),
        (runs("ours", [90.0]), runs("baseline", [80.0]), "A point: one unit of the score."),
        (runs("ours", [0.9]), runs("baseline", [0.8]),
         "A point: scores are between 0 and 1, so a point is 0.01 of it."),
    ],
)  # fmt: skip
def test_what_must_be_known_is_said(ours: list[Trial], baseline: list[Trial], note: str) -> None:
    assert note in page(*ours, *baseline).notes


def test_bounds_are_marked() -> None:
    some = spent(4.0)
    numpy = replace(some, flops=lower_bound(some.flops))
    found = page(trial("ours", 0.9, spent=numpy), *runs("baseline", [0.8]))
    assert row(found, "FLOPs", "all runs") == ["≥ 4.00 PFLOP", "1.00 PFLOP", "≥ 4× exact", "≤ +16.6"]
    assert any(note.startswith("FLOPs: a lower bound where it says ≥ (numpy") for note in found.notes)
    both = page(trial("ours", 0.9, spent=numpy), trial("baseline", 0.8, spent=numpy))
    assert row(both, "FLOPs", "all runs")[2:] == ["? 1× exact", "—"]
    why = "FLOPs, all runs, final runs: may be more or less (both are lower bounds), so there is no rate of points for"
    assert f"{why} more." in both.notes


def test_each_dash_has_its_reason() -> None:
    """More in all, and less in the final run: the rate that there is not is said of the one it is of."""
    found = page(*runs("ours", [0.8, 0.9], 0.8), *runs("baseline", [0.85]))
    assert row(found, "GPU time", "all runs")[3] != "—"
    assert row(found, "GPU time", "final run")[2:] == ["0.8× exact", "—"]
    assert "GPU time, final runs: it took no more compute, so there is no rate of points for more." in found.notes
    lost = page(trial("ours", 0.9, None), trial("ours", 0.8, 1.0), *runs("baseline", [0.85]))
    assert row(lost, "GPU time", "all ÷ final")[0] == "—"
    (note,) = [note for note in lost.notes if "ratio not known (ours: the GPU is lost)" in note and "GPU" in note[:3]]
    assert note.startswith("GPU time, final runs, all ÷ final: ratio")


def on_cpu(method: str, score: float, hours: float, gpu: float = 0.0) -> Trial:
    used = replace(
        spent(gpu, kwh=0.1 * hours, flops=0.0), cpu_hours=total("cpu_hours", "CPU-h", hours, "process CPU clock", 0.01)
    )
    return trial(method, score, spent=used)


def test_without_a_gpu_compute_is_cpu_hours() -> None:
    found = page(on_cpu("ours", 0.9, 3.0), on_cpu("baseline", 0.8, 0.5))
    assert row(found, "CPU time", "all runs") == ["3.00 CPU-h", "30.0 CPU-min", "6× ±1.4 %", "+12.9"]
    assert "6 times the CPU time" in found.headlines[0]
    assert {line[0] for line in found.tables[1].rows} == {"CPU time", "energy without PUE", ""}
    assert found.tables[2].columns == ("method", "run", "score", "CPU time", "energy without PUE")
    held = page(on_cpu("ours", 0.9, 3.0, gpu=1.0), on_cpu("baseline", 0.8, 0.5))
    assert "CPU time" not in held.text()


def test_the_final_run_is_no_draw_of_the_search() -> None:
    drawn = with_params(
        runs("ours", DODGE, category="hpo"), [{"lr": 0.1 + at**1.5, "search": "random"} for at in range(5)]
    )
    final = trial("ours", 0.82, category="train", params={"lr": 1.1})
    found = page(*drawn, final, *runs("baseline", [0.7]))
    assert "ours: the expected best is of 5 runs, said to be random." in found.notes
    (apart,) = [note for note in found.notes if "says nothing of the search" in note]
    assert apart.startswith("ours: 1 scored run that says nothing of the search")
    assert row(found, "runs")[0] == "6 scored"
    few = page(*drawn[1:], final, *runs("baseline", [0.7]))
    assert "ours: 4 scored runs, too few for a curve (from 5 on), so they are listed." in few.notes


def test_what_nobody_took_has_no_lines() -> None:
    nothing = spent(0.0, kwh=1.0, flops=0.0)
    found = page(trial("ours", 0.9, spent=nothing), trial("baseline", 0.8, spent=nothing))
    assert {line[0] for line in found.tables[1].rows} == {"energy without PUE", ""}
    assert not [note for note in found.notes if note.startswith(("GPU time", "FLOPs"))]


def test_the_curves_condition_is_said() -> None:
    drawn = with_params(runs("ours", DODGE), [{"lr": 0.1 + at**1.5, "search": "random"} for at in range(5)])
    grid = with_params(runs("baseline", DODGE), [{"lr": 10.0**-at} for at in range(5)])
    found = page(*drawn, *grid)
    assert "ours: the expected best is of 5 runs, said to be random." in found.notes
    (said,) = [note for note in found.notes if note.startswith("baseline: the expected best")]
    assert "holds for a random search only, which this is not known to be (the values of lr are evenly spaced" in said
    assert row(found, "expected best of 5 runs") == ["0.8025 ± 0.017", "0.8025 ± 0.017"]
    assert not found.tables[2].rows


def test_few_runs_are_printed() -> None:
    found = page(*runs("ours", [0.8, 0.9]), *runs("baseline", DODGE))
    assert [line[:3] for line in found.tables[2].rows] == [["ours", "ours 0", "0.8"], ["ours", "ours 1", "0.9"]]


def test_what_is_known_of_neither_has_no_lines_and_one_note() -> None:
    some = spent(4.0)
    numpy = replace(some, flops=lower_bound(replace(some.flops, value=0.0)))
    found = page(trial("ours", 0.9, spent=numpy), trial("baseline", 0.8, spent=numpy))
    assert {line[0] for line in found.tables[1].rows} == {"GPU time", "energy without PUE", ""}
    (note,) = [note for note in found.notes if note.startswith("FLOPs")]
    assert note == "FLOPs: not known of either, so not compared (numpy: its arithmetic leaves no trace to count by)."


def test_charts_stand_before_the_notes() -> None:
    made = page(*TENFOLD)._repr_html_()
    assert made.index("</table>") < made.index("<script>") < made.index("A point:")


def test_a_mark_stands_before_the_sign() -> None:
    guess = replace(spent(10.0), energy_kwh=replace(spent(10.0).energy_kwh, method="assumed"))
    found = page(trial("ours", 0.7, spent=guess), *runs("baseline", [0.8]))
    assert row(found, "energy without PUE", "all runs")[3] == "~−10"


def test_less_is_better() -> None:
    found = page(*runs("ours", [0.1], 10.0), *runs("baseline", [0.2]), lower=True)
    assert found.title.endswith("by accuracy (less is better)")
    assert found.headlines[0].startswith("Gain: +0.1 accuracy (+10 points), at 10 times")


def test_a_loss_is_no_gain() -> None:
    assert (
        page(*runs("ours", [0.7]), *runs("baseline", [0.8])).headlines[0].startswith("Gain: −0.1 accuracy (−10 points)")
    )


def test_what_rounding_left_is_no_gain() -> None:
    assert (
        page(*runs("ours", [0.1 + 0.2]), *runs("baseline", [0.3]))
        .headlines[0]
        .startswith("Gain: 0 accuracy (0 points)")
    )


def test_its_two_words_are_named_once_each() -> None:
    known = parser("%cost")
    usage = " ".join(words_of(known).choices["compare"].format_usage().split())
    assert usage.endswith("[--force] OURS BASELINE")
    asked = parse(["compare", "ours", "baseline"], known)
    assert (asked.ours, asked.baseline) == ("ours", "baseline")
    with pytest.raises(UsageError, match="required: BASELINE"):
        parse(["compare", "ours"], known)


# In a notebook and in a file


def test_it_is_read_as_every_page_is() -> None:
    from IPython.lib.pretty import pretty

    found = page(*TENFOLD)
    assert pretty(found) == repr(found) == found.text()


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)


HOSTILE = '</script><img src=x onerror="alert(1)"><script>'


def test_names_are_harmless_in_html() -> None:
    trials = [*runs(HOSTILE, DODGE, metric=HOSTILE), *runs("baseline", DODGE, metric=HOSTILE)]
    made = page_of(compare(statement(*trials), HOSTILE, "baseline"), HOSTILE)._repr_html_()
    tags = Tags(made).found
    assert tags.count("script") == 1
    assert "img" not in tags


def test_a_chart_that_fails_leaves_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_costmeter import comparing_charts

    monkeypatch.setattr(comparing_charts, "item", lambda _: 1 / 0)
    made = page(*TENFOLD)._repr_html_()
    assert "<table>" in made
    assert "<script>" not in made


def test_the_table_is_there_without_scripts() -> None:
    before, _, _ = page(*TENFOLD)._repr_html_().partition("<script>")
    assert "10× exact" in before
    assert "-o FILE.html" in before


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "there.html"
    path.write_text("mine")
    yield path
    assert path.read_text() == "mine"


def test_only_html_is_written_and_no_file_replaced(there: Path) -> None:
    for name, message in ((str(there), "--force replaces it"), ("out.pdf", "name a file such as out.html")):
        with pytest.raises(UsageError, match=message):
            comparing_pages.answer(argparse.Namespace(output=name, force=False), None, None)  # type: ignore[arg-type]
