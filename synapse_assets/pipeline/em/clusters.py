"""Groups of synapses that look alike: fitting the clustering and its numbers, the clusters of a region, a card for each."""

from collections.abc import Mapping
from dataclasses import replace
from logging import Logger
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.analysis.clustering.stability_verdict import LIKE_NOISE, STABLE
from synapse_assets.artifacts import NoModel, load_or_no_model
from synapse_assets.datasets import Dataset
from synapse_assets.pipeline.em.maps import rows_match
from synapse_assets.pipeline.fitting import Fitted, fit_once
from synapse_assets.pipeline.report import Check, Detail, Markdown, Picture, Report, Stopwatch
from synapse_assets.schema import CLUSTER_CARDS, CLUSTERS, UMAP_COORDINATES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import NOT_ASSESSED, ModelStore, model_in_use, require_same
from synapse_assets.stores.rows import content_key, labelled_synapses

PARAMETERS: Mapping[str, object] = {
    "method": "HDBSCAN on the reduction",
    "min_cluster_size": "max(5, sqrt(n) / 2)",
    "min_samples": 10,
}
_SYNAPSE_FACTS = ["target", "neuron_id", "volume", "x_nm", "y_nm", "z_nm", "source", "source_file"]
# Beside the fitted clusterings: the highest cluster number ever used, which outlives all of them.
NUMBERS_FILE = "numbers.json"
NOT_NUMBERED_AFTER = "none"


def fit_clustering(store: DatasetStore, dataset: Dataset, log: Logger) -> Report:
    """Clusters the sample that the map in use was fitted on. Raises BadInput if there is no map."""
    models, maps = store.models("cluster_model"), store.models("umap_model")
    umap_version = model_in_use(maps, "materialise the asset 'umap_model' first")
    reference = _numbered_after(models, umap_version, PARAMETERS, dataset.seed)
    report = fit_once(
        store,
        "cluster_model",
        log,
        inputs={"umap_model": umap_version, "numbered_after": reference},
        parameters=PARAMETERS,
        seed=dataset.seed,
        fit=lambda folder: _fit_sample(folder, models, maps.path(umap_version), reference, dataset.seed),
        fits_current_inputs=lambda provenance: provenance.inputs["umap_model"] == umap_version,
    )
    in_use = models.provenance(str(models.current))
    clusters = in_use.scores.get("clusters", 0)
    summary = f"{clusters:.0f} clusters, {in_use.scores.get('noise_fraction', 1):.0%} noise"
    reason = in_use.verdict_reason or "fitted before verdicts were given"
    check = Check(
        "found_clusters",
        clusters > 0 and in_use.verdict == STABLE,
        f"{summary}; {in_use.verdict}: {reason}",
        warn=True,
        numbers={"clusters": int(clusters), "verdict": in_use.verdict},
    )
    return replace(report, checks=[check])


def _fit_sample(folder: Path, models: ModelStore, map_folder: Path, reference: str, seed: int) -> Fitted:
    """Fits and saves the clustering of a map's sample; its numbers continue those of the version `reference`."""
    from synapse_assets.analysis.clustering.hdbscan_model import fit_clusters
    from synapse_assets.analysis.clustering.projection import FittedSample, Projection
    from synapse_assets.analysis.clustering.refits import refit_agreement
    from synapse_assets.analysis.clustering.stability_verdict import assess_fit
    from synapse_assets.figures.maps import map_figure
    from synapse_assets.figures.style import Verdict

    projection, sample = load_or_no_model(map_folder, Projection.load), FittedSample.load(map_folder)
    sample.save(folder)
    if isinstance(projection, NoModel):
        projection.save(folder)
        reason = f"There are no clusters: {projection.reason}."
        return Fitted(notes=[f"no clusters: {projection.reason}"], verdict=LIKE_NOISE, verdict_reason=reason)
    highest = highest_number(models)
    model = fit_clusters(projection, seed=seed).numbered_after(sample, _numbers_of(models, reference), highest)
    model.save(folder)
    highest = max([highest, *model.numbers.tolist()])
    models.folder.write_json(NUMBERS_FILE, {"highest": highest})
    agreement = refit_agreement(projection, model)
    stability = assess_fit(projection, model)
    against_null = {"refits_ari": stability.stability_ari, "null_ari": stability.null_ari}
    scores = {
        "clusters": float(model.clusters),
        "noise_fraction": model.noise_fraction,
        "highest_number": float(highest),
        **agreement.scores(),
        **{name: value for name, value in against_null.items() if value is not None},
    }
    labels = [None if label < 0 else f"{label:02d}" for label in model.labels.tolist()]
    verdict = Verdict(stability.verdict, stability.title)
    png = map_figure(projection.xy, labels, "Clusters of the fitted sample (lightest grey: in none)", verdict)
    notes = [reason for reason in (model.reason, agreement.reason) if reason]
    return Fitted(
        scores=scores,
        notes=notes,
        details={"map": Picture(png, "clusters")},
        verdict=stability.verdict,
        verdict_reason=stability.sentence,
    )


