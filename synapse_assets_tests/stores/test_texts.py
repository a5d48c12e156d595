"""Columns of text beyond what 32-bit offsets hold: read whole, sorted, joined, hashed and compared.

With a limit of a few bytes; `benchmarks.long_ids` does it with more than 2 GiB.
"""

from pathlib import Path

import pyarrow as pa
import pytest

from synapse_assets.analysis.tables import current_rows, stratified_rows
from synapse_assets.schema import SYNAPSE_LABELS
from synapse_assets.stores import DatasetStore, texts
from synapse_assets.stores.rows import changed_rows, content_key, labelled_synapses, row_hashes
from synapse_assets_tests.stores.samples import names, synapses, tiles, wanted

COLUMNS = ["synapse_id", "brain_region", "neuron_id"]


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    store = DatasetStore(str(tmp_path), "sample")
    for region in "BA":
        ids = names(region, 40)
        store.synapses.replace_region(region, synapses(region, ids), [])
        store.tiles.replace_region(region, tiles(region, ids[:30]), [])
        told = [{"synapse_id": one, "brain_region": region, "target": f"t{one[-1]}"} for one in ids[::2]]
        store.results(SYNAPSE_LABELS).write_partition(region, pa.Table.from_pylist(told, schema=SYNAPSE_LABELS.arrow))
    return store


def of_all(store: DatasetStore) -> dict[str, object]:
    """What is read and worked out of a whole dataset."""
    rows, labels = store.synapses.read(None, COLUMNS), store.results(SYNAPSE_LABELS).read()
    changed, gone = changed_rows(rows.slice(5), rows.slice(0, 70))
    to_cut, obsolete = store.tiles.changes("A", wanted(names("A", 20), "b"), "tile_hash")
    return {
        "rows": rows.to_pylist(),
        "labelled": labelled_synapses(store, ["target", "neuron_id"]).to_pylist(),
        "some": labelled_synapses(store, ["target"], ["A3", "B4"]).to_pylist(),
        "current": current_rows(labels, rows).to_pylist(),
        "sample": stratified_rows(rows, 20, 0).to_pylist(),
        "keys": [content_key(rows), content_key(labels.drop_columns(["known_classes"]))],
        "hashes": row_hashes(rows).tolist(),
        "changed": [changed.to_pylist(), gone],
        "tiles": [to_cut.to_pylist(), obsolete.to_pylist()],
        "numbers": store.synapses.numbers_of(rows.column("synapse_id")).tolist(),
        "by id": store.tiles.read_ids(rows.column("synapse_id").combine_chunks(), ["synapse_id", "tile_hash"]).to_pylist(),
    }  # fmt: skip


def test_long_columns_give_what_short_ones_give(store: DatasetStore, monkeypatch: pytest.MonkeyPatch) -> None:
    before = of_all(store)
    monkeypatch.setattr(texts, "MOST_BYTES", 10)
    assert store.synapses.read(None, COLUMNS).schema.types == [pa.large_string(), pa.large_string(), pa.int64()]
    assert store.results(SYNAPSE_LABELS).read(columns=["synapse_id"]).schema.types == [pa.large_string()]
    assert of_all(store) == before


def test_short_columns_stay_as_they_are_stored(store: DatasetStore) -> None:
    assert store.synapses.read(None, COLUMNS).schema.types == [pa.string(), pa.string(), pa.int64()]


def test_a_column_of_pieces_that_cannot_be_joined_gets_room() -> None:
    """More than 2 GiB, as one piece of 300 MB that is there eight times over."""
    piece = pa.array(["x" * 300_000_000])
    rows = pa.table({"text": pa.chunked_array([piece] * 8), "number": range(8)})
    with pytest.raises(pa.ArrowInvalid, match="overflow"):
        rows.column("text").combine_chunks()
    wide = texts.with_room(rows)
    assert wide.schema.types == [pa.large_string(), pa.int64()]
    assert wide.column("text").nbytes > 2**31
