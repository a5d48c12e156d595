"""The map of an exported site in a real browser: that of the explorer, with a graphics card and without."""

import math
import re
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.path import Path as Polygon

from synapse_assets.explorer.map.rendering import Plane
from synapse_assets.query.points import Points
from synapse_assets.stores.spreadsheets import csv_text
from synapse_assets_tests.explorer.test_map import AXES, HOSTILE, UNSHOWABLE, painted, planted
from synapse_assets_tests.site.hosts import PlainHost
from synapse_assets_tests.site.planted_maps import serve_maps

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page


@pytest.fixture(scope="module")
def entries() -> dict[str, Points]:
    nowhere = pa.nulls(30, pa.float32())
    return {
        "few": planted(500, **AXES),
        "plain": planted(500, synapse_id=[f"{at:04d}" for at in range(500)]),
        "many": planted(30_000),
        "none": planted(30, map_1=nowhere, map_2=nowhere),
    }


@pytest.fixture(scope="module")
def maps(entries: dict[str, Points], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a site with a map of few and of many points, and of none."""
    host = serve_maps(tmp_path_factory.mktemp("maps"), entries)
    yield host.url
    host.stop()


@pytest.fixture(scope="module")
def without_card(browser: "Browser") -> Iterator["Browser"]:
    """A browser without WebGL."""
    chromium = browser.browser_type.launch(
        executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
        args=["--no-sandbox", "--disable-3d-apis"],
    )
    yield chromium
    chromium.close()


def opened(page: "Page", address: str) -> "Locator":
    """The map of a page once it is drawn."""
    page.goto(address)
    page.get_by_text("synapses shown").wait_for()
    plot = page.locator(".map-canvas")
    for _ in range(100):
        if painted(plot) > 20:
            return plot
        page.wait_for_timeout(50)
    raise AssertionError("nothing was drawn")


def middle_of(plot: "Locator") -> tuple[float, float]:
    box = plot.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def look_of(page: "Page") -> list[float]:
    """Middle and units per pixel of the view in the address; none where it is the whole map."""
    look = parse_qs(urlsplit(page.url).query).get("look", [""])[0]
    return [float(part) for part in look.split(",") if part]


def until(page: "Page", reached: Callable[[], object]) -> None:
    """Waits in Python: the policy of the pages forbids what Playwright would evaluate in them."""
    for _ in range(200):
        if reached():
            return
        page.wait_for_timeout(50)
    raise AssertionError(page.url)


def lasso(page: "Page", plot: "Locator", radius_px: float, around: tuple[float, float]) -> list[tuple[float, float]]:
    """Draws a star; gives its corners, from the middle of the map to the right and up."""
    page.get_by_role("button", name="Lasso").click()
    x, y = middle_of(plot)
    corners = []
    for step in range(40):
        away = radius_px * (0.5 if step % 2 else 1.0)
        corners.append(
            (around[0] + away * math.cos(step / 40 * 2 * math.pi), around[1] + away * math.sin(step / 40 * 2 * math.pi))
        )
    page.mouse.move(x + corners[0][0], y - corners[0][1])
    page.mouse.down()
    for right, up in corners:
        page.mouse.move(x + right, y - up)
    page.mouse.up()
    return corners


@pytest.mark.parametrize("painter", ["webgl", "canvas"])
@pytest.mark.parametrize("entry", ["few", "many"])
def test_a_lasso_selects_the_same_with_a_graphics_card_and_without(
    entries: dict[str, Points], maps: str, page: "Page", without_card: "Browser", painter: str, entry: str
) -> None:
    if painter == "canvas":
        page = without_card.new_page(viewport={"width": 1000, "height": 800})
    points = entries[entry]
    plot = opened(page, f"{maps}/{entry}/map/?colour=target&off=gaba&look=0.1,-0.2,0.003")
    assert plot.get_attribute("data-painter") == painter
    corners = np.array(lasso(page, plot, 150, (-40.0, 30.0))) * 0.003 + [0.1, -0.2]
    area = page.get_by_label("Ids")
    area.wait_for()
    found = [int(number) for number in re.findall(r"\d{6}", area.input_value())]
    shown = points.category("target").codes != points.category("target").names.index("gaba")
    inside = Polygon(corners).contains_points(points.map) & shown
    # Corners are in whole pixels for the browser: a point on the edge may be either.
    edge = Polygon(corners).contains_points(points.map, radius=0.004) ^ Polygon(corners).contains_points(
        points.map, radius=-0.004
    )
    rows = np.arange(len(points))
    assert set(rows[inside & ~edge]) <= set(found) <= set(rows[(inside | edge) & shown])
    assert found == sorted(found), "in the order of the release"
    assert len(found) > 20
    page.get_by_text(f"{len(found):,} selected, by known class").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    assert download.value.path().read_text(encoding="utf-8") == csv_text(points.frame(found))
    page.close()


def test_a_card_that_is_lost_is_done_without(maps: str, page: "Page") -> None:
    plot = opened(page, f"{maps}/many/map/")
    card = plot.locator("canvas").first
    card.evaluate("each => each.getContext('webgl2').getExtension('WEBGL_lose_context').loseContext()")
    until(page, lambda: plot.get_attribute("data-painter") == "canvas")
    until(page, lambda: painted(plot) > 20)


def test_the_map_in_a_browser(maps: str, page: "Page") -> None:
    plot = opened(page, f"{maps}/few/map/")
    page.get_by_text("450 of 450 synapses shown · 50 have no place on the map").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1000
    x, y = middle_of(plot)
    box = plot.bounding_box()
    assert box is not None
    # Rest on points: the tip says what is there; away from all of them it is gone.
    page.mouse.move(x + 3, y)
    page.locator(".tip").wait_for()
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.locator(".tip").wait_for(state="hidden")
    # A click on nothing picks nothing, one on a point picks it, whatever its name is.
    page.mouse.click(box["x"] + 4, box["y"] + 4)
    assert page.get_by_role("heading").count() == 0
    page.mouse.click(x + 3, y)
    page.get_by_role("heading", name="<script>alert('x')</script>").wait_for()
    assert "synapse/?synapse_id=%3Cscript%3E" in str(page.get_by_role("link", name="Open card").get_attribute("href"))
    assert page.get_by_role("link", name="Search similar").count() == 0, "there are no pictures to search with"
    # Other places by hand, by wheel and by key; the address follows, and shows the same again.
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 30, steps=4)
    page.mouse.up()
    until(page, lambda: look_of(page))
    moved = look_of(page)
    page.mouse.wheel(0, -200)
    until(page, lambda: look_of(page) != moved)
    near = look_of(page)
    assert near[2] == pytest.approx(moved[2] * math.exp(-0.3), rel=1e-3)
    plot.focus()
    page.keyboard.press("ArrowRight")
    until(page, lambda: look_of(page) != near)
    right = look_of(page)
    assert right[0] > near[0]
    assert right[1:] == near[1:]
    opened(page, page.url)
    assert look_of(page) == right
    plot.focus()
    page.keyboard.press("+")
    until(page, lambda: look_of(page)[2] == pytest.approx(0.6 * right[2], rel=1e-3))
    assert look_of(page)[:2] == pytest.approx(right[:2], rel=1e-3)
    page.keyboard.press("Home")
    until(page, lambda: not look_of(page))


def test_legend_and_filters(entries: dict[str, Points], maps: str, page: "Page") -> None:
    facts = entries["few"].frame(np.arange(500))
    left = facts[facts.map_1.notna() & (facts.brain_region == "EB") & (facts.score >= 0.5)]
    opened(page, f"{maps}/few/map/?brain_region=EB&score_least=0.5&colour=target")
    page.get_by_text(f"{len(left)} of 450 synapses shown").wait_for()
    legend = page.get_by_role("group", name="Legend")
    counts = left.target.fillna("(none)").value_counts()
    shown = {HOSTILE.replace("\n", " "): counts[HOSTILE], **counts.drop(HOSTILE)}
    assert {
        re.sub(r"\s+", " ", line.locator("span").first.inner_text()): int(line.locator(".number").inner_text())
        for line in legend.locator("label").all()
    } == shown
    legend.get_by_label("gaba").focus()
    page.keyboard.press("Space")
    page.get_by_text(f"{(left.target != 'gaba').sum()} of 450 synapses shown").wait_for()
    page.wait_for_url(re.compile(r"brain_region=EB&score_least=0\.5&colour=target&off=gaba$"))
    page.get_by_role("button", name="None", exact=True).click()
    page.get_by_text("No synapse is left").wait_for()
    page.get_by_role("button", name="All", exact=True).click()
    page.get_by_text(f"{len(left)} of 450 synapses shown").wait_for()
    page.get_by_text("brain region: 1 chosen").wait_for()
    page.locator(".map-filters").get_by_role("checkbox", name="LH_L").check()
    both = facts[facts.map_1.notna() & (facts.score >= 0.5)]
    page.get_by_text(f"{len(both)} of 450 synapses shown").wait_for()
    page.get_by_label("detection score, at least").fill("0.9")
    page.keyboard.press("Enter")
    page.get_by_text(f"{(both.score >= 0.9).sum()} of 450 synapses shown").wait_for()
    page.get_by_label("Colour by").select_option("cluster")
    page.get_by_text(re.compile(r"synapses shown .* · clusters: not assessed$")).wait_for()
    page.get_by_label("Colour by").select_option("detection score")
    page.get_by_text("0.90 to 1.00").wait_for()
    page.get_by_text("clusters: not assessed").wait_for(state="hidden")


def test_without_a_mouse(entries: dict[str, Points], maps: str, page: "Page") -> None:
    """Every button by its key: to look elsewhere, nearer, at one synapse, at all that are in view."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened(page, f"{maps}/plain/map/?look=0,0,0.004")

    def press(name: str) -> None:
        page.get_by_role("button", name=name, exact=True).focus()
        page.keyboard.press("Enter")

    press("→")
    press("↑")
    press("+")
    until(page, lambda: look_of(page)[2] == pytest.approx(0.6 * 0.004))
    x, y, unit = look_of(page)
    assert x == pytest.approx(y)
    assert x > 0
    press("All in view")
    box = page.locator(".map-canvas").evaluate("each => [each.clientWidth, each.clientHeight]")
    far = np.abs(entries["plain"].map - [x, y]) <= np.array(box) * unit / 2
    ids = entries["plain"].ids.filter(pa.array(far.all(axis=1))).to_pylist()
    page.get_by_text(f"{len(ids)} selected, by known class").wait_for()
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "\n".join(ids)
    press("Whole map")
    until(page, lambda: not look_of(page))
    page.get_by_label("Go to synapse").fill("0123")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Synapse 0123").wait_for()
    until(page, lambda: look_of(page)[:2] == pytest.approx(entries["plain"].map[123].tolist(), abs=1e-5))
    page.get_by_label("Go to synapse").fill("nowhere")
    page.keyboard.press("Enter")
    page.get_by_text("No synapse 'nowhere' in this release").wait_for()


def test_a_space_is_seen_from_the_side_that_the_explorer_shows(
    entries: dict[str, Points], maps: str, page: "Page"
) -> None:
    plane = Plane(entries["few"], in_space=True)
    plot = opened(page, f"{maps}/few/map/?turned=50,-10&off=gaba&colour=target")
    page.get_by_text(re.compile(r"Tilt \(degrees\): -10")).wait_for()
    x, y = middle_of(plot)

    def drag(right: int, down: int) -> None:
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + right, y + down, steps=5)
        page.mouse.up()

    def click_outermost(axis: str) -> None:
        """Clicks where the explorer has the shown point that is farthest to the right, or up."""
        kinds = entries["few"].category("target")
        shown = np.array([kinds.value(int(row)) != "gaba" for row in plane.rows])
        index = int(np.where(shown, getattr(plane, axis), -np.inf).argmax())
        width, height = plot.evaluate("each => [each.clientWidth, each.clientHeight]")
        unit = 1.08 * (plane.sides()[0][1] - plane.sides()[0][0]) / min(width, height)
        page.mouse.click(x + plane.x[index] / unit, y - plane.y[index] / unit)
        page.get_by_role("heading", name=f"{plane.rows[index]:06d}").wait_for()

    plane.turn(50, -10)
    click_outermost("x")
    drag(120, 60)
    plane.turn(90, -30)
    click_outermost("y")
    page.wait_for_url(re.compile("turned=90%2C-30"))
    # Back in the plane the lines of the legend that were off stay off.
    page.get_by_role("button", name="2-D").click()
    page.get_by_text(re.compile("of 450 synapses shown")).wait_for()
    assert not page.get_by_label("gaba").is_checked()
    assert page.get_by_label("glutamate").is_checked()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        *(each for each in UNSHOWABLE if each[0].startswith("few/")),
        ("none/map", "No synapse of this release of none has a place on a map"),
        ("few/map?place=1,2,3", "A place or a picture of your own cannot be searched with here"),
    ],
)
def test_what_cannot_be_shown_is_said(maps: str, page: "Page", address: str, said: str) -> None:
    page.goto(f"{maps}/{address}")
    page.get_by_text(said).wait_for()


