"""What can be measured of tiles without training, and how the classes differ in it.

How it is measured belongs to `analysis.attributes`, how classes are compared to `analysis.class_differences`.
"""

from collections.abc import Iterator
from logging import Logger

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import EmDataset
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
from synapse_assets.schema import ATTRIBUTES, CLASS_DIFFERENCES, TILE_ATTRIBUTES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import fingerprint
from synapse_assets.stores.rows import content_key, labelled_synapses

METHOD = 1
"""One more whenever the same tile has other values: then all are measured again."""
# Tiles decoded at a time.
READ_ROWS = 256


def measure_region(store: DatasetStore, dataset: EmDataset, region: str, log: Logger) -> Report:
    """Measures those tiles of a region that are new, or were measured otherwise or when they showed something else.

    What is measured is staged, so the next call continues one that was killed.
    """
    watch = Stopwatch()
    results = store.results(TILE_ATTRIBUTES)
    tiles = store.tiles.read(region, ["synapse_id", "tile_hash"])
    pixel_nm = next(iter(dataset.volumes.values())).voxel_size_nm[0]
    made_from = {"method": str(METHOD), "pixel_nm": str(pixel_nm)}
    stored = results.read(region) if results.made_from(region) == made_from else TILE_ATTRIBUTES.empty()
    stored = _of_these_pictures(stored, tiles)
    staging = store.staging("tile_attributes", region, content_key(tiles, fingerprint(made_from, {})))
    done = {*stored.column("synapse_id").to_pylist(), *staging.done_ids()}
    to_measure = [synapse_id for synapse_id in tiles.column("synapse_id").to_pylist() if synapse_id not in done]
    progress, count = progress_logger(log.info, f"{region}: attributes of tiles", len(to_measure)), 0
    for rows in _measured(store, region, to_measure, pixel_nm):
        staging.append(rows)
        count += rows.num_rows
        progress(count)
    reader = staging.reader()
    table = stored if reader is None else pa.concat_tables([stored, _of_these_pictures(reader.read_all(), tiles)])
    table = table.sort_by("synapse_id")
    results.write_partition(region, table, made_from)
    staging.clear()
    return Report(
        details={"kept_rows": stored.num_rows, "measured": Markdown(_medians(table))},
        seconds=watch.seconds,
        rows=table.num_rows,
        computed_rows=len(to_measure),
        content_version=content_key(table.drop_columns(["brain_region"])),
        checks=[_rows_match(table, tiles)],
    )


def compare_classes(store: DatasetStore, dataset: EmDataset, log: Logger) -> Report:
    """Compares every class with all others in every attribute, neurons being the independent values.

    Without labelled synapses of two classes there are no rows, and the report says why.
    """
    from synapse_assets.analysis.class_differences import class_differences
    from synapse_assets.analysis.tables import current_rows, values_of
    from synapse_assets.figures.attributes import difference_figure

    watch = Stopwatch()
    synapses = labelled_synapses(store, ["target", "neuron_id"])
    rows = current_rows(store.results(TILE_ATTRIBUTES).read(), synapses)
    ids = rows.column("synapse_id").to_pylist()
    targets, neurons = (values_of(synapses, name, ids) for name in ("target", "neuron_id"))
    groups = neurons if any(neuron is not None for neuron in neurons) else None
    values = {column.name: rows.column(column.name).to_numpy().astype(np.float64) for column in ATTRIBUTES}
    log.info(f"comparing {len({target for target in targets if target})} classes in {len(values)} attributes")
    table = class_differences(values, targets, groups, ids, seed=dataset.seed)
    store.results(CLASS_DIFFERENCES).write(table)
    details: dict[str, Detail] = {"differences": int(pc.sum(table.column("differs")).as_py() or 0)}
    if table.num_rows:
        details["in_words"] = Markdown(_in_words(table))
        details["effects"] = Picture(difference_figure(table.to_pylist()), "classes against all others, by attribute")
    else:
        details["result"] = (
            "fewer than two classes have labelled synapses that were measured: there is nothing to compare"
        )
    if groups is not None:
        details["left_out"] = (
            f"{sum(neuron is None for neuron in neurons):,} synapses without a neuron and those of another class than most of theirs"
        )
    return Report(details, watch.seconds, table.num_rows, computed_rows=rows.num_rows)


def _of_these_pictures(rows: pa.Table, tiles: pa.Table) -> pa.Table:
    """Those rows whose tile is there as it was measured."""
    at = pc.index_in(rows.column("synapse_id"), value_set=tiles.column("synapse_id").combine_chunks())
    hashes = tiles.column("tile_hash").combine_chunks().take(at.combine_chunks())
    return rows.filter(pc.fill_null(pc.equal(rows.column("tile_hash").combine_chunks(), hashes), False))


def _measured(store: DatasetStore, region: str, ids: list[str], pixel_nm: float) -> Iterator[pa.Table]:
    """`schema.TILE_ATTRIBUTES` of these synapses of a region, some hundred at a time."""
    from synapse_assets.analysis.attributes import measure_tiles
    from synapse_assets.volumes import decode_tiles

    for batch in store.tiles.batches_of(region, ids, ["synapse_id", "tile_hash", "image"], READ_ROWS):
        measured = measure_tiles(decode_tiles(batch.column("image")), pixel_nm)
        columns = {
            "synapse_id": batch.column("synapse_id"),
            "brain_region": pa.array([region] * batch.num_rows, pa.string()),
            "tile_hash": batch.column("tile_hash"),
            **{name: pa.array(column, from_pandas=True) for name, column in measured.items()},
        }
        yield TILE_ATTRIBUTES.conform(pa.table(columns))


def _rows_match(table: pa.Table, tiles: pa.Table) -> Check:
    measured = _of_these_pictures(table, tiles).num_rows
    return Check(
        "rows_match",
        measured == table.num_rows == tiles.num_rows,
        f"{table.num_rows:,} rows for {tiles.num_rows:,} tiles, {measured:,} of the picture stored now",
        numbers={"rows": table.num_rows, "tiles": tiles.num_rows},
    )


def _medians(table: pa.Table) -> str:
    lines = []
    for column in ATTRIBUTES:
        values = table.column(column.name).drop_null()
        median = f"{pc.quantile(values, 0.5)[0].as_py():.3g}" if len(values) else None
        lines.append([column.name, median, f"{table.column(column.name).null_count:,}"])
    return markdown_table(["attribute", "median", "not measurable"], lines)


def _in_words(table: pa.Table) -> str:
    """What differs first, the larger effect first."""
    rows = sorted(table.to_pylist(), key=lambda row: (not row["differs"], -abs(row["effect"] or 0.0)))
    return "\n".join(f"- {row['sentence']}" for row in rows)
