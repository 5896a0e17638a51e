"""The Hub's service with a real Hub: what users' servers send arrives as theirs, and nobody else's does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import golden
import hubs
import pytest
import sqlalchemy as sa
from hubs import Hub
from labs import of_hub
from shared_ledgers import Postgres
from traitlets.config import Config

from jupyter_costmeter.errors import UsageError
from jupyter_costmeter.hub import ACCESS, configure
from jupyter_costmeter.labs import Terms, read
from jupyter_costmeter.ledger import open_ledger
from jupyter_costmeter.shared import tables
from jupyter_costmeter.shared.batches import MOST_BYTES, text_of
from jupyter_costmeter.shared.planned import put
from jupyter_costmeter.shared.posting import HubLedger
from jupyter_costmeter.shared.store import Batch, Refused, SharedLedger, ShareError
from jupyter_costmeter.sharing import keep_standing, prepare, sync
from jupyter_costmeter.tag import tags_of

NOTEBOOK = {"ada": "/home/ada/paper/train.ipynb", "ben": "/home/ben/side/play.ipynb"}


def batch(name: str, *numbers: int) -> Batch:
    """Records of somebody, in a notebook of theirs."""
    info = replace(golden.SESSION, id=f"{name}-s", user="jovyan", notebook=NOTEBOOK[name])
    records = [
        replace(
            golden.record(n, 40.0, 9000.0),
            id=f"{name}-{n}",
            session_id=info.id,
            notebook=NOTEBOOK[name],
            project=f"/home/{name}/work",
        )
        for n in numbers
    ]
    return Batch([info], records, tags_of(records[0].id, {"category": "hpo"}, 1.79e9, "run", "jovyan", "pod"))


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    yield from of_hub("head")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Hub]:
    root = tmp_path_factory.mktemp("hub")
    home = Path(root / "homes" / "ada")
    with hubs.running(root, postgres) as made:
        home.mkdir(parents=True)
        waiting(home, made.service, batch("ada", 1, 2))
        for name in ("ada", "ben"):
            made.start_server(name)
        yield made


def waiting(home: Path, address: str, what: Batch) -> None:
    """In a user's home: the setting, and a ledger in which something waits."""
    (home / ".jupyter").mkdir()
    (home / ".jupyter" / "jupyter_costmeter_config.py").write_text(f"c.CostMeter.ledger_share = {address!r}\n")
    folder = home / ".local" / "share" / "jupyter" / "costmeter"
    folder.mkdir(parents=True)
    with closing(open_ledger(folder / "ledger.sqlite")) as ledger:
        ledger.begin_share(address, 1.0)
        ledger.append(what.infos[0], list(what.records))


def there(postgres: Postgres) -> set[tuple[str, str]]:
    """Whose records are in the database, by its head."""
    with closing(SharedLedger(postgres.address("head"))) as shared, shared.reading() as connection:
        return {(row.owner, row.id) for row in connection.execute(sa.select(tables.cell.c.owner, tables.cell.c.id))}


def token(hub: Hub, name: str) -> str:
    return hub.environment(name)["JUPYTERHUB_API_TOKEN"]


def post(hub: Hub, body: object, key: str | None, **headers: str) -> tuple[int, Any]:
    return hub.ask(f"{hub.service}/api/records", "POST", body, key, **headers)


def sent(name: str, *numbers: int, owner: str | None = None) -> bytes:
    return text_of(batch(name, *numbers), owner)


def test_what_waits_in_a_users_server_arrives_as_that_users(hub: Hub, postgres: Postgres) -> None:
    """By the sender in the server that the Hub has started, with the token that the Hub gave it."""
    for _ in range(100):
        if {("ada", "ada-1"), ("ada", "ada-2")} <= there(postgres):
            break
        time.sleep(0.2)
    assert {("ada", "ada-1"), ("ada", "ada-2")} <= there(postgres), (hub.root / "hub.log").read_text()[-5000:]
    folder = hub.home("ada") / ".local" / "share" / "jupyter" / "costmeter"
    with closing(open_ledger(folder / "ledger.sqlite")) as ledger:
        share = ledger.share()
    assert share is not None
    assert (share.waiting, share.problem) == (0, None)


def test_twice_is_once_and_each_is_the_tokens_owners(hub: Hub, postgres: Postgres) -> None:
    for _ in range(2):
        assert post(hub, sent("ben", 7, 8, owner="ben"), token(hub, "ben")) == (204, "")
    hers = replace(batch("ada", 7), records=[replace(batch("ada", 7).records[0], id="ben-7")])
    assert post(hub, text_of(hers), token(hub, "ada"))[0] == 204  # of the same id, and yet hers
    found = there(postgres)
    assert {("ben", "ben-7"), ("ben", "ben-8"), ("ada", "ben-7")} <= found
    assert ("hub", "ben-7") not in found
    with closing(SharedLedger(postgres.address("head"))) as shared:
        assert shared.check() == []


