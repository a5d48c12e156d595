"""Turnable pages: the data that they hand to plotly.js, and that they ask no other machine."""

import json
import re
from typing import Any

import numpy as np

from synapse_assets.figures.interactive_3d import neuron_positions_page, plotly_javascript, space_page
from synapse_assets.figures.style import Verdict, cluster_colour, verdict_colour
from synapse_assets_tests.figures.planted import CORNERS, VERDICTS, features


def drawing(page: str) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]:
    """Traces, layout and configuration that a page hands to plotly.js."""
    at = page.index('"picture",', page.index("Plotly.newPlot")) + len('"picture",')
    found = []
    for _ in range(3):
        at = re.compile(r"[\s,]*").match(page, at).end()  # type: ignore[union-attr]
        value, at = json.JSONDecoder().raw_decode(page, at)
        found.append(value)
    return found[0], found[1], found[2]


def test_the_page_of_the_space_has_a_trace_a_cluster_and_asks_nobody() -> None:
    clusters = [1, 0, 0, 0, None, 1, 19, 0]
    hover = [f"pv1/as/{i}, pv1" for i in range(7)] + ["</script><b>pv2"]
    page = space_page(CORNERS, clusters, hover, "as <group>")
    assert page == space_page(CORNERS, clusters, hover, "as <group>")
    assert "http" not in page
    assert re.findall(r'src="([^"]*)"', page) == ["plotly.min.js"]
    assert page.count("</script>") == page.count("<script")
    assert "<title>as &lt;group&gt;</title>" in page
    traces, layout, config = drawing(page)
    names = [trace["name"] for trace in traces]
    assert names == ["cluster 0 (4)", "cluster 1 (2)", "cluster 19 (1)", "in no cluster (1)"]
    assert [t["marker"]["color"] for t in traces] == [cluster_colour(c) for c in (0, 1, 19, -1)]
    assert traces[0]["marker"]["symbol"] != traces[2]["marker"]["symbol"]
    assert traces[1]["text"] == ["pv1/as/0, pv1", "pv1/as/5, pv1"]
    assert [traces[1][axis] for axis in "xyz"] == CORNERS[[0, 5]].T.tolist()
    assert traces[0]["text"][-1] == "&lt;/script&gt;&lt;b&gt;pv2"
    assert {layout["scene"][f"{axis}axis"]["title"]["text"] for axis in "xyz"} == {"UMAP 1", "UMAP 2", "UMAP 3"}
    # no button that uploads the picture
    assert config["showSendToCloud"] is False
    assert not [b for group in config["modeBarButtons"] for b in group if "loud" in b]
    assert drawing(space_page(np.zeros((0, 3)), [], [], "none"))[1]["annotations"][0]["text"] == "no synapses"


def test_the_page_of_clusters_says_the_verdict_and_mutes_them() -> None:
    clusters = [1, 0, 0, 0, None, 1, 1, 0]
    plain = space_page(CORNERS, clusters, ["a"] * 8, "as")
    assert '<p class="verdict"' not in plain
    vivid = []
    for word, verdict in VERDICTS.items():
        page = space_page(CORNERS, clusters, ["a"] * 8, "as", verdict=verdict)
        assert f'<p class="verdict" style="color: {verdict_colour(word)}">{verdict.line}</p>' in page
        traces = drawing(page)[0]
        assert [trace["name"] for trace in traces] == ["cluster 0 (4)", "cluster 1 (3)", "in no cluster (1)"]
        colours = [trace["marker"]["color"] for trace in traces]
        assert colours == [cluster_colour(c, verdict) for c in (0, 1, -1)]
        vivid.append(np.ptp([int(colours[0][i : i + 2], 16) for i in (1, 3, 5)]))
    assert vivid == sorted(vivid, reverse=True)
    assert vivid[0] > 5 * vivid[-1]
    escaped = space_page(CORNERS, clusters, ["a"] * 8, "as", verdict=Verdict("", "<b>not</b> judged"))
    assert "&lt;b&gt;not&lt;/b&gt; judged" in escaped


