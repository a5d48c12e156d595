"""The samples: a small synthetic brain and what lies where in it, a deeper one, one to label, synthetic workbooks, and plates of
stained neurons, drawn by the project so that everything runs offline.

They show how the pipeline works and let its tests check against known truths that real data lack; they are no biology. What does
not belong here: reading any of it back (`sources/`, `volumes/`), and anything that real datasets would use.
"""

from synapse_assets.sample.brain import SampleTruth, draw_sample_brain
from synapse_assets.sample.deep_brain import draw_sample_deep_brain
from synapse_assets.sample.detection import DetectionTruth, draw_sample_detection
from synapse_assets.sample.labelling import draw_sample_labelling
from synapse_assets.sample.staining import StainingTruth, draw_sample_staining
from synapse_assets.sample.workbook import WorkbookTruth, draw_sample_workbook

__all__ = [
    "DetectionTruth",
    "SampleTruth",
    "StainingTruth",
    "WorkbookTruth",
    "draw_sample_brain",
    "draw_sample_deep_brain",
    "draw_sample_detection",
    "draw_sample_labelling",
    "draw_sample_staining",
    "draw_sample_workbook",
]
