"""The pages of detected synapses: correct pixels, every step and link, and what Neuroglancer may fetch, and who else may not."""

import io
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, unquote, urlsplit

import httpx
import numpy as np
import pytest
import tensorstore as ts
from PIL import Image

from synapse_assets import web
from synapse_assets.datasets import VolumeSpec
from synapse_assets.explorer import create_app, detection_pages, neuroglancer, precomputed
from synapse_assets.report import write_report
from synapse_assets.schema import detection as tables
from synapse_assets_tests.detection_release import (
    BLACK,
    HOSTILE,
    MISSING,
    OFFSET,
    SHAPE,
    THRESHOLDS,
    VERSION,
    detection_dataset,
    planted,
)
from synapse_assets_tests.explorer.conftest import PATIENCE_MS, Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

OPTIONAL = (
    tables.PROBABILITY_MAPS, tables.DETECTIONS, tables.MITOCHONDRIA, tables.DETECTOR_SCORES, tables.EXAMINED_SITES,
)  # fmt: skip
WINDOW = {"volume": "em", "x": 600, "y": 400, "z": 7, "span": 400}


def served(root: Path, *without: tables.Table) -> Iterator[SimpleNamespace]:
    """An explorer of a planted release: url, web, and what was planted."""
    found = planted(root, *without)
    running = Served(create_app([found.dataset], found.root))
    with httpx.Client(base_url=running.url, timeout=60) as client:
        found.url, found.web = running.url, client
        yield found
    running.stop()


@pytest.fixture(scope="module")
def detected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    yield from served(tmp_path_factory.mktemp("detected"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The same before any detector was trained."""
    yield from served(tmp_path_factory.mktemp("bare"), *OPTIONAL)


def text_of(html: str) -> str:
    """What a person reads of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html.rpartition("<main>")[2])).split())


def sections(found: SimpleNamespace, **wanted: object) -> str:
    answer = found.web.get("/found/sections", params=wanted)
    assert answer.status_code == 200, text_of(answer.text)
    return answer.text


def panel_of(html: str, z: int) -> str:
    """What is shown of one section."""
    return html.partition(f'id="z{z}"')[2].partition("</figure>")[0]


def pixels(found: SimpleNamespace, address: str) -> np.ndarray:
    answer = found.web.get(unescape(address))
    assert answer.status_code == 200, text_of(answer.text)
    assert answer.headers["content-type"] == "image/png"
    assert "immutable" in answer.headers["cache-control"]
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def pictures(html: str, z: int) -> dict[str, str]:
    """The addresses of grey values and map of a section of a page."""
    return {
        unescape(one).partition(".png")[0].rpartition("/")[2]: one
        for one in re.findall(r'src="([^"]+)"', panel_of(html, z))
    }


# Sections


def test_the_landing_page_is_the_sections(detected: SimpleNamespace) -> None:
    assert detected.web.get("/found").headers["location"] == "/found/sections"
    start = detected.web.get("/").text
    assert "60 synapses, 4 mitochondria, released" in text_of(start)
    assert 'href="/found/sections"' in start
    text = text_of(sections(detected))
    assert "Sections of em" in text
    assert "cleft by clefts" in text
    assert "1,000 x 808 x 12 voxels from 96, 64, 5 on" in text


