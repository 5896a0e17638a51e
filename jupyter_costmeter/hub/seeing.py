"""Who may see whose sums: an administrator everybody's, a group's lead its members', anybody the own; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..shared.acting import Acting

Leads = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has signed in: by the Hub's name, and whether the Hub takes them for an administrator."""

    name: str
    admin: bool = False


def person_of(model: Mapping[str, Any]) -> Person | None:
    """Of what the Hub says of a token; ``None`` of a service, which is nobody."""
    name = model.get("name")
    if model.get("kind", "user") != "user" or not isinstance(name, str) or not name:
        return None
    return Person(name, model.get("admin") is True)


def led_by(person: Person, leads: Leads) -> list[str]:
    """The groups that a person leads."""
    return sorted(group for group, names in leads.items() if person.name in names)


def sees_lab(person: Person, leads: Leads) -> bool:
    """Whether there is more to see than the own use."""
    return person.admin or bool(led_by(person, leads))


def own(person: Person) -> Acting:
    """Nobody else's."""
    return Acting(person.name)


def lab(person: Person, members: Iterable[str]) -> Acting:
    """Of the lab: everybody's for an administrator, else those of the members of the groups that a person leads."""
    return Acting(person.name, tuple(sorted(set(members))), person.admin)
