"""Similar pictures found fast where there are many: `vector_index`, kept with the vectors of the encoder in use."""

import dagster as dg
import numpy as np

from synapse_assets.datasets import EmDataset
from synapse_assets.defs.metadata import Stopwatch, asset, check
from synapse_assets.defs.partitions import every_partition
from synapse_assets.defs.resources import Installation
from synapse_assets.stores import vector_index as index
from synapse_assets.stores.rows import content_key, vectors_in_use

# Fifty queries tell a region's recall to a percent or two; their mean over all regions tells it more exactly.
LEAST_RECALL = 0.95
LEAST_MEAN_RECALL = 0.99


def vector_index_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    key = dg.AssetKey([dataset.name, "vector_index"])

    @asset(
        dataset,
        "4_embeddings",
        "vector_index",
        None,
        {"lancedb"},
        page="search",
        deps=[dg.AssetDep([dataset.name, "embeddings"], partition_mapping=every_partition())],
        # The one other thing that rewrites whole tables; either would make the other begin again.
        pool="upkeep",
        check_specs=[
            dg.AssetCheckSpec(
                "recall_at_10_per_region",
                asset=key,
                description="Of the ten exact nearest neighbours, the index finds nearly all, in every brain region.",
            )
        ],
    )
    def vector_index(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """How the vectors of the encoder in use are searched: exactly while they are few, by an index once they are many.

        The index lies with the vectors and finds nearly the same neighbours in a small part of the time. New vectors are found
        at once, and fast after the next materialisation; the warehouse releases vectors and index together.
        """
        watch = Stopwatch()
        store = installation.store(dataset.name)
        encoder = store.models("encoder").current
        if encoder is None:
            return _nothing_to_search("there is no encoder yet, and so nothing to search")
        vectors = vectors_in_use(store)
        state = index.build_or_refresh(vectors, index.EXACT_BELOW)
        if not state.rows:
            return _nothing_to_search("there are no vectors yet, and so nothing to search")
        released = vectors.at_version(state.version)
        recall: dict[str, float] = {}
        if state.kind != index.EXACT:
            context.log.info(f"{state.kind}, {state.lists:,} lists: measuring its recall")
            recall = index.recall_at_10(released, list(released.regions()), seed=dataset.seed)
        content = content_key(released.read(None, ["synapse_id", "tile_hash"]), encoder, state.kind)
        listed = "\n".join(
            f"| {name} | {share:.3f} |" for name, share in sorted(recall.items(), key=lambda one: one[1])
        )
        return dg.MaterializeResult(
            metadata={
                **watch.numbers(state.rows),
                "dagster/row_count": state.rows,
                "kind": state.kind,
                "lists": state.lists,
                "unindexed_rows": state.unindexed_rows,
                "encoder": encoder,
                "lance_table": dg.MetadataValue.path(vectors.uri),
                "recall_at_10": dg.MetadataValue.md(
                    f"| brain region | recall at 10 |\n|---|---|\n{listed}" if recall else "1, as search is exact"
                ),
            },
            data_version=dg.DataVersion(content),
            check_results=[_recall_check(recall, state.rows)],
        )

    return [vector_index]


def _nothing_to_search(why: str) -> dg.MaterializeResult:
    return dg.MaterializeResult(
        metadata={"rows": 0, "kind": index.EXACT, "lists": 0, "unindexed_rows": 0, "note": why},
        data_version=dg.DataVersion("nothing"),
        check_results=[check("recall_at_10_per_region", True, why, warn=True)],
    )


def _recall_check(recall: dict[str, float], rows: int) -> dg.AssetCheckResult:
    name = "recall_at_10_per_region"
    if not recall:
        why = f"search is exact: {rows:,} vectors need no index, which pays from {index.EXACT_BELOW:,} on"
        return check(name, True, why, warn=True)
    lowest = min(recall, key=lambda region: recall[region])
    mean = float(np.mean(list(recall.values())))
    return check(
        name,
        recall[lowest] >= LEAST_RECALL and mean >= LEAST_MEAN_RECALL,
        f"{mean:.3f} on average over {len(recall)} regions, lowest {recall[lowest]:.3f} in {lowest}; "
        f"wanted are {LEAST_MEAN_RECALL} on average and {LEAST_RECALL} in each",
        warn=True,
        lowest_region=lowest,
        lowest_recall=recall[lowest],
        mean_recall=mean,
    )
