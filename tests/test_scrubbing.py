"""Names and paths out of texts."""

from __future__ import annotations

import time
from collections.abc import Callable
from unicodedata import normalize
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.scrubbing import Scrubber, variants


@pytest.fixture
def scrubber() -> Scrubber:
    found = Scrubber()
    for what, name, alias in (
        ("machine", "gpu3.cs.uni.edu", "machine 1"),
        ("person", "ada", "person 1"),
        ("person", "grace.hopper", "person 2"),
        ("person", "bo", "person 3"),
        ("person", "root", "person 4"),
        ("notebook", "/home/ada/my lab/train.ipynb", "notebook 1"),
        ("notebook", "/home/ada/my lab/smith & 2026_x.ipynb", "notebook 2"),
        ("project", "/home/ada/my lab", "project 1"),
        ("partition", "hopper-gpu", "partition 1"),
    ):
        found.add(variants(what, name), alias)
    return found


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("/home/ada/my lab/jupyter_costmeter.toml:3: no price", "jupyter_costmeter.toml:3: no price"),
        ("see /home/ada/.jupyter/jupyter_costmeter.toml:12.", "see jupyter_costmeter.toml:12."),
        ("/home/ada/my lab/train.ipynb", "notebook 1"),
        ("file:///home/ada/my%20lab/train.ipynb", "notebook 1"),
        ("/home/ada/my lab", "project 1"),
        ("/home/ada/my lab/data/x.csv is read", "[path 1] is read"),
        ("/home/ada", "[path 1]"),
        ("notebook train.ipynb took long", "notebook 1 took long"),
        ("smith%20%26%202026_x.ipynb", "notebook 2"),
        (r"smith \& 2026\_x.ipynb", "notebook 2"),
        ("smith &amp; 2026_x.ipynb", "notebook 2"),
        ("ada's run on GPU3 of cs.uni.edu", "person 1's run on machine 1 of machine 1"),
        ("ADA_lr, Grace.Hopper, HOPPER", "person 1_lr, person 2, person 2"),
        ("on bo, not on Bo", "on person 3, not on Bo"),
        ("ada@uni.edu", "[e-mail 1]"),
        ("~/secret/x.py, ../y/z, C:\\Users\\Eve\\a.txt, \\\\server\\share", "[path 1], [path 2], [path 3], [path 4]"),
        ("/data/imagenet/train", "[path 1]"),
        ("machine gpu3, partition hopper-gpu", "machine 1, partition 1"),
        ("https://git.uni.example/ada/x, git@github.com:uni/x.git", "[link 1], [link 2]"),
        ("from 10.1.2.3 and 2001:db8::7", "from [address 2] and [address 1]"),
        ("/HOME/Ada/My Lab/Train.ipynb", "notebook 1"),
        ("BO is not bo", "BO is not person 3"),
        ("C:\\\\Users\\\\ada\\\\x.py", "[path 1]"),
        ("GPU-12345678-1234-1234-1234-123456789abc, GPU-12345678-1234-1234-1234-123456789abd", "GPU-1, GPU-2"),
    ],
)
def test_no_name_is_left(text: str, clean: str, scrubber: Scrubber) -> None:
    assert scrubber.clean(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "canada adapts; gCO2e/kWh, 1/2, and/or, n/a, Wh / 1000, ×/÷ 3",
        "https://ourworldindata.org/grapher/carbon (average, lifecycle) × PUE 1.56",
        "root mean square", "train", "GPU-1: 3 × A100", "r1#param.lr", "mAP@0.5", "driver 535.104.12",
        "12.5 kWh at 3 W",
    ],
)  # fmt: skip
def test_what_names_nobody_stays(text: str, scrubber: Scrubber) -> None:
    assert scrubber.clean(text) == text


def test_a_bare_name_of_a_file_is_one_only_in_the_authors_texts(scrubber: Scrubber) -> None:
    assert scrubber.clean("label smith & 2026_x") == "label smith & 2026_x"
    assert scrubber.clean("label smith & 2026_x", bare=True) == "label notebook 2"
    assert scrubber.clean("my lab train", bare=True) == "project 1 train"  # "train" is a category


