"""Names and paths out of texts."""

from __future__ import annotations

from collections.abc import Callable
from unicodedata import normalize
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter.scrubbing import PATH, Scrubber, variants


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
        ("/home/ada/my lab/data/x.csv is read", f"{PATH} is read"),
        ("/home/ada", PATH),
        ("notebook train.ipynb took long", "notebook 1 took long"),
        ("smith%20%26%202026_x.ipynb", "notebook 2"),
        (r"smith \& 2026\_x.ipynb", "notebook 2"),
        ("smith &amp; 2026_x.ipynb", "notebook 2"),
        ("ada's run on GPU3 of cs.uni.edu", "person 1's run on machine 1 of machine 1"),
        ("ADA_lr, Grace.Hopper, HOPPER", "person 1_lr, person 2, person 2"),
        ("on bo, not on Bo", "on person 3, not on Bo"),
        ("ada@uni.edu", "[e-mail]"),
        ("~/secret/x.py, ../y/z, C:\\Users\\Eve\\a.txt, \\\\server\\share", ", ".join([PATH] * 4)),
        ("/data/imagenet/train", PATH),
        ("machine gpu3, partition hopper-gpu", "machine 1, partition 1"),
        ("https://git.uni.example/ada/x, git@github.com:uni/x.git", "a link, a link"),
        ("from 10.1.2.3 and 2001:db8::7", "from [address] and [address]"),
        ("/HOME/Ada/My Lab/Train.ipynb", "notebook 1"),
        ("BO is not bo", "BO is not person 3"),
        ("C:\\\\Users\\\\ada\\\\x.py", PATH),
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
