"""What is held and not used is said once, with what to do about it."""

from __future__ import annotations

from dataclasses import replace

from jupyter_costmeter.held_pages import held_notes
from jupyter_costmeter.pages import Page
from jupyter_costmeter.record import Held


def test_a_gpu_held_idle_is_said_once_with_how_to_release_it() -> None:
    one = Held("GPU-4f2a81c0-1234", "NVIDIA A100", 14e9, 3011.0, 0.0)
    (note,) = held_notes([one])
    assert note == (
        "This kernel has held 14.0 GB on a GPU (NVIDIA A100) for 50 min since the last cell and used 0 % of it. "
        "To release it: `del` what holds it, then (PyTorch) `torch.cuda.empty_cache()`; "
        "what the CUDA context itself takes goes only when the kernel is restarted."
    )
    first, second = held_notes([one, replace(one, device="GPU-77", busy_share=0.4, used_bytes=None)])
    assert first.endswith("on a GPU (NVIDIA A100, GPU-4f2a81c0) for 50 min since the last cell and used 0 % of it.")
    assert (
        "has held a GPU (NVIDIA A100, GPU-77) for 50 min since the last cell and used at most 40 % of it. To" in second
    )
    (note,) = held_notes([replace(one, device="GPU 0", busy_share=None)])
    assert "14.0 GB on GPU 0 (NVIDIA A100) for" in note
    assert "how much of it was used is not known" in note
    assert "<code>torch.cuda.empty_cache()</code>" in Page("x", notes=[note])._repr_html_()


def test_a_gpu_between_two_cells_is_not_nagged_about() -> None:
    assert held_notes([Held("GPU-1", "A100", 14e9, 59.0, 0.0)]) == []
    assert held_notes([]) == []
