"""From synapse tables to clean synapses per brain region: `synapse_table`, `synapses`, and the content of the table by region."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.datasets.volumes import PATIENCE
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.inputs import Reading, observe_gone
from synapse_assets.defs.partition_content import PartitionContent
from synapse_assets.defs.partitions import partitions_of
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em import synapses as steps
from synapse_assets.pipeline.em.inputs import synapse_source
from synapse_assets.pipeline.inputs import READING_METHOD, SOURCES_GONE, UNWATCHED
from synapse_assets.stores import DatasetStore


def region_content(dataset: EmDataset) -> PartitionContent:
    """What `synapse_table` holds of each brain region. A region that the sources no longer name has content too: none."""
    descriptions = {
        steps.REGION_SITES: "The synapses that the tables name in each brain region: their places and neurons",
        steps.REGION_LABELS: "The classes that the tables name for the synapses of each brain region",
    }
    return PartitionContent(dataset, "synapse_table", descriptions, find_regions(dataset), steps.region_versions)


def find_regions(dataset: EmDataset) -> Callable[[DatasetStore, dg.DagsterInstance], list[str]]:
    """What gives the regions that the table names now, or did before, and registers those that are new."""
    regions = partitions_of(dataset)
    assert isinstance(regions, dg.DynamicPartitionsDefinition)  # noqa: S101 -- the YAML of no such dataset lists regions
    name = str(regions.name)

    def find(store: DatasetStore, instance: dg.DagsterInstance) -> list[str]:
        present = sorted(store.synapse_table.regions())
        instance.add_dynamic_partitions(name, present)
        return sorted({*present, *instance.get_dynamic_partitions(name)})

    return find


def synapse_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""

    @asset(
        dataset,
        "synapse_table",
        _settings(dataset),
        method=READING_METHOD,
        deps=["synapse_source"],
        checks=[
            CheckSpec(
                "one_row_per_site",
                "No two synapses lie at the same position: a site with several partners would count several times. "
                "merge_partners keeps one row of those that share region, neuron and position.",
            ),
            CheckSpec(
                "regions_known",
                "Every region is one of the dataset's vocabulary, where it has one. Unknown names are kept.",
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
        store = installation.store(dataset.name)
        report = steps.read_synapse_tables(store, dataset, config.gone, context.log)
        if SOURCES_GONE in report.details:
            observe_gone(context, dataset.name, synapse_source(dataset))
        for observation in region_content(dataset).observations(store, context.instance):
            context.log_event(observation)
        return materialized(context, report)

    @asset(
        dataset,
        "synapses",
        deps=[steps.REGION_SITES, UNWATCHED],
        checks=[
            CheckSpec(
                "coordinates_inside_volume",
                "Every synapse of the region lies inside its electron-microscopy volume.",
                blocking=True,
            ),
            CheckSpec("has_synapses", "The region has at least one synapse."),
        ],
    )
    def synapses(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The synapses of one brain region, checked against the volume. A row is one synapse; positions are nanometres.

        Materialising a region again replaces exactly its rows. A synapse that the source has moved to another region leaves
        the old one. A region that no longer has synapses becomes empty.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.store_region_synapses(store, dataset, context.partition_key))

    return [synapse_table, synapses]


def class_settings(dataset: EmDataset) -> dict[str, Any]:
    """What decides the names of classes beside the sources; nothing where they are transmitters, as they always were."""
    return {} if dataset.names_transmitters else {"transmitters": False}


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
    labels_from = [
        {**hashed_fields(labels, exclude={"labels"}), "labels": hashed_fields(labels.labels, exclude=PATIENCE)}
        for labels in dataset.labels_from
    ]
    looked_up = {"labels_from": labels_from} if labels_from else {}
    return {**hashed_fields(dataset, include=decides), "volumes": volumes, **looked_up, **class_settings(dataset)}
