"""Every setting, with its default, unit and help.

Set in ``jupyter_costmeter_config.py`` or ``.json`` in Jupyter's config directories (all doors
read it, so the kernel and the server agree on one ledger), or for one kernel in its
``ipython_config.py``. A malformed setting is named and its default used: a meter that stops a
kernel from starting is worse than one with a default.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_config_path, jupyter_data_dir
from traitlets import Bool, Dict, Enum, Float, List, TraitError, TraitType, Unicode, validate
from traitlets.config import Config, Configurable
from traitlets.config.loader import (
    ConfigFileNotFound,
    DeferredConfig,
    JSONFileConfigLoader,
    LazyConfigValue,
    PyFileConfigLoader,
)

NAME = "jupyter_costmeter_config"
#: The ledger's file for one run, before every setting: how ``jupyter costmeter run --ledger`` tells its kernel.
LEDGER = "JUPYTER_COSTMETER_LEDGER"
#: A trace to play instead of this machine's GPUs, or "demo": before the setting, and how the sensor is told.
REPLAY = "JUPYTER_COSTMETER_REPLAY"
#: The origin of what a door was told itself (ipython_config.py, its command line).
OURS = "this program"
#: The sensors of real GPUs (and of an Apple chip, whose energy comes from the same place).
GPUS = ("nvml", "amd", "apple")
#: The administrator's rows, each with the file that it is from.
Caps = list[tuple[object, str]]
#: Of a wrong one nothing is repeated: there may be a password in it, in any form.
ADDRESSES = ("ledger_share", "otel_endpoint")


class CostMeter(Configurable):
    """The settings of jupyter_costmeter."""

    ledger_path = Unicode(
        "", help="The ledger's file. Empty: costmeter/ledger.sqlite in Jupyter's data directory."
    ).tag(config=True)
    ledger_share = Unicode(
        "",
        help="The lab's ledger, to which what is metered from now on is sent: postgresql://db.lab.example/costmeter,"
        " or https://hub.lab.example/services/costmeter. Without a password"
        " (docs/shared.md, docs/hub.md). Empty: nothing leaves this machine.",
    ).tag(config=True)
    ledger_share_offline = Enum(
        ("allow", "ask", "hold"),
        "ask",
        help="What the lab's budgets do at their limits while the lab's database is away (docs/shared.md). allow: they"
        " hold nothing; ask: what is spent by what is known holds, and who runs the cell again within a minute goes on;"
        " hold: no cell starts.",
    ).tag(config=True)
    project = Unicode(
        "",
        help="The project's folder. Empty: the nearest folder above the notebook with .git,"
        " jupyter_costmeter.toml or pyproject.toml, else the notebook's own.",
    ).tag(config=True)
    tick_s = Float(1.0, min=0.2, help="Seconds between two looks at a running cell (live display and journal).").tag(
        config=True
    )
    live = Bool(True, help="Tell the front end about running cells.").tag(config=True)
    sensors = List(
        Unicode(),
        ["process", "rapl", "nvml", "amd", "apple"],
        help="The sensors to use, of those that doctor lists.",
    ).tag(config=True)
    gpu_share = Enum(
        ("auto", "exclusive", "sm_util", "mig_slice", "memory", "upper_bound"),
        "auto",
        help="How the energy of a GPU that others use as well is split: sm_util by SM time, memory by memory, mig_slice"
        " by the MIG slice's part of the GPU; exclusive: all of it is this kernel's; upper_bound: the whole"
        " device's, said to be a bound; auto: the best of these that is known.",
    ).tag(config=True)
    cupti = Bool(
        False,
        help="Exact GPU busy time by CUPTI activity tracing; off because it costs 2.5 us a launch, and made small"
        " training steps 6 to 9 % slower (docs/gpu-checks.md).",
    ).tag(config=True)
    gpm = Bool(
        False,
        help="FLOPs by the GPU's own pipe counters (NVML's GPM, Hopper and later), beside those that are counted and"
        " never in them; off because what it says of short cells holds what ran just before (docs/gpu-checks.md).",
    ).tag(config=True)
    flops = Bool(
        True,
        help="Count the FLOPs of what torch runs (and JAX, where a notebook asks for it). False: no FLOPs, and torch is"
        " left as it is.",
    ).tag(config=True)
    dask = Bool(
        True,
        help="Bill what a Dask cluster's workers do for a cell to that cell: a plugin is put on the workers of each"
        " cluster that the notebook's client sends tasks to (docs/dask.md). False: clusters are left as they are.",
    ).tag(config=True)
    children = Bool(
        True,
        help="Child processes that run Python count their own FLOPs, which are their cell's (docs/processes.md). For"
        " that JUPYTER_COSTMETER_PARENT and PYTHONPATH are set in their environment. False: it is left as it is.",
    ).tag(config=True)
    peak_flops = Dict(
        value_trait=Dict(value_trait=Float(min=0.0), key_trait=Unicode()),
        key_trait=Unicode(),
        help="Your devices' most FLOP/s at each precision, where docs/peaks.md does not know them (or otherwise):"
        ' {"NVIDIA GeForce RTX 4070": {"bf16": 58e12}, "CPU": {"fp32": 1e12}}; * matches anything in a name.',
    ).tag(config=True)
    caps: List[Any] = List(
        help="The administrator's budgets, each a row as in docs/budgets.md:"
        ' [{"gpu_hours": 20, "per": "week", "scope": "user", "hold": "ask"}]. Those of all config files hold side by'
        " side, so that a user's file cannot take one away.",
    ).tag(config=True)
    budget_warn = List(
        Float(min=0.0),
        [0.5, 0.8, 1.0],
        help="At which parts of its limit a budget warns that does not say it itself.",
    ).tag(config=True)
    budget_lines = Enum(
        ("auto", "always", "never"),
        "auto",
        help="A line below the cell where a budget has been reached. auto: in front ends without the panel, and never"
        " where nobody sits (nbconvert, papermill, jupyter costmeter run).",
    ).tag(config=True)
    otel_endpoint = Unicode(
        "",
        help="Send the metrics of docs/monitoring.md to an OpenTelemetry collector by OTLP over HTTP:"
        " http://collector.lab.example:4318, or environment: where OTEL_EXPORTER_OTLP_ENDPOINT says. Headers come from"
        " OTEL_EXPORTER_OTLP_HEADERS. Wants the extra otel. Empty: nothing is sent.",
    ).tag(config=True)
    otel_every_s = Float(60.0, min=1.0, help="Seconds between two of these exports.").tag(config=True)
    replay = Unicode(
        "",
        help="A simulated GPU instead of this machine's: the path of a trace, or demo. Its figures go to a ledger"
        " of their own. JUPYTER_COSTMETER_REPLAY in the environment wins.",
    ).tag(config=True)

    @validate("budget_warn")
    def _ascending(self, proposal: Any) -> list[float]:
        from .budget import thresholds
        from .errors import UsageError

        try:
            return list(thresholds(proposal["value"]))
        except UsageError as error:
            raise TraitError(f"{error}.") from error

    @validate("otel_endpoint")
    def _collector(self, proposal: Any) -> str:
        said = str(proposal["value"])
        if said not in ("", "environment") and not said.startswith(("http://", "https://")):
            raise TraitError("it wants an address such as http://collector.lab.example:4318, or environment.")
        if "@" in said:
            raise TraitError("no secret stands in an address: OTEL_EXPORTER_OTLP_HEADERS has it.")
        return said

    @validate("ledger_share")
    def _without_a_secret(self, proposal: Any) -> str:
        from .addresses import address_of
        from .errors import UsageError

        try:
            return address_of(proposal["value"]) if proposal["value"] else ""
        except UsageError as error:
            raise TraitError(f"{error}.") from error

    @property
    def tracers(self) -> list[str]:
        """Those that are wanted."""
        wanted = {
            "cupti": self.cupti, "torch_flops": self.flops, "jax_flops": self.flops, "gpm": self.gpm,
            "children_flops": self.flops and self.children,
        }  # fmt: skip
        return [name for name, on in wanted.items() if on]

    @property
    def lab_file(self) -> Path | None:
        """Where what the lab's ledger said of budgets is kept; ``None`` where nothing is shared."""
        from .labs import kept_beside

        return kept_beside(self.ledger_file) if self.ledger_share else None

    @property
    def ledger_file(self) -> Path:
        if self.ledger_path:
            return Path(os.path.abspath(os.path.expanduser(self.ledger_path)))
        return Path(jupyter_data_dir()) / "costmeter" / "ledger.sqlite"


