"""What a dataset on the morphology chain is read from: workbooks, and the labels that their study has published."""

from synapse_assets.datasets import MorphologyDataset
from synapse_assets.pipeline.inputs import Input, drawn_version


def morphology_inputs(dataset: MorphologyDataset) -> list[Input]:
    """What the pipeline reads of a dataset and does not make."""
    return [synapse_workbooks(dataset), *published_labels(dataset)]


def synapse_workbooks(dataset: MorphologyDataset) -> Input:
    """The workbooks."""
    from synapse_assets.sources.workbooks import shown_address

    text = f"Workbooks of {dataset.title}, as the lab holds them. Read by `synapses`.\n\n{dataset.description}"
    addresses = {book.name: shown_address(book.path) for book in dataset.workbooks}
    fixed = drawn_version(dataset.generate, dataset.seed)
    return Input("synapse_workbooks", "synapses", text, {"excel"}, addresses, dataset.workbooks, fixed)


def published_labels(dataset: MorphologyDataset) -> list[Input]:
    """The published labels, where the dataset names their file."""
    from synapse_assets.sources.fetching import shown_address

    file = dataset.label_file
    if file is None:
        return []
    text = f"Cluster labels that the study behind {dataset.title} has published. Read by `recipe_comparison`."
    return [Input(file.name, "recipe_comparison", text, {"file"}, {file.name: shown_address(file.path)}, [file])]
