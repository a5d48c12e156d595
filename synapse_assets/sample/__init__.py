"""The sample brain: a small synthetic volume and its tables, drawn by the project so that everything runs offline.

It shows how the pipeline works and lets its tests hold truths that real data do not tell; it is no biology. What does
not belong here: reading any of it back (`sources/`, `volumes/`), and anything that real datasets would use.
"""

from synapse_assets.sample.brain import SampleTruth, draw_sample_brain

__all__ = ["SampleTruth", "draw_sample_brain"]
