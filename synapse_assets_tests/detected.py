"""Tables as a dataset on the detection chain writes them, planted: synapses that were found in the tiny volume."""

import numpy as np
import pyarrow as pa

from synapse_assets.schema.detection import DETECTIONS
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.conftest import FIRST_NEURON, VOXEL_SIZE_NM, planted_points

FINDER = "finder"
BLOCKS = ("em_0_0_0", "em_1_0_0")
VERSION = "0123456789ab"


def detections(block: str, **changes: object) -> pa.Table:
    """`schema.detection.DETECTIONS` of one block: every other of the planted synapses, with other columns where they are given."""
    points = planted_points().iloc[BLOCKS.index(block) :: len(BLOCKS)]
    count = len(points)
    middles = {axis: (points[axis].to_numpy() + 0.5) * size for axis, size in zip("xyz", VOXEL_SIZE_NM, strict=True)}
    columns: dict[str, object] = {
        "synapse_id": [f"found_{name}" for name in points["id"]],
        "brain_region": points["region"].tolist(),
        "block": [block] * count,
        "volume": ["em"] * count,
        **{f"{axis}_nm": middles[axis] for axis in "xyz"},
        "neuron_id": pa.array(points["neuron"].tolist(), pa.int64()),
        **{f"post_{axis}_nm": pa.nulls(count, pa.float64()) for axis in "xyz"},
        "partner_id": pa.array([FIRST_NEURON - 1] * count, pa.int64()),
        "partners": pa.array([1] * count, pa.int64()),
        "score": np.linspace(0.2, 0.9, count),
        "volume_nm3": pa.nulls(count, pa.float64()),
        "sections": pa.nulls(count, pa.int64()),
        "detector": ["sites"] * count,
        "version": [VERSION] * count,
    }
    return DETECTIONS.conform(pa.table({**columns, **changes}))


def write_detections(store: DatasetStore, block: str, rows: pa.Table, version: str = VERSION) -> None:
    """Writes a block as the asset `detections` does."""
    made_from = {"dataset": store.dataset, "detector": "sites", "version": version}
    store.results(DETECTIONS).write_partition(block, rows, made_from)