def test_the_page_of_what_is_not_clustered_says_nothing_of_clusters() -> None:
    page = space_page(CORNERS, None, [f"cb1/as/{i}" for i in range(8)], "as")
    traces, layout, _ = drawing(page)
    assert [(trace["name"], len(trace["x"])) for trace in traces] == [("synapses (8)", 8)]
    assert layout["showlegend"] is False
    assert "cluster" not in page
    assert "in the legend" not in page
    assert "in the legend" in space_page(CORNERS, [0] * 8, ["a"] * 8, "as")


def test_areas_on_the_page_of_the_neurons_have_the_unit_of_the_dataset() -> None:
    page = neuron_positions_page(features({"cb2": [[1, 2, 2]]}), None, "positions", area_unit="µm²")
    assert drawing(page)[0][0]["text"] == ["cb2/as/0, 3.0 µm from the soma, synapse area 0.25 µm²"]


def test_the_javascript_beside_the_pages_is_plotly() -> None:
    text = plotly_javascript()
    assert "plotly.js v" in text[:300]
    assert len(text) > 1_000_000


def test_the_page_of_the_neurons_shows_one_at_a_time_in_one_scale() -> None:
    table = features({"cb10": [[100, 0, 0], [0, 5, 0]], "cb2": [[1, 2, 3]], "pv1": [[3, 4, 0]]}, new=("cb10/as/1",))
    page = neuron_positions_page(table, {"cb10/as/0": 2, "cb10/as/1": 2}, "positions")
    assert "http" not in page
    traces, layout, _ = drawing(page)
    names = ["cb2", "cb10", "pv1"]
    buttons = layout["updatemenus"][0]["buttons"]
    assert [button["label"].split()[0] for button in buttons] == names
    masks = np.array([button["args"][0]["visible"] for button in buttons])
    assert masks.sum(axis=0).tolist() == [1] * len(traces)
    assert [trace["visible"] for trace in traces] == masks[0].tolist()
    for mask, button in zip(masks, buttons, strict=True):
        shown = [trace for trace, on in zip(traces, mask, strict=True) if on]
        somas = [t for t in shown if t["name"] == "soma"]
        assert [(t["x"], t["y"], t["z"]) for t in somas] == [([0.0], [0.0], [0.0])]
        scene = button["args"][1]
        sides = {axis: np.ptp(scene[f"scene.{axis}axis.range"]) for axis in "xyz"}
        scales = [sides[axis] / scene["scene.aspectratio"][axis] for axis in "xyz"]
        assert np.allclose(scales, scales[0])
        for axis in "xyz":
            low, high = scene[f"scene.{axis}axis.range"]
            assert all(low < at < high for trace in shown for at in trace[axis])
    of_cb10 = [trace for trace, on in zip(traces, masks[1], strict=True) if on]
    assert [trace["name"] for trace in of_cb10] == ["cluster 2 (1)", "cluster 2, new (1)", "soma"]
    assert of_cb10[0]["text"] == ["cb10/as/0, cluster 2, 100.0 µm from the soma, synapse area 0.25"]
    assert of_cb10[1]["marker"]["symbol"].endswith("-open")
    assert [label["text"] for label in layout["scene"]["annotations"]] == ["soma"]
    assert layout["scene"]["xaxis"]["range"] == buttons[0]["args"][1]["scene.xaxis.range"]
    assert {layout["scene"][f"{axis}axis"]["title"]["text"] for axis in "xyz"} == {"x (µm)", "y (µm)", "z (µm)"}
    plain = drawing(neuron_positions_page(table, None, "positions"))[0]
    assert [t["name"] for t in plain if t["name"] != "soma"] == [
        "synapses (1)", "synapses (1)", "newly observed (1)", "synapses (1)"
    ]  # fmt: skip
    assert "no neuron" in neuron_positions_page(features({}), {}, "none")
