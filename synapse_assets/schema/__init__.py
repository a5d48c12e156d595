"""Every stored table once: its columns, Arrow types and what they mean.

Storage (Lance, Parquet, DuckDB), the column lists in the Dagster UI and the checks derive from the tables here: those of the
electron-microscopy chain in `em`, those of the chain without images in `morphology`. What does not belong here: reading,
writing or computing anything.
"""

# Imported from here by scripts of labs.
from synapse_assets.errors import BadInput, Unreachable
from synapse_assets.schema.base import INPUT_FILES, Column, Table
from synapse_assets.schema.em import (
    ALIGNMENT,
    BRAIN_REGION,
    BRAIN_REGIONS,
    CELL_TYPE,
    CLUSTER_CARDS,
    CLUSTERS,
    DRIFT,
    HEMILINEAGE,
    KNOWN_CLASSES,
    NEURON_ID,
    NEURON_PREDICTIONS,
    NEURON_SOURCES,
    NEURONS,
    PROMOTIONS,
    RETRIEVAL_SCORECARD,
    SPLITS,
    SYNAPSE_ID,
    SYNAPSE_LABELS,
    SYNAPSE_PREDICTIONS,
    SYNAPSE_SOURCES,
    SYNAPSE_TABLE,
    SYNAPSES,
    TARGET,
    TILE_PLAN,
    TILES,
    UMAP_COORDINATES,
    embedding_table,
)

__all__ = [
    "ALIGNMENT",
    "BRAIN_REGION",
    "BRAIN_REGIONS",
    "CELL_TYPE",
    "CLUSTERS",
    "CLUSTER_CARDS",
    "DRIFT",
    "HEMILINEAGE",
    "INPUT_FILES",
    "KNOWN_CLASSES",
    "NEURONS",
    "NEURON_ID",
    "NEURON_PREDICTIONS",
    "NEURON_SOURCES",
    "PROMOTIONS",
    "RETRIEVAL_SCORECARD",
    "SPLITS",
    "SYNAPSES",
    "SYNAPSE_ID",
    "SYNAPSE_LABELS",
    "SYNAPSE_PREDICTIONS",
    "SYNAPSE_SOURCES",
    "SYNAPSE_TABLE",
    "TARGET",
    "TILES",
    "TILE_PLAN",
    "UMAP_COORDINATES",
    "BadInput",
    "Column",
    "Table",
    "Unreachable",
    "embedding_table",
]
