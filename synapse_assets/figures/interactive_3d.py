"""Pages with a turnable picture, as HTML text: the three-dimensional map, and synapses around the soma of each neuron.

The pages draw with `plotly.min.js`, which has to lie beside them (`plotly_javascript` gives it); they load nothing from any other
machine. Does not belong here: pictures of the same (`maps`, `neurons`), computing what is drawn, writing files.
"""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.figures.axes_3d import MICROMETRE_AXES, SPACE_AXES, limits_around
from synapse_assets.figures.neurons import neurons_around_their_soma
from synapse_assets.figures.style import (
    FAINT,
    INK,
    Verdict,
    cluster_colour,
    cluster_numbers,
    darker,
    require_same_length,
    verdict_colour,
)
from synapse_assets.schema.colours import PALETTE

_PAGE_MARKERS = ("circle", "square", "diamond", "cross")
_FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
_DIV = "picture"


def space_page(
    space_xyz: npt.ArrayLike,
    clusters: Sequence[int | None] | npt.NDArray[np.integer[Any]] | None,
    hover: Sequence[str],
    title: str,
    *,
    verdict: Verdict | None = None,
) -> str:
    """The three-dimensional map (N, 3) as an HTML page that can be turned: one trace a cluster, which its name in the legend
    shows and hides; the pointer shows `hover` (such as the synapse and its neuron).

    The verdict on the clusters stands under the title and mutes their colours. `clusters` None: nothing has been clustered, so
    all points are one trace without a legend. `plotly_javascript()` has to lie beside it as plotly.min.js. Raises BadInput if the
    inputs differ in length.
    """
    points = np.asarray(space_xyz, dtype=np.float64).reshape(-1, 3)
    numbers = cluster_numbers([0] * len(points) if clusters is None else clusters)
    require_same_length(space_xyz=points, clusters=numbers, hover=hover)
    traces = []
    for cluster in sorted(set(numbers.tolist()), key=lambda c: (c < 0, c)):
        chosen = numbers == cluster
        texts = [html.escape(text) for text, is_chosen in zip(hover, chosen, strict=True) if is_chosen]
        trace = _cluster_trace(points[chosen], cluster, texts, _page_size(len(points)), verdict=verdict)
        if clusters is None:
            trace.name = f"synapses ({len(points):,})"
        traces.append(trace)
    return _html_page(
        traces,
        title,
        SPACE_AXES,
        _scene_layout(points, cube=True),
        numbered=False,
        note="" if traces else "no synapses",
        legend=clusters is not None,
        verdict=verdict,
    )


