"""What a release of a dataset on the detection chain holds, and what it is refused for."""

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synapse_assets.datasets import DetectionDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.detection.release import build_release
from synapse_assets.schema import Table
from synapse_assets.schema.detection import DETECTIONS, MITOCHONDRIA, PROBABILITY_MAPS, VOLUME_BLOCKS
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.pipeline import searched

BLOCKS = ("em_0_0_0", "em_1_0_0")
_PLAIN: dict[pa.DataType, Any] = {pa.string(): "em", pa.int64(): 1, pa.float64(): 1.0, pa.bool_(): False}


def row(table: Table, **values: Any) -> dict[str, Any]:
    """A row of a table, of which only these values matter."""
    return {column.name: _PLAIN[column.type] for column in table.columns} | values


def found(store: DatasetStore, table: Table, block: str, detector: str, version: str = "v1") -> None:
    """Writes one row of a block."""
    key = {DETECTIONS: "synapse_id", MITOCHONDRIA: "mitochondrion_id"}.get(table)
    own = {} if key is None else {key: f"{block}_object"}
    rows = [row(table, block=block, detector=detector, version=version, **own)]
    store.results(table).write_partition(block, pa.Table.from_pylist(rows, schema=table.arrow))


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    """Two blocks, searched with the detectors in use."""
    store = DatasetStore(str(tmp_path / "data"), "searched")
    searched.put_in_use(store, "v1")
    blocks = [row(VOLUME_BLOCKS, block=block) for block in BLOCKS]
    store.results(VOLUME_BLOCKS).write(pa.Table.from_pylist(blocks, schema=VOLUME_BLOCKS.arrow))
    for block in BLOCKS:
        found(store, PROBABILITY_MAPS, block, "pairs")
        found(store, DETECTIONS, block, "pairs")
        found(store, MITOCHONDRIA, block, "dark")
    return store


@pytest.fixture
def dataset(tmp_path: Path) -> DetectionDataset:
    return searched.dataset(tmp_path / "em")


@pytest.mark.parametrize(("table", "named"), [(DETECTIONS, "pairs"), (MITOCHONDRIA, "dark")])
def test_objects_of_a_detector_that_is_named_no_more_are_not_released(
    store: DatasetStore, dataset: DetectionDataset, table: Table, named: str
) -> None:
    build_release(store, dataset, "")
    before = store.release()
    assert before is not None
    assert before["tables"][table.name]["rows"] == 2
    # Of the same version: only the YAML says another one now.
    found(store, table, BLOCKS[1], "before")
    message = (
        f"{table.name} of em_1_0_0 was made with the detector 'before', but the dataset's YAML now names '{named}'"
    )
    with pytest.raises(BadInput, match=re.escape(message)):
        build_release(store, dataset, "")
    assert store.release() == before
    found(store, table, BLOCKS[1], named)
    build_release(store, dataset, "")
    # A block that there is not any more has no say.
    found(store, table, "em_2_0_0", "before")
    build_release(store, dataset, "")
