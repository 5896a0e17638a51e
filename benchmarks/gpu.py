"""The meter on a real NVIDIA GPU: each of its figures beside an independent calculation of the same run.

``python benchmarks/gpu.py [--out FOLDER] [--only NAME …] [--limit SECONDS]``, with torch (JAX too, if there is one)

Real kernels are metered in a ledger of their own in FOLDER, while another process reads the GPU's counter each 5 ms
(``gpu_watch.py``); what the cells run, and what that must have cost, is in ``gpu_work.py``. The GPU's settings are
left as they are. Written: ``gpu.json``, what was seen; ``gpu.md``, the table of it; and the reports of a small search.
``docs/gpu-checks.md`` is what came of it.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from gpu_idling import idling, together
from gpu_kernel import LOAD, SESSION, Facts, Kernel, Row, environment, facts_of, figure, median_ms, told
from gpu_notebooks import REPORTS, search, stopped
from gpu_watch import Watched, calls
from gpu_work import CASES
from tabulate import tabulate

from jupyter_costmeter.ledger import Selection
from jupyter_costmeter.ledger.store import Ledger

HERE = Path(__file__).resolve().parent
COST = [sys.executable, "-c", "import sys; from jupyter_costmeter.cli import main; sys.exit(main())"]


class Bench:
    """All checks of one run; each adds rows to the table and facts to the file."""

    def __init__(self, out: Path, limit_s: float) -> None:
        self.out, self.end_s = out, time.monotonic() + limit_s
        self.rows: list[Row] = []
        self.facts: Facts = {}

    @cached_property
    def watched(self) -> Watched:
        """From its first use on; not before, as it slows each call of the driver."""
        return Watched(self.out)

    @contextmanager
    def kernel(self, name: str, settings: str = "") -> Iterator[Kernel]:
        kernel = Kernel(self.out / name, settings)
        try:
            yield kernel
        finally:
            log = "\n".join(f">>> {code}\n{text}" for code, text in kernel.log)
            (self.out / f"{name}.txt").write_text(log, encoding="utf-8")
            kernel.stop()

    def check(self, name: str, part: Callable[[], Facts | None]) -> None:
        """One part; what goes wrong in it is a fact, too, and the others go on."""
        began = time.monotonic()
        try:
            if began > self.end_s:
                raise TimeoutError("no time was left")
            self.facts[name] = part()
        except Exception:
            self.facts[name] = {"failed": traceback.format_exc()}
        print(f"{name}: {time.monotonic() - began:.1f} s", flush=True)
        self.write()

    def write(self) -> None:
        rows = [[*row[:3], row.ratio, row.unit, row.note] for row in self.rows]
        heads = ["figure", "meter", "independent", "ratio", "unit", "how"]
        (self.out / "gpu.md").write_text(tabulate(rows, heads, "github", floatfmt=".4g", missingval="—") + "\n")
        facts = {"rows": [row._asdict() for row in self.rows], **self.facts}
        (self.out / "gpu.json").write_text(json.dumps(facts, indent=1, default=str))

    # The parts

    def bare(self) -> Facts:
        """Cells of a kernel without the meter."""
        with self.kernel("bare") as kernel:
            return {"no-op cell, ms": median_ms(kernel)}

    def driver(self) -> Facts:
        """What its calls take while the GPU is idle, and while it multiplies."""
        idle = calls()
        other = self._burner(8)
        time.sleep(1)
        busy = calls()
        other.communicate(timeout=60)
        return {"idle, µs": idle, "busy, µs": busy}

    def alone(self) -> None:
        """What metering itself costs, while nobody else asks the driver."""
        with self.kernel("alone") as kernel:
            self.check("load", lambda: self.load(kernel))

    def default(self) -> None:
        """All checks in one kernel with the default settings."""
        self.watched.rows()
        with self.kernel("default") as kernel:
            self.facts["begin"] = kernel.loaded()
            time.sleep(4)
            self.check("energy", lambda: self.energy(kernel))
            self.check("short cells", lambda: self.short(kernel))
            self.check("busy", lambda: self.busy(kernel, "samples", ("duty(40)",)))
            for name in CASES:
                self.check(f"FLOPs: {name}", lambda name=name: self.flops(kernel, f"case({name!r})", name))
            self.check("FLOPs: CUDA graph", lambda: self.flops(kernel, "replayed()", "CUDA graph"))
            self.check("memory", lambda: self.memory(kernel))
            self.check("another process", lambda: self.shared(kernel))
            self.check("an interrupt", lambda: self.interrupted(kernel))
            self.check("what counting costs", lambda: self.counting(kernel))

    def load(self, kernel: Kernel) -> Facts:
        first = kernel.run(LOAD)
        found = {"load_s": first["cell_s"], "next cell, s": kernel.run("pass")["cell_s"]}
        time.sleep(4)
        found["later cell, s"] = kernel.run("pass")["cell_s"]
        found["no GPU held"] = self.hooks(kernel)
        found["begin"] = kernel.loaded()
        time.sleep(2)
        found["GPU held"] = self.hooks(kernel)
        found["doctor"] = kernel.run("%cost doctor")["text"]
        return found

    def hooks(self, kernel: Kernel) -> Facts:
        """The meter's own count of its hooks' time, beside no-op cells' length."""
        own = f"({SESSION}.overhead.hook_s, {SESSION}.overhead.hooks)"
        before = kernel.value(own)
        cell_ms = median_ms(kernel)
        after = kernel.value(own)
        return {"hooks_us": (after[0] - before[0]) / (after[1] - before[1]) * 1e6, "no-op cell, ms": cell_ms}

    def energy(self, kernel: Kernel) -> Facts:
        """Five seconds of products."""
        facts, record = kernel.work("matmul(5)")
        watts, seconds = self.watched.watts(facts["t0"] + 1.5, facts["t1"]), facts["t1"] - facts["t0"]
        joules = figure(record, "gpu_energy_j")
        self.rows += [
            Row("energy, 5 s of bf16 products", joules, self._joules(facts), "J", "counter, another process"),
            Row("the same", joules, watts * seconds, "J", "mean power × time"),
            Row("FLOPs of it", figure(record, "flops_bf16"), facts["flops"], "FLOP", "2n³ each"),
            Row("busy", figure(record, "gpu_busy_s"), facts["busy_s"], "s", "CUDA events"),
            Row("reserved", figure(record, "gpu_reserved_s"), seconds, "s", "clock"),
        ]
        last = kernel.run("%cost last")["text"]
        return {**facts, "mfu": facts["flops"] / seconds / 989.4e12, "last": last, "record": facts_of(record)}

    def _joules(self, facts: Facts) -> float:
        time.sleep(0.3)
        return self.watched.joules(facts["t0"], facts["t1"])

    def short(self, kernel: Kernel) -> Facts:
        """Cells of 30 ms, and of 200 ms, each less what an idle GPU draws between them."""
        found: Facts = {}
        for seconds, count in ((0.03, 20), (0.2, 8)):
            time.sleep(3)
            began, before = time.monotonic(), len(kernel.records())
            time.sleep(1.0)
            facts = [self._spaced(kernel, seconds) for _ in range(count)]
            time.sleep(1.0)
            ended = time.monotonic()
            time.sleep(0.3)
            cells = [r for r in kernel.records()[before:] if r.bucket == "cell"]
            own = [figure(r, "gpu_energy_j") for r in cells]
            inside = sum(f["t1"] - f["t0"] for f in facts)
            idle_w = self.watched.joules(began, began + 0.9) / 0.9
            truth = self.watched.joules(began, ended) - idle_w * (ended - began - inside)
            name = f"{count} cells of {seconds * 1e3:.0f} ms, together"
            self.rows.append(Row(name, sum(j or 0.0 for j in own), truth, "J", f"counter less {idle_w:.0f} W idle"))
            known = [j for j in own if j is not None]
            found[name] = {
                "each": own,
                "spread": statistics.pstdev(known or [0.0]),
                "cells_s": [r.wall_s for r in cells],
            }
        return found

    def _spaced(self, kernel: Kernel, seconds: float) -> Facts:
        facts = kernel.run(f"gpu_work.matmul({seconds})")
        time.sleep(0.37)
        return facts

    def busy(self, kernel: Kernel, how: str, calls: tuple[str, ...]) -> Facts:
        found: Facts = {}
        for call in calls:
            facts, record = kernel.work(call)
            note = f"CUDA events; the meter's by {how}"
            self.rows.append(Row(f"busy, {call}", figure(record, "gpu_busy_s"), facts["busy_s"], "s", note))
            found[call] = {**facts, "source": told(record, "gpu_busy_s"), "wall_s": record.wall_s}
        return found

    def flops(self, kernel: Kernel, call: str, name: str) -> Facts:
        facts, record = kernel.work(call, 150)
        counted = {f.name: f.value for f in record.usage.figures if f.name.startswith("flops_") and f.value}
        hardware = counted.pop("flops_hardware", None)
        for key in sorted({*counted, *facts["expected"]}):
            row = Row(f"{key[6:]}, {name}", counted.get(key), facts["expected"].get(key), "FLOP", "formula")
            self.rows.append(row)
        reasons = [(f.device, f.reason) for f in record.usage.figures if f.name == "flops_uncounted"]
        return {**facts, "counted": counted, "hardware": hardware, "uncounted": reasons, "wall_s": record.wall_s}

    def memory(self, kernel: Kernel) -> Facts:
        facts, record = kernel.work("peak()")
        peak = figure(record, "peak_gpu_bytes")
        self.rows.append(Row("peak memory", peak, facts["allocated"], "B", "max_memory_allocated"))
        for step in ("reset", "less"):
            kernel.run(f"gpu_work.own_peak({step!r})")
        own, _ = kernel.work("own_peak('look')")
        self.rows.append(Row("the user's own peak over three cells", own["peak"], own["wanted"], "B", "2 GiB and rest"))
        return {**facts, **own, "source": told(record, "peak_gpu_bytes")}

    def shared(self, kernel: Kernel) -> Facts:
        """Another process multiplies, too: while this kernel does, and while it only holds the GPU."""
        other = self._burner(14)
        time.sleep(1)
        facts, record = kernel.work("matmul(5)")
        idle = kernel.run("import time; t0 = time.monotonic(); time.sleep(4); gpu_work.say(t0=t0, t1=time.monotonic())")
        resting = kernel.last()
        ends = json.loads(other.communicate(timeout=60)[0].splitlines()[-1][2:])["ends"]
        theirs = 5 * sum(facts["t0"] < end <= facts["t1"] for end in ends)
        share = facts["count"] / (facts["count"] + theirs)
        device_j, rest_j = (self.watched.joules(f["t0"], f["t1"]) for f in (facts, idle))
        note = "products of both; meter: " + told(record, "gpu_share")
        self.rows += [
            Row("share, both multiply", figure(record, "gpu_share"), share, "", note),
            Row("energy of it", figure(record, "gpu_energy_j"), share * device_j, "J", "counter × that share"),
            Row("the whole GPU's", figure(record, "gpu_device_energy_j"), device_j, "J", "counter"),
            Row("share, only the other multiplies", figure(resting, "gpu_share"), 0.0, "", told(resting, "gpu_share")),
            Row("the whole GPU's then", figure(resting, "gpu_device_energy_j"), rest_j, "J", "counter"),
        ]
        return {**facts, "theirs": theirs, "record": facts_of(record), "resting": facts_of(resting)}

    def _burner(self, seconds: float) -> subprocess.Popen[str]:
        """Another process that multiplies for so long, once it has begun."""
        code = f"import sys; sys.path.insert(0, {str(HERE)!r}); import gpu_work; gpu_work.burn({seconds})"
        other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None
        other.stdout.readline()
        return other

    def interrupted(self, kernel: Kernel) -> Facts:
        """SIGINT in the middle of a long cell on the GPU."""
        asked = kernel.client.execute("gpu_work.matmul(60)")
        time.sleep(3)
        sent = time.monotonic()
        kernel.manager.interrupt_kernel()
        while kernel.client.get_shell_msg(timeout=60)["parent_header"].get("msg_id") != asked:
            pass
        record = kernel.last()
        self.rows.append(Row("an interrupted cell's time", record.wall_s, 3.0, "s", f"outcome: {record.outcome}"))
        return {"replied_s": time.monotonic() - sent, "record": facts_of(record), "next": kernel.run("1 + 1")["text"]}

    def counting(self, kernel: Kernel) -> Facts:
        """Small products, training steps and large products with FLOPs counted, without, with and without."""
        found: dict[str, list[Facts]] = {"metered": [], "bare": []}
        for _ in range(2):
            found["metered"].append(kernel.run("gpu_work.speed()"))
            kernel.run("%unload_ext jupyter_costmeter")
            found["bare"].append(kernel.run("gpu_work.speed()"))
            kernel.run(LOAD)
        for name in ("small mm", "training step", "large mm"):
            ours, without = (min(f[name] for f in found[which]) for which in ("metered", "bare"))
            self.rows.append(Row(f"time of a {name}, FLOPs counted", ours, without, "µs", "the same without the meter"))
        return found

    def exact(self) -> None:
        """What is off by default: CUPTI and GPM; and that a session's buckets are the counter's difference."""
        self.watched.rows()
        with self.kernel("exact", "c.CostMeter.cupti = True\nc.CostMeter.gpm = True\n") as kernel:
            self.facts["exact, begin"] = kernel.loaded()
            kernel.run("gpu_work.begin()")
            began = kernel.run("gpu_work.matmul(1)")["t0"]
            time.sleep(0.5)
            calls = ("matmul(2)", "matmul(0.03)", "duty(20)", "duty(1, 3, 1)", "overlapping()", "replayed()")
            self.check("busy, exact", lambda: self.busy(kernel, "CUPTI", calls))
            for kind in ("bf16", "fp16", "tf32", "fp32", "fp64", "fp8"):
                self.check(f"pipes: {kind}", lambda kind=kind: self.pipes(kernel, kind))
                self.facts[f"activity, {kind}"] = kernel.run(f"gpu_pipes.activity({kind!r})")
            self.facts["lag of the pipes' samples"] = kernel.run("gpu_pipes.lag()")
            self.check("profiler", lambda: self.profiler(kernel))
            self.facts["exact, hooks"] = self.hooks(kernel)
            self.facts["exact, doctor"] = kernel.run("%cost doctor")["text"]
            kernel.run("import time; time.sleep(1)")
            records, ended = kernel.records(), time.monotonic()
        self.check("conservation", lambda: self.conservation(kernel, began, ended, len(records)))

    def pipes(self, kernel: Kernel, kind: str) -> Facts:
        facts, record = kernel.work(f"matmul(1.5, {kind!r})")
        hardware = figure(record, "flops_hardware")
        self.rows.append(Row(f"FLOPs by pipes, {kind}", hardware, facts["flops"], "FLOP", "2n³ each"))
        self.rows.append(Row(f"busy of it, {kind}", figure(record, "gpu_busy_s"), facts["busy_s"], "s", "CUDA events"))
        return {**facts, "record": facts_of(record)}

    def profiler(self, kernel: Kernel) -> Facts:
        """In a profiled cell there is no exact figure; in the cells after it there is one again."""
        facts, record = kernel.work("profiled()")
        again = self.busy(kernel, "CUPTI, after torch.profiler", ("duty(10)", "duty(12)"))
        return {**facts, "source": told(record, "gpu_busy_s"), "again": again}

    def conservation(self, kernel: Kernel, began: float, ended: float, seen: int) -> Facts:
        """All buckets from the first long cell to the end, beside the counter's difference."""
        ledger = Ledger(kernel.ledger)
        records = [r for r in ledger.records(Selection("all")) if r.parent_id is None]
        ledger.close()
        first = next(i for i, r in enumerate(records) if r.bucket == "cell" and (figure(r, "flops_bf16") or 0) > 1e9)
        by_bucket: dict[str, float] = {}
        for record in records[first:]:
            by_bucket[record.bucket] = by_bucket.get(record.bucket, 0.0) + (figure(record, "gpu_energy_j") or 0.0)
        truth = self.watched.joules(began, ended)
        self.rows.append(Row("a session's buckets, together", sum(by_bucket.values()), truth, "J", str(by_bucket)))
        return {"buckets": by_bucket, "wall_s": ended - began, "after": len(records) - seen}

    def jax(self) -> None:
        with self.kernel("jax") as kernel:
            kernel.loaded()
            kernel.run("%cost flops jax")
            for name in ("written out", "scan"):
                call = f"jax_case({name!r})"
                self.check(f"FLOPs: JAX, {name}", lambda name=name, call=call: self.flops(kernel, call, f"JAX, {name}"))

    def idling(self) -> Facts:
        """A GPU that is held and not used."""
        self.watched.rows()
        with self.kernel("idling") as kernel:
            rows, facts = idling(kernel, self.watched)
        more, stopped = together(self.out / "together")
        self.rows += [*rows, *more]
        return {**facts, **stopped}

    def notebooks(self) -> Facts:
        """A search with trials, a budget that warns, one that stops; and what is reported of it."""
        home = self.out / "search"
        home.mkdir()
        (home / ".git").mkdir()
        found = {}
        for name, cells in (("search", search(HERE)), ("stopped", stopped(HERE))):
            (home / f"{name}.ipynb").write_text(json.dumps(cells))
            found[name] = self._shell(home, "run", f"{name}.ipynb", name=name)
        for words in REPORTS:
            found[" ".join(words)] = self._shell(home, *words, name="-".join(words[:2]).replace("/", ""))
        return found

    def _shell(self, home: Path, *words: str, name: str) -> Facts:
        began = time.monotonic()
        done = subprocess.run(
            [*COST, *words], cwd=home, env=environment(home), capture_output=True, text=True, timeout=120
        )
        text = f"$ jupyter costmeter {' '.join(words)}\n{done.stdout}\n{done.stderr}\nstatus {done.returncode}\n"
        with (self.out / "search.txt").open("a", encoding="utf-8") as file:
            file.write(text)
        return {"status": done.returncode, "s": time.monotonic() - began, "end": done.stderr[-300:]}

    def tracing(self) -> Facts:
        """``cupti.py``: what tracing costs."""
        command = [sys.executable, str(HERE / "cupti.py"), "--rounds", "5", "--json", str(self.out / "cupti.json")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=max(20, self.end_s - time.monotonic()))
        (self.out / "cupti.txt").write_text(done.stdout + done.stderr)
        return {"status": done.returncode, "end": done.stdout[-2000:]}

    def counter(self) -> Facts:
        return self.watched.facts()


PARTS = ("driver", "bare", "alone", "default", "exact", "idling", "notebooks", "jax", "tracing", "counter")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu-checks"))
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--limit", type=float, default=600)
    args = parser.parse_args()
    args.out = args.out.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    bench = Bench(args.out, args.limit)
    try:
        for name in args.only:
            bench.check(name, getattr(bench, name))
    finally:
        if "watched" in vars(bench):
            bench.watched.stop()
    print((args.out / "gpu.md").read_text())


if __name__ == "__main__":
    main()
