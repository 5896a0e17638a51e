"""Files of assumptions that include others: what is missing, comes, is damaged, or goes round in a circle."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from declared import of, region

from jupyter_costmeter import tables
from jupyter_costmeter.assumptions import of_file
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.errors import UsageError


def test_a_file_that_is_included_is_read_first(own: Path, home: Path) -> None:
    (home / "lab").mkdir()
    (home / "lab" / "rates.toml").write_text('[[where]]\nregion = "DE"\n\n[[where]]\nhost = "x"\nregion = "wrong"\n')
    found = of(own, 'include = ["../lab/rates.toml"]\n[[where]]\nregion = "FR"\n')
    assert [placed.region for placed in found.places] == ["DE", "FR"]
    (problem,) = found.problems
    assert "rates.toml:4: [[where]]: there is no region 'wrong'" in problem
    assert of(own, f'include = "{home}/lab/rates.toml"\n').places[0].region == "DE"


def test_one_that_is_missing_is_named(own: Path) -> None:
    found = of(own, '# mine\ninclude = ["none.toml"]\n[[where]]\nregion = "FR"\n')
    assert found.problems == (f"{own}:2: there is no {own.parent / 'none.toml'}",)
    assert region(found) == "FR"
    assert own.parent / "none.toml" in found.files  # it may come


def test_one_that_comes_or_is_mended_counts_from_then_on(own: Path, home: Path) -> None:
    """As a living kernel sees it."""
    own.write_text('include = ["lab.toml"]\n')
    costing = Costing(None, home)
    assert region(costing.assumptions) is None
    for text, expected in (("[[where", None), ('[[where]]\nregion = "FR"', "FR"), ('[[where]]\nregion = "SE"\n', "SE")):
        own.with_name("lab.toml").write_text(text)
        assert region(costing.assumptions) == expected
    own.with_name("lab.toml").unlink()
    assert region(costing.assumptions) is None


def test_a_circle_of_includes_ends(own: Path, home: Path) -> None:
    (home / "lab").mkdir()
    (home / "lab" / "a.toml").write_text('include = ["../lab/b.toml", "a.toml"]\n[[where]]\nregion = "DE"\n')
    (home / "lab" / "b.toml").write_text(f'include = ["../lab/a.toml", "{own}"]\n[[where]]\nregion = "SE"\n')
    found = of(own, 'include = ["../lab/a.toml"]\n[[where]]\nregion = "FR"\n')
    assert [placed.region for placed in found.places] == ["SE", "DE", "FR"]
    assert found.problems == ()


@pytest.mark.parametrize("what", ["5", "true", "[5]", '"a\\u0000b"', '"~nobody-of-that-name/x"', f'"{"x" * 5000}"'])
def test_what_cannot_be_included_is_a_problem(what: str, own: Path) -> None:
    found = of(own, f'\ninclude = {what}\n[[where]]\nregion = "FR"\n')
    (problem,) = found.problems
    assert problem.startswith(f"{own}:2: ")
    assert region(found) == "FR"


def test_one_file_by_itself(home: Path) -> None:
    path = home / "mine.toml"
    with pytest.raises(UsageError, match="there is no .*mine.toml"):
        of_file(path)
    path.write_text('[[where]]\nregion = "FR"\n')
    assert region(of_file(path)) == "FR"


@pytest.mark.parametrize("name", ["/dev/zero", "pipe", "large.toml"])
def test_what_is_included_and_never_ends_is_named_and_not_read(own: Path, home: Path, name: str) -> None:
    os.mkfifo(home / "pipe")
    with (home / "large.toml").open("wb") as file:
        file.truncate(tables.LARGEST + 1)
    path = home / name
    found = of(own, f'include = ["{path}"]\n[[where]]\nregion = "FR"\n')
    assert region(found) == "FR"
    assert any(str(path) in problem and "no file" in problem for problem in found.problems)
