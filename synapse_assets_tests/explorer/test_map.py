"""The map: its arrays against brute force, hostile names, and the page itself in a browser."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest
from fastapi import FastAPI
from matplotlib.path import Path as Polygon

from synapse_assets.errors import BadInput
from synapse_assets.explorer.map import add_maps, html, rendering
from synapse_assets.explorer.map import page as map_page
from synapse_assets.explorer.map.rendering import DISCS, LEGEND_CLASSES, OTHERS_COLOUR, Plane, Window, number_steps
from synapse_assets.explorer.uploads import Uploads
from synapse_assets.query import SearchRequest
from synapse_assets.query.points import NONE, Filters, Points, points_from_table
from synapse_assets.schema.colours import NOISE_COLOUR, class_colours
from synapse_assets_tests.explorer.conftest import Served

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

UPLOADS = Uploads()
AXES = {f"space_{axis}": np.random.default_rng(axis).normal(size=500).astype(np.float32) for axis in (1, 2, 3)}
# In the browser.
FIGURE = "[...Bokeh.documents[0]._all_models.values()].find(one => one.type == 'Figure')"
HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>\"&\n'"


def no_header(dataset: str, active: str) -> str:
    """Stands where the links to the other pages stand."""
    return '<header class="site"></header>'


def planted(count: int, seed: int = 0, **columns: Any) -> Points:
    """Points in a disc, ids and classes hostile; every tenth is not on the map, every seventh has no class."""
    rng = np.random.default_rng(seed)
    around, away = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.random(count))
    number = np.arange(count)
    table = {
        "synapse_id": [f"{HOSTILE}{at:06d}" for at in number],
        "neuron_id": pa.array(number // 5),
        "brain_region": np.where(number % 2, "EB", "LH_L"),
        "x_nm": number * 8.0,
        "y_nm": number * 8.0,
        "z_nm": number * 40.0,
        "target": pa.array(np.array(["gaba", "glutamate", HOSTILE], dtype=object)[number % 3], mask=number % 7 == 0),
        "cluster": pa.array(number % 4 - 1, pa.int32()),
        "score": pa.array(rng.random(count), pa.float32()),
        "map_1": pa.array(away * np.cos(around), pa.float32(), mask=number % 10 == 9),
        "map_2": pa.array(away * np.sin(around), pa.float32(), mask=number % 10 == 9),
    }
    return points_from_table(pa.table({**table, **columns}))


@pytest.fixture(scope="module")
def plane() -> Plane:
    return Plane(planted(20_000))


@pytest.fixture(scope="module")
def shown(plane: Plane) -> npt.NDArray[np.bool_]:
    return np.random.default_rng(1).random(len(plane)) < 0.5


WINDOW = Window((-1.0, 1.0), (-1.0, 1.0), 400, 200)


def test_the_plane_has_every_point_of_the_map_and_no_other(plane: Plane) -> None:
    on_map = np.flatnonzero(np.isfinite(plane.points.map[:, 0]))
    assert sorted(plane.rows) == on_map.tolist()
    np.testing.assert_array_equal(np.column_stack([plane.x, plane.y]), plane.points.map[plane.rows])
    assert [plane.index_of(int(row)) for row in plane.rows[:50]] == list(range(50))
    assert plane.index_of(9) is None


def test_the_nearest_shown_point_as_it_looks_on_the_screen(plane: Plane, shown: npt.NDArray[np.bool_]) -> None:
    rng = np.random.default_rng(2)
    found = []
    for x, y in rng.uniform(-1.2, 1.2, (200, 2)):
        pixels = np.hypot((plane.x - x) / (2 / 400), (plane.y - y) / (2 / 200))
        pixels[~shown] = np.inf
        best = int(pixels.argmin()) if pixels.min() <= 3 else None
        found.append(best)
        assert plane.nearest(x, y, WINDOW, 3, shown) == best
    assert None in found
    assert len(set(found)) > 50


@pytest.mark.parametrize("in_space", [False, True])
def test_what_lies_inside_a_shape(plane: Plane, in_space: bool) -> None:
    if in_space:
        rng = np.random.default_rng(3)
        axes = {f"space_{axis}": rng.normal(size=2_000).astype(np.float32) for axis in (1, 2, 3)}
        plane = Plane(planted(2_000, **axes), in_space=True)
    shown = np.random.default_rng(1).random(len(plane)) < 0.5
    turns = np.linspace(0, 2 * np.pi, 60)
    # A star, so that its box holds much that it does not.
    radius = np.where(np.arange(60) % 2, 0.9, 0.3)
    polygon = {"type": "poly", "x": (radius * np.cos(turns)).tolist(), "y": (radius * np.sin(turns)).tolist()}
    inside = Polygon(np.column_stack([polygon["x"], polygon["y"]])).contains_points(np.column_stack([plane.x, plane.y]))
    found = plane.inside(polygon, shown)
    np.testing.assert_array_equal(found, np.flatnonzero(inside & shown))
    assert 50 < len(found) < shown.sum() / 2
    box = {"type": "rect", "x0": 0.5, "x1": -0.25, "y0": 0.1, "y1": 0.7}
    expected = shown & (plane.x >= -0.25) & (plane.x <= 0.5) & (plane.y >= 0.1) & (plane.y <= 0.7)
    np.testing.assert_array_equal(plane.inside(box, shown), np.flatnonzero(expected))
    assert len(plane.inside({"type": "rect", "x0": 90, "x1": 91, "y0": 0, "y1": 1}, shown)) == 0


def test_classes_have_the_colours_they_have_everywhere_and_none_is_grey(plane: Plane) -> None:
    colouring = plane.colouring("target")
    assert dict(zip(colouring.names, colouring.colours, strict=True)) == {
        **class_colours(["gaba", "glutamate", HOSTILE]),
        NONE: NOISE_COLOUR,
    }
    known = [plane.points.category("target").value(int(row)) or NONE for row in plane.rows]
    assert [colouring.names[code] for code in colouring.codes] == known


def test_rare_classes_share_a_line_of_the_legend() -> None:
    types = [f"type {min(at, at % 90):03d}" for at in range(1_000)] + [None] * 10
    plane = Plane(planted(1_010, cell_type=types))
    colouring = plane.colouring("cell_type")
    assert len(colouring.names) == LEGEND_CLASSES + 2
    assert colouring.names[-2:] == ("30 rarer ones", NONE)
    assert colouring.colours[-2:] == (OTHERS_COLOUR, NOISE_COLOUR)
    counts = pd.Series([types[row] or NONE for row in plane.rows]).value_counts()
    legend = dict(zip(colouring.names, colouring.counts(np.ones(len(plane), dtype=bool)), strict=True))
    rare = legend.pop("30 rarer ones")
    assert all(counts[name] == count for name, count in legend.items())
    assert rare == counts.sum() - sum(legend.values())


def test_counts_of_the_legend_are_those_of_the_filters(plane: Plane) -> None:
    among = plane.points.select(Filters({"brain_region": ["EB"], "cluster": ["1", NONE]}, {"score": 0.25}))[plane.rows]
    facts = plane.points.frame(plane.rows)
    expected = facts[(facts.brain_region == "EB") & (facts.cluster.fillna(-1).isin([1, -1])) & (facts.score >= 0.25)]
    colouring = plane.colouring("target")
    counts = expected.target.fillna(NONE).value_counts()
    assert dict(zip(colouring.names, colouring.counts(among), strict=True)) == {
        name: counts.get(name, 0) for name in colouring.names
    }


@pytest.mark.parametrize(
    ("values", "edges"),
    [
        ([0.0, 1.0], np.linspace(0, 1, 11)),
        ([0.03, 0.88], np.linspace(0, 0.9, 10)),
        ([-7.0, 130.0], np.arange(-20, 141, 20)),
        ([5.0, 5.0], [5.0, 6.0]),
    ],
)
def test_steps_of_numbers_are_round_and_hold_all(values: list[float], edges: npt.ArrayLike) -> None:
    np.testing.assert_allclose(number_steps(np.array(values, dtype=np.float32)), edges, atol=1e-6)


def test_numbers_are_coloured_by_their_steps() -> None:
    scores = pa.array([0.0, 0.1, 0.95, 1.0, None], pa.float32())
    plane = Plane(planted(5, score=scores))
    colouring = plane.colouring("score")
    by_row = dict(zip(plane.rows.tolist(), [colouring.names[code] for code in colouring.codes], strict=True))
    assert by_row == {0: "0.00 to 0.10", 1: "0.10 to 0.20", 2: "0.90 to 1.00", 3: "0.90 to 1.00", 4: NONE}
    assert len(set(colouring.colours)) == 11


def test_mitochondria_around_synapses_colour_the_map() -> None:
    distances = pa.array([0.0, 250.0, 480.0, None, 20.0], pa.float64())
    plane = Plane(planted(5, mitochondrion_distance_nm=distances))
    assert plane.columns()["mitochondrion_distance_nm"] == "distance to the nearest mitochondrion in nm"
    colouring = plane.colouring("mitochondrion_distance_nm")
    by_row = dict(zip(plane.rows.tolist(), [colouring.names[code] for code in colouring.codes], strict=True))
    assert by_row == {0: "0.0 to 50.0", 1: "250.0 to 300.0", 2: "450.0 to 500.0", 3: NONE, 4: "0.0 to 50.0"}


def test_many_points_are_a_picture_and_few_are_discs(plane: Plane) -> None:
    colouring, everything = plane.colouring("target"), np.ones(len(plane), dtype=bool)
    window = Window((-0.5, 1.0), (-1.0, 1.0), 40, 30)
    drawn = plane.draw(colouring, everything, window)
    assert drawn.picture is not None
    assert drawn.picture.shape == (30, 40)
    assert drawn.picture.dtype == np.uint32
    # The corner at the upper right is beyond the disc, the middle is full.
    assert drawn.picture[29, 39] == 0
    assert drawn.picture[15, 20] != 0
    close = plane.draw(colouring, everything, Window((0.0, 0.2), (0.0, 0.2), 40, 30))
    inside = (plane.x >= 0) & (plane.x <= 0.2) & (plane.y >= 0) & (plane.y <= 0.2)
    assert close.picture is None
    assert sorted(close.x) == sorted(plane.x[inside])
    few = np.arange(len(plane)) < DISCS
    drawn = plane.draw(colouring, few, window)
    assert drawn.picture is None
    assert sorted(drawn.x) == plane.x[few].tolist(), "those beyond the window too"
    colours = {(x, y): colour for x, y, colour in zip(drawn.x, drawn.y, drawn.colours, strict=True)}
    assert all(
        colours[plane.x[at], plane.y[at]] == colouring.colours[colouring.codes[at]] for at in np.flatnonzero(few)[:100]
    )


def test_a_picture_has_each_point_where_it_is_in_the_mean_colour_of_its_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: one point at the left end, two of different classes in one pixel, and nothing else."""
    monkeypatch.setattr(rendering, "DISCS", 0)
    places = {"map_1": pa.array([0.1, 20.5, 20.5], pa.float32()), "map_2": pa.array([5.5, 12.5, 12.5], pa.float32())}
    plane = Plane(planted(3, target=["gaba", "gaba", "glutamate"], **places))
    colouring = plane.colouring("target")
    drawn = plane.draw(colouring, np.ones(3, dtype=bool), Window((0.0, 40.0), (0.0, 30.0), 40, 30))
    assert drawn.picture is not None
    found = np.ascontiguousarray(drawn.picture).view(np.uint8).reshape(30, 40, 4)
    line, column = np.mgrid[:30, :40]
    # So few points are two pixels wider on each side; what lies beyond the left end is not at the right.
    left, middle = ((line - y) ** 2 + (column - x) ** 2 <= 2.5**2 for x, y in ((0, 5), (20, 12)))
    np.testing.assert_array_equal(found[..., 3] > 0, left | middle)
    rgb = {
        name: [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
        for name, colour in plane.points.colours("target").items()
    }
    np.testing.assert_array_equal(found[left][:, :3], [rgb["gaba"]] * left.sum())
    mean = np.add(rgb["gaba"], rgb["glutamate"]) // 2
    np.testing.assert_array_equal(found[middle][:, :3], [mean] * middle.sum())
    # The more points, the stronger.
    assert found[left][:, 3].max() < found[middle][:, 3].min() == 255


def test_a_turn_in_space_keeps_lengths() -> None:
    corner = pa.array([0.0, 0.0, 2.0], pa.float32())
    axes = {"space_1": corner, "space_2": pa.nulls(3, pa.float32()).fill_null(0), "space_3": corner}
    plane = Plane(planted(3, **axes), in_space=True)
    plane.turn(0, 0)
    np.testing.assert_allclose([plane.x, plane.y], [[-1, -1, 1], [-1, -1, 1]], atol=1e-6)
    plane.turn(90, 0)
    np.testing.assert_allclose([plane.x, plane.y], [[0, 0, 0], [-1, -1, 1]], atol=1e-6)
    plane.turn(90, 90)
    np.testing.assert_allclose([plane.x, plane.y], [[0, 0, 0], [-1, -1, 1]], atol=1e-6)


def test_names_and_ids_cannot_become_markup() -> None:
    points = planted(20)
    plane = Plane(points)
    colouring = plane.colouring("target")
    ids = points.ids.to_pylist()
    texts = [
        html.tip("a'b", HOSTILE, points, 2),
        html.card("a'b", HOSTILE, points, 2),
        html.tiles("a'b", HOSTILE, ids[:3], np.arange(3), colouring, 20),
        html.composition(colouring, colouring.counts(np.arange(len(plane)))),
        html.id_list(ids, 30),
        html.notice(HOSTILE, ids[0]),
        html.tip("a'b", None, points, 2),
        html.card("a'b", None, points, 2),
        html.tiles("a'b", None, ids[:3], np.arange(3), colouring, 20),
    ]
    for text in texts:
        tags = set(re.findall(r"<\s*/?\s*([a-zA-Z0-9]+)", text))
        assert tags <= {
            "div",
            "img",
            "dl",
            "dt",
            "dd",
            "h2",
            "a",
            "table",
            "tr",
            "td",
            "i",
            "p",
            "textarea",
            "button",
        }, text
        # Whatever stands in quotes stays there: taken away, nothing hostile is left in a tag.
        assert not re.search(r"<[^>]*alert", re.sub(r'"[^"]*"', "", text)), text
    assert HOSTILE.split("\n")[0] not in html.legend_style(colouring, colouring.counts(np.arange(5)))


def test_a_map_says_how_far_its_clusters_can_be_trusted() -> None:
    points = planted(20)
    judged = replace(points, cluster_verdict=f"fragile{HOSTILE}")
    assert html.trust("a'b", points) == 'clusters: <a href="/a%27b/clusters">not assessed</a>'
    assert html.trust("d", judged).endswith(f'/d/clusters">{escape(str(judged.cluster_verdict))}</a>')
    for text in (html.tip("d", None, points, 2), html.card("d", None, points, 2)):
        assert "<dt>cluster</dt><dd>1 (not assessed)</dd>" in text
    for text in (html.tip("d", None, judged, 2), html.card("d", None, judged, 2)):
        assert f"<dd>1 ({escape(str(judged.cluster_verdict))})</dd>" in text
    assert "<dt>cluster</dt>" not in html.tip("d", None, points, 4), "it is in none"


# In a browser


class Planted:
    """What the map asks of a release, of planted points: its points, and what resembles one."""

    def __init__(self, points: Points) -> None:
        self.points, self.release_id, self.has_pictures = points, "planted", True

    def similar(self, request: SearchRequest) -> pd.DataFrame:
        """The next ones that fulfil the filters; of a picture, those from the number on that its first value is."""
        image = request.image
        row = self.points.row(str(request.synapse_id)) if image is None else int(image.flat[0])
        every = (row + np.arange(1, len(self.points))) % len(self.points)
        return self.points.frame(every[self.points.select(request.filters)[every]][: request.k]).assign(distance=0.1)


@pytest.fixture(scope="module")
def maps() -> Iterator[str]:
    """Address of a server of maps: of few and many points, of none, and of a dataset without a release."""
    nowhere = pa.nulls(30, pa.float32())
    releases: dict[str, Any] = {
        "few": Planted(planted(500, **AXES)),
        "plain": Planted(planted(500, synapse_id=[f"{at:04d}" for at in range(500)])),
        "many": Planted(planted(30_000)),
        "none": Planted(planted(30, map_1=nowhere, map_2=nowhere)),
    }

    def release(name: str) -> Any:
        if name not in releases:
            raise BadInput(f"no warehouse: materialise the asset {name}/warehouse")
        return releases[name]

    app = FastAPI()
    add_maps(app, release, ["few", "plain", "many", "none", "unpublished"], no_header, UPLOADS)
    served = Served(app)
    yield served.url
    served.stop()


def opened(page: "Page", address: str) -> "Locator":
    """The map of a page once it is drawn; tiles are none of a server of maps alone."""
    page.goto(address)
    page.get_by_text("synapses shown").wait_for(timeout=60_000)
    plot = page.locator(".map-plot")
    page.wait_for_function("document.querySelector('.map-plot').getBoundingClientRect().width > 0")
    return plot


def painted(plot: "Locator") -> int:
    """Different colours of a picture of the map: 1 or 2 are an empty one."""
    import io

    from PIL import Image

    colours = Image.open(io.BytesIO(plot.screenshot())).convert("RGB").getcolors(1 << 20)
    return len(colours or [])


def wait_until_drawn(page: "Page", plot: "Locator") -> None:
    for _ in range(100):
        if painted(plot) > 20:
            return
        page.wait_for_timeout(100)
    raise AssertionError("nothing was drawn")


def test_the_map_in_a_browser(maps: str, page: "Page") -> None:
    plot = opened(page, f"{maps}/few/map")
    wait_until_drawn(page, plot)
    page.get_by_text("450 of 450 synapses shown · 50 have no place on the map").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1000
    box = plot.bounding_box()
    assert box is not None
    assert box["width"] > 600, "the map has the room"
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    # Rest on points: the tip says what is there; away from all of them it is gone.
    page.mouse.move(*middle)
    page.mouse.move(middle[0] + 3, middle[1])
    page.locator(".tip").wait_for()
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.locator(".tip").wait_for(state="hidden")
    # A click on nothing picks nothing, one on a point picks it.
    page.mouse.click(box["x"] + 4, box["y"] + 4)
    page.mouse.click(middle[0] + 3, middle[1])
    similar = page.get_by_role("link", name="Search similar")
    similar.wait_for()
    assert str(similar.get_attribute("href")).startswith("/few/search?synapse_id=%3Cscript%3E")
    # Two quick clicks at different places are not a double one; at the same place they search.
    page.wait_for_timeout(600)
    page.mouse.click(middle[0] + 3, middle[1])
    page.mouse.click(box["x"] + 4, box["y"] + 4)
    page.wait_for_timeout(500)
    assert page.url.endswith("/few/map")
    address = similar.get_attribute("href")
    page.mouse.dblclick(middle[0] + 3, middle[1])
    page.wait_for_url(f"{maps}{address}")
    page.go_back()
    page.get_by_text("450 of 450 synapses shown").wait_for()
    # Surround some: tiles, composition and ids.
    page.get_by_role("button", name="Lasso").click()
    # What dragging does is changed by way of the server.
    page.wait_for_function(f"{FIGURE}.toolbar.active_drag?.type == 'LassoSelectTool'")
    page.mouse.move(middle[0] + 60, middle[1])
    page.mouse.down()
    for step in range(30):
        page.mouse.move(middle[0] + 60 * math.cos(step / 4.7), middle[1] + 60 * math.sin(step / 4.7))
    page.mouse.up()
    area = page.get_by_label("Ids")
    area.wait_for()
    ids = re.findall(r"\d{6}", area.input_value())
    assert 10 < len(ids) < 450
    assert ids == sorted(ids), "in the order of the release"
    page.get_by_text(f"{len(ids):,} selected, by known class").wait_for()
    assert page.locator(".grid a").count() == min(60, len(ids))
    with page.expect_download() as download:
        page.get_by_text("Download as CSV").click()
    table = pd.read_csv(download.value.path())
    assert [re.findall(r"\d{6}", one)[-1] for one in table.synapse_id] == ids


def test_legend_and_filters_in_a_browser(maps: str, page: "Page") -> None:
    plot = opened(page, f"{maps}/few/map?brain_region=EB&score_least=0.5&colour=target")
    facts = planted(500).frame(np.arange(500))
    left = facts[facts.map_1.notna() & (facts.brain_region == "EB") & (facts.score >= 0.5)]
    page.get_by_text(f"{len(left)} of 450 synapses shown").wait_for()
    page.get_by_label("gaba").focus()
    page.keyboard.press("Space")
    page.get_by_text(f"{(left.target != 'gaba').sum()} of 450 synapses shown").wait_for()
    page.get_by_role("button", name="None", exact=True).click()
    page.get_by_text("No synapse is left").wait_for()
    page.get_by_role("button", name="All", exact=True).click()
    page.get_by_text(f"{len(left)} of 450 synapses shown").wait_for()
    wait_until_drawn(page, plot)
    page.get_by_label("Colour by").select_option("cluster")
    page.get_by_label("2", exact=True).wait_for()
    page.get_by_text(re.compile(r"synapses shown .* · clusters: not assessed$")).wait_for()
    page.get_by_label("Colour by").select_option("detection score")
    page.get_by_text("clusters: not assessed").wait_for(state="hidden")
    opened(page, f"{maps}/few/map?cluster=1&colour=target")
    page.get_by_text(re.compile("clusters: not assessed$")).wait_for()


def test_the_query_and_what_resembles_it_are_marked(maps: str, page: "Page") -> None:
    query = quote(planted(30).ids[3].as_py(), safe="")
    opened(page, f"{maps}/many/map?synapse_id={query}&k=10&metric=l2")
    # Of rows 4 to 13 one, row 9, is not on the map.
    page.get_by_text("◯ its 10 nearest of other neurons, by Euclidean distance (9 have a place on the map)").wait_for()
    page.get_by_role("heading", name="000003").wait_for()
    assert "metric=l2" in str(page.get_by_text("Link to this view").get_attribute("href"))


def test_a_search_with_filters_and_for_a_picture_is_marked_as_it_was_asked(maps: str, page: "Page") -> None:
    name = UPLOADS.keep(np.full((1, 8, 8), 200, dtype=np.uint8))
    opened(page, f"{maps}/few/map?upload={name}&columns=&k=5&brain_region=EB")
    # Rows 201, 203, 205, 207 and, not on the map, 209; of all regions 201 to 205.
    marked = "query: an uploaded picture · ◯ its 5 nearest, by cosine distance"
    page.get_by_text(f"{marked} (4 have a place on the map)").wait_for()
    # The filters hold for what was searched for, whenever they change.
    page.get_by_role("button", name="Remove item").first.click()
    page.get_by_text(f"450 of 450 synapses shown · 50 have no place on the map · {marked}", exact=True).wait_for()
    opened(page, f"{maps}/few/map?upload=unknown")
    page.get_by_text("This uploaded picture is not kept any more").wait_for()
    opened(page, f"{maps}/few/map?synapse_id=1&k=many")
    page.get_by_text("number in a column: 'many' is no number").wait_for()


def seen(page: "Page") -> list[float]:
    """Left, right, lower and upper end of what the map shows."""
    ends = ("x_range.start", "x_range.end", "y_range.start", "y_range.end")
    found: list[float] = page.evaluate(f"[{', '.join(f'{FIGURE}.{end}' for end in ends)}]")
    return found


def settled(page: "Page", changed_from: list[float] | None = None) -> list[float]:
    """What the map shows once it moves no more, and has moved if it should."""
    before: list[float] = []
    for _ in range(200):
        now = seen(page)
        # Before it was laid out a map shows from 0 to 1.
        if now == before and now not in (changed_from, [0, 1, 0, 1]):
            return now
        before = now
        page.wait_for_timeout(150)
    raise AssertionError(f"the map shows {now}, and showed {changed_from}")


def test_without_a_mouse(maps: str, page: "Page") -> None:
    """Every button by its key: to look elsewhere, nearer, at one synapse, at all that are in view."""
    wait_until_drawn(page, opened(page, f"{maps}/plain/map"))
    whole = settled(page)

    def press(name: str) -> None:
        page.get_by_role("button", name=name, exact=True).focus()
        page.keyboard.press("Enter")

    press("→")
    right = settled(page, whole)
    assert right[0] > whole[0]
    assert right[2:] == pytest.approx(whole[2:])
    press("↑")
    up = settled(page, right)
    assert up[2] > right[2]
    press("+")
    near = settled(page, up)
    assert near[1] - near[0] == pytest.approx(0.6 * (up[1] - up[0]))
    press("Whole map")
    assert settled(page, near) == pytest.approx(whole)
    page.get_by_label("Go to synapse").fill("0123")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Synapse 0123").wait_for()
    x0, x1, y0, y1 = settled(page, whole)
    assert [(x0 + x1) / 2, (y0 + y1) / 2] == pytest.approx(planted(500).map[123].tolist(), abs=1e-6)
    assert x1 - x0 < 0.5 * (whole[1] - whole[0])
    page.get_by_label("Go to synapse").fill("nowhere")
    page.keyboard.press("Enter")
    page.get_by_text("No synapse 'nowhere' in this release").wait_for()


def test_in_view_are_all_that_are_seen_and_their_ids_can_be_copied(maps: str, page: "Page") -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    points = planted(500)
    opened(page, f"{maps}/few/map?look=0.3,0.2,0.001")
    x0, x1, y0, y1 = settled(page)
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == (pytest.approx(0.3), pytest.approx(0.2))
    inside = (points.map >= [x0, y0]).all(axis=1) & (points.map <= [x1, y1]).all(axis=1)
    page.get_by_role("button", name="All in view").click()
    page.get_by_text(f"{inside.sum()} selected, by known class").wait_for()
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "\n".join(points.ids.filter(pa.array(inside)).to_pylist())


def test_a_link_to_a_view_shows_the_same(maps: str, page: "Page") -> None:
    opened(page, f"{maps}/few/map?colour=target&turned=50,-10")
    page.get_by_text(re.compile(r"Turn \(degrees\): *50")).wait_for()
    page.get_by_label("gaba").uncheck()
    left = page.locator("strong").first
    page.get_by_text("500 of 500").wait_for(state="hidden")
    whole = settled(page)
    page.get_by_role("button", name="+", exact=True).click()
    near, shown = settled(page, whole), left.inner_text()
    link = page.get_by_text("Link to this view")
    for _ in range(100):
        if "look=" in str(link.get_attribute("href")):
            break
        page.wait_for_timeout(100)
    link.click()
    page.wait_for_url(re.compile("off=gaba.*look="))
    page.get_by_text("synapses shown").wait_for()
    page.get_by_text(re.compile(r"Tilt \(degrees\): *-10")).wait_for()
    assert settled(page, whole) == pytest.approx(near, rel=1e-4)
    assert left.inner_text() == shown
    assert not page.get_by_label("gaba").is_checked()
    assert page.get_by_label("glutamate").is_checked()


def test_a_map_in_space_turns(maps: str, page: "Page") -> None:
    plot = opened(page, f"{maps}/few/map")
    page.get_by_role("button", name="3-D").click()
    page.get_by_text("500 of 500 synapses shown").wait_for()
    wait_until_drawn(page, plot)
    box = plot.bounding_box()
    assert box is not None

    def drag(right: int, down: int) -> None:
        page.mouse.move(box["x"] + 10, box["y"] + 10)
        page.mouse.down()
        page.mouse.move(box["x"] + 10 + right, box["y"] + 10 + down, steps=5)
        page.mouse.up()

    def discs() -> list[float]:
        found: list[float] = page.evaluate(
            "Array.from([...Bokeh.documents[0]._all_models.values()].find(one => one.data?.colour?.length).data.x)"
        )
        return found

    before = discs()
    turned = Plane(planted(500, **AXES), in_space=True)
    turned.turn(60, 10)
    for moved, expected in (((90, 30), turned.x), ((-90, -30), before)):
        drag(*moved)
        for _ in range(100):
            if sorted(discs()) == pytest.approx(sorted(expected), abs=1e-5):
                break
            page.wait_for_timeout(100)
        assert sorted(discs()) == pytest.approx(sorted(expected), abs=1e-5)
    # Back in the plane the lines of the legend that were off stay off.
    page.get_by_label("gaba").uncheck()
    page.get_by_role("button", name="2-D").click()
    page.get_by_text(re.compile("of 450 synapses shown")).wait_for()
    assert not page.get_by_label("gaba").is_checked()
    assert page.get_by_label("glutamate").is_checked()


def test_an_open_page_keeps_its_release_and_says_that_a_newer_is_out(
    page: "Page", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_page, "_POLL_MS", 100)
    out = {"few": Planted(planted(100))}
    app = FastAPI()
    add_maps(app, lambda name: out[name], ["few"], no_header, UPLOADS)  # type: ignore[arg-type, return-value]
    served = Served(app)
    try:
        opened(page, f"{served.url}/few/map")
        out["few"] = Planted(planted(200))
        page.get_by_text("A newer release is out").wait_for()
        page.get_by_text("90 of 90 synapses shown").wait_for()
        opened(page, f"{served.url}/few/map")
        page.get_by_text("180 of 180 synapses shown").wait_for()
    finally:
        served.stop()


# Addresses of maps, and what is said of what they ask for.
UNSHOWABLE = [
    ("none/map", "No synapse of this release of none has a place on a map yet"),
    ("unpublished/map", "No warehouse: materialise the asset unpublished/warehouse."),
    ("few/map?colour=nonsense", "There is no column 'nonsense' to colour by"),
    ("few/map?brain_region=<b>X</b>", "no synapse has brain region '<b>X</b>'"),
    ("few/map?cell_type=x", "this dataset has no column 'cell_type'"),
    ("few/map?score_least=high", "score_least=high is not a number"),
    ("few/map?score_least=nan", "score_least=nan is not a number"),
    ("few/map?synapse_id=<img src=x>", "No synapse '<img src=x>' in this release"),
    ("few/map?score_least=2", "No synapse is left"),
    ("few/map?look=1,2", "The place to look at of this address, look=1,2, was left out: it needs 3 numbers"),
    ("few/map?look=1,2,1e307", "look=1,2,1e307, was left out"),
    ("few/map?turned=a,nan", "The turn of this address, turned=a,nan, was left out: it needs 2 numbers"),
]


@pytest.mark.parametrize(("address", "said"), UNSHOWABLE)
def test_what_cannot_be_shown_is_said(maps: str, page: "Page", address: str, said: str) -> None:
    page.goto(f"{maps}/{address}")
    page.get_by_text(said).wait_for(timeout=60_000)