def load(own: Config | None = None) -> tuple[CostMeter, list[str]]:
    """The settings from Jupyter's config files, then from ``own`` (a door's), and what was wrong with them."""
    problems: list[str] = []
    caps: Caps = []
    config = _from_files(problems, caps)
    if own is not None:
        config.merge(_own_section(own, OURS, problems, caps))
    settings = CostMeter()
    for name, value in config.CostMeter.items():
        _set(settings, name, value, problems)
    settings.caps = caps
    settings.replay = os.environ.get(REPLAY) or settings.replay
    if settings.replay:
        _simulate(settings)
    if os.environ.get(LEDGER):
        settings.ledger_path = os.environ[LEDGER]
    return settings, problems


def _simulate(settings: CostMeter) -> None:
    """The trace takes the place of the GPUs, and its figures never get among those of real ones."""
    if settings.replay != "demo":
        settings.replay = os.path.abspath(os.path.expanduser(settings.replay))
    os.environ[REPLAY] = settings.replay  # the sensor knows no settings
    settings.ledger_share = settings.otel_endpoint = ""
    kept = [name for name in settings.sensors if name not in (*GPUS, "replay")]
    settings.sensors = [*kept, "replay"]
    real = settings.ledger_file
    settings.ledger_path = str(real.with_name(f"{real.stem}.simulated{real.suffix}"))


