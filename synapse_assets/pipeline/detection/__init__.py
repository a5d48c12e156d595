"""The steps of the detection chain: from a volume to a table of its synapses and mitochondria."""
