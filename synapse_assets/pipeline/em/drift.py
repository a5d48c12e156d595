"""Whether the fitted models still know the synapses they are applied to, and whether a refit was tried already."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from synapse_assets.artifacts import NoModel, load_or_no_model
from synapse_assets.pipeline.report import Check, Markdown, Report, Stopwatch
from synapse_assets.schema import CLUSTERS, DRIFT, PROMOTIONS, SYNAPSE_LABELS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key, vector_matrix, vectors_in_use

if TYPE_CHECKING:
    from synapse_assets.analysis.clustering.drift import Fit, RegionNow


def advise_refits(store: DatasetStore, regions: Sequence[str]) -> Report:
    """Measures how far each region has moved away from what the models in use were fitted on, and advises refits.

    `regions`: names of those that are registered; any other that has vectors is measured too.
    """
    from synapse_assets.analysis.clustering.drift import measure_drift

    watch = Stopwatch()
    drift = measure_drift(_fit(store, {}), _regions(store, regions))
    store.results(DRIFT).write(drift.table)
    advised = drift.advised
    advice = [f"{name}: {reason}" for name, reason in advised.items()]
    rejected = _rejected_candidates(store) if advised else {}
    settled = bool(rejected) and not measure_drift(_fit(store, rejected), _regions(store, regions)).advised
    if settled:
        advice.insert(0, _settled_message(store, rejected))
    regions_advising = len(advised) - bool(drift.advice_of_all)
    description = ("" if settled else "a refit is due. ") + ". ".join(advice) if advice else "no region advises a refit"
    return Report(
        details={
            "regions_advising": regions_advising,
            "new_synapses": sum(count or 0 for count in drift.table.column("new_synapses").to_pylist()),
            "new_labels": sum(count or 0 for count in drift.table.column("new_labels").to_pylist()),
            "advice": Markdown("\n".join(f"- {line}" for line in advice) or "no refit is due"),
        },
        seconds=watch.seconds,
        rows=drift.table.num_rows,
        content_version=content_key(drift.table),
        checks=[
            Check(
                "refit_not_due",
                not advised or settled,
                description,
                warn=True,
                numbers={"regions": regions_advising},
            )
        ],
    )


def _rejected_candidates(store: DatasetStore) -> dict[str, str]:
    """The candidates that `promotions` rejected, by model: the model in use stays."""
    rows = store.results(PROMOTIONS).read().to_pylist()
    return {
        row["model"]: row["candidate"]
        for row in rows
        if row["decision"] == "kept" and row["candidate"] == store.models(row["model"]).candidate
    }


def _settled_message(store: DatasetStore, rejected: dict[str, str]) -> str:
    """Why no refit is due although one was advised."""
    refits = [
        f"{row['model']} {row['candidate']} ({row['reason']})"
        for row in store.results(PROMOTIONS).read().to_pylist()
        if row["model"] in rejected
    ]
    return (
        f"a refit was made and kept out: {', '.join(refits)}. None is due before something newer comes; to use it all the same: "
        f"synapse-assets promote {store.dataset} {next(iter(rejected))}. Until then, compared with the models in use"
    )


def _fit(store: DatasetStore, instead: Mapping[str, str]) -> "Fit":
    """What the models in use were fitted on; `instead` gives another version of some models. A map of another encoder, or clusters
    of another map, are about to be replaced and are left out."""
    from synapse_assets.analysis.clustering.drift import Fit, load_known_labels
    from synapse_assets.analysis.clustering.hdbscan_model import ClusterModel
    from synapse_assets.analysis.clustering.projection import FittedSample, Projection

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
    no_model = NoModel("none that fits is in use")
    folder = maps.path(umap_model) if umap_model else None
    return Fit(
        load_or_no_model(folder, Projection.load) if folder else no_model,
        FittedSample.load(folder) if folder else FittedSample.nothing(),
        load_or_no_model(clusterings.path(cluster_model), ClusterModel.load) if cluster_model else no_model,
        load_known_labels(classifiers.path(classifier)) if classifier else None,
        maps.provenance(umap_model).seed if umap_model else 0,
        {"umap_model": umap_model, "cluster_model": cluster_model, "classifier": classifier},
    )


def _regions(store: DatasetStore, names: Sequence[str]) -> "Iterator[RegionNow]":
    """Every brain region as it is now, one after the other; none without an encoder."""
    from synapse_assets.analysis.clustering.drift import RegionNow

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
