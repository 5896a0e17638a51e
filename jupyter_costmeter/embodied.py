"""Embodied carbon per GPU-hour: what making the hardware emitted, spread over its life, pure.

SCI, ISO/IEC 21031:2024 (FACTS §1.2): M = TE · (TiR / EL) · (RR / ToR). TE is what the making emitted, TiR the time
reserved, EL the expected life, RR / ToR the share of the machine that was reserved. Defaults: FACTS §2.6.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .factors import Factor, Kind
from .peaks import MIG
from .tariffs import fits_gpu

HOURS_PER_YEAR = 8760.0
#: Embodied carbon is known to a factor of two (FACTS §4); of a model without a figure of its own, to one of three.
TWO, THREE = 1.0, 2.0
A100 = ("A100", 150.0, "Luccioni et al. 2023 (BLOOM), a lower bound", TWO)
H100 = ("H100", 164.0, "NVIDIA's product carbon footprint of the HGX H100 board, 1312 kg / 8", TWO)
SERVER_KG, GPUS = 2500.0, 8.0
SERVER = "a server without GPUs 2500 kg (HPE DL345), shared by 8 GPUs"
SLICE = "a MIG slice: which part of its GPU it is, and so of that GPU's making, is not kept"
BLOOM_LIFE = "6 years, 85 % of the time in use (Luccioni et al. 2023)"
SCI_LIFE = "4 years (the example of the SCI specification)"


@dataclass(frozen=True, slots=True)
class Hardware:
    """What the user declared of the making and the life of the hardware; ``None`` takes the default.

    ``gpu_kg`` are kgCO2e by patterns of GPU models. ``use`` is the share of its life (0 to 1) in which it is in use.
    """

    gpu_kg: Mapping[str, float] = field(default_factory=dict)
    server_kg: float | None = None
    gpus_per_server: float | None = None
    life_years: float | None = None
    use: float | None = None
    source: str = ""


def embodied_g(making_kg: float, reserved_h: float, life_h: float, share: float = 1.0) -> float:
    """The SCI's M in grams: of the ``making_kg``, the part that ``reserved_h`` of the life is (FACTS §6.8, §6.9)."""
    return 1000.0 * making_kg * (reserved_h / life_h) * share


def is_slice(model: str) -> bool:
    """Whether the name is a MIG slice's: which part of its GPU (the SCI's RR / ToR) is not kept."""
    return MIG.search(model) is not None


def is_known(model: str, declared: Hardware | None = None) -> bool:
    """Whether there is a figure for the making of that very model."""
    return _making(model, declared or Hardware())[2] < THREE


def gpu_hour(model: str, kind: Kind | None = None, declared: Hardware | None = None) -> Factor:
    """The embodied grams of one hour of a whole GPU of that model, with its share of the server."""
    hardware = declared or Hardware()
    kg, source, error = _making(model, hardware)
    server_kg, server = _server(kind, hardware)
    life_h, life = _life(kind, hardware)
    known = bool(hardware.source) and source == life == hardware.source and hardware.server_kg is not None
    sources = dict.fromkeys(filter(None, (source, server, life)))
    grams = embodied_g(kg + server_kg, 1.0, life_h)
    return Factor("embodied", grams, "g/GPU-h", "declared" if known else "assumed", "; ".join(sources), error)


def _making(model: str, hardware: Hardware) -> tuple[float, str, float]:
    """kgCO2e of the GPU alone, who says so, and how well it is known."""
    for pattern, kg in hardware.gpu_kg.items():
        if fits_gpu(pattern, model):
            return kg, hardware.source, TWO
    for name, kg, source, error in (A100, H100):
        if re.search(rf"\b{name}\b", model):
            return kg, f"{name} {kg:g} kg: {source}", error
    return A100[1], f"{model or 'this GPU'}: no figure is known, {A100[1]:g} kg as for an A100", THREE


def _server(kind: Kind | None, hardware: Hardware) -> tuple[float, str]:
    """kgCO2e of the server around one GPU; a laptop's or workstation's is not known unless it is declared."""
    if hardware.server_kg is None and hardware.gpus_per_server is None:
        return (0.0, "the GPU alone") if kind == "laptop" else (SERVER_KG / GPUS, SERVER)
    kg, gpus = SERVER_KG if hardware.server_kg is None else hardware.server_kg, hardware.gpus_per_server or GPUS
    return kg / gpus, f"a server of {kg:g} kg for {gpus:g} GPUs ({hardware.source})"


def _life(kind: Kind | None, hardware: Hardware) -> tuple[float, str]:
    """Hours of use in the hardware's life."""
    years, use, source = (4.0, 1.0, SCI_LIFE) if kind == "laptop" else (6.0, 0.85, BLOOM_LIFE)
    if hardware.life_years is not None or hardware.use is not None:
        years, use = hardware.life_years or years, hardware.use or use
        source = hardware.source
    return years * HOURS_PER_YEAR * use, source
