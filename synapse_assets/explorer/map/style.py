"""The style of the map page: its frame, the styles of its parts, and the empty figure. Its behaviour is in `page`, its texts in `html`.

The frame and the styles of its texts are files in `static`: the map of an exported site has the same.
"""

from pathlib import Path
from typing import Any

_STATIC = Path(__file__).parents[1] / "static"
# Marker and size by kind of mark.
MARKS = {"near": ("circle", 13), "picked": ("square", 14), "hovered": ("circle", 11), "query": ("star", 24)}
# Another scheme runs scripts, and "//name" is another server.
_LEAVE = """
const address = String(cb_obj.tags[0]);
const url = new URL(address, window.location.origin);
if (address.startsWith("/") && url.origin === window.location.origin) window.location.assign(url.href);
"""


class Canvas:
    """An empty map without axes.

    figure: the Bokeh figure. picture, discs, marks: the sources of what it draws, lowest first. drags: what dragging does, by mode.
    """

    def __init__(self) -> None:
        from bokeh.models import (
            BoxSelectTool,
            ColumnDataSource,
            CustomJS,
            LassoSelectTool,
            PanTool,
            Range1d,
            WheelZoomTool,
        )
        from bokeh.plotting import figure

        surround: dict[str, Any] = {"continuous": False, "renderers": [], "persistent": True}
        lasso, box, wheel = LassoSelectTool(**surround), BoxSelectTool(**surround), WheelZoomTool(zoom_on_axis=False)
        for tool in (lasso, box):
            tool.overlay.update(
                line_color="#0b6bcb", line_width=1.5, line_dash="solid", fill_color="#0b6bcb", fill_alpha=0.08
            )
        self.drags: dict[str, Any] = {"Move": PanTool(), "Lasso": lasso, "Box": box}
        self.figure: Any = figure(
            sizing_mode="stretch_both",
            x_range=Range1d(start=0, end=1),
            y_range=Range1d(start=0, end=1),
            tools=[*self.drags.values(), wheel],
            active_drag=self.drags["Move"],
            active_scroll=wheel,
            toolbar_location=None,
            background_fill_color=None,
            border_fill_color=None,
            outline_line_color=None,
            min_border=0,
            stylesheets=[":host { border: 1px solid var(--line); border-radius: 10px; box-sizing: border-box; }"],
        )
        # Only the browser can leave a page: for the address in `tags`, if it is on this server.
        self.figure.js_on_change("tags", CustomJS(code=_LEAVE))
        self.figure.axis.visible = False
        self.figure.grid.visible = False
        self.picture: Any = ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})
        self.discs: Any = ColumnDataSource({"x": [], "y": [], "colour": [], "size": []})
        self.marks: Any = ColumnDataSource({"x": [], "y": [], "marker": [], "size": []})
        self.figure.image_rgba("image", "x", "y", "dw", "dh", source=self.picture)
        self.figure.scatter(
            "x", "y", size="size", fill_color="colour", fill_alpha=0.85, line_color=None, source=self.discs
        )
        # Dark around light: visible on every colour, in light and dark mode.
        for colour, width in (("#111111", 4.5), ("#ffffff", 1.8)):
            line: dict[str, Any] = {"line_color": colour, "line_width": width}
            self.figure.scatter("x", "y", size="size", marker="marker", fill_color=None, source=self.marks, **line)


# Styles inside the parts of the page; Panel keeps each in a shadow root, which only CSS variables reach from outside.
PANES = (_STATIC / "map_panes.css").read_text(encoding="utf-8")
WIDGETS = """
:host { --bokeh-font-size: 13px; }
.bk-input-group > label { font: 500 13px system-ui, sans-serif; margin-bottom: 4px; white-space: normal; }
.bk-input, .choices__inner { border: 1px solid var(--line) !important; border-radius: 6px;
  background-color: var(--raised) !important;
  color: var(--ink); font: 13px system-ui, sans-serif; min-height: 32px; }
.bk-input:focus-visible, .bk-btn:focus-visible, input:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 1px; box-shadow: none; }
.bk-btn, .bk-btn-group .bk-btn { border: 1px solid var(--line); border-radius: 6px; background: var(--raised); color: var(--ink);
  font: 13px system-ui, sans-serif; padding: 5px 12px; box-shadow: none; }
.bk-btn:hover { border-color: var(--accent); } .bk-btn-group { gap: 4px; }
.bk-btn.bk-active { background: var(--accent) !important; border-color: var(--accent) !important; color: var(--paper) !important;
  box-shadow: none !important; }
select.bk-input { appearance: auto !important; background-image: none !important; padding-right: 6px !important; }
.choices__list--multiple .choices__item {
  background: var(--accent) !important; border: none !important; color: var(--paper) !important; border-radius: 4px; }
.choices__list--dropdown { border-color: var(--line) !important; border-radius: 0 0 6px 6px; font-size: 13px; }
.choices__list--dropdown .choices__item { padding: 6px 10px !important; font-size: 13px !important; }
.bk-btn a { color: inherit; text-decoration: none; }
"""
LEGEND = """
.bk-input-group { display: block; max-height: 46vh; overflow-y: auto; }
.bk-input-group > label { display: flex; align-items: center; gap: 8px; font-weight: 400; margin: 0; padding: 2px 4px 2px 2px; }
.bk-input-group > label::after { margin-left: auto; color: var(--quiet); font-variant-numeric: tabular-nums; }
.bk-input-group > label > span, .bk-input-group > label::after { font: 13px/18px system-ui, sans-serif; }
.bk-input-group > label > span { margin: 0; overflow-wrap: anywhere; min-width: 0; }
input[type=checkbox] { accent-color: var(--chip); width: 15px; height: 15px; margin: 0; flex: none; }
"""
FRAME = (_STATIC / "map.css").read_text(encoding="utf-8")
TEMPLATE = """{% extends base %}
{% block postamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="{{ look }}/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{{ look }}/explorer.css">
<style>
:root { --design-background-color: var(--paper); --design-background-text-color: var(--ink);
  --design-surface-color: var(--raised); --design-surface-text-color: var(--ink); }
html, body { height: auto; }
{{ frame | safe }}</style>
{% endblock %}
{% block contents %}
{{ header | safe }}
<main class="map-page">
<section class="map-side" aria-label="Colours and filters">{{ embed(roots.side) }}</section>
<section class="map-main" aria-label="Map">{{ embed(roots.notice) }}
<div class="map-bar"><div>{{ embed(roots.status) }}</div><div>{{ embed(roots.tools) }}</div></div>
{{ embed(roots.turns) }}
<div class="map-plot">{{ embed(roots.plot) }}
<div class="map-steers">{{ embed(roots.steers) }}</div><div class="map-tip">{{ embed(roots.tip) }}</div></div></section>
<section class="map-details" aria-label="Picked points">{{ embed(roots.picked) }}{{ embed(roots.selected) }}</section>
</main>
{% endblock %}
"""
