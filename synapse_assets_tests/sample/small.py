"""A brain of 48 synapses that is drawn like the sample, with what lies where in it: drawn once, in a second."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from synapse_assets.sample import DetectionTruth, brain, detection, draw_sample_brain, draw_sample_detection

LAYOUT = replace(
    brain.LAYOUT,
    block=(2, 2),
    blocks=(2, 2, 3),
    hemilineages=tuple((nt, names, 1) for nt, names, _ in brain.LAYOUT.hemilineages),
)
"""The smallest that holds every hemilineage: four synapses of each of twelve neurons in 544 x 544 x 9 voxels."""


@contextmanager
def instead_of_the_sample() -> Iterator[None]:
    """Within it the samples that are drawn have this layout."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(brain, "LAYOUT", LAYOUT)
        patched.setattr(detection, "LAYOUT", LAYOUT)
        yield


def draw_small(root: Path, seed: int = 0) -> DetectionTruth:
    """Draws it where datasets `sample` and `sample_detection` of that data root look for theirs."""
    with instead_of_the_sample():
        draw_sample_brain(root / "sample" / "raw", seed)
        return draw_sample_detection(root / "sample_detection" / "raw", seed)
