"""Points of a release: what a table becomes, filters, counts, neighbours in space."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.query.points import NONE, Filters, Points, points_from_table

BIG = 720575940600000001


@pytest.fixture
def points() -> Points:
    return points_from_table(
        pa.table(
            {
                "synapse_id": ["a", "b", "c", "d"],
                "brain_region": ["EB", "EB", "FB", "FB"],
                "volume": ["v", "v", "v", "w"],
                "x_nm": [0.0, 100.0, 0.0, 0.0],
                "y_nm": [0.0, 0.0, 0.0, 0.0],
                "z_nm": [0.0, 0.0, 500.0, 0.0],
                "neuron_id": pa.array([BIG, BIG + 2, None, BIG], pa.int64()),
                "target": ["gaba", None, "gaba", "glutamate"],
                "cluster": pa.array([10, -1, 2, 10], pa.int32()),
                "hemilineage": pa.nulls(4, pa.string()),
                "score": [1.0, 5.0, None, 9.0],
                "map_1": pa.array([0.5, None, 1.0, 2.0], pa.float32()),
                "map_2": pa.array([0.5, None, 1.0, 2.0], pa.float32()),
                "out_of_fold": [True, None, False, True],
            }
        )
    )


def test_columns_become_classes_in_their_order(points: Points) -> None:
    assert points.categories["cluster"].names == ("2", "10"), "numbers by size, noise is none"
    assert points.categories["cluster"].counts() == {"2": 1, "10": 2, NONE: 1}
    assert points.categories["out_of_fold"].names == ("no", "yes")
    assert "hemilineage" not in points.categories, "a column without a value is no column"
    assert np.isnan(points.map[1]).all()


def test_the_class_of_one_synapse(points: Points) -> None:
    assert [points.categories["target"].value(row) for row in range(4)] == ["gaba", None, "gaba", "glutamate"]
    assert [points.categories["cluster"].value(row) for row in range(4)] == ["10", None, "2", "10"]


def test_frames_keep_ids_and_numbers_whole(points: Points) -> None:
    frame = points.frame([2, 0])
    assert frame["synapse_id"].tolist() == ["c", "a"]
    assert frame["neuron_id"].tolist() == [pd.NA, BIG]
    assert frame["cluster"].tolist() == [2, 10]
    assert frame["target"].tolist() == ["gaba", "gaba"]


def test_whoever_reads_a_cluster_reads_how_far_it_can_be_trusted(points: Points) -> None:
    assert points.frame([2, 0])["cluster_verdict"].tolist() == [None, None], "not assessed"
    assert replace(points, cluster_verdict="fragile").frame([1, 0])["cluster_verdict"].tolist() == ["fragile"] * 2
    without = replace(points, categories={name: points.categories[name] for name in ("target", "out_of_fold")})
    assert "cluster_verdict" not in without.frame([0])


def test_columns_of_clusters(points: Points) -> None:
    for name in ("cluster", "membership_probability"):
        assert points.are_of_clusters(["target", name])
    assert not points.are_of_clusters(["target", "score", ""])
    assert points.are_of_clusters(["probability"]), "nothing else is predicted"
    predicted = {**points.categories, "predicted": points.categories["target"]}
    assert not replace(points, categories=predicted).are_of_clusters(["probability"])


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        (Filters(), "abcd"),
        (Filters({"brain_region": ["EB"]}), "ab"),
        (Filters({"target": ["gaba", NONE]}), "abc"),
        (Filters({"target": ["gaba"], "brain_region": ["FB"]}), "c"),
        (Filters({"cluster": ["10"]}, {"score": 2}), "d"),
        (Filters({}, {"score": 5}), "bd"),
        (Filters({"cluster": []}), "abcd"),
    ],
)
def test_filters(points: Points, filters: Filters, left: str) -> None:
    assert "".join(points.frame(np.flatnonzero(points.select(filters)))["synapse_id"]) == left


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        (Filters({"brain_region": ["XX"]}), "no synapse has brain region 'XX'; there are EB, FB"),
        (Filters({"hemilineage": ["LHl2"]}), "no column 'hemilineage'"),
        (Filters({}, {"probability": 1}), "no column 'probability'"),
    ],
)
def test_what_does_not_occur_is_told(points: Points, filters: Filters, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        points.select(filters)


def test_near_is_in_nanometres_and_within_one_volume(points: Points) -> None:
    assert points.near(points.places_nm[0], 100, "v").tolist() == [True, True, False, False]
    assert points.near(points.places_nm[0], 99, "v").tolist() == [True, False, False, False]
    assert points.near(points.places_nm[0], 0, None).tolist() == [True, False, False, True]


def test_known_and_predicted_classes_share_their_colours() -> None:
    rows = {
        "synapse_id": ["a", "b"],
        "neuron_id": pa.nulls(2, pa.int64()),
        "target": ["x", "z"],
        "predicted": ["y", "z"],
    }
    points = points_from_table(pa.table({**rows, "cell_type": ["w", "z"]}))
    known, predicted, others = (points.colours(name) for name in ("target", "predicted", "cell_type"))
    assert known == predicted
    assert len({known[name] for name in ("x", "y", "z", NONE)}) == 4
    assert set(others) == {"w", "z", NONE}
    assert others["w"] == known["x"], "a column of its own"