def test_without_a_token_that_may_nothing_is_taken(hub: Hub, postgres: Postgres) -> None:
    before, body = there(postgres), sent("ada", 90)
    may_not = hub.api("/users/ada/tokens", "POST", {"scopes": ["read:users:name!user"], "note": "less"})["token"]
    for key in (None, "", "nonsense", may_not, hub.token):
        status, said = post(hub, body, key)
        assert status == 403, (key, said)
    status, said = hub.ask(f"{hub.service}/api/records?token={token(hub, 'ada')}", "POST", body, None)
    assert status == 403, said  # what is in an address is in logs, too
    assert there(postgres) == before


def test_somebody_elses_are_refused(hub: Hub, postgres: Postgres) -> None:
    before = there(postgres)
    status, said = post(hub, sent("ada", 91, owner="ada"), token(hub, "ben"))
    assert (status, said) == (403, {"message": "these are somebody else's than the token's"})
    assert there(postgres) == before


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "the body is no JSON"),
        (b'{"version": 1, "records": [{"id": 5}]}', 400, "records[0].wall_s is 'None'; it wants number"),
        (b'{"version": 2}', 409, "a batch of version 2; this service takes 1"),
        (b'{"version": 1, "owner": "' + b"x" * MOST_BYTES + b'"}', 413, "bytes"),
    ],
)
def test_a_malformed_batch_is_refused_with_its_reason(hub: Hub, body: bytes, status: int, said: str) -> None:
    found, answer = post(hub, body, token(hub, "ada"))
    assert found == status
    assert said in answer["message"]


def test_what_the_database_refuses_says_why_and_not_where_it_is(hub: Hub, postgres: Postgres) -> None:
    whole = batch("ada", 92)
    odd = replace(whole, records=[replace(whole.records[0], execution_count=2**40)])
    status, said = post(hub, text_of(odd), token(hub, "ada"))
    assert status == 400
    assert "out of range" in said["message"]
    assert str(postgres.port) not in said["message"]


def test_what_is_no_address_of_it(hub: Hub) -> None:
    assert hub.ask(f"{hub.service}/api/nothing", "GET", None, None)[0] == 404
    assert hub.ask(f"{hub.service}/api/records", "GET", None, token(hub, "ada"))[0] == 405
    assert hub.ask(f"{hub.service}/?months=7", "GET", None, token(hub, "ada"))[0] == 400


