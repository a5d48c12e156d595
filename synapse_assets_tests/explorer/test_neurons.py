"""The pages of neurons and of classifiers: what stands in the tables, in words, and a way on from each."""

import csv
import io
import json
import re
import shutil
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from synapse_assets.datasets import EmDataset, VolumeSpec
from synapse_assets.explorer import create_app, neuroglancer, neurons
from synapse_assets.query import open_warehouse
from synapse_assets.schema import (
    CALIBRATION_SCORES,
    CLASSIFIER_COMPARISON,
    NETWORK_CARDS,
    NEURON_ANSWERS,
    SYNAPSE_ANSWERS,
    SYNAPSE_LABELS,
    SYNAPSE_PREDICTIONS,
)
from synapse_assets.stores import DatasetStore, build_warehouse
from synapse_assets_tests.conftest import FIRST_NEURON, Lab, tiny_dataset
from synapse_assets_tests.explorer.conftest import Served
from synapse_assets_tests.query.answers import ANSWERS, plant_answers, publish
from synapse_assets_tests.stores.samples import synapses

if TYPE_CHECKING:
    from playwright.sync_api import Page

NEURON = FIRST_NEURON + 3


@pytest.fixture(scope="module")
def answered(finished_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """An explorer of the tiny lab with planted answers: url, web, store."""
    root = tmp_path_factory.mktemp("answered") / "data"
    shutil.copytree(finished_lab.root, root)
    store = DatasetStore(str(root), "tiny")
    plant_answers(store)
    publish(store)
    served = Served(create_app([finished_lab.dataset], root))
    with httpx.Client(base_url=served.url, timeout=60) as web:
        yield SimpleNamespace(url=served.url, web=web, store=store)
    served.stop()


@pytest.fixture(scope="module")
def before(finished_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An explorer of the tiny lab with a release of before there were answers."""
    root = tmp_path_factory.mktemp("before") / "data"
    shutil.copytree(finished_lab.root, root)
    publish(DatasetStore(str(root), "tiny"), without=ANSWERS)
    served = Served(create_app([finished_lab.dataset], root))
    with httpx.Client(base_url=served.url, timeout=60) as web:
        yield web
    served.stop()


def text_of(html: str) -> str:
    """What a person reads of a page."""
    body = html.partition("<main>")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).replace("\xa0", " ").split())


def row_of(store: DatasetStore, neuron: int) -> dict[str, Any]:
    [row] = [row for row in store.results(NEURON_ANSWERS).read().to_pylist() if row["neuron_id"] == neuron]
    return row


def shown(probability: float) -> str:
    return "> 0.99" if probability >= 0.995 else f"{probability:.2f}"


def test_a_neuron_page_says_its_answer_and_what_it_rests_on(answered: SimpleNamespace) -> None:
    for neuron in (NEURON, FIRST_NEURON, FIRST_NEURON + 11):
        row = row_of(answered.store, neuron)
        html = answered.web.get(f"/tiny/neuron/{neuron}").raise_for_status().text
        text = text_of(html)
        assert f"<h1>Neuron {neuron}</h1>" in html
        if row["answer"] == "unclear":
            assert f"unclear: {' or '.join(row['class_set'])}" in text
        else:
            agree = "they agree" if row["answer"] == row["target"] else "they do not agree"
            assert f"{row['answer']} , {shown(row['probability'])} . Known class: {row['target']} : {agree}" in text
        assert f"worth about {row['independent_synapses']:.1f} independent ones" in text
        votes = re.findall(r">([a-z]+)</th>\s*<td class=\"bar\">.*?</td>\s*<td class=\"number\">(\d+)</td>\s*<td", html)
        assert dict(votes) == {name: str(count) for name, count in row["votes"]}
        for region, answer in row["region_answers"]:
            assert re.search(rf"{region} \d+ {answer}", text), region
        assert (row["disagreement"] in text) if row["disagreement"] else "disagree beyond" not in text
        with open_warehouse("tiny", answered.store.data_root) as warehouse:
            changes = warehouse.neuron(neuron).changes
            alike = warehouse.similar_neurons(neuron, 8)["neuron_id"].astype(str).tolist()
        assert changes is not None
        assert all(sentence in text for sentence in changes.sentences)
        links = re.findall(r'href="/tiny/neuron/(\d+)">', html.partition("Neurons like it")[2])
        assert links == alike
        assert str(neuron) not in links


def test_the_surest_and_the_least_sure_can_be_reached(
    answered: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neurons, "TILES", 4)
    row = row_of(answered.store, NEURON)
    stored = answered.store.results(SYNAPSE_ANSWERS).read().to_pylist()
    probability = {one["synapse_id"]: dict(one["probabilities"])[row["predicted"]] for one in stored}
    own = [f"s{at:03d}" for at in range(18, 24)]
    surest = sorted(own, key=lambda one: -probability[one])

    def tiles(address: str) -> list[tuple[str, str]]:
        html = answered.web.get(f"/tiny/neuron/{NEURON}{address}").raise_for_status().text
        found = re.findall(r'<b class="number">([^<]*)</b>\s*<a href="/tiny/synapse/(s\d+)" class="id">', html)
        return [(name, unescape(number).replace("\xa0", " ")) for number, name in found]

    assert tiles("") == [(one, shown(probability[one])) for one in surest[:4]]
    assert [one for one, _ in tiles("?page=2")] == surest[4:]
    assert [one for one, _ in tiles("?order=least")] == surest[::-1][:4]
    assert [one for one, _ in tiles("?page=99")] == surest[4:], "the last page there is"
    assert [one for one, _ in tiles("?page=-5")] == surest[:4]
    assert f"/tiny/neuron/{NEURON}?page=2#synapses" in answered.web.get(f"/tiny/neuron/{NEURON}").text
    assert answered.web.get(f"/tiny/neuron/{NEURON}?page=many").status_code == 400


@pytest.mark.parametrize(
    "address",
    ["1", "0", "-7", "abc", "1.5", f"{NEURON}.0", "7.2e17", "9" * 40, "%3Cscript%3Ealert(1)%3C/script%3E", "²"],
)
def test_an_unknown_neuron_is_not_there_and_the_page_says_what_ids_look_like(
    answered: SimpleNamespace, address: str
) -> None:
    answer = answered.web.get(f"/tiny/neuron/{address}")
    assert answer.status_code == 404
    assert "no neuron" in text_of(answer.text)
    assert str(FIRST_NEURON) in answer.text
    assert "<script>" not in answer.text


def test_without_answers_the_page_has_the_synapses_and_the_way_to_answers(before: httpx.Client) -> None:
    html = before.get(f"/tiny/neuron/{NEURON}").raise_for_status().text
    assert "materialise tiny/calibration, tiny/synapse_answers, tiny/neuron_answers, then tiny/warehouse" in text_of(
        html
    )
    assert html.count('<figure class="tile">') == 6
    assert "What would change" not in html
    listed = before.get("/tiny/neurons").raise_for_status().text
    assert "materialise tiny/calibration" in listed
    assert listed.count('href="/tiny/neuron/') == 12
    compared = text_of(before.get("/tiny/classifiers").raise_for_status().text)
    assert "Name a network in the dataset file" in compared
    assert "tiny/classifier_comparison" in compared
    card = before.get("/tiny/synapse/s010").raise_for_status().text
    assert "(not calibrated)" in card


def test_the_list_leads_to_neurons_and_says_what_answers_are_worth(
    answered: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listed(address: str = "") -> list[int]:
        html = answered.web.get(f"/tiny/neurons{address}").raise_for_status().text
        return [int(one) for one in re.findall(r'<td><a href="/tiny/neuron/(\d+)">\1</a></td>', html)]

    ids = [FIRST_NEURON + code for code in range(12)]
    rows = answered.store.results(NEURON_ANSWERS).read().to_pylist()
    assert listed() == ids
    assert listed("?target=gaba") == [row["neuron_id"] for row in rows if row["target"] == "gaba"]
    assert listed(f"?id={FIRST_NEURON + 2}") == [FIRST_NEURON + 2]
    least = sorted(rows, key=lambda row: (row["probability"], row["neuron_id"]))
    assert listed("?order=least_sure") == [row["neuron_id"] for row in least]
    assert listed("?only=wrong") == [
        row["neuron_id"] for row in rows if row["answer"] not in ("unclear", row["target"])
    ]
    monkeypatch.setattr(neurons, "LISTED", 5)
    assert listed("?order=neuron&page=2") == ids[5:10]
    html = answered.web.get("/tiny/neurons?target=gaba&order=surest&page=1").text
    assert 'value="gaba" selected' in html
    assert "No neuron is like that" in answered.web.get("/tiny/neurons?answer=nothing").text
    text = text_of(answered.web.get("/tiny/neurons").text)
    for said in (
        "for 0.98 of 114 held-out neurons (0.96 to 0.99)",
        "From 1 synapse: 0.90 (0.88 to 0.91) , 5 synapses: 0.97 (0.95 to 0.98) , 20 synapses: 0.99",
        "by 0.027 (expected calibration error; 0.051 before calibration)",
        "would show 0.022 by chance",
        "90.3 % (88.0 to 92.0 %) of a neuron's synapses in the mean, and for 45 % in the worst neuron",
        "the known class of 0.95 of held-out neurons",
    ):
        assert said in text, said


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("neurons?only=odd", "only: 'odd' is none of"),
        ("neurons?order=%3Cscript%3E", "order: '<script>' is none of"),
        ("neurons?id=x", "no beginning of the id"),
        ("neurons?page=x", "no whole number"),
        ("classifiers?split=%3Cimg%20src=x%3E", "no split '<img src=x>'; there are neuron_id, random"),
    ],
)
def test_what_cannot_be_listed_is_told(answered: SimpleNamespace, address: str, told: str) -> None:
    answer = answered.web.get(f"/tiny/{address}")
    assert answer.status_code == 400
    assert told in unescape(answer.text)
    assert "<script>" not in answer.text


def test_downloads_hold_every_digit(answered: SimpleNamespace) -> None:
    answer = answered.web.get("/tiny/neuron_answers.csv").raise_for_status()
    assert answer.headers["content-disposition"] == 'attachment; filename="tiny_neuron_answers.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    stored = answered.store.results(NEURON_ANSWERS).read().to_pylist()
    assert [int(row["neuron_id"]) for row in rows] == [row["neuron_id"] for row in stored]
    assert [json.loads(row["votes"]) for row in rows] == [dict(row["votes"]) for row in stored]
    assert [row["synapses_needed"] for row in rows] == [
        "" if row["synapses_needed"] is None else str(row["synapses_needed"]) for row in stored
    ]
    codex = pd.read_csv(io.StringIO(answered.web.get("/tiny/neurons.csv").raise_for_status().text))
    assert codex["root_id"].tolist() == [row["neuron_id"] for row in stored]
    assert codex.columns[:5].tolist() == ["root_id", "group", "nt_type", "nt_type_score", "da_avg"]
    np.testing.assert_allclose(codex["gaba_avg"], [dict(row["probabilities"])["gaba"] for row in stored])


def test_cards_search_and_gallery_lead_to_the_neuron(answered: SimpleNamespace) -> None:
    link = f'href="/tiny/neuron/{NEURON}"'
    card = answered.web.get("/tiny/synapse/s020").raise_for_status().text
    assert link in card
    assert "(not calibrated)" not in card
    [row] = [one for one in answered.store.results(SYNAPSE_ANSWERS).read().to_pylist() if one["synapse_id"] == "s020"]
    bars = re.findall(r'scope="row">([a-z]+)</th><td class="bar">.*?</td>\s*<td class="number">([\d.]+) %</td>', card)
    assert dict(bars) == {name: f"{100 * value:.1f}" for name, value in row["probabilities"]}
    assert link in answered.web.get("/tiny/search?synapse_id=s020").text
    assert answered.web.get("/tiny/search?synapse_id=s001").text.count("/tiny/neuron/") > 3
    assert link in answered.web.get("/tiny/gallery").text


def test_the_classes_page_counts_calibrated_answers_too(answered: SimpleNamespace) -> None:
    html = answered.web.get("/tiny/classes").raise_for_status().text
    stored = answered.store.results(SYNAPSE_ANSWERS).read().to_pylist()
    labels = {row["synapse_id"]: row["target"] for row in answered.store.results(SYNAPSE_LABELS).read().to_pylist()}
    counts: dict[tuple[str, str], int] = {}
    for row in stored:
        key = (labels[row["synapse_id"]], row["answer"])
        counts[key] = counts.get(key, 0) + 1
    cells = re.findall(r'target=(\w+)&amp;answer=(\w+)&amp;out_of_fold=yes"><b>[^<]*</b><span>(\d+)</span>', html)
    assert {(known, answer): int(count) for known, answer, count in cells} == counts
    known, answer = next(iter(counts))
    opened = answered.web.get(f"/tiny/gallery?target={known}&answer={answer}&out_of_fold=yes").raise_for_status().text
    assert f'<b class="number">{counts[known, answer]}</b> synapses' in opened


def test_classifiers_are_compared_in_words(answered: SimpleNamespace) -> None:
    text = text_of(answered.web.get("/tiny/classifiers").raise_for_status().text)
    assert "em_resnet10 beside texture is best: balanced accuracy 0.92." in text
    assert "+0.020, 0.004 to 0.040, an interval that excludes zero" in text
    assert "\N{MINUS SIGN}0.090, \N{MINUS SIGN}0.120 to \N{MINUS SIGN}0.050" in text
    assert "0.900 0.87 to 0.92" in text
    assert "0.050 floor 0.021" in text
    assert "10 min" in text
    other = text_of(answered.web.get("/tiny/classifiers?split=random").raise_for_status().text)
    assert "linear probe is best: balanced accuracy 0.93; no network is better beyond chance" in other
    assert "whose own scores say little: serotonin (3 groups)." in other
    assert "A random split has synapses of one neuron on both sides" in other


def test_every_page_fits_a_window_and_a_telephone(answered: SimpleNamespace, page: "Page") -> None:
    for width in (1000, 390):
        page.set_viewport_size({"width": width, "height": 800})
        for path in (f"neuron/{NEURON}", "neurons", "classifiers", "classes"):
            opened = page.goto(f"{answered.url}/tiny/{path}")
            assert opened is not None
            assert opened.status == 200, path
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
            assert page.evaluate("[...document.images].every(i => !i.complete || i.naturalWidth > 0)"), path


def test_a_dataset_without_neurons_has_no_list_of_them(tiny_inputs: Path, tmp_path: Path) -> None:
    dataset = tiny_dataset(tiny_inputs, tiny_inputs / "points.csv", grouping=["brain_region"], has_neurons=False)
    store = DatasetStore(str(tmp_path), dataset.name)
    sites = synapses("EB", ["a", "b"])
    place = sites.column_names.index("neuron_id")
    store.synapses.replace_region("EB", sites.set_column(place, sites.schema.field(place), pa.nulls(2, pa.int64())), [])
    build_warehouse(store, [store.synapses, store.results(SYNAPSE_LABELS)], {})
    served = Served(create_app([dataset], tmp_path))
    try:
        with httpx.Client(base_url=served.url, timeout=60) as web:
            html = web.get("/tiny/gallery").raise_for_status().text
            assert ">Classifiers</a>" in html
            assert ">Neurons</a>" not in html
            assert "names its neuron, so there are no neurons" in web.get("/tiny/neurons").raise_for_status().text
            assert web.get("/tiny/neuron/7").status_code == 404
            assert "no class of any synapse is known" in web.get("/tiny/classifiers").raise_for_status().text
    finally:
        served.stop()


HOSTILE = "\"><img src=x onerror=alert(1)>'{{7*7}}"


def test_names_of_labs_are_text(tiny_inputs: Path, tmp_path: Path, page: "Page") -> None:
    """Classes, hemilineages, regions, networks and sentences that try to be markup. No pictures, no vectors."""
    dataset: EmDataset = tiny_dataset(tiny_inputs, tiny_inputs / "points.csv")
    store = DatasetStore(str(tmp_path), dataset.name)
    ids = [f"{at}{HOSTILE}" for at in range(6)]
    region, classes = f"EB{HOSTILE}", [f"gaba{HOSTILE}", f"ach{HOSTILE}"]
    store.synapses.replace_region(region, synapses(region, ids), [])
    base = {"brain_region": region, "neuron_id": 2**60 + 1, "hemilineage": f"07B{HOSTILE}", "cell_type": None}
    labels = [{**base, "synapse_id": one, "target": classes[0], "known_classes": [classes[0]]} for one in ids]
    store.results(SYNAPSE_LABELS).write_partition(region, pa.Table.from_pylist(labels, schema=SYNAPSE_LABELS.arrow))
    chances = [(classes[0], 0.7), (classes[1], 0.3)]
    told = {"predicted": classes[0], "probability": 0.7, "probabilities": chances, "out_of_fold": True}
    predictions = [{**told, "synapse_id": one, "brain_region": region, "classifier": "c1"} for one in ids]
    table = pa.Table.from_pylist(predictions, schema=SYNAPSE_PREDICTIONS.arrow)
    store.results(SYNAPSE_PREDICTIONS).write_partition(region, table)
    plant_answers(store)
    answers = store.results(NEURON_ANSWERS).read().to_pylist()
    store.results(NEURON_ANSWERS).write(
        pa.Table.from_pylist([{**row, "disagreement": HOSTILE} for row in answers], schema=NEURON_ANSWERS.arrow)
    )
    compared = store.results(CLASSIFIER_COMPARISON).read().to_pylist()
    named = [{**row, "about": HOSTILE, "rare_classes": HOSTILE, "split": HOSTILE} for row in compared]
    named = [{**row, "classifier": f"{row['classifier']}{HOSTILE}"} for row in named]
    store.results(CLASSIFIER_COMPARISON).write(pa.Table.from_pylist(named, schema=CLASSIFIER_COMPARISON.arrow))
    card = pa.Table.from_pylist([{"network": HOSTILE, "version": "n", "card": HOSTILE}], schema=NETWORK_CARDS.arrow)
    store.results(NETWORK_CARDS).write(card)
    tables = (SYNAPSE_LABELS, SYNAPSE_PREDICTIONS, SYNAPSE_ANSWERS, NEURON_ANSWERS, CALIBRATION_SCORES)
    tables = (*tables, CLASSIFIER_COMPARISON, NETWORK_CARDS)
    build_warehouse(store, [store.synapses, *(store.results(one) for one in tables)], {})
    served = Served(create_app([dataset], tmp_path))
    try:
        for path in (f"neuron/{2**60 + 1}", "neurons", "classifiers", "classes", "gallery"):
            opened = page.goto(f"{served.url}/tiny/{path}")
            assert opened is not None
            assert opened.status == 200, path
            assert page.locator("img[src=x]").count() == 0, path
            assert HOSTILE in page.inner_text("main"), path
            for link in page.eval_on_selector_all("main a[href^='/']", "all => all.map(one => one.href)")[:6]:
                assert httpx.get(link, follow_redirects=True, timeout=60).status_code == 200, (path, link)
    finally:
        served.stop()


def test_a_link_to_neuroglancer_has_a_point_on_every_synapse() -> None:
    volume = VolumeSpec.model_validate(
        {"kind": "precomputed", "url": "https://data.example/em", "voxel_size_nm": (4, 4, 40)}
    )
    url = neuroglancer.link_to_all(volume, "em", [("a", (40.0, 80.0, 400.0)), ('b"<', (4.0, 4.0, 40.0))])
    assert url is not None
    state = json.loads(unquote(url.partition("#!")[2]))
    assert state["position"] == [10, 20, 10]
    [layer] = [one for one in state["layers"] if one["type"] == "annotation"]
    assert [(one["id"], one["point"]) for one in layer["annotations"]] == [("a", [10, 20, 10]), ('b"<', [1, 1, 1])]
    assert '"' not in url
    assert "<" not in url
    assert neuroglancer.link_to_all(volume, "em", []) is None
