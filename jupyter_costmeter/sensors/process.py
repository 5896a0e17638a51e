"""CPU seconds of this process, all its threads, by its CPU clock."""

from __future__ import annotations

import time

from ..record import Channel, DeviceUse, Provenance, Reading, Status

CLOCK = Provenance("measured", "CPU clocks of this process and its children", 0.01)


class ProcessSensor:
    name = "process"
    may_hang = False
    channels: tuple[Channel, ...] = (Channel("own_cpu_s", "counter", CLOCK),)

    def open(self) -> Status:
        return Status(self.name, True, "CPU seconds of this process")

    def read(self) -> Reading:
        return (time.process_time(),)

    def observe(self) -> tuple[DeviceUse, ...]:
        return ()

    def close(self) -> None:
        pass
