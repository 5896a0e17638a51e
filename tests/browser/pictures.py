"""The pictures of the user's guide are shots of these tests, so that they show what there is.

``WRITE_SHOTS=1 ./lab test tests/browser`` takes them anew. Without it each run compares the words that are seen with
those that were there when the picture was taken (they are in its file), and fails where it shows something else by now.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from PIL import Image, ImageChops, PngImagePlugin
from playwright.sync_api import Page

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
WRITE = bool(os.environ.get("WRITE_SHOTS"))
#: Of each picture in ``docs/images`` the shot that it is, and which element of the page is in it (empty: all of it).
GUIDE = {
    "panel.png": ("badge-light", ""),  # the README's
    "budgets.png": ("budgets-spent", ""),  # the README's, too
    "first-look.png": ("sections-first", ".jp-Costmeter"),
    "sidebar.png": ("sections-open-running", ".jp-Costmeter"),
    "sidebar-dark.png": ("sections-dark", ".jp-Costmeter"),
    "below-cells.png": ("badge-light", ".jp-Notebook"),
    "budget-warning.png": ("budgets-warned", ""),
    "timeline.png": ("timeline-light", "#jp-main-dock-panel"),
    "statement.png": ("statement-form", ".jp-Costmeter-paper"),
    "export.png": ("export-menu", ""),
    "notebook7.png": ("notebook7", ""),
    "widget.png": ("widget-notebook7-running", ".jp-Notebook"),
    "hub.png": ("hub-mine", ""),
    "hub-lab.png": ("hub-lab", ""),
}
#: How much of the words must be the same: a row more or less is no other picture.
ALIKE = 0.6


def keep(page: Page, shot: str) -> None:
    """Write the guide's pictures that are of this shot, or see that those which are there are still true."""
    for name, (of, element) in GUIDE.items():
        if of == shot:
            words = _words(page.locator(element or "body").first.inner_text())
            if WRITE:
                _write(page, IMAGES / name, element, words)
            elif (IMAGES / name).exists():
                compare(IMAGES / name, words)


def words_in(path: Path) -> set[str]:
    """What was to be read when it was taken."""
    with Image.open(path) as image:
        return set(str(image.info.get("words", "")).split())


def _words(text: str) -> set[str]:
    """Without figures and units, which differ each time."""
    return set(re.findall(r"[^\W\d_]{4,}", text))


def compare(path: Path, words: set[str]) -> None:
    """Fails where the page says something else than the picture."""
    before = words_in(path)
    alike = len(before & words) / max(1, len(before | words))
    assert alike >= ALIKE, (
        f"docs/images/{path.name} shows something else by now; WRITE_SHOTS=1 and this test take it anew.\n"
        f"No more there: {sorted(before - words)}\nNew: {sorted(words - before)}"
    )


def _write(page: Page, path: Path, element: str, words: set[str]) -> None:
    box = _shown(page, element) if element else None
    page.screenshot(path=str(path), **({"clip": box} if box else {}))  # type: ignore[arg-type]
    with Image.open(path) as shot:
        image = shot.convert("RGB")
    said = PngImagePlugin.PngInfo()
    said.add_itxt("words", " ".join(sorted(words)))
    small = (_trimmed(image) if element else image).quantize(128, dither=Image.Dither.NONE)
    small.save(path, optimize=True, pnginfo=said)


def _shown(page: Page, element: str) -> object:
    """Where it is; the panel from its top on."""
    if element == ".jp-Costmeter":
        page.locator(element).evaluate("e => [e, ...e.querySelectorAll('*')].forEach(one => (one.scrollTop = 0))")
    page.locator(element).first.scroll_into_view_if_needed()
    return page.locator(element).first.bounding_box()


def _trimmed(image: Image.Image) -> Image.Image:
    """Without what is empty below."""
    empty = Image.new("RGB", image.size, image.getpixel((image.width // 2, image.height - 3)))  # type: ignore[arg-type]
    used = ImageChops.difference(image, empty).crop((4, 0, image.width - 4, image.height - 4)).getbbox()
    return image.crop((0, 0, image.width, min(image.height, used[3] + 12))) if used else image
