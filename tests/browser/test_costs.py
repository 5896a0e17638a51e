"""Carbon and money in the sidebar: the place that is asked for once, the figures, and what if."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from browsing import Server, dark, narrow, notebook, run_cell, serve, settled, shot, show_panel, visit, widen
from nvml.sim import SimulatedNvml, build
from playwright.sync_api import Locator, Page, Route, expect

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from jupyter_costmeter.carbon import snapshot

pytestmark = pytest.mark.browser
LOAD = "%load_ext jupyter_costmeter"
WORK = "import time\nuntil = time.monotonic() + 1.5\nwhile time.monotonic() < until: pass"
#: FACTS §2.1: Our World in Data 2023; §2.5: a server room's, and a laptop's.
FRANCE, ROOM, LAPTOP = 56.039, 1.56, 1.0
SCOPES = ("session", "notebook", "project")
CONFIG = "jupyter_costmeter.toml"
TARIFFS = """
[[rates]]
match = {gpu = "*A100*"}
gpu_hour = 1.50
currency = "EUR"

[[rates]]
kwh = 0.40
currency = "CHF"

[[rates]]
match = {gpu = "*V100*"}
gpu_huor = 1
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A JupyterLab in a cloud's environment, with a folder of settings of its own."""
    root = tmp_path_factory.mktemp("costs")
    yield from serve(root, "jupyterlab", GOOGLE_CLOUD_REGION="europe-west9")


def own_file(server: Server) -> Path:
    return server.data.parent / "config" / CONFIG


@pytest.fixture
def fresh(started: Server) -> Server:
    """Nobody has said anything yet."""
    own_file(started).unlink(missing_ok=True)
    for path in (started.data.parent / "config/lab/user-settings/jupyter-costmeter").glob("*"):
        path.unlink()
    return started


def opened(server: Server, page: Page, name: str, *cells: str, later: str = "") -> None:
    """A notebook with the meter and these cells, all run but that for later."""
    (server.work / name).mkdir()
    (server.work / name / "pyproject.toml").write_text("")
    path = f"{name}/work.ipynb"
    (server.work / path).write_text(notebook(LOAD, *cells, later))
    visit(page, server, path)
    for index in range(len(cells) + 1):
        run_cell(page, index)
        settled(page, "session", index + 1)
    settled(page, "project", len(cells) + 1)


def placed(server: Server) -> tuple[str, str | None]:
    """Region and kind of the only row that the user's file has."""
    rows = tomllib.loads(own_file(server).read_text())["where"]
    assert len(rows) == 1
    return rows[0]["region"], rows[0].get("kind")


def of(page: Page, scope: str, name: str) -> Locator:
    return page.locator(f'tr[data-scope="{scope}"] [data-name="{name}"]').first


def number(found: Locator, name: str = "data-value") -> float:
    return float(found.get_attribute(name) or "nan")


def assert_emissions(page: Page, g_per_kwh: float, pue: float) -> None:
    """Each scope's grams are its joules' kWh times PUE and intensity, calculated from what the page shows."""
    for scope in SCOPES:
        expected = number(of(page, scope, "energy_j")) * pue * g_per_kwh / 3.6e6
        assert number(of(page, scope, "emissions_g")) == pytest.approx(expected, rel=1e-9)


def joules_of(server: Server, path: str) -> float:
    """A notebook's energy as the server has it now."""
    totals = server.get(f"/jupyter_costmeter/api/totals?path={path}")["scopes"]["notebook"]["totals"]
    return next(float(one["value"]) for one in totals if one["name"] == "energy_j")


def grid(page: Page) -> Locator:
    return page.locator(".jp-Costmeter-grid")


def choose_france(page: Page) -> None:
    """By the keyboard alone, from the search field on."""
    field = page.get_by_role("combobox", name="Region")
    field.focus()
    page.keyboard.type("fra")
    options = page.locator(".jp-Costmeter-combobox [role=option]")
    expect(options.first).to_contain_text("France")
    expect(options.first).to_contain_text("56 g/kWh · 2023 · lifecycle")
    assert field.get_attribute("aria-activedescendant") == options.first.get_attribute("id")
    page.keyboard.press("ArrowDown")
    assert field.get_attribute("aria-activedescendant") == options.nth(1).get_attribute("id")
    page.keyboard.press("Escape")
    expect(field).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(field).to_have_value("France")


