"""A Bokeh chart in HTML, with no network: beside a table in a notebook, and in a file that holds all it needs.

In a notebook BokehJS comes from the Jupyter server that shows it (``server/bokeh.py``), so that a notebook does not
carry a megabyte for each chart; where there is none, as on a page that only shows notebooks, a sentence stands there.
"""

from __future__ import annotations

import html
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Where the server has it, below its base URL.
SCRIPT = "jupyter_costmeter/api/bokeh/bokeh.min.js"
#: Stands for the colour of the page's text, which is only known there: a chart is drawn anew when a theme changes it.
INK = "#010203"
DRAW = """(async () => {
  const node = document.getElementById(%(id)s), made = %(item)s;
  const fits = all => all && [all, ...Object.values(all)].find(one => one && one.embed && one.version === made.version);
  const load = () => new Promise((done, failed) => {
    const data = document.getElementById('jupyter-config-data');
    if (!data) return failed();
    const mine = document.createElement('script'), had = window.Bokeh;
    mine.src = JSON.parse(data.textContent).baseUrl + %(script)s;
    mine.onerror = failed;
    mine.onload = () => { const it = fits(window.Bokeh); if (!had) delete window.Bokeh; it ? done(it) : failed(); };
    document.head.appendChild(mine);
  });
  let views = null;
  const ink = () => getComputedStyle(node).color;
  const draw = async () => {
    const bokeh = fits(window.Bokeh) || await (window.costmeterBokeh ??= load());
    if (views) views.clear();
    node.textContent = '';
    views = await bokeh.embed.embed_item(JSON.parse(JSON.stringify(made).replaceAll(%(ink)s, ink())), node);
  };
  try {
    await draw();
    let last = ink();
    const again = () => setTimeout(() => { if (node.isConnected && ink() !== last) { last = ink(); draw(); } }, 200);
    new MutationObserver(again).observe(document.body, { attributes: true });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', again);
  } catch { window.costmeterBokeh = undefined; }
})();"""
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
style-src 'unsafe-inline'; img-src data:">
<title>%(title)s</title>
<style>:root{color-scheme:light dark} body{font:14px/1.5 system-ui,sans-serif;max-width:860px;margin:2em auto;\
padding:0 1em} table{border-collapse:collapse;margin:1em 0} td,th{padding:.2em .8em;border-bottom:1px solid #8884}\
</style>%(script)s</head>
<body>%(body)s</body></html>
"""


def fragment(item: Mapping[str, Any], instead: str, still: str = "") -> str:
    """A chart to stand in a page; ``instead`` is what is read where it cannot be drawn.

    Args:
        item: as ``bokeh.embed.json_item`` makes it, with ``INK`` for the colour of text.
        instead: plain text.
        still: a picture of it, as HTML, for where no script runs.
    """
    name = f"costmeter-{secrets.token_hex(6)}"  # a notebook may show one twice
    draw = DRAW % {"id": _js(name), "item": _js(item), "script": _js(SCRIPT), "ink": _js(INK)}
    told = still or f"<small>{html.escape(instead)}</small>"
    return f'<div id="{name}">{told}</div><script>{draw}</script>'


def _js(value: Any) -> str:
    """A literal that ends no script, whatever the names in it."""
    return json.dumps(value).replace("<", "\\u003c")


def whole(title: str, body: str, charts: bool = True) -> str:
    """A file of its own around a body in HTML; with BokehJS in it where it holds ``charts``, and asking no server."""
    script = f"<script>{bokeh_js()}</script>" if charts else ""
    return PAGE % {"title": html.escape(title), "body": body, "script": script}


def bokeh_js() -> str:
    """BokehJS as the installed package has it."""
    from bokeh.util.paths import bokehjs_path

    return Path(bokehjs_path(), "js", "bokeh.min.js").read_text(encoding="utf-8")
