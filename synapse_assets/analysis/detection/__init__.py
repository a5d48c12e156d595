"""From maps of probabilities to objects: components, peaks, pairs. Maps themselves belong to `vision`, scores to `evaluation`."""
