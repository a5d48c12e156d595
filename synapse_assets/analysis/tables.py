"""Between stored tables and the methods of this room: rows in, rows of `schema` out. No method of its own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.analysis.clustering.cluster_cards import cluster_cards
from synapse_assets.analysis.clustering.explanations import EXAMINED
from synapse_assets.analysis.clustering.hdbscan_model import ClusterModel
from synapse_assets.analysis.clustering.projection import Projection, reduced_matrix
from synapse_assets.analysis.evaluation.sampling import content_keys, sample_by_key, stratified_sample
from synapse_assets.artifacts import NoModel
from synapse_assets.schema import CLUSTERS, UMAP_COORDINATES

# Ids that are texts in Python at a time.
_AT_ONCE = 2**16


def stratified_rows(rows: pa.Table, size: int, seed: int) -> pa.Table:
    """A seeded sample of at most `size` of `rows` (synapse_id, brain_region), every region represented, chosen by id."""
    if not 0 < size < rows.num_rows:
        return rows if size > 0 else rows.slice(0, 0)
    # In pieces: of all synapses of a dataset, texts in Python would fill the memory.
    pieces = (rows.column("synapse_id").slice(start, _AT_ONCE) for start in range(0, rows.num_rows, _AT_ONCE))
    keys = np.concatenate([content_keys(piece.to_pylist(), seed) for piece in pieces])
    regions = rows.column("brain_region").combine_chunks().dictionary_encode()
    place = np.argsort(np.argsort(np.array(regions.dictionary.to_pylist())))
    return rows.take(sample_by_key(place[regions.indices.to_numpy()], keys, size))


def region_counts(rows: pa.Table) -> dict[str, int]:
    """Number of `rows` (brain_region) of every brain region, by name."""
    counts = pc.value_counts(rows.column("brain_region")).to_pylist()
    return {entry["values"]: entry["counts"] for entry in sorted(counts, key=lambda entry: str(entry["values"]))}


def labelled_sample(
    synapses: pa.Table, available: pa.Table, grouping: str, size: int, seed: int
) -> tuple[list[str], list[str], list[str]]:
    """A seeded sample of at most `size` of `synapses` (synapse_id, target, and the column `grouping`) with a class and a group,
    every class represented, chosen by id: ids, classes and groups. Only synapses in `available` (synapse_id) count."""
    is_available = pc.is_in(synapses.column("synapse_id"), value_set=available.column("synapse_id").combine_chunks())
    rows = synapses.filter(is_available).select(["synapse_id", "target", grouping]).to_pylist()
    labelled = [row for row in rows if row["target"] and row[grouping] not in (None, "")]
    ids, targets = [row["synapse_id"] for row in labelled], [row["target"] for row in labelled]
    chosen = stratified_sample(targets, size, seed, ids).tolist()
    return [ids[i] for i in chosen], [targets[i] for i in chosen], [str(labelled[i][grouping]) for i in chosen]


def current_rows(rows: pa.Table, synapses: pa.Table) -> pa.Table:
    """Those `rows` whose synapse_id and brain_region are those of a row of `synapses`.

    A synapse that has moved leaves results behind in its old region until that is materialised again; they do not count.
    """
    indices = pc.index_in(
        rows.column("synapse_id").combine_chunks(), value_set=synapses.column("synapse_id").combine_chunks()
    )
    regions = synapses.column("brain_region").combine_chunks().take(indices)
    return rows.filter(pc.fill_null(pc.equal(rows.column("brain_region").combine_chunks(), regions), False))


def values_of(rows: pa.Table, column: str, ids: Sequence[str]) -> list[Any]:
    """The value of that column for each synapse in `ids`, None where `rows` do not have the synapse (any more)."""
    value_of = dict(zip(rows.column("synapse_id").to_pylist(), rows.column(column).to_pylist(), strict=True))
    return [value_of.get(synapse_id) for synapse_id in ids]


def targets_and_groups(splits: pa.Table, split: str) -> tuple[dict[str, str], dict[str, str]]:
    """The target of every synapse in `schema.SPLITS`, and its group under that split where it has one, by synapse id."""
    ids, targets, groups = (splits.column(name).to_pylist() for name in ("synapse_id", "target", "group"))
    chosen = pc.equal(splits.column("split"), split).to_pylist()
    group_of = {synapse: group for synapse, group, use in zip(ids, groups, chosen, strict=True) if use}
    return dict(zip(ids, targets, strict=True)), group_of


def place_rows(
    projection: Projection | NoModel, rows: pa.Table, vectors: npt.NDArray[np.float32], version: str
) -> pa.Table:
    """`schema.UMAP_COORDINATES` of `rows` (synapse_id, brain_region) with their vectors (N, D); no rows without a map."""
    if isinstance(projection, NoModel) or not rows.num_rows:
        return UMAP_COORDINATES.empty()
    xy, reduced = projection.apply(vectors)
    flat = pa.array(np.ascontiguousarray(reduced).ravel(), pa.float32())
    offsets = pa.array(np.arange(len(reduced) + 1, dtype=np.int32) * reduced.shape[1])
    return UMAP_COORDINATES.conform(
        pa.table(
            {
                "synapse_id": rows.column("synapse_id"),
                "brain_region": rows.column("brain_region"),
                "umap_1": xy[:, 0],
                "umap_2": xy[:, 1],
                "reduced": pa.ListArray.from_arrays(offsets, flat),
                "umap_model": pa.array([version] * rows.num_rows, pa.string()),
            }
        )
    )


def assign_rows(model: ClusterModel | NoModel, coordinates: pa.Table, version: str) -> pa.Table:
    """`schema.CLUSTERS` of rows of `schema.UMAP_COORDINATES`; no rows without a clustering."""
    if isinstance(model, NoModel) or not coordinates.num_rows:
        return CLUSTERS.empty()
    return CLUSTERS.conform(
        pa.table(
            {
                "synapse_id": coordinates.column("synapse_id"),
                "brain_region": coordinates.column("brain_region"),
                "cluster": model.apply(reduced_matrix(coordinates)),
                "cluster_model": pa.array([version] * coordinates.num_rows, pa.string()),
            }
        )
    )


def card_rows(synapses: pa.Table, clusters: pa.Table, coordinates: pa.Table, verdict: str | None = None) -> pa.Table:
    """`schema.CLUSTER_CARDS` of all synapses that have a cluster and coordinates on the map now.

    `synapses` has synapse_id, brain_region, target and neuron_id, and those columns of `explanations.EXAMINED` that are known;
    the others are as their schema; `verdict` is that on the clustering.
    """
    clusters, coordinates = current_rows(clusters, synapses), current_rows(coordinates, synapses)
    ids = clusters.column("synapse_id").combine_chunks()
    indices = pc.index_in(ids, value_set=coordinates.column("synapse_id").combine_chunks())
    clusters, indices = clusters.filter(pc.is_valid(indices)), indices.drop_null()
    ids = clusters.column("synapse_id").combine_chunks()
    facts = synapses.take(pc.index_in(ids, value_set=synapses.column("synapse_id").combine_chunks()))
    return cluster_cards(
        pa.table(
            {
                "synapse_id": ids,
                "cluster": clusters.column("cluster"),
                "brain_region": clusters.column("brain_region"),
                "target": facts.column("target"),
                "reduced": coordinates.column("reduced").combine_chunks().take(indices),
                **{name: facts.column(name) for name in EXAMINED if name in facts.column_names},
            }
        ),
        verdict,
    )