def plotly_javascript() -> str:
    """The text of plotly.min.js (MIT licence), to be written once into the folder of the pages."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def neuron_positions_page(
    features: pa.Table, clusters: Mapping[str, int] | None, title: str, *, area_unit: str = ""
) -> str:
    """`neurons.neuron_positions_figure` as an HTML page that can be turned: a menu chooses the neuron, the legend its clusters, and
    the pointer shows the synapse, its cluster, distance to the soma and area. All neurons are in it. `area_unit` '' is that
    of the workbook.

    `plotly_javascript()` has to lie beside it as plotly.min.js.
    """
    import plotly.graph_objects as go

    neurons = neurons_around_their_soma(features, clusters, area_unit)
    traces: list[Any] = []
    owners: list[str] = []
    for name, neuron in neurons.items():
        cluster_of_point = neuron.clusters if clusters is not None else np.zeros(len(neuron.places), dtype=np.int64)
        kinds = sorted(
            set(zip(cluster_of_point.tolist(), neuron.fitted.tolist(), strict=True)),
            key=lambda k: (k[0] < 0, k[0], not k[1]),
        )
        for cluster, fitted in kinds:
            chosen = (cluster_of_point == cluster) & (neuron.fitted == fitted)
            texts = [html.escape(text) for text, is_chosen in zip(neuron.words, chosen, strict=True) if is_chosen]
            trace = _cluster_trace(
                neuron.places[chosen], cluster, texts, _page_size(len(cluster_of_point)), filled=fitted
            )
            if clusters is None:
                trace.name = f"{'synapses' if fitted else 'newly observed'} ({int(chosen.sum()):,})"
            traces.append(trace)
        traces.append(
            go.Scatter3d(
                x=[0.0], y=[0.0], z=[0.0], mode="markers", name="soma",
                hovertext=[f"{html.escape(name)}: soma"], hoverinfo="text",
                marker={"size": 9, "color": INK, "symbol": "diamond", "line": {"color": "white", "width": 1}},
            )
        )  # fmt: skip
        owners += [name] * (len(traces) - len(owners))
    names = list(neurons)
    frames = {name: np.vstack([neuron.places, np.zeros((1, 3))]) for name, neuron in neurons.items()}
    for trace, owner in zip(traces, owners, strict=True):
        trace.visible = owner == names[0]
    buttons = [
        {
            "label": f"{html.escape(name)}  ({len(neurons[name].places):,})",
            "method": "update",
            "args": [{"visible": [owner == name for owner in owners]}, _scene_layout(frames[name])],
        }
        for name in names
    ]
    # every soma is at the origin; a label of the scene is never behind a synapse
    label = {"x": 0, "y": 0, "z": 0, "text": "soma", "ax": 0, "ay": -60, "arrowcolor": INK, "arrowwidth": 1.2, "font": {"size": 14},
             "bgcolor": "rgba(255,255,255,0.8)"}  # fmt: skip
    frame = _scene_layout(frames[names[0]]) | {"scene.annotations": [label]} if names else {}
    note = "" if names else "no synapses, so no neuron"
    return _html_page(traces, title, MICROMETRE_AXES, frame, numbered=True, note=note, menu=buttons)


def _page_size(points: int) -> float:
    """Diameter of a marker on a page in pixels."""
    return 5.0 if points < 2_000 else 3.0


def _cluster_trace(
    points: npt.NDArray[np.float64],
    cluster: int,
    texts: Sequence[str],
    size: float,
    *,
    filled: bool = True,
    verdict: Verdict | None = None,
) -> Any:
    """The points of one cluster on a page."""
    import plotly.graph_objects as go

    finite = np.flatnonzero(np.isfinite(points).all(axis=1))
    colour = cluster_colour(cluster, verdict)
    name = f"cluster {cluster}" if cluster >= 0 else "in no cluster"
    symbol = _PAGE_MARKERS[max(0, cluster) // len(PALETTE) % len(_PAGE_MARKERS)]
    x, y, z = np.round(points[finite], 4).T.tolist()
    return go.Scatter3d(
        x=x, y=y, z=z, mode="markers", name=f"{name}{'' if filled else ', new'} ({len(finite):,})",
        text=[texts[i] for i in finite.tolist()], hoverinfo="text",
        marker={
            "size": size if filled else size + 2, "color": colour if filled else darker(colour), "opacity": 1.0,
            "symbol": symbol if filled or symbol == "cross" else f"{symbol}-open",
            "line": {"color": darker(colour), "width": 1},
        },
    )  # fmt: skip


def _scene_layout(points: npt.NDArray[np.float64], *, cube: bool = False) -> dict[str, Any]:
    """Ranges of a page's axes around the points, with one scale for all three, and the shape of the box."""
    low, high = limits_around(points, cube=cube)
    sides = (high - low) / (high - low).max()
    # a long box may be larger than a cube before it leaves the window
    sides *= min(1.4, float(np.sqrt(3) / np.linalg.norm(sides)))
    ranges = {f"scene.{a}axis.range": [float(x), float(y)] for a, x, y in zip("xyz", low, high, strict=True)}
    return {**ranges, "scene.aspectratio": dict(zip("xyz", (float(side) for side in sides), strict=True))}


