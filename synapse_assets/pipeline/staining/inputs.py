"""What a dataset on the staining chain is read from: folders and tables of pictures."""

from synapse_assets.datasets import StainingDataset
from synapse_assets.pipeline.inputs import Input, drawn_version


def staining_inputs(dataset: StainingDataset) -> list[Input]:
    """What the pipeline reads of a dataset and does not make."""
    return [image_source(dataset)]


def image_source(dataset: StainingDataset) -> Input:
    """The pictures, and the tables that name them."""
    text = f"Pictures of {dataset.title}, as the lab holds them. Read by `image_table`.\n\n{dataset.description}"
    addresses = {source.name: source.path for source in dataset.sources}
    fixed = drawn_version(dataset.generate, dataset.seed)
    return Input("image_source", "image_table", text, {"file"}, addresses, dataset.sources, fixed)
