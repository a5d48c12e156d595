"""The pages of stained pictures: what stands in the released tables, correct pixels in every layer, and nothing that breaks on odd ids."""

import io
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from synapse_assets import web
from synapse_assets.explorer import create_app, stained_layers, stained_pages
from synapse_assets.figures.staining import full_brightness
from synapse_assets.schema import EXPLANATION_CHECKS, staining
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.explorer.conftest import Served
from synapse_assets_tests.explorer.stained import (
    FIRST,
    HOSTILE,
    LARGE,
    PLATES,
    STRIDE,
    WINDOW,
    drawn,
    explained_row,
    picture_rows,
    plant,
    probability_at,
    saliency_of,
    stained_dataset,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

FAILED, UNEXPLAINED = "P1/control_2.png", "P1/treated_0.png"
OPTIONAL = (
    staining.IMAGE_PREDICTIONS, staining.WINDOW_MAPS, staining.STAIN_EXPLANATIONS, staining.STAIN_SCORES, staining.STAIN_THRESHOLDS,
    staining.COMPOUNDS, staining.COMPOUND_WELLS, EXPLANATION_CHECKS,
)  # fmt: skip


def served(root: Path, *without: staining.Table) -> Iterator[SimpleNamespace]:
    """An explorer of a planted release: url, web, store, images."""
    dataset = stained_dataset()
    store = DatasetStore(str(root), dataset.name)
    images = plant(store, *without)
    running = Served(create_app([dataset], root))
    with httpx.Client(base_url=running.url, timeout=60) as web_client:
        yield SimpleNamespace(url=running.url, web=web_client, store=store, images=images)
    running.stop()


@pytest.fixture(scope="module")
def stained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    yield from served(tmp_path_factory.mktemp("stained"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The same before any network was trained."""
    yield from served(tmp_path_factory.mktemp("bare"), *OPTIONAL)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """One to be changed."""
    yield from served(tmp_path)


def text_of(html: str) -> str:
    """What a person reads of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html.partition("<main>")[2])).split())


def ids_of(html: str) -> list[str]:
    """The pictures that a list shows, in its order."""
    return [unescape(one) for one in re.findall(r'class="id">(.*?)</a>', html, re.DOTALL)]


