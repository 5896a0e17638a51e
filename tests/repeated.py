"""Made-up records of two sessions that come twice, in any order, and lack whatever a record may lack."""

from __future__ import annotations

from dataclasses import replace

import golden
from hypothesis import strategies as st

from jupyter_costmeter.record import BUCKETS, CellRecord, Figure, Provenance, Usage

SESSIONS = [replace(golden.SESSION, id=name) for name in ("s1", "s2")]
ORIGINS = [
    golden.CLOCK,
    golden.TDP,
    golden.NVML,
    golden.LOST,
    Provenance(None, "NVML", None, "no such device", absent=True),
    Provenance("assumed", None, None),
]
figures = st.builds(
    Figure,
    st.sampled_from(["cpu_energy_j", "ram_energy_j", "gpu_energy_j", "cpu_s", "peak_rss_bytes", "peak_gpu_bytes"]),
    st.one_of(st.none(), st.floats(0, 1e6)),
    st.sampled_from(ORIGINS),
    st.sampled_from([None, "GPU-1", "GPU-2"]),
)
usages = st.builds(
    Usage, st.floats(0, 1e4), st.lists(figures, max_size=5, unique_by=lambda f: (f.name, f.device)).map(tuple)
)
PLACES = [None, "", "/p", "/p/in", "/p-other", "/P", "NULL", "'"]


@st.composite
def some_records(draw: st.DrawFn) -> CellRecord:
    seq = draw(st.integers(1, 12))
    return replace(
        golden.FIRST,
        id=f"r{seq}",
        session_id=f"s{1 + seq % 2}",
        seq=seq,
        started_at=1.79e9 + draw(st.integers(0, 5)),
        usage=draw(usages),
        outcome=draw(st.sampled_from(["ok", "error", "killed"])),
        notebook=draw(st.sampled_from([None, "", "/p/a.ipynb"])),
        project=draw(st.sampled_from(PLACES)),
        label=draw(st.sampled_from([None, None, "", "train", "NULL"])),
        parent_id=draw(st.sampled_from([None, None, None, "r1"])),
        bucket=draw(st.sampled_from(BUCKETS)),
    )
