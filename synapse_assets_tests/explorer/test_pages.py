"""The pages: right answers, every page, Back, uploads, and a sentence for everything that cannot be shown."""

import io
import logging
import re
import shutil
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tifffile
from PIL import Image

from synapse_assets.datasets import EmDataset
from synapse_assets.explorer import create_app, pages
from synapse_assets.explorer.messages import ErrorMessages
from synapse_assets.explorer.question import read_place
from synapse_assets.explorer.uploads import read_picture
from synapse_assets.pipeline.em.release import build_release
from synapse_assets.pipeline.em.tiles import cut_tiles
from synapse_assets.query import Filters, Warehouse, open_warehouse
from synapse_assets.query.points import NONE
from synapse_assets.schema import CLUSTER_CARDS, CLUSTERS, SYNAPSE_LABELS, SYNAPSE_PREDICTIONS, TILES
from synapse_assets.stores import DatasetStore, build_warehouse
from synapse_assets.volumes.tile_codec import encode_tile
from synapse_assets_tests.conftest import FIRST_NEURON, REGIONS, TILE_PX, Lab, tiny_dataset
from synapse_assets_tests.explorer.conftest import Served
from synapse_assets_tests.stores.samples import names, synapses, vectors

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def web(explorer: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=explorer, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def warehouse(finished_lab: Lab) -> Iterator[Warehouse]:
    with open_warehouse(finished_lab.dataset, finished_lab.root) as opened:
        yield opened


def tiles_on(html: str) -> list[str]:
    """Ids of the synapses whose pictures stand on a page, in its order."""
    return re.findall(r'<img src="/tiny/tiles/([^".]+)\.png\?release=[0-9a-f]{12}"', html)


@pytest.mark.parametrize("metric", ["cosine", "l2", "l1", "inner_product"])
def test_columns_are_those_of_brute_force(web: httpx.Client, warehouse: Warehouse, metric: str) -> None:
    matrix = warehouse.vectors.at(np.arange(72)).astype(np.float64)
    points = warehouse.points
    row = points.row("s010")
    query = matrix[row]
    distances = {
        "cosine": 1 - matrix @ query / np.linalg.norm(matrix, axis=1) / np.linalg.norm(query),
        "l2": np.linalg.norm(matrix - query, axis=1),
        "l1": np.abs(matrix - query).sum(axis=1),
        "inner_product": -matrix @ query,
    }[metric]
    expected = []
    for code in range(len(points.categories["target"].names)):
        members = np.flatnonzero((points.categories["target"].codes == code) & (points.neurons != points.neurons[row]))
        expected += [points.ids[int(at)].as_py() for at in members[np.argsort(distances[members], kind="stable")][:3]]
    html = web.get(f"/tiny/search?synapse_id=s010&k=3&near_nm=0&metric={metric}&columns=target").text
    assert tiles_on(html) == expected
    answer = web.get(f"/api/tiny/similar?synapse_id=s010&k=3&near_nm=0&metric={metric}&columns=target").json()
    assert [one["synapse_id"] for one in answer] == expected
    assert all(isinstance(one["neuron_id"], str) for one in answer), "too long for the numbers of a browser"


def test_filters_and_one_list(web: httpx.Client, warehouse: Warehouse) -> None:
    html = web.get(f"/tiny/search?synapse_id=s010&columns=&k=12&brain_region={REGIONS[1]}&target=gaba").text
    found = [warehouse.points.row(one) for one in tiles_on(html)]
    assert len(found) == 6, "of the eight there are, two belong to the neuron of the query"
    assert {warehouse.points.categories["brain_region"].value(row) for row in found} == {REGIONS[1]}
    assert {warehouse.points.categories["target"].value(row) for row in found} == {"gaba"}


def test_what_was_typed_wins_over_what_the_page_kept(web: httpx.Client, warehouse: Warehouse) -> None:
    x, y, z = warehouse.points.places_nm[warehouse.points.row("s033")]
    place = f"{x},{y},{z}"
    typed = web.get(f"/tiny/search?synapse_id=s010&place={place}&columns=&k=1&near_nm=0").text
    assert tiles_on(typed) == ["s033"]
    assert "place_before" in typed
    again = web.get(f"/tiny/search?synapse_id=&place=&place_before={place}&columns=&k=1&near_nm=0&metric=l1").text
    assert tiles_on(again) == ["s033"]
    by_id = web.get(f"/tiny/search?synapse_id=s010&place=&place_before={place}&columns=&k=1").text
    assert ">s010</a></h2>" in by_id


@pytest.mark.parametrize(
    "text", ["200, 200, 140", "[200, 200, 140]", "(200;200;140)", " [ 200 200 140 ] ", "[2e2,200.0,140]"]
)
def test_a_pasted_place_is_a_place(text: str) -> None:
    assert read_place(text) == (200.0, 200.0, 140.0)


def test_other_names_of_this_machine_are_not_answered(web: httpx.Client) -> None:
    assert web.get("/", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize(("synapse_id", "path"), [("s010", "s010"), ("a/b?c=d é", "a%2Fb%3Fc%3Dd%20%C3%A9")])
def test_a_card_is_found_under_its_address_on_a_web_site(web: httpx.Client, synapse_id: str, path: str) -> None:
    for page in ("/tiny/synapse", "/tiny/synapse/"):
        answer = web.get(page, params={"synapse_id": synapse_id})
        assert (answer.status_code, answer.headers["location"]) == (307, f"/tiny/synapse/{path}")
    lacking = web.get("/tiny/synapse/")
    assert (lacking.status_code, "The address lacks synapse_id=" in lacking.text) == (400, True)


def test_pages_without_map_run_no_script(web: httpx.Client) -> None:
    policy = web.get("/tiny/search?synapse_id=s010").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


def test_another_sample_of_a_cluster(web: httpx.Client, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "SAMPLE", 4)
    column = warehouse.points.categories["cluster"]
    number, count = max(column.counts().items(), key=lambda one: (one[0] != NONE, one[1]))
    members = {warehouse.points.ids[int(row)].as_py() for row in np.flatnonzero(column.codes == column.code(number))}
    assert len(members) == count > 8

    def sample(seed: int) -> list[str]:
        html = web.get(f"/tiny/clusters/{number}?seed={seed}").raise_for_status().text
        assert f'<b class="number">{count}</b>' in html
        return tiles_on(html.partition("A random sample")[2])

    samples = {seed: sample(seed) for seed in range(5)}
    assert all(len(set(one)) == 4 and set(one) <= members for one in samples.values())
    assert len({tuple(one) for one in samples.values()}) == 5, "each seed has its own"
    assert sample(1) == samples[1], "and the same one every time"
    assert sample(-1) == samples[1]


def test_clusters_are_shown_with_their_verdict(web: httpx.Client, finished_lab: Lab) -> None:
    models = finished_lab.store.models("cluster_model")
    made = models.provenance(str(models.current))
    number = int(made.scores["highest_number"])
    for path in ("/tiny/clusters", f"/tiny/clusters/{number}"):
        html = unescape(web.get(path).raise_for_status().text)
        assert f"<b>Clusters: {made.verdict}.</b> {made.verdict_reason}" in html, path
    html = web.get("/tiny/clusters").raise_for_status().text
    assert html.count(f"; clustering {made.verdict}</p>") == made.scores["clusters"]


def test_a_page_that_names_a_cluster_says_the_verdict_and_no_other(web: httpx.Client, warehouse: Warehouse) -> None:
    verdict = warehouse.points.cluster_verdict
    assert verdict is not None
    line = f'<a href="/tiny/clusters">{verdict}</a>'
    column = warehouse.points.categories["cluster"]
    inside, outside = (
        warehouse.points.ids[int(np.flatnonzero((column.codes < 0) == none)[0])].as_py() for none in (False, True)
    )
    shown = {
        "/": 0,
        "/tiny/classes": 0,
        "/tiny/clusters": 0,
        f"/tiny/clusters/{column.names[0]}": 0,
        # The bars by cluster; in their place the filter.
        "/tiny/gallery": 1,
        "/tiny/gallery?target=gaba": 1,
        f"/tiny/gallery?cluster={column.names[0]}": 1,
        f"/tiny/synapse/{inside}": 1,
        f"/tiny/synapse/{outside}": 0,
        # The filter by cluster is always there to choose.
        "/tiny/search": 1,
        f"/tiny/search?synapse_id={outside}": 1,
        f"/tiny/search?synapse_id={inside}": 2,
        f"/tiny/search?synapse_id={outside}&columns=cluster": 2,
        f"/tiny/search?synapse_id={outside}&cluster={column.names[0]}": 2,
        f"/tiny/scorecard?synapse_id={inside}": 1,
        f"/tiny/scorecard?synapse_id={outside}": 0,
    }
    found = {path: web.get(path).raise_for_status().text.count(line) for path in shown}
    assert found == shown
    for told in (
        web.get(f"/api/tiny/synapses/{inside}").json(),
        *web.get(f"/api/tiny/similar?synapse_id={inside}").json(),
    ):
        assert told["cluster_verdict"] == verdict


def test_clusters_of_before_verdicts_are_not_assessed(planted_web: httpx.Client) -> None:
    assert "<b>Clusters: not assessed.</b>" in planted_web.get("/tiny/clusters").raise_for_status().text
    assert 'Clusters: <a href="/tiny/clusters">not assessed</a>' in planted_web.get("/tiny/gallery").text
    assert planted_web.get("/api/tiny/synapses/s01").json()["cluster_verdict"] is None


def test_a_cluster_is_shown_with_what_explains_it(tiny_inputs: Path, tmp_path: Path) -> None:
    """Two of unknown neurons, and two of an earlier release, which knew of one neuron only. A file's name is no markup."""
    dataset = tiny_dataset(tiny_inputs, tiny_inputs / "points.csv", grouping=["brain_region"], has_neurons=False)
    store = DatasetStore(str(tmp_path), dataset.name)
    ids = names("s", 40)
    store.synapses.replace_region("EB", synapses("EB", ids), [])
    store.vectors("m1", 4).replace_region("EB", vectors("EB", ids), [])
    number = pa.array([i // 10 for i in range(40)], pa.int32())
    rows = {"synapse_id": ids, "brain_region": ["EB"] * 40, "cluster": number, "cluster_model": ["m1"] * 40}
    store.results(CLUSTERS).write_partition("EB", pa.table(rows, schema=CLUSTERS.arrow))
    sentence = "80 % of its synapses come from the file <b>a.csv (20 % of all)"
    made = {
        "synapses": 10,
        "share": 0.25,
        "medoids": ["s0"],
        "targets": "{}",
        "regions": "{}",
        "neurons": 0,
        "verdict": None,
    }
    made |= {"top_neuron_share": None, "one_neuron": False, "explained_by": None, "explanation": None}
    cards = [
        made | {"explained_by": '{"one file": 8, "one contrast": 10}', "explanation": sentence},
        made | {"explained_by": "{}"},
        made | {"one_neuron": True, "top_neuron_share": 0.6, "neurons": 5},
        made | {"top_neuron_share": 0.3, "neurons": 7},
    ]
    cards = [{**card, "cluster": number} for number, card in enumerate(cards)]
    store.results(CLUSTER_CARDS).write(pa.Table.from_pylist(cards, schema=CLUSTER_CARDS.arrow))
    unlabelled = pa.Table.from_pylist([{"synapse_id": one, "brain_region": "EB"} for one in ids], SYNAPSE_LABELS.arrow)
    store.results(SYNAPSE_LABELS).write_partition("EB", unlabelled)
    tables = [store.results(table) for table in (SYNAPSE_LABELS, CLUSTERS, CLUSTER_CARDS)]
    build_warehouse(store, [store.synapses, store.vectors("m1", 4), *tables], {"models": {"encoder": "m1"}})
    served = Served(create_app([dataset], tmp_path))
    try:
        with httpx.Client(base_url=served.url, timeout=60) as client:
            html = client.get("/tiny/clusters").raise_for_status().text
            pages_of = [client.get(f"/tiny/clusters/{one}").raise_for_status().text for one in range(4)]
    finally:
        served.stop()
    lines = re.findall(r'<p class="quiet">([^<]* neurons.*)</p>', html)
    assert lines == [
        "unknown neurons; <b>mostly one file</b> (80 %); <b>mostly one contrast</b> (100 %)",
        "unknown neurons",
        "5 neurons; <b>mostly one neuron</b> (60 %)",
        "7 neurons, the largest has 30 %",
    ]
    reasons = [re.findall(r'<p class="reason">(.*?)</p>', one) for one in pages_of]
    assert reasons == [
        [f"Likely no kind of synapse: {sentence.replace('<', '&lt;').replace('>', '&gt;')}."],
        [],
        ["Most of this cluster is one neuron: 60 % of its synapses."],
        [],
    ]


# Known class, predicted class, whether out of fold, and of how many synapses that is so.
PLANTED = [
    ("gaba", "gaba", True, 3),
    ("gaba", "glutamate", True, 2),
    ("glutamate", "gaba", True, 1),
    ("gaba", "gaba", False, 4),
    ("glutamate", "glutamate", False, 5),
    ("gaba", "glutamate", False, 1),
    (None, "gaba", False, 6),
    ("glutamate", None, None, 7),
]


def planted_rows() -> pd.DataFrame:
    """The synapses of `PLANTED`: the first twenty of five neurons; in three clusters of which one is noise."""
    kinds = [kind[:3] for kind in PLANTED for _ in range(kind[3])]
    rows = pd.DataFrame(kinds, columns=["target", "predicted", "out_of_fold"], dtype=object)
    at = np.arange(len(rows))
    neurons = [int(FIRST_NEURON + one % 5 // 2) if one < 20 else None for one in at]
    return rows.assign(
        synapse_id=[f"s{one:02d}" for one in at], neuron_id=pd.Series(neurons, dtype=object), cluster=at % 3 - 1
    )


@pytest.fixture
def planted_lab(tiny_inputs: Path, tmp_path: Path) -> tuple[EmDataset, Path]:
    """A dataset and where a release of it lies that has predictions in sample and out of fold, and no pictures."""
    dataset = tiny_dataset(tiny_inputs, tiny_inputs / "points.csv")
    store = DatasetStore(str(tmp_path), dataset.name)
    rows = planted_rows().assign(brain_region="EB")
    sites = synapses("EB", rows["synapse_id"].tolist())
    place = sites.column_names.index("neuron_id")
    neurons = pa.array(rows["neuron_id"].tolist(), pa.int64())
    store.synapses.replace_region("EB", sites.set_column(place, sites.schema.field(place), neurons), [])
    labels = rows.assign(known_classes=rows["target"].map(lambda one: [one] if one else []))
    predicted = rows[rows["predicted"].notna()].assign(probability=0.9, classifier="c1")
    predicted = predicted.assign(probabilities=predicted["predicted"].map(lambda one: [(one, 0.9)]))
    written = {SYNAPSE_LABELS: labels, SYNAPSE_PREDICTIONS: predicted, CLUSTERS: rows.assign(cluster_model="m1")}
    for table, found in written.items():
        whole = pa.Table.from_pylist(found.to_dict("records"), schema=table.arrow)
        store.results(table).write_partition("EB", whole)
    build_warehouse(store, [store.synapses, *(store.results(table) for table in written)], {})
    return dataset, tmp_path


@pytest.fixture
def planted_web(planted_lab: tuple[EmDataset, Path]) -> Iterator[httpx.Client]:
    dataset, root = planted_lab
    served = Served(create_app([dataset], root))
    with httpx.Client(base_url=served.url, timeout=60) as client:
        yield client
    served.stop()


def counted(rows: pd.DataFrame, column: str) -> dict[str, int]:
    """Rows by value, as the pages call them."""
    names = rows[column].where(rows[column].notna() & (rows[column] != -1), NONE).astype(str)
    return {str(name): int(count) for name, count in names.value_counts().items()}


def shown_counts(composition: dict[str, Any]) -> dict[str, int]:
    assert sum(line["share"] for line in composition["lines"]) == pytest.approx(1)
    return {line["value"]: line["count"] for line in composition["lines"]}


@pytest.mark.parametrize(
    "filters", [{}, {"target": ["gaba"]}, {"predicted": ["glutamate"]}, {"target": [NONE]}, {"cluster": ["0", "1"]}]
)
def test_a_gallery_says_what_its_synapses_are_made_of(
    planted_lab: tuple[EmDataset, Path], filters: dict[str, list[str]]
) -> None:
    whole = planted_rows()
    rows = whole
    for name, values in filters.items():
        rows = rows[rows[name].where(rows[name].notna(), NONE).astype(str).isin(values)]
    with open_warehouse(*planted_lab) as warehouse:
        shown = pages.gallery(warehouse, Filters(filters), 0, ErrorMessages([]))
    assert (shown["count"], shown["share"]) == (len(rows), len(rows) / len(whole))
    assert [one["synapse_id"] for one in shown["sample"]] == rows["synapse_id"].tolist()
    parts = {part["name"]: shown_counts(part) for part in shown["compositions"]}
    # What was filtered by says nothing new.
    assert set(parts) == {"target", "predicted", "brain_region", "cluster"} - set(filters)
    for name in set(parts) - {"brain_region"}:
        assert parts[name] == counted(rows, name), name
    neurons = rows["neuron_id"].dropna().value_counts()
    assert shown["neurons"]["count"] == len(neurons)
    assert {line["value"]: line["count"] for line in shown["neurons"]["lines"]} == {
        str(neuron): int(count) for neuron, count in neurons.items()
    }
    without = int(rows["neuron_id"].isna().sum())
    assert (f"{without} synapses of none" in shown["neurons"]["title"]) == (without > 0)


def test_a_card_counts_the_synapses_of_a_known_neuron(planted_lab: tuple[EmDataset, Path]) -> None:
    rows = planted_rows()
    of_neuron = rows["neuron_id"].value_counts()
    with open_warehouse(*planted_lab) as warehouse:
        for row in (0, 1, 4, 19, 20, 28):
            one = rows.iloc[row]
            shown = pages.synapse(warehouse, planted_lab[0], str(one["synapse_id"]), ErrorMessages([]))
            wanted = 0 if one["neuron_id"] is None else of_neuron[one["neuron_id"]]
            assert shown["neuron_synapses"] == wanted, row
            neuron = None if one["neuron_id"] is None else str(one["neuron_id"])
            assert shown["facts"]["neuron_id"] == neuron, "to the last digit"


def test_a_cluster_is_described_by_its_own_synapses(planted_lab: tuple[EmDataset, Path]) -> None:
    rows = planted_rows()
    with open_warehouse(*planted_lab) as warehouse:
        cards = {card["cluster"]: card for card in pages.clusters(warehouse)["cards"]}
    assert set(cards) == {0, 1}
    for number, card in cards.items():
        of_cluster = rows[rows["cluster"] == number]
        neurons = of_cluster["neuron_id"].dropna().value_counts()
        assert (card["synapses"], card["neurons"]) == (len(of_cluster), len(neurons))
        assert card["share"] == len(of_cluster) / len(rows)
        assert card["top_neuron_share"] == neurons.max() / len(of_cluster)
        (targets,) = (part for part in card["compositions"] if part["name"] == "target")
        assert shown_counts(targets) == counted(of_cluster, "target")


def test_cells_count_what_was_predicted_out_of_fold_and_open_it(planted_web: httpx.Client) -> None:
    html = planted_web.get("/tiny/classes").raise_for_status().text
    cells = re.findall(r'href="(/tiny/gallery\?target=[^"]*predicted=[^"]*)"><b>(\d+) %</b><span>(\d+)</span>', html)
    shown = {}
    for link, share, count in cells:
        address = unescape(link)
        asked = dict(parse_qsl(urlsplit(address).query))
        shown[asked["target"], asked["predicted"]] = (int(count), int(share))
        assert f'<b class="number">{count}</b> synapses' in planted_web.get(address).raise_for_status().text, address
    assert shown == {
        ("gaba", "gaba"): (3, 60),
        ("gaba", "glutamate"): (2, 40),
        ("glutamate", "gaba"): (1, 100),
    }
    # Of what is known, everything counts.
    known = re.findall(r'gallery\?target=([a-z]+)"><span class="chip">.*?<span class="quiet number">(\d+)</span>', html)
    assert ("gaba", "10") in known
    assert ("glutamate", "13") in known


PAGES = ("/", "/tiny/search?synapse_id=s010", "/tiny/synapse/s010", "/tiny/gallery", "/tiny/gallery?target=gaba&seed=3",
         "/tiny/clusters", "/tiny/classes", "/tiny/neurons", "/tiny/classifiers", "/tiny/scorecard", "/tiny/scorecard?synapse_id=s010",
         "/tiny/map")  # fmt: skip


def test_every_page_in_a_browser(page: "Page", explorer: str) -> None:
    for path in PAGES:
        answer = page.goto(explorer + path)
        assert answer is not None
        assert answer.status == 200, path
        assert page.locator("header nav" if path != "/" else "h1").count() == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= 1000, f"{path} does not fit the window"
        assert page.evaluate("[...document.images].every(i => !i.complete || i.naturalWidth > 0)"), path


def test_clicks_lead_on_and_back_leads_back(page: "Page", explorer: str) -> None:
    page.goto(f"{explorer}/tiny/search?metric=l2&k=2")
    page.keyboard.press("Tab")
    page.get_by_label("Synapse id").fill("s010")
    page.keyboard.press("Enter")
    page.wait_for_url("**synapse_id=s010**")
    seen = ["s010"]
    for _ in range(3):
        page.locator("figure.tile a").first.click()
        page.wait_for_load_state()
        seen.append(page.locator(".query h2").inner_text())
    assert len(set(seen[1:])) >= 2
    assert "metric=l2" in page.url, "what was chosen is kept from click to click"
    assert page.locator("figure.tile").count() == 6
    for expected in reversed(seen[:-1]):
        page.go_back()
        assert page.locator(".query h2").inner_text() == expected
    page.locator(".query h2 a").click()
    page.wait_for_url("**/tiny/synapse/s010")
    sections = page.locator(".sections img")
    assert [sections.nth(at).is_visible() for at in range(sections.count())].count(True) == 1
    page.locator(".sections input:checked").focus()
    page.keyboard.press("ArrowRight")
    assert sections.last.is_visible()


def test_tiles_of_either_codec_are_shown_as_png(
    web: httpx.Client, warehouse: Warehouse, finished_lab: Lab, tmp_path: Path
) -> None:
    root = shutil.copytree(finished_lab.root, tmp_path / "data")
    values = finished_lab.dataset.model_dump()
    dataset = EmDataset.model_validate({**values, "tile": {**values["tile"], "codec": "zstd"}})
    store = DatasetStore(str(root), dataset.name)
    again = ["s001", "s007"]
    store.tiles.replace_region("EB", TILES.empty(), again)
    assert cut_tiles(store, dataset, "EB", logging.getLogger(__name__)).computed_rows == 2
    build_release(store, dataset, "")
    ids = ["s001", "s004", "s007", "s010"]
    starts = [row["image"][:4] for row in store.tiles.read_ids(ids, ["image"]).to_pylist()]
    assert starts == [b"ZTL1", b"\x89PNG"] * 2

    served = Served(create_app([dataset], root))
    try:
        with httpx.Client(base_url=served.url, timeout=60) as client:
            for synapse_id in ids:
                shown = client.get(f"/tiny/tiles/{synapse_id}.png")
                assert shown.headers["content-type"] == "image/png"
                assert shown.content == web.get(f"/tiny/tiles/{synapse_id}.png").content
            assert len(tiles_on(client.get("/tiny/search?synapse_id=s001").text)) > 2
    finally:
        served.stop()
    with open_warehouse(dataset, root) as mixed:
        np.testing.assert_array_equal(mixed.tiles(ids), warehouse.tiles(ids))
        found = warehouse.similar("s004", k=66)
        assert set(again) & set(found["synapse_id"])
        np.testing.assert_array_equal(np.asarray(mixed.picture(found)), np.asarray(warehouse.picture(found)))


def test_an_uploaded_tile_finds_its_synapse(page: "Page", explorer: str, warehouse: Warehouse) -> None:
    page.goto(f"{explorer}/tiny/search?columns=&k=1&near_nm=0")
    data = encode_tile(warehouse.tile("s033"))
    page.locator("input[type=file]").set_input_files({"name": "tile.png", "mimeType": "image/png", "buffer": data})
    page.get_by_role("button", name="Upload and search").click()
    page.wait_for_url("**upload=**")
    assert page.locator("figure.tile .id").first.inner_text() == "s033"
    assert float(page.locator("figure.tile b").first.inner_text()) < 1e-3


def picture(mode: str = "L", size: tuple[int, int] = (3 * TILE_PX, TILE_PX), kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, format=kind)
    return buffer.getvalue()


def pages_of_a_tiff(*sizes: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    first, *others = (Image.new("L", size) for size in sizes)
    first.save(buffer, format="TIFF", save_all=True, append_images=others)
    return buffer.getvalue()


def deep_png(colours: int, channels: int) -> bytes:
    """A black PNG of 16 bits a channel, which Pillow cannot write in colour. `colours`: the number of its kind of colours."""
    width, height = 3 * TILE_PX, TILE_PX
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 16, colours, 0, 0, 0),
        b"IDAT": zlib.compress(bytes((1 + 2 * channels * width) * height)),
        b"IEND": b"",
    }
    packed = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts.items()
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def deep_tiff(*shape: int, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros(shape, dtype=np.uint16), **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no file was chosen"),
        (b"MZ junk", "the file is no image"),
        (picture()[:50], "the file is no image"),
        (pages_of_a_tiff((TILE_PX, TILE_PX), (TILE_PX, TILE_PX), (9, 9)), "differ in size"),
        (pages_of_a_tiff((TILE_PX, TILE_PX), (TILE_PX, TILE_PX)), "24 x 24 pixels on 2 pages"),
        (pages_of_a_tiff(*4 * [(TILE_PX, TILE_PX)]), "on more than 3 pages"),
        (picture("I;16"), "16 bits a channel"),
        (picture("I;16", kind="TIFF"), "16 bits a channel"),
        (picture("F", kind="TIFF"), "32 bits a channel"),
        (deep_png(2, 3), "16 bits a channel"),
        (deep_png(4, 2), "16 bits a channel"),
        (deep_png(6, 4), "16 bits a channel"),
        (deep_tiff(TILE_PX, 3 * TILE_PX, 3, photometric="rgb"), "16 bits a channel"),
        (deep_tiff(3, TILE_PX, 3 * TILE_PX, photometric="rgb", planarconfig="separate"), "16 bits a channel"),
        (deep_tiff(3, TILE_PX, TILE_PX, 3, photometric="rgb", compression="zlib"), "16 bits a channel"),
        (picture(size=(100, 100)), "3 sections: give them side by side"),
        (picture(size=(96, 32)), "has 96 x 32 pixels"),
        (picture(size=(9000, 9000)), "has 9000 x 9000 pixels"),
        (bytes(21 * 2**20), "too large"),
    ],
    ids=[
        "nothing",
        "junk",
        "cut off",
        "uneven pages",
        "two pages",
        "four pages",
        "16 bits",
        "16 bits in a TIFF",
        "floating point",
        "16 bits in colour",
        "16 bits and alpha",
        "16 bits in colour and alpha",
        "16 bits in colour in a TIFF",
        "16 bits in colour plane by plane",
        "16 bits in colour page by page",
        "one section",
        "another size",
        "far too many pixels",
        "far too many bytes",
    ],
)
def test_uploads_that_are_no_tile_are_refused(web: httpx.Client, data: bytes, told: str) -> None:
    answer = web.post("/tiny/search", files={"picture": ("tile.png", data)})
    assert answer.status_code == 400
    assert told in said(answer.text)


@pytest.mark.parametrize(
    "data",
    [
        picture(),
        picture("RGB"),
        picture("1", kind="TIFF"),
        picture("RGB", kind="JPEG"),
        pages_of_a_tiff(*3 * [(TILE_PX, TILE_PX)]),
    ],
    ids=["grey", "colour", "one bit", "JPEG", "pages"],
)
def test_pictures_of_at_most_8_bits_are_read(data: bytes) -> None:
    assert read_picture(data, (3, TILE_PX, TILE_PX)).shape == (3, TILE_PX, TILE_PX)


def said(html: str) -> str:
    """What a page says in the place for reasons."""
    (reason,) = re.findall(r'<p class="reason" role="alert">(.*?)</p>', html, re.DOTALL)
    return unescape(reason)


SCRIPT = '<script>alert("1")</script>'


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/tiny/search?synapse_id=nobody", "no synapse 'nobody' in this release"),
        (f"/tiny/search?synapse_id={quote(SCRIPT)}", f"no synapse '{SCRIPT}'"),
        ("/tiny/search?synapse_id=s010&metric=euclid", "no metric 'euclid'"),
        ("/tiny/search?synapse_id=s010&columns=size", "no column 'size'"),
        ("/tiny/search?synapse_id=s010&k=many", "'many' is no number"),
        ("/tiny/search?synapse_id=s010&k=9999", "1 to 50"),
        ("/tiny/search?synapse_id=s010&near_nm=nan", "no finite number"),
        ("/tiny/search?synapse_id=s010&brain_region=XX", "no synapse has brain region 'XX'"),
        ("/tiny/search?synapse_id=s010&brain_region=' or 1=1 --", "no synapse has brain region"),
        ("/tiny/search?synapse_id=s010&probability_least=2", "no synapse is left to compare with"),
        ("/tiny/search?place=1,2", "a place is three numbers"),
        ("/tiny/search?place=-1e9,0,0", "lies in no volume"),
        ("/tiny/search?upload=abc", "upload it again"),
        ("/tiny/search?synapse_id=s010&near_nm=-1", "zero or more"),
        ("/tiny/search?synapse_id=s010&columns=target&target=(none)", "no synapse is left to compare with"),
        (f"/tiny/search?synapse_id={'x' * 3000}", "no synapse 'xxx"),
        ("/tiny/synapse/nobody", "no synapse 'nobody'"),
        ("/tiny/gallery?target=gaba&predicted=XX", "no synapse has predicted class 'XX'"),
        ("/tiny/clusters/999", "no synapse has cluster '999'"),
        ("/other/search", "shows no dataset 'other'"),
        ("/other/map", "There is no such page"),
        ("/tiny/tiles/nobody.png", "no synapse 'nobody'"),
        ("/tiny/tiles/s010.png?section=9", "sections 0 to"),
        ("/tiny/nothing", "There is no such page"),
        ("/tiny/clusters/many", "no such page"),
    ],
)
def test_what_cannot_be_shown_is_told_in_a_sentence(web: httpx.Client, path: str, told: str) -> None:
    answer = web.get(path)
    assert answer.status_code in (400, 404)
    assert told in said(answer.text)
    assert "Traceback" not in answer.text
    assert "<script>alert" not in answer.text


def test_the_api_tells_reasons_too(web: httpx.Client) -> None:
    answer = web.get("/api/tiny/similar?synapse_id=nobody")
    assert answer.status_code == 400
    assert "no synapse 'nobody'" in answer.json()["error"]
    assert web.get("/api/tiny/synapses/s010").json()["target"] in ("acetylcholine", "gaba", "glutamate")


def test_names_can_inject_nothing(make_lab: Callable[..., Lab], page: "Page") -> None:
    lab = make_lab()
    points = pd.read_csv(lab.points)
    hostile = '"><img src=x onerror=alert(1)>/../%2e?#&'
    points["id"] = [f"{name}{hostile}" for name in points["id"]]
    points["nt"] = [f"{name}{hostile}" for name in points["nt"]]
    lab.write(points)
    lab.whole_chain()
    served = Served(create_app([lab.dataset], lab.root))
    try:
        address = quote(f"s010{hostile}", safe="")
        for path in (
            f"search?synapse_id={address}",
            f"synapse/{address}",
            "gallery",
            "clusters",
            f"map?synapse_id={address}",
        ):
            answer = page.goto(f"{served.url}/tiny/{path}")
            assert answer is not None
            assert answer.status == 200, path
            page.wait_for_load_state("networkidle")
            assert page.locator("img[src=x]").count() == 0
            shown = page.locator("img[src*='/tiles/']")
            assert shown.count() > 0 or "map" in path
            assert page.evaluate("[...document.images].every(i => !i.complete || i.naturalWidth > 0)"), path
        page.goto(f"{served.url}/tiny/search?synapse_id={address}")
        page.locator("figure.tile a").first.click()
        assert hostile in page.locator(".query h2").inner_text()
    finally:
        served.stop()


def test_without_labels_and_before_the_first_release(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab()
    served = Served(create_app([lab.dataset], lab.root))
    try:
        with httpx.Client(base_url=served.url, timeout=60) as web:
            assert "materialise the asset tiny/warehouse" in web.get("/").text
            for path in ("search", "clusters", "classes", "scorecard", "gallery", "synapse/s010"):
                answer = web.get(f"/tiny/{path}")
                assert answer.status_code == 400, path
                assert "materialise the asset tiny/warehouse" in said(answer.text)
            points = pd.read_csv(lab.points)
            points["nt"] = None
            lab.write(points)
            lab.whole_chain()
            assert "no class of any synapse is known" in said(web.get("/tiny/classes").text)
            unscored = web.get("/tiny/scorecard?synapse_id=s010")
            assert "There is no scorecard in this release" in said(unscored.text)
            assert len(tiles_on(unscored.text)) == 12
            found = web.get("/tiny/search?synapse_id=s010")
            assert found.status_code == 200
            assert len(tiles_on(found.text)) > 0
            assert web.get("/tiny/map").status_code == 200
    finally:
        served.stop()


def test_questions_while_a_release_is_exchanged(make_lab: Callable[..., Lab]) -> None:
    """Ten people search while a region is made again and published: no error, and no answer from two releases."""
    lab = make_lab()
    lab.whole_chain()
    served = Served(create_app([lab.dataset], lab.root))
    over = threading.Event()
    failures: list[str] = []
    answers: set[tuple[tuple[str, float], ...]] = set()

    def ask() -> None:
        with httpx.Client(base_url=served.url, timeout=60) as web:
            # Each looks at the answer for a moment.
            while not over.wait(0.1):
                answer = web.get("/api/tiny/similar?synapse_id=s010&columns=&k=50&near_nm=0&own_neuron=in")
                if answer.status_code != 200:
                    failures.append(answer.text)
                else:
                    answers.add(tuple((one["synapse_id"], round(one["distance"], 5)) for one in answer.json()))

    people = [threading.Thread(target=ask) for _ in range(10)]
    try:
        for one in people:
            one.start()
        with open_warehouse(lab.dataset, lab.root) as warehouse:
            before = _whole(warehouse)
            some = warehouse.sql("select min(synapse_id) from synapses where brain_region = ?", [REGIONS[1]]).iloc[0, 0]
        web = httpx.Client(base_url=served.url, timeout=60)
        old = _picture_of(web, some)
        was = web.get(old).raise_for_status().content
        points = pd.read_csv(lab.points)
        points.loc[points["region"] == REGIONS[1], "x"] += 3
        lab.write(points)
        lab.materialize("synapse_table", "alignment")
        lab.materialize(
            "synapses", "tiles", "embeddings", "umap_coordinates", "clusters", "synapse_predictions", region=REGIONS[1]
        )
        lab.materialize("cluster_cards", "vector_index", "warehouse")
        with open_warehouse(lab.dataset, lab.root) as warehouse:
            after = _whole(warehouse)
        deadline = time.monotonic() + 100
        while after not in answers:
            assert time.monotonic() < deadline, "nobody was answered from the new release"
            assert web.get("/api/tiny/synapses/s010").status_code == 200
        # A page that was opened before keeps its pictures, until it is one of long ago.
        new = _picture_of(web, some)
        assert (new != old, web.get(new).content != was, web.get(old).content == was) == (True, True, True)
        lab.materialize("warehouse")
        deadline = time.monotonic() + 100
        while _picture_of(web, some) in (old, new):
            assert time.monotonic() < deadline, "the third release is not shown"
            over.wait(0.1)
        assert web.get(new).status_code == 200
        gone = web.get(old)
        assert (gone.status_code, "open the page again" in gone.text) == (400, True)
        web.close()
    finally:
        over.set()
        for one in people:
            one.join()
        served.stop()
    assert failures == []
    assert before != after
    assert answers == {before, after}


def _picture_of(web: httpx.Client, synapse_id: str) -> str:
    page = web.get(f"/tiny/synapse/{synapse_id}").raise_for_status().text
    return unescape(re.findall(r'src="(/tiny/tiles/[^"]*)"', page)[0])


def _whole(warehouse: Warehouse) -> tuple[tuple[str, float], ...]:
    found = warehouse.similar("s010", k=50, leave_out_own_neuron=False)
    return tuple(zip(found["synapse_id"], (round(float(one), 5) for one in found["distance"]), strict=True))


def test_the_start_page_leads_to_map_and_search(web: httpx.Client) -> None:
    assert re.findall(r'class="button" href="([^"]+)"', web.get("/").text) == ["/tiny/map", "/tiny/search"]
