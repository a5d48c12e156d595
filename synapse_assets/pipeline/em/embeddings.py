"""From pictures to vectors: applying the encoder in use to the tiles of a region."""

from logging import Logger
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.pipeline.report import Check, Report, Stopwatch, StoredAt, progress_logger
from synapse_assets.schema import embedding_table
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.files import Files, segment
from synapse_assets.stores.ids import without
from synapse_assets.stores.models import ModelStore, model_in_use
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.rows import content_key, usable_vectors, vector_rows

if TYPE_CHECKING:
    from synapse_assets.vision.encoder_spec import EncoderSpec
    from synapse_assets.vision.first_use import FirstUse

# Tiles decoded at a time; what is computed of them is staged together, well under a minute of work on two CPU cores.
READ_ROWS = 256
CHECKED_ROWS = 8192


def embed_region(store: DatasetStore, region: str, device: str, log: Logger) -> Report:
    """Computes the vectors of those tiles of a region that the encoder in use has not seen as they are now.

    Computed vectors are staged, so the next call continues one that was killed. Raises BadInput if no encoder is fitted.
    """
    from synapse_assets.vision.encoder import Encoder, embed_batches
    from synapse_assets.volumes import decode_tiles

    watch = Stopwatch()
    models = store.models("encoder")
    model_id = model_in_use(models, "materialise the asset 'encoder' first")
    dimensions = int(models.provenance(model_id).scores["dimensions"])
    table = embedding_table(dimensions)
    vectors = store.vectors(model_id, dimensions)
    tiles = store.tiles.read(region, ["synapse_id", "tile_hash"])
    changed, gone = vectors.changes(region, tiles, "tile_hash")
    staging = store.staging("embeddings", region, content_key(tiles, model_id))
    staged = staging.ids()
    ids_to_embed = without(changed, staged)
    network = Encoder.load(models.path(model_id))
    first_use, remark = None, "nothing computed"
    if len(ids_to_embed):
        applied_before = len(staged) > 0 or vectors.count() > 0
        first_use, remark = _precision(models, model_id, network.spec, device, applied_before)
    if first_use and remark:
        log.warning(f"{region}: vectors are computed in {first_use}; {remark}, so they may differ by rounding")
    progress = progress_logger(log.info, f"{region}: embeddings", len(ids_to_embed))
    pictures = (
        (batch.select(["synapse_id", "tile_hash"]), decode_tiles(batch.column("image")))
        for batch in store.tiles.batches_of(region, ids_to_embed, ["synapse_id", "tile_hash", "image"], READ_ROWS)
    )
    done = 0
    for rows, values in embed_batches(network, pictures, device, precision=first_use.precision if first_use else None):
        staging.append(vector_rows(table, rows.column(0), region, rows.column(1), model_id, values))
        done += len(rows)
        progress(done)
    vectors.replace_region(region, staging.reader() or table.empty(), gone)
    staging.clear()
    count, finite, models_seen = _counted(vectors, region)
    missing, _ = vectors.changes(region, tiles, "tile_hash")
    pairs = tiles.num_rows - len(missing)
    return Report(
        details={
            "resumed_rows": len(changed) - len(ids_to_embed),
            "removed_rows": len(gone),
            "dimensions": network.dimensions,
            "encoder": model_id,
            "lance_table": StoredAt(vectors.uri),
            "precision": "; ".join(str(part) for part in (first_use, remark) if part),
        },
        seconds=watch.seconds,
        rows=count,
        computed_rows=len(ids_to_embed),
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


def _counted(vectors: RegionTable, region: str) -> tuple[int, int, set[str]]:
    """Of the stored vectors of a region: their number, that of the finite ones that are not zero, and the encoders they are of."""
    count = finite = 0
    models: set[str] = set()
    for batch in vectors.batches(region, ["model_id", "vector"], CHECKED_ROWS):
        count += batch.num_rows
        finite += usable_vectors(pa.Table.from_batches([batch]))
        models.update(pc.unique(batch.column("model_id")).to_pylist())
    return count, finite, models


def _precision(
    models: ModelStore, model_id: str, spec: "EncoderSpec", device: str, applied_before: bool
) -> tuple["FirstUse", str]:
    """How to apply that encoder on `device`, and a remark; empty where its first vectors were made the same way.

    The first use is recorded beside the encoder, atomically and once: of two that start at the same moment the first
    counts (on object storage the last). An encoder that was applied before there were records has none.
    """
    from synapse_assets.vision.devices import native_precision, pick_device
    from synapse_assets.vision.first_use import FIRST_USE_FILE, FIRST_USE_FOLDER, FirstUse

    kind = pick_device(device)
    this_device = FirstUse(native_precision(kind) if spec.has_network else "float32", kind.type)
    folder = models.folder.child(segment(model_id))
    first = _recorded_first_use(folder)
    if first is None and not applied_before:
        with folder.new_folder(FIRST_USE_FOLDER, last=FIRST_USE_FILE) as new:
            this_device.save(new)
        first = _recorded_first_use(folder)
    if first is None:
        return this_device, "earlier vectors of this encoder were made in a precision that was not recorded"
    applied = FirstUse(native_precision(kind, first.precision), kind.type)
    if applied.precision == first.precision:
        return applied, ""
    return applied, f"its first vectors were made in {first}, which is not to be had here"


def _recorded_first_use(folder: Files) -> "FirstUse | None":
    """The first use of the model in `folder`, which may lie on object storage."""
    from synapse_assets.vision.first_use import FIRST_USE_FILE, FIRST_USE_FOLDER, FirstUse

    if not folder.exists(f"{FIRST_USE_FOLDER}/{FIRST_USE_FILE}"):
        return None
    return FirstUse.found(folder.local_copy(FIRST_USE_FOLDER, last=FIRST_USE_FILE))
