"""The labelling sample: a brain like the sample's, small, of which the tables name the class of every second neuron only.

What its synapses look like, tables and files are those of `brain.py`.
"""

from dataclasses import replace
from pathlib import Path

from synapse_assets.sample.brain import LAYOUT, SampleTissue, SampleTruth, draw_brain

LABELLING_LAYOUT = replace(
    LAYOUT,
    blocks=(4, 4, 3),
    hemilineages=tuple((transmitter, names, 4) for transmitter, names, _ in LAYOUT.hemilineages),
    unlabelled=24,
)


def draw_sample_labelling(folder: Path, seed: int = 0) -> SampleTruth:
    """Draw the labelling sample into `folder`, unless it is there already.

    Files as those of `draw_sample_brain`; 960 synapses of 48 neurons, eight of each class, in 2720 x 2176 x 9 voxels. `truth.json` has the
    class of every neuron, the tables that of 24. The same seed gives the same bytes.

    Raises BadInput where `folder` holds files that are not a sample brain.
    """
    return draw_brain(folder, LABELLING_LAYOUT, SampleTissue, seed)