def _html_page(
    traces: Sequence[Any],
    title: str,
    axes: tuple[str, str, str],
    frame: Mapping[str, Any],
    *,
    numbered: bool,
    note: str = "",
    menu: Sequence[Mapping[str, Any]] = (),
    legend: bool = True,
    verdict: Verdict | None = None,
) -> str:
    """A page of its own with one turnable picture that fills the window. `frame` is what `_scene_layout` gives."""
    import plotly.graph_objects as go

    axis = {
        "showticklabels": numbered, "showbackground": True, "backgroundcolor": "#f6f6f6", "gridcolor": "#dddddd",
        "zerolinecolor": "#bbbbbb", "showspikes": False, "tickfont": {"size": 12},
    }  # fmt: skip
    scene = {
        f"{a}axis": {**axis, "title": {"text": label, "font": {"size": 14}}}
        for a, label in zip("xyz", axes, strict=True)
    }
    layout: dict[str, Any] = {
        "template": "none",
        "scene": {**scene, "aspectmode": "manual", "camera": {"eye": {"x": 1.4, "y": -1.74, "z": 0.84}}},
        "margin": {"l": 0, "r": 0, "t": 38, "b": 0},
        "font": {"family": _FONT, "color": INK, "size": 14},
        "paper_bgcolor": "white",
        "showlegend": legend,
        "legend": {"itemsizing": "constant", "font": {"size": 14}, "y": 1.0, "yanchor": "top"},
        "hoverlabel": {"font": {"family": _FONT, "size": 14}},
        "uirevision": "kept",
    }
    if len(menu) > 1:
        layout["updatemenus"] = [
            {
                "buttons": list(menu), "type": "dropdown", "direction": "down", "x": 0.01, "xanchor": "left", "y": 1.0,
                "yanchor": "top", "bgcolor": "white", "bordercolor": "#888888", "font": {"size": 14}, "showactive": True,
            }
        ]  # fmt: skip
    if note:
        layout["annotations"] = [{"text": note, "showarrow": False, "x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper",
                                  "font": {"size": 18, "color": FAINT}}]  # fmt: skip
        del layout["scene"]
        layout |= {"xaxis": {"visible": False}, "yaxis": {"visible": False}}
    figure = go.Figure(data=list(traces), layout=layout)
    if traces:
        figure.update_layout(dict(frame))
    picture = figure.to_html(
        config={
            "displaylogo": False, "responsive": True, "scrollZoom": True, "displayModeBar": bool(traces),
            # plotly.js offers to upload the picture unless switched off
            "showSendToCloud": False,
            "modeBarButtons": [["toImage"], ["tableRotation", "orbitRotation", "pan3d", "zoom3d"], ["resetCameraDefault3d"]],
        },
        include_plotlyjs="directory", include_mathjax=False, full_html=False, div_id=_DIV,
    )  # fmt: skip
    shown = (
        verdict
        and f'<p class="verdict" style="color: {verdict_colour(verdict.verdict)}">{html.escape(verdict.line)}</p>'
    )
    hint = ", click a name in the legend to hide it, double-click to see it alone" if legend else ""
    return _FRAME.format(
        title=html.escape(title), font=_FONT, picture=picture, verdict=f"\n{shown}" if shown else "", hint=hint
    )


_FRAME = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
html, body {{ height: 100%; margin: 0; }}
body {{ display: flex; flex-direction: column; font-family: {font}; color: #222; background: white; }}
header {{ padding: 12px 16px 6px; }}
h1 {{ font-size: 19px; font-weight: 600; margin: 0 0 4px; }}
p {{ font-size: 14px; margin: 0; color: #555; }}
p.verdict {{ font-size: 15px; font-weight: 600; margin: 0 0 4px; }}
main {{ flex: 1; min-height: 0; }}
</style>
</head>
<body>
<header><h1>{title}</h1>{verdict}
<p>Drag to turn, scroll to come closer{hint}.</p>
<p id="absent" hidden>There is no picture: the file plotly.min.js has to lie in the same folder as this page.</p></header>
<main>
{picture}
</main>
<script>document.getElementById("absent").hidden = !!window.Plotly;</script>
</body>
</html>
"""
