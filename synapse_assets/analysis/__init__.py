"""What is computed from vectors and tables: samples, splits, maps, clusters, classifiers.

Numpy and Arrow in, numpy and Arrow out. What does not belong here: pictures of tissue becoming vectors (`vision`),
reading and writing tables (`stores`), drawing (`figures`), Dagster (`defs`). Importing a module of this room is cheap; umap,
hdbscan and scikit-learn are imported by the functions that need them.
"""
