"""Exports of a hundred thousand records, what verifying one takes, and a merge.

``python benchmarks/statements.py [--records 100000] [--folder DIR] [--only json csv md verify merge] [--markdown]
[--before DIR]``

The ledger is that of ``benchmarks/ledger.py``. Each is measured in a process of its own: seconds on the clock, seconds
of CPU time (on a machine that does other things, too, these tell more), and what the process's resident memory grows
by, at its highest; once with a tenth of the records, to see that memory does not grow with them. ``spin`` is the CPU
time of an empty loop of ten million turns, the mean of before and after, for comparing machines; CPU / spin tells most.
With ``--before``, a folder that holds an earlier ``jupyter_costmeter``, both take turns with the same ledger.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import ledger as made
from tabulate import tabulate

from jupyter_costmeter import bars, merging, report, verifying
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.ledger import Selection, open_ledger

ALL = Selection("all")
SUFFIXES = ("json", "csv", "md")


def export(path: Path, suffix: str) -> None:
    ledger = open_ledger(path)
    out, costing = path.with_suffix(f".{suffix}"), Costing(None, path.parent / "intensity")
    report.export(ledger, ALL, out, True, costing, bars.none)
    ledger.close()


def verify(path: Path) -> None:
    assert verifying.verify(path.with_suffix(".json"), bar=bars.none).ok


def merge(path: Path) -> None:
    into = path.with_suffix(".merged")
    into.unlink(missing_ok=True)
    assert merging.merge(into, [path], bars.none).ok


WORKS: dict[str, Callable[[Path], None]] = {
    **{suffix: lambda path, suffix=suffix: export(path, suffix) for suffix in SUFFIXES},  # type: ignore[misc]
    "verify": verify,
    "merge": merge,
}


def measured(work: str, path: Path) -> dict[str, float]:
    """In this process, which has done a small one before: imports are no part of it."""
    WORKS[work](path.with_name("small.sqlite"))
    turns, before, began, cpu = spin(), made.peak_bytes(reset=True), time.perf_counter(), time.process_time()
    WORKS[work](path)
    took = {"took": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    return {**took, "grown": made.peak_bytes() - before, "spin": (turns + spin()) / 2}


def spin() -> float:
    began = time.process_time()
    for _ in range(10_000_000):
        pass
    return time.process_time() - began


def apart(work: str, path: Path, code: Path | None = None) -> dict[str, float]:
    """Measured in a process of its own, with the package of that folder if one is given."""
    command = [sys.executable, __file__, "--work", work, "--ledger", str(path)]
    env = {**os.environ, "PYTHONPATH": str(code)} if code else None
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def row(work: str, count: int, path: Path, tenth: Path, before: Path | None) -> tuple[str, ...]:
    few, many = apart(work, tenth), apart(work, path)
    grown = [f"+{found['grown'] / 2**20:.0f} MiB" for found in (few, many)]
    speed, turns = f"{count / many['cpu']:,.0f}", many["cpu"] / many["spin"]
    name = work if work in ("verify", "merge") else f"export {work}"
    told = (
        name,
        f"{many['took']:.1f} s",
        f"{many['cpu']:.1f} s",
        speed,
        *grown,
        f"{many['spin']:.2f} s",
        f"{turns:.0f}",
    )
    if before is None:
        return told
    earlier = apart(work, path, before)
    ratio = earlier["cpu"] / earlier["spin"] / turns
    return (*told, f"{earlier['cpu']:.1f} s", f"{earlier['spin']:.2f} s", f"{ratio:.1f}")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--records", type=int, default=100_000)
    words.add_argument("--folder", type=Path, help="where to make the ledgers")
    words.add_argument("--only", nargs="+", choices=list(WORKS), default=list(WORKS))
    words.add_argument("--markdown", action="store_true")
    words.add_argument("--before", type=Path, help="a folder with an earlier jupyter_costmeter, to compare with")
    words.add_argument("--work", help=argparse.SUPPRESS)
    words.add_argument("--ledger", type=Path, help=argparse.SUPPRESS)
    asked = words.parse_args()
    if asked.work:
        print(json.dumps(measured(asked.work, asked.ledger)))
        return
    with tempfile.TemporaryDirectory(prefix="statements-", dir=asked.folder) as name:
        folder = Path(name)
        for file, count in (("many", asked.records), ("tenth", asked.records // 10), ("small", made.PER_SESSION)):
            made.build(folder / f"{file}.sqlite", count)
        found = [
            row(work, asked.records, folder / "many.sqlite", folder / "tenth.sqlite", asked.before)
            for work in asked.only
        ]
    columns = [f"{asked.records:,} records", "wall", "CPU", "records/s", "memory, a tenth of them", "memory", "spin"]
    columns += ["CPU / spin", *(("before: CPU", "spin", "times as long") if asked.before else ())]
    print(tabulate(found, columns, "github" if asked.markdown else "simple"))


if __name__ == "__main__":
    main()
