"""How long the views of the lab's ledger take at a million records, and that its rollup is the records' sum.

``python benchmarks/lab_views.py`` fills a PostgreSQL of its own with a year of fifty people, the triggers in action,
and asks as a member and as the head; it takes a quarter of an hour (docs/shared.md has what came of it).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import psutil
from shared_ledgers import Postgres, running

from jupyter_costmeter.labs import Terms
from jupyter_costmeter.shared import planned, tables
from jupyter_costmeter.shared.store import SharedLedger
from jupyter_costmeter.shared.views import head_view, member_view

PEOPLE, DAYS, TIMES = 50, 360, 15
#: Of each person and day a session, whose records are a minute apart.
SESSIONS = f"""
INSERT INTO costmeter.session (owner, id, started_at, host, "user", notebook, project, environment)
SELECT 'p' || p, p || '-' || d, extract(epoch FROM now()) - d * 86400.0 - 20000, 'gpu-' || mod(p, 8), 'p' || p,
       '/home/p' || p || '/x.ipynb',
       '/home/p' || p || '/' || (ARRAY['paper','thesis','course'])[1 + mod(p + d / 60, 3)], '{{}}'
FROM generate_series(1, {PEOPLE}) AS p, generate_series(0, {DAYS - 1}) AS d"""
ORIGINS = f"""
INSERT INTO costmeter.provenance (owner, id, method, source, uncertainty, reason, absent)
SELECT 'p' || p, 'o' || o, (ARRAY['measured','modelled'])[1 + mod(o, 2)], 'source ' || o, 0.05, NULL, false
FROM generate_series(1, {PEOPLE}) AS p, generate_series(0, 3) AS o"""
CELLS = """
INSERT INTO costmeter.cell (owner, id, session_id, seq, started_at, wall_s, outcome, notebook, project, bucket)
SELECT s.owner, s.id || '-' || n, s.id, n, s.started_at + n * 240.0, 30 + mod(n * 7919, 200), 'ok', s.notebook,
       s.project, 'cell'
FROM costmeter.session AS s, generate_series(1, {each}) AS n WHERE s.owner = 'p{person}'"""
FIGURES = """
INSERT INTO costmeter.figure (owner, cell_id, name, device, value, provenance_id)
SELECT c.owner, c.id, f.name, CASE f.name WHEN 'cpu_s' THEN '' ELSE 'GPU-1' END, c.wall_s * f.per_s,
       'o' || mod(c.seq / 16 + f.nth, 4)
FROM costmeter.cell AS c, (VALUES ('gpu_reserved_s', 1.0, 0), ('gpu_busy_s', 0.7, 1), ('gpu_energy_j', 250.0, 2),
    ('cpu_energy_j', 30.0, 3), ('ram_energy_j', 3.0, 3), ('cpu_s', 0.5, 0), ('flops_bf16', 1e14, 1)
) AS f (name, per_s, nth)
WHERE c.owner = 'p{person}'"""
EACH = Terms("each", "", "gpu_hours", 200.0, "each", None, None, "month", "UTC", None, None, "ask", (0.8, 1.0), "")
BUDGETS = [
    EACH,
    replace(EACH, id="pool", whose="pool", limit=5000.0),
    replace(EACH, id="paper", whose="pool", project="paper", limit=500.0),
    replace(EACH, id="year", whose="pool", per="total", limit=50000.0),
    replace(EACH, id="p7", whose="person", person="p7", limit=300.0),
]


def fill(postgres: Postgres, records: int) -> None:
    each = round(records / PEOPLE / DAYS)
    postgres.run(SESSIONS, ORIGINS, database="lab")
    for person in range(1, PEOPLE + 1):
        began = time.monotonic()
        for query in (CELLS, FIGURES):
            postgres.run(query.format(person=person, each=each), database="lab")
        if person % 10 == 0:
            print(f"{person} people, the last in {time.monotonic() - began:.1f} s", flush=True)
    postgres.run("VACUUM ANALYZE", database="lab")


def timed(backend: psutil.Process, what: Callable[[], object]) -> str:
    """Of so many, the first of a connection left out, in ms: median, slowest, and the database's processor for each.

    On a busy machine only the last says what the work is.
    """
    what()
    took, before = [], spent_s(backend)
    for _ in range(TIMES):
        began = time.perf_counter()
        what()
        took.append(1000 * (time.perf_counter() - began))
    spent_ms = 1000 * (spent_s(backend) - before) / TIMES
    return f"{statistics.median(took):.0f} (at most {max(took):.0f}; processor {spent_ms:.0f})"


def spent_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def backend_of(shared: SharedLedger) -> psutil.Process:
    """The database's process that serves this connection, which is kept."""
    with shared.reading() as connection:
        return psutil.Process(int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()))


def measured(postgres: Postgres) -> dict[str, object]:
    with (
        closing(SharedLedger(postgres.address("p7"))) as member,
        closing(SharedLedger(postgres.address("boss"))) as head,
    ):
        members, heads = backend_of(member), backend_of(head)
        return {
            "a member's view of this month, ms": timed(members, lambda: member_view(member)),
            "a member's view of a year, ms": timed(members, lambda: member_view(member, 12)),
            "a member's standing in five budgets, ms": timed(members, lambda: planned.snapshot(member)),
            "the head's view of this month, ms": timed(heads, lambda: head_view(head)),
            "the head's view of a year, ms": timed(heads, lambda: head_view(head, 12)),
            "the head's people x budgets, ms": timed(heads, lambda: planned.people(head)),
        }


def run(postgres: Postgres, records: int) -> dict[str, object]:
    postgres.run("CREATE DATABASE lab", *(f"CREATE USER p{n}" for n in range(1, PEOPLE + 1)), "CREATE USER boss")
    with closing(SharedLedger(postgres.address("head_of_lab"))) as shared:
        shared.prepare()
        names = ", ".join(f"p{n}" for n in range(1, PEOPLE + 1))
        postgres.run(f"GRANT costmeter_member TO {names}", "GRANT costmeter_head TO boss")
        for one in BUDGETS:
            planned.put(shared, one)
        fill(postgres, records)
        rows = {table.name: _count(postgres, table.name) for table in (tables.cell, tables.figure, tables.used)}
        found = {"rows": rows, **measured(postgres)}
        print(json.dumps(found, indent=1), flush=True)
        postgres.run("ALTER ROLE head_of_lab SET statement_timeout = 0")
        shared.close()
    with closing(SharedLedger(f"{postgres.address('head_of_lab')}?options=-c%20statement_timeout%3D0")) as shared:
        return {**found, "hours in which the rollup differs": len(shared.check())}


def _count(postgres: Postgres, name: str) -> int:
    return int(str(postgres.run(f"SELECT count(*) FROM costmeter.{name}", database="lab")[0][0]))


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--records", type=int, default=1_000_000)
    words = asked.parse_args()
    for postgres in running():
        print(json.dumps(run(postgres, words.records), indent=1))


if __name__ == "__main__":
    main()