def assign_region(store: DatasetStore, region: str) -> Report:
    """Gives each synapse of a region that is on the map its cluster.

    Raises BadInput if there is no clustering, or the region was placed on another map than the clustering was fitted on.
    """
    from synapse_assets.analysis.clustering.hdbscan_model import ClusterModel
    from synapse_assets.analysis.tables import assign_rows

    watch = Stopwatch()
    models = store.models("cluster_model")
    version = model_in_use(models, "materialise the asset 'cluster_model' first")
    coordinates = store.results(UMAP_COORDINATES).read(region)
    for umap_version in set(coordinates.column("umap_model").to_pylist()):
        require_same(models, version, "umap_model", umap_version)
    table = assign_rows(load_or_no_model(models.path(version), ClusterModel.load), coordinates, version)
    labels = table.column("cluster").to_numpy()
    results = store.results(CLUSTERS)
    results.write_partition(region, table)
    return Report(
        details={
            "cluster_model": version,
            "verdict": models.provenance(version).verdict,
            "clusters": len(set(labels.tolist()) - {-1}),
            "noise_fraction": float((labels < 0).mean()) if len(labels) else 0.0,
        },
        seconds=watch.seconds,
        rows=coordinates.num_rows,
        content_version=f"{version}-{content_key(table.select(['synapse_id', 'cluster']))}",
        checks=[rows_match(results.read(region, ["synapse_id"]).num_rows, coordinates.num_rows, "coordinates")],
    )


