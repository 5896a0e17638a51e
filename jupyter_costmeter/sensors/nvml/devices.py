"""Which GPUs are this process's: those that ``CUDA_VISIBLE_DEVICES`` names, whole or a MIG slice."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .library import FOR_GOOD, NO_PERMISSION, OK, REFUSED, UNTIL_BACK, Library, Unavailable, refused

UNNAMED = "GPU without a name"
SEVEN = 7  # compute slices of every GPU with MIG but the A30, if the driver does not tell
UNSIZED = "a MIG slice whose part of its GPU the driver does not tell: NVML counts energy per physical GPU"
OLD_MIG = re.compile(r"MIG-(GPU-[^/]+)/(\d+)/(\d+)")  # before driver 470: the GPU, its instance, the compute instance


@dataclass(slots=True)
class Device:
    """One GPU, or the GPU of one MIG slice; ``part`` is what this process can use of it.

    ``missing`` tells why its counter gives nothing, ``lost`` whether that may end.
    """

    uuid: str
    name: str
    handle: Any = None
    part: Any = None
    slice_share: float | None = None
    missing: str | None = None
    lost: bool = False

    def refused(self, code: int) -> None:
        """Its counter answered that return code."""
        self.missing = FOR_GOOD.get(code) or UNTIL_BACK.get(code)
        self.lost = code in UNTIL_BACK


def found(library: Library) -> list[Device]:
    """The GPUs of this process, each once.

    Raises:
        Unavailable: there is none, or this process may open none.
    """
    present = _present(library)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or _ambiguous(visible, present):
        return [_first_slice(library, device) for device in present]
    chosen: dict[str, Device] = {}
    for entry in _chosen(visible, [d.uuid for d in present]):
        named = _first_slice(library, present[entry]) if isinstance(entry, int) else _slice(library, entry, present)
        if named is not None:
            chosen.setdefault(named.uuid, named)  # of several slices CUDA takes the first
    if not chosen:
        message = f"CUDA_VISIBLE_DEVICES={visible!r} hides every GPU ({len(present)}) from this process"
        raise Unavailable(message, "unset CUDA_VISIBLE_DEVICES and restart the kernel", absent=True)
    return list(chosen.values())


def _present(library: Library) -> list[Device]:
    """The GPUs that this process may open, in NVML's order (by PCI bus)."""
    count, code = library.attempt("nvmlDeviceGetCount")
    if code != OK:
        raise refused(code, f"it does not count the GPUs (error {code})")
    devices = [device for index in range(count) if (device := _device(library, index))]
    if not devices and count:
        raise Unavailable("no permission to open any GPU", REFUSED[NO_PERMISSION][1])
    if not devices:
        raise Unavailable("the NVIDIA driver finds no GPU", absent=True)
    return devices


def _device(library: Library, index: int) -> Device | None:
    """``None`` where this process may not open it: CUDA does not count it either."""
    handle, code = library.attempt("nvmlDeviceGetHandleByIndex", index)
    if code == NO_PERMISSION:
        return None
    if code != OK:
        why = UNTIL_BACK.get(code, f"this GPU could not be opened (NVML error {code})")
        return Device(f"GPU {index}", UNNAMED, missing=why)
    uuid = library.ask("nvmlDeviceGetUUID", handle) or f"GPU {index}"
    return Device(uuid, library.ask("nvmlDeviceGetName", handle) or UNNAMED, handle, handle)


# MIG


def _slices(library: Library, device: Device) -> Iterator[Any]:
    """The MIG slices of that GPU that this process may see."""
    mode = library.ask("nvmlDeviceGetMigMode", device.handle) if device.handle is not None else None
    if mode is not None and mode[0]:
        for index in range(library.ask("nvmlDeviceGetMaxMigDeviceCount", device.handle) or SEVEN):
            part = library.ask("nvmlDeviceGetMigDeviceHandleByIndex", device.handle, index)
            if part is not None:
                yield part


