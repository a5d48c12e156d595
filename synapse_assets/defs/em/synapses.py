"""From synapse tables to clean synapses per brain region: `synapse_table`, `synapses`, and the external inputs of the chain."""

import json
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import CaveSource, EmDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.defs.inputs import READING_METHOD, Reading, believed_gone, observe_gone, sources_with_rows
from synapse_assets.defs.metadata import Stopwatch, asset, check, progress_logger
from synapse_assets.defs.partitions import brain_regions
from synapse_assets.defs.parts import PartContent
from synapse_assets.defs.resources import Installation
from synapse_assets.errors import BadInput
from synapse_assets.schema import BRAIN_REGIONS, SYNAPSE_SOURCES, SYNAPSE_TABLE, SYNAPSES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import changed_rows, content_key

# Content of `synapse_table` by brain region, apart for what `synapses` and what `synapse_labels` are made from.
REGION_SITES = "region_sites"
REGION_LABELS = "region_labels"


def region_content(dataset: EmDataset) -> PartContent:
    """What `synapse_table` holds of each brain region. A region that the sources no longer name has content too: none."""
    regions = brain_regions(dataset)

    def find_regions(store: DatasetStore, instance: dg.DagsterInstance) -> list[str]:
        present = sorted(store.synapse_table.regions())
        instance.add_dynamic_partitions(str(regions.name), present)
        return sorted({*present, *instance.get_dynamic_partitions(str(regions.name))})

    def content_of(store: DatasetStore, region: str) -> dict[str, tuple[str, int]]:
        split = store.synapse_table
        rows = split.regions().get(region, 0)
        versions = {REGION_SITES: split.site_hash(region), REGION_LABELS: split.label_hash(region)}
        return {name: (version or "no synapses", rows) for name, version in versions.items()}

    described = {
        REGION_SITES: "The synapses that the tables name in each brain region: their places and neurons",
        REGION_LABELS: "The classes that the tables name for the synapses of each brain region",
    }
    return PartContent(dataset.name, "synapse_table", described, regions, find_regions, content_of)


