"""Every asset of every chain, from the definitions that Dagster loads: of datasets that have everything a dataset may have."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from markdown import code, escaped

from synapse_assets.datasets import CHAINS, Chain, Dataset, chain_of, load_dataset
from synapse_assets.definitions import build_definitions
from synapse_assets.settings import Settings

# The chains in the order of the pages, as a reader knows them.
TITLES = {
    "em": "EM volumes",
    "morphology": "Synapses without images",
    "staining": "Stained neurons",
    "detection": "Detection",
}
# A dataset of each chain, and what it lacks of the fields that decide which assets there are.
_FULLEST: dict[str, tuple[str, dict[str, object]]] = {
    "em": (
        "sample_labelling",
        {
            "networks": {"network": {"architecture": "em_resnet10"}},
            "transfer_from": {"other": {"voxel_size_nm": [4, 4, 40]}},
            "mitochondria_from": "other",
            "labelling": {"vae": {}},
        },
    ),
    "morphology": ("sample_cbp", {}),
    "staining": ("sample_staining", {}),
    "detection": ("sample_detection", {}),
}


def chains() -> list[Chain]:
    """The chains of the package, the one with electron-microscopy volumes first."""
    return sorted(CHAINS.values(), key=lambda chain: list(TITLES).index(chain.name))


def fullest() -> Iterator[Dataset]:
    """A dataset of each chain that has every asset of it. Nothing is read or written at the root."""
    for chain in chains():
        packaged, more = _FULLEST[chain.name]
        dataset = load_dataset(packaged, "/nowhere")
        yield type(dataset).model_validate({**dict(dataset), **more, "publish": {"site": True}})


def markdown() -> str:
    """A section a chain, in it one a stage: each asset, what it is partitioned by, and what it is."""
    datasets = list(fullest())
    graph = build_definitions(Settings(data_root="/nowhere", datasets=[]), datasets=datasets).resolve_asset_graph()
    nodes = [graph.get(key) for key in sorted(graph.get_all_asset_keys())]
    sections = []
    for dataset in datasets:
        chain = chain_of(dataset)
        order = {name: at for at, name in enumerate(chain.facts)}
        own = [node for node in nodes if node.key.path[0] == dataset.name]
        own.sort(key=lambda node: (node.group_name, order.get(node.key.path[-1], -1)))
        sections.append(f"## {TITLES[chain.name]}")
        for stage, found in groupby(own, key=lambda node: str(node.group_name)):
            sections.append(f"### {stage.removeprefix(dataset.name + '_').replace('_', ' ')}")
            sections += [_asset(node, dataset, chain.part.replace("_", " ")) for node in found]
    return "\n\n".join(sections)


def _asset(node: Any, dataset: Dataset, part: str) -> str:
    """A term and what it means, without the pictures and tables that only the lineage page shows."""
    text = (node.description or "").replace(dataset.description.strip(), "")
    text = text.replace(dataset.title, "the dataset").replace(f"{dataset.name}_", "<dataset>_")
    paragraphs = [
        escaped(part) for part in text.split("\n\n") if part.strip() and not part.lstrip().startswith(("|", "!"))
    ]
    each = node.partitions_def
    of = (
        ""
        if each is None
        else ", one for each round"
        if str(getattr(each, "name", "")).endswith("_round")
        else f", one for each {part}"
    )
    return f"{code(node.key.path[-1])}{of}\n: " + "\n\n  ".join(paragraphs)
