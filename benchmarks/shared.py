"""Two hundred kernels into one PostgreSQL, through a restart, a network that is cut, and ten that are killed.

``python benchmarks/shared.py`` takes a quarter of an hour (``--minutes 10``): each kernel has a ledger and a sender of
its own, and writes a record each twenty seconds (ten a second together). A proxy stands for the network. In the end
every record of every ledger must be in the database once, with the same sums (docs/shared.md has what came of it).
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import golden
import sqlalchemy as sa
from shared_ledgers import Postgres, running

from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.server.sender import Sender
from jupyter_costmeter.shared import tables
from jupyter_costmeter.shared.sending import Pace
from jupyter_costmeter.shared.store import SharedLedger
from jupyter_costmeter.sharing import sync

PROCESSES, THREADS, EVERY_S = 20, 10, 20.0
ALL = Selection("all")


class Network:
    """A proxy in front of a port; while it is cut, nothing gets through and nobody is told."""

    def __init__(self, port: int) -> None:
        self._there = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=500)
        self.port = self._listener.getsockname()[1]
        self.up = threading.Event()
        self.up.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            here, _ = self._listener.accept()
            with suppress(OSError):
                there = socket.create_connection(("127.0.0.1", self._there))
                for one, other in ((here, there), (there, here)):
                    threading.Thread(target=self._pump, args=(one, other), daemon=True).start()
                continue
            here.close()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                self.up.wait()
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def kernel(path: Path, address: str, number: int, until: float) -> None:
    """Writes until then, and sends meanwhile."""
    info = replace(golden.SESSION, id=f"s{number}")
    ledger = open_ledger(path)
    ledger.begin_share(address, time.time())
    sender = Sender(path, address, Pace())
    sender.start()
    count = 0
    while time.time() < until:
        made = golden.record(count, random.uniform(1, 4000), random.uniform(0, 1e5))
        ledger.append(info, [replace(made, id=f"{number}-{count}", session_id=info.id, started_at=time.time())])
        count += 1
        time.sleep(EVERY_S * random.uniform(0.5, 1.5))
    while time.time() < until + 400:  # until all of it has gone
        share = ledger.share()
        if share is not None and not share.waiting:
            break
        time.sleep(1)
    sender.stop()


def process(folder: str, address: str, first: str, until: str) -> None:
    threads = []
    for number in range(int(first), int(first) + THREADS):
        arguments = (Path(folder) / f"{number}.sqlite", address, number, float(until))
        threads.append(threading.Thread(target=kernel, args=arguments))
        threads[-1].start()
    for thread in threads:
        thread.join()


def started(folder: Path, address: str, until: float) -> list[subprocess.Popen[bytes]]:
    own = [sys.executable, __file__, "--kernels", str(folder), address]
    return [subprocess.Popen([*own, str(n * THREADS), str(until)]) for n in range(PROCESSES)]


def run(postgres: Postgres, folder: Path, minutes: float, cut_s: float) -> dict[str, object]:
    postgres.run("CREATE DATABASE lab")
    network = Network(postgres.port)
    address = f"postgresql://head_of_lab@127.0.0.1:{network.port}/lab"
    with closing(SharedLedger(postgres.address("head_of_lab"))) as shared:
        shared.prepare()
    begun = time.time()
    until = begun + 60 * minutes
    at = [begun + 60 * minutes * part for part in (0.2, 0.4, 0.7)]
    kernels = started(folder, address, until)
    wait(at[0])
    postgres.stop()
    say("the database is stopped for 5 s")
    time.sleep(5)
    postgres.start()
    wait(at[1])
    say(f"the network is cut for {cut_s:g} s")
    network.up.clear()
    time.sleep(cut_s)
    network.up.set()
    wait(at[2])
    kernels[0].send_signal(signal.SIGKILL)
    say(f"{THREADS} kernels are killed")
    for one in kernels:
        one.wait()
    drained_s = time.time() - until
    late = sum(int(sync(path, address).title.split()[0]) for path in sorted(folder.glob("*.sqlite")))
    return {"seconds until all had gone": round(drained_s), "records that a later sync sent": late,
            **compared(folder, postgres.address("head_of_lab"))}  # fmt: skip


def compared(folder: Path, address: str) -> dict[str, object]:
    """What is here and what is there."""
    here: dict[str, float] = {}
    for path in folder.glob("*.sqlite"):
        with closing(open_ledger(path)) as ledger:
            here.update({r.id: sum(f.value or 0.0 for f in r.usage.figures) for r in ledger.records(ALL)})
    total = sa.select(tables.figure.c.cell_id, sa.func.sum(tables.figure.c.value)).group_by(tables.figure.c.cell_id)
    with closing(SharedLedger(address)) as shared, shared._begun() as connection:
        there = dict(map(tuple, connection.execute(total)))
        wrong = shared.check()
    same = all(abs(there.get(key, -1.0) - value) <= 1e-9 * abs(value) for key, value in here.items())
    return {"records here": len(here), "records there": len(there), "the same ids": here.keys() == there.keys(),
            "the same figures": same, "hours in which the rollup is wrong": len(wrong)}  # fmt: skip


def wait(until: float) -> None:
    time.sleep(max(0.0, until - time.time()))


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--minutes", type=float, default=10.0)
    asked.add_argument("--cut", type=float, default=60.0, metavar="SECONDS")
    words = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="costmeter-shared-") as folder:
        for postgres in running():
            found = run(postgres, Path(folder), words.minutes, words.cut)
    print(json.dumps(found, indent=1))
    sys.exit(
        not (found["the same ids"] and found["the same figures"] and not found["hours in which the rollup is wrong"])
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--kernels"]:
        process(*sys.argv[2:])
    else:
        main()
