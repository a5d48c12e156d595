"""What is measured of the tiles of a region, and what is measured again."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.pipeline.em import attributes
from synapse_assets.pipeline.em.attributes import compare_classes, measure_region
from synapse_assets.schema import CLASS_DIFFERENCES, TILE_ATTRIBUTES
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.conftest import Lab

LOG = logging.getLogger(__name__)


@pytest.fixture
def copied(finished_lab: Lab, tmp_path: Path) -> DatasetStore:
    """The finished installation, to be changed."""
    return DatasetStore(str(shutil.copytree(finished_lab.root, tmp_path / "data")), finished_lab.dataset.name)


def with_column(rows: pa.Table, name: str, values: list[object]) -> pa.Table:
    place = rows.column_names.index(name)
    return rows.set_column(place, rows.schema.field(place), pa.array(values, rows.schema.field(place).type))


def test_every_tile_has_a_row_and_only_what_changed_is_measured_again(
    copied: DatasetStore, finished_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, dataset = copied.results(TILE_ATTRIBUTES), finished_lab.dataset
    first = results.read("EB")
    tiles = copied.tiles.read("EB", ["synapse_id", "tile_hash"])
    assert first.select(["synapse_id", "tile_hash"]).equals(tiles)
    # A row of another picture, one of a synapse that is gone, and one that is missing.
    hashes = first.column("tile_hash").to_pylist()
    ids = first.column("synapse_id").to_pylist()
    wrong = with_column(first, "tile_hash", ["another", *hashes[1:]])
    wrong = with_column(wrong, "synapse_id", [*ids[:-1], "gone"])
    wrong = with_column(wrong, "vesicle_number", [9.0] * len(ids))
    results.write_partition("EB", wrong, results.made_from("EB"))
    report = measure_region(copied, dataset, "EB", LOG)
    assert (report.computed_rows, report.rows) == (2, len(ids))
    assert [check.passed for check in report.checks] == [True]
    again = results.read("EB")
    assert again.select(["synapse_id", "tile_hash"]).equals(tiles)
    assert again.column("vesicle_number").to_pylist() == [None, *[9.0] * (len(ids) - 2), None]
    version = report.content_version
    assert measure_region(copied, dataset, "EB", LOG).content_version == version
    # Another way of measuring counts for all.
    monkeypatch.setattr(attributes, "METHOD", attributes.METHOD + 1)
    report = measure_region(copied, dataset, "EB", LOG)
    assert (report.computed_rows, report.content_version != version) == (len(ids), True)
    assert results.read("EB").equals(first)


def test_an_empty_region_is_an_ordinary_outcome(copied: DatasetStore, finished_lab: Lab) -> None:
    report = measure_region(copied, finished_lab.dataset, "NOWHERE", LOG)
    assert (report.rows, report.computed_rows, [check.passed for check in report.checks]) == (0, 0, [True])


def test_a_planted_difference_between_neurons_is_told(copied: DatasetStore, finished_lab: Lab) -> None:
    """Tiles of the tiny brain are too small to be measured: values are planted in place of that."""
    from synapse_assets.stores.rows import labelled_synapses

    known = {row["synapse_id"]: row for row in labelled_synapses(copied, ["target", "neuron_id"]).to_pylist()}
    results, rng = copied.results(TILE_ATTRIBUTES), np.random.default_rng(0)
    own = {neuron: rng.normal(0, 1) for neuron in sorted({row["neuron_id"] for row in known.values()})}
    for region in results.partitions():
        rows = results.read(region)
        values = [
            40 + own[known[i]["neuron_id"]] + 8 * (known[i]["target"] == "gaba")
            for i in rows.column("synapse_id").to_pylist()
        ]
        results.write_partition(region, with_column(rows, "vesicle_diameter_nm", values), results.made_from(region))
    report = compare_classes(copied, finished_lab.dataset, LOG)
    rows = copied.results(CLASS_DIFFERENCES).read().to_pylist()
    found = {(row["attribute"], row["class_name"]): row for row in rows}
    gaba = found["vesicle_diameter_nm", "gaba"]
    assert (gaba["differs"], gaba["groups"], gaba["other_groups"]) == (True, 4, 8)
    assert all(known[i]["target"] == "gaba" for i in (*gaba["lowest"], *gaba["highest"]))
    assert found["vesicle_number", "gaba"]["effect"] is None
    assert "vesicle diameter nm of gaba: differs" in report.details["in_words"].text  # type: ignore[union-attr]
    assert report.details["effects"].png.startswith(b"\x89PNG")  # type: ignore[union-attr]
