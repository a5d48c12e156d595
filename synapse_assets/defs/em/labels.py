"""What is known of synapses and their neurons: `neurons` and `synapse_labels`.

Apart from place and picture, so that a change of labels alone re-runs what depends on labels and nothing else.
"""

from collections import Counter

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.defs.em.synapses import REGION_LABELS, class_settings, renamed_classes
from synapse_assets.defs.inputs import READING_METHOD, Reading, believed_gone, observe_gone, sources_with_rows
from synapse_assets.defs.metadata import Stopwatch, asset, check
from synapse_assets.defs.partitions import brain_regions
from synapse_assets.defs.resources import Installation
from synapse_assets.errors import BadInput
from synapse_assets.schema import NEURON_SOURCES, NEURONS, SYNAPSE_LABELS
from synapse_assets.stores.rows import content_key


def label_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset; `neurons` only where the dataset has tables of neurons."""
    regions = brain_regions(dataset)
    table_key, neurons_key, labels_key = (
        dg.AssetKey([dataset.name, name]) for name in ("synapse_table", "neurons", "synapse_labels")
    )

    known_spec = dg.AssetCheckSpec(
        "neurons_known",
        asset=labels_key,
        partitions_def=regions,
        description="At least some of the region's neurons are in the tables of neurons.",
    )

    @asset(
        dataset,
        "2_synapses",
        "synapse_labels",
        SYNAPSE_LABELS,
        {"parquet"},
        deps=[[dataset.name, REGION_LABELS], *([neurons_key] if dataset.neurons else [])],
        partitions_def=regions,
        check_specs=[
            *([known_spec] if dataset.neurons else []),
            dg.AssetCheckSpec(
                "labels_agree",
                asset=labels_key,
                partitions_def=regions,
                description="Where the synapse table and the tables of neurons both name a class, they name the same.",
            ),
        ],
    )
    def synapse_labels(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """What is known of each synapse of one brain region: its class, hemilineage and cell type. A row is one synapse.

        What the synapse table itself says of a synapse counts first; the rest comes from its neuron, joined by id.
        """
        from synapse_assets.sources.labels import label_rows

        watch = Stopwatch()
        store = installation.store(dataset.name)
        region = context.partition_key
        if dataset.neurons and not store.results(NEURONS).files():
            raise BadInput("the tables of neurons have not been read: materialise the asset 'neurons' first")
        neurons = store.results(NEURONS).read() if dataset.neurons else NEURONS.empty()
        table, disagreeing = label_rows(store.synapse_table.read(region), neurons)
        store.results(SYNAPSE_LABELS).write_partition(region, table)
        targets = Counter(table.column("target").to_pylist())
        return dg.MaterializeResult(
            metadata={
                **watch.numbers(table.num_rows),
                "labelled_rows": table.num_rows - targets[None],
                "classes": dg.MetadataValue.json({str(key): value for key, value in targets.most_common()}),
            },
            data_version=dg.DataVersion(content_key(table.drop_columns(["brain_region"]))),
            check_results=[
                *([_neurons_known(table, neurons)] if dataset.neurons else []),
                check(
                    "labels_agree",
                    not disagreeing,
                    f"{disagreeing:,} of {table.num_rows:,} synapses have another class in the tables of neurons; their own stays",
                    warn=True,
                    disagreeing=disagreeing,
                ),
            ],
        )

    if not dataset.neurons:
        return [synapse_labels]

    @asset(
        dataset,
        "2_synapses",
        "neurons",
        NEURONS,
        {"parquet"},
        {**hashed_fields(dataset, include={"neurons"}), **class_settings(dataset)},
        method=READING_METHOD,
        deps=[[dataset.name, "neuron_source"], *([table_key] if dataset.generate else [])],
    )
    def neurons(context: dg.AssetExecutionContext, installation: Installation, config: Reading) -> dg.MaterializeResult:
        """The neurons of the dataset: known classes, hemilineage, cell type and side. A row is one neuron.

        Joined by id from the tables of neurons; where two tables tell the same of a neuron, the first counts.
        Where all files of a table are gone, its neurons go only if `gone` names it.
        """
        from synapse_assets.sources import ClassNames, Tally, join_neurons, provenance, read_neurons

        watch = Stopwatch()
        store = installation.store(dataset.name)
        classes = ClassNames(dataset.names_transmitters)
        tables, origins, without_files = [], [], []
        for source in dataset.neurons:
            tally = Tally()
            tables.append(read_neurons(source, tally, store.raw, classes))
            origins.append(provenance(source, tally))
            if not tally.files:
                without_files.append(source.name)
        table = NEURONS.conform(join_neurons(tables))
        had_rows = sources_with_rows(store.results(NEURON_SOURCES).read())
        gone = believed_gone(dataset, "neurons", without_files, had_rows, config)
        if gone:
            observe_gone(context, dataset, "neurons")
        store.results(NEURONS).write(table)
        store.results(NEURON_SOURCES).write(pa.concat_tables(origins))
        return dg.MaterializeResult(
            metadata={
                **watch.numbers(table.num_rows),
                "dagster/row_count": table.num_rows,
                "labelled_neurons": table.num_rows - table.column("target").null_count,
                "with_hemilineage": table.num_rows - table.column("hemilineage").null_count,
                **renamed_classes(dataset, classes.renamed()),
                **gone,
            },
            data_version=dg.DataVersion(content_key(table.drop_columns(["source_file"]))),
        )

    return [neurons, synapse_labels]


def _neurons_known(labels: pa.Table, neurons: pa.Table) -> dg.AssetCheckResult:
    here = pc.unique(labels.column("neuron_id")).drop_null()
    known = int(pc.sum(pc.is_in(here, value_set=neurons.column("neuron_id").combine_chunks())).as_py() or 0)
    told = f"{known:,} of the region's {len(here):,} neurons are in the tables of neurons"
    if len(here) and not known:
        told += (
            f", such as {here[0].as_py()} here and {neurons.column('neuron_id')[0].as_py() if neurons.num_rows else 'none'} there: do "
            "the ids come from the same segmentation? Mend columns.neuron_id or neuron_id_offset in the dataset's YAML"
        )
    return check("neurons_known", bool(known) or not len(here), told, warn=True, known=known, neurons=len(here))
