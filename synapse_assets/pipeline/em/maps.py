"""Maps of the vectors: fitting the map on a sample of all regions, and the coordinates of a region on it. Clusters: `clusters`."""

from logging import Logger
from pathlib import Path

import numpy as np
import pyarrow as pa

from synapse_assets.artifacts import NoModel, load_or_no_model
from synapse_assets.datasets import Dataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.fitting import Fitted, fit_once
from synapse_assets.pipeline.report import Check, Detail, Picture, Report, Stopwatch
from synapse_assets.schema import UMAP_COORDINATES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import model_in_use, require_same
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.rows import content_key, labelled_synapses, vector_matrix, vectors_in_use

# Synapses that the map is fitted on; all others are placed among them.
SAMPLE_SYNAPSES = 5_000
# UMAP's own default, and enough dimensions for HDBSCAN to find dense groups without the map's crowding.
NEIGHBOURS = 15
REDUCED_DIMENSIONS = 10


def fit_map(store: DatasetStore, dataset: Dataset, log: Logger) -> Report:
    """Fits the map on a sample of the vectors of all regions.

    Raises BadInput if no encoder is fitted, or nothing is embedded with the one in use.
    """
    from synapse_assets.analysis.clustering.projection import LANDMARKS
    from synapse_assets.analysis.tables import stratified_rows

    encoder = model_in_use(store.models("encoder"), "materialise the asset 'encoder' first")
    vectors = vectors_in_use(store)
    known = vectors.read(None, ["synapse_id", "brain_region", "tile_hash"])
    sample = stratified_rows(known, SAMPLE_SYNAPSES, dataset.seed)
    if not sample.num_rows:
        raise BadInput(
            f"{dataset.name} has no embeddings of the encoder in use ({encoder}): materialise 'embeddings' of a region"
        )
    return fit_once(
        store,
        "umap_model",
        log,
        inputs={"encoder": encoder, "embeddings": content_key(sample.select(["synapse_id", "tile_hash"]))},
        parameters={
            "sample": SAMPLE_SYNAPSES,
            "neighbours": NEIGHBOURS,
            "dimensions": REDUCED_DIMENSIONS,
            "landmarks": LANDMARKS,
        },
        seed=dataset.seed,
        fit=lambda folder: _fit_sample(folder, store, dataset, vectors, known, sample.sort_by("synapse_id")),
        fits_current_inputs=lambda provenance: provenance.inputs["encoder"] == encoder,
    )


def _fit_sample(
    folder: Path, store: DatasetStore, dataset: Dataset, vectors: RegionTable, known: pa.Table, sample: pa.Table
) -> Fitted:
    """Fits and saves the map of `sample`, which is of the `known` rows (both: synapse_id, brain_region, tile_hash)."""
    from synapse_assets.analysis.clustering.projection import FittedSample, fit_projection
    from synapse_assets.analysis.tables import region_counts, values_of
    from synapse_assets.figures.maps import map_figure

    ids = sample.column("synapse_id").to_pylist()
    matrix = vector_matrix(vectors.read_ids(ids, ["vector"]))
    projection = fit_projection(matrix, dataset.seed, NEIGHBOURS, REDUCED_DIMENSIONS)
    projection.save(folder)
    FittedSample.of(sample, matrix, region_counts(known)).save(folder)
    scores = {"fitted_synapses": float(len(ids)), "known_synapses": float(known.num_rows)}
    if isinstance(projection, NoModel):
        return Fitted(scores=scores, notes=[f"no map: {projection.reason}"])
    targets = values_of(labelled_synapses(store, ["target"], ids), "target", ids)
    png = map_figure(projection.apply(matrix)[0], targets, f"Fitted sample, {dataset.target_name}")
    too_few = f"{len(ids)} synapses are too few for UMAP: principal components instead"
    return Fitted(
        scores=scores, notes=[too_few] if projection.method != "umap" else [], details={"map": Picture(png, "map")}
    )


def place_region(store: DatasetStore, dataset: Dataset, region: str) -> Report:
    """Places the synapses of a region on the map in use.

    Raises BadInput if there is no map or no encoder, or the map was fitted on vectors of another encoder.
    """
    from synapse_assets.analysis.clustering.projection import Projection
    from synapse_assets.analysis.tables import place_rows

    watch = Stopwatch()
    models = store.models("umap_model")
    version = model_in_use(models, "materialise the asset 'umap_model' first")
    encoder = model_in_use(store.models("encoder"), "materialise the asset 'encoder' first")
    require_same(models, version, "encoder", encoder)
    rows = vectors_in_use(store).read(region, ["synapse_id", "brain_region", "tile_hash", "vector"])
    projection = load_or_no_model(models.path(version), Projection.load)
    expected = 0 if isinstance(projection, NoModel) else rows.num_rows
    table = place_rows(projection, rows, vector_matrix(rows), version)
    results = store.results(UMAP_COORDINATES)
    results.write_partition(region, table)
    return Report(
        details={**_map_picture(store, dataset, region, table), "umap_model": version},
        seconds=watch.seconds,
        rows=table.num_rows,
        content_version=f"{version}-{content_key(rows.select(['synapse_id', 'tile_hash']), encoder)}",
        checks=[rows_match(results.read(region, ["synapse_id"]).num_rows, expected, "embeddings")],
    )


def _map_picture(store: DatasetStore, dataset: Dataset, region: str, coordinates: pa.Table) -> dict[str, Detail]:
    """The picture of a region's `coordinates` (`schema.UMAP_COORDINATES`) by known class; empty for no rows."""
    from synapse_assets.analysis.tables import values_of
    from synapse_assets.figures.maps import map_figure

    if not coordinates.num_rows:
        return {}
    ids = coordinates.column("synapse_id").to_pylist()
    targets = values_of(labelled_synapses(store, ["target"], ids), "target", ids)
    xy = np.stack([coordinates.column("umap_1").to_numpy(), coordinates.column("umap_2").to_numpy()], axis=1)
    return {"map": Picture(map_figure(xy, targets, f"{region}, {dataset.target_name}"), "map")}


def rows_match(rows: int, upstream: int, name: str) -> Check:
    """Whether a region has as many rows as the table `name` that they are made from."""
    return Check(
        "rows_match_upstream",
        rows == upstream,
        f"{rows:,} rows for {upstream:,} {name}",
        numbers={"rows": rows, "upstream": upstream},
    )
