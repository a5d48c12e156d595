"""Labelling synapses of the chain of electron microscopy: what to ask, what was answered, and what the answers are worth."""