def synapse_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    regions = brain_regions(dataset)
    table_key, synapses_key = dg.AssetKey([dataset.name, "synapse_table"]), dg.AssetKey([dataset.name, "synapses"])

    @asset(
        dataset,
        "2_synapses",
        "synapse_table",
        SYNAPSE_TABLE,
        {"parquet"},
        _settings(dataset),
        method=READING_METHOD,
        deps=[[dataset.name, "synapse_source"]],
        check_specs=[
            dg.AssetCheckSpec(
                "one_row_per_site",
                asset=table_key,
                description="No two synapses lie at the same position: a site with several partners would count several times. "
                "merge_partners keeps one row of those that share region, neuron and position.",
            ),
            dg.AssetCheckSpec(
                "regions_known",
                asset=table_key,
                description="Every region is one of the dataset's vocabulary, where it has one. Unknown names are kept.",
            ),
        ],
    )
    def synapse_table(
        context: dg.AssetExecutionContext, installation: Installation, config: Reading
    ) -> dg.MaterializeResult:
        """All synapses of the dataset, read once from their sources and split by brain region.

        Start here: materialise this asset and the brain regions appear as partitions of the assets downstream. A row is one
        synapse; positions are nanometres. Nothing is stored unless every source could be read and every id is unique.
        Where all files of a source are gone, its rows go only if `gone` names it.
        """
        from synapse_assets.sources import ClassNames, RegionLimit, RegionNames, Tally, provenance, read_source

        watch = Stopwatch()
        store = installation.store(dataset.name)
        if dataset.generate == "sample_brain":
            from synapse_assets.sample import draw_sample_brain

            draw_sample_brain(store.raw, seed=dataset.seed)
        read = written = 0
        limit = RegionLimit(dataset.trial_limit)
        names = RegionNames(dataset.missing_region, dataset.region_names, dataset.region_vocabulary)
        classes = ClassNames(dataset.names_transmitters)
        origins = []
        without_files = []
        with store.synapse_table.replace(dataset.merge_partners) as split:
            for source in dataset.sources:
                tally = Tally()
                progress = progress_logger(context.log.info, f"source {source.name}: synapses")
                for batch in read_source(source, dataset.volumes[source.volume], names, tally, store.raw, classes):
                    within = limit.keep(batch)
                    split.write(within)
                    written += within.num_rows
                    progress(tally.rows)
                read += tally.rows
                if not tally.files and not isinstance(source, CaveSource):
                    without_files.append(source.name)
                origins.append(provenance(source, tally, dataset.volumes[source.volume]))
            had_rows = {*store.synapse_table.sources(), *sources_with_rows(store.results(SYNAPSE_SOURCES).read())}
            gone = believed_gone(dataset, "synapse_table", without_files, had_rows, config)
        if gone:
            observe_gone(context, dataset, "synapse_table")
        rows = store.synapse_table.regions()
        kept, places = sum(rows.values()), store.synapse_table.places()
        regions_table = names.table(rows)
        store.results(BRAIN_REGIONS).write(regions_table)
        store.results(SYNAPSE_SOURCES).write(pa.concat_tables(origins))
        for observation in region_content(dataset).observations(store, context.instance):
            context.log_event(observation)
        unknown = [row["brain_region"] for row in regions_table.to_pylist() if not row["known"]]
        if not dataset.region_vocabulary:
            unknown = []
        return dg.MaterializeResult(
            metadata={
                **watch.numbers(kept, read),
                "dagster/row_count": kept,
                "regions": len(rows),
                "left_out_by_trial_limit": read - written,
                "partners_merged": written - kept,
                "synapses_by_region": dg.MetadataValue.md(_regions_shown(regions_table)),
                "files": dg.MetadataValue.md(_files_shown(origins)),
                **renamed_classes(dataset, classes.renamed()),
                **gone,
            },
            data_version=dg.DataVersion(store.synapse_table.version or "none"),
            check_results=[
                check(
                    "one_row_per_site",
                    places == kept,
                    f"{kept:,} synapses at {places:,} positions"
                    + (
                        ""
                        if places == kept or dataset.merge_partners
                        else "; merge_partners: true in the YAML merges them"
                    ),
                    warn=True,
                    positions=places,
                ),
                check(
                    "regions_known",
                    not unknown and not set(rows) <= {dataset.missing_region},
                    _regions_told(dataset, unknown, rows),
                    warn=True,
                    unknown=len(unknown),
                ),
            ],
        )

    @asset(
        dataset,
        "2_synapses",
        "synapses",
        SYNAPSES,
        {"lancedb"},
        deps=[[dataset.name, REGION_SITES], [dataset.name, "em_volume"]],
        partitions_def=regions,
        check_specs=[
            dg.AssetCheckSpec(
                "coordinates_inside_volume",
                asset=synapses_key,
                blocking=True,
                partitions_def=regions,
                description="Every synapse of the region lies inside its electron-microscopy volume.",
            ),
            dg.AssetCheckSpec(
                "has_synapses",
                asset=synapses_key,
                partitions_def=regions,
                description="The region has at least one synapse.",
            ),
        ],
    )
    def synapses(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The synapses of one brain region, checked against the volume. A row is one synapse; positions are nanometres.

        Materialising a region again replaces exactly its rows. A synapse that the source has moved to another region leaves
        the old one. A region that no longer has synapses becomes empty.
        """
        watch = Stopwatch()
        store = installation.store(dataset.name)
        region = context.partition_key
        written = deleted = left_outside = 0
        version = None
        # Once more if the table was split anew meanwhile: what is stored is of the split that is current at the end.
        while version != store.synapse_table.version:
            version = store.synapse_table.version
            rows = store.synapse_table.read(region, SYNAPSES.names)
            outside = _outside_volume(dataset, rows)
            if outside.num_rows and (not dataset.leave_out_outside or outside.num_rows == rows.num_rows):
                raise BadInput(_outside_message(dataset, region, rows, outside))
            left_outside = outside.num_rows
            rows = rows.filter(
                pc.invert(pc.is_in(rows.column("synapse_id"), outside.column("synapse_id").combine_chunks()))
            )
            changed, gone = changed_rows(store.synapses.read(region, SYNAPSES.names), rows)
            commit = store.synapses.replace_region(region, changed, gone)
            written, deleted = written + commit.rows_written, deleted + commit.rows_deleted
        stored = store.synapses.read(region, SYNAPSES.names)
        still_outside = _outside_volume(dataset, stored)
        count = stored.num_rows
        return dg.MaterializeResult(
            metadata={
                **watch.numbers(count),
                "changed_rows": written,
                "removed_rows": deleted,
                "left_out_outside_volume": left_outside,
                "neurons": len(set(stored.column("neuron_id").drop_null().to_pylist())),
            },
            # What was left out depends on the volume, which the table knows nothing of.
            data_version=dg.DataVersion(
                store.synapse_table.site_hash(region)
                + (f"-{content_key(stored.select(['synapse_id']))}" if left_outside else "")
            ),
            check_results=[
                check(
                    "coordinates_inside_volume",
                    not still_outside.num_rows,
                    "Stored positions read back.",
                    outside=still_outside.num_rows,
                ),
                check("has_synapses", count > 0, f"{count:,} synapses", warn=True, synapses=count),
            ],
        )

    return [synapse_table, synapses]


def renamed_classes(dataset: EmDataset, renamed: dict[str, int]) -> dict[str, Any]:
    """Metadata of an asset that reads classes: what became another name, and a question where the dataset does not say what they are."""
    told: dict[str, Any] = {"classes_renamed": dg.MetadataValue.json(renamed)}
    if renamed and not dataset.target_is_said:
        told["target_not_said"] = (
            "the dataset's YAML does not say what its classes are, so short names of neurotransmitters became the long ones: "
            "say target: neurotransmitter, or what the classes are instead, and their names stay"
        )
    return told


def class_settings(dataset: EmDataset) -> dict[str, Any]:
    """What decides the names of classes beside the sources; nothing where they are transmitters, as they always were."""
    return {} if dataset.names_transmitters else {"transmitters": False}


def _regions_told(dataset: EmDataset, unknown: list[str], rows: dict[str, int]) -> str:
    if not rows:
        return "no synapses: the sources name no files now, or files without rows"
    if set(rows) == {dataset.missing_region}:
        return f"no source names a region: all synapses are in {dataset.missing_region}. Name columns.brain_region in the YAML"
    if not dataset.region_vocabulary:
        return "no region_vocabulary is given, so names are kept as they are"
    told = f"unknown, kept as they are: {', '.join(unknown)}; a name may lack its side, region_names gives others"
    return told if unknown else "all known"


def _settings(dataset: EmDataset) -> dict[str, Any]:
    """What decides how the tables of synapses are read."""
    decides = {
        "sources",
        "missing_region",
        "region_vocabulary",
        "region_names",
        "merge_partners",
        "trial_limit",
        "seed",
    }
    volumes = {name: (spec.voxel_size_nm, spec.space) for name, spec in dataset.volumes.items()}
    return {**hashed_fields(dataset, include=decides), "volumes": volumes, **class_settings(dataset)}


def _regions_shown(regions: pa.Table) -> str:
    lines = [
        f"| {row['brain_region']} | {row['synapses']:,} | {row['source_name'] or ''} | {row['full_name'] or ''} | "
        f"{row['region_group'] or ''} |"
        for row in sorted(regions.to_pylist(), key=lambda row: -row["synapses"])
    ]
    return "\n".join(["| brain region | synapses | in the source | name | group |", "|---|---|---|---|---|", *lines])


def _files_shown(origins: list[pa.Table]) -> str:
    lines = []
    for row in pa.concat_tables(origins).to_pylist():
        left_out = ", ".join(f"{reason}: {rows:,}" for reason, rows in json.loads(row["left_out"]).items()) or "none"
        facts = [row["source"], row["file"], f"{row['rows']:,}", left_out, row["units"] or "", row["space"] or ""]
        lines.append("| " + " | ".join([*facts, row["sha256"][:12]]) + " |")
    return "\n".join(
        ["| source | file | rows | left out | units | space | sha256 |", "|---|---|---|---|---|---|---|", *lines]
    )


def _outside_volume(dataset: EmDataset, rows: pa.Table) -> pa.Table:
    """The rows whose point lies outside the volume they name."""
    import numpy as np

    from synapse_assets.volumes import open_volume

    outside = np.zeros(rows.num_rows, dtype=bool)
    names = rows.column("volume").to_numpy(zero_copy_only=False)
    points_nm = np.stack([rows.column(axis).to_numpy() for axis in ("x_nm", "y_nm", "z_nm")], axis=1)
    for name in np.unique(names):
        inside = names == name
        outside[inside] = ~open_volume(dataset.volumes[name]).contains(points_nm[inside])
    return rows.filter(pa.array(outside))


def _outside_message(dataset: EmDataset, region: str, rows: pa.Table, outside: pa.Table) -> str:
    from synapse_assets.volumes import open_volume

    first = outside.slice(0, 3).to_pylist()
    volume = open_volume(dataset.volumes[first[0]["volume"]])
    lo, hi = (tuple((edge * volume.voxel_size_nm).round().astype(int).tolist()) for edge in volume.bounds_voxels)
    named = "; ".join(
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
        f"which spans {lo} to {hi} nm: {named} ({first[0]['source_file']}); {remedy}. Nothing was stored."
    )
