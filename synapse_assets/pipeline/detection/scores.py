"""How well the detectors in use do on what they were not trained on, as tables; and every site of the test as a picture.

Testing belongs to `detector`, which stores what came of it (`tested`); the measures themselves to `analysis.evaluation`.
"""

from collections.abc import Iterator
from logging import Logger
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.datasets import DetectionDataset, TileSpec
from synapse_assets.pipeline.detection.detector import stored_detectors
from synapse_assets.pipeline.detection.stored import MODEL
from synapse_assets.pipeline.detection.tested import BLOCK, DetectorTest, TestedSites
from synapse_assets.pipeline.report import Json, Markdown, Report, Stopwatch
from synapse_assets.schema.detection import DETECTOR_SCORES, EXAMINED_SITES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import model_in_use
from synapse_assets.stores.rows import content_key

if TYPE_CHECKING:
    from synapse_assets.analysis.evaluation.held_out import Choice, Measure

TILE_PX = 96
_VOXEL_MEASURES = ("dice", "iou", "adgt_nm", "adf_nm", "cremi_score")
_WORDS = {
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "pair_f1": "F1 of pairs of a presynaptic and a postsynaptic site",
    "dice": "Dice of voxels",
    "iou": "IoU of voxels",
    "average_precision": "average precision at an IoU of .5",
    "adgt_nm": "mean distance of marked voxels to the nearest annotated one",
    "adf_nm": "mean distance of annotated voxels to the nearest marked one",
    "cremi_score": "CREMI score, the mean of both distances",
}
_HEADLINE = ("f1", "recall", "dice", "adgt_nm", "adf_nm", "pair_f1")


def score_detectors(store: DatasetStore, dataset: DetectionDataset, log: Logger) -> Report:
    """Tables how every detector in use was tested, and cuts a tile of each site of the test.

    Raises BadInput if no detectors are fitted, ConnectionError for an unreachable volume. Where none could be, both tables are empty.
    """
    watch = Stopwatch()
    models = store.models(MODEL)
    version = model_in_use(models, f"materialise the asset '{MODEL}' first")
    folder = models.path(version)
    tests = {name: DetectorTest.load(folder / name) for name in stored_detectors(models, version)}
    rows = [row for name, test in tests.items() for row in _score_rows(name, version, test, dataset)]
    scores = DETECTOR_SCORES.conform(pa.Table.from_pylist(rows, schema=DETECTOR_SCORES.arrow))
    sites = pa.concat_tables(
        [EXAMINED_SITES.empty()]
        + [
            _site_rows(name, version, target, examined, dataset)
            for name, test in tests.items()
            for target, examined in test.sites.items()
        ]
    )
    store.results(DETECTOR_SCORES).write(scores)
    store.results(EXAMINED_SITES).write(sites)
    sentences = [row["sentence"] for row in rows if row["measure"] in _HEADLINE and row["objects"] == "limited"]
    for sentence in sentences:
        log.info(sentence)
    return Report(
        details={
            "version": version,
            "scores": Markdown("\n".join(f"- {sentence}" for sentence in sentences) or "none"),
            "rules": Json({name: _rules(test) for name, test in tests.items()}),
            "sites": sites.num_rows,
        },
        seconds=watch.seconds,
        rows=scores.num_rows,
        computed_rows=scores.num_rows + sites.num_rows,
        content_version=content_key(scores, content_key(sites.drop_columns(["tile"])), version),
    )


def _rules(test: DetectorTest) -> dict[str, Any]:
    """By which rules it is applied, and by which each part was tested."""
    parts = {str(part): _in_words(choice) for part, choice in test.choices.get(BLOCK, {}).items()}
    return {"in use": f"{_in_words(test.applied)}, chosen on {test.applied.by}", "parts": parts}


def _in_words(choice: "Choice") -> str:
    least = f", {choice.min_nm3:,.0f} nm³ at least" if choice.min_nm3 else ""
    return f"probability {choice.threshold:.2f}{least}"


