"""What the timeline draws: lines that break where nothing is known, bands that say what they are, a still picture."""

from __future__ import annotations

import base64
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from math import isnan
from typing import Any

import pytest
from timelines import AT, GPU, gap, run

from jupyter_costmeter import timeline_charts as charts
from jupyter_costmeter import timeline_svg
from jupyter_costmeter.timeline import Timeline, timeline
from jupyter_costmeter.timeline_charts import Limit
from jupyter_costmeter.timeline_fewer import Looked

NAMES = {GPU: "NVIDIA A100", "CPU": "Xeon"}
LIMIT = Limit("project paper", spent=0.5, limit=2.0, start=AT, factor=1.5)


@pytest.fixture
def found() -> Timeline:
    return timeline(
        [
            run(1, 0, 10, 3000.0, label="<b>$$train$$</b>"), gap(1, 10, 5), run(2, 20, 10, None, outcome="error"),
            run(3, 30, 5, 500.0),
        ],
        running={"r3"},
    )  # fmt: skip


def objects(item: Any) -> Iterator[dict[str, Any]]:
    """All objects in what BokehJS embeds."""
    if isinstance(item, dict):
        yield item
        for value in item.values():
            yield from objects(value)
    elif isinstance(item, list):
        for value in item:
            yield from objects(value)


def test_a_line_breaks_where_nothing_is_known(found: Timeline) -> None:
    columns = charts.power(found.lines[0], 0.0)
    assert [None if isnan(w) else round(w, 3) for w in columns["watts"]] == [300, 300, 55, 55, None, 100, 100]
    assert [round(at / 1000 - AT, 3) for at in columns["at"]] == [0, 10, 10, 15, 15, 30, 35]


def test_what_is_not_known_is_marked_with_its_reason(found: Timeline) -> None:
    columns = charts.unmeasured(found.lines[0], 0.0)
    assert [round(at / 1000 - AT) for at in (*columns["start"], *columns["end"])] == [20, 30]
    assert columns["why"] == ["not measured: the GPU is lost"]


def test_bands_say_what_they_are(found: Timeline) -> None:
    columns = charts.bands(found.bands["cell"], NAMES, 0.0)
    assert columns["outcome"] == ["ended well", "error", "running"]
    assert columns["shade"] == [charts.RAN, charts.FAILED, charts.RUNNING]
    assert columns["cell_id"] == ["cell-1", "cell-2", "cell-3"]
    assert columns["power"] == ["304 W", "≥ ~4.00 W", "104 W"]
    assert columns["energy"][0] == "3.04 kJ ±5.0 %, measured"
    assert columns["energy"][1].endswith("a part was not measured: the GPU is lost")
    assert columns["devices"][0] == "NVIDIA A100 300 W, CPU ~3.75 W, memory ~250 mW"
    assert columns["devices"][1].startswith("NVIDIA A100 —, ")
    assert columns["took"][0] == "10.0 s"
    between = charts.bands(found.bands["held_idle"], NAMES, 0.0)
    assert (between["name"], between["outcome"]) == (["held idle, after run 1"], ["no cell ran"])


def test_several_as_one() -> None:
    (band,) = timeline([run(n, n, 0.5, 9.0 if n == 2 else 1.0) for n in range(4)], most=1).bands["cell"]
    assert charts.named(band) == "4 runs, the dearest In [2]"
    assert charts.outcome(band) == "all ended well"


def test_the_energy_ends_with_all_that_is_spent(found: Timeline) -> None:
    columns = charts.energy(found, LIMIT, 0.0)
    assert columns["kwh"][-1] == pytest.approx(0.5)
    joules = sum(line.energy.value or 0.0 for line in found.lines)
    assert columns["kwh"][0] == pytest.approx(0.5 - 1.5 * joules / 3.6e6)
    assert columns["kwh"] == sorted(columns["kwh"])


def test_before_its_period_nothing_was_spent_of_it(found: Timeline) -> None:
    since = Limit("", 0.5, 2.0, AT + 30, 1.0)
    columns = charts.energy(found, since, 0.0)
    assert columns["at"][0] == (AT + 30) * 1000
    assert columns["kwh"][-1] - columns["kwh"][0] == pytest.approx((500 + 20) / 3.6e6)


def test_several_gpus_of_one_model_are_told_apart() -> None:
    names = {"GPU-1": "A100", "GPU-2": "A100", "GPU-3": "H100"}
    assert [charts.called(one, names) for one in names] == ["A100 (GPU-1)", "A100 (GPU-2)", "H100"]
    assert charts.called("CPU", {"CPU": "Xeon"}) == "CPU"
    assert charts.called("GPU-4f2a81c0-1234-5678", {}) == "GPU-4f2a81c0"


# Drawn


def test_bokeh_draws_it(found: Timeline) -> None:
    item = charts.item(found, NAMES, "#123456")
    text = json.dumps(item)
    named = {one.get("attributes", {}).get("name") for one in objects(item) if one.get("type") == "object"}
    assert {"time", "cell-bands", "held_idle-bands"} <= named
    assert "$$" not in text  # Bokeh would take it for TeX, and fetch what sets it
    assert "#123456" in text
    assert "spent of" not in text
    assert "spent of project paper" in json.dumps(charts.item(found, NAMES, "#123456", LIMIT))


def test_a_stretch_is_shown_first(found: Timeline) -> None:
    item = charts.item(found, NAMES, "#123456", looked=Looked(AT + 10, AT + 20))
    (time,) = [o["attributes"] for o in objects(item) if o.get("attributes", {}).get("name") == "time"]
    shift = charts.offset_s(found.end)
    assert (time["start"], time["end"]) == ((AT + 10 + shift) * 1000, (AT + 20 + shift) * 1000)
    assert (time["reset_start"], time["reset_end"]) == ((AT + shift) * 1000, (AT + 35 + shift) * 1000)


def test_an_hour_of_nothing_measured_is_drawn() -> None:
    assert charts.item(timeline([run(1, 0, 3600, None)]), {}, "#123456")


# A still picture


def test_the_picture_is_an_svg_that_needs_nothing(found: Timeline) -> None:
    tree = ET.fromstring(timeline_svg.svg(found, {GPU: "<A100> & co"}))
    texts = ["".join(one.itertext()) for one in tree.iter() if one.tag.endswith("text")]
    assert "<A100> & co, mean power, measured" in texts
    assert {"cells", "held idle", "0 W"} <= set(texts)
    assert not [value for one in tree.iter() for value in one.attrib.values() if "://" in value]
    image = timeline_svg.picture(found, NAMES, '"in words"')
    assert "&quot;in words&quot;" in image
    encoded = image.partition("base64,")[2].rstrip('">')
    assert base64.b64decode(encoded + "=" * (-len(encoded) % 4)).startswith(b"<svg")


def test_a_picture_of_many_stays_small() -> None:
    many = timeline([run(n, 2 * n, 1.0, 100.0 + n % 7) for n in range(5000)])
    assert len(timeline_svg.svg(many, NAMES)) < 100_000