def test_a_name_that_is_a_word_of_ours_spoils_nothing() -> None:
    scrubber = Scrubber()
    for name in ("a", "x", "W", "7", "42", "train", "TRAIN", "kWh", "GPU", "Ｔrain"):
        scrubber.add(variants("person", name), "person 1")
    text = "a train of 42 GPU at 7 W: x kWh"
    assert scrubber.clean(text, bare=True) == text


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize("case", [str, str.upper, str.lower])
@pytest.mark.parametrize("name", ["josé", "Grüße", "ﬁsher", "Ångström", "אִמָּא", "राम्या", "o'neil", '"q"u', "İzmir"])
def test_a_name_in_another_form_is_that_name(name: str, case: Callable[[str], str], form: str) -> None:
    scrubber = Scrubber()
    scrubber.add(variants("person", name), "person 1")
    scrubber.add(variants("notebook", f"/data/{name}/{name}2.ipynb"), "notebook 1")
    for written in (case(normalize(form, name)), normalize(form, case(name))):
        assert scrubber.clean(f"by {written}: x") == "by person 1: x"
        assert scrubber.clean(f"in /data/{written}/{written}2.ipynb: x") == "in notebook 1: x"
        assert scrubber.clean(f"in {quote(written)}2, x", bare=True) == "in notebook 1, x"


@pytest.mark.parametrize(
    ("what", "name", "texts"),
    [
        ("person", "zo\u00e9.m\u00fcller", ("by-zo\u00e9", "ZO\u00c9", "zoe\u0301_2", "M\u00dcLLER")),
        ("person", "ada-kim", ("Ada", "KIM", "by ada")),
        ("machine", "node7.lab.institut-x.edu", ("institut-x cluster", "Institut X", "institut_x", "node7")),
        (
            "notebook",
            "/p/Modell Gr\u00f6\u00dfe.ipynb",
            ("modell_gr\u00f6\u00dfe", "ModellGr\u00f6\u00dfe", "MODELL-GR\u00d6SSE"),
        ),
        (
            "project",
            "/p/Projekt \u00dcbersee",
            ("Projekt-\u00dcbersee", "projekt\u00fcbersee", "projekt_u\u0308bersee"),
        ),
    ],
)
def test_parts_of_names_however_they_are_joined(what: str, name: str, texts: tuple[str, ...]) -> None:
    scrubber = Scrubber()
    scrubber.add(variants(what, name), f"{what} 1")
    for text in texts:
        assert f"{what} 1" in scrubber.clean(text, bare=True)
        assert not set(scrubber.clean(text, bare=True).split()) & set(text.split()) - {"cluster", "by"}


@pytest.mark.parametrize(
    "text", ["hpo on gpu", "kWh and EUR", "seed 3", "search by grid", "NVIDIA RTX 6000 Ada", "lab x"]
)
def test_a_short_part_of_a_name_spoils_no_words_of_ours(text: str) -> None:
    scrubber = Scrubber()
    for name in ("ada.hpo", "kwh.eur", "gpu.seed", "grid.lab", "a_b"):
        scrubber.add(variants("person", name), "person 1")
    scrubber.add(variants("machine", "n1.lab.cloud.org"), "machine 1")
    assert scrubber.clean(text) == text


def test_what_differs_gets_another_number(scrubber: Scrubber) -> None:
    assert scrubber.clean("/a/b, /a/c, /a/b") == "[path 1], [path 2], [path 1]"
    ours = "jupyter_costmeter.toml:3"
    assert scrubber.clean(f"/a/b/{ours}, /a/c/{ours}") == f"{ours}, [folder 2]/{ours}"


@pytest.mark.parametrize("part", ["a", "a.", "a@", " /a", "/home/a ", "1.2.3.4 ", "a:", "a.a+", " \\\\a", "my ", "%C3"])
def test_a_long_text_takes_as_long_as_it_is(part: str, scrubber: Scrubber) -> None:
    """Four times the text takes no sixteen times as long; it did, more than two seconds."""
    short, long = (_seconds(scrubber, (part * size)[:size]) for size in (10_000, 40_000))
    assert long < max(10 * short, 0.5)


def _seconds(scrubber: Scrubber, text: str) -> float:
    start = time.perf_counter()
    scrubber.clean(text, bare=True)
    return time.perf_counter() - start


NAMES = st.text("abcdefgh._- é中", min_size=3, max_size=12).filter(lambda name: len(name.strip(" ._-")) > 2)


@given(NAMES.map(str.strip), st.text(max_size=20), st.text(max_size=20))
def test_a_host_stands_in_no_text(name: str, before: str, after: str) -> None:
    scrubber = Scrubber()
    scrubber.add(variants("machine", name), "machine 1")
    assert name not in scrubber.clean(f"{before} {name} {after}").replace("machine 1", "")


PART = st.text("abcXYZ é中._-", min_size=1, max_size=8).filter(lambda part: part.strip(" ."))


@given(st.lists(PART, min_size=2, max_size=4))
def test_a_known_path_stands_in_no_text(parts: list[str]) -> None:
    path = "/" + "/".join(part.strip(" ") or "x" for part in parts) + "/n.ipynb"
    scrubber = Scrubber()
    scrubber.add(variants("notebook", path), "notebook 1")
    assert scrubber.clean(f"in {path}: x") == "in notebook 1: x"
