"""The page of the scorecard: the numbers of its table, and the neighbours of brute force by the vectors of two encoders."""

import logging
import re
import shutil
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest

from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.explorer import create_app
from synapse_assets.pipeline.em.encoder import fit_encoder
from synapse_assets.pipeline.em.encoder_vectors import embedder, vectors_from_tiles
from synapse_assets.pipeline.em.release import build_release
from synapse_assets.pipeline.em.scorecard import score_encoders
from synapse_assets.query import open_warehouse
from synapse_assets.schema import RETRIEVAL_SCORECARD, SYNAPSE_LABELS
from synapse_assets.stores import DatasetStore, build_warehouse
from synapse_assets.stores.rows import vector_matrix, vector_rows, vectors_in_use
from synapse_assets_tests.conftest import VOXEL_SIZE_NM, Lab, tiny_dataset
from synapse_assets_tests.explorer.conftest import Served

LOG = logging.getLogger(__name__)
IDS = [f"s{row:03d}" for row in range(72)]


@pytest.fixture(scope="module")
def two(finished_lab: Lab, tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """An explorer of the finished lab with a second encoder, a candidate that has vectors too: store, dataset, web, left, right."""
    root = tmp_path_factory.mktemp("two") / "data"
    shutil.copytree(finished_lab.root, root)
    store, dataset = DatasetStore(str(root), "tiny"), finished_lab.dataset
    cropped = {**dataset.encoder.model_dump(), "crop_px": 12}
    fit_encoder(store, tiny_dataset(tiny_inputs, tiny_inputs / "points.csv", encoder=cropped), "cpu", LOG)
    left, right = str(store.models("encoder").current), str(store.models("encoder").candidate)
    table = store.vectors(right, int(store.models("encoder").provenance(right).scores["dimensions"]))
    for region in store.tiles.regions():
        tiles = store.tiles.read(region, ["synapse_id", "tile_hash"])
        ids, hashes = (tiles.column(name).to_pylist() for name in ("synapse_id", "tile_hash"))
        vectors = vectors_from_tiles(store, ids, {"": embedder(store, right, "cpu")})[""]
        table.replace_region(region, vector_rows(table.table, ids, region, hashes, right, vectors), [])
    score_encoders(store, dataset, "cpu", LOG)
    build_release(store, dataset, "")
    served = Served(create_app([dataset], root))
    with httpx.Client(base_url=served.url, timeout=60) as web:
        yield SimpleNamespace(store=store, dataset=dataset, root=root, web=web, left=left, right=right, table=table)
    served.stop()


def nearest(two: SimpleNamespace, encoder: str, query: str, metric: str) -> list[str]:
    """By brute force: not of the query's neuron, and not within half a tile."""
    table = vectors_in_use(two.store) if encoder == two.left else two.table
    matrix = vector_matrix(table.read_ids(IDS, ["vector"])).astype(np.float64)
    rows = two.store.synapses.read_ids(IDS, ["neuron_id", "x_nm", "y_nm", "z_nm"]).to_pandas()
    at = IDS.index(query)
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    distance = 1 - unit @ unit[at] if metric == "cosine" else np.linalg.norm(matrix - matrix[at], axis=1)
    places = rows[["x_nm", "y_nm", "z_nm"]].to_numpy()
    near = np.linalg.norm(places - places[at], axis=1) <= 24 * VOXEL_SIZE_NM[0] / 2
    distance[near | (rows["neuron_id"] == rows["neuron_id"][at]).to_numpy()] = np.inf
    return [IDS[row] for row in np.argsort(distance)[:12]]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_the_table_and_both_sides_are_those_of_the_vectors(two: SimpleNamespace, metric: str) -> None:
    html = two.web.get(f"/tiny/scorecard?synapse_id=s010&metric={metric}").raise_for_status().text
    sides = [re.findall(r"tiles/(s\d+)\.png", part) for part in html.split('class="side"')[1:]]
    assert sides == [nearest(two, encoder, "s010", metric) for encoder in (two.left, two.right)]
    assert sides[0] != sides[1]
    classes = dict(two.store.results(SYNAPSE_LABELS).read(columns=["synapse_id", "target"]).to_pandas().to_numpy())
    same = [sum(classes[found] == classes["s010"] for found in side) for side in sides]
    assert re.findall(r"(\d+) of 12</b> have the query's known class", unescape(html)) == [str(count) for count in same]
    assert html.count('class="tile same"') == sum(same)

    rows = two.store.results(RETRIEVAL_SCORECARD).read().to_pandas()
    lines = re.findall(r"<tr.*?</tr>", html, re.DOTALL)[1:]
    names = [re.findall(r"<b>(.*?)</b> <span class=\"role\">(.*?)<", line)[0] for line in lines]
    assert names == [
        (two.left, "in use"),
        (two.right, "candidate"),
        *((name, "baseline") for name in ("raw pixels", "untrained network", "random")),
    ]
    for (name, _), line in zip(names, lines, strict=True):
        of_name = rows[(rows["encoder"] == name) & (rows["metric"].isna() | (rows["metric"] == metric))]
        value = {
            (row.score, None if np.isnan(row.k) else int(row.k)): f"{row.value:.3f}" for row in of_name.itertuples()
        }
        assert re.findall(r"<td.*?<b>(.*?)</b>", line, re.DOTALL) == [
            value["k-NN balanced accuracy", 10],
            value["linear balanced accuracy", None],
            value["precision", 10],
            value["precision", 1],
            value["recall", 5],
            value["recall", 10],
            value["mean average precision", None],
        ]


def test_encoders_change_sides_by_address(two: SimpleNamespace) -> None:
    html = two.web.get(f"/tiny/scorecard?synapse_id=s011&left={two.right}&right={two.left}").text
    sides = [re.findall(r"tiles/(s\d+)\.png", part) for part in html.split('class="side"')[1:]]
    assert sides == [nearest(two, encoder, "s011", "cosine") for encoder in (two.right, two.left)]


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("label=colour", "no label 'colour'; there are class"),
        ("metric=l1", "no metric 'l1'; there are cosine, euclidean"),
        ("left=nobody", "no encoder 'nobody'; there are "),
    ],
)
def test_what_there_is_not_is_said(two: SimpleNamespace, address: str, sentence: str) -> None:
    answer = two.web.get(f"/tiny/scorecard?{address}")
    assert answer.status_code == 400
    assert sentence in unescape(answer.text)