def test_where_the_labs_budgets_stand_is_told_to_the_tokens_owner(
    hub: Hub, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As to who asks the database: the own by session, of others only the sum, and nobody's own budget."""
    mine = Terms("b1", "", "gpu_hours", 5.0, "pool", None, None, "total", "UTC", None, None, "warn", (0.8,), "all")
    others = replace(mine, id="b2", whose="person", person="ben", name="his")
    with closing(SharedLedger(postgres.address("head"))) as shared:
        for terms in (mine, others):
            put(shared, terms)
    post(hub, sent("ada", 1), token(hub, "ada"))
    post(hub, sent("ben", 1), token(hub, "ben"))
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", token(hub, "ada"))
    found = keep_standing(tmp_path / "ledger.sqlite", HubLedger(hub.service))
    assert read(tmp_path / "ledger.lab.json") == found
    (one,) = found.standings
    assert (found.person, one.terms.name) == ("ada", "all")
    assert {session for session, _ in one.mine} == {"ada-s"}
    with closing(SharedLedger(postgres.address("head"))) as shared, shared.reading() as connection:
        query = sa.select(sa.func.sum(tables.used.c.value)).where(tables.used.c.name == "gpu_reserved_s")
        rest = connection.execute(query.where(tables.used.c.owner != "ada")).scalar_one()
    assert sum(one.value or 0.0 for one in one.others) == pytest.approx(rest)
    status, _ = hub.ask(f"{hub.service}/api/standing", "GET", None, None)
    assert status == 403


# Who sees what, asked with tokens; with a browser: tests/browser/test_hub_pages.py


def test_nobody_sees_anothers_notebooks(hub: Hub) -> None:
    post(hub, sent("ada", 1), token(hub, "ada"))
    post(hub, sent("ben", 1), token(hub, "ben"))
    pages = {name: hub.ask(f"{hub.service}/", "GET", None, token(hub, name)) for name in NOTEBOOK}
    for name, other in (("ada", "ben"), ("ben", "ada")):
        status, page = pages[name]
        assert status == 200
        assert NOTEBOOK[name] in page
        assert "Wh" in page
        assert other not in page


def test_the_labs_table_is_for_no_token(hub: Hub) -> None:
    status, page = hub.ask(f"{hub.service}/lab", "GET", None, token(hub, "ben"))
    assert (status, "administrators" in page) == (403, True)
    hub.start_server("dora")  # an administrator, whose notebooks may be anybody's work
    status, page = hub.ask(f"{hub.service}/lab", "GET", None, token(hub, "dora"))
    assert (status, "not for a token" in page) == (403, True)


# From the other side


def test_the_shells_sync_goes_through_it(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JUPYTERHUB_API_TOKEN", "JUPYTERHUB_USER"):
        monkeypatch.setenv(name, hub.environment("ada")[name])
    path = tmp_path / "ledger.sqlite"
    with closing(open_ledger(path)) as ledger:
        ledger.begin_share(hub.service, 1.0)
        ledger.append(batch("ada", 20).infos[0], list(batch("ada", 20, 21).records))
    page = sync(path, hub.service)
    assert page.ok, page.text()
    assert "2 records sent" in page.title
    with pytest.raises(UsageError, match="is a Hub's service"):
        prepare(hub.service)


def test_what_is_refused_is_refused_by_itself(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = HubLedger(hub.service)
    monkeypatch.delenv("JUPYTERHUB_API_TOKEN", raising=False)
    with pytest.raises(ShareError, match="no token"):
        ledger.take(batch("ada", 30))
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "nonsense-that-is-secret")
    with pytest.raises(ShareError, match="403: a token that may access") as refused:
        ledger.take(batch("ada", 30))
    assert not isinstance(refused.value, Refused)
    assert "nonsense" not in str(refused.value)
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", token(hub, "ada"))
    long = batch("ada", 31).records[0]
    with pytest.raises(Refused, match="400: records"):
        ledger.take(Batch(batch("ada", 31).infos, [replace(long, usage=golden.usage(1e12, 1.0))]))
    with pytest.raises(Refused, match="too many for one batch"):
        ledger.take(Batch(batch("ada", 31).infos, [replace(long, label="x" * MOST_BYTES)]))
    ledger.close()
    away = HubLedger("http://127.0.0.1:1/services/costmeter")
    with pytest.raises(ShareError, match="could not be reached"):
        away.take(batch("ada", 30))
    away.close()


def test_while_the_database_is_away_all_waits(
    hub: Hub, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", token(hub, "ada"))
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    path = tmp_path / "ledger.sqlite"
    with closing(open_ledger(path)) as ledger:
        ledger.begin_share(hub.service, 1.0)
        ledger.append(batch("ada", 50).infos[0], list(batch("ada", 50, 51).records))
    postgres.stop()
    try:
        status, said = post(hub, sent("ada", 50), token(hub, "ada"))
        assert (status, said) == (503, {"message": "the lab's ledger cannot be used just now"})
        assert hub.refused_with is not None
        assert int(hub.refused_with["Retry-After"]) > 0
        page = sync(path, hub.service)
        assert not page.ok
        assert "2 waiting" in page.title
        assert any("503" in note for note in page.notes)
    finally:
        postgres.start()
    assert sync(path, hub.service).ok
    assert {("ada", "ada-50"), ("ada", "ada-51")} <= there(postgres)


# What configure adds to a Hub's configuration


def configured(c: Config, *more: Any, **named: Any) -> dict[str, list[str]]:
    configure(c, "postgresql://hub@db/lab", *more, **named)
    return {role["name"]: role.get("scopes", []) for role in c.JupyterHub.load_roles}


def test_what_is_there_stays() -> None:
    c = Config()
    c.JupyterHub.services = [{"name": "cull"}]
    c.JupyterHub.load_roles = [
        {"name": "cull", "services": ["cull"], "scopes": ["x"]},
        {"name": "user", "scopes": ["y"]},
    ]
    roles = configured(c, {"vision": ["cleo"]})
    assert [one["name"] for one in c.JupyterHub.services] == ["cull", "costmeter"]
    assert roles == {
        "cull": ["x"],
        "user": ["y", ACCESS],
        "server": ["users:activity!user", "access:servers!server", ACCESS],
        "costmeter": ["read:groups!group=vision"],
    }


def test_what_was_appended_stays_and_without_leads_and_sharing_it_needs_less() -> None:
    c = Config()
    c.JupyterHub.services.append({"name": "cull"})
    c.JupyterHub.extra_user_scopes = {"access:services!service=cull"}
    roles = configured(c, share=False)
    assert [one["name"] for one in c.JupyterHub.services] == ["cull", "costmeter"]
    assert roles == {"user": ["self", "access:services!service=cull", ACCESS]}


@pytest.mark.parametrize(
    "address", ["postgresql://hub:hunter2@db/lab", "https://hub.lab.example/services/costmeter", "x"]
)
def test_an_address_with_a_secret_or_of_no_database_is_refused(address: str) -> None:
    with pytest.raises(UsageError) as refused:
        configure(Config(), address)
    assert "hunter2" not in str(refused.value)


def test_the_docs_say_it_in_three_lines() -> None:
    lines = [line for line in hubs.the_docs_lines().splitlines() if line and not line.startswith("#")]
    assert len(lines) == 3


def test_the_service_is_told_where_the_secrets_are_and_no_secret_of_the_hubs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSFILE", "/srv/pgpass")
    monkeypatch.setenv("CONFIGPROXY_AUTH_TOKEN", "secret")
    c = Config()
    configure(c, "postgresql://hub@db/lab")
    environment = c.JupyterHub.services[-1]["environment"]
    assert environment["PGPASSFILE"] == "/srv/pgpass"
    assert "secret" not in json.dumps(environment)
