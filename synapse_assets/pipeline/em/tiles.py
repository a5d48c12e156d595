"""Cutting the picture around each synapse of a region out of the volume: what it takes, and the tiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from logging import Logger
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import EmDataset
from synapse_assets.pipeline.em.alignment import require_alignment, volume_remarks_markdown
from synapse_assets.pipeline.em.parts import cut_in_parts, tile_receipts
from synapse_assets.pipeline.em.precision import AppliedEncoder, encoder_in_parts
from synapse_assets.pipeline.engine import Engine, remarks_of
from synapse_assets.pipeline.report import (
    Check,
    Detail,
    Markdown,
    Picture,
    Report,
    Stopwatch,
    markdown_table,
    progress_logger,
)
from synapse_assets.schema import TILE_PLAN, TILES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.ids import without
from synapse_assets.stores.rows import content_key

SHEET_TILES = 24
PLACES = ["synapse_id", "volume", "x_nm", "y_nm", "z_nm"]


@dataclass(frozen=True)
class _RegionTiles:
    """The tiles of a region: its synapses (columns `PLACES`), their crop hashes and the content version of these, the ids whose
    tiles are to be cut, staged ones among them, and the ids that are gone."""

    synapses: pa.Table
    crops: pa.Table
    content: str
    changed: pa.Array
    gone: pa.Array

    @property
    def wanted(self) -> pa.Table:
        """The synapses whose tiles are to be cut: columns `PLACES` and crop_hash."""
        rows = self.synapses.append_column("crop_hash", self.crops.column("crop_hash"))
        return rows.filter(pc.is_in(rows.column("synapse_id"), value_set=self.changed))


def plan_tiles(store: DatasetStore, dataset: EmDataset, region: str) -> Report:
    """Writes what cutting the tiles of a region takes, of those that are still to be cut. No voxel is read.

    Raises BadInput for a synapse outside its volume, ConnectionError for an unreachable volume.
    """
    from synapse_assets.volumes.cropping import plan_in_use, plan_region, volume_remarks

    watch = Stopwatch()
    tiles = _region_tiles(store, dataset, region)
    staged = store.staged_ids("tiles", region, tiles.content)
    ids_to_cut = without(
        without(tiles.changed, staged), tile_receipts(store, region).ids(tiles.crops).cast(pa.string())
    )
    plan = plan_region(dataset, region, tiles.synapses, ids_to_cut)
    store.results(TILE_PLAN).write_partition(region, plan)
    plan_rows = plan_in_use(plan)
    return Report(
        details={
            "plan": Markdown(_plan_summary(dataset, plan_rows) + "\n\n" + _plan_table(plan)),
            **volume_remarks_markdown(volume_remarks(dataset)),
            "tiles_to_cut": len(ids_to_cut),
            "chunks": sum(row["chunks"] for row in plan_rows),
            "gigabytes": sum(row["gigabytes"] for row in plan_rows),
            "hours": sum(row["hours"] for row in plan_rows),
        },
        seconds=watch.seconds,
        rows=plan.num_rows,
        # All tiles of the region, not only those still to be cut: cutting the tiles makes no plan out of date.
        content_version=tiles.content,
        checks=[_below_ceiling(dataset, plan_rows)],
    )


def cut_tiles(
    store: DatasetStore, dataset: EmDataset, region: str, log: Logger, engine: Engine | None = None
) -> Report:
    """Cuts the tiles of those synapses of a region that are new or have moved.

    Cut tiles are kept, so the next call continues one that was killed. With an `engine` they are cut in parts and, where an encoder is
    in use, embedded too. Raises BadInput if the coordinates were not examined or another reading of them fits better, and if more would
    be fetched than a volume's download ceiling; ConnectionError for an unreachable volume.
    """
    watch = Stopwatch()
    require_alignment(store, dataset)
    tiles = _region_tiles(store, dataset, region)
    if engine is None:
        computed, missing = _cut_here(store, dataset, region, tiles, log)
    else:
        computed, missing = cut_in_parts(
            engine,
            store,
            dataset,
            region,
            tiles.wanted,
            tiles.gone,
            _encoder_for(engine, store, dataset, tiles, log),
            log,
        )
    count = store.tiles.count(region)
    valid = store.tiles.read(region, ["valid_fraction"]).column(0).to_numpy()
    incomplete = int((valid < 1).sum())
    return Report(
        details={
            **_sheet(store, dataset, region),
            "resumed_rows": len(tiles.changed) - computed,
            "removed_rows": len(tiles.gone),
            "mean_valid_fraction": float(valid.mean()) if count else 1.0,
            "missing_chunks": missing,
            "incomplete_tiles": incomplete,
            "mean_contrast": _mean_contrast(store.tiles.read(region, ["section_contrast"])),
            **remarks_of(engine),
        },
        seconds=watch.seconds,
        rows=count,
        computed_rows=computed,
        content_version=content_key(store.tiles.read(region, ["synapse_id", "tile_hash"])),
        checks=_tile_checks(store, region, tiles, count, incomplete),
    )


def _cut_here(
    store: DatasetStore, dataset: EmDataset, region: str, tiles: _RegionTiles, log: Logger
) -> tuple[int, int]:
    """Cuts in this process; gives how many tiles were computed now, and how many chunks were absent."""
    from synapse_assets.volumes.cropping import crop_region

    staging = store.staging("tiles", region, tiles.content)
    ids_to_cut = without(tiles.changed, staging.ids())
    progress = progress_logger(log.info, f"{region}: tiles", len(ids_to_cut))
    done = missing = 0
    for batch in crop_region(dataset, region, tiles.synapses, tiles.crops, ids_to_cut):
        staging.append(batch.rows)
        done += batch.rows.num_rows
        missing += batch.missing_chunks
        progress(done)
    store.tiles.replace_region(region, staging.reader() or TILES.empty(), tiles.gone)
    staging.clear()
    return len(ids_to_cut), missing


def _encoder_for(
    engine: Engine, store: DatasetStore, dataset: EmDataset, tiles: _RegionTiles, log: Logger
) -> AppliedEncoder | None:
    """The encoder in use, as parts apply it; None where there is none, or none for such tiles, or nothing to cut."""
    from synapse_assets.vision.encoder_spec import read_spec

    models = store.models("encoder")
    if not len(tiles.changed) or models.current is None:
        return None
    shape = (dataset.tile.sections, dataset.tile.size_px, dataset.tile.size_px)
    if read_spec(models.path(models.current)).tile_shape != shape:
        return None
    return encoder_in_parts(engine, store, models.current, log)[0]


def _region_tiles(store: DatasetStore, dataset: EmDataset, region: str) -> _RegionTiles:
    from synapse_assets.volumes.cropping import crop_hashes, tiles_with_gaps

    synapses = store.synapses.read(region, PLACES)
    crops = crop_hashes(dataset, synapses)
    changed, gone = store.tiles.changes(region, crops, "crop_hash")
    # A chunk that was missing may exist now.
    stored = store.tiles.read(region, ["synapse_id", "valid_fraction"])
    incomplete = without(without(tiles_with_gaps(dataset, synapses, stored), changed), gone)
    return _RegionTiles(synapses, crops, content_key(crops), pa.concat_arrays([changed, incomplete]), gone)


def _below_ceiling(dataset: EmDataset, plan_rows: Sequence[dict[str, Any]]) -> Check:
    above_ceiling = [
        f"{row['volume']}: {row['gigabytes']:.2f} GB, ceiling {dataset.volumes[row['volume']].download_ceiling_gb:g} GB"
        for row in plan_rows
        if row["gigabytes"] > dataset.volumes[row["volume"]].download_ceiling_gb
    ]
    return Check(
        "below_download_ceiling",
        not above_ceiling,
        "; ".join(above_ceiling) + ". Set trial_limit in the dataset's YAML, or raise download_ceiling_gb"
        if above_ceiling
        else "below",
        numbers={"gigabytes": sum(row["gigabytes"] for row in plan_rows)},
    )


def _tile_checks(store: DatasetStore, region: str, tiles: _RegionTiles, count: int, incomplete: int) -> list[Check]:
    wrong = sum(map(len, store.tiles.changes(region, tiles.crops, "crop_hash")))
    synapses = tiles.synapses.num_rows
    return [
        Check(
            "one_tile_per_synapse",
            count == synapses and not wrong,
            f"{count:,} tiles for {synapses:,} synapses, {wrong:,} of another place or volume",
            numbers={"tiles": count, "synapses": synapses},
        ),
        Check(
            "tiles_whole",
            count == 0 or incomplete / count <= 0.1,
            f"{incomplete:,} of {count:,} tiles are incomplete",
            warn=True,
            numbers={"incomplete": incomplete},
        ),
    ]


def _plan_summary(dataset: EmDataset, plan_rows: Sequence[dict[str, Any]]) -> str:
    sentences = []
    for row in plan_rows:
        ceiling = dataset.volumes[row["volume"]].download_ceiling_gb
        fetched = (
            f"{row['gigabytes']:.2g} GB over the network (ceiling {ceiling:g} GB)"
            if row["gigabytes"]
            else "nothing over the network"
        )
        sentences.append(
            f"**{row['tiles']:,} tiles** from {row['volume']}: {fetched}, about {_duration(row['hours'] * 3600)}."
        )
    sentences = sentences or ["Nothing is to be cut: every synapse has its tile."]
    return " ".join([*sentences, _extent(dataset)])


def _extent(dataset: EmDataset) -> str:
    """What a tile spans in nanometres, which is the same in all volumes of a dataset."""
    size_px, sections = dataset.tile.size_px, dataset.tile.sections
    x, y, z = next(iter(dataset.volumes.values())).voxel_size_nm
    depth = f"{sections} section{'s' if sections > 1 else ''} = {sections * z:,.0f} nm deep"
    return f"A tile is {size_px * x:,.0f} x {size_px * y:,.0f} nm wide and {depth}."


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds" if seconds >= 1 else "less than a second"


def _plan_table(plan: pa.Table) -> str:
    head = [
        "volume",
        "voxel nm",
        "tile px",
        "reader",
        "tiles",
        "chunks",
        "by block / cached / single",
        "GB",
        "10^9 voxels decoded",
        "time",
    ]
    rows = [
        (
            row["volume"],
            row["voxel_size_nm"],
            row["size_px"],
            row["reader"],
            f"{row['tiles']:,}",
            f"{row['chunks']:,}",
            f"{row['block_tiles']:,} / {row['cached_tiles']:,} / {row['single_tiles']:,}",
            f"{row['gigabytes']:.3g}",
            f"{row['decoded_gigavoxels']:.3g}",
            _duration(row["hours"] * 3600),
        )
        for row in plan.to_pylist()
    ]
    return markdown_table(head, rows) if rows else ""


def _mean_contrast(facts: pa.Table) -> float:
    values = facts.column("section_contrast").combine_chunks().flatten().to_numpy()
    return float(np.mean(values)) if len(values) else 0.0


def _sheet(store: DatasetStore, dataset: EmDataset, region: str) -> dict[str, Detail]:
    from synapse_assets.volumes import decode_tiles, tile_sheet

    first = next(store.tiles.batches(region, ["image"], SHEET_TILES), None)
    if first is None or first.num_rows == 0:
        return {}
    sheet = tile_sheet(decode_tiles(first.column("image")), columns=8)
    text = f"{_extent(dataset)} Shown is the middle section."
    return {"tile_sheet": Picture(sheet, "the first tiles of the region", text)}
