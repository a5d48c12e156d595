"""The data that the pages of an entry search and show in the browser: what stands in its folder `browse`.

Vectors are written by `vectors`, pictures by `packs`; the format is described in `site_app/README.md`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synapse_assets.datasets import Dataset, VolumeSpec, chain_of
from synapse_assets.explorer import neuroglancer, pages
from synapse_assets.query import METRICS, Points, Warehouse
from synapse_assets.query.points import NONE, NUMBERS
from synapse_assets.schema.colours import NOISE_COLOUR
from synapse_assets.site.folder import SiteFolder
from synapse_assets.volumes.volume import voxel_of

FORMAT = 1
# What the page of a cluster shows of its card. Its other columns count classes, which may not be published.
_OF_A_CARD = (
    "cluster",
    "synapses",
    "share",
    "neurons",
    "top_neuron_share",
    "one_neuron",
    "verdict",
    "explained_by",
    "explanation",
)
CARDS_PER_FILE = 256
_ROW_GROUP = 131_072
_AXES = ("x_nm", "y_nm", "z_nm")


def write_points(
    folder: SiteFolder,
    under: str,
    points: Points,
    has_vector: npt.NDArray[np.bool_],
    pictures: npt.NDArray[np.int32],
) -> None:
    """Writes points.parquet, numbers.parquet and map.parquet: a row for each point, in their order.

    has_vector: (N,). pictures: int32 (N,), the number of each picture in the packs, -1 for none.
    """
    neurons = pa.array(points.neurons, mask=points.neurons < 0)
    columns: dict[str, pa.Array] = {
        "synapse_id": points.ids,
        "neuron_id": points.neuron_ids.cast(pa.string()).take(neurons),
        "neuron": pa.array(points.neurons),
        **{name: pa.array(points.places_nm[:, axis]) for axis, name in enumerate(_AXES)},
        **({} if points.volumes is None else {"volume": points.volumes}),
        **{name: pa.array(column.codes) for name, column in points.categories.items()},
        "has_vector": pa.array(has_vector),
        "tile": pa.array(pictures),
    }
    coded = [name for name in ("neuron_id", "volume") if name in columns]
    encodings = {name: "DELTA_BINARY_PACKED" for name in columns if name not in coded}
    encodings |= {"synapse_id": "DELTA_LENGTH_BYTE_ARRAY", "has_vector": "RLE"} | dict.fromkeys(_AXES, _FLOATS)
    _write(folder, f"{under}/points.parquet", columns, coded, encodings)
    numbers = {name: pa.array(column) for name, column in points.numbers.items()}
    if numbers:
        _write(folder, f"{under}/numbers.parquet", numbers, [], dict.fromkeys(numbers, _FLOATS))
    places = {f"map_{axis + 1}": pa.array(points.map[:, axis]) for axis in range(2)}
    if points.space is not None:
        places |= {f"space_{axis + 1}": pa.array(points.space[:, axis]) for axis in range(3)}
    _write(folder, f"{under}/map.parquet", places, [], dict.fromkeys(places, _FLOATS))


# The first bytes of all numbers, then the second ones ...: those of near numbers are alike.
_FLOATS = "BYTE_STREAM_SPLIT"


def _write(
    folder: SiteFolder, name: str, columns: Mapping[str, pa.Array], coded: Sequence[str], encodings: Mapping[str, str]
) -> None:
    """Writes a table. coded: columns whose distinct values are stored once; the others are stored by `encodings`."""
    table = pa.table(dict(columns))
    # Where no value is missing the column says so: a browser then reads it several times as fast.
    fields = [field.with_nullable(table[field.name].null_count > 0) for field in table.schema]
    with folder.file(name) as stream:
        pq.write_table(
            table.cast(pa.schema(fields)),
            stream,
            row_group_size=_ROW_GROUP,
            compression="snappy",
            use_dictionary=list(coded),
            column_encoding=dict(encodings),
            write_statistics=False,
            store_schema=False,
        )


def write_cards(folder: SiteFolder, under: str, warehouse: Warehouse, dataset: Dataset) -> None:
    """Writes what only the card of a synapse shows, `CARDS_PER_FILE` synapses a file: its place in voxels, and probabilities of classes."""
    points = warehouse.points
    tables = {
        "probabilities": _of_points(warehouse, "synapse_predictions", ["probabilities"]),
        "calibrated": _of_points(warehouse, "synapse_answers", ["answer", "class_set", "probabilities"]),
    }
    for start in range(0, len(points), CARDS_PER_FILE):
        rows = np.arange(start, min(start + CARDS_PER_FILE, len(points)))
        cards = [_in_voxels(points, dataset, int(row)) for row in rows]
        for key, (numbers, table) in tables.items():
            known = numbers[rows] >= 0
            stored = table.take(numbers[rows[known]]).to_pylist()
            for at, row in zip(np.flatnonzero(known), stored, strict=True):
                if row.get("probabilities"):
                    row["probabilities"] = dict(sorted(row["probabilities"], key=lambda entry: -entry[1]))
                    cards[at][key] = row if key == "calibrated" else row["probabilities"]
        folder.write_json(f"{under}/cards/{start // CARDS_PER_FILE:05d}.json", cards)


def _of_points(warehouse: Warehouse, table: str, columns: Sequence[str]) -> tuple[npt.NDArray[np.int64], pa.Table]:
    """Those columns of a released table, and the row of each point in it (N,), -1 where it has none."""
    stored = warehouse.columns_of(table, ["synapse_id", *columns])
    if stored is None:
        return np.full(len(warehouse.points), -1, dtype=np.int64), pa.table({})
    numbers = pc.index_in(warehouse.points.ids, value_set=stored.column("synapse_id").combine_chunks())
    places = pc.fill_null(numbers, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return places, stored.drop_columns(["synapse_id"])


def _in_voxels(points: Points, dataset: Dataset, row: int) -> dict[str, Any]:
    """The place of a synapse in its volume; empty where that is unknown."""
    name = str(points.volumes[row].as_py()) if points.volumes is not None else ""
    place = points.places_nm[row]
    if name not in dataset.tile_volumes or np.isnan(place).any():
        return {}
    return {"volume": name, "voxel": voxel_of(place[None], dataset.tile_volumes[name].voxel_size_nm)[0].tolist()}


def described_volumes(dataset: Dataset) -> dict[str, dict[str, Any]]:
    """Of each volume the size of its voxels, and the address of a place in Neuroglancer, in which {x} {y} {z}, in voxels, and {id} are
    to be filled in; None for a volume that a browser cannot fetch."""
    return {
        name: {
            "voxel_size_nm": " x ".join(f"{size:g}" for size in spec.voxel_size_nm),
            "sizes_nm": list(spec.voxel_size_nm),
            "neuroglancer": _neuroglancer(spec, name),
        }
        for name, spec in dataset.tile_volumes.items()
    }


def _neuroglancer(spec: VolumeSpec, name: str) -> str | None:
    # Numbers that stand nowhere else in the address.
    x, y, z = places = [digit * 1_000_003.0 * size for digit, size in zip((3, 7, 9), spec.voxel_size_nm, strict=True)]
    address = neuroglancer.link(spec, name, (x, y, z), "SYNAPSE_ID_HERE")
    if address is None:
        return None
    for axis, place, size in zip("xyz", places, spec.voxel_size_nm, strict=True):
        address = address.replace(json.dumps(place / size), f"{{{axis}}}")
    return address.replace("SYNAPSE_ID_HERE", "{id}")


def described_entry(warehouse: Warehouse, dataset: Dataset) -> dict[str, Any]:
    """What stands in site.json of an entry, but for its vectors, its pictures, and what all entries share."""
    points, chain = warehouse.points, chain_of(dataset)
    question = pages.default_question(dataset, warehouse)
    return {
        "format": FORMAT,
        "dataset": dataset.name,
        "noun": chain.in_words("synapse"),
        "words": [list(pair) for pair in chain.words.items()],
        "release": {"id": warehouse.release_id, "created": warehouse.release["created"]},
        "rows": len(points),
        "categories": [
            {"name": name, "title": column.title, "names": list(column.names), "colours": dict(points.colours(name))}
            for name, column in points.categories.items()
        ],
        "numbers": [{"name": name, "title": NUMBERS[name]} for name in points.numbers],
        "none": NONE,
        "noise_colour": NOISE_COLOUR,
        "cluster_verdict": points.cluster_verdict,
        "stability": warehouse.stability(),
        "cluster_pages": _clusters(warehouse),
        "has_neurons": len(points.neuron_ids) > 0,
        "has_volumes": points.volumes is not None,
        "has_space": points.space is not None,
        "volumes": described_volumes(dataset),
        "example": points.ids[len(points) // 2].as_py(),
        "default_question": {"columns": question.columns, "near_nm": question.near_nm},
        "metrics": dict(METRICS),
        "cards_per_file": CARDS_PER_FILE,
    }


def _clusters(warehouse: Warehouse) -> dict[str, Any]:
    """Of each cluster its card, with the rows of its medoids, by its number."""
    points = warehouse.points
    if "cluster" not in points.categories:
        return {}
    described: dict[str, Any] = {name: {"card": None} for name in points.categories["cluster"].names}
    for card in pages.clusters(warehouse)["cards"]:
        rows = [points.row(medoid["synapse_id"]) for medoid in card["medoids"]]
        described[str(card["cluster"])] = {
            "card": {name: card[name] for name in _OF_A_CARD if name in card} | {"medoids": rows}
        }
    return described
