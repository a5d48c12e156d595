"""The cards that describe clusters: size, typical members, and who they belong to.

Belongs here: what is computed of cluster assignments. Does not belong here: finding clusters (`hdbscan_model`), how far they
can be trusted (`stability_verdict`), what explains them (`explanations`), drawing (`figures`).
"""

import json

import numpy as np
import pyarrow as pa

from synapse_assets.analysis.clustering.explanations import ONE_NEURON, explanations
from synapse_assets.analysis.clustering.hdbscan_model import NOISE
from synapse_assets.schema import CLUSTER_CARDS

MEDOIDS = 5


def cluster_cards(assignments: pa.Table, verdict: str | None = None) -> pa.Table:
    """One row per cluster (`schema.CLUSTER_CARDS`), by cluster number, noise first.

    `assignments` has synapse_id, cluster, brain_region, target, neuron_id and reduced (a list of numbers), and those columns of
    `explanations.EXAMINED` that are known. Shares are of all rows, noise included. Medoids are the five synapses nearest the
    cluster's mean in the reduced space, nearest first, ties by id; noise has no middle and none. Unknown classes are not listed.
    Every cluster carries the `verdict` on the clustering, and what explains it by the rules of `explanations`; noise has neither.
    """
    if not assignments.num_rows:
        return CLUSTER_CARDS.empty()
    rows = assignments.sort_by("synapse_id")
    ids = rows.column("synapse_id").to_numpy(zero_copy_only=False)
    cluster = rows.column("cluster").to_numpy(zero_copy_only=False)
    regions = rows.column("brain_region").to_numpy(zero_copy_only=False)
    targets = rows.column("target").to_pylist()
    neurons = rows.column("neuron_id").cast(pa.int64()).combine_chunks()
    neuron_known = neurons.is_valid().to_numpy(zero_copy_only=False)
    neuron = neurons.fill_null(0).to_numpy(zero_copy_only=False)
    reduced = np.array(rows.column("reduced").to_pylist(), dtype=np.float64)
    explained = explanations(cluster, rows)
    cards = []
    for number in np.unique(cluster).tolist():
        members = np.flatnonzero(cluster == number)
        medoids: list[str] = []
        if number != NOISE:
            squared_distances = np.square(reduced[members] - reduced[members].mean(axis=0)).sum(axis=1)
            medoids = [str(i) for i in ids[members[np.argsort(squared_distances, kind="stable")[:MEDOIDS]]]]
        owners, counts = np.unique(neuron[members[neuron_known[members]]], return_counts=True)
        found = explained.get(number, [])
        cards.append(
            {
                "cluster": number,
                "synapses": len(members),
                "share": len(members) / len(ids),
                "medoids": medoids,
                "targets": _composition([targets[i] for i in members if targets[i]]),
                "regions": _composition(regions[members].tolist()),
                "neurons": len(owners),
                "top_neuron_share": int(counts.max()) / len(members) if len(owners) else None,
                "one_neuron": any(explanation.name == ONE_NEURON for explanation in found),
                "verdict": None if number == NOISE else verdict,
                "explained_by": None if number == NOISE else json.dumps({e.name: e.synapses for e in found}),
                "explanation": "; ".join(explanation.sentence for explanation in found) or None,
            }
        )
    return CLUSTER_CARDS.conform(pa.Table.from_pylist(cards, schema=CLUSTER_CARDS.arrow))


def _composition(names: list[str]) -> str:
    """JSON {name: count}, the most frequent first, ties by name."""
    values, counts = np.unique(np.array(names, dtype=str), return_counts=True)
    order = np.lexsort((values, -counts))
    return json.dumps({str(values[i]): int(counts[i]) for i in order}, ensure_ascii=False)
