"""Bringing the index of the vectors in use up to date, and measuring its recall against an exact search."""

from collections.abc import Mapping
from logging import Logger

import numpy as np

from synapse_assets.datasets import Dataset
from synapse_assets.pipeline.report import Check, Markdown, Report, Stopwatch, StoredAt, markdown_table
from synapse_assets.stores import DatasetStore
from synapse_assets.stores import vector_index as index
from synapse_assets.stores.rows import content_key, vectors_in_use

# Fifty queries measure a region's recall to a percent or two; the mean over all regions is more exact.
LEAST_RECALL = 0.95
LEAST_MEAN_RECALL = 0.99


def index_vectors(store: DatasetStore, dataset: Dataset, log: Logger) -> Report:
    """Brings the index of the vectors of the encoder in use up to date, where they are many, and measures its recall.

    Without an encoder, or without vectors, nothing is done.
    """
    watch = Stopwatch()
    encoder = store.models("encoder").current
    if encoder is None:
        return _nothing_to_search("there is no encoder yet, and so nothing to search", watch)
    vectors = vectors_in_use(store)
    state = index.build_or_refresh(vectors, index.EXACT_BELOW)
    if not state.rows:
        return _nothing_to_search("there are no vectors yet, and so nothing to search", watch)
    released = vectors.at_version(state.version)
    recall: dict[str, float] = {}
    if state.kind != index.EXACT:
        log.info(f"{state.kind}, {state.lists:,} lists: measuring its recall")
        recall = index.recall_at_10(released, list(released.regions()), seed=dataset.seed)
    content = content_key(released.reader(["synapse_id", "tile_hash"]), encoder, state.kind)
    return Report(
        details={
            "kind": state.kind,
            "lists": state.lists,
            "unindexed_rows": state.unindexed_rows,
            "encoder": encoder,
            "lance_table": StoredAt(vectors.uri),
            "recall_at_10": Markdown(_recall_markdown(recall)),
        },
        seconds=watch.seconds,
        rows=state.rows,
        content_version=content,
        checks=[_recall_check(recall, state.rows)],
    )


def _nothing_to_search(reason: str, watch: Stopwatch) -> Report:
    return Report(
        details={"rows": 0, "kind": index.EXACT, "lists": 0, "unindexed_rows": 0, "note": reason},
        seconds=watch.seconds,
        content_version="nothing",
        checks=[Check("recall_at_10_per_region", True, reason, warn=True)],
    )


def _recall_markdown(recall: Mapping[str, float]) -> str:
    if not recall:
        return "1, as search is exact"
    lowest_first = sorted(recall, key=lambda region: recall[region])
    return markdown_table(
        ["brain region", "recall at 10"], [(region, f"{recall[region]:.3f}") for region in lowest_first]
    )


def _recall_check(recall: Mapping[str, float], rows: int) -> Check:
    name = "recall_at_10_per_region"
    if not recall:
        reason = f"search is exact: {rows:,} vectors need no index, which pays from {index.EXACT_BELOW:,} on"
        return Check(name, True, reason, warn=True)
    lowest = min(recall, key=lambda region: recall[region])
    mean = float(np.mean(list(recall.values())))
    return Check(
        name,
        recall[lowest] >= LEAST_RECALL and mean >= LEAST_MEAN_RECALL,
        f"{mean:.3f} on average over {len(recall)} regions, lowest {recall[lowest]:.3f} in {lowest}; "
        f"wanted are {LEAST_MEAN_RECALL} on average and {LEAST_RECALL} in each",
        warn=True,
        numbers={"lowest_region": lowest, "lowest_recall": recall[lowest], "mean_recall": mean},
    )
