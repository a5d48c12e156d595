"""What is computed from vectors and tables: samples, splits, maps, clusters, classifiers and their pictures.

Numpy and Arrow in, numpy and Arrow out. What does not belong here: pictures of tissue becoming vectors (`vision`),
reading and writing tables (`stores`), Dagster (`defs`). Importing a module of this room is cheap; umap, hdbscan,
scikit-learn and matplotlib are imported by the functions that need them.
"""
