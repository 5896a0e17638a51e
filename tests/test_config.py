"""Settings: where they come from, which win, and what a wrong one does."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from kernels import LOAD, Kernel
from traitlets.config import Config
from traitlets.config.loader import KVArgParseConfigLoader as KVLoader

from jupyter_costmeter import config, plugins


@pytest.fixture
def write(home: Path) -> Callable[[str, str], None]:
    """Write a config file of the user's."""

    def put(suffix: str, text: str) -> None:
        (home / "config_dir").mkdir(exist_ok=True)
        (home / "config_dir" / f"jupyter_costmeter_config.{suffix}").write_text(text)

    return put


Write = Callable[[str, str], None]


def test_the_ledger_is_in_jupyters_data_folder(home: Path, ledger_path: Path) -> None:
    settings, problems = config.load()
    assert settings.ledger_file == ledger_path
    assert problems == []


def test_every_setting_has_help_and_its_default_is_valid(home: Path) -> None:
    settings = config.CostMeter()
    for name, trait in settings.traits(config=True).items():
        assert trait.help, name
        setattr(settings, name, getattr(settings, name))


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        ("py", "c.CostMeter.ledger_path = '~/mine.sqlite'\nc.CostMeter.tick_s = 0.5"),
        ("json", '{"CostMeter": {"ledger_path": "~/mine.sqlite", "tick_s": 0.5}}'),
    ],
)
def test_the_users_file_is_read(suffix: str, text: str, write: Write) -> None:
    write(suffix, text)
    settings, problems = config.load()
    assert settings.ledger_file == Path("~/mine.sqlite").expanduser()
    assert settings.tick_s == 0.5
    assert problems == []


def test_a_door_wins_over_the_files_and_the_user_over_the_machine(home: Path, write: Write,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    write("json", json.dumps({"CostMeter": {"tick_s": 0.5, "project": "/mine"}}))
    (home / "machine").mkdir()
    (home / "machine" / "jupyter_costmeter_config.json").write_text(
        json.dumps({"CostMeter": {"tick_s": 7.0, "live": False}})
    )
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(home / "machine"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    paths = config.jupyter_config_path()
    user_wins = paths.index(str(home / "config_dir")) < paths.index(str(home / "machine"))
    settings, problems = config.load(Config({"CostMeter": {"project": "/the/kernels"}}))
    assert settings.tick_s == (0.5 if user_wins else 7.0)
    assert settings.project == "/the/kernels"
    assert settings.live is False
    assert problems == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tick_s", "soon"),
        ("tick_s", 0.0),
        ("tick_s", None),
        ("live", "yes"),
        ("sensors", {"nvml": 1}),
        ("ledger_path", 7),
        ("gpu_share", "fair"),
        ("gpu_share", None),
        ("cupti", "yes"),
        ("replay", ["demo"]),
    ],
)
def test_a_malformed_value_is_named_and_the_default_used(name: str, value: object, write: Write) -> None:
    write("json", json.dumps({"CostMeter": {name: value, "project": "/mine"}}))
    settings, problems = config.load()
    assert getattr(settings, name) == getattr(config.CostMeter(), name)
    assert settings.project == "/mine"
    assert len(problems) == 1
    assert problems[0].startswith(f"CostMeter.{name} = {value!r}")
    assert "Using the default" in problems[0]


def test_an_unknown_setting_is_named(write: Write) -> None:
    write("py", "c.CostMeter.ledger = 'x'\nc.CostMeter.tick_s = 2.0")
    settings, problems = config.load()
    assert settings.tick_s == 2.0
    (problem,) = problems
    assert (
        "CostMeter.ledger: there is no such setting; there are budget_lines, budget_warn, caps, children, cupti, dask, "
        in problem
    )


@pytest.mark.parametrize(
    ("suffix", "text", "named"),
    [
        ("py", "c.CostMeter.tick_s = (", "SyntaxError"),
        ("py", "1/0", "ZeroDivisionError"),
        ("json", "{", "JSONDecodeError"),
        ("json", "[1]", ""),
        ("json", '{"CostMeter": 5}', "CostMeter = 5"),
        ("json", '{"CostMeter": null}', "CostMeter = None"),
        ("json", '{"CostMetre": {"tick_s": 2.0}}', "CostMetre: there is no such section"),
        ("py", "c.CostMetre.tick_s = 2.0", "CostMetre: there is no such section"),
        ("json", '{"version": 9}', "version"),
        ("json", "\x00", ""),
    ],
)
def test_a_broken_file_is_named_and_passed_over(suffix: str, text: str, named: str, write: Write, home: Path) -> None:
    write(suffix, text)
    settings, problems = config.load(Config({"CostMeter": {"project": "/mine"}}))
    (problem,) = problems
    assert f"jupyter_costmeter_config.{suffix}" in problem
    assert named in problem
    assert settings.tick_s == 1.0
    assert settings.project == "/mine"


