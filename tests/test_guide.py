"""The user's guide: built without a warning, its cells executed, its pictures the browser tests' own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pictures import GUIDE, IMAGES, compare, words_in

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PICTURE = re.compile(r"!\[[^\]]+\]\(([^)]+\.png)\)")
SHOT = re.compile(r'\b(?:shot|look)\(\w+, f?"([^"]+)"\)')
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")


def pages() -> list[Path]:
    """What is shown to readers, on GitHub and in the book."""
    return [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("guide/*.md"))]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as ``./lab docs`` does it; beside it the home of whoever builds it."""
    folder = tmp_path_factory.mktemp("book")
    home = folder / "home"
    home.mkdir()
    folders = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    words = ["-n", "-W", "--keep-going", "-q", "-d", str(folder / "doctrees"), str(DOCS), str(folder / "html")]
    env = {**os.environ, **folders, "HOME": str(home), "IPYTHONDIR": str(home / "ipython")}
    command = [sys.executable, "-m", "sphinx", *words]
    built = subprocess.run(command, env=env, capture_output=True, text=True, timeout=540, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "html"


@pytest.mark.timeout(600)
def test_it_is_built_without_a_warning(book: Path) -> None:
    for page in [*DOCS.glob("*.md"), *DOCS.glob("guide/*.md")]:
        assert (book / page.relative_to(DOCS).with_suffix(".html")).is_file()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("first-steps", "simulated energy counter.*FR, France.*parts"),
        ("budgets", "Budget set: GPU quota.*where it went.*BudgetHold.*This cell was not started.*Budget changed"),
        ("statement", r"where it went, by category.*NeurIPS Paper Checklist.*section\*.*Digest of the whole file"),
        ("review", "whole, and its figures follow from its records.*things are wrong.*it was changed"),
        ("lab", "2 rates, 0 mistakes.*GPU quota.*records taken.*job.ipynb"),
        ("everywhere", "Wrote train.run.ipynb.*measure evaluate: .*evaluate.*No metered kernel is running"),
    ],
)
def test_what_stands_below_a_cell_came_out_of_it(book: Path, page: str, said: str) -> None:
    html = (book / "guide" / f"{page}.html").read_text(encoding="utf-8")
    answers = " ".join(re.findall(r'<div class="cell_output.*?(?=<div class="cell |</article>)', html, re.DOTALL))
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answers))
    assert re.search(said, text), text


@pytest.mark.timeout(600)
def test_it_asks_nobody_and_touches_nothing_of_the_readers(book: Path) -> None:
    asked = re.compile(r'<(?:script|img|iframe)[^>]+src="(?:https?:)?//|<link[^>]+href="(?:https?:)?//')
    assert [page.name for page in book.rglob("*.html") if asked.search(page.read_text(encoding="utf-8"))] == []
    assert not list((book.parent / "home").rglob("*costmeter*"))


def test_each_picture_is_made_by_a_test_and_shown() -> None:
    """None is left over, and none can be made by hand."""
    shown = {Path(name).name for page in pages() for name in PICTURE.findall(page.read_text(encoding="utf-8"))}
    there = {path.name for path in IMAGES.iterdir()}
    assert shown == there == set(GUIDE)
    for name in there:
        assert (IMAGES / name).stat().st_size < 120_000, name
        assert words_in(IMAGES / name), f"{name} was not taken by WRITE_SHOTS=1"


def test_each_shot_of_the_guide_is_one_of_a_test() -> None:
    taken = [name for path in (ROOT / "tests/browser").glob("test_*.py") for name in SHOT.findall(path.read_text())]
    patterns = [re.compile(re.sub(r"\\{.*?\\}", ".+", re.escape(name))) for name in taken]
    assert [of for of, _ in GUIDE.values() if not any(pattern.fullmatch(of) for pattern in patterns)] == []


def test_a_picture_of_what_is_no_more_is_named() -> None:
    words = words_in(IMAGES / "statement.png")
    compare(IMAGES / "statement.png", words | {"another"})
    with pytest.raises(AssertionError, match="statement.png shows something else by now"):
        compare(IMAGES / "statement.png", {"Budget", "Raise", "Hold"})


def anchors(page: Path) -> set[str]:
    """A page's headings, as GitHub names them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+?)\s*$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_somewhere_on_github_too(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if not re.match(r"\w+:", link):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link
