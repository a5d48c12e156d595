"""Maps, clusters and how far they can be trusted, for every chain: projections, HDBSCAN, the choice of its settings, consensus
over resampled maps, the verdict on stability, cluster numbers and cards, drift.

Does not belong here: classifiers and scores, the features of one chain, drawing (`figures`).
"""
