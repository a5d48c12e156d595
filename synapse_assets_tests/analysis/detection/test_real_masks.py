"""Real masks of a larval fly: what somebody else counted in them, and which mitochondria touch.

`vnc_sstem`: Gerhard et al. 2013, figshare, doi 10.6084/m9.figshare.856713. Left out where it is not at hand.
"""

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from synapse_assets.analysis.detection.components import Components, Limits, components, limited
from synapse_assets.analysis.evaluation.site_scores import match_sites

DATA = Path(__file__).parents[4] / "shared" / "data" / "vnc_sstem"
SIZE = (4.6, 4.6, 45.0)

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the data set is not at hand")


def mask_of(name: str) -> npt.NDArray[np.bool_]:
    return np.stack([np.asarray(Image.open(path)) > 0 for path in sorted((DATA / "stack1" / name).glob("*.png"))])


@pytest.mark.parametrize(
    ("name", "table"), [("synapses", "synapse_instances_stack1"), ("mitochondria", "mitochondrion_instances_stack1")]
)
def test_objects_are_those_of_the_table(name: str, table: str) -> None:
    with (DATA / f"{table}.csv").open() as file:
        rows = list(csv.DictReader(file))
    # whoever counted them left out what has fewer voxels
    objects = limited(components(mask_of(name), 0.5, SIZE), Limits(min_nm3=300 * np.prod(SIZE)))
    assert len(objects) == len(rows)
    centres = (np.array([[float(row[axis]) for axis in "xyz"] for row in rows]) + 0.5) * SIZE
    matches = match_sites(objects.position_nm, centres, 1)
    assert len(matches.pairs) == len(rows)
    voxels = np.array([int(row["voxels"]) for row in rows])
    assert objects.voxels[matches.pairs[:, 0]].tolist() == voxels[matches.pairs[:, 1]].tolist()


def test_mitochondria_that_touch_are_parted_and_clefts_are_left_whole() -> None:
    """Objects that a person would part were looked at; the numbers hold what was seen."""
    mitochondria = mask_of("mitochondria")[:, ::4, ::4]
    size = (18.4, 18.4, 45.0)
    before, after = components(mitochondria, 0.5, size), components(mitochondria, 0.5, size, split_nm=300)
    assert (len(before), len(after)) == (40, 44)
    assert ((before.labels > 0) == (after.labels > 0)).all()
    largest = int(np.argmax(before.voxels)) + 1
    assert len(parts_of(after, before.labels == largest)) > 1
    clefts = mask_of("synapses")[:, ::2, ::2]
    assert len(components(clefts, 0.5, (9.2, 9.2, 45.0), split_nm=300)) == len(
        components(clefts, 0.5, (9.2, 9.2, 45.0))
    )


def parts_of(objects: Components, mask: npt.NDArray[np.bool_]) -> list[int]:
    return np.unique(objects.labels[mask]).tolist()
