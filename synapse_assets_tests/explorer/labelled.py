"""A released dataset that people label, with a round of suggestions, suspected label errors, and people with tokens."""

import shutil
from collections.abc import Sequence
from copy import copy
from pathlib import Path

import numpy as np
import pyarrow as pa

from synapse_assets.schema import SYNAPSE_LABELS
from synapse_assets.schema.labelling import LABEL_CURVE, LABEL_ERRORS, QUERY_SUGGESTIONS
from synapse_assets.stores import DatasetStore, build_warehouse
from synapse_assets.stores.annotators import Annotators
from synapse_assets.volumes.tile_codec import encode_tile, tile_hash
from synapse_assets_tests.conftest import CLASSES, TILE_PX, VOXEL_SIZE_NM, planted_points, planted_volume, tiny_dataset

REGION = "EB"
ROUND = "round_001"
HOSTILE = "<b onmouseover=alert(1)>Eve</b>\"'&"
PEOPLE = ("Ada", "Ben", "Cleo", HOSTILE)
# Of the 72 synapses those whose class is not known.
UNKNOWN = [f"s{number:03d}" for number in range(1, 72, 2)]


class Labelled:
    """The files of one installation, the tokens of its people by name, and its dataset: 72 synapses, of half of them the class is known.

    Tiles are cut from the planted volume; a vector is the mean of rows and columns of pixels.
    """

    def __init__(self, root: Path) -> None:
        self._use(root)
        self.tokens = {name: Annotators(root).add(name) for name in PEOPLE}
        self._release()
        self.suggest(ROUND, [f"s{number:03d}" for number in range(36)])
        self._suspect(["s004", "s008", "s012"])

    def again(self, root: Path) -> "Labelled":
        """The same in another folder."""
        shutil.copytree(self.root, root)
        other = copy(self)
        other._use(root)
        return other

    def choose(self, **choice: object) -> None:
        """Other fields of `labelling`."""
        values = {"classes": list(CLASSES), "twice_share": 0.0, **choice}
        self.dataset = tiny_dataset(self.root, self.root / "points.csv", labelling=values)

    def _use(self, root: Path) -> None:
        self.root = root
        self.choose()
        self.store = DatasetStore(str(root), self.dataset.name)

    def _release(self) -> None:
        points = planted_points()
        volume = planted_volume(points)
        half = TILE_PX // 2
        synapses, tiles, labels, vectors = [], [], [], []
        for row in points.itertuples():
            own = {"synapse_id": row.id, "brain_region": REGION}
            x, y, z = int(row.x), int(row.y), int(row.z)
            tile = np.ascontiguousarray(volume[z - 1 : z + 2, y - half : y + half, x - half : x + half])
            place = dict(zip(("x_nm", "y_nm", "z_nm"), np.multiply((x, y, z), VOXEL_SIZE_NM).tolist(), strict=True))
            synapses.append(
                own | place | {"volume": "em", "neuron_id": row.neuron, "source": "table", "source_file": "points.csv"}
            )
            tiles.append(own | _tile(tile))
            target = None if row.id in UNKNOWN else row.nt
            labels.append(
                own | {"neuron_id": row.neuron, "target": target, "known_classes": [target] if target else []}
            )
            vector = np.concatenate([tile.mean(axis=(0, 1)), tile.mean(axis=(0, 2))]).astype(np.float32)
            vectors.append(own | {"tile_hash": tile_hash(tile), "model_id": "m1", "vector": vector.tolist()})
        embeddings = self.store.vectors("m1", 2 * TILE_PX)
        for table, rows in ((self.store.synapses, synapses), (self.store.tiles, tiles), (embeddings, vectors)):
            table.replace_region(REGION, pa.Table.from_pylist(rows, schema=table.table.arrow), [])
        known = self.store.results(SYNAPSE_LABELS)
        known.write_partition(REGION, pa.Table.from_pylist(labels, schema=SYNAPSE_LABELS.arrow))
        tables = [self.store.synapses, self.store.tiles, embeddings, known]
        build_warehouse(
            self.store, tables, {"models": {"encoder": "m1"}, "scores": {"encoder": {"dimensions": 2 * TILE_PX}}}
        )

    def suggest(self, round: str, ids: Sequence[str]) -> None:
        """Makes a round of those synapses; the model guesses that all are gaba."""
        tiles = self.store.tiles.read_ids(ids, ["synapse_id", "brain_region", "tile_hash"]).to_pylist()
        places = self.store.synapses.read_ids(ids, ["neuron_id", "volume", "x_nm", "y_nm", "z_nm"]).to_pylist()
        rows = [
            {
                "round": round, "rank": rank, **tile, **place, "origin": "random" if rank % 5 == 0 else "strategy",
                "strategy": "k_means", "guess": "gaba", "guess_probability": 0.625, "model_version": "v1",
            }
            for rank, (tile, place) in enumerate(zip(tiles, places, strict=True))
        ]  # fmt: skip
        table = pa.Table.from_pylist(rows, schema=QUERY_SUGGESTIONS.arrow)
        self.store.results(QUERY_SUGGESTIONS).write_partition(round, table)

    def change_tile(self, synapse_id: str) -> str:
        """Gives a synapse another tile; the hash of it."""
        row = self.store.tiles.read_ids([synapse_id], self.store.tiles.table.names).to_pylist()[0]
        shape = (3, TILE_PX, TILE_PX)
        row |= _tile(np.random.default_rng(self.store.tiles.version).integers(0, 256, shape, dtype=np.uint8))
        changed = pa.Table.from_pylist([row], schema=self.store.tiles.table.arrow)
        self.store.tiles.replace_region(REGION, changed, [])
        return str(row["tile_hash"])

    def said_of_the_curve(self, sentence: str, stop: bool = False) -> None:
        """The label curve has one round, which says that."""
        row = {
            "round": ROUND, "number": 1, "labels": 80, "tested": 20, "measure": "balanced accuracy", "split": "neurons",
            "stop": stop, "sentence": sentence,
        }  # fmt: skip
        self.store.results(LABEL_CURVE).write(pa.Table.from_pylist([row], schema=LABEL_CURVE.arrow))

    def _suspect(self, ids: Sequence[str]) -> None:
        rows = [
            {
                "rank": rank, "synapse_id": one, "brain_region": REGION, "target": "glutamate", "predicted": "gaba",
                "label_probability": 0.04, "predicted_probability": 0.91, "origin": "sources",
            }
            for rank, one in enumerate(ids)
        ]  # fmt: skip
        self.store.results(LABEL_ERRORS).write(pa.Table.from_pylist(rows, schema=LABEL_ERRORS.arrow))


def _tile(tile: np.ndarray) -> dict[str, object]:
    digest = tile_hash(tile)
    return {
        "tile_hash": digest, "crop_hash": f"crop {digest}", "image": encode_tile(tile), "valid_fraction": 1.0,
        "section_contrast": [20.0] * len(tile),
    }  # fmt: skip