def _score_rows(name: str, version: str, test: DetectorTest, dataset: DetectionDataset) -> Iterator[dict[str, Any]]:
    for split, measures in test.measures.items():
        thresholds = [choice.threshold for choice in test.choices[split].values()]
        for one in measures:
            yield {
                "detector": name,
                "version": version,
                "target": one.target,
                "split": split,
                "measure": one.measure,
                "objects": one.objects,
                "value": one.value,
                "low": one.low,
                "high": one.high,
                "annotated": one.annotated,
                "found": one.found,
                "tolerance_nm": None if one.measure in _VOXEL_MEASURES else test.tolerance_nm,
                "threshold": float(np.median(thresholds)),
                "sentence": _sentence(name, split, one, test, dataset),
            }


def _sentence(name: str, split: str, one: "Measure", test: DetectorTest, dataset: DetectionDataset) -> str:
    unit = " nm" if one.measure in ("adgt_nm", "adf_nm", "cremi_score") else ""
    digits = 1 if unit else 3
    value = "could not be asked" if one.value is None else f"{one.value:.{digits}f}{unit}"
    if one.value is not None and one.low is not None:
        value += f" [{one.low:.{digits}f}, {one.high:.{digits}f}]"
    elif one.value is not None and not unit:
        value += " (no interval: below 8 objects)"
    matched = (
        ""
        if one.measure in _VOXEL_MEASURES
        else f", matched one to one within {test.tolerance_nm:g} nm"
        if test.balls
        else f", matched one to one by overlap (IoU of .1) or within {test.tolerance_nm:g} nm"
    )
    if one.measure == "average_precision":
        matched = ""
    sizes = "" if test.balls else " (within the limits of size)" if one.objects == "limited" else " (of all sizes)"
    of_split = (
        f"{test.parts[0]} of {test.parts[1]} parts of the annotated volumes held out, one at a time"
        if split == BLOCK
        else "the last fifth of the sections held out, which shows the objects that it was trained on and flatters"
    )
    return (
        f"{name} of {dataset.name}, {one.target}: {_WORDS[one.measure]} {value}; {one.annotated:,} annotated objects, {one.found:,} "
        f"found{sizes}{matched}; {of_split}; seed {test.seed}"
    )


def _site_rows(name: str, version: str, target: str, sites: TestedSites, dataset: DetectionDataset) -> pa.Table:
    """`schema.detection.EXAMINED_SITES` of one target."""
    count = len(sites)

    def given(values: npt.NDArray[np.float64]) -> pa.Array:
        return pa.array(values, pa.float64(), from_pandas=True)

    columns = {
        "site_id": [f"{name}_{target}_{number}" for number in range(count)],
        "detector": [name] * count,
        "version": [version] * count,
        "target": [target] * count,
        "volume": sites.volume.tolist(),
        **{f"{axis}_nm": sites.position_nm[:, place] for place, axis in enumerate("xyz")},
        "outcome": sites.outcome.tolist(),
        "score": given(sites.score),
        "distance_nm": given(sites.distance_nm),
        "object_id": [object_id or None for object_id in sites.object_id.tolist()],
        "fold": sites.fold.astype(np.int32),
        "tile": _tiles(sites, dataset),
    }
    return EXAMINED_SITES.conform(
        pa.table({column.name: pa.array(columns[column.name], column.type) for column in EXAMINED_SITES.columns})
    )


def _tiles(sites: TestedSites, dataset: DetectionDataset) -> list[bytes]:
    """The middle section around each site, as PNG."""
    from synapse_assets.volumes import encode_tiles, open_volume

    tiles = np.zeros((len(sites), 1, TILE_PX, TILE_PX), np.uint8)
    spec = TileSpec(size_px=TILE_PX, sections=1)
    for name in np.unique(sites.volume).tolist():
        volume = open_volume(dataset.volumes[name])
        rows = np.flatnonzero(sites.volume == name)
        # The centre of a pixel at the edge may lie a little beyond the last voxel.
        low, high = (edge * np.array(volume.voxel_size_nm) for edge in volume.bounds_voxels)
        inside = np.clip(sites.position_nm[rows], low, high - 0.5 * np.array(volume.voxel_size_nm))
        for batch in volume.read_tiles(inside, spec):
            tiles[rows[batch.indices]] = batch.tiles
    encoded: list[bytes] = encode_tiles(tiles).to_pylist()
    return encoded
