"""What is in each format: all facts, each with how it is known, and nothing that bites its reader."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import asdict, replace
from typing import Any

import pytest
from kernels import ALL
from shell import cell, session

from jupyter_costmeter import report
from jupyter_costmeter.format import quantity
from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord, Figure, Provenance

INFO = session("aaa1", "/home/ada/paper/train.ipynb")


def exported(ledger: Ledger, suffix: str, *records: CellRecord, selection: Selection = ALL) -> str:
    ledger.append(INFO, records)
    out = io.StringIO(newline="")
    report.write(ledger, selection, suffix, out)
    return out.getvalue()


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


# JSON


def test_json_is_the_ledger(ledger: Ledger) -> None:
    body = json.loads(exported(ledger, "json", cell(INFO, 1, label="train"), cell(INFO, 2, None, outcome="error")))
    for made, record in zip(body["cells"], ledger.records(ALL), strict=True):
        kept = asdict(record)
        kept.pop("usage")
        assert {**kept, "wall_s": record.wall_s} == {k: v for k, v in made.items() if k != "figures"}
        assert len(made["figures"]) == len(record.usage.figures)
        for shown, figure in zip(made["figures"], record.usage.figures, strict=True):
            facts = {"name": figure.name, "device": figure.device, "value": figure.value, "unit": figure.unit}
            assert shown == {**facts, **asdict(figure.provenance)}
    assert body["sessions"] == [{**asdict(INFO)}]
    assert body["summary"] == json.loads(json.dumps(asdict(ledger.summary(ALL))))


def test_each_figure_in_json_says_how_it_is_known(ledger: Ledger) -> None:
    body = json.loads(exported(ledger, "json", cell(INFO, 1, None)))
    figures = {f["name"]: f for f in body["cells"][0]["figures"]}
    assert figures["cpu_s"]["method"] == "measured"
    assert figures["cpu_energy_j"]["source"].startswith("TDP 120 W")
    assert figures["cpu_energy_j"]["uncertainty"] == 0.5
    assert figures["gpu_energy_j"]["value"] is None
    assert figures["gpu_energy_j"]["reason"] == "the GPU is lost"
    assert figures["gpu_energy_j"]["device"] == "GPU-1"


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
            assert line[f"{figure.name}_how"] == figure.method
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


# Markdown


def rows(text: str) -> list[list[str]]:
    """The cells of its last table."""
    table = [line for line in text.rpartition("## Cells")[2].splitlines() if line.startswith("|")]
    return [[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table[2:]]


def test_markdown_has_the_totals_and_a_line_for_each_cell(ledger: Ledger) -> None:
    text = exported(ledger, "md", cell(INFO, 1, 3600.0, label="train"), cell(INFO, 2, None, outcome="error"))
    assert text.startswith("# Cost of everything in the ledger: 2 cells, 4.00 s, 1 of them failed\n")
    total = ledger.summary(ALL).total("gpu_energy_j")
    assert total is not None
    assert f"| GPU energy | ≥ {quantity(total.value, 'J')} |" in text
    assert "NVML energy counter" in text
    assert "the GPU is lost" in text
    assert "Python 3.11.7" in text
    assert [(row[0], row[6]) for row in rows(text)] == [("train", ""), ("In [2]", "✗ error")]
    assert len({len(row) for row in rows(text)}) == 1


@pytest.mark.parametrize("label", ["a|b", "a\\|b", "a\nb", "<script>alert(1)</script>", "`code`", "a\r\nb"])
def test_a_label_cannot_break_the_table(label: str, ledger: Ledger) -> None:
    from markdown_it import MarkdownIt

    text = exported(ledger, "md", cell(INFO, 1, label=label), cell(INFO, 2))
    made = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert len(re.findall("<tr>", made.rpartition("<h2>")[2])) == 3  # the head and two cells
    assert len(re.findall("<td>", made.rpartition("<h2>")[2])) == 2 * 7
    assert "<script>" not in made
    shown = re.search("<td>(.*?)</td>", made.rpartition("<h2>")[2])
    assert shown is not None
    assert shown[1].replace("&lt;", "<").replace("&gt;", ">") == " ".join(label.splitlines())


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