def test_a_search_is_marked_as_the_explorer_marks_it(plain_host: PlainHost, page: "Page") -> None:
    url = f"{plain_host.url}/tiny"
    plot = opened(page, f"{url}/map/?synapse_id=s010&columns=&k=10&metric=l2")
    page.get_by_text("★ query s010 · ◯ its 10 nearest of other neurons, by Euclidean distance").wait_for()
    page.get_by_role("heading", name="Synapse s010").wait_for()
    picture = page.locator("img.tile").first
    picture.evaluate("each => each.complete || new Promise(done => each.onload = done)")
    assert picture.evaluate("each => each.naturalWidth") > 0
    # The filters hold for what is searched for, whenever they change.
    page.get_by_role("button", name="Filters").click()
    page.locator("summary", has_text="known class").click()
    page.locator(".map-filters").get_by_role("checkbox", name="gaba").check()
    page.wait_for_url(re.compile("synapse_id=s010.*metric=l2.*target=gaba.*colour="))
    page.get_by_text("◯ its 10 nearest of other neurons, by Euclidean distance").wait_for()
    # A double click searches, and Back shows the same again.
    page.get_by_role("button", name="+", exact=True).click()
    until(page, lambda: look_of(page))
    near = look_of(page)
    page.get_by_label("Go to synapse").fill("s008")
    page.keyboard.press("Enter")
    until(page, lambda: look_of(page) != near)
    page.mouse.dblclick(*middle_of(plot))
    page.wait_for_url(f"{url}/search/?synapse_id=s008")
    page.get_by_text("Nearest first").wait_for()
    page.go_back()
    page.get_by_text("★ query s010").wait_for()
    assert page.locator(".map-filters").get_by_role("checkbox", name="gaba").is_checked()


def test_it_fits_a_telephone(maps: str, page: "Page") -> None:
    page.set_viewport_size({"width": 480, "height": 900})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        plot = opened(page, f"{maps}/few/map/")
        assert page.evaluate("document.documentElement.scrollWidth") <= 480
        box = plot.bounding_box()
        assert box is not None
        assert box["width"] > 400
