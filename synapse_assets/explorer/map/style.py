"""The style of the map page: its frame, the styles of its parts, and the empty figure. Its behaviour is in `page`, its texts in `html`."""

from typing import Any

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
PANES = """
:host { font: 14px/1.45 system-ui, sans-serif; color: var(--ink); }
a { color: var(--accent); text-decoration: none; } a:hover, a:focus-visible { text-decoration: underline; }
h2 { font-size: 14px; font-weight: 600; margin: 0 0 8px; overflow-wrap: anywhere; }
p { margin: 0 0 8px; } .quiet { color: var(--quiet); }
.tile { display: block; width: 100%; max-width: 272px; aspect-ratio: 1; object-fit: cover; border-radius: 6px; background: var(--line);
  image-rendering: auto; font-size: 11px; color: var(--quiet); }
dl { display: grid; grid-template-columns: minmax(0, 1fr) fit-content(60%); gap: 2px 12px; margin: 10px 0; font-size: 13px; }
dt { color: var(--quiet); } dd { margin: 0; text-align: right; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.tip { width: 204px; padding: 8px; border: 1px solid var(--line); border-radius: 10px; background: var(--raised);
  box-shadow: 0 6px 24px rgb(0 0 0 / 18%); } .tip .tile { max-width: 140px; margin: auto; } .tip dl { margin: 8px 2px 0; font-size: 12px; }
.card { padding: 14px; border: 1px solid var(--line); border-radius: 10px; background: var(--raised);
  display: grid; gap: 0 20px; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); align-items: start; }
.actions { display: flex; flex-wrap: wrap; gap: 8px; } .actions a { padding: 5px 12px; border: 1px solid var(--line); border-radius: 6px; }
.actions a:first-child { background: var(--accent); border-color: var(--accent); color: var(--paper); }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(52px, 1fr)); gap: 4px; margin: 10px 0; }
.list { display: flex; flex-wrap: wrap; gap: 4px 10px; } .list a { border-bottom: 3px solid; overflow-wrap: anywhere; }
.grid a { display: block; border-bottom: 3px solid; border-radius: 6px; overflow: hidden; } .grid .tile { border-radius: 0; }
table { width: 100%; border-collapse: collapse; font-size: 13px; } td { padding: 2px 0; } td + td { padding-left: 10px; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } td.name { overflow-wrap: anywhere; }
td.bar { width: 34%; } td.bar i { display: block; height: 8px; border-radius: 4px; min-width: 2px; }
.ids { margin-top: 14px; display: flex; align-items: center; justify-content: space-between; }
button { border: 1px solid var(--line); border-radius: 6px; background: var(--paper); color: var(--ink); font: 12px system-ui, sans-serif;
  padding: 3px 10px; cursor: pointer; } button:hover, button:focus-visible { border-color: var(--accent); }
textarea { width: 100%; box-sizing: border-box; resize: vertical; border: 1px solid var(--line); border-radius: 6px;
  background: var(--paper); color: var(--ink); font: 12px/1.4 ui-monospace, monospace; }
.notice { padding: 8px 12px; border-left: 3px solid var(--accent); background: var(--raised); border-radius: 4px; }
"""
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
TEMPLATE = """{% extends base %}
{% block postamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="{{ look }}/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{{ look }}/explorer.css">
<style>
:root { --design-background-color: var(--paper); --design-background-text-color: var(--ink);
  --design-surface-color: var(--raised); --design-surface-text-color: var(--ink); }
html, body { height: auto; }
.map-page { display: grid; gap: 20px 24px; max-width: none; padding: 18px 24px; grid-template-columns: 232px minmax(0, 1fr) 300px;
  grid-template-areas: "side map details"; }
.map-side { grid-area: side; min-width: 0; }
.map-details { grid-area: details; min-width: 0; display: grid; gap: 16px; align-content: start; }
.map-main { grid-area: map; min-width: 0; display: flex; flex-direction: column; gap: 8px; height: calc(100vh - 92px); min-height: 380px; }
.map-plot { position: relative; flex: 1; min-height: 0; }
.map-bar { display: flex; gap: 16px; align-items: center; } .map-bar > :first-child { flex: 1; min-width: 0; }
.map-tip { position: absolute; inset: 0; pointer-events: none; z-index: 5; }
.map-steers { position: absolute; right: 10px; bottom: 10px; z-index: 4; }
@media (min-width: 1201px) { .map-side, .map-main { position: sticky; top: 18px; align-self: start; } }
@media (max-width: 1200px) {
  .map-page { grid-template-columns: 232px minmax(0, 1fr); grid-template-areas: "side map" "side details"; grid-template-rows: auto 1fr; }
  .map-main { height: 62vh; } }
@media (max-width: 640px) { .map-page { grid-template-columns: minmax(0, 1fr); grid-template-areas: "map" "details" "side"; } }
</style>
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