def pixels_of(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, text_of(answer.text)
    assert answer.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def row_of(stained: SimpleNamespace, image_id: str) -> dict:
    return next(row for row in stained.images if row["image_id"] == image_id)


def picture(stained: SimpleNamespace, image_id: str, **options: str) -> str:
    address = httpx.URL(f"{stained.url}/stained/picture/").copy_with(raw_path=quoted("picture", image_id))
    return stained.web.get(address, params=options).raise_for_status().text


def quoted(kind: str, image_id: str, end: str = "") -> bytes:
    from urllib.parse import quote

    return f"/stained/{kind}/{quote(image_id, safe='')}{end}".encode()


def layer(stained: SimpleNamespace, image_id: str, name: str, palette: str = "red_blue") -> np.ndarray:
    address = httpx.URL(stained.url).copy_with(
        raw_path=quoted(f"layers/{name}", image_id, ".png") + f"?palette={palette}".encode()
    )
    return pixels_of(stained.web.get(address))


# The list


def test_the_landing_page_is_the_list_of_pictures(stained: SimpleNamespace) -> None:
    assert stained.web.get("/stained").headers["location"] == "/stained/pictures"
    start = stained.web.get("/").text
    assert "12 windows, released" in start
    assert 'href="/stained/pictures"' in start


def test_the_list_has_every_picture_with_its_answer_and_what_is_odd(stained: SimpleNamespace) -> None:
    html = stained.web.get("/stained/pictures").raise_for_status().text
    expected = sorted(
        stained.images, key=lambda row: (row["plate"], row["well"] is None, row["well"] or "", row["image_id"])
    )
    assert ids_of(html) == [row["image_id"] for row in expected]
    text = text_of(html)
    assert "not used: blurred: focus 0.01 of 0.05" in text
    assert "not used: …/corrupt.tif cannot be read: the file is cut short" in text
    assert "brighter than the others: 3 % of its pixels are saturated" in text
    # P1: pictures, wells, uncertain, named wrongly, explained, not used.
    assert re.search(r"P1 21 14 control treated 1 1 3 2 plate 2/b 8 8 control treated 0 0 0 0", text)
    assert re.search(r"P1/control_2\.png P1 B04, field 1 control → treated 0\.80 wrong", text)
    assert re.search(r"P1/control_1\.png P1 B03, field 1 control → uncertain 0\.55", text)


def test_pictures_are_filtered_and_paged(stained: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(**wanted: object) -> list[str]:
        return ids_of(stained.web.get("/stained/pictures", params=wanted).raise_for_status().text)

    rows = {row["image_id"]: row for row in stained.images}
    assert shown(only="errors") == ["P1/control_2.png"]
    assert shown(only="uncertain") == ["P1/control_1.png"]
    assert shown(answer="uncertain") == ["P1/control_1.png"]
    assert set(shown(only="explained")) == {HOSTILE, "P1/large.png", FAILED}
    assert set(shown(only="unused")) == {"P1/blurred.png", "P1/corrupt.tif"}
    assert set(shown(plate=PLATES[1])) == {name for name, row in rows.items() if row["plate"] == PLATES[1]}
    of_plate = shown(plate=PLATES[1], label="treated")
    assert of_plate == [f"{PLATES[1]}/treated_{number}.png" for number in range(4)]
    monkeypatch.setattr(stained_pages, "LISTED", 3)
    pages = [shown(plate=PLATES[1], page=page) for page in (1, 2, 3, 99, -7)]
    assert [name for page in pages[:3] for name in page] == shown(plate=PLATES[1], page=1) + pages[1] + pages[2]
    assert pages[3] == pages[2]
    assert pages[4] == pages[0]
    html = stained.web.get("/stained/pictures", params={"plate": PLATES[1], "page": 2}).text
    [back, onward] = re.findall(r'href="(/stained/pictures\?[^"]*page=\d)"', html)
    assert ids_of(stained.web.get(unescape(onward)).text) == pages[2]
    assert ids_of(stained.web.get(unescape(back)).text) == pages[0]


def test_every_link_and_preview_of_the_list_leads_to_that_picture(stained: SimpleNamespace) -> None:
    html = stained.web.get("/stained/pictures").text
    assert "<i>&" not in html
    by_id = {row["image_id"]: row for row in stained.images}
    figures = re.findall(r'<figure.*?<a href="([^"]+)" title="([^"]*)">(.*?)</a>', html, re.DOTALL)
    assert len(figures) == len(by_id)
    for href, title, content in figures:
        image_id = unescape(title)
        page = stained.web.get(unescape(href)).raise_for_status().text
        assert unescape(re.search(r"<h1>Picture (.*?)</h1>", page, re.DOTALL)[1]) == image_id
        assert "<i>&" not in page
        if found := re.search(r'src="([^"]+)"', content):
            answer = stained.web.get(unescape(found[1]))
            assert answer.content == by_id[image_id]["preview"]
            assert "immutable" in answer.headers["cache-control"]
        else:
            assert image_id == "P1/corrupt.tif"
            assert "This picture is not used: …/corrupt.tif cannot be read: the file is cut short" in text_of(page)


# One picture


def shown_layer(html: str) -> str | None:
    found = re.search(r'<img class="over" src="/stained/layers/(\w+)/', html)
    return found and found[1]


def test_a_map_that_failed_its_checks_is_shown_by_choice_only(stained: SimpleNamespace) -> None:
    trusted = picture(stained, HOSTILE)
    assert shown_layer(trusted) == "coloured"
    assert "Trustworthy : maps of grad cam follow what small has learned." in text_of(trusted)
    assert shown_layer(picture(stained, "P1/large.png")) == "coloured"
    assert "Partly trustworthy" in text_of(picture(stained, "P1/large.png"))
    failed = picture(stained, FAILED)
    assert shown_layer(failed) == "dense"
    assert "coloured saliency (failed its checks)" in text_of(failed)
    assert "Not trustworthy" not in text_of(failed)
    chosen = picture(stained, FAILED, layer="coloured")
    assert shown_layer(chosen) == "coloured"
    assert "Not trustworthy : maps of grad cam failed the checks for small" in text_of(chosen)
    assert shown_layer(picture(stained, UNEXPLAINED)) == "dense"
    assert "coloured saliency" not in picture(stained, UNEXPLAINED)
    assert shown_layer(picture(stained, UNEXPLAINED, layer="original")) is None


def test_the_page_says_threshold_interval_and_answers(stained: SimpleNamespace) -> None:
    html = picture(stained, HOSTILE)
    text = text_of(html)
    assert "grad cam of small: treated above 0.50, uncertain from 0.35 to 0.65." in text
    assert "Chosen as typical" in text
    assert "treated from a probability of 0.50 (0.35 to 0.65)" in html
    assert "96 x 96 px of 325 nm, 1 channel, 12 bits" in text
    for classifier in ("small", "texture_probe"):
        assert re.search(rf"{classifier} treated treated 0\.8\d control 0\.1\d", text)
    assert "/nowhere" not in html, "where files lie on the lab's machine is nobody's business"
    legend = re.search(r'<img class="legend" src="([^"]+)"', html)[1]
    assert pixels_of(stained.web.get(unescape(legend))).shape[1] > 300
    doses = text_of(picture(stained, "P1/c1_10_0.png"))
    assert "compound c1 dose 10 µM" in doses


def test_the_picture_is_of_its_full_size_where_it_was_explained(stained: SimpleNamespace) -> None:
    np.testing.assert_array_equal(layer(stained, "P1/large.png", "original"), drawn(0, True, *LARGE))
    assert "preview" not in text_of(picture(stained, "P1/large.png"))
    at = next(number for number, row in enumerate(stained.images) if row["image_id"] == UNEXPLAINED)
    np.testing.assert_array_equal(layer(stained, UNEXPLAINED, "original"), drawn(at, True))


def colour_at(image: dict, row: int, column: int) -> str:
    """By hand what the dense map names a pixel: the probability, linear between the centres of windows, against 0.35 and 0.65."""
    count = -(-image["width_px"] // STRIDE)
    of_windows = probability_at(1, count, image["label"] == "treated")[0]
    value = np.interp(column + 0.5, FIRST + STRIDE * np.arange(count), of_windows)
    return "treated" if value > 0.65 else "control" if value < 0.35 else "uncertain"


COLOURS = {
    "red_blue": {"control": (61, 107, 255), "treated": (255, 59, 48), "uncertain": (53, 199, 89)},
    "colour_blind": {"control": (86, 180, 233), "treated": (230, 159, 0), "uncertain": (208, 208, 208)},
}


@pytest.mark.parametrize("palette", list(COLOURS))
def test_the_dense_map_has_the_right_colour_at_every_pixel(stained: SimpleNamespace, palette: str) -> None:
    for image_id in (UNEXPLAINED, "P1/large.png", "P1/control_0.png"):
        image = row_of(stained, image_id)
        found = layer(stained, image_id, "dense", palette)
        assert found.shape == (image["height_px"], image["width_px"], 3)
        for column in range(0, image["width_px"], 7):
            expected = COLOURS[palette][colour_at(image, 0, column)]
            assert tuple(found[0, column]) == tuple(found[-1, column]) == expected, (image_id, column)


def test_coloured_saliency_is_the_stored_one_or_drawn_in_other_colours(stained: SimpleNamespace) -> None:
    image = row_of(stained, "P1/large.png")
    stored = layer(stained, "P1/large.png", "coloured")
    assert stored.shape == (*LARGE, 3)
    assert (stored == (255, 0, 255)).all(), "as it was stored"
    again = layer(stained, "P1/large.png", "coloured", "colour_blind").astype(float)
    saliency, under = saliency_of(image), 0.35 * drawn(0, True, *LARGE)
    largest = full_brightness(saliency)
    for row, column in ((3, 5), (100, 500), (639, 767), (320, 640)):
        bright = min(saliency[row, column] / largest, 1)
        colour = np.array(COLOURS["colour_blind"][colour_at(image, row, column)])
        expected = bright * colour + (1 - bright) * under[row, column]
        np.testing.assert_allclose(again[row, column], expected, atol=1.5)


@pytest.mark.usefixtures("stained")
def test_a_picture_is_zoomed_pixel_by_pixel_and_its_layer_faded(stained: SimpleNamespace, page: "Page") -> None:
    page.goto(f"{stained.url}{quoted('picture', 'P1/large.png').decode()}")
    under, over = page.locator(".viewer img").first, page.locator(".viewer img.over")
    assert over.evaluate("image => image.naturalWidth") == LARGE[1]
    for zoom, times in (("1", 1), ("2", 2), ("4", 4)):
        page.check(f"#zoom-{zoom}")
        for image in (under, over):
            box = image.bounding_box()
            assert box is not None
            assert (box["width"], box["height"]) == (times * LARGE[1], times * LARGE[0])
            assert image.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"
    viewer = page.locator(".viewer")
    assert viewer.evaluate("one => one.scrollWidth > one.clientWidth && one.scrollHeight > one.clientHeight")
    page.check("#zoom-fit")
    assert viewer.evaluate("one => one.scrollWidth <= one.clientWidth")
    assert over.evaluate("image => getComputedStyle(image).opacity") == "1"
    page.check(".opacity input[value='30']")
    assert over.evaluate("image => getComputedStyle(image).opacity") == "0.3"
    page.check(".opacity input[value='60']")
    page.keyboard.press("ArrowRight")
    assert over.evaluate("image => getComputedStyle(image).opacity") == "0.7"


def test_every_page_fits_a_window_and_a_telephone(stained: SimpleNamespace, page: "Page") -> None:
    for width in (1000, 390):
        page.set_viewport_size({"width": width, "height": 800})
        for path in (
            "pictures",
            "picture/P1%2Flarge.png",
            quoted("picture", HOSTILE)[9:].decode(),
            "stain_scores",
            "compounds",
        ):
            answer = page.goto(f"{stained.url}/stained/{path}")
            assert answer is not None
            assert answer.status == 200, path
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)


# Scores and compounds


def test_scores_stand_with_intervals_and_the_leak_apart(stained: SimpleNamespace) -> None:
    text = text_of(stained.web.get("/stained/stain_scores").raise_for_status().text)
    honest, _, leaks = text.partition("What a split of crops would claim")
    assert "small plate held out, by image 0.910 0.76 to 0.96" in honest
    assert "texture_probe plate held out, by image 0.810" in honest
    assert "0.995" not in honest
    assert "small random crops, by window 0.995" in leaks
    said, _, folded = honest.partition("Every score in words")
    assert "balanced_accuracy of small by plate: said in words." in said
    assert "f1 of small by plate: said in words." not in said
    assert "f1 of small by plate: said in words." in folded
    assert re.search(
        r"small grad cam trustworthy 0\.60 passed 0\.50 to 0\.70 .*small gradients not trustworthy 0\.05 failed", leaks
    )
    assert "treated small window 0.500 0.350 and 0.650 0.80 12 12" in leaks.replace("0.50 (0.35 to 0.65) ", "")


def test_compounds_stand_by_rank_with_their_pictures(stained: SimpleNamespace) -> None:
    html = stained.web.get("/stained/compounds").raise_for_status().text
    text = text_of(html)
    assert "1 c1 10 0.80 0.60 to 1.00 0.30 3" in text
    assert "2 c2 1 0.07 −0.13 to 0.27 0.85 3" in text
    assert "10 µM : c1 in words, dose 10.0." in text
    assert "control 0.15 0.10 to 0.20 3 3" in text
    first = html.partition("<b>c1</b>")[2].partition("</tr>")[0]
    for href, image_id in re.findall(r'<a href="([^"]+)" title="[^"]*: ([^"]+)"', first):
        assert f"<h1>Picture {image_id}</h1>" in stained.web.get(href).text
    pictures = [unescape(one) for one in re.findall(r'src="(/stained/compounds/[^"]+)"', html)]
    assert len(pictures) == 1 + len(PLATES)
    for address in pictures:
        assert pixels_of(stained.web.get(address)).shape[0] > 100


# A release of another day


def test_without_networks_pages_say_what_is_missing(bare: SimpleNamespace) -> None:
    html = bare.web.get("/stained/pictures").raise_for_status().text
    assert len(ids_of(html)) == len(bare.images)
    assert "materialise stained/stain_network, stained/image_predictions of every plate" in text_of(html)
    assert shown_layer(picture(bare, UNEXPLAINED)) is None
    assert layer(bare, UNEXPLAINED, "original").shape == (96, 96)
    scores = text_of(bare.web.get("/stained/stain_scores").raise_for_status().text)
    assert "There are no scores in this release: materialise stained/stain_network" in scores
    compounds = text_of(bare.web.get("/stained/compounds").raise_for_status().text)
    assert "There are no compounds in this release" in compounds
    answer = bare.web.get(httpx.URL(bare.url).copy_with(raw_path=quoted("layers/dense", UNEXPLAINED, ".png")))
    assert answer.status_code == 400
    assert "no layer 'dense' of this picture; there are original" in text_of(answer.text)


def test_what_was_made_again_since_the_release_is_not_shown_as_if_it_were_of_it(fresh: SimpleNamespace) -> None:
    row = {**row_of(fresh, "P1/control_0.png"), "image_hash": "other"}
    of_plate = [one if one["image_id"] != row["image_id"] else row for one in fresh.images if one["plate"] == "P1"]
    table = pa.Table.from_pylist(of_plate, schema=staining.IMAGES.arrow)
    fresh.store.results(staining.IMAGES).write_partition("P1", table)
    changed = fresh.web.get(httpx.URL(fresh.url).copy_with(raw_path=quoted("previews", "P1/control_0.png", ".png")))
    assert changed.status_code == 400
    assert "images of 'P1/control_0.png' was made again" in text_of(changed.text)
    same = fresh.web.get(httpx.URL(fresh.url).copy_with(raw_path=quoted("previews", "P1/control_3.png", ".png")))
    assert same.content == row_of(fresh, "P1/control_3.png")["preview"]


def test_maps_of_an_earlier_picture_are_left_out_and_named(tmp_path: Path) -> None:
    dataset = stained_dataset()
    store = DatasetStore(str(tmp_path), dataset.name)
    plant(store)
    image = next(row for row in picture_rows() if row["image_id"] == "P1/large.png")
    old = pa.Table.from_pylist(
        [{**explained_row(image, "trustworthy", "typical"), "image_hash": "old"}],
        schema=staining.STAIN_EXPLANATIONS.arrow,
    )
    store.results(staining.STAIN_EXPLANATIONS).write_partition("P1", old)
    maps = store.results(staining.WINDOW_MAPS)
    rows = [{**row, "image_hash": "old"} for row in maps.read("P1").to_pylist()]
    maps.write_partition("P1", pa.Table.from_pylist(rows, schema=staining.WINDOW_MAPS.arrow))
    from synapse_assets.query import Warehouse
    from synapse_assets.stores import build_warehouse

    tables = [staining.IMAGES, staining.STAIN_EXPLANATIONS, staining.WINDOW_MAPS, staining.STAIN_THRESHOLDS]
    build_warehouse(store, [store.results(table) for table in tables], {"models": {}})
    with Warehouse(store) as warehouse:
        found = stained_layers.layers_of(warehouse, "P1/large.png")
    assert list(found.titles) == ["original"]
    assert found.first == "original"
    assert [note.split(":")[0] for note in found.notes] == [
        "The picture was read anew since it was explained",
        "The picture was read anew since its dense map was made",
    ]
    assert "preview of at most 512 px" in found.under


def test_the_pages_of_windows_are_those_of_synapses_in_other_words(stained: SimpleNamespace) -> None:
    window = "P1/control_0.png@0_32"
    for path in ("gallery", "clusters", "clusters/0", "search", f"search?synapse_id={window.replace('@', '%40')}"):
        text = text_of(stained.web.get(f"/stained/{path}").raise_for_status().text)
        assert "synapse" not in text.lower(), (path, text)
        assert "region" not in text, (path, text)
    assert stained.web.get("/stained/map").status_code == 200
    html = stained.web.get(httpx.URL(stained.url).copy_with(raw_path=quoted("synapse", window))).raise_for_status().text
    assert f"Window {window}" in text_of(html)
    assert "synapse" not in text_of(html).lower()
    link = re.search(r'<a class="button" href="([^"]+)">Its picture</a>', html)[1]
    assert "<h1>Picture P1/control_0.png</h1>" in stained.web.get(link).text
    assert pixels_of(stained.web.get(re.search(r'src="(/stained/tiles/[^"]+)"', html)[1])).shape == (WINDOW, WINDOW)
    for path in ("explanations", "differences", "neurons", "classifiers"):
        assert stained.web.get(f"/stained/{path}").status_code == 404, path


def test_pages_of_windows_do_not_speak_of_neurons_and_sections(stained: SimpleNamespace) -> None:
    for path in ("search", "search?synapse_id=P1%2Fcontrol_0.png%400_32"):
        text = text_of(stained.web.get(f"/stained/{path}").raise_for_status().text)
        assert "own neuron" not in text, path
        assert "8-bit grey, at the scale of the dataset's windows." in text, path
        assert "sections" not in text, path
    assert " ; clustering" not in text_of(stained.web.get("/stained/clusters").raise_for_status().text)


@pytest.mark.usefixtures("stained")
def test_the_map_of_windows_names_windows_and_plates(stained: SimpleNamespace, page: "Page") -> None:
    page.goto(f"{stained.url}/stained/map?colour=brain_region&synapse_id=P1%2Fcontrol_0.png%400_32")
    page.get_by_text("Window P1/control_0.png@0_32").wait_for()
    page.get_by_text("windows shown").wait_for()
    page.get_by_text("Filters", exact=True).click()
    page.get_by_text("Go to window").wait_for()
    assert page.get_by_text("share of the window inside").count() >= 2, "the card and the filter"
    for word in ("synapse", "region", "neuron"):
        assert page.locator("main").get_by_text(word).count() == 0, word


# Requests that are not meant well


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("pictures?only=x'--", 400, "only: 'x'--' is none of uncertain, errors, explained, unused"),
        ("pictures?classifier=%3Cb%3E", 400, "no classifier '<b>' in this release; there are small, texture_probe"),
        ("pictures?page=x", 400, "page: 'x' is no whole number"),
        ("pictures?plate=%27%20or%201%3D1", 200, "No picture fulfils these filters."),
        ("picture/nothing", 404, "no picture 'nothing' in this release, which has 29"),
        ("picture/..%2F..%2Fetc%2Fpasswd", 404, "no picture '../../etc/passwd'"),
        ("picture/P1%2Flarge.png?layer=x", 400, "no layer 'x' of this picture; there are original, coloured, dense"),
        ("picture/P1%2Flarge.png?palette=x", 400, "palette: 'x' is none of red_blue, colour_blind"),
        ("picture/P1%2Fcorrupt.tif?layer=dense", 400, "there are none"),
        ("layers/coloured/P1%2Ftreated_0.png.png", 400, "there are original, dense"),
        ("layers/original/P1%2Fcorrupt.tif.png", 400, "there are none"),
        ("layers/..%2Foriginal/x.png", 404, "no picture"),
        ("legends/dense/P1%2Fblurred.png.png", 400, "there is no dense map"),
        ("previews/P1%2Fcorrupt.tif.png", 400, "the file is cut short"),
        ("previews/P1%2Flarge.png.png?release=0", 400, "this is of an older release"),
        ("compounds/plate.png?plate=x", 400, "no plate 'x' with scored wells"),
        ("compounds/plate.png", 400, "The address lacks plate="),
    ],
)
def test_a_wrong_request_gets_a_sentence(stained: SimpleNamespace, path: str, status: int, words: str) -> None:
    answer = stained.web.get(f"/stained/{path}")
    assert answer.status_code == status
    assert words in text_of(answer.text)
    assert "Traceback" not in answer.text


