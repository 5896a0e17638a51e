"""What an audit makes of the profiler's events, pure."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from jupyter_costmeter import audit


def event(name: str, us: float, parent: Any = None, device_us: float = 0.0) -> Any:
    return SimpleNamespace(name=name, self_cpu_time_total=us, self_device_time_total=device_us, cpu_parent=parent)


PRODUCT = event("aten::mm", 600.0)
CONV = event("aten::convolution", 10.0)
EVENTS = [
    PRODUCT,
    event("aten::resolve_conj", 5.0, PRODUCT),
    CONV,
    event("aten::mkldnn_convolution", 285.0, event("aten::_convolution", 0.0, CONV)),
    event("aten::add", 100.0),
    event("Optimizer.step#AdamW.step", 5000.0),
    event("## Call CompiledFxGraph f00 ##", 0.0),
]


def test_counted_operators_share_of_the_time() -> None:
    page = audit.page(audit._seen(EVENTS, False), {"aten::mm": 7000, "aten::convolution": 500}, False, [])
    assert page.title == "FLOPs audit: counted operators took 90 % of the time of torch's operators (1.00 ms)"
    rows = {row[0]: row[1:] for row in page.tables[0].rows}
    assert rows["aten::mm"] == ["600 µs", "60 %", "1", "7.00 kFLOP"]
    assert rows["aten::resolve_conj"][3] == "in another"
    assert rows["aten::mkldnn_convolution"][3] == "in another"
    assert rows["aten::add"] == ["100 µs", "10 %", "1", "—"]
    assert rows["aten::convolution"][3] == "500 FLOP"
    assert "Optimizer.step#AdamW.step" not in rows
    assert [row[0] for row in page.tables[0].rows][:2] == ["aten::mm", "aten::mkldnn_convolution"]


def test_on_a_gpu_its_time_counts() -> None:
    events = [event("aten::mm", 10.0, device_us=900.0), event("aten::add", 990.0, device_us=100.0)]
    page = audit.page(audit._seen(events, True), {}, True, [("Triton kernels", "unseen")])
    assert page.title == "FLOPs audit: counted operators took 90 % of the GPU's time (1.00 ms)"
    assert page.notes[1:] == ["Not counted: Triton kernels (unseen)."]


def test_a_cell_without_torch_operators() -> None:
    assert audit.page({}, {}, False, []).title == "FLOPs audit: torch ran no operator in this cell"


def test_what_a_compiled_graph_counts_has_a_line_without_a_time() -> None:
    page = audit.page(audit._seen([event("aten::add", 10.0)], False), {"flex_attention": 12}, False, [])
    assert page.tables[0].rows[-1] == ["flex_attention", "—", "—", "—", "12.0 FLOP"]


def test_a_profiler_that_cannot_start_or_fails_is_said(monkeypatch: Any) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=None))
    broken = audit.Audit()
    broken.start()
    assert "torch's profiler could not be used: " in broken.stop().notes[0]
    failing = audit.Audit()
    failing._profile = SimpleNamespace(stop=lambda: 1 / 0)
    assert failing.stop().notes == ["torch's profiler failed: ZeroDivisionError: division by zero"]
