"""What is computed of synapses without images: features, maps, clusters and their stability, classifiers, predictions.

A fit of this room takes tables of `schema.morphology` and hands back its model or `artifacts.NoModel`. What does not belong
here: reading workbooks (`sources`), storing tables (`stores`), Dagster (`defs`), the chain with images (the modules above).
"""