def test_a_picture_that_is_too_large_is_not_drawn(stained: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stained_layers, "MOST_PIXELS", LARGE[0] * LARGE[1] - 1)
    address = httpx.URL(stained.url).copy_with(raw_path=quoted("layers/dense", "P1/large.png", ".png"))
    assert "768 x 640 px is too large to be coloured" in text_of(stained.web.get(address).text)


OWN = (
    "pictures", "picture/P1%2Flarge.png", "previews/P1%2Flarge.png.png", "layers/dense/P1%2Flarge.png.png",
    "legends/dense/P1%2Flarge.png.png", "stain_scores", "compounds", "compounds/doses.png", "compounds/plate.png?plate=P1",
)  # fmt: skip


@pytest.mark.parametrize("path", OWN)
def test_every_page_has_the_headers_and_refuses_other_sites(stained: SimpleNamespace, path: str) -> None:
    answer = stained.web.get(f"/stained/{path}")
    assert answer.status_code == 200
    for name, value in web.HEADERS.items():
        assert answer.headers[name] == value, name
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert "<script" not in answer.text
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert stained.web.get(f"/stained/{path}", headers=embedded).status_code == 403
    assert stained.web.get(f"/stained/{path}", headers={"Origin": "http://evil.test"}).status_code == 403
    assert stained.web.get(f"/stained/{path}", headers={"Host": "evil.test"}).status_code == 400


