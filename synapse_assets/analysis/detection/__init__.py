"""From maps of probabilities to synapses and mitochondria, and from points to the masks that a detector is trained on.

Belongs here: balls around points, components and peaks of a map, which sites belong together, what lies around a point. Does not belong
here: making maps (`vision`), scores against the truth (`analysis.evaluation`), reading volumes and writing tables.

Arrays are (z, y, x). Voxel sizes, positions and everything with a column an axis are x, y, z. The voxel i of an axis reaches from i to
i + 1 voxel sizes, so its centre lies half a voxel further than i.
"""
