"""The rule by which sites of a published table are chosen: the same sites in any order of rows, and those of a plain re-telling of it."""

import hashlib
import random
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest

from synapse_assets.datasets import PublishedSubset
from synapse_assets.errors import BadInput
from synapse_assets.schema import NEURONS, SYNAPSE_TABLE
from synapse_assets.sources.subsets import COLUMNS, as_csv, choose_sites
from synapse_assets_tests.sources.tables import BIG_ID

CLASSES = ("dopamine", "gaba", "octopamine")
FILE = {"url": "http://127.0.0.1/t.feather", "path": "t.feather", "bytes": 1, "licence": "none", "cite": "nobody"}
TABLE = {
    "name": "t",
    "format": "points",
    "volume": "em",
    "path": "t.feather",
    "units": "nm",
    "columns": {"neuron_id": "n"},
}


def rule(**changes: Any) -> PublishedSubset:
    values = {
        "downloads": [FILE],
        "table": TABLE,
        "sites": 50,
        "classes": CLASSES,
        "neurons_per_class": 6,
        "fewest_sites": 4,
    }
    return PublishedSubset.model_validate({**values, "spacing_nm": 300, "salt": "tests", **changes})


def planted() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of synapses and of neurons: 30 neurons of three classes in four hemilineages or none, some of two classes, of none, of
    another one, or with few sites; every fifth site lies 40 nm beside the one before."""
    draw = random.Random(0)
    neurons: list[dict[str, Any]] = []
    synapses: list[dict[str, Any]] = []
    for number in range(36):
        known = [[CLASSES[number % 3]], [CLASSES[number % 3]], ["dopamine", "gaba"], [], ["histamine"]][
            max(0, number - 31)
        ]
        lineage = [None, "ALad1", "DL1", "LHl2", "VPNd1"][number % 5]
        target = known[0] if len(known) == 1 else None
        neurons.append({"neuron_id": BIG_ID + number, "known_classes": known, "target": target, "hemilineage": lineage})
        place = [0.0, 0.0, 0.0]
        for site in range(3 if number == 4 else 12):
            place = [place[0] + 40, *place[1:]] if site % 5 == 4 else [float(draw.randrange(10**5)) for _ in "xyz"]
            row = {"synapse_id": f"{number * 100 + site}", "neuron_id": BIG_ID + number, "brain_region": "EB"}
            synapses.append({**row, **dict(zip(("x_nm", "y_nm", "z_nm"), place, strict=True))})
    synapses.append({**synapses[0], "synapse_id": "background", "neuron_id": None})
    return synapses, neurons


def batches(rows: list[dict[str, Any]], size: int) -> list[pa.Table]:
    return [
        pa.Table.from_pylist(rows[first : first + size], SYNAPSE_TABLE.arrow) for first in range(0, len(rows), size)
    ]


def chosen(
    subset: PublishedSubset, synapses: list[dict[str, Any]], neurons: list[dict[str, Any]], size: int = 7
) -> bytes:
    table = pa.Table.from_pylist(neurons, NEURONS.arrow)
    return as_csv(choose_sites(lambda: batches(synapses, size), table, subset))


def told_again(subset: PublishedSubset, synapses: list[dict[str, Any]], neurons: list[dict[str, Any]]) -> set[str]:
    """The rule in a few plain lines, in memory: ids of the chosen sites."""

    def key(identifier: object) -> str:
        return hashlib.sha256(f"{subset.salt}/{identifier}".encode()).hexdigest()

    picked: set[str] = set()
    for number, name in enumerate(sorted(subset.classes)):
        able = [one for one in neurons if one["known_classes"] == [name]]
        able = [one for one in able if sum(s["neuron_id"] == one["neuron_id"] for s in synapses) >= subset.fewest_sites]
        able.sort(key=lambda one: key(one["neuron_id"]))
        turn = {
            one["neuron_id"]: [o for o in able if o["hemilineage"] == one["hemilineage"]].index(one) for one in able
        }
        able = sorted(able, key=lambda one: turn[one["neuron_id"]])[: subset.neurons_per_class]
        rounds: list[tuple[int, int, str]] = []
        for order, neuron in enumerate(able):
            apart: list[dict[str, Any]] = []
            for s in sorted(
                (s for s in synapses if s["neuron_id"] == neuron["neuron_id"]), key=lambda s: key(s["synapse_id"])
            ):
                if all(
                    sum((s[a] - o[a]) ** 2 for a in ("x_nm", "y_nm", "z_nm")) ** 0.5 >= subset.spacing_nm for o in apart
                ):
                    rounds.append((len(apart), order, s["synapse_id"]))
                    apart.append(s)
        quota = subset.sites // len(subset.classes) + (number < subset.sites % len(subset.classes))
        picked |= {synapse_id for _, _, synapse_id in sorted(rounds)[:quota]}
    return picked


def ids(table: bytes) -> list[str]:
    return [line.split(",")[0] for line in table.decode().splitlines()[1:]]


@pytest.mark.parametrize(
    "changes", [{}, {"salt": "another"}, {"spacing_nm": 0.5}, {"neurons_per_class": 2}, {"sites": 7}]
)
def test_the_rule_is_what_a_plain_retelling_of_it_says(changes: dict[str, Any]) -> None:
    synapses, neurons = planted()
    table = ids(chosen(rule(**changes), synapses, neurons))
    assert set(table) == told_again(rule(**changes), synapses, neurons)
    assert table == sorted(set(table))


def test_neither_the_order_of_rows_nor_the_size_of_batches_changes_a_byte() -> None:
    synapses, neurons = planted()
    table = chosen(rule(), synapses, neurons)
    assert hashlib.sha256(table).hexdigest()[:12] == "ac7af4fa5d33"
    for seed, size in ((1, 1), (2, 1_000), (3, 50)):
        random.Random(seed).shuffle(synapses)
        random.Random(seed).shuffle(neurons)
        assert chosen(rule(), synapses, neurons, size) == table


def test_an_id_that_is_there_twice_and_a_site_without_a_place_change_nothing_with_the_order() -> None:
    synapses, neurons = planted()
    twice = [{**row, "x_nm": row["x_nm"] + 5_000} for row in synapses[::2] if row["neuron_id"] is not None]
    lost = [{**row, "synapse_id": f"lost {row['synapse_id']}", "x_nm": float("nan")} for row in synapses[:-1]]
    rows = [*synapses, *twice, *lost]
    content = chosen(rule(), rows, neurons)
    assert content == chosen(rule(), rows[::-1], neurons)
    ids = [line.split(",")[0] for line in content.decode().splitlines()[1:]]
    assert len(ids) == len(set(ids)) == 50
    assert not any(one.startswith("lost") for one in ids)


def test_what_the_rule_promises() -> None:
    synapses, neurons = planted()
    lines = [line.split(",") for line in chosen(rule(), synapses, neurons).decode().splitlines()]
    head, rows = lines[0], [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    assert (
        tuple(head)
        == COLUMNS
        == ("synapse_id", "neuron_id", "x_nm", "y_nm", "z_nm", "brain_region", "target", *COLUMNS[7:])
    )
    assert Counter(row["target"] for row in rows) == {"dopamine": 17, "gaba": 17, "octopamine": 16}
    by_neuron = Counter(row["neuron_id"] for row in rows)
    assert max(by_neuron.values()) - min(by_neuron.values()) <= 1
    # The one with few sites, of two classes, of none and of another are not there.
    assert not {str(BIG_ID + number) for number in (4, 33, 34, 35)} & set(by_neuron)
    for name in CLASSES:
        of_class = {row["neuron_id"]: row["hemilineage"] for row in rows if row["target"] == name}
        assert len(of_class) == 6
        assert set(Counter(of_class.values()).values()) <= {1, 2}
        assert len(set(of_class.values())) == 5


def test_a_class_with_too_few_sites_gives_all_it_has() -> None:
    synapses, neurons = planted()
    few = [one for one in neurons if one["target"] != "octopamine" or one["neuron_id"] == BIG_ID + 2]
    rows = chosen(rule(), synapses, few).decode().splitlines()[1:]
    assert Counter(row.split(",")[6] for row in rows) == {"dopamine": 17, "gaba": 17, "octopamine": 10}
    assert chosen(rule(), [], neurons).decode().count("\n") == 1


def test_tables_without_the_classes_are_refused() -> None:
    synapses, neurons = planted()
    with pytest.raises(BadInput, match=r"no neuron .* one of the classes \['acetylcholine', 'glutamate'\]"):
        chosen(rule(classes=["acetylcholine", "glutamate"]), synapses, neurons)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ["gaba", "gaba"]}, "classes name one twice"),
        ({"sites": 2}, r"sites \(2\) are fewer than classes \(3\)"),
        ({"table": {**TABLE, "columns": {}}}, "table needs the column neuron_id"),
        ({"downloads": []}, "downloads"),
        ({"downloads": [{**FILE, "md5": "no digest"}]}, "md5"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rule(**changes)