def _set(settings: CostMeter, name: str, value: Any, problems: list[str]) -> None:
    traits = settings.traits(config=True)
    if name not in traits:
        problems.append(f"CostMeter.{name}: there is no such setting; there are {', '.join(sorted(traits))}")
        return
    try:
        setattr(settings, name, _resolved(traits[name], value))
    except (TraitError, ValueError) as error:
        told = f"CostMeter.{name} = {value!r}: {error}"
        if name in ADDRESSES:
            told = f"CostMeter.{name}: {error if isinstance(value, str) else 'it wants a text.'}"
        problems.append(f"{told} Using the default, {getattr(settings, name)!r}.")


def _resolved(trait: TraitType[Any, Any], value: Any) -> Any:
    """The value itself: the command line gives text, ``c.CostMeter.sensors.append(…)`` a change of the default."""
    if isinstance(value, DeferredConfig):
        return value.get_value(trait)
    return value.get_value(trait.default()) if isinstance(value, LazyConfigValue) else value


def _from_files(problems: list[str], caps: Caps) -> Config:
    """The files of all config directories, the user's last, so that they win."""
    config = Config()
    for folder in reversed(jupyter_config_path()):
        for loader in (PyFileConfigLoader(f"{NAME}.py", folder), JSONFileConfigLoader(f"{NAME}.json", folder)):
            try:
                found = loader.load_config()
            except ConfigFileNotFound:
                continue
            except Exception as error:  # the file is the user's code
                problems.append(f"{loader.full_filename}: {type(error).__name__}: {error}")
                continue
            for name in sorted({*found} - {"CostMeter", "version"}):
                problems.append(f"{loader.full_filename}: {name}: there is no such section; there is CostMeter")
            config.merge(_own_section(found, loader.full_filename, problems, caps))
    return config


def _own_section(found: Config, whose: str, problems: list[str], caps: Caps) -> Config:
    """Our section without its caps, which are put beside those of other files instead of in their place."""
    section = found.CostMeter
    if not isinstance(section, Config):
        problems.append(f"{whose}: CostMeter = {section!r}: it wants settings, such as CostMeter.tick_s")
        return Config()
    caps += ((row, whose) for row in _rows(section.get("caps", []), whose, problems))
    return Config({"CostMeter": {name: value for name, value in section.items() if name != "caps"}})


def _rows(said: Any, whose: str, problems: list[str]) -> list[object]:
    """The caps that a file has, each as it stands there."""
    said = said.get_value([]) if isinstance(said, LazyConfigValue) else said
    if isinstance(said, (list, tuple)):
        return list(said)
    problems.append(
        f'{whose}: CostMeter.caps = {said!r}: it wants a list, such as [{{"gpu_hours": 20, "per": "week"}}]'
    )
    return []
