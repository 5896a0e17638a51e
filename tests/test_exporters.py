"""What is in each format: all facts, each with how it is known, and nothing that bites its reader."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import export_schema
import golden
import jsonschema
import pytest
import stated
from exports import INFO, exported, lines
from kernels import ALL
from nasty import NASTY
from shell import cell, session

from jupyter_costmeter import chain, report, verifiable
from jupyter_costmeter.format import quantity
from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import SUMMED, CellRecord, Figure, Provenance
from jupyter_costmeter.tag import tags_of

SCHEMA = export_schema.PATH


@pytest.fixture(scope="module")
def golden_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden ledger's export, with all that one can have."""
    folder = tmp_path_factory.mktemp("golden")
    ledger = stated.golden_ledger(folder / "ledger.sqlite")
    report.export(ledger, Selection("all"), folder / "all.json", costing=stated.golden_costing(folder))
    ledger.close()
    return folder / "all.json"


# JSON


def test_json_is_the_ledger(ledger: Ledger) -> None:
    body = json.loads(exported(ledger, "json", cell(INFO, 1, label="train"), cell(INFO, 2, None, outcome="error")))
    for made, record in zip(body["cells"], ledger.records(ALL), strict=True):
        kept = asdict(record)
        kept["tags"] = list(kept["tags"])
        kept.pop("usage")
        assert {**kept, "wall_s": record.wall_s} == {
            k: v for k, v in made.items() if k not in ("figures", "number", "hash")
        }
        for shown, figure in zip(made["figures"], record.usage.figures, strict=True):
            assert (shown["name"], shown["device"], shown["value"]) == (figure.name, figure.device, figure.value)
            assert body["provenances"][shown["provenance"]] == asdict(figure.provenance)
            assert body["units"][shown["name"]] == figure.unit
    assert body["sessions"] == [{**asdict(INFO)}]
    assert body["summary"] == json.loads(json.dumps(asdict(ledger.summary(ALL))))


def test_each_figure_in_json_says_how_it_is_known(ledger: Ledger) -> None:
    body = json.loads(exported(ledger, "json", cell(INFO, 1, None)))
    figures = {f["name"]: {**f, **body["provenances"][f["provenance"]]} for f in body["cells"][0]["figures"]}
    assert figures["cpu_s"]["method"] == "measured"
    assert figures["cpu_energy_j"]["source"].startswith("TDP 120 W")
    assert figures["cpu_energy_j"]["uncertainty"] == 0.5
    assert figures["gpu_energy_j"]["value"] is None
    assert figures["gpu_energy_j"]["reason"] == "the GPU is lost"
    assert figures["gpu_energy_j"]["device"] == "GPU-1"


def test_json_has_a_record_a_line_and_a_chain_over_them(ledger: Ledger) -> None:
    text = exported(ledger, "json", cell(INFO, 1), cell(INFO, 2, None), cell(INFO, 3))
    body = json.loads(text)
    written = [json.loads(line.rstrip(",")) for line in text.splitlines() if line.startswith('  {"bucket"')]
    assert written == body["cells"]
    assert (body["chain"]["head"], body["chain"]["records"]) == chain.head_of(ledger.records(ALL))
    assert body["cells"][-1]["hash"] == body["chain"]["head"]
    assert body["chain"]["whole"] == verifiable.whole(body["chain"]["head"], body)


def test_json_is_as_its_schema_says(golden_file: Path, ledger: Ledger) -> None:
    checker = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    checker.check_schema(checker.schema)
    for body in (json.loads(golden_file.read_text()), json.loads(exported(ledger, "json", *in_buckets()))):
        assert [error.message for error in checker.iter_errors(body)] == []


@pytest.mark.parametrize(
    "where",
    ["schema", "chain", "sessions", "summary", "factors", "statement", "provenances", "cells.0.hash", "cells.0.figures",
     "cells.0.figures.0.value", "cells.0.tags", "statement.whole", "statement.whole.flops", "forms.0.items",
     "factors.conditions.0.pue", "chain.head", "costs.bills.0.amount", "costs.applied.0.source"],
)  # fmt: skip
def test_the_schema_knows_what_there_must_be(where: str, golden_file: Path) -> None:
    checker, body = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())), json.loads(golden_file.read_text())
    part: Any = body
    *path, last = [int(step) if step.isdecimal() else step for step in where.split(".")]
    for step in path:
        part = part[step]
    kept = part[last]
    for other in (["wrong"], {"wrong": 1}):
        part[last] = other
        if type(other) is not type(kept):
            assert not checker.is_valid(body), other
    del part[last]
    assert not checker.is_valid(body)


