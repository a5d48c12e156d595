"""The stored results for scripts and notebooks: open the warehouse of a dataset, query it, find similar synapses.

Reads one release, the current one or a frozen one, so results are consistent while runs are writing. Writes nothing
and does not need Dagster. Everything here is also available with plain duckdb and lancedb, see docs/guides/scripts.md.
"""

from synapse_assets.query.explanations import Explanation
from synapse_assets.query.neurons import Neuron, NeuronRequest
from synapse_assets.query.points import Filters, Points
from synapse_assets.query.request import SearchRequest
from synapse_assets.query.search import METRICS
from synapse_assets.query.warehouse import Warehouse, open_warehouse

__all__ = [
    "METRICS",
    "Explanation",
    "Filters",
    "Neuron",
    "NeuronRequest",
    "Points",
    "SearchRequest",
    "Warehouse",
    "open_warehouse",
]
