"""Architectures, ours and timm's, by name. What does not belong here: their weights, training, and running them."""
