"""What a dataset on the electron-microscopy chain is read from: tables of synapses, volumes, tables of neurons."""

from collections.abc import Sequence

from synapse_assets.datasets import EmDataset, NeuronSource, Source
from synapse_assets.pipeline.inputs import UNWATCHED, Input, drawn_version


def em_inputs(dataset: EmDataset) -> list[Input]:
    """What the pipeline reads of a dataset and does not make."""
    return [synapse_source(dataset), em_volume(dataset), *([neuron_source(dataset)] if dataset.neurons else [])]


def synapse_source(dataset: EmDataset) -> Input:
    """The tables of synapses."""
    text = (
        f"Synapse tables of {dataset.title}, as the lab holds them. Read by `synapse_table`.\n\n{dataset.description}"
    )
    addresses = _addresses(dataset.sources)
    fixed = drawn_version(dataset.generate, dataset.seed)
    return Input("synapse_source", "synapse_table", text, {"file"}, addresses, dataset.sources, fixed)


def em_volume(dataset: EmDataset) -> Input:
    """The volumes, whose content is not watched."""
    text = f"Electron-microscopy volume of {dataset.title}: 8-bit grey values. Tiles are cut from it."
    metadata = {name: spec.url for name, spec in dataset.volumes.items()}
    metadata["voxel_size_nm"] = str(next(iter(dataset.volumes.values())).voxel_size_nm)
    return Input(UNWATCHED, "synapses", text, {"file"}, metadata)


def neuron_source(dataset: EmDataset) -> Input:
    """The tables of neurons."""
    text = f"Tables of the neurons of {dataset.title}: known classes, hemilineages, cell types. Read by `neurons`."
    addresses = _addresses(dataset.neurons)
    fixed = drawn_version(dataset.generate, dataset.seed)
    return Input("neuron_source", "neurons", text, {"file"}, addresses, dataset.neurons, fixed)


def _addresses(sources: Sequence[Source | NeuronSource]) -> dict[str, str]:
    from synapse_assets.sources import source_files

    return {source.name: ", ".join(source_files(source)) for source in sources}
