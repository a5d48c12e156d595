"""From synapse tables to clean synapses per brain region: `synapse_table`, `synapses`, `neurons` and their external sources."""

from collections import Counter
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import Dataset
from synapse_assets.defs.metadata import Stopwatch, check, describe
from synapse_assets.defs.partitions import brain_regions, every_region
from synapse_assets.defs.resources import Installation
from synapse_assets.schema import NEURONS, SYNAPSES, BadInput
from synapse_assets.stores.rows import changed_rows


def source_specs(dataset: Dataset) -> list[dg.AssetSpec]:
    """What the pipeline reads and does not make: the synapse tables and the volumes."""
    from synapse_assets.sources import source_files

    files = {source.name: ", ".join(source_files(source)) for source in dataset.sources}
    volumes = {name: spec.url for name, spec in dataset.volumes.items()}
    common: dict[str, Any] = {"group_name": f"{dataset.name}_1_raw", "owners": ["team:synapse-assets"]}
    return [
        dg.AssetSpec(
            [dataset.name, "synapse_source"],
            description=f"Synapse tables of {dataset.title}, as the lab holds them. Read by `synapse_table`.\n\n{dataset.description}",
            metadata=files,
            kinds={"file"},
            **common,
        ),
        dg.AssetSpec(
            [dataset.name, "em_volume"],
            description=f"Electron-microscopy volume of {dataset.title}: 8-bit grey values. Tiles are cut from it.",
            metadata={**volumes, "voxel_size_nm": str(next(iter(dataset.volumes.values())).voxel_size_nm)},
            kinds={"file"},
            **common,
        ),
    ]


def synapse_assets(dataset: Dataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    regions = brain_regions(dataset)
    table_key, synapses_key = dg.AssetKey([dataset.name, "synapse_table"]), dg.AssetKey([dataset.name, "synapses"])

    @dg.asset(
        **describe(dataset, "2_synapses", "synapse_table", SYNAPSES, {"parquet"}),
        deps=[[dataset.name, "synapse_source"]],
        check_specs=[
            dg.AssetCheckSpec(
                "ids_unique",
                asset=table_key,
                blocking=True,
                description="No synapse id stands for two synapses of the dataset.",
            )
        ],
    )
    def synapse_table(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """All synapses of the dataset, read once from their sources and split by brain region.

        Start here: materialise this asset and the brain regions appear as partitions of the assets downstream. A row is one
        synapse; positions are nanometres. Nothing is stored unless every source could be read and every id is unique.
        """
        from synapse_assets.sources import RegionLimit, RegionNames, read_source

        watch = Stopwatch()
        store = installation.store(dataset.name)
        if dataset.generate == "sample_brain":
            from synapse_assets.sample import draw_sample_brain

            draw_sample_brain(store.raw, seed=dataset.seed)
        read = 0
        limit = RegionLimit(dataset.trial_limit)
        names = RegionNames(dataset.missing_region, dataset.region_names)
        with store.synapse_table.replace() as split:
            for source in dataset.sources:
                for batch in read_source(source, dataset.volumes[source.volume], names):
                    read += batch.num_rows
                    split.write(limit.keep(batch))
                context.log.info(f"source {source.name}: {read:,} synapses read so far")
        rows = store.synapse_table.regions()
        kept = sum(rows.values())
        context.instance.add_dynamic_partitions(str(regions.name), sorted(rows))
        table = "\n".join(
            f"| {region} | {count:,} |" for region, count in sorted(rows.items(), key=lambda item: -item[1])
        )
        return dg.MaterializeResult(
            metadata={
                **watch.numbers(kept, read),
                "dagster/row_count": kept,
                "regions": len(rows),
                "left_out_by_trial_limit": read - kept,
                "synapses_by_region": dg.MetadataValue.md(f"| brain region | synapses |\n|---|---|\n{table}"),
            },
            data_version=dg.DataVersion(store.synapse_table.version or "none"),
            check_results=[
                check(
                    "ids_unique", True, "Counted over the whole dataset before the split was taken over.", synapses=kept
                )
            ],
        )

    @dg.asset(
        **describe(dataset, "2_synapses", "synapses", SYNAPSES, {"lancedb"}),
        deps=[table_key, [dataset.name, "em_volume"]],
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
        written = deleted = 0
        version = None
        # Once more if the table was split anew meanwhile: what is stored is of the split that is current at the end.
        while version != store.synapse_table.version:
            version = store.synapse_table.version
            rows = store.synapse_table.read(region)
            outside = _outside_volume(dataset, rows)
            if outside.num_rows:
                raise BadInput(_outside_message(dataset, region, rows, outside))
            changed, gone = changed_rows(store.synapses.read(region, SYNAPSES.names), rows)
            commit = store.synapses.replace_region(region, changed, gone)
            written, deleted = written + commit.rows_written, deleted + commit.rows_deleted
        stored = store.synapses.read(region, SYNAPSES.names)
        still_outside = _outside_volume(dataset, stored)
        count = stored.num_rows
        targets = Counter(stored.column("target").to_pylist())
        return dg.MaterializeResult(
            metadata={
                **watch.numbers(count),
                "changed_rows": written,
                "removed_rows": deleted,
                "labelled_rows": count - targets[None],
                "neurons": len(set(stored.column("neuron_id").drop_null().to_pylist())),
                "classes": dg.MetadataValue.json({str(key): value for key, value in targets.most_common()}),
            },
            data_version=dg.DataVersion(store.synapse_table.region_hash(region)),
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

    assets: list[dg.AssetsDefinition] = [synapse_table, synapses]
    if dataset.has_neurons:

        @dg.asset(
            **describe(dataset, "2_synapses", "neurons", NEURONS, {"parquet"}),
            deps=[dg.AssetDep(synapses_key, partition_mapping=every_region())],
        )
        def neurons(installation: Installation) -> dg.MaterializeResult:
            """The neurons of the dataset: hemilineage, known class and number of synapses. A row is one neuron."""
            watch = Stopwatch()
            store = installation.store(dataset.name)
            columns = ["neuron_id", "hemilineage", "target", "brain_region"]
            found = store.synapses.read(None, columns)
            found = found.filter(pc.is_valid(found.column("neuron_id")))
            grouped = found.group_by("neuron_id").aggregate(
                [("hemilineage", "max"), ("target", "max"), ("neuron_id", "count"), ("brain_region", "distinct")]
            )
            table = pa.table(
                {
                    "neuron_id": grouped.column("neuron_id"),
                    "hemilineage": grouped.column("hemilineage_max"),
                    "target": grouped.column("target_max"),
                    "synapses": grouped.column("neuron_id_count"),
                    "brain_regions": grouped.column("brain_region_distinct"),
                }
            )
            store.results(NEURONS).write(NEURONS.conform(table.sort_by("neuron_id")))
            return dg.MaterializeResult(
                metadata={
                    **watch.numbers(table.num_rows),
                    "dagster/row_count": table.num_rows,
                    "labelled_neurons": table.num_rows - table.column("target").null_count,
                }
            )

        assets.append(neurons)
    return assets


def _outside_volume(dataset: Dataset, rows: pa.Table) -> pa.Table:
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


def _outside_message(dataset: Dataset, region: str, rows: pa.Table, outside: pa.Table) -> str:
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
        else "remove or correct them in the source"
    )
    return (
        f"region {region}: {outside.num_rows:,} of {rows.num_rows:,} synapses lie outside volume '{first[0]['volume']}', "
        f"which spans {lo} to {hi} nm: {named} ({first[0]['source_file']}); {remedy}. Nothing was stored."
    )
