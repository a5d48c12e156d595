"""Pictures in, vectors out: encoders, embedding and self-supervised pre-training.

torch and timm are imported in this package and nowhere else. Importing `synapse_assets.vision` itself
imports none of them: callers import the submodule they need (`encoder`, `embedding`, `pretraining`).
"""
