"""What one record costs the lab's database: its processor's time, its disk, and how many a second one sender brings.

``python benchmarks/scale.py`` fills a ledger, sends it to a PostgreSQL of its own by `sync`, and looks at the
database's own processes; it takes a few minutes (docs/scale.md reckons with what came of it).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import golden
from shared_ledgers import Postgres, running

from jupyter_costmeter.ledger import open_ledger
from jupyter_costmeter.shared.store import SharedLedger
from jupyter_costmeter.sharing import sync

TABLES = ("session", "provenance", "cell", "figure", "tag", "used")


def filled(path: Path, address: str, records: int, apart_s: float) -> None:
    """A session whose cells begin so many seconds after one another, until now."""
    info = replace(golden.SESSION, id="s")
    began = time.time() - records * apart_s
    with closing(open_ledger(path)) as ledger:
        ledger.begin_share(address, began)
        for first in range(0, records, 1000):
            made = [
                replace(golden.record(n, apart_s / 2, 100.0 + n), id=f"s-{n}", started_at=began + n * apart_s)
                for n in range(first, min(records, first + 1000))
            ]
            ledger.append(info, [replace(one, session_id=info.id) for one in made])


def processor_s(postgres: Postgres) -> float:
    """Of all its processes, those that have ended included."""
    head = int((postgres.folder / "data" / "postmaster.pid").read_text().split()[0])
    spent = 0.0
    for one in (parent := psutil.Process(head), *parent.children(recursive=True)):
        times = one.cpu_times()
        spent += times.user + times.system
    ended = parent.cpu_times()
    return spent + ended.children_user + ended.children_system


def bytes_of(postgres: Postgres, table: str) -> int:
    (row,) = postgres.run(f"SELECT pg_total_relation_size('costmeter.{table}')", database="lab")
    return int(str(row[0]))


def rows_of(postgres: Postgres, table: str) -> int:
    (row,) = postgres.run(f"SELECT count(*) FROM costmeter.{table}", database="lab")
    return int(str(row[0]))


def measured(postgres: Postgres, folder: Path, records: int, apart_s: float) -> dict[str, object]:
    address = postgres.address("head_of_lab")
    postgres.run("CREATE DATABASE lab")
    with closing(SharedLedger(address)) as shared:
        shared.prepare()
    filled(folder / "ledger.sqlite", address, records, apart_s)
    spent, own, began = processor_s(postgres), time.process_time(), time.monotonic()
    said = sync(folder / "ledger.sqlite", address).title
    took = time.monotonic() - began
    assert rows_of(postgres, "cell") == records, said
    sizes = {name: round(bytes_of(postgres, name) / records) for name in TABLES}
    return {
        "records": records,
        "figures of each": rows_of(postgres, "figure") / records,
        "rows of the rollup for each": round(rows_of(postgres, "used") / records, 2),
        "records a second of one sender": round(records / took),
        "the database's processor, ms for each": round(1000 * (processor_s(postgres) - spent) / records, 2),
        "the sender's processor, ms for each": round(1000 * (time.process_time() - own) / records, 2),
        "bytes for each": sum(sizes.values()),
        "bytes by table": sizes,
    }


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--records", type=int, default=20_000)
    asked.add_argument("--apart", type=float, default=60.0, metavar="SECONDS", help="between two of a session's cells")
    words = asked.parse_args()
    for postgres in running():
        with tempfile.TemporaryDirectory(prefix="costmeter-scale-") as folder:
            print(json.dumps(measured(postgres, Path(folder), words.records, words.apart), indent=1))


if __name__ == "__main__":
    main()