def test_a_doors_section_that_is_none_is_named(home: Path) -> None:
    settings, problems = config.load(Config({"CostMeter": 5}))
    assert settings.tick_s == 1.0
    assert "CostMeter = 5" in problems[0]


def test_a_list_can_be_added_to(write: Write) -> None:
    write("py", "c.CostMeter.sensors.append('mine')")
    settings, problems = config.load()
    assert settings.sensors == ["process", "rapl", "nvml", "amd", "apple", "mine"]
    assert problems == []


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """What the environment says; whatever is set while the test runs is gone after it."""

    def say(value: str) -> None:
        monkeypatch.setenv(config.REPLAY, value)
        if not value:
            monkeypatch.delenv(config.REPLAY)

    return say


@pytest.mark.parametrize("how", ["environment", "setting"])
def test_a_trace_takes_the_place_of_the_gpus(how: str, write: Write, replayed: Callable[[str], None],
                                             ledger_path: Path) -> None:  # fmt: skip
    replayed("demo" if how == "environment" else "")
    write("py", "c.CostMeter.replay = 'demo'" if how == "setting" else "")
    settings, problems = config.load()
    assert (settings.sensors, settings.replay) == (["process", "rapl", "replay"], "demo")
    assert os.environ[config.REPLAY] == "demo"  # which the sensor reads
    assert plugins.load("sensors", "replay").open().ok
    assert problems == []
    # and no simulated figure gets among those of real GPUs
    assert settings.ledger_file == ledger_path.with_name("ledger.simulated.sqlite")


def test_the_environments_trace_wins_and_so_does_its_ledger(write: Write, replayed: Callable[[str], None], home: Path,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    write("py", "c.CostMeter.replay = 'mine.json'\nc.CostMeter.ledger_path = '/a/b.db'\nc.CostMeter.sensors = ['nvml']")
    replayed(str(home / "theirs.json"))
    assert config.load()[0].ledger_file == Path("/a/b.simulated.db")
    monkeypatch.setenv(config.LEDGER, str(home / "one.sqlite"))
    settings, _ = config.load()
    assert settings.replay == str(home / "theirs.json")
    assert settings.ledger_file == home / "one.sqlite"
    assert settings.sensors == ["replay"]
    replayed("")
    monkeypatch.chdir(home)
    assert config.load()[0].replay == str(home / "mine.json")  # wherever the kernel is


def test_without_a_trace_nothing_is_simulated(replayed: Callable[[str], None], ledger_path: Path) -> None:
    replayed("")
    settings, _ = config.load()
    assert settings.sensors == ["process", "rapl", "nvml", "amd", "apple"]
    assert settings.ledger_file == ledger_path
    assert config.REPLAY not in os.environ
    status = plugins.load("sensors", "replay").open()
    assert not status.ok
    assert "CostMeter.replay" in status.message


def test_the_settings_page_has_all_settings_and_their_defaults() -> None:
    page = (Path(__file__).parents[1] / "docs" / "settings.md").read_text()
    kernels = page.partition("## The sidebar")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| `(.*?)` \|", kernels, re.MULTILINE))
    traits = config.CostMeter().traits(config=True)
    assert rows == {
        n: json.dumps(v) if isinstance(v := t.default(), (str, list)) else str(v) for n, t in traits.items()
    }
    for name in traits["gpu_share"].values:  # type: ignore[attr-defined]
        assert f"`{name}`" in page


def test_settings_from_the_command_line(home: Path) -> None:
    """``jupyter lab --CostMeter.tick_s=3``: traitlets gives text."""
    own = KVLoader().load_config(
        ["--CostMeter.tick_s=3", "--CostMeter.live=False", "--CostMeter.project=/mine", "--CostMeter.sensors=process"]
    )
    settings, problems = config.load(own)
    assert (settings.tick_s, settings.live, settings.project) == (3.0, False, "/mine")
    assert settings.sensors == ["process"]
    assert problems == []
    assert config.load(KVLoader().load_config(["--CostMeter.tick_s=soon"]))[1]


def test_a_kernel_starts_and_says_what_is_wrong(start_kernel: Callable[..., Kernel], write: Write, home: Path) -> None:
    write("json", json.dumps({"CostMeter": {"tick_s": "soon", "ledger_path": str(home / "files.sqlite")}}))
    kernel = start_kernel(load=False)
    kernel.run(f"get_ipython().config.CostMeter.ledger_path = {str(home / 'own.sqlite')!r}\n{LOAD}", silent=True)
    assert kernel.run("1")["status"] == "ok"
    for word in ("%cost", "%cost doctor"):
        kernel.run(word)
        assert "CostMeter.tick_s = 'soon'" in kernel.text
    kernel.flush()
    assert (home / "own.sqlite").exists()
    assert not (home / "files.sqlite").exists()
