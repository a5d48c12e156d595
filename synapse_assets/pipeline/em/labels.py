"""From tables of neurons to what is known of each synapse: its class, hemilineage and cell type."""

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.inputs import neuron_source
from synapse_assets.pipeline.em.labelling.decisions import with_decisions
from synapse_assets.pipeline.em.synapses import renamed_classes
from synapse_assets.pipeline.inputs import confirm_removed, sources_with_rows
from synapse_assets.pipeline.report import Check, Json, Report, Stopwatch
from synapse_assets.schema import NEURON_SOURCES, NEURONS, SYNAPSE_LABELS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key


def read_neuron_tables(store: DatasetStore, dataset: EmDataset, gone: Sequence[str]) -> Report:
    """Reads the neurons of a dataset, joined by id. Writes the origins too.

    gone: the sources whose files are gone and are meant to be; those whose neurons were removed are a detail of the report
    (`inputs.SOURCES_GONE`). Raises BadInput for what the user has to fix in a table or in the dataset's YAML, ConnectionError for
    an unreachable server.
    """
    from synapse_assets.sources import ClassNames, Tally, join_neurons, provenance, read_neurons

    watch = Stopwatch()
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
    removed = confirm_removed(neuron_source(dataset), dataset.name, without_files, had_rows, gone)
    store.results(NEURONS).write(table)
    store.results(NEURON_SOURCES).write(pa.concat_tables(origins))
    return Report(
        details={
            "labelled_neurons": table.num_rows - table.column("target").null_count,
            "with_hemilineage": table.num_rows - table.column("hemilineage").null_count,
            **renamed_classes(dataset, classes.renamed()),
            **removed,
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        content_version=content_key(table.drop_columns(["source_file"])),
    )


def label_region(store: DatasetStore, dataset: EmDataset, region: str) -> Report:
    """Writes what is known of each synapse of a region, from people's decisions, then from `synapse_table`, and then from its neuron.

    Raises BadInput if the dataset has tables of neurons that were not read.
    """
    from synapse_assets.sources.labels import label_rows

    watch = Stopwatch()
    if dataset.neurons and not store.results(NEURONS).files():
        raise BadInput("the tables of neurons have not been read: materialise the asset 'neurons' first")
    neurons = store.results(NEURONS).read() if dataset.neurons else NEURONS.empty()
    table, disagreeing = label_rows(store.synapse_table.read(region), neurons)
    if dataset.labelling is not None:
        table = with_decisions(store, region, table)
    store.results(SYNAPSE_LABELS).write_partition(region, table)
    targets = Counter(table.column("target").to_pylist())
    labels_agree = Check(
        "labels_agree",
        not disagreeing,
        f"{disagreeing:,} of {table.num_rows:,} synapses have another class in the tables of neurons; their own stays",
        warn=True,
        numbers={"disagreeing": disagreeing},
    )
    return Report(
        details={
            "labelled_rows": table.num_rows - targets[None],
            "classes": Json({str(key): value for key, value in targets.most_common()}),
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        content_version=content_key(table.drop_columns(["brain_region"])),
        checks=[_neurons_known(table, neurons), labels_agree] if dataset.neurons else [labels_agree],
    )


def _neurons_known(labels: pa.Table, neurons: pa.Table) -> Check:
    ids = pc.unique(labels.column("neuron_id")).drop_null()
    known = int(pc.sum(pc.is_in(ids, value_set=neurons.column("neuron_id").combine_chunks())).as_py() or 0)
    description = f"{known:,} of the region's {len(ids):,} neurons are in the tables of neurons"
    if len(ids) and not known:
        description += (
            f", such as {ids[0].as_py()} here and {neurons.column('neuron_id')[0].as_py() if neurons.num_rows else 'none'} there: do "
            "the ids come from the same segmentation? Fix columns.neuron_id or neuron_id_offset in the dataset's YAML"
        )
    numbers = {"known": known, "neurons": len(ids)}
    return Check("neurons_known", bool(known) or not len(ids), description, warn=True, numbers=numbers)