def make_cards(store: DatasetStore, dataset: Dataset) -> Report:
    """Makes the card of every cluster, and a sheet with the pictures of its typical members.

    A card says what explains its cluster in place of a kind of synapse (`analysis.clustering.explanations`).
    """
    from synapse_assets.analysis.tables import card_rows
    from synapse_assets.figures.clusters import cluster_sheet
    from synapse_assets.volumes import decode_tile

    watch = Stopwatch()
    synapses = _with_tile_facts(store, _with_sections(dataset, labelled_synapses(store, _SYNAPSE_FACTS)))
    clusters = store.results(CLUSTERS).read()
    verdict = _verdict(store.models("cluster_model"), clusters)
    cards = card_rows(synapses, clusters, store.results(UMAP_COORDINATES).read(), verdict)
    store.results(CLUSTER_CARDS).write(cards)
    details: dict[str, Detail] = {}
    if cards.num_rows:
        medoids = sorted({medoid for row in cards.column("medoids").to_pylist() for medoid in row})
        stored = store.tiles.read_ids(medoids, ["synapse_id", "image"])
        tiles = {
            row["synapse_id"]: decode_tile(row["image"])[dataset.tile_spec.sections // 2] for row in stored.to_pylist()
        }
        details["verdict"] = verdict or NOT_ASSESSED
        details["cluster_cards"] = Picture(cluster_sheet(cards, tiles), "cluster cards")
    explained = [
        f"- cluster {card['cluster']}: {card['explanation']}" for card in cards.to_pylist() if card["explanation"]
    ]
    if explained:
        details["explained"] = Markdown("Likely no kinds of synapses:\n\n" + "\n".join(explained))
    return Report(
        details={
            **details,
            "one_neuron_clusters": sum(cards.column("one_neuron").to_pylist()),
            "explained_clusters": len(explained),
        },
        seconds=watch.seconds,
        rows=cards.num_rows,
        computed_rows=synapses.num_rows,
    )


def _with_sections(dataset: Dataset, synapses: pa.Table) -> pa.Table:
    """`synapses` (volume, x_nm, y_nm, z_nm) with the section of its volume that each lies in: its z in voxels, as int64. Empty
    for a volume that the dataset does not have any more."""
    from synapse_assets.volumes.volume import voxel_of

    points_nm = np.stack([synapses.column(axis).to_numpy() for axis in ("x_nm", "y_nm", "z_nm")], axis=1)
    volume = synapses.column("volume").to_numpy()
    section, known = np.zeros(len(volume), dtype=np.int64), np.isin(volume, list(dataset.tile_volumes))
    for name, spec in dataset.tile_volumes.items():
        rows = volume == name
        section[rows] = voxel_of(points_nm[rows], spec.voxel_size_nm)[:, 2]
    return synapses.append_column("section", pa.array(section, mask=~known))


def _with_tile_facts(store: DatasetStore, synapses: pa.Table) -> pa.Table:
    """`synapses` with `valid_fraction` of their tiles, and `contrast`: the standard deviation of the middle section, in which
    the synapse lies. Both are empty without a tile."""
    tiles = store.tiles.read(None, ["synapse_id", "valid_fraction", "section_contrast"])
    sections = tiles.column("section_contrast").combine_chunks()
    middle = sections.offsets.to_numpy()[:-1] + sections.value_lengths().to_numpy() // 2
    place = pc.index_in(
        synapses.column("synapse_id").combine_chunks(), value_set=tiles.column("synapse_id").combine_chunks()
    )
    facts = {
        "valid_fraction": tiles.column("valid_fraction").combine_chunks(),
        "contrast": sections.values.take(pa.array(middle)),
    }
    for name, values in facts.items():
        synapses = synapses.append_column(name, values.take(place))
    return synapses


def _verdict(models: ModelStore, clusters: pa.Table) -> str | None:
    """The verdict on the clustering that these rows of `schema.CLUSTERS` are of; None without, and where regions differ."""
    versions = set(clusters.column("cluster_model").to_pylist())
    return verdict_on(models, version) if len(versions) == 1 and models.exists(version := versions.pop()) else None


def verdict_on(models: ModelStore, version: str) -> str | None:
    """The verdict on a clustering; None if it was not assessed. Raises BadInput for a version that there is not."""
    verdict = models.provenance(version).verdict
    return None if verdict == NOT_ASSESSED else verdict


def highest_number(models: ModelStore) -> int:
    """The highest cluster number ever used in this dataset, by any clustering, removed ones among them; -1: none yet."""
    stored = (models.folder.read_json(NUMBERS_FILE) or {}).get("highest", -1)
    scores_by_version = [models.provenance(version).scores for version in models.versions()]
    return max(
        [
            int(stored),
            *(int(scores.get("highest_number", scores.get("clusters", 0) - 1)) for scores in scores_by_version),
        ]
    )


def _numbered_after(models: ModelStore, umap_model: str, parameters: Mapping[str, object], seed: int) -> str:
    """The clustering whose numbers a fit continues: the one in use, or, where that has the same content, what it continued.

    So fitting the same content again gives the same version. A fit that found no model passes on what it continued.
    """
    current = models.current
    if current is None:
        return NOT_NUMBERED_AFTER
    provenance = models.provenance(current)
    same_content = (provenance.inputs.get("umap_model"), provenance.parameters, provenance.seed) == (
        umap_model,
        parameters,
        seed,
    )
    if (same_content and "numbered_after" in provenance.inputs) or NoModel.found(models.path(current)) is not None:
        return provenance.inputs.get("numbered_after", NOT_NUMBERED_AFTER)
    return current


def _numbers_of(models: ModelStore, version: str) -> dict[str, int]:
    """The cluster number of every synapse that this version was fitted on; empty for none and for one that is gone."""
    from synapse_assets.analysis.clustering.hdbscan_model import ClusterModel
    from synapse_assets.analysis.clustering.projection import FittedSample

    if not models.exists(version):
        return {}
    model = load_or_no_model(models.path(version), ClusterModel.load)
    return {} if isinstance(model, NoModel) else model.labels_of(FittedSample.load(models.path(version)))
