"""The vectors that any encoder gives a sample of synapses: read where they are stored, computed from the stored tiles where not.

The sample is the same for all encoders, so that what is measured on it can be compared. The vectors of whole regions belong to
`embeddings`; what is measured on them, to those who ask.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.pipeline.em.labelling.decisions import tested_labels
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import labelled_synapses, vector_matrix

LABELS = ("target", "cell_type", "hemilineage")
"""What can be known of a synapse; a sample has those of which at least one is."""

# Tiles decoded at a time.
_TILES_AT_A_TIME = 256

Embed = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]


def sampled_synapses(store: DatasetStore, columns: Sequence[str], size: int, seed: int) -> pa.Table:
    """A seeded sample of at most `size` labelled synapses that have a tile, every region represented, in the order of their ids.

    Columns: synapse_id, brain_region, tile_hash (of the tile stored now), `LABELS`, and `columns` of `schema.SYNAPSES` and
    `schema.SYNAPSE_LABELS`. Labelled are those of known class, cell type or hemilineage; an empty text is no label, and what a
    strategy chose has no class here, as no score may count it.
    """
    from synapse_assets.analysis.tables import stratified_rows

    rows = tested_labels(store, labelled_synapses(store, list(dict.fromkeys([*LABELS, *columns]))))
    labelled = [pc.fill_null(pc.not_equal(rows.column(name), ""), False) for name in LABELS]
    rows = rows.filter(pc.or_(pc.or_(labelled[0], labelled[1]), labelled[2]))
    tiles = store.tiles.read(None, ["synapse_id", "tile_hash"])
    index = pc.index_in(
        rows.column("synapse_id").combine_chunks(), value_set=tiles.column("synapse_id").combine_chunks()
    )
    rows = rows.append_column("tile_hash", tiles.column("tile_hash").combine_chunks().take(index))
    return stratified_rows(rows.filter(pc.is_valid(index)), size, seed).sort_by("synapse_id")


def stored_vectors(store: DatasetStore, encoder: str, rows: pa.Table) -> tuple[npt.NDArray[np.float32], list[str]]:
    """The stored vectors (N, D) of `rows` (synapse_id, tile_hash) by one encoder, and the ids of those that have none.

    The latter, whose row is 0, have no vector of the tile that is named.
    """
    dimensions = int(store.models("encoder").provenance(encoder).scores["dimensions"])
    ids = rows.column("synapse_id").to_pylist()
    stored = store.vectors(encoder, dimensions).read_ids(ids, ["synapse_id", "tile_hash", "vector"])
    index = pc.index_in(pa.array(ids, pa.string()), value_set=stored.column("synapse_id").combine_chunks())
    same = pc.equal(stored.column("tile_hash").combine_chunks().take(index), rows.column("tile_hash").combine_chunks())
    present = pc.fill_null(same, False).to_numpy(zero_copy_only=False)
    matrix = np.zeros((len(ids), dimensions), dtype=np.float32)
    matrix[present] = vector_matrix(stored)[index.filter(pa.array(present)).to_numpy(zero_copy_only=False)]
    return matrix, [synapse_id for synapse_id, has_vector in zip(ids, present, strict=True) if not has_vector]


def embedder(store: DatasetStore, encoder: str, device: str) -> Embed:
    """What an encoder makes of tiles, to half precision, as vectors are stored. BadInput for an encoder that there is not."""
    from synapse_assets.vision.encoder import Encoder

    network = Encoder.load(store.models("encoder").path(encoder))
    return lambda tiles: network.embed(tiles, device).astype(np.float16).astype(np.float32)


def vectors_from_tiles(
    store: DatasetStore, ids: Sequence[str], makers: Mapping[str, Embed]
) -> dict[str, npt.NDArray[np.float32]]:
    """What each of the `makers` makes of the tiles of `ids`, in their order, by its name: float32 (N, its D).

    A maker gets uint8 tiles (n, sections, size_px, size_px), axes tile z y x. The tiles are read and decoded once for all. Without
    ids every matrix is (0, 0).
    """
    parts: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in makers}
    for tiles in tile_batches(store, ids):
        for name, maker in makers.items():
            parts[name].append(maker(tiles))
    return {
        name: np.concatenate(of_name) if of_name else np.zeros((0, 0), np.float32) for name, of_name in parts.items()
    }


def tile_batches(store: DatasetStore, ids: Sequence[str]) -> Iterator[npt.NDArray[np.uint8]]:
    """The tiles of `ids`, in their order, some hundred at a time: uint8 (n, sections, size_px, size_px), axes tile z y x."""
    from synapse_assets.volumes import decode_tiles

    for start in range(0, len(ids), _TILES_AT_A_TIME):
        images = store.tiles.read_ids(list(ids[start : start + _TILES_AT_A_TIME]), ["image"]).column("image")
        yield decode_tiles(images)
