"""Small tables for the tests of the stores."""

import hashlib
from collections.abc import Sequence

import pyarrow as pa

from synapse_assets.schema import SYNAPSE_TABLE, SYNAPSES, TILES, UMAP_COORDINATES, embedding_table


def synapses(region: str, ids: Sequence[str], source_file: str = "points.csv", source: str = "table") -> pa.Table:
    """Synapses of a region whose positions follow from their ids."""
    count = len(ids)
    place = [float(int(hashlib.md5(one.encode(), usedforsecurity=False).hexdigest()[:6], 16)) for one in ids]
    values = {
        "synapse_id": list(ids),
        "brain_region": [region] * count,
        "volume": ["em"] * count,
        "x_nm": place,
        "y_nm": place,
        "z_nm": place,
        "neuron_id": [2**60 + 1] * count,
        "section": [None] * count,
        "object_id": [None] * count,
        "score": [0.5] * count,
        "source": [source] * count,
        "source_file": [source_file] * count,
    }
    return pa.table(values, schema=SYNAPSES.arrow)


def source_rows(
    region: str,
    ids: Sequence[str],
    source_file: str = "points.csv",
    target: str | None = "gaba",
    source: str = "table",
) -> pa.Table:
    """The same synapses as the source gives them, with what it says of their class."""
    rows = synapses(region, ids, source_file, source)
    count = len(ids)
    labels = {
        "hemilineage": pa.array(["07B"] * count, pa.string()),
        "target": pa.array([target] * count, pa.string()),
        "known_classes": pa.array([[target] if target else []] * count, pa.list_(pa.string())),
    }
    return SYNAPSE_TABLE.conform(pa.table({**{name: rows.column(name) for name in rows.column_names}, **labels}))


def tiles(region: str, ids: Sequence[str], content: str = "a", size: int = 200) -> pa.Table:
    """Pictures of a region; `content` decides their hash and bytes."""
    count = len(ids)
    values = {
        "synapse_id": list(ids),
        "brain_region": [region] * count,
        "tile_hash": [f"{content}{one}" for one in ids],
        "crop_hash": [f"crop{content}" for _ in ids],
        "image": [hashlib.sha256(f"{content}{one}".encode()).digest() * (size // 32) for one in ids],
        "valid_fraction": [1.0] * count,
        "section_contrast": [[20.0]] * count,
    }
    return pa.table(values, schema=TILES.arrow)


def wanted(ids: Sequence[str], content: str = "a") -> pa.Table:
    """What `RegionTable.changes` compares: the hashes of `tiles`."""
    return pa.table({"synapse_id": list(ids), "tile_hash": [f"{content}{one}" for one in ids]})


def vectors(region: str, ids: Sequence[str]) -> pa.Table:
    """Four-dimensional vectors of a region."""
    values = {
        "synapse_id": list(ids),
        "brain_region": [region] * len(ids),
        "tile_hash": ["a"] * len(ids),
        "model_id": ["m1"] * len(ids),
        "vector": [[0.0, 1.0, 2.0, 3.0]] * len(ids),
    }
    return pa.table(values, schema=embedding_table(4).arrow)


def coordinates(region: str, ids: Sequence[str], value: float = 0.0) -> pa.Table:
    """Map coordinates of a region."""
    count = len(ids)
    values = {
        "synapse_id": list(ids),
        "brain_region": [region] * count,
        "umap_1": [value] * count,
        "umap_2": [value] * count,
        "reduced": [[value] * 3] * count,
        "umap_model": ["u1"] * count,
    }
    return pa.table(values, schema=UMAP_COORDINATES.arrow)


def names(prefix: str, count: int) -> list[str]:
    """`count` ids that start with the prefix."""
    return [f"{prefix}{number}" for number in range(count)]
