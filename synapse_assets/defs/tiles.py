"""Cutting the picture around each synapse out of the volume: `tiles`."""

from collections.abc import Iterator

import dagster as dg
import numpy as np
import pyarrow as pa

from synapse_assets.datasets import Dataset
from synapse_assets.defs.metadata import Stopwatch, check, describe, picture, progress_logger
from synapse_assets.defs.partitions import brain_regions
from synapse_assets.defs.resources import Installation
from synapse_assets.schema import TILES
from synapse_assets.stores.rows import content_key

SHEET_TILES = 24


def tile_assets(dataset: Dataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    regions = brain_regions(dataset)
    key, synapses_key = dg.AssetKey([dataset.name, "tiles"]), dg.AssetKey([dataset.name, "synapses"])

    @dg.asset(
        **describe(dataset, "3_tiles", "tiles", TILES, {"lancedb"}),
        deps=[synapses_key, [dataset.name, "em_volume"]],
        partitions_def=regions,
        pool="download",
        check_specs=[
            dg.AssetCheckSpec(
                "one_tile_per_synapse",
                asset=key,
                blocking=True,
                partitions_def=regions,
                description="Every synapse of the region has exactly one tile.",
            ),
            dg.AssetCheckSpec(
                "tiles_whole",
                asset=key,
                partitions_def=regions,
                description="At most one tile in ten reaches over the edge of the volume or into missing chunks.",
            ),
        ],
    )
    def tiles(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The electron-microscopy picture around each synapse of one brain region, a few sections deep. A row is one tile.

        Only synapses that are new or have moved are cut again. A run that was killed goes on where it stopped.
        """
        from synapse_assets.volumes.cropping import crop_hashes, crop_region

        watch = Stopwatch()
        store = installation.store(dataset.name)
        region = context.partition_key
        synapses = store.synapses.read(region, ["synapse_id", "volume", "x_nm", "y_nm", "z_nm"])
        wanted = crop_hashes(dataset, synapses)
        changed, gone = store.tiles.changes(region, wanted, "crop_hash")
        staging = store.staging("tiles", region, content_key(wanted))
        staged = staging.done_ids()
        todo = [synapse_id for synapse_id in changed if synapse_id not in staged]
        progress = progress_logger(context.log.info, f"{region}: tiles", len(todo))
        done = 0
        for batch in crop_region(dataset, region, synapses, wanted, todo):
            staging.append(batch)
            done += batch.num_rows
            progress(done)
        store.tiles.replace_region(region, staging.reader() or TILES.empty(), gone)
        staging.clear()
        count = store.tiles.count(region)
        facts = store.tiles.read(region, ["synapse_id", "tile_hash", "valid_fraction", "section_contrast"])
        valid = facts.column("valid_fraction").to_numpy()
        return dg.MaterializeResult(
            metadata={
                **_sheet(store.tiles.batches(region, ["image"], SHEET_TILES)),
                **watch.numbers(count, len(todo)),
                "resumed_rows": len(changed) - len(todo),
                "removed_rows": len(gone),
                "mean_valid_fraction": float(valid.mean()) if count else 1.0,
                "incomplete_tiles": int((valid < 1).sum()),
                "mean_contrast": _mean_contrast(facts),
            },
            data_version=dg.DataVersion(content_key(facts.select(["synapse_id", "tile_hash"]))),
            check_results=[
                check(
                    "one_tile_per_synapse",
                    count == synapses.num_rows,
                    f"{count:,} tiles for {synapses.num_rows:,} synapses",
                    tiles=count,
                    synapses=synapses.num_rows,
                ),
                check(
                    "tiles_whole",
                    count == 0 or float((valid < 1).mean()) <= 0.1,
                    f"{int((valid < 1).sum()):,} of {count:,} tiles are incomplete",
                    warn=True,
                    incomplete=int((valid < 1).sum()),
                ),
            ],
        )

    return [tiles]


def _mean_contrast(facts: pa.Table) -> float:
    values = facts.column("section_contrast").combine_chunks().flatten().to_numpy()
    return float(np.mean(values)) if len(values) else 0.0


def _sheet(batches: Iterator[pa.RecordBatch]) -> dict[str, dg.MarkdownMetadataValue]:
    from synapse_assets.volumes import tile_sheet
    from synapse_assets.volumes.cropping import decode_tiles

    first = next(batches, None)
    if first is None or first.num_rows == 0:
        return {}
    pictures = decode_tiles(first.column("image"))
    return {"tile_sheet": picture(tile_sheet(pictures, columns=8), "the first tiles of the region")}
