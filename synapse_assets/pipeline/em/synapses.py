"""From the tables of synapses to the clean synapses of each region, checked against the volumes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from logging import Logger
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import CaveSource, EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.inputs import synapse_source
from synapse_assets.pipeline.em.label_volumes import LabelLookUp
from synapse_assets.pipeline.inputs import confirm_removed, sources_with_rows
from synapse_assets.pipeline.report import (
    Check,
    Detail,
    Json,
    Markdown,
    Report,
    Stopwatch,
    markdown_table,
    progress_logger,
)
from synapse_assets.schema import BRAIN_REGIONS, SYNAPSE_SOURCES, SYNAPSES
from synapse_assets.stores import Commit, DatasetStore
from synapse_assets.stores.rows import changed_rows, content_key

if TYPE_CHECKING:
    from synapse_assets.sources import ClassNames, RegionNames

# Content of `synapse_table` by region, apart for what `synapses` and what `synapse_labels` are made from.
REGION_SITES = "region_sites"
REGION_LABELS = "region_labels"
_PLACE = ["volume", "x_nm", "y_nm", "z_nm"]
_EXAMINED_ROWS = 2**16


@dataclass(frozen=True)
class _Split:
    """What reading the sources gave: rows read, and rows of them within the trial limit; where they came from
    (`schema.SYNAPSE_SOURCES`); details on sources whose files are gone."""

    rows_read: int
    rows_written: int
    origins: pa.Table
    gone: dict[str, str]


def read_synapse_tables(store: DatasetStore, dataset: EmDataset, gone: Sequence[str], log: Logger) -> Report:
    """Reads all synapses of a dataset from its sources, split by region. Writes the regions and the origins too.

    gone: the sources whose files are gone and are meant to be; those whose rows were removed are a detail of the report
    (`inputs.SOURCES_GONE`). Nothing is stored unless every source could be read. Raises BadInput for what the user has to fix in
    a source or in the dataset's YAML, ConnectionError for an unreachable server.
    """
    from synapse_assets.sources import ClassNames, RegionNames

    watch = Stopwatch()
    if dataset.generate is not None:
        from synapse_assets.sample import draw_sample_brain, draw_sample_deep_brain, draw_sample_labelling

        draws = {
            "sample_brain": draw_sample_brain,
            "sample_deep_brain": draw_sample_deep_brain,
            "sample_labelling": draw_sample_labelling,
        }
        draw = draws[dataset.generate]
        draw(store.raw, seed=dataset.seed)
    names = RegionNames(dataset.missing_region, dataset.region_names, dataset.region_vocabulary)
    labels = LabelLookUp(dataset, names)
    classes = ClassNames(dataset.names_transmitters)
    split = _split_sources(store, dataset, names, labels, classes, gone, log)
    rows = store.synapse_table.regions()
    stored_rows = sum(rows.values())
    regions = names.table(rows)
    store.results(BRAIN_REGIONS).write(regions)
    store.results(SYNAPSE_SOURCES).write(split.origins)
    return Report(
        details={
            "regions": len(rows),
            "left_out_by_trial_limit": split.rows_read - split.rows_written,
            "partners_merged": split.rows_written - stored_rows,
            "synapses_by_region": Markdown(_regions_markdown(regions)),
            "files": Markdown(_files_markdown(split.origins)),
            **labels.details(),
            **renamed_classes(dataset, classes.renamed()),
            **split.gone,
        },
        seconds=watch.seconds,
        rows=stored_rows,
        computed_rows=split.rows_read,
        content_version=store.synapse_table.version or "none",
        checks=[
            _one_row_per_site(dataset, store.synapse_table.places(), stored_rows),
            _regions_known(dataset, regions),
        ],
    )


def _split_sources(
    store: DatasetStore,
    dataset: EmDataset,
    names: "RegionNames",
    labels: LabelLookUp,
    classes: "ClassNames",
    gone: Sequence[str],
    log: Logger,
) -> _Split:
    from synapse_assets.sources import RegionLimit, Tally, provenance, read_source

    rows_read = rows_written = 0
    limit = RegionLimit(dataset.trial_limit)
    origins, without_files = [], []
    with store.synapse_table.replace(dataset.merge_partners) as split:
        for source in dataset.sources:
            tally = Tally()
            volume = dataset.volumes[source.volume]
            progress = progress_logger(log.info, f"source {source.name}: synapses")
            for batch in read_source(source, volume, names, tally, store.raw, classes):
                limited = limit.keep(labels.fill(batch, source.volume))
                split.write(limited)
                rows_written += limited.num_rows
                progress(tally.rows)
            rows_read += tally.rows
            if not tally.files and not isinstance(source, CaveSource):
                without_files.append(source.name)
            origins.append(provenance(source, tally, volume))
        had_rows = {*store.synapse_table.sources(), *sources_with_rows(store.results(SYNAPSE_SOURCES).read())}
        removed = confirm_removed(synapse_source(dataset), dataset.name, without_files, had_rows, gone)
    return _Split(rows_read, rows_written, pa.concat_tables(origins), removed)


def region_versions(store: DatasetStore, region: str) -> dict[str, tuple[str, int]]:
    """Content version, and number of synapses, of what `synapse_table` holds of a region: its places (`REGION_SITES`) and its
    classes (`REGION_LABELS`)."""
    split = store.synapse_table
    rows = split.regions().get(region, 0)
    versions = {REGION_SITES: split.site_hash(region), REGION_LABELS: split.label_hash(region)}
    return {name: (version or "no synapses", rows) for name, version in versions.items()}


def store_region_synapses(store: DatasetStore, dataset: EmDataset, region: str) -> Report:
    """Stores the synapses of a region as `synapse_table` has them, once they are checked to lie in their volume.

    Exactly the region's rows are replaced. Raises BadInput, and stores nothing, for synapses outside their volume, unless the
    dataset leaves them out and others are left; ConnectionError for an unreachable volume.
    """
    watch = Stopwatch()
    written = deleted = left_outside = 0
    version = None
    # Repeated if the table was split anew meanwhile: the stored rows are those of the split that is current at the end.
    while version != store.synapse_table.version:
        version = store.synapse_table.version
        commit, left_outside = _replace_synapses(store, dataset, region)
        written, deleted = written + commit.rows_written, deleted + commit.rows_deleted
    stored = store.synapses.read(region, ["synapse_id", "neuron_id", *_PLACE])
    still_outside = _outside_volume(dataset, stored).num_rows
    count = stored.num_rows
    return Report(
        details={
            "changed_rows": written,
            "removed_rows": deleted,
            "left_out_outside_volume": left_outside,
            "neurons": len(pc.unique(stored.column("neuron_id")).drop_null()),
        },
        seconds=watch.seconds,
        rows=count,
        # The rows left out depend on the volume, which the table does not know.
        content_version=store.synapse_table.site_hash(region)
        + (f"-{content_key(stored.select(['synapse_id']))}" if left_outside else ""),
        checks=[
            Check(
                "coordinates_inside_volume",
                not still_outside,
                "Stored positions read back.",
                numbers={"outside": still_outside},
            ),
            Check("has_synapses", count > 0, f"{count:,} synapses", warn=True, numbers={"synapses": count}),
        ],
    )


def _replace_synapses(store: DatasetStore, dataset: EmDataset, region: str) -> tuple[Commit, int]:
    """Stores the rows that changed, and gives the number of those left out since they lie outside their volume."""
    rows = store.synapse_table.read(region, SYNAPSES.names)
    outside = _outside_volume(dataset, rows)
    if outside.num_rows and (not dataset.leave_out_outside or outside.num_rows == rows.num_rows):
        raise BadInput(_outside_message(dataset, region, rows, outside))
    if outside.num_rows:
        known = pc.is_in(rows.column("synapse_id"), value_set=outside.column("synapse_id").combine_chunks())
        rows = rows.filter(pc.invert(known))
    # Not sorted, which takes as much memory again.
    stored = pa.Table.from_batches(store.synapses.batches(region, SYNAPSES.names, _EXAMINED_ROWS), SYNAPSES.arrow)
    changed, removed = changed_rows(stored, rows)
    del rows, stored
    return store.synapses.replace_region(region, changed, removed), outside.num_rows


def renamed_classes(dataset: EmDataset, renamed: dict[str, int]) -> dict[str, Detail]:
    """Details on classes that were read: which were renamed, and a question where the dataset does not say what they are.

    renamed: number of rows by renaming.
    """
    details: dict[str, Detail] = {"classes_renamed": Json(renamed)}
    if renamed and not dataset.target_is_said:
        details["target_not_said"] = (
            "the dataset's YAML does not say what its classes are, so short names of neurotransmitters became the long ones: "
            "say target: neurotransmitter, or what the classes are instead, and their names stay"
        )
    return details


def _one_row_per_site(dataset: EmDataset, positions: int, synapses: int) -> Check:
    single = positions == synapses
    remedy = "" if single or dataset.merge_partners else "; merge_partners: true in the YAML merges them"
    return Check(
        "one_row_per_site",
        single,
        f"{synapses:,} synapses at {positions:,} positions{remedy}",
        warn=True,
        numbers={"positions": positions},
    )


def _regions_known(dataset: EmDataset, regions: pa.Table) -> Check:
    unknown = [row["brain_region"] for row in regions.to_pylist() if not row["known"]]
    if not dataset.region_vocabulary:
        unknown = []
    names = set(regions.column("brain_region").to_pylist())
    return Check(
        "regions_known",
        not unknown and not names <= {dataset.missing_region},
        _regions_description(dataset, unknown, names),
        warn=True,
        numbers={"unknown": len(unknown)},
    )


def _regions_description(dataset: EmDataset, unknown: list[str], names: set[str]) -> str:
    if not names:
        return "no synapses: the sources name no files now, or files without rows"
    if names == {dataset.missing_region}:
        return (
            f"no source names a region: all synapses are in {dataset.missing_region}. Name columns.brain_region in the YAML, or a "
            "volume of regions in labels_from"
        )
    if not dataset.region_vocabulary:
        return "no region_vocabulary is given, so names are kept as they are"
    message = f"unknown, kept as they are: {', '.join(unknown)}; a name may lack its side, region_names gives others"
    return message if unknown else "all known"


def _regions_markdown(regions: pa.Table) -> str:
    rows = sorted(regions.to_pylist(), key=lambda row: -row["synapses"])
    return markdown_table(
        ["brain region", "synapses", "in the source", "name", "group"],
        [
            (row["brain_region"], f"{row['synapses']:,}", row["source_name"], row["full_name"], row["region_group"])
            for row in rows
        ],
    )


def _files_markdown(origins: pa.Table) -> str:
    rows = []
    for row in origins.to_pylist():
        left_out = ", ".join(f"{reason}: {count:,}" for reason, count in json.loads(row["left_out"]).items()) or "none"
        rows.append(
            (
                row["source"],
                row["file"],
                f"{row['rows']:,}",
                left_out,
                row["units"],
                row["space"],
                row["sha256"][:12],
            )
        )
    return markdown_table(["source", "file", "rows", "left out", "units", "space", "sha256"], rows)


def _outside_volume(dataset: EmDataset, rows: pa.Table) -> pa.Table:
    """The rows whose point lies outside the volume they name."""
    import numpy as np

    from synapse_assets.volumes import open_volume

    volumes = {name: open_volume(dataset.volumes[name]) for name in pc.unique(rows.column("volume")).to_pylist()}
    parts = [rows.slice(0, 0)]
    for start in range(0, rows.num_rows, _EXAMINED_ROWS):
        part = rows.slice(start, _EXAMINED_ROWS)
        names = part.column("volume").to_numpy(zero_copy_only=False)
        points_nm = np.stack([part.column(axis).to_numpy() for axis in _PLACE[1:]], axis=1)
        outside = np.zeros(part.num_rows, dtype=bool)
        for name, volume in volumes.items():
            inside = names == name
            outside[inside] = ~volume.contains(points_nm[inside])
        parts.append(part.filter(pa.array(outside)))
    return pa.concat_tables(parts)


def _outside_message(dataset: EmDataset, region: str, rows: pa.Table, outside: pa.Table) -> str:
    from synapse_assets.volumes import open_volume

    first = outside.slice(0, 3).to_pylist()
    volume = open_volume(dataset.volumes[first[0]["volume"]])
    lo, hi = (tuple((edge * volume.voxel_size_nm).round().astype(int).tolist()) for edge in volume.bounds_voxels)
    examples = "; ".join(
        f"{row['synapse_id']} at ({row['x_nm']:.0f}, {row['y_nm']:.0f}, {row['z_nm']:.0f}) nm" for row in first
    )
    remedy = (
        "all of them: are the coordinates voxels where the dataset's YAML says nm (or the other way round), or another space?"
        if outside.num_rows == rows.num_rows
        else "correct them in the source, or set leave_out_outside: true in the dataset's YAML; if all of them lie beyond one side, "
        "the others may be shifted too: see the asset 'alignment'"
    )
    return (
        f"region {region}: {outside.num_rows:,} of {rows.num_rows:,} synapses lie outside volume '{first[0]['volume']}', "
        f"which spans {lo} to {hi} nm: {examples} ({first[0]['source_file']}); {remedy}. Nothing was stored."
    )
