"""The stored results for scripts and notebooks: open the warehouse of a dataset, ask it, find similar synapses.

Reads one release, the one that is out or a frozen one, so what is asked is consistent while runs are writing. Writes nothing
and does not need Dagster. Everything here can also be had with plain duckdb and lancedb, see the README.
"""

from synapse_assets.query.points import Filters, Points
from synapse_assets.query.request import SearchRequest
from synapse_assets.query.search import METRICS
from synapse_assets.query.warehouse import Warehouse, open_warehouse

__all__ = ["METRICS", "Filters", "Points", "SearchRequest", "Warehouse", "open_warehouse"]
