"""Pictures in, vectors out: networks, their weights and training, and running them over many pictures.

torch and timm are imported in this package and nowhere else. Importing `synapse_assets.vision` itself
imports none of them: callers import the submodule they need (`encoder`, `inference`, `training.simclr`).
"""
