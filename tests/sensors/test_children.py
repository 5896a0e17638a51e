"""CPU seconds of children and of theirs: each once, however they end and whoever waits for them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from jupyter_costmeter.sensors.children import ChildrenSensor

BUSY = "import time\nwhile time.process_time() < {s}: pass\n"
#: A child whose two children each work, one after the other, before it is told to end.
FAMILY = (
    "import subprocess, sys\n"
    f"for _ in range(2): subprocess.run([sys.executable, '-c', {BUSY.format(s=0.5)!r}])\n"
    "print('done', flush=True); sys.stdin.read()\n"
)


@pytest.fixture
def sensor() -> Iterator[ChildrenSensor]:
    made = ChildrenSensor()
    made.open()
    yield made
    made.close()


def seconds(sensor: ChildrenSensor) -> float:
    (value,) = sensor.take()
    assert value is not None
    return value


def test_a_child_of_a_child_counts_once_though_its_parent_lives_on(sensor: ChildrenSensor) -> None:
    """As torchrun's workers, whom torchrun waits for."""
    before = seconds(sensor)
    family = subprocess.Popen([sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert family.stdout is not None
    seen = [seconds(sensor)]
    while family.poll() is None and not _done(family):
        seen.append(seconds(sensor))
        time.sleep(0.02)
    after = seconds(sensor)
    family.communicate(b"")
    assert 1.0 <= after - before < 1.6
    assert seen == sorted(seen)
    assert seconds(sensor) - before < 1.6


def _done(family: subprocess.Popen[bytes]) -> bool:
    import select

    return bool(select.select([family.stdout], [], [], 0)[0])


def test_a_child_that_nobody_waits_for_keeps_what_it_was_seen_with(sensor: ChildrenSensor) -> None:
    before = seconds(sensor)
    busy = subprocess.Popen([sys.executable, "-c", BUSY.format(s=0.6) + "time.sleep(60)"])
    until = time.monotonic() + 30
    while seconds(sensor) - before < 0.4 and time.monotonic() < until:
        time.sleep(0.02)
    busy.kill()
    busy.wait()
    assert 0.4 <= seconds(sensor) - before < 1.0