def test_a_section_and_its_map_are_those_of_the_volume(detected: SimpleNamespace) -> None:
    html = sections(detected, **WINDOW)
    x0, y0 = 600 - 200, 400 - 200
    shown = pictures(html, 7)
    grey = pixels(detected, shown["grey"])
    np.testing.assert_array_equal(grey, detected.volumes["em"][2, y0 - 64 : y0 + 336, x0 - 96 : x0 + 304])
    made = detected.maps["cleft"]
    rgba = pixels(detected, shown["map"])
    rows, columns = (np.arange(y0, y0 + 400) // 3 - made.first[1]), (np.arange(x0, x0 + 400) // 3 - made.first[0])
    probability = made.values[2][np.ix_(rows, columns)]
    inside = probability >= THRESHOLDS["cleft"] * 255
    around = np.pad(inside, 1, mode="edge")
    inner = inside & around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    outline = inside & ~inner
    assert outline.any()
    assert inner.any()
    np.testing.assert_array_equal(rgba[..., 3], np.where(outline, 255, probability))
    np.testing.assert_array_equal(rgba[..., :3], np.where(outline[..., None], 255, (0xD5, 0x5E, 0x00)))


def test_a_large_volume_is_walked_through_in_steps(detected: SimpleNamespace) -> None:
    def place(**wanted: object) -> dict[str, str]:
        answer = detected.web.get("/found/sections", params={**WINDOW, **wanted})
        assert answer.status_code == 303
        address = urlsplit(answer.headers["location"])
        assert address.path == "/found/sections"
        return {name: value for name, [value] in parse_qs(address.query).items()}

    assert place(go="right")["x"] == "800"
    assert place(go="left")["x"] == "400"
    assert place(go="up")["y"] == "200"
    assert place(go="down")["y"] == "600"
    assert place(go="left", x=97)["x"] == "96", "no further than the volume"
    assert place(go="in")["span"] == "200"
    assert place(go="out")["span"] == "800"
    kept = place(go="out", opacity=30, hide=1, layer="mito/mitochondria")
    assert (kept["opacity"], kept["hide"], kept["layer"]) == ("30", "1", "mito/mitochondria")
    # What is shown at the edge is not moved out of it.
    corner = sections(detected, **{**WINDOW, "x": 1095, "y": 871})
    query = parse_qs(urlsplit(unescape(pictures(corner, 7)["grey"])).query)
    assert (query["x"], query["y"], query["width"], query["height"]) == (["696"], ["472"], ["400"], ["400"])
    whole = sections(detected, span=4096)
    assert re.search(r'name="go" value="out" title="This is all of the volume"[^>]*disabled', whole)
    assert "1,000 x 808 voxels, 4 x 3.23 µm" in text_of(whole)
    assert pixels(detected, pictures(whole, 8)["grey"]).shape == (404, 500), "a picture of at most 768 pixels"
    near = sections(detected, **{**WINDOW, "span": 48})
    assert re.search(r'name="go" value="in"[^>]*disabled', near)


def test_where_a_volume_has_no_coarser_scale_it_says_so(
    detected: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synapse_assets.query import detection

    monkeypatch.setattr(detection, "MOST_VOXELS", 64 * 64)
    html = sections(detected, volume="photographs", span=64)
    assert "The volume has no coarser scale to look at more of it" in html


def test_sections_are_stepped_through_and_more_of_them_fetched(
    detected: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synapse_assets.explorer import detection_views

    html = sections(detected, **WINDOW)
    assert [int(z) for z in re.findall(r'name="z" value="(\d+)"[^>]*id=', html)] == list(range(5, 17))
    assert re.findall(r'name="z" value="(\d+)"[^>]* checked', html) == ["7"]
    monkeypatch.setattr(detection_views, "RUN", 5)
    html = sections(detected, **WINDOW)
    assert [int(z) for z in re.findall(r'name="z" value="(\d+)"[^>]*id=', html)] == [5, 6, 7, 8, 9]
    later = sections(detected, **{**WINDOW, "z": 12})
    assert [int(z) for z in re.findall(r'name="z" value="(\d+)"[^>]*id=', later)] == [10, 11, 12, 13, 14]
    assert "‹ 11" in text_of(panel_of(later, 12))


def test_a_place_in_nanometres_is_found(detected: SimpleNamespace) -> None:
    text = text_of(sections(detected, at="(2401.9, 1602, 300)", z=16))
    assert "in voxels 600, 400, 7 of 4 x 4 x 40 nm" in text
    assert "middle 2402, 1602, 300 nm" in text


def test_what_is_black_missing_or_without_a_map_says_so(detected: SimpleNamespace) -> None:
    black = sections(detected, **{**WINDOW, "z": BLACK})
    assert f"Section {BLACK} is black here" in text_of(black)
    missing = sections(detected, **{**WINDOW, "z": MISSING})
    assert f"Section {MISSING} is missing here: the volume has no data" in text_of(missing)
    words = pixels(detected, pictures(missing, MISSING)["grey"])
    assert words.max() > 200, "it is written into the picture too"
    unmade = sections(detected, **{**WINDOW, "z": 12})
    text = text_of(unmade)
    assert "There is no map on this section: materialise found/probability_maps of em.2, then found/warehouse." in text
    assert "no map here" in text_of(panel_of(unmade, 12))
    assert "no map here" not in text_of(panel_of(unmade, 10))
    assert set(pictures(unmade, 12)) == {"grey"}
    np.testing.assert_array_equal(
        pixels(detected, pictures(unmade, 12)["grey"]), detected.volumes["em"][7, 136:536, 304:704]
    )
    assert "1 missing or black section of the blocks around was seen as the neighbours are" in text_of(
        sections(detected, **WINDOW)
    )
    beside = sections(detected, **{**WINDOW, "layer": "mito/mitochondria"})
    assert "There is no map where there are grey stripes" in text_of(beside)
    stripes = pixels(detected, pictures(beside, 7)["map"])
    assert (stripes[:, 210:, 3] > 0).mean() == pytest.approx(2 / 14, abs=0.02)
    assert "No map of this volume has been made" in text_of(sections(detected, volume="photographs"))


def test_every_point_stands_where_it_was_found_and_leads_there(detected: SimpleNamespace) -> None:
    html = sections(detected, volume="em", span=2048, z=7)
    for row in detected.rows["synapses"]:
        z = int(row["z_nm"] // 40)
        panel = panel_of(html, z)
        at = f'<circle cx="{row["x_nm"] / 4}" cy="{row["y_nm"] / 4}"'
        assert at in panel, row
        link, title = re.search(
            rf'<a href="([^"]+)" class="synapses" [^>]*>\s*{at}[^>]*><title>([^<]*)</title>', panel
        ).groups()
        assert unescape(title).startswith(f"synapse {row['synapse_id']}, score {row['score']:.2f}")
        there = {name: value for name, [value] in parse_qs(urlsplit(unescape(link)).query).items()}
        expected = [str(int(row[f"{axis}_nm"] // size)) for axis, size in zip("xyz", (4, 4, 40), strict=True)]
        assert [there[axis] for axis in "xyz"] == expected
    here = [row for row in detected.rows["synapses"] if row["z_nm"] // 40 == 7]
    assert f"{len(here)} synapse" in text_of(panel_of(html, 7))
    # Mitochondria of five sections around their middle.
    assert [len(re.findall("<rect", panel_of(html, z))) for z in range(5, 13)] == [2, 3, 4, 4, 3, 2, 1, 0]
    assert "goes on beyond the volume" in panel_of(html, 6)
    assert (
        HOSTILE in text_of(sections(detected, z=int(detected.rows["synapses"][7]["z_nm"] // 40), span=2048))
        or len(here) > 12
    )
    assert "<i>&" not in html
    hidden = sections(detected, **{**WINDOW, "hide": 1})
    assert re.search(r'name="hide" value="1" checked', hidden)


def test_too_many_points_are_counted(detected: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection_pages, "MOST_MARKS", 10)
    html = sections(detected, span=2048)
    assert "50 more were found around here than are drawn: look closer." in text_of(html)


# Sites and detectors


def test_sites_stand_side_by_side_under_their_figures(
    detected: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    html = detected.web.get("/found/sites").raise_for_status().text
    text = text_of(html)
    assert re.search(r"within the limits of size tolerance 150 nm 0\.800 0\.66 to 0\.91 0\.840 .* 0\.820", text)
    assert "Found 15" in text
    assert "Missed 15" in text
    assert "Invented 15" in text
    by_id = {row["site_id"]: row for row in detected.rows["examined_sites"]}

    def tiles(html: str, outcome: str) -> list[tuple[str, str]]:
        part = html.partition(f'<section aria-label="{outcome}">')[2].partition("</section>")[0]
        return re.findall(r'<a href="([^"]+)" title="[^"]*"><img src="([^"]+)"', part)

    monkeypatch.setattr(detection_pages, "TILES", 4)
    for outcome, key, falling in (("found", "score", False), ("invented", "score", True)):
        seen = []
        for page in (1, 2, 3, 4):
            html = detected.web.get("/found/sites", params={"page": page}).raise_for_status().text
            for link, source in tiles(html, outcome):
                site_id = unquote(urlsplit(unescape(source)).path.removeprefix("/found/examined/").removesuffix(".png"))
                row = by_id[site_id]
                assert row["outcome"] == outcome
                assert detected.web.get(unescape(source)).content == row["tile"]
                seen.append(row[key])
                there = text_of(detected.web.get(unescape(link)).raise_for_status().text)
                place = [int(row[f"{axis}_nm"] // size) for axis, size in zip("xyz", (4, 4, 40), strict=True)]
                assert f"in voxels {', '.join(map(str, place))} of" in there
        assert len(seen) == 15
        assert seen == sorted(seen, reverse=falling)
    first, last = (detected.web.get("/found/sites", params={"page": page}).text for page in (-3, 99))
    assert "page 1 of 4" in text_of(first)
    assert "page 4 of 4" in text_of(last)
    assert 'rel="prev"' not in first
    assert 'rel="next"' not in last


def test_detectors_say_what_is_the_headline_and_what_flatters(detected: SimpleNamespace) -> None:
    text = text_of(detected.web.get("/found/detectors").raise_for_status().text)
    assert "Version v1 is in use" in text
    cleft = text.partition("cleft by clefts")[2].partition("mitochondria by mito")[0]
    headline, _, flattering = cleft.partition("The next sections held out")
    assert headline.startswith(" f1 of cleft by block, limited: said in words.")
    assert "counts from a probability of 0.60 on" in headline
    assert "tolerance 150 nm between a site" in headline
    assert "training took 85 seconds" in headline
    assert re.search(r"all tolerance 150 nm 0\.700 0\.56 to 0\.81 0\.740 .* 0\.720 .* 41\.5 60\.2 50 58", headline)
    assert "0.830" not in headline
    assert "flatters" in flattering
    assert "0.830" in flattering
    mitochondria = text.partition("mitochondria by mito")[2]
    assert "training took" not in mitochondria
    assert re.search(r"F1 Dice IoU AP annotated found all tolerance 150 nm 0\.530 .* 0\.760", mitochondria)


# A release of another day


def test_without_detectors_pages_say_what_is_missing(bare: SimpleNamespace) -> None:
    assert "released" in text_of(bare.web.get("/").text)
    assert "synapses, released" not in text_of(bare.web.get("/").text)
    html = sections(bare)
    assert "No map of this volume has been made: materialise found/probability_maps of its blocks" in text_of(html)
    assert pixels(bare, pictures(html, 10)["grey"]).shape == (768, 768)
    assert "materialise found/detector, found/detector_scores, and found/warehouse" in text_of(
        bare.web.get("/found/sites").text
    )
    assert "There are no scores in this release" in text_of(bare.web.get("/found/detectors").raise_for_status().text)


@pytest.mark.parametrize(
    "path", ["gallery", "search", "synapse/found_001", "clusters", "classes", "scorecard", "place.png?at=0,0,0"]
)
def test_pages_of_other_chains_fail_with_a_sentence(detected: SimpleNamespace, path: str) -> None:
    answer = detected.web.get(f"/found/{path}")
    assert answer.status_code in (400, 404)
    assert "something failed here that should not" not in answer.text


# Requests that are not meant well


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        (
            "sections?volume=x'--",
            400,
            "no volume 'x'--' was divided into blocks in this release; there are em, photographs",
        ),
        ("sections?layer=%3Cb%3E", 400, "no map '<b>' of volume em; there are clefts/cleft, mito/mitochondria"),
        ("sections?z=4", 400, "z 4 lies outside of volume em, whose voxels are 5 to 16 along z"),
        ("sections?z=x", 400, "z: 'x' is no whole number"),
        ("sections?x=9223372036854775807", 400, "is no voxel of a volume"),
        ("sections?span=0", 400, "span: 0 voxels are no picture"),
        ("sections?span=-9223372036854775808", 400, "is no voxel of a volume"),
        ("sections?at=1,2", 400, "a place is three numbers"),
        ("sections?at=1e12,2,3", 400, "lies outside of volume em"),
        ("sections?at=nan,2,3", 400, "is no finite number"),
        ("sections?go=away", 400, "go: 'away' is none of left, right"),
        ("sections/grey.png", 400, "The address lacks volume="),
        ("sections/grey.png?volume=em&z=6&x=96&y=64&width=99999999&height=1", 400, "do not lie in em"),
        ("sections/grey.png?volume=em&z=6&x=96&y=64&width=9&height=9&release=0", 400, "this is of an older release"),
        ("sections/grey.png?volume=..%2F..&z=6&x=96&y=64&width=9&height=9", 400, "no volume '../..'"),
        ("sites?examined=x'--", 400, "'x'--' was not examined in this release; there are clefts/cleft"),
        ("sites?page=x", 400, "page: 'x' is no whole number"),
        ("examined/..%2F..%2Fetc%2Fpasswd.png", 400, "no examined site '../../etc/passwd'"),
    ],
)
def test_a_wrong_request_gets_a_sentence(detected: SimpleNamespace, path: str, status: int, words: str) -> None:
    answer = detected.web.get(f"/found/{path}")
    assert answer.status_code == status
    assert words in text_of(answer.text)
    assert "Traceback" not in answer.text


OWN = (
    "sections", "sections/grey.png?volume=em&z=6&x=96&y=64&width=9&height=9",
    "sections/map.png?volume=em&z=6&x=96&y=64&width=9&height=9&layer=clefts/cleft", "sites", "examined/site%203.png", "detectors",
    "precomputed/{key}/info", "precomputed/{key}/s0/96-608_64-576_5-6",
)  # fmt: skip


@pytest.mark.parametrize("path", OWN)
def test_every_page_has_the_headers_and_refuses_other_sites(detected: SimpleNamespace, path: str) -> None:
    address = f"/found/{path.format(key=key_of(detected, 'em'))}"
    answer = detected.web.get(address)
    assert answer.status_code == 200
    for name, value in web.HEADERS.items():
        assert answer.headers[name] == value, name
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert "<script" not in answer.text
    assert "Access-Control-Allow-Origin" not in answer.headers
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert detected.web.get(address, headers=embedded).status_code == 403
    for origin in (
        "http://evil.test",
        "null",
        "https://neuroglancer-demo.appspot.com.evil.test",
        f"{neuroglancer.VIEWER}/",
    ):
        refused = detected.web.get(address, headers={"Origin": origin})
        assert refused.status_code == 403, origin
        assert "Access-Control-Allow-Origin" not in refused.headers
    assert detected.web.get(address, headers={"Host": "evil.test", "Origin": neuroglancer.VIEWER}).status_code == 400
    borrowed = detected.web.get(address, headers={"Origin": neuroglancer.VIEWER, "Sec-Fetch-Site": "cross-site"})
    if path.startswith("precomputed"):
        assert borrowed.status_code == 200
        assert borrowed.headers["Access-Control-Allow-Origin"] == neuroglancer.VIEWER
        assert "Origin" in borrowed.headers["Vary"]
        assert "Origin" in answer.headers["Vary"], "no cache may give one's answer to the other"
        assert borrowed.content == answer.content
    else:
        assert borrowed.status_code == 403


def test_every_own_route_is_in_that_list(detected: SimpleNamespace) -> None:
    from starlette.routing import Match

    plain = {route.path for route in create_app([], detected.root).routes}  # type: ignore[attr-defined]
    app = create_app([detected.dataset], detected.root)
    own = {route.path for route in app.routes if route.path not in plain}  # type: ignore[attr-defined]
    asked: set[str] = set()
    for path in OWN:
        where = f"/found/{path.partition('?')[0].format(key='0' * 16)}"
        scope = {"type": "http", "method": "GET", "path": where, "root_path": "", "headers": []}
        asked.update(route.path for route in app.routes if route.matches(scope)[0] is Match.FULL and route.path in own)  # type: ignore[attr-defined]
    assert asked == own


# Neuroglancer


def state_of(html: str) -> dict:
    """What the link of a page tells Neuroglancer."""
    link = unescape(re.search(rf'href="({re.escape(neuroglancer.VIEWER)}[^"]*)"', html)[1])
    return json.loads(unquote(link.partition("#!")[2]))


def key_of(detected: SimpleNamespace, name: str) -> str:
    [layer] = [one for one in state_of(sections(detected))["layers"] if one["name"] == name]
    return layer["source"].rpartition("/")[2]


def test_the_link_has_the_volume_its_maps_and_points_at_the_place(detected: SimpleNamespace) -> None:
    html = sections(detected, **WINDOW)
    state = state_of(html)
    assert state["position"] == [600.5, 400.5, 7.5]
    em, cleft, mitochondria, points = state["layers"]
    assert (em["name"], cleft["name"], mitochondria["name"]) == (
        "em",
        "cleft by clefts (v1)",
        "mitochondria by mito (v1)",
    )
    for layer in (em, cleft, mitochondria):
        assert layer["type"] == "image"
        assert re.fullmatch(
            rf"precomputed://{re.escape(detected.url)}/found/precomputed/[0-9a-f]{{16}}", layer["source"]
        )
    assert "shader" not in em
    assert 'default="#D55E00"' in cleft["shader"]
    assert "emitRGBA(vec4(colour, toNormalized(getDataValue())))" in cleft["shader"]
    inside = {
        row["synapse_id"]: [row["x_nm"] / 4, row["y_nm"] / 4, row["z_nm"] / 40]
        for row in detected.rows["synapses"]
        if 400 <= row["x_nm"] / 4 < 800 and 200 <= row["y_nm"] / 4 < 600
    }
    assert {one["id"]: one["point"] for one in points["annotations"]} == inside
    assert "may reach this machine" in text_of(html)


@pytest.mark.parametrize("name", ["em", "photographs", "cleft by clefts (v1)"])
def test_a_layer_is_read_by_a_reader_of_the_format(detected: SimpleNamespace, name: str) -> None:
    """tensorstore fetches what Neuroglancer would, over HTTP."""
    volume = "photographs" if name == "photographs" else "em"
    layers = {one["name"]: one.get("source", "") for one in state_of(sections(detected, volume=volume))["layers"]}
    server = layers[name].removeprefix("precomputed://")

    def read(scale: int) -> ts.TensorStore:
        spec = {"driver": "neuroglancer_precomputed", "kvstore": f"{server}/", "scale_index": scale}
        return ts.open(spec, open=True, read=True).result()[..., 0].transpose()

    info = httpx.get(f"{server}/info").json()
    assert (info["data_type"], info["num_channels"], info["type"]) == ("uint8", 1, "image")
    first = read(0)
    if name == "em":
        assert [scale["resolution"] for scale in info["scales"]] == [[4, 4, 40], [8, 8, 40]]
        expected, origin = detected.volumes["em"].copy(), OFFSET
        expected[MISSING - OFFSET[2]] = 0
        halved = read(1)
        assert halved.domain.origin == (5, 32, 48)
        assert halved.shape == (SHAPE[2], SHAPE[1] // 2, SHAPE[0] // 2)
    elif name == "photographs":
        expected, origin = detected.volumes["photographs"], (0, 0, 0)
    else:
        made = detected.maps["cleft"]
        assert info["scales"][0]["resolution"] == [12, 12, 40]
        expected, origin = made.values.copy(), tuple(made.first)
        expected[6:] = 0
    assert first.domain.origin == tuple(origin)[::-1]
    np.testing.assert_array_equal(first.read().result(), expected)


def test_a_chunk_is_the_bytes_of_its_voxels_and_an_absent_one_is_none(detected: SimpleNamespace) -> None:
    key = key_of(detected, "em")
    [x, y, z] = detected.web.get(f"/found/precomputed/{key}/info").json()["scales"][0]["chunk_sizes"][0]
    assert (x, y, z) == (512, 512, 1)
    answer = detected.web.get(f"/found/precomputed/{key}/s0/608-1096_576-872_7-8")
    assert answer.content == detected.volumes["em"][2, 512:, 512:].tobytes()
    assert detected.web.get(f"/found/precomputed/{key}/s0/96-608_64-576_{MISSING}-{MISSING + 1}").status_code == 404


@pytest.mark.parametrize(
    "rest",
    [
        "s0/96-608_64-576_5-7", "s0/97-609_64-576_5-6", "s0/96-607_64-576_5-6", "s0/0-96_64-576_5-6", "s0/96-608_64-576", "s0/x",
        "s0/96-608_64-576_5-6_0-1", "s2/96-608_64-576_5-6", "s-1/96-608_64-576_5-6", "s/96-608_64-576_5-6", "4_4_40/96-608_64-576_5-6",
        "s0/99999999999999999999-1_64-576_5-6", "s0/", "..%2Finfo", "s0/..%2F..%2Finfo", "%2e%2e/%2e%2e/info", "info/..", "s0/%00",
        "s0/٩٦-608_64-576_5-6", "../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "4_4_40%2F96-608_64-576_5-6",
    ],
)  # fmt: skip
def test_nothing_but_chunks_of_the_layer_is_given(detected: SimpleNamespace, rest: str) -> None:
    address = httpx.URL(detected.url).copy_with(
        raw_path=f"/found/precomputed/{key_of(detected, 'em')}/".encode() + quote(rest, safe="/%.").encode()
    )
    answer = detected.web.get(address, headers={"Origin": neuroglancer.VIEWER})
    assert answer.status_code in (400, 403, 404)
    assert "root:" not in answer.text
    assert detected.web.get(address).status_code in (400, 404)


def test_only_get_is_lent_and_only_at_names_of_this_machine(detected: SimpleNamespace) -> None:
    address = f"/found/precomputed/{key_of(detected, 'em')}/info"
    borrower = {"Origin": neuroglancer.VIEWER}
    for method in ("POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"):
        answer = detected.web.request(method, address, headers=borrower)
        assert answer.status_code in (403, 405), method
        assert "Access-Control-Allow-Origin" not in answer.headers, method
    twice = [("Origin", neuroglancer.VIEWER), ("Origin", "http://evil.test")]
    assert detected.web.get(address, headers=twice).status_code == 403
    other = detected.web.get(f"/found/precomputed/{'0' * 16}/info", headers=borrower)
    assert (other.status_code, other.headers["Access-Control-Allow-Origin"]) == (404, neuroglancer.VIEWER)
    assert detected.web.get("/api/found/similar", headers=borrower).status_code == 403
    public = Served(create_app([detected.dataset], detected.root, "https://synapses.lab.org"))
    try:
        assert httpx.get(public.url + address, headers=borrower).status_code == 403, "not behind a proxy"
        html = httpx.get(f"{public.url}/found/sections", headers={"Host": "synapses.lab.org"}, timeout=60).text
        assert neuroglancer.VIEWER not in html
        assert "No link to Neuroglancer: the volume lies on the server's machine" in text_of(html)
    finally:
        public.stop()


def test_what_lies_far_away_is_linked_as_it_is(detected: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    from synapse_assets.query import open_warehouse
    from synapse_assets.query.detection import DetectionResults

    far = {"em": {"kind": "precomputed", "url": "gs://bucket/em", "voxel_size_nm": (4, 4, 40)}}
    dataset = detection_dataset(detected.folder, volumes=far)
    with open_warehouse(dataset, detected.root) as warehouse:
        results = warehouse.detection
        assert precomputed.source_of_volume(results, "em", "found", "") == ("precomputed://gs://bucket/em", "")
        [cleft, _, _] = results.maps("em")
        assert precomputed.source_of_map(results, "em", cleft, "found", "") is None
        for address, endpoint, source in (
            ("gs://bucket/data/map", "http://minio:9000", "precomputed://gs://bucket/data/map"),
            ("s3://bucket/data/map", "", "precomputed://s3://bucket/data/map"),
            ("s3://bucket/data/map", "http://minio:9000", None),
        ):
            with monkeypatch.context() as patch:
                patch.setenv("AWS_ENDPOINT_URL", endpoint)
                patch.setattr(DetectionResults, "map_address", lambda *_, address=address: address)
                assert precomputed.source_of_map(results, "em", cleft, "found", "") == source
        assert set(precomputed.layers_of(results)) == {
            precomputed.Layer(results, "em", block).key for block in results.maps("em")
        }, "what lies elsewhere is not passed on"
    far["em"] |= {"kind": "zarr", "url": "s3://bucket/em.zarr"}
    with open_warehouse(detection_dataset(detected.folder, volumes=far), detected.root) as warehouse:
        found = precomputed.source_of_volume(warehouse.detection, "em", "found", "http://127.0.0.1:1")
        assert found == ("zarr://s3://bucket/em.zarr", "")
    assert precomputed.is_far("s3://bucket/maps")
    assert not precomputed.is_far("/data/maps")
    assert not precomputed.is_far("file:///data/maps")


def test_a_volume_in_pieces_that_are_too_large_has_no_link(
    detected: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precomputed, "_MOST_DECODED", 90 * 70 - 1)
    text = text_of(sections(detected, volume="photographs"))
    assert "No link to Neuroglancer: its files are read in pieces of 6,300 voxels, too large" in text


def test_a_link_to_maps_is_that_to_the_volume_with_layers() -> None:
    volume = VolumeSpec.model_validate(
        {"kind": "precomputed", "url": "https://data.example/em", "voxel_size_nm": (4, 4, 40)}
    )
    layer = neuroglancer.MapLayer('cleft "<', "precomputed://gs://bucket/map", "#D55E00")
    url = neuroglancer.link_to_maps(volume, "em", "precomputed://x", [layer], (40.0, 80.0, 400.0), [])
    assert '"' not in url
    assert "<" not in url
    state = json.loads(unquote(url.partition("#!")[2]))
    assert state["position"] == [10, 20, 10]
    assert [(one["name"], one["source"]) for one in state["layers"]] == [
        ("em", "precomputed://x"), ('cleft "<', "precomputed://gs://bucket/map")
    ]  # fmt: skip


# In a browser


def test_the_arrow_keys_step_through_sections_and_the_map_fades(detected: SimpleNamespace, page: "Page") -> None:
    page.goto(f"{detected.url}/found/sections?volume=em&x=600&y=400&z=7&span=400")

    def shown() -> str:
        assert page.locator(".panel:visible").count() == 1
        return page.locator(".panel:visible figcaption b").first.inner_text()

    assert shown() == "Section 7"
    page.keyboard.press("ArrowRight")
    assert shown() == "Section 8"
    picture = page.locator(".panel:visible img").first
    picture.evaluate("image => image.decode()")
    assert picture.evaluate("image => image.naturalWidth") == 400
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert shown() == "Section 6"
    page.get_by_text("5", exact=False).locator("xpath=self::label[@title='Previous section']").locator(
        "visible=true"
    ).click()
    assert shown() == "Section 5"
    over = page.locator(".panel:visible .over")
    assert over.evaluate("image => getComputedStyle(image).opacity") == "0.6"
    page.check(".opacity input[value='30']")
    assert over.evaluate("image => getComputedStyle(image).opacity") == "0.3"
    assert page.locator(".panel:visible .marks").count() == 1
    page.check("input[name=hide]")
    assert page.locator(".panel .marks:visible").count() == 0
    page.get_by_role("button", name="To the right, half a picture").click()
    page.wait_for_url("**x=800**")
    assert shown() == "Section 5", "what was chosen stays"
    over = page.locator(".panel:visible .over")
    assert over.evaluate("image => getComputedStyle(image).opacity") == "0.3"
    assert page.locator(".panel .marks:visible").count() == 0
    page.get_by_role("button", name="Further away").press("Enter")
    page.wait_for_url("**span=800**")
    page.uncheck("input[name=hide]")
    page.locator(".panel:visible .marks a.synapses:not(.beside)").first.click(force=True)
    page.wait_for_url("**/found/sections?**")
    assert page.locator(".reason[role=alert]").count() == 0


def test_every_page_fits_a_window_and_a_telephone(detected: SimpleNamespace, page: "Page") -> None:
    for width in (1000, 390):
        page.set_viewport_size({"width": width, "height": 800})
        for path in ("sections?z=12&span=300", "sites", "detectors"):
            answer = page.goto(f"{detected.url}/found/{path}")
            assert answer is not None
            assert answer.status == 200, path
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)


def test_a_page_of_neuroglancer_reads_what_is_lent_and_no_other_page_does(
    detected: SimpleNamespace, browser: "Browser"
) -> None:
    """A page of that origin, served by the test itself, fetches as Neuroglancer does."""
    from playwright.sync_api import Error as PlaywrightError

    key = key_of(detected, "em")
    context = browser.new_context()
    # The question that newer browsers ask a person; older ones have no such permission.
    for permission in ("local-network-access", "loopback-network"):
        with suppress(PlaywrightError):
            context.grant_permissions([permission], origin=neuroglancer.VIEWER)
    asked: list[str] = []

    def page_of(origin: str) -> "Page":
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.route(f"{origin}/**", lambda route: route.fulfill(status=200, content_type="text/html", body="<p>viewer"))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{origin}/")
        return page

    fetched = """async address => {
        try { const answer = await fetch(address); return [answer.status, (await answer.arrayBuffer()).byteLength]; }
        catch (error) { return String(error); }
    }"""
    viewer, foreign = page_of(neuroglancer.VIEWER), page_of("https://evil.test")
    chunk = f"{detected.url}/found/precomputed/{key}/s0/96-608_64-576_7-8"
    assert viewer.evaluate(fetched, chunk) == [200, 512 * 512]
    assert "TypeError" in foreign.evaluate(fetched, chunk)
    for path in ("/found/sections", "/found/detectors", "/"):
        assert "TypeError" in viewer.evaluate(fetched, detected.url + path), path
    context.close()
    assert {urlsplit(one).hostname for one in asked} <= {
        "127.0.0.1",
        "evil.test",
        urlsplit(neuroglancer.VIEWER).hostname,
    }


def test_version_and_threshold_stand_beside_the_picture(detected: SimpleNamespace) -> None:
    text = text_of(sections(detected, **WINDOW))
    assert f"map cleft by clefts {VERSION}" in text
    assert "from a probability of 0.60 on" in text
    assert "F1 0.82 (0.68 to 0.93) with a block held out" in text


# The report of the release


def test_a_report_is_a_page_of_its_own_once_there_is_one(bare: SimpleNamespace) -> None:
    missing = bare.web.get("/found/report")
    assert missing.status_code == 400
    assert "`synapse-assets report found` writes it" in text_of(missing.text)
    assert 'href="/found/report"' not in bare.web.get("/").text
    write_report(bare.store, bare.dataset)
    assert 'href="/found/report"' in bare.web.get("/").text
    page = bare.web.get("/found/report")
    assert page.text == bare.store.folder.open("report.html").read().decode()
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy
