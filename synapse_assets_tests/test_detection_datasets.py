"""What a dataset file of the detection chain may say, and what is refused when it is loaded."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from synapse_assets.datasets import DETECTION, DetectionDataset, load_dataset
from synapse_assets.errors import BadInput

LABELS = {"kind": "hdf5", "url": "/data/a.hdf", "voxel_size_nm": [8, 8, 30]}
POINTS = {"format": "points", "name": "sites", "volume": "a", "path": "/data/sites.csv", "units": "nm"}
FILE: dict[str, Any] = {
    "chain": "detection",
    "name": "mine",
    "title": "Mine",
    "description": "A corner, and a volume to be searched.",
    "volumes": {
        "a": {"kind": "hdf5", "url": "/data/a.hdf", "voxel_size_nm": [8, 8, 30]},
        "b": {"kind": "zarr", "url": "/data/b.zarr", "voxel_size_nm": [8, 8, 30], "space": "B"},
    },
    "annotations": [
        {"name": "sites", "target": "presynaptic", "volume": "a", "points": POINTS},
        {"name": "mitochondria", "target": "mitochondria", "volume": "a", "labels": LABELS},
    ],
    "detectors": {
        "mitochondria": {"targets": ["mitochondria"]},
        "synapses": {"targets": ["presynaptic"], "learns_from": "points"},
    },
}


def loaded(folder: Path, **changes: Any) -> DetectionDataset:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({**FILE, **changes}), encoding="utf-8")
    dataset = load_dataset(str(path), str(folder))
    assert isinstance(dataset, DetectionDataset)
    return dataset


def test_what_is_left_out_follows_from_the_detectors(tmp_path: Path) -> None:
    dataset = loaded(tmp_path)
    assert (dataset.synapse_detector, dataset.mitochondria_detector) == ("synapses", "mitochondria")
    assert dataset.applied == ["synapses", "mitochondria"]
    assert list(dataset.searched) == ["a", "b"]
    assert list(loaded(tmp_path, detect_in=["b"]).searched) == ["b"]


def test_a_dataset_has_the_assets_that_its_file_allows(tmp_path: Path) -> None:
    def assets(**changes: Any) -> set[str]:
        return {facts.name for facts in DETECTION.assets_of(loaded(tmp_path, **changes))}

    both = assets()
    assert {"detector", "detections", "mitochondria", "probability_maps"} <= both
    assert both - assets(detectors={"mitochondria": {"targets": ["mitochondria"]}}) == {"detections"}
    of_another = assets(detectors={}, annotations=[], detector_from="other", synapses_from="sites")
    assert both - of_another == {"annotated_objects", "detector", "detector_scores", "promotions", "mitochondria"}


def annotation(**changes: Any) -> dict[str, Any]:
    return {"annotations": [FILE["annotations"][0], {**FILE["annotations"][1], **changes}]}


def detector(name: str = "mitochondria", **changes: Any) -> dict[str, Any]:
    return {"detectors": {**FILE["detectors"], name: {"targets": ["mitochondria"], **changes}}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"volumes": {**FILE["volumes"], "c": {**FILE["volumes"]["a"], "voxel_size_nm": [4, 4, 30]}}}, "a detector sees one"),
        (annotation(volume="c"), "which is not one of"),
        (annotation(name="sites"), "two annotations have the same name"),
        (annotation(labels=None), "either labels or points"),
        (annotation(points=POINTS), "either labels or points"),
        (annotation(labels=None, points=POINTS), "mitochondria needs labels"),
        (annotation(labels={**LABELS, "space": "B"}), "is in space B, the volume in local"),
        (annotation(box_voxels=[[0, 0, 5], [10, 10, 5]]), "holds no voxel"),
        ({"annotations": [{**FILE["annotations"][0], "volume": "b"}]}, "its points lie in volume 'a'"),
        ({"annotations": [{**FILE["annotations"][0], "ids": "odd"}]}, "leave it out for points"),
        ({"detect_in": ["c"]}, "the volumes are"),
        ({"detectors": {}}, "name detectors, which are trained here"),
        (detector(name="rules"), "may not be called rules"),
        (detector(targets=["cleft"]), r"no annotation has labels of \['cleft'\]"),
        (detector(learns_from="points"), "other targets are learnt from masks"),
        (detector(targets=["mitochondria", "cleft"]), "by a detector of their own"),
        (detector(targets=["cleft", "cleft"]), "targets repeat"),
        (detector(sections=4), "must be odd"),
        (detector(min_nm3=10.0, max_nm3=5.0), r"min_nm3 \(10\) must be below max_nm3 \(5\)"),
        (detector(channels=[8, 16]), "channels"),
        ({"synapses_from": "nothing"}, "none of the detectors"),
        ({"synapses_from": "mitochondria"}, "marks no presynaptic sites and no clefts"),
        ({"mitochondria_from": "synapses"}, "marks no mitochondria"),
        ({"detector_from": "other"}, "leave out detectors and annotations"),
        ({"detector_from": "mine", "detectors": {}, "annotations": []}, "names mine itself"),
        ({"detector_from": "other", "detectors": {}, "annotations": []}, "name which of its detectors are applied"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=f"(?s)mine.yaml.*{words}"):
        loaded(tmp_path, **changes)
