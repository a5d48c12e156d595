"""An address says everything of a question, and nothing of it is lost on the way to the search."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.explorer.asking import (
    IN_ONE_LIST,
    MOST_IN_A_COLUMN,
    Question,
    read_filters,
    read_question,
)
from synapse_assets.explorer.uploads import Uploads
from synapse_assets.query import Filters, Warehouse
from synapse_assets.schema import SYNAPSE_LABELS, embedding_table
from synapse_assets.stores import DatasetStore, build_warehouse
from synapse_assets.stores.rows import vector_rows
from synapse_assets_tests.stores.samples import synapses

DEFAULT = Question(columns="target", near_nm=48.0)
WHOLE = Question(
    synapse_id="s 1&x=y",
    columns="cluster",
    k=7,
    metric="l1",
    own_neuron=True,
    near_nm=0.25,
    filters=Filters({"brain_region": ["EB", "FB"], "target": ["gaba"]}, {"score": 50.5, "probability": 1e-3}),
)


def asked(address: str, default: Question = DEFAULT) -> Question:
    return read_question(parse_qsl(address, keep_blank_values=True), default)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"synapse_id": "", "place_nm": (1.5, -2.0, 3e5)},
        {"synapse_id": "", "upload": "0123abcd"},
        {"synapse_id": ""},
        {"columns": ""},
        {"k": MOST_IN_A_COLUMN},
        {"metric": "cosine"},
        {"own_neuron": False},
        {"near_nm": 0.0},
        {"filters": Filters({}, {})},
    ],
)
def test_a_question_comes_back_from_its_address(changes: dict[str, Any]) -> None:
    address = WHOLE.address(**changes)
    for default in (DEFAULT, Question(own_neuron=True, k=2, metric="l2")):
        question = asked(address, default)
        assert question == Question(**{**vars(WHOLE), **changes})
        assert question.address() == address


def test_what_an_address_does_not_name_is_as_before() -> None:
    assert asked("synapse_id=s1") == Question("s1", columns="target", near_nm=48.0)
    assert asked("synapse_id=s1", Question(own_neuron=True)).own_neuron
    assert not asked("synapse_id=s1&own_neuron=out", Question(own_neuron=True)).own_neuron
    assert asked("synapse_id=s1&columns=").k == IN_ONE_LIST
    assert asked("synapse_id=s1&near_nm=").near_nm == 0.0
    assert not asked("k=3").is_asked


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("place=1,2,3&synapse_id=s1&place_before=4,5,6&upload=u", {"place_nm": (1, 2, 3)}),
        ("synapse_id=s1&place_before=4,5,6&upload=u", {"synapse_id": "s1"}),
        ("synapse_id=&place=&place_before=4,5,6&upload=u", {"place_nm": (4, 5, 6)}),
        ("synapse_id= &upload=u", {"upload": "u"}),
    ],
)
def test_one_query_counts(address: str, kept: dict[str, Any]) -> None:
    assert asked(address) == Question(columns="target", near_nm=48.0, **kept)


def test_filters_of_one_column_add_up_and_numbers_are_least() -> None:
    parameters = parse_qsl(
        "brain_region=EB&brain_region=FB&target=&target=gaba&score_least=5&probability_least=+&k=3&x=1"
    )
    assert read_filters(parameters) == Filters({"brain_region": ["EB", "FB"], "target": ["gaba"]}, {"score": 5.0})
    with pytest.raises(BadInput, match="least detection score: 'many' is no number"):
        read_filters([("score_least", "many")])


@pytest.mark.parametrize(("k", "right"), [("1", True), ("50", True), ("0", False), ("51", False), ("2.5", False)])
def test_a_column_shows_one_to_fifty(k: str, right: bool) -> None:
    if right:
        assert asked(f"synapse_id=s1&k={k}").k == int(k)
        return
    with pytest.raises(BadInput, match="a column shows 1 to 50 synapses"):
        asked(f"synapse_id=s1&k={k}")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Six synapses: `a` is asked for, `b` is of its neuron, `c` 10 nm away, `e` of its direction, `f` near its vector."""
    store = DatasetStore(str(tmp_path_factory.mktemp("asked")), "sample")
    table = store.vectors("m1", 4)
    spread = {"a": (1, 0), "b": (2, 2), "c": (1, 2), "d": (0, 3), "e": (9, 0), "f": (1, 0.5)}
    for region, ids in (("EB", "abcef"), ("FB", "d")):
        rows = synapses(region, list(ids))
        places = {
            "neuron_id": [{"a": 1, "b": 1}.get(one, 2) for one in ids],
            "y_nm": [0.0] * len(ids),
            "z_nm": [0.0] * len(ids),
        }
        places["x_nm"] = [{"a": 0.0, "c": 10.0}.get(one, 5e3) for one in ids]
        for name, values in places.items():
            field = rows.schema.field(name)
            rows = rows.set_column(rows.column_names.index(name), field, pa.array(values, field.type))
        store.synapses.replace_region(region, rows, [])
        matrix = np.array([(*spread[one], 0, 0) for one in ids], np.float32)
        hashes = ["h"] * len(ids)
        table.replace_region(region, vector_rows(embedding_table(4), list(ids), region, hashes, "m1", matrix), [])
        labels = [
            {"synapse_id": one, "brain_region": region, "target": "gaba" if one in "ace" else "dopamine"} for one in ids
        ]
        whole = pa.Table.from_pylist(labels, schema=SYNAPSE_LABELS.arrow)
        store.results(SYNAPSE_LABELS).write_partition(region, whole)
    release = {"models": {"encoder": "m1"}, "scores": {"encoder": {"dimensions": 4}}}
    build_warehouse(store, [store.synapses, store.results(SYNAPSE_LABELS), table], release)
    with Warehouse(store) as opened:
        yield opened


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, "efcd"),
        ({"own_neuron": True}, "efbcd"),
        ({"near_nm": 9.0}, "efcd"),
        ({"near_nm": 10.0}, "efd"),
        ({"k": 2}, "ef"),
        ({"metric": "l2"}, "fcde"),
        ({"filters": Filters({"brain_region": ["FB"]})}, "d"),
        ({"filters": Filters({"brain_region": ["FB", "EB"], "target": ["gaba"]})}, "ec"),
        ({"columns": "target", "k": 1}, "fe"),
    ],
)
def test_all_of_a_question_reaches_the_search(warehouse: Warehouse, changes: dict[str, Any], found: str) -> None:
    question = Question(**{"synapse_id": "a", "k": 10, **changes})
    assert "".join(warehouse.similar(question.request(Uploads()))["synapse_id"]) == found
