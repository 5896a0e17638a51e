"""Who may see whose sums."""

from __future__ import annotations

import pytest

from jupyter_costmeter.hub.seeing import Person, lab, led_by, own, person_of, sees_lab
from jupyter_costmeter.shared.acting import Acting

LEADS = {"vision": ["cleo", "dora"], "speech": ["cleo"]}


@pytest.mark.parametrize(
    ("model", "person"),
    [
        ({"kind": "user", "name": "ada", "admin": True}, Person("ada", True)),
        ({"kind": "user", "name": "ada", "admin": False}, Person("ada")),
        ({"kind": "user", "name": "ada"}, Person("ada")),
        ({"kind": "user", "name": "ada", "admin": "yes"}, Person("ada")),
        ({"kind": "service", "name": "ada", "admin": True}, None),
        ({"kind": "user", "name": ""}, None),
        ({"kind": "user"}, None),
    ],
)
def test_what_the_hub_says_of_a_token(model: dict[str, object], person: Person | None) -> None:
    assert person_of(model) == person


def test_a_lead_sees_the_members_of_the_own_groups_and_nobody_else() -> None:
    cleo, ada, admin = Person("cleo"), Person("ada"), Person("eve", True)
    assert led_by(cleo, LEADS) == ["speech", "vision"]
    assert [sees_lab(one, LEADS) for one in (cleo, ada, admin)] == [True, False, True]
    assert lab(cleo, ["ben", "ada", "ben"]) == Acting("cleo", ("ada", "ben"), everybody=False)
    assert lab(admin, []) == Acting("eve", (), everybody=True)
    assert own(admin) == Acting("eve")  # of the own use also an administrator's request sees nothing else
