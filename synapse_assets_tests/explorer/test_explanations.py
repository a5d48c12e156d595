"""The pages of explanations, of class differences, and of what makes two synapses alike; and the explanation on a card."""

import io
import re
import shutil
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from PIL import Image

from synapse_assets.errors import BadInput
from synapse_assets.explorer import create_app, explanations
from synapse_assets.explorer.overlays import AGAINST, FOR, overlay_png, stored_map
from synapse_assets.query import open_warehouse
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.conftest import CLASSES, TILE_PX, Lab
from synapse_assets_tests.explorer.conftest import Served
from synapse_assets_tests.explorer.explained import PLANTED, PROBE, plant_explanations, planted_map
from synapse_assets_tests.query.answers import publish

if TYPE_CHECKING:
    from playwright.sync_api import Page

HALF = TILE_PX // 2


@pytest.fixture(scope="module")
def explained(finished_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """An explorer of the tiny lab with planted explanations: url, web, store."""
    root = tmp_path_factory.mktemp("explained") / "data"
    shutil.copytree(finished_lab.root, root)
    store = DatasetStore(str(root), "tiny")
    plant_explanations(store)
    served = Served(create_app([finished_lab.dataset], root))
    with httpx.Client(base_url=served.url, timeout=120) as web:
        yield SimpleNamespace(url=served.url, web=web, store=store)
    served.stop()


def text_of(html: str) -> str:
    """What a person reads of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html.partition("<main>")[2])).split())


def overlay(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, text_of(answer.text)
    picture = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert picture.shape == (TILE_PX, TILE_PX, 4)
    return picture


def sources(html: str, part: str) -> list[str]:
    return [unescape(one) for one in re.findall(rf'src="(/tiny/{part}[^"]+)"', html)]


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))


def test_an_overlay_is_clear_at_zero_and_opaque_at_the_largest() -> None:
    picture = np.asarray(Image.open(io.BytesIO(overlay_png(np.array([[0.0, 2.0, -1.0, 9.0]]), 4.0))))[0]
    assert picture[:, 3].tolist() == [0, 128, 64, 255]
    assert tuple(picture[1, :3]) == tuple(picture[3, :3]) == rgb(FOR)
    assert tuple(picture[2, :3]) == rgb(AGAINST)
    assert not np.asarray(Image.open(io.BytesIO(overlay_png(np.zeros((2, 2)), 0.0))))[..., 3].any()
    with pytest.raises(BadInput, match="no numbers"):
        overlay_png(np.array([[np.nan]]), 1.0)
    grey = np.array([[1, 128, 255]], np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, format="PNG")
    assert stored_map(buffer.getvalue()).tolist() == [[-1, 0, 1]]


def test_checks_stand_by_verdict_and_maps_that_failed_are_shown_by_choice_only(explained: SimpleNamespace) -> None:
    html = explained.web.get("/tiny/explanations").raise_for_status().text
    text = text_of(html)
    assert [text.index(f"linear_probe {method}") for method in ("occlusion", "grad cam", "gradients")] == sorted(
        text.index(f"linear_probe {method}") for method in ("occlusion", "grad cam", "gradients")
    )
    assert "0.40 passed 0.30 to 0.50 chance 0.00" in text
    assert "0.10 failed" in text
    assert "gradients is not, said in words." in text
    assert "Trustworthy : maps of occlusion follow what linear_probe has learned." in text
    shown = sources(html, "explained/")
    assert len(shown) == 9
    assert all("method=occlusion" in one for one in shown)
    assert len(sources(html, "tiles/")) == 18, "each tile without the map and with it"
    found = overlay(explained.web.get(shown[0]))
    assert tuple(found[0, 0]) == (*rgb(FOR), 255)
    assert tuple(found[-1, -1]) == (*rgb(AGAINST), round(255 * 63 / 127))
    assert found[0, -1, 3] == 0
    np.testing.assert_array_equal(found[..., 3] > 0, planted_map() != 128)
    [link] = re.findall(r'href="([^"]+)#maps">its maps all the same', html)
    failed = explained.web.get(unescape(link)).raise_for_status().text
    assert all("method=gradients" in one for one in sources(failed, "explained/"))
    assert "Not trustworthy : maps of gradients failed the checks" in text_of(failed)


def test_explained_synapses_are_filtered_and_paged(explained: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    html = explained.web.get("/tiny/explanations?chosen_as=error").raise_for_status().text
    assert len(sources(html, "explained/")) == 3
    assert text_of(html).count("error s0") == 3
    monkeypatch.setattr(explanations, "LISTED", 4)
    pages = [sources(explained.web.get(f"/tiny/explanations?page={page}").text, "explained/") for page in (1, 2, 3, 9)]
    assert [len(page) for page in pages] == [4, 4, 1, 1]
    assert len({one for page in pages for one in page}) == 9


def test_differences_stand_with_their_examples_at_both_ends(explained: SimpleNamespace) -> None:
    html = explained.web.get("/tiny/differences").raise_for_status().text
    text = text_of(html)
    assert f"{CLASSES[1]} −1.50 −2.00 to −1.00 < 0.001 4 against 8" in text
    assert f"{CLASSES[0]} +0.20 −0.50 to 0.90 0.600 4 against 8" in text
    assert f"vesicle_darkness of {CLASSES[1]}, said in words." in text
    assert f"vesicle_darkness of {CLASSES[0]}, said in words." not in text, "it does not stand"
    assert "cleft length (nm) (no difference stands)" in text
    # Of -2 to 2: from -2 to -1 is the first quarter, and -1.5 its middle.
    assert 'style="left: 0.0%; width: 25.0%"' in html
    assert 'style="left: 12.5%; background' in html
    tiles = [re.search(r"/tiles/(s\d+)", one)[1] for one in sources(html, "tiles/")]
    assert tiles == ["s000", "s018", "s036"]


def test_a_card_explains_when_it_is_asked_to(explained: SimpleNamespace) -> None:
    plain = explained.web.get("/tiny/synapse/s010").raise_for_status().text
    assert "What does a classifier see here?" in text_of(plain)
    assert sources(plain, "explain/") == []
    html = explained.web.get("/tiny/synapse/s010", params={"explain": PROBE}).raise_for_status().text
    with open_warehouse("tiny", explained.store.data_root) as warehouse:
        expected = warehouse.explain("s010")
        other = warehouse.explain("s010", PROBE, "gradients")
    shown = "> 0.99" if expected.probability >= 0.995 else f"{expected.probability:.2f}"
    assert f"linear_probe names {expected.class_name} {shown} , as it is fitted now" in text_of(html).replace(
        "\xa0", " "
    )
    assert "Trustworthy : maps of occlusion" in text_of(html)
    [source] = sources(html, "explain/")
    found = overlay(explained.web.get(source))
    largest = np.abs(expected.map).max()
    np.testing.assert_allclose(found[..., 3], 255 * np.abs(expected.map) / largest, atol=2)
    assert (found[expected.map > 0.05 * largest][:, :3] == rgb(FOR)).all()
    assert (found[expected.map < -0.05 * largest][:, :3] == rgb(AGAINST)).all()
    failed = explained.web.get("/tiny/synapse/s010", params={"explain": PROBE, "method": "gradients"}).text
    assert "Not trustworthy : maps of gradients failed" in text_of(failed)
    found = overlay(explained.web.get(sources(failed, "explain/")[0]))
    np.testing.assert_allclose(found[..., 3], 255 * other.map / other.map.max(), atol=2)


def test_a_card_leads_to_the_nearest_of_another_class_and_to_what_makes_them_alike(explained: SimpleNamespace) -> None:
    html = explained.web.get("/tiny/synapse/s010").text
    with open_warehouse("tiny", explained.store.data_root) as warehouse:
        # The card leaves out what shows the same place: nearer than half a tile.
        nearest = warehouse.counterfactual("s010", TILE_PX * 4 / 2)
        maps = warehouse.alike("s010", nearest["synapse_id"])
    part = html.partition("Nearest of another class")[2].partition("Nearest of other neurons")[0]
    assert f"Of another neuron, and {nearest['column']}" in text_of(f"<main>{part}")
    [link] = re.findall(r'href="([^"]+)"[^>]*>why alike', part)
    compared = explained.web.get(unescape(link)).raise_for_status().text
    assert "What makes these two alike" in text_of(compared)
    pictures = [overlay(explained.web.get(one)) for one in sources(compared, "alike.png")]
    largest = max(np.abs(values).max() for values in maps)
    for picture, values in zip(pictures, maps, strict=True):
        np.testing.assert_allclose(picture[..., 3], 255 * np.abs(values) / largest, atol=2)
    found = explained.web.get("/tiny/search?synapse_id=s010").text
    assert "/tiny/alike?synapse_id=s010&amp;other=" in found


def test_the_map_on_a_card_fades(explained: SimpleNamespace, page: "Page") -> None:
    page.goto(f"{explained.url}/tiny/synapse/s010?explain={PROBE}")
    over = page.locator(".explained img.over")
    assert over.evaluate("image => getComputedStyle(image).opacity") == "0.6"
    page.check(".explained .opacity input[value='0']")
    assert over.evaluate("image => getComputedStyle(image).opacity") == "0"
    tile, laid = page.locator(".explained .stacked img").first.bounding_box(), over.bounding_box()
    assert tile == laid, "the map lies where the tile is"


def test_every_page_fits_a_window_and_a_telephone(explained: SimpleNamespace, page: "Page") -> None:
    paths = ("explanations", "differences", f"synapse/s010?explain={PROBE}", "alike?synapse_id=s010&other=s020")
    for width in (1000, 390):
        page.set_viewport_size({"width": width, "height": 800})
        for path in paths:
            answer = page.goto(f"{explained.url}/tiny/{path}")
            assert answer is not None
            assert answer.status == 200, path
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("explanations?classifier=%3Cb%3E", 400, "no maps of classifier '<b>'; there are linear_probe"),
        ("explanations?method=x", 400, "no maps of method 'x'; there are gradients, occlusion"),
        ("explanations?chosen_as=x", 400, "chosen_as: 'x' is none of typical, error, uncertain"),
        ("explained/s000.png?classifier=linear_probe&method=x", 400, "no map of synapse 's000' by x of linear_probe"),
        ("explained/s071.png?classifier=linear_probe&method=occlusion", 400, "no map of synapse 's071'"),
        ("explained/s000.png", 400, "The address lacks classifier="),
        ("explain/s010.png?classifier=x&method=y", 400, "no classifier 'x'"),
        ("explain/s010.png?classifier=linear_probe&method=guided_backpropagation", 400, "no method"),
        ("explain/%3Cb%3E.png?classifier=linear_probe&method=occlusion", 400, "no synapse '<b>'"),
        ("synapse/s010?explain=%3Cscript%3E", 200, "no classifier '<script>' in the release of tiny"),
        ("synapse/s010?explain=linear_probe&method=x", 200, "no method 'x' for linear_probe"),
        ("alike?synapse_id=s010&other=%3Cb%3E", 400, "no synapse '<b>' in this release"),
        ("alike?synapse_id=s010", 400, "The address lacks other="),
        ("alike.png?synapse_id=..%2F..%2Fx&other=s010", 400, "no synapse '../../x'"),
    ],
)
def test_a_wrong_request_gets_a_sentence(explained: SimpleNamespace, path: str, status: int, words: str) -> None:
    answer = explained.web.get(f"/tiny/{path}")
    assert answer.status_code == status
    assert words in text_of(answer.text)
    assert "<script" not in answer.text


def test_large_tiles_are_not_explained_while_a_page_waits(
    explained: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explanations, "MOST_VALUES", 3 * TILE_PX * TILE_PX - 1)
    for path in (
        f"synapse/s010?explain={PROBE}",
        f"explain/s010.png?classifier={PROBE}&method=occlusion",
        "alike?synapse_id=s010&other=s020",
    ):
        assert "a tile of 3 x 24 x 24 values takes too long" in text_of(explained.web.get(f"/tiny/{path}").text)


def test_before_there_are_explanations_pages_say_how_to_get_them(finished_lab: Lab, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(finished_lab.root, root)
    publish(DatasetStore(str(root), "tiny"), without=PLANTED)
    served = Served(create_app([finished_lab.dataset], root))
    try:
        with httpx.Client(base_url=served.url, timeout=120) as web:
            checks = text_of(web.get("/tiny/explanations").raise_for_status().text)
            assert "materialise tiny/explanation_checks" in checks
            assert "materialise tiny/tile_attributes" in text_of(web.get("/tiny/differences").raise_for_status().text)
            html = web.get("/tiny/synapse/s010", params={"explain": PROBE}).raise_for_status().text
    finally:
        served.stop()
    assert "Not checked : nobody has tested whether maps of grad cam" in text_of(html)
