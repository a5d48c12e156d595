"""The vectors of a site: the way that the report recommends, in int8, and what it loses."""

from pathlib import Path

import numpy as np
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em import compression
from synapse_assets.query import Warehouse, open_warehouse
from synapse_assets.site import vectors as site_vectors
from synapse_assets.site.folder import site_folder
from synapse_assets.site.vectors import SiteVectors, write_vectors
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.conftest import Lab
from synapse_assets_tests.site.planted import WIDTH, plant, planted_dataset
from synapse_assets_tests.site.reader import ReadEntry

IDS = [f"s{number:03d}" for number in range(90)]


def write(warehouse: Warehouse, store: DatasetStore, out: Path) -> tuple[SiteVectors, ReadEntry]:
    with site_folder(out, store.dataset, "1") as folder:
        written = write_vectors(folder, "browse/vectors.i8", warehouse, store, 0)
        folder.write_json("browse/site.json", {"vectors": written.described()})
    return written, ReadEntry(out / "browse")


def test_the_reports_way_in_int8_of_every_row_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Several batches, of which one has no vector at all.
    monkeypatch.setattr(site_vectors, "_ROWS", 8)
    monkeypatch.setattr(site_vectors, "_ROOM_BYTES", 0)
    without = (5, *range(16, 24))
    store = plant(tmp_path, IDS, without_picture=without)
    with open_warehouse(planted_dataset(tmp_path), tmp_path) as warehouse:
        written, entry = write(warehouse, store, tmp_path / "out")
        full, present = warehouse.vectors.at(np.arange(len(IDS))), warehouse.vectors.present
    assert (written.way.method, written.way.dimensions, written.reported) == ("leading numbers", 16, True)
    assert (~present).sum() == 9
    assert not entry.vectors[~present].any()
    errors = np.abs(entry.vectors[present] - full[present, :16])
    assert written.way.scale is not None
    assert (errors <= written.way.scale * 0.5001).all()
    described = entry.content["vectors"]
    assert described["full_dimensions"] == WIDTH
    assert 1 > described["recall_int8"]["value"] > 0.95
    assert described["recall_int8"]["value"] > described["recall_full"]["value"] > 0.3
    assert described["recall_int8"]["among"] == 81


@pytest.mark.parametrize(("loss", "method", "dimensions"), [(1.0, "principal components", 16), (0.0001, "full", WIDTH)])
def test_without_a_report_the_same_rule_decides_on_these_vectors(
    loss: float, method: str, dimensions: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "LARGEST_LOSS", loss)
    monkeypatch.setattr(site_vectors, "_ROOM_BYTES", 0)
    monkeypatch.setattr(site_vectors, "in_falling_order", lambda *_: False)
    store = plant(tmp_path, IDS, reported=False)
    with open_warehouse(planted_dataset(tmp_path), tmp_path) as warehouse:
        written, entry = write(warehouse, store, tmp_path / "out")
    assert (written.reported, written.way.method, written.way.dimensions) == (False, method, dimensions)
    assert entry.vectors.shape == (90, dimensions)


@pytest.mark.parametrize(
    ("room_bytes", "method", "dimensions"),
    [
        (90 * WIDTH, "full", WIDTH),
        (90 * WIDTH - 1, "leading numbers", 16),
        (0, "leading numbers", 16),
    ],
)
def test_more_numbers_than_the_report_needs_where_they_weigh_little(
    room_bytes: int, method: str, dimensions: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_vectors, "_ROOM_BYTES", room_bytes)
    store = plant(tmp_path, IDS)
    with open_warehouse(planted_dataset(tmp_path), tmp_path) as warehouse:
        written, entry = write(warehouse, store, tmp_path / "out")
    assert (written.way.method, written.way.dimensions) == (method, dimensions)
    assert entry.vectors.shape == (90, dimensions)


def test_of_the_report_what_the_report_recommends_in_int8(
    finished_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_vectors, "_ROOM_BYTES", 0)
    with open_warehouse(finished_lab.dataset, finished_lab.root) as warehouse:
        best = compression.smallest(warehouse.compression_report(), "int8")
        written, entry = write(warehouse, finished_lab.store, tmp_path / "out")
        vectors = warehouse.vectors.at(np.arange(72))
    wanted = ("full", vectors.shape[1]) if best is None else (best["method"], best["dimensions"])
    assert (written.reported, (written.way.method, written.way.dimensions)) == (True, wanted)
    # Those near each other by the site's vectors are near by the full ones.
    site, full = (matrix / np.linalg.norm(matrix, axis=1, keepdims=True) for matrix in (entry.vectors, vectors))
    assert np.corrcoef((site @ site.T).ravel(), (full @ full.T).ravel())[0, 1] > 0.95


def test_a_release_without_a_vector_is_an_error(tmp_path: Path) -> None:
    store = plant(tmp_path, IDS[:5], without_picture=list(range(5)))
    with (
        open_warehouse(planted_dataset(tmp_path), tmp_path) as warehouse,
        pytest.raises(BadInput, match="no synapse of the release of planted has a vector: materialise its embeddings"),
    ):
        write(warehouse, store, tmp_path / "out")
