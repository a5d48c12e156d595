"""Cutting the picture around each synapse out of the volume: `tile_plan`, what it takes, and `tiles`."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.datasets.volumes import PATIENCE
from synapse_assets.defs.em.alignment import remarks_shown, require_alignment
from synapse_assets.defs.metadata import Stopwatch, asset, check, picture, progress_logger
from synapse_assets.defs.partitions import brain_regions
from synapse_assets.defs.resources import Installation
from synapse_assets.schema import TILE_PLAN, TILES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key

SHEET_TILES = 24
PLACES = ["synapse_id", "volume", "x_nm", "y_nm", "z_nm"]


def tile_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    regions = brain_regions(dataset)
    key, plan_key, synapses_key = (dg.AssetKey([dataset.name, name]) for name in ("tiles", "tile_plan", "synapses"))

    @asset(
        dataset,
        "3_tiles",
        "tile_plan",
        TILE_PLAN,
        {"parquet"},
        _settings(dataset),
        deps=[synapses_key, [dataset.name, "em_volume"]],
        partitions_def=regions,
        check_specs=[
            dg.AssetCheckSpec(
                "below_download_ceiling",
                asset=plan_key,
                blocking=True,
                partitions_def=regions,
                description="Cutting the region's tiles fetches no more than the volume's download_ceiling_gb.",
            )
        ],
    )
    def tile_plan(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """What cutting the tiles of one brain region takes, before anything is fetched: chunks, gigabytes, hours.

        A row is one scale of the volume and way of reading. It counts what is still to be cut, so it is empty for a region
        that is complete. Hours are estimates; what they rest on stands in `synapse_assets/volumes/plan.py`.
        """
        from synapse_assets.volumes.cropping import crop_hashes, plan_in_use, plan_region, volume_remarks

        watch = Stopwatch()
        store = installation.store(dataset.name)
        region = context.partition_key
        synapses = store.synapses.read(region, PLACES)
        wanted = crop_hashes(dataset, synapses)
        changed, _ = _to_cut(dataset, store, region, synapses, wanted)
        staged = store.staged_ids("tiles", region, content_key(wanted))
        todo = [synapse_id for synapse_id in changed if synapse_id not in staged]
        plan = plan_region(dataset, region, synapses, todo)
        store.results(TILE_PLAN).write_partition(region, plan)
        chosen = plan_in_use(plan)
        too_much = [
            f"{row['volume']}: {row['gigabytes']:.2f} GB, ceiling {dataset.volumes[row['volume']].download_ceiling_gb:g} GB"
            for row in chosen
            if row["gigabytes"] > dataset.volumes[row["volume"]].download_ceiling_gb
        ]
        return dg.MaterializeResult(
            metadata={
                "plan": dg.MetadataValue.md(_in_words(dataset, chosen) + "\n\n" + _plan_shown(plan)),
                **remarks_shown(volume_remarks(dataset)),
                **watch.numbers(plan.num_rows),
                "tiles_to_cut": len(todo),
                "chunks": sum(row["chunks"] for row in chosen),
                "gigabytes": sum(row["gigabytes"] for row in chosen),
                "hours": sum(row["hours"] for row in chosen),
            },
            # What is wanted, not what is still to be done: cutting the tiles makes no plan out of date.
            data_version=dg.DataVersion(content_key(wanted)),
            check_results=[
                check(
                    "below_download_ceiling",
                    not too_much,
                    "; ".join(too_much) + ". Set trial_limit in the dataset's YAML, or raise download_ceiling_gb"
                    if too_much
                    else "below",
                    gigabytes=sum(row["gigabytes"] for row in chosen),
                )
            ],
        )

    @asset(
        dataset,
        "3_tiles",
        "tiles",
        TILES,
        {"lancedb"},
        _settings(dataset),
        page="gallery",
        deps=[synapses_key, plan_key, [dataset.name, "alignment"], [dataset.name, "em_volume"]],
        partitions_def=regions,
        pool="download",
        check_specs=[
            dg.AssetCheckSpec(
                "one_tile_per_synapse",
                asset=key,
                blocking=True,
                partitions_def=regions,
                description="Every synapse of the region has exactly one tile, cut where it lies now.",
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
        require_alignment(dataset, store)
        synapses = store.synapses.read(region, PLACES)
        wanted = crop_hashes(dataset, synapses)
        changed, gone = _to_cut(dataset, store, region, synapses, wanted)
        staging = store.staging("tiles", region, content_key(wanted))
        staged = staging.done_ids()
        todo = [synapse_id for synapse_id in changed if synapse_id not in staged]
        progress = progress_logger(context.log.info, f"{region}: tiles", len(todo))
        done = missing = 0
        for batch in crop_region(dataset, region, synapses, wanted, todo):
            staging.append(batch.rows)
            done += batch.rows.num_rows
            missing += batch.missing_chunks
            progress(done)
        store.tiles.replace_region(region, staging.reader() or TILES.empty(), gone)
        staging.clear()
        count = store.tiles.count(region)
        wrong = sum(map(len, store.tiles.changes(region, wanted, "crop_hash")))
        facts = store.tiles.read(region, ["synapse_id", "tile_hash", "valid_fraction", "section_contrast"])
        valid = facts.column("valid_fraction").to_numpy()
        return dg.MaterializeResult(
            metadata={
                **_sheet(store.tiles.batches(region, ["image"], SHEET_TILES), dataset),
                **watch.numbers(count, len(todo)),
                "resumed_rows": len(changed) - len(todo),
                "removed_rows": len(gone),
                "mean_valid_fraction": float(valid.mean()) if count else 1.0,
                "missing_chunks": missing,
                "incomplete_tiles": int((valid < 1).sum()),
                "mean_contrast": _mean_contrast(facts),
            },
            data_version=dg.DataVersion(content_key(facts.select(["synapse_id", "tile_hash"]))),
            check_results=[
                check(
                    "one_tile_per_synapse",
                    count == synapses.num_rows and not wrong,
                    f"{count:,} tiles for {synapses.num_rows:,} synapses, {wrong:,} of another place or volume",
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

    return [tile_plan, tiles]


def _to_cut(
    dataset: EmDataset, store: DatasetStore, region: str, synapses: pa.Table, wanted: pa.Table
) -> tuple[list[str], list[str]]:
    """Ids whose tiles are to be cut (new, changed, or with a gap that may have been filled), and ids that are gone."""
    from synapse_assets.volumes.cropping import tiles_with_gaps

    changed, gone = store.tiles.changes(region, wanted, "crop_hash")
    # A chunk that was absent may have come since.
    stored = store.tiles.read(region, ["synapse_id", "valid_fraction"])
    again = set(tiles_with_gaps(dataset, synapses, stored)) - set(changed) - set(gone)
    return changed + sorted(again), gone


def _settings(dataset: EmDataset) -> dict[str, Any]:
    """What decides the pixels of a tile."""
    volumes = {name: hashed_fields(spec, exclude=PATIENCE) for name, spec in dataset.volumes.items()}
    return {**hashed_fields(dataset, include={"tile"}), "volumes": volumes}


def _in_words(dataset: EmDataset, chosen: list[dict[str, Any]]) -> str:
    told = []
    for row in chosen:
        ceiling = dataset.volumes[row["volume"]].download_ceiling_gb
        fetched = (
            f"{row['gigabytes']:.2g} GB over the network (ceiling {ceiling:g} GB)"
            if row["gigabytes"]
            else "nothing over the network"
        )
        told.append(
            f"**{row['tiles']:,} tiles** from {row['volume']}: {fetched}, about {_duration(row['hours'] * 3600)}."
        )
    told = told or ["Nothing is to be cut: every synapse has its tile."]
    return " ".join([*told, _extent(dataset)])


def _extent(dataset: EmDataset) -> str:
    """What a tile spans in nanometres, which is the same in all volumes of a dataset."""
    size_px, sections = dataset.tile.size_px, dataset.tile.sections
    x, y, z = next(iter(dataset.volumes.values())).voxel_size_nm
    deep = f"{sections} section{'s' if sections > 1 else ''} = {sections * z:,.0f} nm deep"
    return f"A tile is {size_px * x:,.0f} x {size_px * y:,.0f} nm wide and {deep}."


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds" if seconds >= 1 else "less than a second"


def _plan_shown(plan: pa.Table) -> str:
    lines = [
        f"| {row['volume']} | {row['voxel_size_nm']} | {row['size_px']} | {row['reader']} | {row['tiles']:,} | {row['chunks']:,} | "
        f"{row['block_tiles']:,} / {row['cached_tiles']:,} / {row['single_tiles']:,} | {row['gigabytes']:.3g} | "
        f"{row['decoded_gigavoxels']:.3g} | {_duration(row['hours'] * 3600)} |"
        for row in plan.to_pylist()
    ]
    head = [
        "| volume | voxel nm | tile px | reader | tiles | chunks | by block / cached / single | GB | 10^9 voxels decoded | time |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *lines]) if lines else ""


def _mean_contrast(facts: pa.Table) -> float:
    values = facts.column("section_contrast").combine_chunks().flatten().to_numpy()
    return float(np.mean(values)) if len(values) else 0.0


def _sheet(batches: Iterator[pa.RecordBatch], dataset: EmDataset) -> dict[str, dg.MarkdownMetadataValue]:
    from synapse_assets.volumes import tile_sheet
    from synapse_assets.volumes.cropping import decode_tiles

    first = next(batches, None)
    if first is None or first.num_rows == 0:
        return {}
    pictures = decode_tiles(first.column("image"))
    shown = picture(tile_sheet(pictures, columns=8), "the first tiles of the region")
    return {"tile_sheet": dg.MetadataValue.md(f"{_extent(dataset)} Shown is the middle section.\n\n{shown.value}")}