def test_the_schema_is_of_the_records_as_they_are_now() -> None:
    """Else: ``python tests/export_schema.py``, and a new number if a reader of the old one would stumble."""
    assert SCHEMA.read_text() == export_schema.text()


def test_the_schema_names_no_place_of_ours() -> None:
    schema = json.loads(SCHEMA.read_text())
    assert schema["$id"] == "urn:jupyter-costmeter:export:2"
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("suffix", ["json", "csv", "md"])
def test_an_empty_ledger_is_an_empty_report(suffix: str, ledger: Ledger) -> None:
    text = exported(ledger, suffix)
    if suffix == "json":
        assert json.loads(text)["cells"] == []
    assert lines(text) == [] or suffix != "csv"
    assert "| In [" not in text


# CSV


def test_csv_is_the_ledger(ledger: Ledger) -> None:
    found = lines(exported(ledger, "csv", cell(INFO, 1, 3600.0, label="train"), cell(INFO, 2, outcome="interrupted")))
    for line, record in zip(found, ledger.records(ALL), strict=True):
        for name in ("id", "session_id", "notebook", "project", "cell_id", "outcome", "code_hash"):
            assert line[name] == getattr(record, name)
        assert line["label"] == (record.label or "")
        assert int(line["seq"]) == record.seq
        assert float(line["wall_s"]) == record.wall_s
        for figure in record.usage.figures:
            assert float(line[figure.name]) == figure.value
            how = "flops" if figure.name.startswith("flops_") else figure.name
            assert line[f"{how}_how"] == figure.method
        assert float(line["flops"]) == sum(f.value or 0 for f in record.usage.figures if f.name.startswith("flops_"))
    assert found[0]["started_at"] == "2026-09-21T14:14:20+00:00"


def test_what_was_not_measured_is_empty_with_its_reason_and_not_zero(ledger: Ledger) -> None:
    (line,) = lines(exported(ledger, "csv", cell(INFO, 1, None)))
    assert line["gpu_energy_j"] == ""
    assert line["gpu_energy_j_how"] == "not measured: the GPU is lost"
    assert line["peak_gpu_bytes"] == ""  # the record has no such figure at all
    assert line["peak_gpu_bytes_how"].startswith("not measured: ")
    assert "0" not in {line["gpu_energy_j"], line["gpu_busy_s"], line["peak_gpu_bytes"]}


def test_several_devices_are_one_sum_and_one_peak(ledger: Ledger) -> None:
    nvml = Provenance("measured", "NVML", 0.05)
    lost = Provenance(None, "NVML", None, "the GPU is lost")
    figures = (
        Figure("gpu_energy_j", 10.0, nvml, "GPU-1"),
        Figure("gpu_energy_j", 5.0, nvml, "GPU-2"),
        Figure("gpu_energy_j", None, lost, "GPU-3"),
        Figure("peak_gpu_bytes", 7.0, nvml, "GPU-1"),
        Figure("peak_gpu_bytes", 9.0, nvml, "GPU-2"),
    )
    record = cell(INFO, 1)
    record = replace(record, usage=replace(record.usage, figures=figures))
    (line,) = lines(exported(ledger, "csv", record))
    assert line["gpu_energy_j"] == "15.0"
    assert line["gpu_energy_j_how"] == "measured; not measured: the GPU is lost"
    assert line["peak_gpu_bytes"] == "9.0"