def test_every_own_route_is_in_that_list(stained: SimpleNamespace) -> None:
    from starlette.routing import Match

    plain = {route.path for route in create_app([], stained.store.data_root).routes}  # type: ignore[attr-defined]
    app = create_app([stained_dataset()], stained.store.data_root)
    own = {route.path for route in app.routes if route.path not in plain and "/map" not in route.path}  # type: ignore[attr-defined]
    asked: set[str] = set()
    for path in OWN:
        scope = {
            "type": "http",
            "method": "GET",
            "path": f"/stained/{path.partition('?')[0]}",
            "root_path": "",
            "headers": [],
        }
        asked.update(route.path for route in app.routes if route.matches(scope)[0] is Match.FULL and route.path in own)  # type: ignore[attr-defined]
    assert asked == own


def test_pictures_of_few_plates_are_kept_in_memory(stained: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    from synapse_assets.query import Warehouse, kept_pictures

    monkeypatch.setattr(kept_pictures, "_KEPT_BYTES", 1)
    with Warehouse(stained.store) as warehouse:
        kept = warehouse.kept_pictures
        for plate in (*PLATES, *PLATES):
            row = warehouse.stained.picture(f"{plate}/control_0.png", "")
            assert kept.picture(staining.IMAGES, "preview", row) == row_of(stained, row["image_id"])["preview"]
            assert len(kept._parts) == 1
