"""A small volume in which people look through boxes: what is dark is a synapse, a corner is annotated, a network set by hand marks them."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synapse_assets.datasets import DetectionDataset
from synapse_assets.pipeline.detection.blocks import find_blocks, plan_blocks
from synapse_assets.pipeline.detection.detector import takes_of
from synapse_assets.pipeline.detection.maps import map_block
from synapse_assets.pipeline.detection.objects import detect_block
from synapse_assets.schema.labelling import ANNOTATIONS, ANSWER, UNDO
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.pipeline import searched

LOG = logging.getLogger(__name__)
SHAPE = (12, 130, 260)  # z, y, x
ANNOTATED = ((37, 21, 3), (85, 69, 15))
"""The corner that is annotated, from voxel to voxel, x, y, z."""
TINY = {"channels": [2, 2, 2], "window_px": 16, "batch_size": 1, "steps": 1}
_FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def planted() -> tuple[np.ndarray, np.ndarray]:
    """Grey values, and the synapses by number, uint32; both (z, y, x)."""
    pixels, rng = searched.grey_volume(SHAPE), np.random.default_rng(1)
    labels = np.zeros(SHAPE, np.uint32)
    number = 0
    for z in (1, 6):
        for y in range(6, 120, 24):
            for x in range(6, 250, 24):
                a, b, c = z + rng.integers(0, 3), y + rng.integers(0, 8), x + rng.integers(0, 8)
                box = np.s_[a : a + 2, b : b + rng.integers(6, 9), c : c + rng.integers(6, 9)]
                number += 1
                # Some of them pale: there the map is not sure.
                pixels[box] = searched.DARK if rng.random() < 0.7 else 66
                labels[box] = number
    return pixels, labels


def plant(folder: Path) -> None:
    """Writes the volume and its mask."""
    pixels, labels = planted()
    searched.write_volume(folder / "em", pixels)
    searched.write_labels(folder / "labels", labels)


def dataset(folder: Path, **changed: Any) -> DetectionDataset:
    """It, of which `pairs` finds synapses and `bodies` is a detector that nobody is asked about."""
    labels = {"kind": "precomputed", "url": str(folder / "labels"), "voxel_size_nm": searched.VOXEL_NM}
    content = {
        "name": "own",
        "title": "Looked through",
        "description": "Planted boxes.",
        "chain": "detection",
        "volumes": {
            "em": {"kind": "precomputed", "url": str(folder / "em"), "voxel_size_nm": searched.VOXEL_NM},
        },
        "annotations": [
            {"name": "known", "target": "presynaptic", "volume": "em", "labels": labels, "box_voxels": ANNOTATED},
            {"name": "others", "target": "postsynaptic", "volume": "em", "labels": labels, "box_voxels": ANNOTATED},
            {"name": "large", "target": "mitochondria", "volume": "em", "labels": labels, "box_voxels": ANNOTATED},
        ],
        "detectors": {
            "pairs": {"targets": ["presynaptic", "postsynaptic"], "pixel_nm": 16, **TINY},
            "bodies": {"targets": ["mitochondria"], **TINY},
        },
        "mitochondria_from": None,
        "hold_out": (2, 1, 1),
        "tolerance_nm": 60,
        "block_nm": (800, 800, 480),
        "labelling": {"batch": 5, "box_nm": (280, 280, 240), "random_share": 0.4},
    }
    return DetectionDataset.model_validate(content | changed)


def search(store: DatasetStore, of: DetectionDataset, version: str = "by_hand", **rules: Any) -> None:
    """Puts a network that was set by hand in use, and searches all blocks with it. It was never tested."""
    targets = ("presynaptic", "postsynaptic")
    factor = 2 if of.detectors["pairs"].pixel_nm == 16 else 1
    detector = searched.network(targets, factor), searched.rules(targets, **rules)
    bodies = searched.network(("mitochondria",)), searched.rules(("mitochondria",))
    parameters = {"detectors": {}, **takes_of(of)}
    searched.put_in_use(store, version, parameters, pairs=detector, bodies=bodies)
    plan_blocks(store, of, LOG)
    for block in find_blocks(store):
        map_block(store, of, block, "cpu", LOG)
        detect_block(store, of, block, "cpu", LOG)


class Person:
    """Somebody whose answers are kept, each a second after the one before, whoever gave it."""

    given: list[dict[str, Any]]

    def __init__(self, name: str, others: "Person | None" = None, round_name: str = "round_001") -> None:
        self.name, self.round = name, round_name
        self.given = [] if others is None else others.given

    def says(self, item: str, answer: str | None, place: Any = None, volume: str = "em", **changed: Any) -> str:
        """Gives an answer, at a place in nm where one is given; gives its id."""
        number = len(self.given)
        row = {
            **dict.fromkeys(ANNOTATIONS.names),
            "round": self.round,
            "answer_id": f"answer_{number}",
            "given_at": _FIRST + timedelta(seconds=number),
            "annotator": self.name,
            "kind": ANSWER,
            "item": item,
            "answer": answer,
            "origin": "strategy",
            "guess_seen": True,
        }
        if place is not None:
            row |= {"volume": volume, **{f"{axis}_nm": float(at) for axis, at in zip("xyz", place, strict=True)}}
        self.given.append(row | changed)
        return f"answer_{number}"

    def takes_back(self, item: str, answer_id: str) -> None:
        """An undo."""
        self.says(item, None, kind=UNDO, undoes=answer_id)


def write_answers(store: DatasetStore, *people: Person) -> None:
    """Writes what was said, as the asset `annotations` does."""
    rows = [row for person in people for row in person.given]
    for name in sorted({row["round"] for row in rows}):
        of_round = [row for row in rows if row["round"] == name]
        table = pa.Table.from_pylist(of_round, schema=ANNOTATIONS.arrow)
        store.results(ANNOTATIONS).write_partition(name, table)
