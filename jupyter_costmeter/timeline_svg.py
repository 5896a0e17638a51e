"""The timeline as a still picture (SVG), for where no script runs: an exported notebook, a printed page."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator, Sequence

from . import charts, scales
from .periods import local
from .record import Bucket
from .statement_charts import SHADES
from .timeline import Band, Line, Step, Timeline
from .timeline_charts import FILLS, LANES, Names, called, shade
from .timeline_fewer import Looked, decimated

WIDTH, HEIGHT, LANE, LEFT, TOP = 820, 190, 16, 78, 18
#: As many steps and bands as there are points of the picture.
POINTS = 700
#: Neither the page's theme nor its colours are known in a picture: this is read on white and on black.
INK = "#808080"
TEXT = f'font-family="system-ui, sans-serif" font-size="11" fill="{INK}"'


def picture(found: Timeline, names: Names, told: str) -> str:
    """An ``<img>`` that needs nothing else; ``told`` says the same in words."""
    body = base64.b64encode(svg(found, names).encode()).decode()
    return f'<img alt="{html.escape(told)}" style="max-width:100%" src="data:image/svg+xml;base64,{body}">'


def svg(found: Timeline, names: Names) -> str:
    """Power above, lanes of cells and of what lies between them below."""
    foot = TOP * (1 + len(found.lines)) + HEIGHT
    height = foot + (LANE + 4) * len(found.bands) + 26
    shown = Looked(found.start, max(found.end, found.start + 1e-3))
    lines = decimated_lines(found)
    body = [*_axis(lines, foot), *_legend(found, names)]
    body += [_path(line, SHADES[at % len(SHADES)], shown, _highest(lines), foot) for at, line in enumerate(lines)]
    for at, (bucket, bands) in enumerate(found.bands.items()):
        body += _lane(bucket, bands, shown, foot + 4 + (LANE + 4) * at)
    body += _times(shown, height - 10)
    view = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {view}>{"".join(body)}</svg>'


def decimated_lines(found: Timeline) -> list[Line]:
    """No more steps than points."""
    fewer = [decimated(list(line.steps), Step.several, POINTS)[0] for line in found.lines]
    return [Line(line.device, tuple(steps), line.energy) for line, steps in zip(found.lines, fewer, strict=True)]


def _highest(lines: Sequence[Line]) -> float:
    return max((step.watts or 0.0 for line in lines for step in line.steps), default=0.0) or 1.0


def _x(at: float, shown: Looked) -> float:
    return LEFT + (WIDTH - LEFT - 8) * (at - shown.start) / (shown.end - shown.start)


def _axis(lines: Sequence[Line], foot: float) -> Iterator[str]:
    highest = _highest(lines)
    scale = scales.even(highest, "W")
    for watts, label in scales.even_ticks(highest, scale).items():
        y = foot - HEIGHT * watts / (1.08 * highest)
        if y >= foot - HEIGHT:
            yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - 8}" stroke="{INK}" stroke-opacity=".25"/>'
            yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" {TEXT}>{label} {scale.unit}</text>'


def _legend(found: Timeline, names: Names) -> Iterator[str]:
    for at, line in enumerate(found.lines):
        y, name = (
            TOP * (at + 1) - 4,
            f"{called(line.device, names)}, mean power, {line.energy.method or 'not measured'}",
        )
        yield f'<path d="M{LEFT} {y - 4}h18" stroke="{SHADES[at % len(SHADES)]}" stroke-width="3"/>'
        yield f'<text x="{LEFT + 24}" y="{y}" {TEXT}>{html.escape(name)}</text>'


def _path(line: Line, colour: str, shown: Looked, highest: float, foot: float) -> str:
    drawn, end = list[str](), None
    for step in line.steps:
        if step.watts is not None:
            y = foot - HEIGHT * step.watts / (1.08 * highest)
            joint = f"V{y:.1f}" if step.start == end else f"M{_x(step.start, shown):.1f} {y:.1f}"
            drawn.append(f"{joint}H{_x(step.end, shown):.1f}")
            end = step.end
    return f'<path d="{"".join(drawn)}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _lane(bucket: Bucket, bands: Sequence[Band], shown: Looked, y: float) -> Iterator[str]:
    yield f'<text x="{LEFT - 6}" y="{y + 12}" text-anchor="end" {TEXT}>{LANES[bucket]}</text>'
    alike: dict[str, list[str]] = {FILLS[bucket]: []}
    for band in decimated(list(bands), Band.several, POINTS)[0]:
        start, end = _x(band.start, shown), _x(band.end, shown)
        alike.setdefault(shade(band), []).append(f"M{start:.1f} {y}h{max(0.5, end - start):.1f}v{LANE}H{start:.1f}z")
    for fill, drawn in alike.items():
        yield f'<path d="{"".join(drawn)}" fill="{fill}" fill-opacity=".8" stroke="{fill}" stroke-width=".3"/>'


def _times(shown: Looked, y: float) -> Iterator[str]:
    long = shown.end - shown.start > charts.DAY_S
    for at in charts.ticks(shown.start, shown.end, "") or _edges(shown):
        when = local(at, "")
        label = f"{when:%d %b %H:%M}" if long else f"{when:%H:%M}" if when.second == 0 else f"{when:%H:%M:%S}"
        yield f'<text x="{_x(at, shown):.1f}" y="{y}" text-anchor="middle" {TEXT}>{label}</text>'


def _edges(shown: Looked) -> list[float]:
    """Of a time in which no whole hour lies."""
    return [shown.start + (shown.end - shown.start) * part for part in (0.05, 0.5, 0.95)]
