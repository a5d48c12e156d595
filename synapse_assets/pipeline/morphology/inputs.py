"""What a dataset on the morphology chain is read from: workbooks."""

from synapse_assets.datasets import MorphologyDataset
from synapse_assets.pipeline.inputs import Input, drawn_version


def morphology_inputs(dataset: MorphologyDataset) -> list[Input]:
    """What the pipeline reads of a dataset and does not make."""
    return [synapse_workbooks(dataset)]


def synapse_workbooks(dataset: MorphologyDataset) -> Input:
    """The workbooks."""
    from synapse_assets.sources.workbooks import shown_address

    text = f"Workbooks of {dataset.title}, as the lab holds them. Read by `synapses`.\n\n{dataset.description}"
    addresses = {book.name: shown_address(book.path) for book in dataset.workbooks}
    fixed = drawn_version(dataset.generate, dataset.seed)
    return Input("synapse_workbooks", "synapses", text, {"excel"}, addresses, dataset.workbooks, fixed)
