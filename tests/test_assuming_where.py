"""`where`: by which name, what it keeps of what was said, and who wins."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from costing_words import HOST, Words, derived, row
from shell import costmeter, said

from jupyter_costmeter.assumptions import load
from jupyter_costmeter.toml_files import NAME

# Where


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("FR", "FR, France"),
        ("us-ca", "US-CA, California"),
        ("california", "US-CA, California"),
        ("gcp/us-central1", "gcp/us-central1, "),
    ],
)
def test_a_place_by_its_id_or_name(asked: str, named: str, words: Words, metered: Path) -> None:
    shown = words("where", asked)
    assert f"Where {HOST} stands" in shown
    assert re.search(rf"region +{re.escape(named)}.* +{re.escape(str(metered))}:1", shown)
    assert f"Written to {metered}. What was metered before counts by it, too." in shown
    assert words("where").splitlines()[:7] == shown.splitlines()[:7]
    assert "Written" not in words("where")


def test_a_kind_and_a_pue_stay_until_others_are_said(words: Words) -> None:
    assert row(words("where", "FR", "--kind", "laptop"), "PUE")[1] == "1"
    shown = words("where", "--pue", "1.25")
    assert (row(shown, "kind of place")[1], row(shown, "PUE")[1]) == ("laptop", "1.25")
    assert f"declared: declared in {NAME}:" in shown
    shown = words("where", "--kind", "lab")
    assert (row(shown, "kind of place")[1], row(shown, "PUE")[1]) == ("lab", "1.25")
    shown = words("where", "SE")
    assert (row(shown, "kind of place")[1], row(shown, "PUE")[1]) == ("lab", "1.25")
    shown = words("where", "gcp/us-central1")  # a cloud is no lab
    assert row(shown, "kind of place")[1] == "cloud"


def test_a_kind_alone_leaves_what_a_file_says_of_all_machines(words: Words, metered: Path) -> None:
    before = '[[where]]\nregion = "SE"\npue = 1.1\npue_source = "the report"\n'
    metered.write_text(before)
    shown = words("where", "--kind", "lab")
    assert (row(shown, "kind of place")[1], row(shown, "PUE")[1]) == ("lab", "1.1")
    assert metered.read_text() == f'{before}\n[[where]]\nhost = "{HOST}"\nregion = "SE"\nkind = "lab"\npue = 1.1\n'


def test_a_nearer_file_that_says_another_place_is_named(words: Words, metered: Path) -> None:
    nearer = Path(NAME).absolute()
    nearer.write_text(f'[[where]]\nregion = "PL"\n[[where]]\nhost = "{HOST}"\nregion = "DE"\n')
    shown = words("where", "SE")
    assert f"Written to {metered}, but {nearer}:3, which is nearer, says DE." in shown
    assert row(shown, "region")[1] == "DE, Germany"
    nearer.write_text('[[where]]\nregion = "DE"\n')  # of all machines: the own row is more exact
    assert f"Written to {metered}. What was metered before counts by it, too." in words("where", "NO")


def test_other_machines_and_other_times(words: Words, metered: Path) -> None:
    words("where", "DE")
    shown = words("where", "FR", "--from", "2026-10-01")
    assert "What was metered before 2026-10-01 stays as it was." in shown
    assert "the file says other things of other times" in shown
    assert "Where gpu-* stands" in words("where", "PL", "--host", "gpu-*")
    assert row(words("where", "--host", "gpu-07"), "region")[1] == "PL, Poland"
    found = load()
    assert [(p.host, p.region) for p in found.places] == [(HOST, "DE"), (HOST, "FR"), ("gpu-*", "PL")]
    assert metered.read_text().count("from = 2026-10-01") == 1
    assert row(words("where", "--host", "gpu-*", "--forget"), "region")[1] == "not known"
    assert f"Taken out of {metered}: all that it said of {HOST}." in words("where", "--forget")
    assert f"{metered} says nothing of {HOST}." in words("where", "--forget")
    assert load().places == ()


def test_forgetting_says_what_still_places_the_machine(words: Words, metered: Path) -> None:
    metered.write_text('[[where]]\nregion = "SE"\n')
    words("where", "FR")
    assert row(words("where", "--forget"), "region")[1] == "SE, Sweden"


def test_regions_are_searched(words: Words) -> None:
    shown = words("where", "--search", "geor")
    assert shown.startswith("2 regions")
    assert row(shown, "GE")[1:] == ["Georgia", "168", "2023", "lifecycle"]
    assert row(shown, "US-GA")[4] == "direct"
    assert "not comparable" in shown
    assert int(words("where", "--search").split()[0]) > 290
    assert "No region is called 'zzzz'" in words("where", "--search", "zzzz")
    assert "several regions are called 'georgia': GE (Georgia), US-GA (Georgia); give the id" in words(
        "where", "georgia", code=2
    )


def test_what_the_environment_suggests_is_not_used(words: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    shown = words("where")
    assert "A suggestion, not used before you say so: AWS_REGION is eu-west-3; `%cost where aws/eu-west-3`" in shown
    assert row(shown, "region")[1] == "not known"
    assert "suggestion" not in words("where", "SE")
    assert derived(words, "emissions_g")["sources"][0].startswith("SE: ")


def test_a_shell_says_it_for_all_later_ones(metered: Path, home: Path) -> None:
    assert "SE, Sweden" in said(costmeter("where", "SE", "--pue", "1.1", cwd=home))
    shown = said(costmeter("summary", cwd=home / "paper"))
    assert "SE: Our World in Data 2023" in shown
    assert "× PUE 1.1" in shown
    assert "there is no region 'Frnace'" in said(costmeter("where", "Frnace", cwd=home), 2)


def test_a_file_that_cannot_be_written_is_a_failure(words: Words, metered: Path) -> None:
    metered.parent.rmdir()
    metered.parent.write_text("no folder")
    assert "cannot write" in words("where", "FR", code=1)
    assert "Nobody said where this ran" in words("summary")


def test_a_planned_move_is_told_and_can_be_undone_alone(words: Words, metered: Path) -> None:
    words("where", "DE", "--kind", "lab")
    shown = words("where", "SE", "--from", "2126-01-02")
    assert "From 2126-01-02 on (UTC): SE, Sweden" in shown
    assert re.search("region +DE, Germany", shown)
    assert "the move on 2126-01-02" in words("where", "--forget", "--from", "2126-01-02")
    assert "SE, Sweden" not in words("where")
    assert re.search("region +DE, Germany", words("where"))
    assert f"says nothing of {HOST} from 2126-01-02 on" in words("where", "--forget", "--from", "2126-01-02")
