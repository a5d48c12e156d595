"""Pictures of the chain without images: what was planted is seen in their pixels and in the data of the pages."""

import json
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from synapse_assets.analysis.figures import INK
from synapse_assets.analysis.morphology import figures as f
from synapse_assets.analysis.morphology import pages
from synapse_assets.analysis.morphology.drawing import cluster_colour
from synapse_assets.errors import BadInput
from synapse_assets.schema import morphology
from synapse_assets.schema.colours import NOISE_COLOUR
from synapse_assets_tests.analysis.pixels import Pixels, of_colour, spots
from synapse_assets_tests.analysis.pixels import opened as pixels_of

CHOSEN = "#D55E00"
SENTENCE = (
    "The clusters of two runs agree at an adjusted Rand index of 0.78, well above that of features without groups. "
    * 12
)


def opened(png: bytes) -> Pixels:
    """The pixels, if it is a small PNG as wide as the UI."""
    pixels = pixels_of(png)
    assert 500 <= pixels.shape[1] <= 1330
    return pixels


def drawing(page: str) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]:
    """Traces, layout and configuration that a page hands to plotly.js."""
    at = page.index('"picture",', page.index("Plotly.newPlot")) + len('"picture",')
    found = []
    for _ in range(3):
        at = re.compile(r"[\s,]*").match(page, at).end()  # type: ignore[union-attr]
        value, at = json.JSONDecoder().raw_decode(page, at)
        found.append(value)
    return found[0], found[1], found[2]


def features(places: dict[str, npt.ArrayLike], new: tuple[str, ...] = ()) -> pa.Table:
    """A table of `morphology.FEATURES`; synapse i of neuron n is n/as/i."""
    rows = []
    for neuron, xyz in places.items():
        for i, place in enumerate(np.asarray(xyz, dtype=float).reshape(-1, 3).tolist()):
            name = f"{neuron}/as/{i}"
            row: dict[str, Any] = dict.fromkeys(morphology.FEATURES.names)
            row |= {"synapse_id": name, "neuron_id": neuron, "used_for": "prediction" if name in new else "fit"}
            row |= {f"{axis}_from_soma_um": at for axis, at in zip("xyz", place, strict=True)}
            row |= {"distance_to_soma_um": float(np.linalg.norm(place)), "synapse_area": 0.25, "bouton_area": 0.5}
            rows.append({**row, "feature_model": "m"})
    return morphology.FEATURES.conform(pa.Table.from_pylist(rows, schema=morphology.FEATURES.arrow))


def sweep(sizes: list[int], samples: list[int], chosen: object = None, published: object = None) -> pa.Table:
    """A table of `morphology.PARAMETER_SWEEP` for the group as."""
    rows = [
        {
            "investigation_group": "as", "min_cluster_size": size, "min_samples": sample, "clusters": 9.0 - 0.1 * size,
            "noise_fraction": 0.02 * sample, "mean_probability": 0.9, "stability_ari": 0.01 * size + 0.05 * sample,
            "stability_error": 0.02, "published": (size, sample) == published, "chosen": (size, sample) == chosen,
            "why": SENTENCE if (size, sample) == chosen else "less stable", "projection_model": "m",
        }
        for size in sizes
        for sample in samples
    ]  # fmt: skip
    return morphology.PARAMETER_SWEEP.conform(pa.Table.from_pylist(rows, schema=morphology.PARAMETER_SWEEP.arrow))


GRID = np.array([[x, y] for x in range(4) for y in range(4)], dtype=float)
CORNERS = np.array([[x, y, z] for x in (0, 9) for y in (0, 9) for z in (0, 9)], dtype=float)


def test_clusters_keep_their_colour_and_noise_is_grey() -> None:
    colours = [cluster_colour(c) for c in range(18)]
    assert len(set(colours)) == 18
    assert cluster_colour(18) == colours[0]
    assert cluster_colour(-1) == NOISE_COLOUR


