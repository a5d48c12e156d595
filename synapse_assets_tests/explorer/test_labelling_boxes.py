"""People look through boxes in a browser: accept, move, reject, add, done; and what is refused over http."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from synapse_assets.explorer import create_app
from synapse_assets.explorer.labelling import box_routes, boxes
from synapse_assets.explorer.labelling.boxes import readers_of
from synapse_assets.explorer.labelling.scripts import SCRIPTS, integrity
from synapse_assets.pipeline.detection.labelling.boxes import BEYOND, Box, packed
from synapse_assets.pipeline.labelling.rounds import progress
from synapse_assets.schema.labelling import (
    ACCEPT,
    ADD,
    BOX_SUGGESTIONS,
    DONE,
    LABEL_CURVE,
    MOVE,
    REJECT,
    SUGGESTED_SITES,
)
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.annotators import Annotators
from synapse_assets_tests.conftest import tiny_dataset
from synapse_assets_tests.explorer.conftest import Served
from synapse_assets_tests.pipeline import box_labelling as planted
from synapse_assets_tests.pipeline.searched import ORIGIN, VOXEL_NM

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROUND = "round_001"
ROOT = f"/labelling/own/{ROUND}"
PARTS = (box_routes, boxes)
BOXES = [
    Box("em_box_177_21_3", "em", (177, 21, 3), (237, 81, 9)),
    Box("em_box_177_81_9", "em", (177, 81, 9), (237, 141, 15)),
]


class Lab:
    """An installation whose volume people look through: two boxes, in which the planted synapses were detected."""

    def __init__(self, root: Path) -> None:
        planted.plant(root)
        self.root, self.dataset = root, planted.dataset(root)
        self.store = DatasetStore(str(root / "data"), "own")
        self.tokens = {name: Annotators(root / "data").add(name) for name in ("Ada", "<b>Eve</b>")}
        _, labels = planted.planted()
        rows: list[dict[str, Any]] = []
        sites: list[dict[str, Any]] = []
        for rank, box in enumerate(BOXES):
            low = np.subtract(box.low, ORIGIN)[::-1]
            inside = labels[tuple(slice(a, a + side) for a, side in zip(low, box.shape, strict=True))]
            marked = np.zeros(box.shape, np.uint16)
            for number in np.unique(inside)[1:].tolist():
                middle = np.argwhere(labels == number).mean(axis=0).round() - low
                if not ((middle >= 0) & (middle < box.shape)).all():
                    marked[inside == number] = BEYOND
                    continue
                place = (middle + low + ORIGIN[::-1] + 0.5)[::-1] * VOXEL_NM
                sites.append(
                    {
                        "round": ROUND,
                        "box": box.box,
                        "site": f"em_{number}",
                        "target": "presynaptic",
                        "volume": "em",
                        **dict(zip(("x_nm", "y_nm", "z_nm"), place.tolist(), strict=True)),
                        "score": 0.75,
                    }
                )
                marked[inside == number] = sum(site["box"] == box.box for site in sites)
            rows.append(
                {
                    "round": ROUND,
                    "rank": rank,
                    **box.columns,
                    "origin": "strategy",
                    "strategy": "uncertainty",
                    "uncertainty": 0.1,
                    "model_version": "by_hand",
                    "marked": packed(marked),
                }
            )
        self.sites = sites
        for table, of_table in ((SUGGESTED_SITES, sites), (BOX_SUGGESTIONS, rows)):
            self.store.results(table).write_partition(ROUND, pa.Table.from_pylist(of_table, schema=table.arrow))

    def of(self, box: Box) -> list[dict[str, Any]]:
        return [site for site in self.sites if site["box"] == box.box]

    def kept(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.store.annotation_log.rows().to_pylist()
        return rows


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.fixture
def server(lab: Lab) -> Iterator[str]:
    served = Served(create_app([lab.dataset], lab.root / "data", labelling=True))
    yield served.url
    served.stop()


@pytest.fixture
def ada(lab: Lab, server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, timeout=60) as client:
        assert client.post("/labelling/login", data={"token": lab.tokens["Ada"]}).status_code == 303
        proof = re.findall(r'name="csrf" value="([0-9a-f]{64})"', client.get("/labelling").text)[0]
        client.headers.update({"X-CSRF-Token": proof, "Accept": "application/json"})
        yield client


def say(client: httpx.Client, item: str, answer: str | None, place: Any = None, **changes: Any) -> httpx.Response:
    body = {"answer_id": uuid4().hex, "round": ROUND, "item": item, "answer": answer, "seconds": 0.5, **changes}
    if place is not None:
        body |= dict(zip(("x_nm", "y_nm", "z_nm"), map(float, place), strict=True))
    return client.post(
        "/labelling/own/answers", json={name: value for name, value in body.items() if value is not None}
    )


def until(fulfilled: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not fulfilled():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def saved(page: "Page") -> None:
    page.wait_for_function("() => document.querySelector('.saved').textContent === 'saved'")


def middle(box: Box) -> list[float]:
    return (np.add(box.low, box.high) / 2 * VOXEL_NM).tolist()


# Over http


def test_every_route_asks_for_a_token(lab: Lab, server: str, ada: httpx.Client) -> None:
    box = BOXES[0].box
    pictures = [f"/{ROUND}/{box}/3/{kind}.png" for kind in ("grey", "marked")]
    for path in ("", "/answers.csv", f"/{ROUND}", f"/{ROUND}/items", f"/{ROUND}/state", *pictures):
        assert httpx.get(f"{server}/labelling/own{path}").status_code == 401, path
        assert ada.get(f"/labelling/own{path}").status_code == 200, path
    assert httpx.post(f"{server}/labelling/own/answers", json={}).status_code == 401
    absent = [f"{ROUND}/{rest}.png" for rest in ("none/3/grey", f"{box}/90/grey", f"{box}/9/marked")]
    for path in ("round_009", "round_009/items", "round_009/state", *absent):
        assert ada.get(f"/labelling/own/{path}").status_code == 404, path
    assert 'href="/labelling/own"' in ada.get("/labelling").text
    without = Served(create_app([lab.dataset], lab.root / "data"))
    try:
        assert httpx.get(f"{without.url}/labelling/own").status_code == 404
    finally:
        without.stop()


def test_scripts_stand_by_hash_and_nothing_is_kept_by_browsers(ada: httpx.Client) -> None:
    page = ada.get(ROOT, headers={"Accept": "text/html"})
    scripts = SCRIPTS["labelling_box.html"]
    assert re.findall(r'<script src="/look/([^"?]+)\?[^"]+" integrity="([^"]+)"', page.text) == [
        (script, integrity(script)) for script in scripts
    ]
    policy = page.headers["Content-Security-Policy"]
    assert all(f"'{integrity(script)}'" in policy for script in scripts)
    assert "script-src 'sha256-" in policy
    assert page.headers["Cache-Control"] == "no-store"


def test_pictures_are_what_the_volume_has_and_what_was_marked(lab: Lab, ada: httpx.Client) -> None:
    content = ada.get(f"{ROOT}/items").json()
    [item, _] = content["items"]
    box = BOXES[0]
    assert (item["item"], item["low"], item["high"]) == (box.box, list(box.low), list(box.high))
    assert [site["item"] for site in item["sites"]] == [site["site"] for site in lab.of(box)]
    x0, y0, width, height = item["view"]
    # A fifth of its side beside it, but at least 24 voxels, as far as the volume goes.
    assert (x0, width, y0) == (177 - 24, 60 + 48, 21)
    assert item["sections"] == list(range(3, 11)), "two sections more below; above the volume ends"
    pixels, labels = planted.planted()
    grey = np.array(Image.open(_bytes(ada, f"{item['pictures']}/5/grey.png")))
    part = np.s_[y0 - ORIGIN[1] : y0 - ORIGIN[1] + height, x0 - ORIGIN[0] : x0 - ORIGIN[0] + width]
    assert np.array_equal(grey, pixels[5 - ORIGIN[2]][part])
    marked = np.array(Image.open(_bytes(ada, f"{item['pictures']}/5/marked.png")))
    inside = labels[5 - ORIGIN[2]][box.low[1] - ORIGIN[1] :, box.low[0] - ORIGIN[0] :][: box.shape[1], : box.shape[2]]
    assert np.array_equal(marked[..., 3] > 0, inside > 0)


def _bytes(client: httpx.Client, address: str) -> Any:
    import io

    return io.BytesIO(client.get(address).content)


def test_answers_are_kept_with_who_said_them_and_once(lab: Lab, ada: httpx.Client) -> None:
    box, site = BOXES[0], lab.of(BOXES[0])[0]["site"]
    assert say(ada, site, ACCEPT, answer_id="one").json() == {"new": True}
    assert say(ada, site, ACCEPT, answer_id="one").json() == {"new": False}
    assert say(ada, site, MOVE, middle(box)).json() == {"new": True}
    added = f"{box.box}/presynaptic/x"
    assert say(ada, added, ADD, middle(box)).json() == {"new": True}
    assert say(ada, added, REJECT).json() == {"new": True}
    assert say(ada, site, None, undoes="one").json() == {"new": True}
    rows = lab.kept()
    assert [(row["annotator"], row["item"], row["answer"]) for row in rows] == [
        ("Ada", site, ACCEPT), ("Ada", site, MOVE), ("Ada", added, ADD), ("Ada", added, REJECT), ("Ada", site, None),
    ]  # fmt: skip
    assert (rows[1]["volume"], rows[1]["x_nm"], rows[1]["model_version"]) == ("em", middle(box)[0], "by_hand")
    state = ada.get(f"{ROOT}/state").json()
    assert [row["answer"] for row in state["mine"]] == [MOVE, ADD, REJECT]


def test_what_does_not_fit_is_refused_in_a_sentence(lab: Lab, ada: httpx.Client) -> None:
    box, site = BOXES[0], lab.of(BOXES[0])[0]["site"]
    outside = [(edge + 1) * size for edge, size in zip(box.high, VOXEL_NM, strict=True)]
    refused = [
        (say(ada, "em_9999", ACCEPT), "There is no 'em_9999' in 'round_001'"),
        (say(ada, f"{box.box}/cleft/x", ADD, middle(box)), "There is no"),
        (say(ada, "<b>/presynaptic/x", ADD, middle(box)), "There is no"),
        (say(ada, site, DONE), "'done' is none of the answers: accept, reject, move"),
        (say(ada, box.box, ACCEPT), "'accept' is none of the answers: done"),
        (say(ada, f"{box.box}/presynaptic/x", ACCEPT), "none of the answers: add, reject"),
        (say(ada, site, MOVE), "The site lies outside of the box"),
        (say(ada, site, MOVE, outside), "The site lies outside of the box"),
        (say(ada, f"{box.box}/presynaptic/x", ADD, outside), "The site lies outside of the box"),
        (say(ada, box.box, DONE), f"{len(lab.of(box))} sites of this box have no answer yet, so it is not done."),
        (say(ada, site, ACCEPT, undoes="one"), "Taking an answer back says no other"),
        (say(ada, site, None, undoes="none"), "takes back 'none', which is no answer"),
        (say(ada, site, ACCEPT, note="x"), "This is no answer: note"),
        (say(ada, site, ACCEPT, answer_id="<b>"), "This is no answer: answer_id"),
    ]
    for response, told in refused:
        assert response.status_code == 400
        assert told in response.json()["error"]
    assert say(ada, site, ACCEPT, round="round_009").status_code == 404
    ada.headers.pop("X-CSRF-Token")
    assert say(ada, site, ACCEPT).status_code == 403
    assert lab.kept() == []


def test_a_volume_without_a_round_says_so(lab: Lab, ada: httpx.Client) -> None:
    asked = {table: lab.store.results(table).read(ROUND) for table in (BOX_SUGGESTIONS, SUGGESTED_SITES)}
    for table in asked:
        lab.store.results(table).remove_partition(ROUND)
    assert "materialise <code>own/query_suggestions</code>" in ada.get("/labelling/own").text
    lab.store.results(BOX_SUGGESTIONS).write_partition("round_002", BOX_SUGGESTIONS.empty())
    assert "nothing to ask about" in ada.get("/labelling/own").text
    assert ada.get("/labelling/own/round_002/items").json()["items"] == []
    for table, rows in asked.items():
        lab.store.results(table).write_partition(
            "round_002", rows.set_column(0, "round", pa.array(["round_002"] * len(rows)))
        )
    there = ada.get("/labelling/own/round_002/items").json()["items"]
    assert len(there) == len(asked[BOX_SUGGESTIONS]) > 0, "a round that asked about nothing was chosen anew"


def test_what_is_like_a_site_is_found_where_a_dataset_has_tiles_of_it(lab: Lab) -> None:
    source = {
        "name": "found", "format": "points", "volume": "em", "path": f"{lab.store.data_root}/own/tables/synapses", "units": "nm",
        "columns": {"synapse_id": "synapse_id", "neuron_id": "neuron_id", "x": "x_nm", "y": "y_nm", "z": "z_nm"},
    }  # fmt: skip
    other = source | {"path": f"{lab.store.data_root}/another/tables/synapses"}
    named = [
        tiny_dataset(lab.root, lab.root / "x.csv", name=name, sources=[one], labelling={})
        for name, one in (("reads", source), ("prefixed", source | {"id_prefix": "a_"}), ("of_another", other))
    ]
    assert readers_of(lab.store, named) == ["reads"]
    with_tiles = boxes.Boxes(lab.store, lab.dataset, readers_of(lab.store, named))
    assert with_tiles.items(ROUND, "Ada")["alike"] == "/labelling/reads/like_another?synapse_id="
    assert boxes.Boxes(lab.store, lab.dataset).items(ROUND, "Ada")["alike"] == ""


def test_what_rounds_were_worth_stands_beside_them(lab: Lab, ada: httpx.Client) -> None:
    rows = [
        {"round": name, "number": number, "labels": 0, "tested": 9, "measure": "F1", "split": "block", "stop": False, "sentence": said}
        for number, (name, said) in enumerate({"before": "F1 0.50", ROUND: "F1 0.60 <b>"}.items())
    ]  # fmt: skip
    assert "F1 0" not in ada.get("/labelling/own").text
    lab.store.results(LABEL_CURVE).write(pa.Table.from_pylist(rows, schema=LABEL_CURVE.arrow))
    page = ada.get("/labelling/own").text
    assert "F1 0.60 &lt;b&gt;" in page
    assert "F1 0.50" not in page


# In a browser


@pytest.fixture
def looking(page: "Page", lab: Lab, server: str) -> "Page":
    """The page of the round, for Ada."""
    page.goto(f"{server}{ROOT}#token={lab.tokens['Ada']}")
    page.wait_for_selector(".stage:not(.loading) img.grey")
    return page


def at(page: "Page", x: float, y: float) -> tuple[float, float]:
    """Where on the page a voxel of the volume is shown."""
    frame = page.locator(".stage").bounding_box()
    shown = page.locator(".stage svg").get_attribute("viewBox")
    assert frame is not None
    assert shown is not None
    x0, y0, width, height = map(float, shown.split())
    return frame["x"] + (x - x0) / width * frame["width"], frame["y"] + (y - y0) / height * frame["height"]


def chosen(page: "Page") -> str:
    """The site that is selected."""
    return str(page.locator(".stage g.selected").get_attribute("data-item"))


def test_accept_move_reject_add_and_done_by_keys_and_mouse(looking: "Page", lab: Lab) -> None:
    box, page = BOXES[0], looking
    sites = [site["site"] for site in lab.of(box)]
    assert len(sites) >= 4
    assert chosen(page) == sites[0]
    page.keyboard.press("a")
    assert chosen(page) == sites[1], "the next that is open"
    page.keyboard.press("r")
    assert page.locator(f'.stage g[data-item="{sites[1]}"].reject, ol .reject').count()
    # Dragged, eleven voxels to the right.
    assert chosen(page) == sites[2]
    before = lab.of(box)[2]
    x, y = before["x_nm"] / 8, before["y_nm"] / 8
    page.mouse.move(*at(page, x, y))
    page.mouse.down()
    page.mouse.move(*at(page, x + 5, y))
    page.mouse.move(*at(page, x + 11, y))
    page.mouse.up()
    # And two voxels down by keys.
    page.keyboard.press("Shift+ArrowDown")
    # Added where there is nothing, on another section.
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    page.mouse.click(*at(page, box.low[0] + 55, box.low[1] + 3))
    page.keyboard.press("Escape")
    saved(page)
    page.keyboard.press("d")
    saved(page)
    until(lambda: "Box 2 of 2" in page.locator(".about").inner_text())
    rows = lab.kept()
    said = [(row["item"], row["answer"]) for row in rows]
    assert said[:2] == [(sites[0], ACCEPT), (sites[1], REJECT)]
    assert [one for one, _ in said[2:4]] == [sites[2]] * 2
    assert said[-1] == (box.box, DONE)
    assert said[5:-1] == [(site, ACCEPT) for site in sites[3:]]
    [moved] = [row for row in rows if row["answer"] == MOVE][-1:]
    assert moved["x_nm"] == pytest.approx(before["x_nm"] + 11 * 8, abs=6)
    assert moved["y_nm"] == pytest.approx(before["y_nm"] + 2 * 8, abs=6)
    assert moved["z_nm"] == before["z_nm"]
    [added] = [row for row in rows if row["answer"] == ADD]
    assert added["item"].startswith(f"{box.box}/presynaptic/")
    assert added["x_nm"] == pytest.approx((box.low[0] + 55) * 8, abs=6)
    assert added["y_nm"] == pytest.approx((box.low[1] + 3) * 8, abs=6)
    assert added["z_nm"] == (np.floor(before["z_nm"] / 40) + 1.5) * 40
    assert all(row["seconds"] is not None for row in rows)
    reached = progress(lab.store, lab.dataset, ROUND)
    assert [item.answered for item in reached.items] == [True, False]


def test_a_reload_shows_what_was_said_and_undo_takes_it_back(looking: "Page", lab: Lab) -> None:
    page, box = looking, BOXES[0]
    sites = [site["site"] for site in lab.of(box)]
    page.keyboard.press("r")
    page.keyboard.press("a")
    saved(page)
    page.reload()
    page.wait_for_selector(".stage:not(.loading) img.grey")
    page.wait_for_selector("ol .reject")
    assert page.locator("ol .accept").count() == 1
    assert chosen(page) == sites[2]
    page.keyboard.press("z")
    page.wait_for_selector("ol .accept", state="detached")
    page.keyboard.press("d")
    until(lambda: "Box 2 of 2" in page.locator(".about").inner_text())
    saved(page)
    # Done and what it accepted is one step.
    page.keyboard.press("z")
    until(lambda: "Box 1 of 2" in page.locator(".about").inner_text())
    saved(page)
    until(lambda: page.locator("ol .open").count() == len(sites) - 1)
    assert not progress(lab.store, lab.dataset, ROUND).items[0].answered
    page.keyboard.press("d")
    until(lambda: "Box 2 of 2" in page.locator(".about").inner_text())
    page.keyboard.press("d")
    page.wait_for_selector("text=Nothing is left for you in this round.")
    saved(page)
    assert progress(lab.store, lab.dataset, ROUND).done


def test_sections_are_stepped_through_and_sites_selected(looking: "Page", lab: Lab) -> None:
    page, box = looking, BOXES[0]
    sites = lab.of(box)
    section = int(sites[0]["z_nm"] // 40) - box.low[2] + 1
    text = page.locator(".one > p")
    assert text.inner_text() == f"Section {section} of 6"
    page.keyboard.press("ArrowRight")
    assert text.inner_text() == f"Section {section + 1} of 6"
    page.keyboard.press("Tab")
    assert chosen(page) == sites[1]["site"]
    page.keyboard.press("Shift+Tab")
    assert chosen(page) == sites[0]["site"]
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    assert text.inner_text().startswith("Below the box")
    assert page.locator(".stage img.marked").count() == 0
    page.keyboard.press("+")
    page.mouse.click(*at(page, box.low[0] + 5, box.low[1] + 5))
    assert "Only what is inside of the box" in page.locator(".reason").inner_text()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    page.wait_for_selector(".stage img.marked")
    page.keyboard.press("m")
    assert page.locator(".stage img.marked").count() == 0
    page.mouse.click(*at(page, box.low[0] - 5, box.low[1] + 5))
    page.keyboard.press("j")
    assert "Box 2 of 2" in page.locator(".about").inner_text()
    assert lab.kept() == []


def test_a_box_that_is_not_done_after_all_is_shown_again(looking: "Page", lab: Lab, ada: httpx.Client) -> None:
    page, sites = looking, [site["site"] for site in lab.of(BOXES[0])]
    page.keyboard.press("a")
    saved(page)
    frame = page.locator(".stage").bounding_box()
    # Another window takes back what this one takes as given.
    with page.expect_response("**/state*"):
        pass
    [row] = lab.kept()
    assert say(ada, sites[0], None, undoes=row["answer_id"]).json() == {"new": True}
    page.keyboard.press("d")
    page.wait_for_selector("text=1 sites of this box have no answer yet, so it is not done.")
    until(lambda: "Box 1 of 2" in page.locator(".about").inner_text())
    assert page.locator(".stage").bounding_box() == frame, "what is told moves nothing that is clicked on"
    page.wait_for_selector("ol .open")
    assert page.locator("ol .open").count() == 1
    page.keyboard.press("d")
    until(lambda: "Box 2 of 2" in page.locator(".about").inner_text())
    assert not page.locator(".reason").is_visible()
    saved(page)
    assert progress(lab.store, lab.dataset, ROUND).items[0].answered


def test_a_second_person_is_shown_another_box(looking: "Page", lab: Lab, server: str) -> None:
    assert "Box 1 of 2" in looking.locator(".about").inner_text()
    until(lambda: bool(httpx.get(server).status_code))
    looking.wait_for_timeout(3500)
    context = looking.context.browser.new_context()  # type: ignore[union-attr]
    other = context.new_page()
    other.goto(f"{server}{ROOT}#token={lab.tokens['<b>Eve</b>']}")
    other.wait_for_selector(".stage:not(.loading) img.grey")
    assert "Box 2 of 2" in other.locator(".about").inner_text()
    assert other.locator(".labeller b").inner_text() == "<b>Eve</b>"
    other.keyboard.press("d")
    saved(other)
    until(lambda: "1 of 2" in looking.locator(".top").inner_text())
    context.close()