def _first_slice(library: Library, device: Device) -> Device:
    """In MIG mode CUDA takes the first slice that it sees (in a container: the one that there is)."""
    part = next(_slices(library, device), None)
    return device if part is None else _sliced(library, device, part)


def _slice(library: Library, entry: str, present: Sequence[Device]) -> Device | None:
    """The slice by its own UUID, by the first letters of it, or as GPU, instance and compute instance."""
    if old := OLD_MIG.fullmatch(entry):
        wanted = (int(old[2]), int(old[3]))
        parents = [d for d in present if d.uuid.startswith(old[1])]
        matches = [(d, p) for d in parents for p in _slices(library, d) if _instances(library, p) == wanted]
    else:
        every = [(d, p) for d in present for p in _slices(library, d)]
        matches = [(d, p) for d, p in every if (library.ask("nvmlDeviceGetUUID", p) or "").startswith(entry)]
    if len(matches) == 1:
        return _sliced(library, *matches[0])
    return _by_uuid(library, entry, present)


def _by_uuid(library: Library, uuid: str, present: Sequence[Device]) -> Device | None:
    """A slice that NVML does not list, but knows."""
    part = library.ask("nvmlDeviceGetHandleByUUID", uuid)
    if part is None:
        return None
    whole = library.ask("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", part)
    parent = library.ask("nvmlDeviceGetUUID", whole) if whole is not None else None
    known = next((d for d in present if d.uuid == parent), Device(parent or uuid, UNNAMED, whole, missing=UNSIZED))
    return _sliced(library, known, part)


def _instances(library: Library, part: Any) -> tuple[Any, Any]:
    return library.ask("nvmlDeviceGetGpuInstanceId", part), library.ask("nvmlDeviceGetComputeInstanceId", part)


def _sliced(library: Library, whole: Device, part: Any) -> Device:
    """The whole GPU's counter, the slice's memory and processes. Without its share the counter is not ours to show."""
    share = _share(library, whole, part)
    missing = whole.missing or (UNSIZED if share is None else None)
    return Device(whole.uuid, f"{whole.name} (a MIG slice)", whole.handle, part, share, missing)


def _share(library: Library, whole: Device, part: Any) -> float | None:
    """The slice's part of the GPU's compute slices; where that is not told, of its memory."""
    size = library.ask("nvmlDeviceGetAttributes_v2", part)
    if size is not None and (slices := size.computeInstanceSliceCount or size.gpuInstanceSliceCount):
        return float(slices / (library.ask("nvmlDeviceGetMaxMigDeviceCount", whole.handle) or SEVEN))
    memory, all_memory = (library.ask("nvmlDeviceGetMemoryInfo", h) for h in (part, whole.handle))
    return float(memory.total / all_memory.total) if memory and all_memory and all_memory.total else None


# CUDA_VISIBLE_DEVICES


def _chosen(value: str, uuids: Sequence[str]) -> list[int | str]:
    """As CUDA reads it: the first entry that names no GPU ends the list, a repeated one empties it."""
    found: list[int | str] = []
    for entry in value.split(","):
        named = _named(entry.strip(), uuids)
        if named is None:
            break
        if named in found:
            return []
        found.append(named)
    return found


def _named(entry: str, uuids: Sequence[str]) -> int | str | None:
    if entry.startswith("MIG-"):
        return entry
    if entry.startswith("GPU-"):
        matches = [index for index, uuid in enumerate(uuids) if uuid.startswith(entry)]
        return matches[0] if len(matches) == 1 else None
    digits = re.match(r"\+?\d+", entry)
    return index if digits and (index := int(digits[0])) < len(uuids) else None


def _ambiguous(value: str, present: Sequence[Device]) -> bool:
    """CUDA numbers unlike GPUs fastest first, NVML by bus: then an index may mean either, so all are read."""
    by_index = any(entry.strip()[:1].isdigit() for entry in value.split(","))
    return by_index and len({d.name for d in present}) > 1 and os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID"