def test_asked_once_and_answered_by_keyboard(fresh: Server, page: Page) -> None:
    opened(fresh, page, "asked", WORK)
    card = page.locator(".jp-Costmeter-card")
    expect(card).to_contain_text("Where does this computer stand?", timeout=10_000)
    least, most = (each.intensity for each in snapshot.span())
    world = snapshot.world().intensity
    assert least is not None
    assert most is not None
    assert world is not None
    assert_emissions(page, world.g_per_kwh, ROOM)
    for scope in SCOPES:
        kwh = number(of(page, scope, "energy_j")) * ROOM / 3.6e6
        found = of(page, scope, "range_g")
        assert number(found, "data-low") == pytest.approx(kwh * least.g_per_kwh, rel=1e-9)
        assert number(found, "data-high") == pytest.approx(kwh * most.g_per_kwh, rel=1e-9)
        expect(of(page, scope, "emissions_g")).to_contain_text("~")
        assert "Assumed" in (of(page, scope, "emissions_g").get_attribute("title") or "")
    expect(card).to_contain_text("suggests gcp/europe-west9, Paris, France: GOOGLE_CLOUD_REGION is europe-west9")
    shot(page, "costs-asked")

    choose_france(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")  # lab or server room
    shot(page, "costs-chosen")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(grid(page)).to_have_text("Grid: France, 56 g/kWh", timeout=10_000)
    expect(grid(page)).to_be_focused()
    expect(card).to_have_count(0)
    expect(page.locator("[data-name=range_g]")).to_have_count(0, timeout=10_000)
    page.wait_for_timeout(3000)  # the ledger is read again
    assert_emissions(page, FRANCE, ROOM)
    title = of(page, "session", "emissions_g").get_attribute("title") or ""
    assert "of its energy was measured" in title
    assert "France" in title or "FR" in title
    assert "to the boil" in title
    assert placed(fresh) == ("FR", "lab")
    carbon = page.locator(".jp-Costmeter-cell[data-cell-id='cell-1']")
    energy = number(carbon.locator("[data-name=energy_j]"))
    assert number(carbon.locator("[data-name=emissions_g]")) == pytest.approx(energy * ROOM * FRANCE / 3.6e6, rel=1e-9)
    shot(page, "costs-placed")

    page.reload()
    show_panel(page)
    expect(grid(page)).to_contain_text("France", timeout=20_000)
    expect(card).to_have_count(0)


def test_not_now_is_remembered(fresh: Server, page: Page) -> None:
    opened(fresh, page, "later", "1")
    page.get_by_role("button", name="Not now").click(timeout=10_000)
    card = page.locator(".jp-Costmeter-card")
    expect(card).to_have_count(0)
    expect(grid(page)).to_contain_text("not known")
    page.wait_for_timeout(1000)
    page.reload()
    show_panel(page)
    settled(page, "session", 2)
    expect(grid(page)).to_contain_text("not known", timeout=20_000)
    page.wait_for_timeout(1000)
    expect(card).to_have_count(0)
    grid(page).click()  # it can still be said
    expect(card).to_have_count(1)
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)
    expect(grid(page)).to_be_focused()


def test_a_suggestion_is_one_click_and_a_refusal_is_said(fresh: Server, page: Page) -> None:
    opened(fresh, page, "hint", "1")
    use = page.get_by_role("button", name="Use gcp/europe-west9")
    use.wait_for(timeout=10_000)
    page.route(
        "**/jupyter_costmeter/api/place**",
        lambda route: (
            route.fulfill(status=500, body='{"message": "the disk is full"}')
            if route.request.method == "PUT"
            else route.continue_()
        ),
    )
    use.click()
    expect(page.locator(".jp-Costmeter-card .jp-Costmeter-error")).to_have_text("the disk is full")
    shot(page, "costs-refused")
    page.unroute("**/jupyter_costmeter/api/place**")
    use.click()
    expect(grid(page)).to_contain_text("Paris, France, 34 g/kWh", timeout=10_000)
    assert placed(fresh) == ("gcp/europe-west9", "cloud")


