"""The sections of a report in their order, and the file that they become."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from synapse_assets import __version__
from synapse_assets.datasets import Dataset
from synapse_assets.query import Warehouse
from synapse_assets.report import beyond, clusters, inputs, maps, repeated, scores, summary, versions
from synapse_assets.report.content import Block, Section, Text
from synapse_assets.report.dataset_file import fingerprint_of
from synapse_assets.report.page import render
from synapse_assets.report.release import LACKS_COLUMNS, Release
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.files import Files
from synapse_assets.stores.releases import frozen_release

REPORT_FILE = "report.html"
"""Its name beside a release."""


@dataclass(frozen=True)
class _Part:
    """A section of every report; with `tables`, those that it is about, only of datasets that can have one of them."""

    anchor: str
    title: str
    make: Callable[[Release], list[Block]]
    tables: tuple[str, ...] = ()


_PARTS = (
    _Part("summary", "Summary", summary.summary),
    _Part("limits", "How far to trust it", summary.limits),
    _Part("inputs", "What went in", inputs.what_went_in),
    _Part("coverage", "What there is", inputs.coverage, ("synapses", "images", "volume_blocks")),
    _Part("alignment", "Do the coordinates fit the pictures", inputs.alignment, ("alignment",)),
    _Part("vectors", "Vectors", maps.vectors, ("embeddings", "retrieval_scorecard")),
    _Part("map", "Map", maps.the_map, ("umap_coordinates", "projection")),
    _Part("clusters", "Clusters", clusters.clusters, ("clusters", "cluster_stability")),
    _Part(
        "classifiers",
        "Scores on what was held out",
        scores.classifiers,
        (
            "splits",
            "synapse_predictions",
            "classifier_comparison",
            "transfer",
            "classifier_scores",
            "stain_scores",
            "detector_scores",
        ),
    ),
    _Part(
        "calibration",
        "Probabilities and answers",
        scores.calibration,
        ("calibration_scores", "neuron_answers", "stain_thresholds"),
    ),
    _Part("leakage", "What else the vectors know", scores.leakage, ("leakage_report",)),
    _Part("explanations", "Explanations", beyond.explanations, ("explanation_checks", "class_differences")),
    _Part(
        "labelling",
        "Labels that people gave",
        beyond.labelling,
        ("label_curve", "label_decisions", "strategy_benchmark", "label_errors", "reviewed_boxes"),
    ),
    _Part("compounds", "Compounds", beyond.compounds, ("compounds",)),
    _Part("upkeep", "Drift and refits", versions.upkeep, ("drift", "promotions")),
    _Part("repeated", "What everybody should see", repeated.repeated),
    _Part("versions", "Versions", versions.versions),
    _Part("reproduction", "The same numbers again", versions.reproduction),
    _Part("citation", "How to cite", versions.citation),
)


@dataclass(frozen=True)
class Written:
    """A report that was written: its path or address, its size, and how many sections it has."""

    address: str
    size_bytes: int
    sections: int


def build_report(store: DatasetStore, dataset: Dataset, release: str | None = None) -> str:
    """The report as HTML, without anything outside of it. release: the name of a frozen one, by default the current one.

    Raises BadInput where nothing was released, or nothing of that name.
    """
    with Warehouse(store, release, dataset) as warehouse:
        return _page(Release(warehouse, store, dataset, release))[0]


def write_report(store: DatasetStore, dataset: Dataset, release: str | None = None, out: Path | None = None) -> Written:
    """Writes `build_report`, in one step: beside the release that it is of as `report.html`, or to the local file `out`.

    Raises BadInput as `build_report` does, and for an `out` whose folder does not exist.
    """
    with Warehouse(store, release, dataset) as warehouse:
        page, sections = _page(Release(warehouse, store, dataset, release))
    folder = store.folder if release is None else frozen_release(store, release)
    name = REPORT_FILE
    if out is not None:
        folder, name = Files(str(out.parent)), out.name
    content = page.encode()
    with folder.replace(name, sweep=out is None) as stream:
        stream.write(content)
    return Written(folder.address(name), len(content), sections)


def _page(release: Release) -> tuple[str, int]:
    """The HTML, and how many sections it has."""
    sections = [made for part in _PARTS if (made := _section(release, part)) is not None]
    content = release.warehouse.release
    facts = {
        "dataset": release.dataset.name,
        "release": f"{release.name or 'current'}, built {str(content.get('created', ''))[:16].replace('T', ' ')} UTC",
        "identifier": release.warehouse.release_id,
        "dataset file": fingerprint_of(release.dataset, release.store),
        "program": f"synapse_assets {__version__}",
        "report made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }
    return render(release.dataset.title, facts, sections), len(sections)


def _section(release: Release, part: _Part) -> Section | None:
    """A section with what the release lacks of it at its end; None where no dataset of this kind has it, or there is nothing to say."""
    if part.tables and not set(part.tables) & set(release.expected) and not release.has_any(part.tables):
        return None
    try:
        blocks = part.make(release)
    except LACKS_COLUMNS:
        blocks = [
            Text(
                "Not assessed: this release, of an earlier version of the program, does not have the columns that this needs."
            )
        ]
    if missing := release.missing(part.tables):
        makers = ", ".join(f"{release.dataset.name}/{release.expected[table].name}" for table in missing)
        blocks = [*blocks, Text(f"Not assessed: the release has no {', '.join(missing)} (made by {makers}).")]
    return Section(part.anchor, part.title, blocks) if blocks else None
