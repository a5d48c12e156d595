"""What is computed of synapses without images: features, classifiers of clusters, predictions.

A fit of this room takes tables of `schema.morphology` and hands back its model or `artifacts.NoModel`. What does not belong
here: reading workbooks (`sources`), storing tables (`stores`), Dagster (`defs`), maps,
clusters and verdicts, which both chains share (`analysis.clustering`).
"""