def test_an_unknown_synapse_is_said_in_its_place(two: SimpleNamespace) -> None:
    answer = two.web.get("/tiny/scorecard?synapse_id=nobody")
    assert answer.status_code == 200
    assert "no synapse 'nobody' in this release" in unescape(answer.text)
    assert "raw pixels" in answer.text


def test_scripts_search_by_either_encoder(two: SimpleNamespace) -> None:
    with open_warehouse(two.dataset, two.root) as warehouse:
        assert warehouse.encoders == (two.left, two.right)
        for encoder in (None, two.left, two.right):
            found = warehouse.similar("s010", k=12, leave_out_within_nm=48, encoder=encoder)
            assert found["synapse_id"].tolist() == nearest(two, encoder or two.left, "s010", "cosine")
        with pytest.raises(
            BadInput, match=f"no vectors of encoder 'nobody' of tiny; there are some of {two.left}, {two.right}"
        ):
            warehouse.similar("s010", encoder="nobody")


def test_a_release_of_before_the_scorecard_says_what_to_do(finished_lab: Lab, tmp_path: Path) -> None:
    shutil.copytree(finished_lab.root, tmp_path / "data")
    store, dataset = DatasetStore(str(tmp_path / "data"), "tiny"), finished_lab.dataset
    release = store.release() or {}
    tables = [store.synapses, store.results(SYNAPSE_LABELS), store.tiles, vectors_in_use(store)]
    build_warehouse(store, tables, {name: release[name] for name in ("models", "scores")})
    served = Served(create_app([dataset], tmp_path / "data"))
    try:
        answer = httpx.get(f"{served.url}/tiny/scorecard?synapse_id=s010", timeout=60)
    finally:
        served.stop()
    assert answer.status_code == 200
    said = unescape(answer.text)
    assert "There is no scorecard in this release: materialise tiny/retrieval_scorecard, then tiny/warehouse" in said
    assert "Only one encoder has vectors" in said
    assert answer.text.count('class="side"') == 1


def test_a_dataset_without_pictures_has_no_encoder_to_judge(finished_lab: Lab, tmp_path: Path) -> None:
    shutil.copytree(finished_lab.root, tmp_path / "data")
    store: DatasetStore = DatasetStore(str(tmp_path / "data"), "tiny")
    dataset: EmDataset = finished_lab.dataset
    build_warehouse(store, [store.synapses, store.results(SYNAPSE_LABELS)], {"models": {}, "scores": {}})
    served = Served(create_app([dataset], tmp_path / "data"))
    try:
        answer = httpx.get(f"{served.url}/tiny/scorecard", timeout=60)
    finally:
        served.stop()
    assert answer.status_code == 400
    assert "tiny has no pictures of its synapses" in unescape(answer.text)
