"""Tiles and vectors of a region made in parts: equal to those of one process, whatever is lost, doubled or changed meanwhile."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.embeddings import embed_region
from synapse_assets.pipeline.em.parts import tile_receipts, vector_receipts
from synapse_assets.pipeline.em.tiles import cut_tiles, plan_tiles
from synapse_assets.pipeline.report import Report
from synapse_assets.stores import DatasetStore
from synapse_assets.vision import devices
from synapse_assets_tests.cluster.harness import MODEL, REGION, inputs, made, placed, prepared, sites, use_encoder
from synapse_assets_tests.pipeline.engines import Killed, ShuffledEngine

LOG = logging.getLogger(__name__)
COUNT = 60
PART = 16  # tiles of a part: four parts


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> EmDataset:
    return inputs(tmp_path_factory.mktemp("spread"))


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    return prepared(DatasetStore(str(tmp_path / "parts"), "spread"), COUNT)


@pytest.fixture
def whole(tmp_path: Path, dataset: EmDataset) -> tuple[pa.Table, pa.Table]:
    """Tiles and vectors as one process makes them."""
    store = prepared(DatasetStore(str(tmp_path / "whole"), "spread"), COUNT)
    cut_tiles(store, dataset, REGION, LOG)
    embed_region(store, REGION, "cpu", LOG)
    return made(store)


def sound(report: Report) -> Report:
    assert all(check.passed for check in report.checks)
    return report


def same(store: DatasetStore, whole: tuple[pa.Table, pa.Table]) -> bool:
    return all(here.equals(there) for here, there in zip(made(store), whole, strict=True))


def test_parts_that_are_made_twice_and_in_any_order_equal_one_process(
    store: DatasetStore, dataset: EmDataset, whole: tuple[pa.Table, pa.Table]
) -> None:
    engine = ShuffledEngine(PART, twice=True)
    cut = sound(cut_tiles(store, dataset, REGION, LOG, engine))
    assert (cut.rows, cut.computed_rows, len(engine.names), store.tiles.version) == (COUNT, COUNT, 4, 2)
    assert all(name.startswith(f"region {REGION}, synapses s") and " more" in name for name in engine.names)
    # The vectors were made with the tiles: none is left to make.
    embedded = sound(embed_region(store, REGION, "cpu", LOG, engine))
    assert (embedded.rows, embedded.computed_rows, len(engine.names)) == (COUNT, 0, 4)
    assert same(store, whole)
    assert tile_receipts(store, REGION).folder.names() == vector_receipts(store, REGION, MODEL).folder.names() == []


def test_the_next_run_makes_only_what_has_no_receipt(
    store: DatasetStore, dataset: EmDataset, whole: tuple[pa.Table, pa.Table]
) -> None:
    with pytest.raises(Killed):
        cut_tiles(store, dataset, REGION, LOG, ShuffledEngine(PART, dies_after=3))
    assert store.tiles.count() == 0
    assert plan_tiles(store, dataset, REGION).details["tiles_to_cut"] == COUNT - 3 * PART
    # Of one part the file is gone; it and the part that was not made are made now, divided otherwise.
    receipts = tile_receipts(store, REGION).folder
    lost = receipts.read_json(receipts.names()[0])
    [fragment] = json.loads(lost["part"])["fragments"]
    (Path(store.tiles.uri) / "data" / json.loads(fragment)["files"][0]["path"]).unlink()
    cut = sound(cut_tiles(store, dataset, REGION, LOG, ShuffledEngine(10)))
    assert cut.computed_rows == COUNT - 3 * PART + len(lost["hashes"])
    assert cut.details["resumed_rows"] == COUNT - cut.computed_rows
    assert sound(embed_region(store, REGION, "cpu", LOG, ShuffledEngine(PART))).computed_rows == 0
    assert same(store, whole)


class Haunted(ShuffledEngine):
    """One on which a node of an earlier run, divided otherwise, works on: it ends after the parts of this run."""

    def run(self, work: Any, parts: Any, name: Any, log: Any) -> Any:
        """See `Engine`."""
        first_call = not self.seen
        yield from super().run(work, parts, name, log)
        if first_call:
            first, second = self.seen[:2]
            rows = pa.concat_tables([first.rows.slice(PART // 2), second.rows.slice(0, 1)])  # type: ignore[attr-defined]
            work(replace(first, rows=rows))  # type: ignore[type-var]


def test_what_an_earlier_run_still_makes_costs_no_rows(
    store: DatasetStore, dataset: EmDataset, whole: tuple[pa.Table, pa.Table]
) -> None:
    cut = sound(cut_tiles(store, dataset, REGION, LOG, Haunted(PART)))
    assert (cut.rows, cut.computed_rows) == (COUNT, COUNT)
    use_encoder(store, model_id="v2")
    sound(embed_region(store, REGION, "cpu", LOG, Haunted(PART)))
    use_encoder(store)
    sound(embed_region(store, REGION, "cpu", LOG, ShuffledEngine(PART)))
    assert same(store, whole)


def test_only_parts_whose_synapses_lie_where_they_lay_are_shown(
    store: DatasetStore, dataset: EmDataset, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        cut_tiles(store, dataset, REGION, LOG, ShuffledEngine(PART, dies_after=3))
    # Five synapses move before the next run, and five are gone.
    gone = [f"s{number:03d}" for number in range(COUNT - 5, COUNT)]
    placed(store, sites(COUNT - 5, moved=5), gone)
    planned = plan_tiles(store, dataset, REGION).details["tiles_to_cut"]
    engine = ShuffledEngine(PART)
    cut = sound(cut_tiles(store, dataset, REGION, LOG, engine))
    assert (cut.rows, cut.computed_rows) == (COUNT - 5, planned)
    sound(embed_region(store, REGION, "cpu", LOG, engine))
    one = prepared(DatasetStore(str(tmp_path / "moved"), "spread"), COUNT - 5, moved=5)
    cut_tiles(one, dataset, REGION, LOG)
    embed_region(one, REGION, "cpu", LOG)
    assert same(store, made(one))


def test_vectors_of_another_encoder_are_made_of_stored_tiles(
    store: DatasetStore, dataset: EmDataset, tmp_path: Path
) -> None:
    engine = ShuffledEngine(PART)
    cut_tiles(store, dataset, REGION, LOG, engine)
    use_encoder(store, network=True, model_id="v2")
    embedded = sound(embed_region(store, REGION, "cpu", LOG, engine))
    assert (embedded.computed_rows, embedded.details["encoder"]) == (COUNT, "v2")
    one = prepared(DatasetStore(str(tmp_path / "one"), "spread"), COUNT)
    use_encoder(one, network=True, model_id="v2")
    cut_tiles(one, dataset, REGION, LOG)
    embed_region(one, REGION, "cpu", LOG)
    assert same(store, made(one))


def test_a_region_without_synapses_and_tiles_without_an_encoder(tmp_path: Path, dataset: EmDataset) -> None:
    engine = ShuffledEngine(PART)
    empty = placed(DatasetStore(str(tmp_path / "empty"), "spread"), sites(0))
    assert sound(cut_tiles(empty, dataset, REGION, LOG, engine)).rows == 0
    placed(empty, sites(5))
    assert sound(cut_tiles(empty, dataset, REGION, LOG, engine)).rows == 5
    use_encoder(empty)
    assert sound(embed_region(empty, REGION, "cpu", LOG, engine)).computed_rows == 5
    # What is gone from the region goes, though nothing is made.
    placed(empty, sites(0), ["s000"])
    assert sound(cut_tiles(empty, dataset, REGION, LOG, engine)).rows == 4
    assert sound(embed_region(empty, REGION, "cpu", LOG, engine)).rows == 4
    assert not tile_receipts(empty, REGION).folder.names()


def test_all_parts_follow_one_precision_and_a_machine_that_cannot_is_refused(
    tmp_path: Path, dataset: EmDataset, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = prepared(DatasetStore(str(tmp_path / "network"), "spread"), COUNT, network=True)
    monkeypatch.setattr(devices, "has_native_bf16", lambda device: True)
    cut_tiles(store, dataset, REGION, LOG, ShuffledEngine(PART))
    assert embed_region(store, REGION, "cpu", LOG, ShuffledEngine(PART)).details["precision"] == "bfloat16 on cpu"
    # Tiles do not need the encoder: they are cut, and why they have no vectors is said.
    placed(store, sites(COUNT + 9).slice(COUNT))
    monkeypatch.setattr(devices, "has_native_bf16", lambda device: False)
    clear_kept_encoders()
    assert sound(cut_tiles(store, dataset, REGION, LOG, ShuffledEngine(PART))).computed_rows == 9
    assert "no vectors were made of these tiles: the cpu here does not compute in bfloat16" in caplog.text
    with pytest.raises(
        BadInput,
        match=r"does not compute in bfloat16, in which the first vectors of the encoder v1 .*`synapse-assets node`",
    ):
        embed_region(store, REGION, "cpu", LOG, ShuffledEngine(PART))


def test_each_part_gets_its_share_of_the_requests(store: DatasetStore, dataset: EmDataset) -> None:
    volumes = {"em": dataset.volumes["em"].model_copy(update={"requests_per_second": 100.0})}
    engine = ShuffledEngine(PART)
    sound(cut_tiles(store, dataset.model_copy(update={"volumes": volumes}), REGION, LOG, engine))
    assert {part.dataset.volumes["em"].requests_per_second for part in engine.seen} == {25.0}  # type: ignore[attr-defined]


def clear_kept_encoders() -> None:
    from synapse_assets.pipeline.em import parts

    parts._encoder.cache_clear()
