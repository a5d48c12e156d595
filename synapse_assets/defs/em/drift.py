"""Whether the fitted models still know the synapses they are applied to: `drift`, which advises refits."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import dagster as dg
import pyarrow.compute as pc

from synapse_assets.datasets import EmDataset
from synapse_assets.defs.metadata import Stopwatch, asset, check
from synapse_assets.defs.partitions import brain_regions, every_partition
from synapse_assets.defs.resources import Installation
from synapse_assets.schema import CLUSTERS, DRIFT, PROMOTIONS, SYNAPSE_LABELS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key, vector_matrix, vectors_in_use

if TYPE_CHECKING:
    from synapse_assets.analysis.drift import Fit, RegionNow


def drift_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    key = dg.AssetKey([dataset.name, "drift"])

    @asset(
        dataset,
        "7_models",
        "drift",
        DRIFT,
        {"parquet"},
        deps=[
            *[
                dg.AssetDep([dataset.name, name], partition_mapping=every_partition())
                for name in ("embeddings", "umap_coordinates", "clusters", "synapse_labels")
            ],
            *[
                dg.AssetKey([dataset.name, name])
                for name in ("umap_model", "cluster_model", "synapse_classifier", "promotions")
            ],
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "refit_not_due",
                asset=key,
                description="No brain region, nor all together, differs much from what the models in use were fitted on, or from "
                "what a refit that `promotions` decided to keep out was fitted on.",
            )
        ],
    )
    def drift(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """How far each brain region has moved away from what the models in use were fitted on. A row is one region.

        New synapses, pictures unlike any fitted one, more noise, new or corrected labels: where one of them is large and
        beyond chance, a refit is advised. A refit is a candidate; `promotions` decides on it. Once it has kept one out, no other
        is due before something newer comes.
        """
        from synapse_assets.analysis.drift import measure_drift

        watch = Stopwatch()
        store = installation.store(dataset.name)
        names = context.instance.get_dynamic_partitions(str(brain_regions(dataset).name))
        found = measure_drift(_fit(store, {}), _regions(store, names))
        store.results(DRIFT).write(found.table)
        rows, advised = found.table.num_rows, found.advised
        listed = [f"{name}: {reason}" for name, reason in advised.items()]
        kept = _kept_out(store) if advised else {}
        settled = bool(kept) and not measure_drift(_fit(store, kept), _regions(store, names)).advised
        if settled:
            listed.insert(0, _settled(store, kept))
        return dg.MaterializeResult(
            metadata={
                **watch.numbers(rows),
                "dagster/row_count": rows,
                "regions_advising": len(advised) - bool(found.advice_of_all),
                "new_synapses": sum(n or 0 for n in found.table.column("new_synapses").to_pylist()),
                "new_labels": sum(n or 0 for n in found.table.column("new_labels").to_pylist()),
                "advice": dg.MetadataValue.md("\n".join(f"- {line}" for line in listed) or "no refit is due"),
            },
            data_version=dg.DataVersion(content_key(found.table)),
            check_results=[
                check(
                    "refit_not_due",
                    not advised or settled,
                    ("" if settled else "a refit is due. ") + ". ".join(listed)
                    if listed
                    else "no region advises a refit",
                    warn=True,
                    regions=len(advised) - bool(found.advice_of_all),
                )
            ],
        )

    return [drift]


def _kept_out(store: DatasetStore) -> dict[str, str]:
    """The candidates, by model, of which `promotions` decided that the model in use stays."""
    rows = store.results(PROMOTIONS).read().to_pylist()
    return {
        row["model"]: row["candidate"]
        for row in rows
        if row["decision"] == "kept" and row["candidate"] == store.models(row["model"]).candidate
    }


def _settled(store: DatasetStore, kept: dict[str, str]) -> str:
    """Why no refit is due although one was advised."""
    told = [
        f"{row['model']} {row['candidate']} ({row['reason']})"
        for row in store.results(PROMOTIONS).read().to_pylist()
        if row["model"] in kept
    ]
    return (
        f"a refit was made and kept out: {', '.join(told)}. None is due before something newer comes; to use it all the same: "
        f"synapse-assets promote {store.dataset} {next(iter(kept))}. Until then, compared with the models in use"
    )


def _fit(store: DatasetStore, instead: Mapping[str, str]) -> "Fit":
    """What the models in use were fitted on, or of some models another version `instead`. A map of another encoder, or clusters
    of another map, are about to be replaced and not measured against."""
    from synapse_assets.analysis.drift import Fit, load_known_labels
    from synapse_assets.analysis.outcome import NoModel
    from synapse_assets.analysis.projection import FittedSample
    from synapse_assets.analysis.tables import load_clusters, load_projection

    maps, clusterings, classifiers = (
        store.models(name) for name in ("umap_model", "cluster_model", "synapse_classifier")
    )
    umap_model = instead.get("umap_model", maps.current)
    cluster_model = clusterings.current
    classifier = instead.get("synapse_classifier", classifiers.current)
    if umap_model and maps.provenance(umap_model).inputs["encoder"] != store.models("encoder").current:
        umap_model = None
    if cluster_model and clusterings.provenance(cluster_model).inputs["umap_model"] != umap_model:
        cluster_model = None
    none = NoModel("none that fits is in use")
    folder = maps.path(umap_model) if umap_model else None
    return Fit(
        load_projection(folder) if folder else none,
        FittedSample.load(folder) if folder else FittedSample.nothing(),
        load_clusters(clusterings.path(cluster_model)) if cluster_model else none,
        load_known_labels(classifiers.path(classifier)) if classifier else None,
        maps.provenance(umap_model).seed if umap_model else 0,
        {"umap_model": umap_model, "cluster_model": cluster_model, "classifier": classifier},
    )


def _regions(store: DatasetStore, names: list[str]) -> "Iterator[RegionNow]":
    """Every brain region as it is now, one after the other; none without an encoder."""
    from synapse_assets.analysis.drift import RegionNow

    if store.models("encoder").current is None:
        return
    vectors = vectors_in_use(store)
    in_use = store.models("cluster_model").current or ""
    for name in sorted({*names, *vectors.regions()}):
        clusters = store.results(CLUSTERS).read(name, ["synapse_id", "cluster", "cluster_model"])
        yield RegionNow(
            name,
            vectors.read(name, ["synapse_id", "tile_hash"]),
            clusters.filter(pc.equal(clusters.column("cluster_model"), in_use)),
            store.results(SYNAPSE_LABELS).read(name, ["synapse_id", "target"]),
            lambda ids: vector_matrix(vectors.read_ids(ids, ["vector"])),
        )
