"""From pictures to vectors: applying the encoder in use to the tiles of a region."""

from dataclasses import dataclass
from logging import Logger
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.pipeline.em.parts import embed_in_parts
from synapse_assets.pipeline.em.precision import encoder_in_parts, precision_here
from synapse_assets.pipeline.engine import Engine, remarks_of
from synapse_assets.pipeline.report import Check, Report, Stopwatch, StoredAt, progress_logger
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.ids import without
from synapse_assets.stores.models import model_in_use
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.rows import content_key, usable_vectors, vector_rows

if TYPE_CHECKING:
    from synapse_assets.vision.first_use import FirstUse

# Tiles decoded at a time; what is computed of them is staged together, well under a minute of work on two CPU cores.
READ_ROWS = 256
CHECKED_ROWS = 8192


def embed_region(store: DatasetStore, region: str, device: str, log: Logger, engine: Engine | None = None) -> Report:
    """Computes the vectors of those tiles of a region that the encoder in use has not seen as they are now.

    Computed vectors are kept, so the next call continues one that was killed. With an `engine` they are made in parts, of which those
    that were made when the tiles were cut are taken. Raises BadInput if no encoder is fitted.
    """
    watch = Stopwatch()
    models = store.models("encoder")
    model_id = model_in_use(models, "materialise the asset 'encoder' first")
    vectors = store.vectors(model_id, int(models.provenance(model_id).scores["dimensions"]))
    tiles = store.tiles.read(region, ["synapse_id", "tile_hash"])
    changed, gone = vectors.changes(region, tiles, "tile_hash")
    work = _Work(store, region, model_id, vectors, tiles, changed, gone, log)
    done = _embedded_here(work, device) if engine is None else _embedded_in_parts(work, engine)
    count, finite, models_seen = _counted(vectors, region)
    missing, _ = vectors.changes(region, tiles, "tile_hash")
    pairs = tiles.num_rows - len(missing)
    return Report(
        details={
            "resumed_rows": len(changed) - done.computed,
            "removed_rows": len(gone),
            "dimensions": done.dimensions,
            "encoder": model_id,
            "lance_table": StoredAt(vectors.uri),
            "precision": done.precision,
            **remarks_of(engine),
        },
        seconds=watch.seconds,
        rows=count,
        computed_rows=done.computed,
        content_version=content_key(vectors.read(region, ["synapse_id", "tile_hash"]), model_id),
        checks=[
            Check(
                "one_vector_per_tile",
                pairs == count == tiles.num_rows,
                f"{count:,} vectors for {tiles.num_rows:,} tiles, {pairs:,} of the picture stored now",
                numbers={"vectors": count, "tiles": tiles.num_rows},
            ),
            Check(
                "finite_and_of_one_model",
                finite == count and models_seen <= {model_id},
                f"{finite:,} of {count:,} vectors are finite and not zero; encoders {sorted(models_seen)}",
                numbers={"not_finite": count - finite},
            ),
        ],
    )


@dataclass(frozen=True, eq=False)
class _Work:
    """What is to be embedded of a region: its tiles (synapse_id, tile_hash), the ids that have no such vector, those that are gone."""

    store: DatasetStore
    region: str
    model_id: str
    vectors: RegionTable
    tiles: pa.Table
    changed: pa.Array
    gone: pa.Array
    log: Logger

    def warn(self, first_use: "FirstUse", remark: str) -> None:
        """Says in the log that the vectors may differ from earlier ones, where there is a remark."""
        if remark:
            self.log.warning(
                f"{self.region}: vectors are computed in {first_use}; {remark}, so they may differ by rounding"
            )


@dataclass(frozen=True)
class _Done:
    """How many vectors were computed now, the numbers in each, and in what precision, in words."""

    computed: int
    dimensions: int
    precision: str


def _embedded_here(work: _Work, device: str) -> _Done:
    from synapse_assets.vision.encoder import Encoder, embed_batches
    from synapse_assets.volumes import decode_tiles

    store, region, vectors, table = work.store, work.region, work.vectors, work.vectors.table
    models = store.models("encoder")
    staging = store.staging("embeddings", region, content_key(work.tiles, work.model_id))
    staged = staging.ids()
    ids_to_embed = without(work.changed, staged)
    network = Encoder.load(models.path(work.model_id))
    first_use, remark = None, "nothing computed"
    if len(ids_to_embed):
        first_use, remark = precision_here(
            models, work.model_id, network.spec.has_network, device, lambda: len(staged) > 0 or vectors.count() > 0
        )
        work.warn(first_use, remark)
    progress = progress_logger(work.log.info, f"{region}: embeddings", len(ids_to_embed))
    pictures = (
        (batch.select(["synapse_id", "tile_hash"]), decode_tiles(batch.column("image")))
        for batch in store.tiles.batches_of(region, ids_to_embed, ["synapse_id", "tile_hash", "image"], READ_ROWS)
    )
    done = 0
    for rows, values in embed_batches(network, pictures, device, precision=first_use.precision if first_use else None):
        staging.append(vector_rows(table, rows.column(0), region, rows.column(1), work.model_id, values))
        done += len(rows)
        progress(done)
    vectors.replace_region(region, staging.reader() or table.empty(), work.gone)
    staging.clear()
    return _Done(len(ids_to_embed), network.dimensions, _in_words(first_use, remark))


def _embedded_in_parts(work: _Work, engine: Engine) -> _Done:
    store, region = work.store, work.region
    first_use, remark, computed = None, "nothing computed", 0
    encoder = None
    if len(work.changed):
        encoder, first_use, remark = encoder_in_parts(engine, store, work.model_id, work.log)
        work.warn(first_use, remark)
        wanted = work.tiles.filter(pc.is_in(work.tiles.column("synapse_id"), value_set=work.changed))
        computed = embed_in_parts(engine, store, region, work.vectors, wanted, work.gone, encoder, work.log)
    elif len(work.gone):
        work.vectors.commit(region, [], work.gone)
    dimensions = int(store.models("encoder").provenance(work.model_id).scores["dimensions"])
    return _Done(computed, dimensions, _in_words(first_use, remark))


def _in_words(first_use: "FirstUse | None", remark: str) -> str:
    return "; ".join(str(part) for part in (first_use, remark) if part)


def _counted(vectors: RegionTable, region: str) -> tuple[int, int, set[str]]:
    """Of the stored vectors of a region: their number, that of the finite ones that are not zero, and the encoders they are of."""
    count = finite = 0
    models: set[str] = set()
    for batch in vectors.batches(region, ["model_id", "vector"], CHECKED_ROWS):
        count += batch.num_rows
        finite += usable_vectors(pa.Table.from_batches([batch]))
        models.update(pc.unique(batch.column("model_id")).to_pylist())
    return count, finite, models
