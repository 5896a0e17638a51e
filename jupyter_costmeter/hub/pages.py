"""The service's pages, for browsers that the Hub has signed in: one's own use, and the lab's."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jupyterhub.services.auth import HubOAuthenticated
from tornado.web import HTTPError, RequestHandler, authenticated

from ..conditions import Book
from ..costing import Wants
from ..errors import UsageError
from ..shared import planned, usings
from ..shared.usings import Spent
from . import figures, people, planned_rows, seeing
from .answering import Answering
from .month_chart import columns, strips
from .seeing import Person

#: Whose periods may be looked at, in UTC months, this one among them.
PERIODS = {1: "this month", 3: "3 months", 12: "12 months"}
SHORT, LONG = 1, 12
NOT_YOURS = "the lab's table is for the Hub's administrators and the leads of its groups"
#: Seconds for which it is taken to be well after it was.
FRESH_S = 5.0
STYLE = Path(__file__).with_name("style.css")


class Page(HubOAuthenticated, Answering):  # type: ignore[misc]
    """A page of the person who is signed in."""

    async def prepare(self) -> None:
        self.hub_auth = self.service.pages_auth
        await self.hub_auth.get_user(self, sync=False)

    @property
    def person(self) -> Person:
        found = seeing.person_of(self.current_user)
        if found is None:
            raise HTTPError(403, "a service has no use of its own")
        return found

    def months(self, default: int) -> int:
        """What the address asks for."""
        said = self.get_query_argument("months", str(default))
        if not said.isascii() or not said.isdigit() or int(said) not in PERIODS:
            raise UsageError(f"months wants one of {', '.join(map(str, PERIODS))}")
        return int(said)

    async def found(self, read: Any, acting: Any, months: int, wants: Wants) -> list[Spent]:
        ledger = self.service.ledger.acting(acting)
        found: list[Spent] = await self.service.asked(read, ledger, months, wants["hourly_before"])
        return found

    def show(self, template: str, here: str, months: int, book: Book, **more: Any) -> None:
        sees_lab = seeing.sees_lab(self.person, self.service.leads)
        self.render(
            template, person=self.person, here=here, sees_lab=sees_lab, prefix=self.settings["prefix"], months=months,
            periods=PERIODS, heads=figures.heads(book), placed=book.assumptions, **more,
        )  # fmt: skip

    def say(self, status: int, sentence: str) -> None:
        self.render("error.html", status=status, sentence=sentence, prefix=self.settings["prefix"])


class Mine(Page):
    """One's own: by month, project and notebook."""

    @authenticated
    async def get(self) -> None:
        months, book = self.months(LONG), self.service.costing.book
        acting = seeing.own(self.person)
        found = await self.found(usings.mine, acting, months, self.service.costing.wants)
        budgets = await self.service.asked(planned.snapshot, self.service.ledger.acting(acting))
        self.show("mine.html", "mine", months, book, stands=planned_rows.stands(budgets), **_mine(found, book))


def _mine(found: Sequence[Spent], book: Book) -> dict[str, Any]:
    by_month = figures.by_month(found, book)
    return {
        "whole": figures.in_all(found, book) if found else None,
        "by_month": by_month,
        "by_project": figures.by_project(found, book),
        "by_notebook": figures.by_notebook(found, book),
        "chart": columns([(row.name, row.figures[1]) for row in reversed(by_month)], "kWh", "Electricity by month"),
    }


class Lab(Page):
    """The lab's: by person, and by person and project; for administrators and the leads of groups."""

    @authenticated
    async def get(self) -> None:
        person, months, book = self.person, self.months(SHORT), self.service.costing.book
        if not seeing.sees_lab(person, self.service.leads):
            raise HTTPError(403, NOT_YOURS)
        if getattr(self, "_token_authenticated", False):  # a notebook that somebody runs has its server's token
            raise HTTPError(403, "the lab's table is for who signs in with a browser, not for a token")
        groups = [] if person.admin else seeing.led_by(person, self.service.leads)
        members = None if person.admin else await people.members(self.service.pages_auth, groups)
        acting = seeing.lab(person, members or ())
        found = await self.found(usings.of_group, acting, months, self.service.costing.wants)
        terms, used = await self.service.asked(planned.of_group, self.service.ledger.acting(acting))
        if members is not None:
            found = [one for one in found if one.person in members]
        table = planned_rows.of_people(terms, used, members)
        self.show("lab.html", "lab", months, book, groups=groups, budgets=table, **_lab(found, book))


def _lab(found: Sequence[Spent], book: Book) -> dict[str, Any]:
    by_month, by_person = figures.by_month(found, book), figures.by_person(found, book)
    return {
        "whole": figures.in_all(found, book) if found else None,
        "by_person": by_person,
        "by_project": figures.by_person_and_project(found, book),
        "by_month": by_month,
        "chart": columns([(row.name, row.figures[1]) for row in reversed(by_month)], "kWh", "Electricity by month"),
        "shares": strips([(row.name, row.figures[1]) for row in by_person], "kWh", "Electricity by person"),
    }


class Logout(Page):
    """Out here, and out of the Hub."""

    async def get(self) -> None:
        auth = self.hub_auth
        auth.clear_cookie(self)
        self.redirect(f"{auth.hub_host}{auth.hub_prefix}logout")


class Style(RequestHandler):
    """The pages' style, which says nothing of anybody."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/css; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(STYLE.read_bytes())


class Health(Answering):
    """Whether the service, and the database behind it, can be used; for whoever asks, so it is seldom looked for."""

    async def get(self) -> None:
        if time.monotonic() - self.service.well_at[0] > FRESH_S:
            await self.service.asked(self.service.ledger.counts)
            self.service.well_at[0] = time.monotonic()
        self.finish({"ok": True})


class Nowhere(Answering):
    """All other addresses."""

    def initialize(self, service: Any = None) -> None:
        pass

    def prepare(self) -> None:
        raise HTTPError(404)
