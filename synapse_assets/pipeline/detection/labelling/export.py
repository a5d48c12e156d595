"""Boxes that people looked through, written as a dataset of their own: tables of sites, masks, and the YAML that trains on them.

What of a box is sure belongs to `lessons`.
"""

import csv
from collections.abc import Mapping, Sequence
from logging import Logger
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.datasets import DetectionDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.detection.annotated import registered_annotations
from synapse_assets.pipeline.detection.blocks import volume_keys
from synapse_assets.pipeline.detection.labelling.boxes import BEYOND, Box, asked_detector, asked_target
from synapse_assets.pipeline.detection.labelling.lessons import Teacher, marked_by_box, sites_by_box
from synapse_assets.schema.labelling import ACCEPT, ADD, MOVE, REVIEWED_BOXES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.files import Files

DATASET_FILE = "dataset.yaml"
_RIGHT = (ACCEPT, MOVE, ADD)
_COLUMNS = ("site", "x_nm", "y_nm", "z_nm", "box", "outcome")

Row = Mapping[str, Any]


def export_sites(store: DatasetStore, dataset: DetectionDataset, folder: Path, log: Logger) -> tuple[int, int]:
    """Writes what people said of the boxes of a dataset into a new folder; gives how many boxes and sites there are.

    A table of sites for each volume (`sites_<volume>.csv`: accepted, moved and added, in nanometres); where the detector that was asked
    about learns from masks, a TIFF of each box, a page a section, numbered by site; and `dataset.yaml`, a dataset of the same volumes in
    which these boxes are what is annotated, with that detector. Masks are those that the map had where people accepted it, balls of the
    median annotated size where they moved or added a site; what the map marks of a site beyond the box is taken as it is. The addresses of
    the volumes are written as they are read. Raises BadInput where no box that is done has a site, and for a folder that is there.
    """
    boxes = store.results(REVIEWED_BOXES).read().to_pylist()
    sites = {name: [site for site in rows if site["outcome"] in _RIGHT] for name, rows in sites_by_box(store).items()}
    total = sum(map(len, sites.values()))
    if not total:
        raise BadInput(
            f"people have found no site in the boxes of {dataset.name} that they looked through ({len(boxes)} boxes): a dataset "
            f"needs at least one; materialise {dataset.name}/reviewed_boxes once boxes are done"
        )
    target = folder.absolute()
    if target.exists():
        raise BadInput(f"{folder} exists: name a folder that does not")
    teacher = Teacher.of(dataset, registered_annotations(store, dataset, log))
    keys = volume_keys(dataset.volumes)
    annotations = []
    with Files(str(target.parent)).new_folder(target.name, last=DATASET_FILE) as written:
        for volume, key in keys.items():
            _write_table(
                written / f"sites_{key}.csv", [s for rows in sites.values() for s in rows if s["volume"] == volume]
            )
        marked = marked_by_box(store, boxes)
        for row in boxes:
            box = Box.of(row)
            low, high = teacher.sure_voxels(box)
            if any(a >= b for a, b in zip(low, high, strict=True)):
                log.warning(f"{box.box} is left out: it is so small that a site beyond it may reach anywhere in it")
                continue
            annotation: dict[str, Any] = {"name": box.box, "target": asked_target(dataset), "volume": box.volume}
            annotation["box_voxels"] = [list(low), list(high)]
            if teacher.choice.learns_from == "points":
                annotation["points"] = _points(target / f"sites_{keys[box.volume]}.csv", box)
            else:
                labels = _labels(teacher, box, sites.get(box.box, []), marked.get(box.box))
                annotation["labels"] = _write_mask(written, target, box, labels, dataset)
            annotations.append(annotation)
        (written / DATASET_FILE).write_text(_yaml(dataset, target.name, annotations), encoding="utf-8")
    return len(annotations), total


def _write_table(path: Path, sites: Sequence[Row]) -> None:
    if not sites:
        return
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(_COLUMNS)
        rows.writerows([site[name] for name in _COLUMNS] for site in sites)


def _points(path: Path, box: Box) -> dict[str, Any]:
    columns = {"synapse_id": "site", "x": "x_nm", "y": "y_nm", "z": "z_nm"}
    return {
        "name": "sites", "format": "points", "volume": box.volume, "path": str(path), "units": "nm", "columns": columns,
    }  # fmt: skip


def _labels(
    teacher: Teacher, box: Box, sites: Sequence[Row], marked: tuple[npt.NDArray[np.uint16], list[str]] | None
) -> npt.NDArray[np.uint16]:
    """The sites of a box by number, from 1, uint16 (z, y, x) of its voxels."""
    from synapse_assets.analysis.detection.balls import ball_mask
    from synapse_assets.analysis.detection.components import labelled

    labels = np.zeros(box.shape, np.uint16)
    numbers, names = marked or (np.zeros(box.shape, np.uint16), [])
    for number, site in enumerate(sites, start=1):
        own = numbers == names.index(site["site"]) + 1 if site["outcome"] == ACCEPT and site["site"] in names else None
        if own is None or not own.any():
            place = np.array([[site[f"{axis}_nm"] for axis in "xyz"]])
            own = ball_mask(place, box.low, box.shape, teacher.voxel_size_nm, teacher.radius_nm)
        labels[own] = number
    others = labelled((numbers == BEYOND) & (labels == 0), teacher.voxel_size_nm)
    return np.where(others > 0, others + len(sites), labels).astype(np.uint16)


def _write_mask(
    written: Path, target: Path, box: Box, labels: npt.NDArray[np.uint16], dataset: DetectionDataset
) -> dict[str, Any]:
    import tifffile

    name = f"masks/{box.box}.tif"
    (written / "masks").mkdir(exist_ok=True)
    tifffile.imwrite(written / name, labels, compression="zlib", photometric="minisblack")
    return {
        "kind": "images",
        "url": str(target / name),
        "voxel_size_nm": list(dataset.voxel_size_nm),
        "offset_voxels": list(box.low),
        "space": dataset.volumes[box.volume].space,
    }


def _yaml(dataset: DetectionDataset, name: str, annotations: Sequence[Row]) -> str:
    """A dataset file, a line for each field and annotation."""
    from synapse_assets.datasets.yaml_text import as_yaml

    detector = asked_detector(dataset)
    choice = {**hashed_fields(dataset.detectors[detector]), "targets": [asked_target(dataset)]}
    used = {annotation["volume"] for annotation in annotations}
    fields = {
        "chain": dataset.chain,
        "name": f"{dataset.name}_boxes",
        "title": f"{dataset.title}, boxes that people looked through",
        "description": f"Boxes of {dataset.name} that people looked through, as they were exported to {name}.",
        "volumes": {key: hashed_fields(spec) for key, spec in dataset.volumes.items() if key in used},
        "detectors": {detector: choice},
        "tolerance_nm": dataset.tolerance_nm,
        "block_nm": list(dataset.block_nm),
    }
    lines = [f"{key}: {as_yaml(value)}" for key, value in fields.items()]
    return "\n".join([*lines, "annotations:", *(f"  - {as_yaml(one)}" for one in annotations)]) + "\n"