def test_a_refused_region_cannot_be_chosen(fresh: Server, page: Page) -> None:
    opened(fresh, page, "refused", "1")
    field = page.get_by_role("combobox", name="Region")
    field.click(timeout=10_000)
    field.fill("central afr")
    option = page.locator("[role=option][data-region=CF]")
    expect(option).to_have_attribute("aria-disabled", "true")
    expect(option).to_contain_text("refused")
    page.keyboard.press("Enter")
    option.click(force=True)
    expect(page.get_by_role("button", name="Use it")).to_be_disabled()
    expect(field).to_have_value("central afr")


def test_enter_before_the_regions_are_there_is_not_lost(fresh: Server, page: Page) -> None:
    slow: list[Route] = []
    page.route("**/jupyter_costmeter/api/regions**", lambda route: slow.append(route))
    opened(fresh, page, "early", "1")
    field = page.get_by_role("combobox", name="Region")
    field.click(timeout=10_000)
    page.keyboard.type("aws us-east-1")
    page.keyboard.press("Enter")
    options = page.locator(".jp-Costmeter-combobox [role=option]")
    expect(options).to_have_text("Being read…")
    expect(page.get_by_role("radio", name="a cloud")).not_to_be_checked()
    for route in slow:
        route.continue_()
    expect(field).to_have_value(re.compile("Virginia"), timeout=10_000)
    expect(options).to_have_count(0)
    expect(page.get_by_role("radio", name="a cloud")).to_be_checked()
    field.fill("france")
    page.keyboard.press("Enter")
    expect(field).to_have_value("France")
    expect(page.get_by_role("radio", name="a cloud")).not_to_be_checked()  # it was said with the region alone


def test_what_if(fresh: Server, page: Page) -> None:
    own_file(fresh).write_text('[[where]]\nregion = "PL"\nkind = "laptop"\n')
    opened(fresh, page, "what-if", WORK)
    now = snapshot.region("PL").intensity
    then = snapshot.region("SE").intensity
    assert now is not None
    assert then is not None
    page.get_by_role("button", name="What if…").click()
    field = page.get_by_role("combobox", name="Region")
    expect(field).to_be_focused()
    page.keyboard.type("sweden")
    page.keyboard.press("Enter")
    page.get_by_label("PUE").fill("0.5")
    expect(page.locator(".jp-Costmeter-whatIf [role=alert]")).to_contain_text("from 1 to 10")
    page.get_by_label("PUE").fill("1.1")
    row = page.locator(".jp-Costmeter-compared tr[data-name=emissions_g]")
    row.wait_for(timeout=10_000)
    shown = number(of(page, "notebook", "energy_j"))
    known = joules_of(fresh, "what-if/work.ipynb")  # maybe a gap more, which the panel asks for with the next cell
    ratio = 1.1 * then.g_per_kwh / (LAPTOP * now.g_per_kwh)
    expect(row).to_contain_text(f"×{float(f'{ratio:.2g}'):g}")
    joules = number(row, "data-now") * 3.6e6 / now.g_per_kwh
    assert shown * (1 - 1e-9) <= joules <= known * (1 + 1e-9)
    assert number(row, "data-then") == pytest.approx(joules * 1.1 * then.g_per_kwh / 3.6e6, rel=1e-9)
    shot(page, "costs-what-if")
    page.get_by_label("PUE").press("Escape")
    expect(row).to_have_count(0)
    switch = page.get_by_role("button", name="What if…")
    expect(switch).to_be_focused()
    switch.press("Enter")
    expect(row).to_have_count(1, timeout=10_000)  # as it was left
    page.route(
        "**/jupyter_costmeter/api/what_if**",
        lambda route: route.fulfill(status=400, body='{"message": "no GPU is called so"}'),
    )
    page.get_by_label("GPU").fill("X")
    expect(page.locator(".jp-Costmeter-whatIf [role=alert]")).to_have_text("no GPU is called so", timeout=10_000)


