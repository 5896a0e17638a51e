"""Bars as SVG that stands in the page itself: no script draws it, and the page's own colours are in it."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from .. import scales
from .figures import Figure

WIDTH, HEIGHT, LEFT, TOP, FOOT = 720, 200, 74, 26, 24
STRIP, NAMES = 26, 150
Bars = Sequence[tuple[str, Figure]]


def columns(bars: Bars, unit: str, told: str) -> str:
    """One column each, from left to right; empty where there is nothing to draw."""
    most = max((figure.value or 0.0 for _, figure in bars), default=0.0)
    if most <= 0:
        return ""
    scale = scales.even(most, unit)
    ticks = scales.even_ticks(most, scale)
    top = max(ticks)
    name = f'<text x="{LEFT - 8}" y="12" text-anchor="end">{html.escape(scale.unit)}</text>'
    body = [name, *_grid(ticks, top), *_columns(bars, top)]
    return _svg(body, TOP + HEIGHT + FOOT, f"{told}, in {scale.unit}")


def _grid(ticks: dict[float, str], top: float) -> Iterator[str]:
    for at, label in ticks.items():
        y = TOP + HEIGHT * (1 - at / top)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{html.escape(label)}</text>'


def _columns(bars: Bars, top: float) -> Iterator[str]:
    room = (WIDTH - LEFT) / len(bars)
    wide = min(56.0, room * 0.7)
    for at, (name, figure) in enumerate(bars):
        high, middle = HEIGHT * (figure.value or 0.0) / top, LEFT + room * (at + 0.5)
        place = f'x="{middle - wide / 2:.1f}" y="{TOP + HEIGHT - high:.1f}" width="{wide:.1f}" height="{high:.1f}"'
        yield f"<g>{_title(name, figure)}<rect {place}/>"
        yield f'<text x="{middle:.1f}" y="{TOP + HEIGHT + 17}" text-anchor="middle">{html.escape(name)}</text></g>'


def strips(bars: Bars, unit: str, told: str) -> str:
    """One strip each, from above, with its amount; empty where there is nothing to draw."""
    most = max((figure.value or 0.0 for _, figure in bars), default=0.0)
    if most <= 0:
        return ""
    room = WIDTH - NAMES - 110
    body = list[str]()
    for at, (name, figure) in enumerate(bars):
        y, wide = at * STRIP, room * (figure.value or 0.0) / most
        body.append(f'<g>{_title(name, figure)}<text x="{NAMES - 8}" y="{y + 17}" text-anchor="end">')
        body.append(f"{html.escape(_short(name))}</text>")
        body.append(f'<rect x="{NAMES}" y="{y + 4}" width="{wide:.1f}" height="{STRIP - 8}"/>')
        body.append(f'<text x="{NAMES + wide + 6:.1f}" y="{y + 17}">{html.escape(figure.text)}</text></g>')
    return _svg(body, STRIP * len(bars), told)


def _title(name: str, figure: Figure) -> str:
    return f"<title>{html.escape(f'{name}: {figure.text}')}</title>"


def _short(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:19]}…"


def _svg(body: Sequence[str], height: float, told: str) -> str:
    label = html.escape(told, quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{label}">{"".join(body)}</svg>'
