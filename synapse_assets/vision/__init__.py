"""Pictures in, vectors out: encoders, embedding and self-supervised pre-training.

torch and timm are imported in this package and nowhere else. Importing `synapse_assets.vision` itself
imports none of them: callers import the submodule they need (`encoder`, `embedding`, `pretraining`).
"""

import os

# Idle torch threads sleep instead of spinning. Where several processes share the cores (Dagster runs regions side by
# side) spinning threads took the time of the working ones: a training step was 20 to 40 times slower on two busy cores.
# Read by the OpenMP runtime when torch is loaded, so it has to be set before; a value set by the user stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