@pytest.mark.parametrize("label", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_a_label_is_no_formula(label: str, ledger: Ledger) -> None:
    (line,) = lines(exported(ledger, "csv", cell(INFO, 1, label=label)))
    assert line["label"] == f"'{label}"


@pytest.mark.parametrize("label", ['a "quoted", one', "two\nlines", "naïve — 数据", "a=b"])
def test_any_label_survives_csv(label: str, ledger: Ledger) -> None:
    (line,) = lines(exported(ledger, "csv", cell(INFO, 1, label=label)))
    assert line["label"] == label


def in_buckets() -> list[CellRecord]:
    """Two cells, one of them with a window inside; a GPU held idle; work in the background."""
    inner = replace(cell(INFO, 3), parent_id="aaa1-1")
    others = [replace(r, session_id="aaa1", notebook=INFO.notebook) for r in (golden.IDLING, golden.AFTER)]
    return [cell(INFO, 1, 3600.0), cell(INFO, 2, 50.0), inner, *others]


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_the_records_add_up_to_the_totals_in_each_bucket(suffix: str, ledger: Ledger) -> None:
    text = exported(ledger, suffix, *in_buckets())
    sums: dict[tuple[str, str], float] = {}
    if suffix == "csv":
        found = [{**line, "figures": [(n, float(line[n] or 0)) for n in SUMMED]} for line in lines(text)]
    else:
        found = json.loads(text)["cells"]
        found = [{**r, "figures": [(f["name"], f["value"] or 0.0) for f in r["figures"]]} for r in found]
    for record in found:
        for name, value in record["figures"]:  # type: ignore[str-unpack]
            if not record["parent_id"]:
                sums[record["bucket"], name] = sums.get((record["bucket"], name), 0.0) + value  # type: ignore[index]
    summary = ledger.summary(ALL)
    assert {b.bucket for b in summary.buckets} == {"cell", "held_idle", "background"}
    for name in SUMMED:
        total = summary.total(name)
        assert sum(v for (_, n), v in sums.items() if n == name) == pytest.approx(total.value if total else 0.0)
        for bucket in summary.buckets:
            part = bucket.total(name)
            assert sums.get((bucket.bucket, name), 0.0) == pytest.approx(part.value if part else 0.0)


def test_json_says_how_much_of_the_gpu_time_was_used(ledger: Ledger) -> None:
    body = json.loads(exported(ledger, "json", *in_buckets()))
    busy = 0.8 * 2.0 * 2  # of two cells of 2 s, at 80 %
    expected = {"held_s": 2.0 * 2 + 40.0, "used_s": busy, "share": busy / 44.0, "bound": None, "method": "modelled"}
    assert body["gpu_utilisation"] == pytest.approx(expected)
    assert [b["bucket"] for b in body["summary"]["buckets"]] == ["cell", "held_idle", "background"]


def test_without_a_gpu_nothing_is_said_of_its_use(ledger: Ledger) -> None:
    record = cell(INFO, 1)
    record = replace(record, usage=replace(record.usage, figures=record.usage.figures[:1]))
    assert json.loads(exported(ledger, "json", record))["gpu_utilisation"] is None


def test_a_share_of_a_gpu_has_its_source(ledger: Ledger) -> None:
    sm = Provenance("modelled", "sm_util", 0.2)
    one = Figure("gpu_share", 0.3, sm, "GPU-1")
    records = [
        replace(cell(INFO, n), usage=replace(cell(INFO, n).usage, figures=figures))
        for n, figures in enumerate([(one,), (one, replace(one, device="GPU-2", value=0.5)), ()])
    ]
    alone, two, none = lines(exported(ledger, "csv", *records))
    assert (alone["gpu_share"], alone["gpu_share_how"]) == ("0.3", "modelled: sm_util")
    assert two["gpu_share"] == ""
    assert two["gpu_share_how"] == "of several GPUs: 0.3 (GPU-1: sm_util); 0.5 (GPU-2: sm_util)"
    assert (none["gpu_share"], none["gpu_share_how"][:12]) == ("", "not measured")


# Markdown


def rows(text: str) -> list[list[str]]:
    """The cells of its last table."""
    table = [line for line in text.rpartition("## Cells")[2].splitlines() if line.startswith("|")]
    return [[unmarked(c.strip()) for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table[2:]]


def unmarked(text: str) -> str:
    """As a reader sees it."""
    return re.sub(r"\\(.)", r"\1", text)


def test_markdown_has_the_totals_and_a_line_for_each_cell(ledger: Ledger) -> None:
    made = exported(ledger, "md", cell(INFO, 1, 3600.0, label="train"), cell(INFO, 2, None, outcome="error"))
    text = unmarked(made)
    assert text.startswith("# Cost of everything in the ledger: 2 cells, 4.00 s, 1 of them failed\n")
    total = ledger.summary(ALL).total("gpu_energy_j")
    assert total is not None
    assert f"| GPU energy | ≥ {quantity(total.value, 'J')} |" in text
    assert "NVML energy counter" in text
    assert "the GPU is lost" in text
    assert "Python 3.11.7" in text
    assert "\n\nGPU held 4.00 GPU-s, used ~3.20 (80 %, modelled)\n\n" in text
    assert [(row[0], row[8]) for row in rows(made)] == [("train", ""), ("In [2]", "✗ error")]
    assert len({len(row) for row in rows(made)}) == 1


def test_markdown_says_the_bucket_and_the_notebook_where_there_are_several(ledger: Ledger) -> None:
    text = exported(ledger, "md", *in_buckets())
    assert "| · held idle | 2.20 kJ |" in unmarked(text)
    assert sorted((row[0], row[9]) for row in rows(text)) == [
        ("In [1]", "cell"),
        ("In [2]", "cell"),
        ("held idle, after run 1", "held_idle"),
        ("in the background, after run 2", "background"),
        ("↳ In [3]", "cell"),
    ]
    other = session("bbb2", "/home/ada/other/x.ipynb")
    ledger.append(other, [cell(other, 9)])
    assert {row[11] for row in rows(exported(ledger, "md"))} == {"train.ipynb", "x.ipynb"}


@pytest.mark.parametrize("label", ["a|b", "a\\|b", "a\nb", "<script>alert(1)</script>", "`code`", "a\r\nb"])
def test_a_label_cannot_break_the_table(label: str, ledger: Ledger) -> None:
    from markdown_it import MarkdownIt

    text = exported(ledger, "md", cell(INFO, 1, label=label), cell(INFO, 2))
    made = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert len(re.findall("<tr>", made.rpartition("<h2>")[2])) == 3  # the head and two cells
    assert len(re.findall("<td>", made.rpartition("<h2>")[2])) == 2 * 11
    assert "<script>" not in made
    shown = re.search("<td>(.*?)</td>", made.rpartition("<h2>")[2])
    assert shown is not None
    assert shown[1].replace("&lt;", "<").replace("&gt;", ">") == " ".join(label.splitlines())


#: What a text would have to be made into to lead anybody anywhere.
LIVELY = {"image", "link_open", "em_open", "strong_open", "code_inline", "html_inline"}


@pytest.mark.parametrize("label", [one for one in NASTY if one.strip() and "\ud800" not in one])
def test_a_label_is_a_text_in_markdown(label: str, ledger: Ledger) -> None:
    """No picture is loaded, no link followed: a reviewer must not be led anywhere."""
    from markdown_it import MarkdownIt

    said = tags_of("x", {"method": label}, 1.0, "run", "ada", "host")
    text = exported(ledger, "md", cell(INFO, 1, label=label, tags=said))
    tokens = [t for top in MarkdownIt("commonmark").enable("table").parse(text) for t in (top, *(top.children or ()))]
    assert not {token.type for token in tokens} & LIVELY


def test_an_unknown_format_names_those_there_are(ledger: Ledger) -> None:
    with pytest.raises(report.UsageError, match="there is no format 'xlsx'; there are json, csv, md"):
        exported(ledger, "xlsx")


def test_a_selection_is_all_that_is_written(ledger: Ledger) -> None:
    other: Any = session("bbb2", "/home/ada/other/x.ipynb")
    ledger.append(other, [cell(other, 9)])
    one = Selection("session", "aaa1")
    assert [c["seq"] for c in json.loads(exported(ledger, "json", cell(INFO, 1), selection=one))["cells"]] == [1]
    assert len(rows(exported(ledger, "md", selection=one))) == 1
    assert len(lines(exported(ledger, "csv", selection=one))) == 1