def test_the_settings_editor_says_the_same_place(fresh: Server, page: Page) -> None:
    opened(fresh, page, "editor", "1")
    page.get_by_role("button", name="Not now").click(timeout=10_000)
    page.keyboard.press("Control+,")
    page.locator("input[placeholder^='Search settings']").fill("cost meter")
    page.locator(".jp-PluginList-entry", has_text="Cost Meter").first.click()
    field = page.locator(".jp-Costmeter-field")
    expect(field).to_contain_text("Nobody has said it.", timeout=10_000)
    box = field.get_by_role("combobox", name="Region")
    box.fill("fra")
    box.press("Enter")
    shot(page, "costs-settings")
    field.get_by_role("button", name="Use it").click()
    expect(field).to_contain_text("France (FR)", timeout=10_000)
    expect(grid(page)).to_contain_text("Grid: France, 56 g/kWh", timeout=10_000)
    assert placed(fresh) == ("FR", None)
    settings = fresh.data.parent / "config/lab/user-settings/jupyter-costmeter/panel.jupyterlab-settings"
    assert "region" not in settings.read_text()
    shot(page, "costs-settings-set")


@pytest.fixture
def gpu_lab(tmp_path: Path) -> Iterator[tuple[Server, SimulatedNvml]]:
    """A JupyterLab on a machine with a (simulated) GPU at 300 W, and tariffs in two currencies."""
    sim = SimulatedNvml(build(tmp_path / "library"), tmp_path / "nvml", gpus=1)
    sim.set(power_w=300.0, utilization=80.0)
    (tmp_path / "root").mkdir()
    for server in serve(tmp_path / "root", "jupyterlab", **sim.env()):
        own_file(server).write_text(TARIFFS)
        yield server, sim


def test_money_and_embodied(gpu_lab: tuple[Server, SimulatedNvml], page: Page) -> None:
    server, sim = gpu_lab
    opened(server, page, "money", later="import time; time.sleep(8)")
    (kernel,) = [p for p in psutil.Process(server.process.pid).children() if "ipykernel" in " ".join(p.cmdline())]
    sim.process(0, kernel.pid, 14 << 30)
    run_cell(page, 1)
    running = page.locator(".jp-Costmeter-running [data-name=emissions_g]")
    expect(running).to_have_count(1, timeout=7000)
    settled(page, "session", 2)
    settled(page, "project", 2)
    bills = page.locator('tr[data-scope="session"] [data-name=bill]')
    expect(bills).to_have_count(2)  # never added
    assert sorted(re.findall("EUR|CHF", " ".join(bills.all_inner_texts()))) == ["CHF", "EUR"]
    expect(page.locator('tr[data-scope="session"] [data-name=cloud]')).to_contain_text("USD")
    expect(page.locator(".jp-Costmeter-labels")).to_contain_text("the same on aws, 2023-11-16")
    assert number(of(page, "session", "embodied_g")) > 0
    expect(page.locator(".jp-Costmeter-warning")).to_contain_text("gpu_huor")
    page.get_by_role("button", name="What if…").click()
    page.get_by_label("PUE").fill("1.1")
    page.locator(".jp-Costmeter-compared").wait_for(timeout=10_000)
    page.set_viewport_size({"width": 1300, "height": 1100})
    shot(page, "costs-money")
    for width in (320, 410, 560):
        widen(page, width)
        page.wait_for_timeout(300)
        page.locator(".jp-Costmeter-totals").scroll_into_view_if_needed()
        assert page.locator(".jp-Costmeter").evaluate("e => e.scrollWidth <= e.clientWidth"), width
        shot(page, f"costs-{width}")
    with dark(page):
        shot(page, "costs-dark-wide")
        narrow(page, 200)
        assert page.locator(".jp-Costmeter").evaluate("e => e.scrollWidth <= e.clientWidth")
        shot(page, "costs-dark-narrow")
    page.get_by_role("button", name="What if…").click()  # Escape, for the palette, has closed it
    page.locator(".jp-Costmeter-compared").scroll_into_view_if_needed()
    shot(page, "costs-narrow")
    panel = page.locator(".jp-Costmeter").bounding_box()
    assert panel is not None
    for ratio in page.locator(".jp-Costmeter-ratio").all():
        box = ratio.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= panel["x"] + panel["width"]
