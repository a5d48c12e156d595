"""Maps and clusters of the vectors: `umap_model`, `umap_coordinates`, `cluster_model`, `clusters`, `cluster_cards`."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import numpy as np

from synapse_assets.datasets import EmDataset
from synapse_assets.defs.fitting import Fitted, fit_once, model_in_use, require_same
from synapse_assets.defs.metadata import Stopwatch, asset, check, picture
from synapse_assets.defs.partitions import brain_regions, every_partition
from synapse_assets.defs.resources import Installation
from synapse_assets.errors import BadInput
from synapse_assets.schema import CLUSTER_CARDS, CLUSTERS, UMAP_COORDINATES
from synapse_assets.stores.models import ModelStore
from synapse_assets.stores.rows import content_key, labelled_synapses, vector_matrix, vectors_in_use

# Synapses that the map is fitted on; the others are placed among them.
SAMPLE_SYNAPSES = 5_000
# UMAP's own default, and enough dimensions for HDBSCAN to find dense groups without the map's crowding.
NEIGHBOURS = 15
REDUCED_DIMENSIONS = 10
# Beside the fitted clusterings: the highest cluster number ever given out, which outlives every one of them.
NUMBERS_FILE = "numbers.json"
NOT_NUMBERED_AFTER = "none"


def map_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    regions = brain_regions(dataset)
    synapses_key, labels_key = (dg.AssetKey([dataset.name, name]) for name in ("synapses", "synapse_labels"))
    embeddings_key, encoder_key = (dg.AssetKey([dataset.name, name]) for name in ("embeddings", "encoder"))
    model_key, coordinates_key = (
        dg.AssetKey([dataset.name, "umap_model"]),
        dg.AssetKey([dataset.name, "umap_coordinates"]),
    )
    cluster_model_key, clusters_key = (
        dg.AssetKey([dataset.name, "cluster_model"]),
        dg.AssetKey([dataset.name, "clusters"]),
    )
    tiles_key = dg.AssetKey([dataset.name, "tiles"])

    @asset(
        dataset,
        "5_maps",
        "umap_model",
        None,
        {"python"},
        deps=[encoder_key, dg.AssetDep(embeddings_key, partition_mapping=every_partition())],
        pool="fit",
    )
    def umap_model(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The map, fitted once on a sample of all regions, so that every region lies in the same frame.

        Two reductions by UMAP: two dimensions for the eye and about ten for clustering. New synapses are placed among the
        fitted ones; their place does not depend on which others are placed with them.
        """
        from synapse_assets.analysis.projection import LANDMARKS
        from synapse_assets.analysis.tables import region_counts, stratified_rows

        store = installation.store(dataset.name)
        encoder = model_in_use(store.models("encoder"), "materialise the asset 'encoder' first")
        vectors = vectors_in_use(store)
        known = vectors.read(None, ["synapse_id", "brain_region", "tile_hash"])
        sample = stratified_rows(known, SAMPLE_SYNAPSES, dataset.seed)
        if not sample.num_rows:
            raise BadInput(
                f"{dataset.name} has no embeddings of the encoder in use ({encoder}): materialise 'embeddings' of a region"
            )

        def fit(folder: Path) -> Fitted:
            from synapse_assets.analysis.figures import map_figure
            from synapse_assets.analysis.outcome import NoModel
            from synapse_assets.analysis.projection import FittedSample, fit_projection
            from synapse_assets.analysis.tables import values_of

            rows = sample.sort_by("synapse_id")
            ids = rows.column("synapse_id").to_pylist()
            matrix = vector_matrix(vectors.read_ids(ids, ["vector"]))
            projection = fit_projection(matrix, dataset.seed, NEIGHBOURS, REDUCED_DIMENSIONS)
            projection.save(folder)
            FittedSample.of(rows, matrix, region_counts(known)).save(folder)
            scores = {"fitted_synapses": float(len(ids)), "known_synapses": float(known.num_rows)}
            if isinstance(projection, NoModel):
                return Fitted(scores=scores, notes=[f"no map: {projection.reason}"])
            targets = values_of(labelled_synapses(store, ["target"], ids), "target", ids)
            png = map_figure(projection.apply(matrix)[0], targets, f"Fitted sample, {dataset.target}")
            few = f"{len(ids)} synapses are too few for UMAP: principal components instead"
            return Fitted(
                scores=scores, notes=[few] if projection.method != "umap" else [], shown={"map": picture(png, "map")}
            )

        return fit_once(
            context,
            store.models("umap_model"),
            inputs={"encoder": encoder, "embeddings": content_key(sample.select(["synapse_id", "tile_hash"]))},
            parameters={
                "sample": SAMPLE_SYNAPSES,
                "neighbours": NEIGHBOURS,
                "dimensions": REDUCED_DIMENSIONS,
                "landmarks": LANDMARKS,
            },
            seed=dataset.seed,
            fit=fit,
            fits_current_inputs=lambda provenance: provenance.inputs["encoder"] == encoder,
        )

    @asset(
        dataset,
        "5_maps",
        "umap_coordinates",
        UMAP_COORDINATES,
        {"parquet"},
        page="map",
        deps=[embeddings_key, model_key],
        partitions_def=regions,
        check_specs=[_rows_match(coordinates_key, regions)],
    )
    def umap_coordinates(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Where each synapse of one brain region lies on the map. A row is one synapse."""
        from synapse_assets.analysis.figures import map_figure
        from synapse_assets.analysis.outcome import NoModel
        from synapse_assets.analysis.tables import load_projection, place_rows, values_of

        watch = Stopwatch()
        store = installation.store(dataset.name)
        region = context.partition_key
        models = store.models("umap_model")
        version = model_in_use(models, "materialise the asset 'umap_model' first")
        encoder = model_in_use(store.models("encoder"), "materialise the asset 'encoder' first")
        require_same(models, version, "encoder", encoder)
        rows = vectors_in_use(store).read(region, ["synapse_id", "brain_region", "tile_hash", "vector"])
        projection = load_projection(models.path(version))
        expected = 0 if isinstance(projection, NoModel) else rows.num_rows
        table = place_rows(projection, rows, vector_matrix(rows), version)
        results = store.results(UMAP_COORDINATES)
        results.write_partition(region, table)
        shown = {}
        if table.num_rows:
            ids = table.column("synapse_id").to_pylist()
            known = values_of(labelled_synapses(store, ["target"], ids), "target", ids)
            xy = np.stack([table.column("umap_1").to_numpy(), table.column("umap_2").to_numpy()], axis=1)
            shown["map"] = picture(map_figure(xy, known, f"{region}, {dataset.target}"), "map")
        return dg.MaterializeResult(
            metadata={**shown, **watch.numbers(table.num_rows), "umap_model": version},
            data_version=dg.DataVersion(f"{version}-{content_key(rows.select(['synapse_id', 'tile_hash']), encoder)}"),
            check_results=[_match(results.read(region, ["synapse_id"]).num_rows, expected, "embeddings")],
        )

    @asset(
        dataset,
        "5_maps",
        "cluster_model",
        None,
        {"scikitlearn"},
        deps=[model_key],
        pool="fit",
        check_specs=[
            dg.AssetCheckSpec(
                "found_clusters", asset=cluster_model_key, description="At least one group denser than the noise."
            ),
        ],
    )
    def cluster_model(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Groups of synapses that look alike, found by HDBSCAN in the ten-dimensional reduction. Noise stays noise.

        `stability_ari` says how far two runs with other seeds agree (adjusted Rand index: 1 is the same grouping, 0 is
        chance). Below about 0.8 the groups should not be read as kinds of synapses.

        A refit keeps the numbers: a cluster that most synapses of an old one stayed together in has its number, and a new
        one gets a number that was never used in this dataset. So the numbers, not the groups, depend on what was in use
        before, which is therefore among the inputs of the version (`numbered_after`).
        """
        store = installation.store(dataset.name)
        models, maps = store.models("cluster_model"), store.models("umap_model")
        umap_version = model_in_use(maps, "materialise the asset 'umap_model' first")
        parameters = {
            "method": "HDBSCAN on the reduction",
            "min_cluster_size": "max(5, sqrt(n) / 2)",
            "min_samples": 10,
        }
        reference = _numbered_after(models, umap_version, parameters, dataset.seed)

        def fit(folder: Path) -> Fitted:
            from synapse_assets.analysis.clustering import fit_clusters, stability
            from synapse_assets.analysis.figures import map_figure
            from synapse_assets.analysis.outcome import NoModel
            from synapse_assets.analysis.projection import FittedSample
            from synapse_assets.analysis.tables import load_projection

            projection, sample = load_projection(maps.path(umap_version)), FittedSample.load(maps.path(umap_version))
            sample.save(folder)
            if isinstance(projection, NoModel):
                projection.save(folder)
                return Fitted(notes=[f"no clusters: {projection.reason}"])
            highest = highest_number(models)
            found = fit_clusters(projection, seed=dataset.seed)
            model = found.numbered_after(sample, _numbers_of(models, reference), highest)
            model.save(folder)
            highest = max([highest, *model.numbers.tolist()])
            models.folder.write_json(NUMBERS_FILE, {"highest": highest})
            agreement = stability(projection, model)
            scores = {
                "clusters": float(model.clusters),
                "noise_fraction": model.noise_fraction,
                "highest_number": float(highest),
                **agreement.scores(),
            }
            labels = [None if label < 0 else f"{label:02d}" for label in model.labels.tolist()]
            png = map_figure(projection.xy, labels, "Clusters of the fitted sample (grey: noise)")
            notes = [reason for reason in (model.reason, agreement.reason) if reason]
            return Fitted(scores=scores, notes=notes, shown={"map": picture(png, "clusters")})

        result = fit_once(
            context,
            models,
            inputs={"umap_model": umap_version, "numbered_after": reference},
            parameters=parameters,
            seed=dataset.seed,
            fit=fit,
            fits_current_inputs=lambda provenance: provenance.inputs["umap_model"] == umap_version,
        )
        found = models.provenance(str(models.current)).scores
        return result._replace(
            check_results=[
                check(
                    "found_clusters",
                    found.get("clusters", 0) > 0,
                    f"{found.get('clusters', 0):.0f} clusters, {found.get('noise_fraction', 1):.0%} noise",
                    warn=True,
                    clusters=int(found.get("clusters", 0)),
                )
            ]
        )

    @asset(
        dataset,
        "5_maps",
        "clusters",
        CLUSTERS,
        {"parquet"},
        page="clusters",
        deps=[coordinates_key, cluster_model_key],
        partitions_def=regions,
        check_specs=[_rows_match(clusters_key, regions)],
    )
    def clusters(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The cluster of each synapse of one brain region; -1 is noise. A row is one synapse."""
        from synapse_assets.analysis.tables import assign_rows, load_clusters

        watch = Stopwatch()
        store = installation.store(dataset.name)
        region = context.partition_key
        models = store.models("cluster_model")
        version = model_in_use(models, "materialise the asset 'cluster_model' first")
        rows = store.results(UMAP_COORDINATES).read(region)
        for umap_version in set(rows.column("umap_model").to_pylist()):
            require_same(models, version, "umap_model", umap_version)
        table = assign_rows(load_clusters(models.path(version)), rows, version)
        labels = table.column("cluster").to_numpy()
        results = store.results(CLUSTERS)
        results.write_partition(region, table)
        return dg.MaterializeResult(
            metadata={
                **watch.numbers(rows.num_rows),
                "cluster_model": version,
                "clusters": len(set(labels.tolist()) - {-1}),
                "noise_fraction": float((labels < 0).mean()) if len(labels) else 0.0,
            },
            data_version=dg.DataVersion(f"{version}-{content_key(table.select(['synapse_id', 'cluster']))}"),
            check_results=[_match(results.read(region, ["synapse_id"]).num_rows, rows.num_rows, "coordinates")],
        )

    @asset(
        dataset,
        "5_maps",
        "cluster_cards",
        CLUSTER_CARDS,
        {"parquet"},
        page="clusters",
        deps=[
            dg.AssetDep(clusters_key, partition_mapping=every_partition()),
            dg.AssetDep(synapses_key, partition_mapping=every_partition()),
            dg.AssetDep(labels_key, partition_mapping=every_partition()),
            dg.AssetDep(tiles_key, partition_mapping=every_partition()),
        ],
    )
    def cluster_cards(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """A card for each cluster: typical members, known classes, regions and neurons. A row is one cluster.

        A cluster that one neuron makes up is flagged: it is likely a style of that neuron, not a kind of synapse.
        """
        from synapse_assets.analysis.figures import cluster_sheet
        from synapse_assets.analysis.tables import card_rows
        from synapse_assets.volumes import decode_tile

        watch = Stopwatch()
        store = installation.store(dataset.name)
        synapses = labelled_synapses(store, ["target", "neuron_id"])
        cards = card_rows(synapses, store.results(CLUSTERS).read(), store.results(UMAP_COORDINATES).read())
        store.results(CLUSTER_CARDS).write(cards)
        shown = {}
        if cards.num_rows:
            medoids = sorted({medoid for row in cards.column("medoids").to_pylist() for medoid in row})
            stored = store.tiles.read_ids(medoids, ["synapse_id", "image"])
            tiles = {
                row["synapse_id"]: decode_tile(row["image"])[dataset.tile.sections // 2] for row in stored.to_pylist()
            }
            shown["cluster_cards"] = picture(cluster_sheet(cards, tiles), "cluster cards")
        return dg.MaterializeResult(
            metadata={
                **shown,
                **watch.numbers(cards.num_rows, synapses.num_rows),
                "dagster/row_count": cards.num_rows,
                "one_neuron_clusters": sum(cards.column("one_neuron").to_pylist()),
            }
        )

    return [umap_model, umap_coordinates, cluster_model, clusters, cluster_cards]


def highest_number(models: ModelStore) -> int:
    """The highest cluster number ever given out in this dataset, by any clustering, removed ones among them; -1: none yet."""
    stored = (models.folder.read_json(NUMBERS_FILE) or {}).get("highest", -1)
    scores = [models.provenance(version).scores for version in models.versions()]
    return max([int(stored), *(int(one.get("highest_number", one.get("clusters", 0) - 1)) for one in scores)])


def _numbered_after(models: ModelStore, umap_model: str, parameters: Mapping[str, object], seed: int) -> str:
    """The clustering whose numbers a fit continues: the one in use, or, where that is of the same content, what it continued.

    So fitting the same content again comes to the same version. A fit that found no model passes on what it continued.
    """
    from synapse_assets.analysis.outcome import NoModel

    current = models.current
    if current is None:
        return NOT_NUMBERED_AFTER
    made = models.provenance(current)
    same = (made.inputs.get("umap_model"), made.parameters, made.seed) == (umap_model, parameters, seed)
    if (same and "numbered_after" in made.inputs) or NoModel.found(models.path(current)) is not None:
        return made.inputs.get("numbered_after", NOT_NUMBERED_AFTER)
    return current


def _numbers_of(models: ModelStore, version: str) -> dict[str, int]:
    """The cluster number of every synapse that this version was fitted on; empty for none and for one that is gone."""
    from synapse_assets.analysis.outcome import NoModel
    from synapse_assets.analysis.projection import FittedSample
    from synapse_assets.analysis.tables import load_clusters

    if not models.exists(version):
        return {}
    model = load_clusters(models.path(version))
    return {} if isinstance(model, NoModel) else model.labels_of(FittedSample.load(models.path(version)))


def _rows_match(key: dg.AssetKey, regions: dg.PartitionsDefinition) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        "rows_match_upstream",
        asset=key,
        blocking=True,
        partitions_def=regions,
        description="The region has one row for each row of the table it is made from.",
    )


def _match(rows: int, upstream: int, name: str) -> dg.AssetCheckResult:
    return check(
        "rows_match_upstream", rows == upstream, f"{rows:,} rows for {upstream:,} {name}", rows=rows, upstream=upstream
    )