def test_the_map_shows_each_synapse_in_its_clusters_colour() -> None:
    clusters = [0] * 7 + [1] * 5 + [None] * 3 + [-1]
    png = f.maps_sheet(GRID, clusters, ["calbindin"] * 16, ["cb1"] * 16, np.ones(16), "as")
    pixels = opened(png)
    assert png == f.maps_sheet(GRID, clusters, ["calbindin"] * 16, ["cb1"] * 16, np.ones(16), "as")
    left = pixels[:, : pixels.shape[1] // 3]
    # one more of each is in the legend
    assert [spots(left, cluster_colour(c)) for c in (0, 1, 2, -1)] == [8, 6, 0, 5]


def test_the_map_by_neuron_has_a_hue_a_type_and_a_shade_a_neuron() -> None:
    neurons = ["cb1"] * 6 + ["cb2"] * 4 + ["pv1"] * 6
    types = ["calbindin"] * 10 + ["parvalbumin"] * 6
    pixels = opened(f.maps_sheet(GRID, [None] * 16, types, neurons, np.full(16, np.nan), "as"))
    wide = pixels.shape[1]
    middle = pixels[:, wide // 3 + 15 : 2 * wide // 3]
    flat = middle.reshape(-1, 3)
    coloured, counts = np.unique(flat[np.ptp(flat, axis=1) > 20], axis=0, return_counts=True)
    faces = ["#{:02x}{:02x}{:02x}".format(*c) for c in coloured[counts > 150]]
    assert sorted(spots(middle, face) for face in faces) == [5, 7, 7]
    # unknown areas are grey
    assert spots(pixels[:, 2 * wide // 3 + 15 :], NOISE_COLOUR) == 17


def test_larger_synapses_are_darker_on_the_map() -> None:
    areas = GRID[:, 0] + 1.0
    pixels = opened(f.maps_sheet(GRID, [None] * 16, ["t"] * 16, ["n"] * 16, areas, "as"))
    tall, wide, _ = pixels.shape
    panel = pixels[int(0.2 * tall) : int(0.75 * tall), 2 * wide // 3 + 40 : wide - 25].astype(float)
    columns = np.array_split(panel, 4, axis=1)
    light = [column[np.ptp(column, axis=2) > 20].mean() for column in columns]
    assert light == sorted(light, reverse=True)
    assert light[0] > light[3] + 40


def test_inputs_of_different_length_are_told() -> None:
    with pytest.raises(BadInput, match="'clusters': 2"):
        f.maps_sheet(GRID, [0, 1], ["t"] * 16, ["n"] * 16, np.ones(16), "as")
    with pytest.raises(BadInput, match="'hover': 1"):
        pages.space_page(CORNERS, [0] * 8, ["one"], "as")


@pytest.mark.parametrize("clusters", [0, 1, 40])
@pytest.mark.parametrize("synapses", [0, 1, 300])
def test_maps_of_any_size(synapses: int, clusters: int) -> None:
    random = np.random.default_rng(0)
    xy = random.normal(size=(synapses, 2))
    numbers = [i % clusters if clusters else None for i in range(synapses)]
    neurons = [f"n{i % 60}" for i in range(synapses)]
    types = [f"type {i % 60 % 5}" for i in range(synapses)]
    opened(f.maps_sheet(xy, numbers, types, neurons, random.lognormal(size=synapses), SENTENCE))


def test_names_of_clusters_in_the_same_place_are_pushed_apart() -> None:
    moved = f._apart(np.zeros((12, 2)), 0.5)
    gaps = np.linalg.norm(moved[:, None] - moved[None], axis=2) + 9 * np.eye(12)
    assert gaps.min() > 0.4
    assert np.abs(moved).max() < 3


def test_the_space_is_seen_from_two_sides() -> None:
    clusters = [0, 0, 0, 1, 1, None, None, 20]
    pixels = opened(f.space_figure(CORNERS, clusters, "as"))
    assert [spots(pixels, cluster_colour(c)) for c in (0, 1, -1, 20)] == [7, 5, 5, 3]
    half = pixels.shape[1] // 2
    assert spots(pixels[:600, :half], cluster_colour(0)) == spots(pixels[:600, half:], cluster_colour(0)) == 3


def test_spaces_of_any_size() -> None:
    opened(f.space_figure(np.zeros((0, 3)), [], SENTENCE))
    opened(f.space_figure([[1, 2, 3]], [None], "one"))
    opened(f.space_figure(np.random.default_rng(0).normal(size=(200, 3)), [i % 40 for i in range(200)], "many"))


def test_the_page_of_the_space_has_a_trace_a_cluster_and_asks_nobody() -> None:
    clusters = [1, 0, 0, 0, None, 1, 19, 0]
    hover = [f"pv1/as/{i}, pv1" for i in range(7)] + ["</script><b>pv2"]
    page = pages.space_page(CORNERS, clusters, hover, "as <group>")
    assert page == pages.space_page(CORNERS, clusters, hover, "as <group>")
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
    assert drawing(pages.space_page(np.zeros((0, 3)), [], [], "none"))[1]["annotations"][0]["text"] == "no synapses"


def test_the_javascript_beside_the_pages_is_plotly() -> None:
    text = pages.plotly_javascript()
    assert "plotly.js v" in text[:300]
    assert len(text) > 1_000_000


def test_each_neuron_is_drawn_around_its_soma() -> None:
    arms = np.array([[40, 0, 0], [-40, 0, 0], [0, 40, 0], [0, -40, 0], [0, 0, 40], [0, 0, -40]])
    table = features({"cb10": arms, "cb2": 2 * arms, "pv1": arms[:3]}, new=("pv1/as/0",))
    clusters = {f"cb10/as/{i}": 0 for i in range(6)} | {f"cb2/as/{i}": -1 for i in range(2)} | {"cb2/as/2": 1}
    pixels = opened(f.neuron_positions_figure(table, clusters))
    assert spots(pixels, INK, least=30) == 3 + 1
    # hollow points, such as the newly observed one of pv1, have no face
    assert [spots(pixels, cluster_colour(c)) for c in (0, 1, -1)] == [6 + 1, 1 + 1, 5 + 2 + 1]
    plain = opened(f.neuron_positions_figure(table, None))
    assert [spots(plain, cluster_colour(c)) for c in (0, 1, -1)] == [14 + 1, 0, 0]


def test_neurons_of_any_number() -> None:
    random = np.random.default_rng(0)
    assert opened(f.neuron_positions_figure(features({}), {})).shape[0] < 200
    opened(f.neuron_positions_figure(features({"cb1": [[1, 2, 3]]}), None))
    opened(f.neuron_positions_figure(features({"cb1": [[0, 0, 0]]}), {"cb1/as/0": 3}))
    many = {f"n{i}": random.normal(size=(2 if i < 5 else 1, 3)) for i in range(33)}
    pixels = opened(f.neuron_positions_figure(features(many), {f"n{i}/as/0": i for i in range(33)}))
    assert spots(pixels, INK, least=30) == 30 + 1


def test_the_page_of_the_neurons_shows_one_at_a_time_in_one_scale() -> None:
    table = features({"cb10": [[100, 0, 0], [0, 5, 0]], "cb2": [[1, 2, 3]], "pv1": [[3, 4, 0]]}, new=("cb10/as/1",))
    page = pages.neuron_positions_page(table, {"cb10/as/0": 2, "cb10/as/1": 2}, "positions")
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
    plain = drawing(pages.neuron_positions_page(table, None, "positions"))[0]
    assert [t["name"] for t in plain if t["name"] != "soma"] == [
        "synapses (1)", "synapses (1)", "newly observed (1)", "synapses (1)"
    ]  # fmt: skip
    assert "no neuron" in pages.neuron_positions_page(features({}), {}, "none")


def test_the_sweep_marks_the_chosen_and_the_published_setting() -> None:
    both = opened(f.sweep_figure(sweep([5, 11, 12, 40], [2, 5], (5, 2), (40, 5))))
    none = opened(f.sweep_figure(sweep([5, 11, 12, 40], [2, 5])))
    # in four panels and in the legend
    assert spots(both, CHOSEN, least=40) == 5
    assert spots(both, INK, least=60) == 5
    assert spots(none, CHOSEN) == 0
    assert spots(none, INK, least=60) == 0
    # the reason is below, however long
    assert both.shape[0] > none.shape[0] + 100
    opened(f.sweep_figure(sweep([20], [5], (20, 5), (20, 5))))
    assert opened(f.sweep_figure(sweep([], []))).shape[0] < 200
    two = sweep([5], [2]).set_column(0, "investigation_group", pa.array(["ss"]))
    with pytest.raises(BadInput, match=r"\['as', 'ss'\]"):
        f.sweep_figure(pa.concat_tables([sweep([5], [2]), morphology.PARAMETER_SWEEP.conform(two)]))


def test_a_stability_has_bars_of_its_length_and_limits() -> None:
    random = np.random.default_rng(0)
    pairs, nulls = np.clip(random.normal(0.9, 0.03, 276), 0, 1), random.normal(0.1, 0.05, 19)
    stability = {0: 1.0, 1: 0.75, 2: 0.3, 3: float("nan")}
    png = f.stability_figure(pairs, nulls, stability, (0.88, 0.92), 0.97, "stable", "Why.")
    pixels = opened(png)
    assert of_colour(pixels, "#00694b").sum() > 100
    right = pixels[:, int(0.6 * pixels.shape[1]) :]
    ends = {c: np.flatnonzero(of_colour(right, cluster_colour(c)).sum(axis=0) > 15)[[0, -1]] for c in (0, 1, 2)}
    length = {c: np.ptp(end) for c, end in ends.items()}
    assert [length[c] / length[0] for c in (0, 1, 2)] == pytest.approx([1.0, 0.75, 0.3], abs=0.01)
    assert spots(right, cluster_colour(3)) == 0
    bar = np.flatnonzero(of_colour(right, cluster_colour(0)).any(axis=1))
    below = right[bar[-1] + 1 :, :, :]
    start, end = ends[0]
    dark = np.flatnonzero((below.max(axis=2) < 90).sum(axis=0) > 60)
    found = (dark[(dark > start + 10)] - start) / (end - start)
    assert all(min(abs(at - 0.6), abs(at - 0.75)) < 0.01 for at in found)
    assert found.min() == pytest.approx(0.6, abs=0.01)
    assert found.max() == pytest.approx(0.75, abs=0.01)
    # the independent agreement is a line of its own colour
    assert of_colour(pixels, CHOSEN).sum() > 100
    without = opened(f.stability_figure(pairs, nulls, stability, None, None, "fragile", "Why."))
    assert of_colour(without, CHOSEN).sum() == 0
    assert of_colour(without, "#9a5200").sum() > 100


def test_complete_agreement_is_drawn_at_one() -> None:
    pixels = opened(f.stability_figure([1.0] * 66, [0.1] * 9, {}, (1.0, 1.0), None, "stable", "Why."))
    left = pixels[:, : pixels.shape[1] // 2 + 80].astype(int)
    upright = np.flatnonzero((left[..., 2] - left[..., 0] > 60).sum(axis=0) > 150)
    assert len(upright) > 0
    assert upright.min() > 0.45 * pixels.shape[1]


def test_stabilities_of_any_size() -> None:
    nan = float("nan")
    opened(f.stability_figure([], [], {}, None, None, "not distinguishable from noise", "Too few synapses."))
    opened(f.stability_figure([nan, 0.1], [0.2], {0: nan}, (nan, nan), nan, "not distinguishable from noise", SENTENCE))
    opened(f.stability_figure([-0.4, 1.0], [], {0: 0.0}, (None, None), 1.0, "", ""))
    forty = f.stability_figure(
        [0.5] * 66, [0.1] * 9, {i: i / 40 for i in range(40)}, (0.4, 0.6), 0.5, "fragile", SENTENCE
    )
    short = f.stability_figure(
        [0.5] * 66, [0.1] * 9, {i: i / 40 for i in range(40)}, (0.4, 0.6), 0.5, "fragile", "Why."
    )
    assert opened(forty).shape[0] > opened(short).shape[0] + 100


def test_confusions_are_shaded_by_share_with_outliers_last() -> None:
    darkest = "#08306b"
    names = ["cluster 0", "cluster 1"]
    right = of_colour(opened(f.confusions_sheet({"xgboost": [[9, 0, 0], [0, 4000, 0]]}, names)), darkest)
    rejected = of_colour(opened(f.confusions_sheet({"xgboost": [[0, 0, 9], [0, 0, 4000]]}, names)), darkest)
    places = [np.argwhere(where) for where in (right, rejected)]
    assert min(len(place) for place in places) > 3000
    assert places[1][:, 1].min() > places[0][:, 1].max()
    # the diagonal goes down to the right
    assert np.corrcoef(places[0].T)[0, 1] > 0.5
    twice = opened(f.confusions_sheet({"a": [[9, 0, 0], [0, 4, 0]], "b": [[9, 0, 0], [0, 4, 0]]}, names))
    wide = twice.shape[1] // 2
    assert of_colour(twice[:, :wide], darkest).sum() == pytest.approx(
        of_colour(twice[:, wide:], darkest).sum(), rel=0.1
    )
    with pytest.raises(BadInput, match=r"'a' is \(2, 2\), but 2 classes .* make \(2, 3\)"):
        f.confusions_sheet({"a": np.eye(2)}, names)


def test_confusions_of_any_number() -> None:
    opened(f.confusions_sheet({}, ["a"]))
    opened(f.confusions_sheet({"a": np.zeros((0, 1))}, []))
    opened(f.confusions_sheet({"nothing tested": np.zeros((3, 4))}, ["a", "b", "c"]))
    opened(f.confusions_sheet({"one": [[1, 0]]}, ["a"]))
    opened(f.confusions_sheet({f"{SENTENCE[:80]} {i}": np.ones((5, 6)) for i in range(12)}, list("abcde")))
    opened(f.confusions_sheet({str(i): np.eye(40, 41) for i in range(6)}, [f"cluster {i}" for i in range(40)]))
