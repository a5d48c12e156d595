"""Which pages of the explorer a site has, and why it has not the others: said on its page `about`, by `export-site` and in the guide."""

from collections.abc import Mapping
from dataclasses import dataclass

from synapse_assets.datasets import Dataset, chain_of

SITE_PAGES = ("map", "search", "gallery", "clusters", "classes")
"""Pages that a visitor's browser makes from files."""


@dataclass(frozen=True)
class NotExported:
    """A page or function of the explorer that a site has not. title: how it is called; reason: why, as the end of a sentence. table: the
    one that has its numbers, "" for none."""

    title: str
    reason: str
    table: str = ""


_VOLUMES = "a server cuts what it shows out of volumes of many gigabytes"
NOT_EXPORTED: Mapping[str, NotExported] = {
    "upload": NotExported(
        "Search with a picture or a place", "making a vector of a new picture needs the encoder and the volume"
    ),
    "neurons": NotExported(
        "Neurons", "a server sorts and filters the answers, and makes a page of each", "neuron_answers"
    ),
    "classifiers": NotExported("Classifiers", "it is for whoever trains networks", "classifier_comparison"),
    "explanations": NotExported(
        "Explanations", "maps over tiles are computed with the classifier when they are asked for", "explanation_checks"
    ),
    "differences": NotExported("Differences", "a server chooses and draws its examples", "class_differences"),
    "scorecard": NotExported(
        "Scorecard", "it searches with the vectors of several encoders, of which a site has one", "retrieval_scorecard"
    ),
    "pictures": NotExported(
        "Pictures", "a server cuts and colours the layers of stained pictures", "image_predictions"
    ),
    "stain_scores": NotExported("Scores", "it opens stained pictures", "stain_scores"),
    "compounds": NotExported("Compounds", "it opens stained pictures", "compounds"),
    "sections": NotExported("Sections", _VOLUMES, "probability_maps"),
    "sites": NotExported("Sites", _VOLUMES, "synapses"),
    "detectors": NotExported("Detectors", _VOLUMES, "detector_scores"),
    "labelling": NotExported("Labelling", "it writes, and knows who answered"),
    "report": NotExported(
        "Report",
        "it prints the dataset file and private columns; what synapse-assets report writes can be published by itself",
    ),
}
"""By the last part of their addresses, or by a name of their own; everything that the explorer has and `SITE_PAGES` has not."""


def not_exported(dataset: Dataset) -> list[NotExported]:
    """Of what the explorer has of a dataset, what its site has not."""
    has = {*chain_of(dataset).pages_of(dataset), "report"}
    if "search" in has and dataset.tile_volumes:
        has.add("upload")
    if getattr(dataset, "labelling", None):
        has.add("labelling")
    return [missing for name, missing in NOT_EXPORTED.items() if name in has]
