"""What is private is in nothing that a site is made from: not in tables, not in points, not in pages."""

import logging
import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from synapse_assets.datasets import Publication, columns_left_out
from synapse_assets.errors import BadInput
from synapse_assets.explorer import pages
from synapse_assets.query.points import NO_FILTERS
from synapse_assets.site.export import export_site
from synapse_assets.site.public import public_release
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.conftest import FIRST_NEURON, REGIONS, Lab


def published(lab: Lab, *leave_out: str, **fields: Any) -> Any:
    return lab.dataset.model_copy(update={"publish": Publication(leave_out=list(leave_out), **fields)})


def known_columns(connection: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    return {*connection.execute("select table_name, column_name from duckdb_columns()").fetchall()}


def test_without_private_columns_it_is_the_release(finished_lab: Lab) -> None:
    with public_release(finished_lab.store, finished_lab.dataset) as public, public.warehouse() as warehouse:
        assert (public.left_out, public.told) == (frozenset(), ())
        assert warehouse.sql("select count(*) n from synapses")["n"][0] == len(warehouse.points) > 0
        assert {"target", "predicted", "cluster", "brain_region"} <= set(warehouse.points.categories)


def test_private_columns_are_empty_in_tables_points_and_pages(finished_lab: Lab) -> None:
    dataset = published(finished_lab, "neuron_id", "target", "brain_region", "clusters.cluster")
    with public_release(finished_lab.store, dataset) as public, public.warehouse() as warehouse:
        points = warehouse.points
        assert {"target", "brain_region", "cluster"}.isdisjoint(points.categories)
        assert "predicted" in points.categories
        assert len(points.neuron_ids) == 0
        assert (points.neurons == -1).all()
        with public.connection() as connection:
            for table, column in public.left_out & known_columns(connection):
                assert connection.table(table).count(f'"{column}"').fetchall() == [(0,)]
        # What tells the same under another name goes along; predictions are not known classes.
        assert {("splits", "group"), ("synapse_labels", "known_classes")} <= public.left_out
        card = pages.synapse(warehouse, dataset, points.ids[0].as_py(), lambda error, what: str(error))
        assert card["facts"]["neuron_id"] is None
        assert "target" not in card["facts"]
        assert card["nearest"]
        gallery = pages.gallery(warehouse, NO_FILTERS, 0, lambda error, what: str(error))
        assert {"target", "brain_region", "cluster"}.isdisjoint(part["name"] for part in gallery["compositions"])
        # The publisher is told where classes are named still.
        [told] = public.told
        assert told.startswith("values of target stand in ")
        assert "synapse_predictions.predicted" in told
    with public_release(finished_lab.store, finished_lab.dataset) as public, public.warehouse() as warehouse:
        assert "target" in warehouse.points.categories


def test_only_the_table_that_is_named_is_without_a_column(finished_lab: Lab) -> None:
    for name, has_neurons in (
        ("neuron_answers.neuron_id", True),
        ("synapse_labels.neuron_id", True),
        ("synapses.neuron_id", False),
    ):
        with (
            public_release(finished_lab.store, published(finished_lab, name)) as public,
            public.warehouse() as warehouse,
        ):
            assert (len(warehouse.points.neuron_ids) > 0) == has_neurons


def test_places_and_vectors_are_those_of_the_release(finished_lab: Lab) -> None:
    dataset = published(finished_lab, "hemilineage")
    with public_release(finished_lab.store, dataset) as public, public.warehouse() as warehouse:
        assert np.isfinite(warehouse.points.places_nm).all()
        with public.connection() as connection:
            first = connection.execute("from synapses limit 1").fetchall()[0][0]
        assert warehouse.similar(first, k=3)["distance"].is_monotonic_increasing


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("neuronid", "did you mean neuron_id"),
        ("synapse.neuron_id", "did you mean synapses.neuron_id"),
        ("annotator", "no column of a released table"),
        ("synapse_id", "synapse_id cannot be left out: pages and tables name their rows by ids"),
        ("synapses.x_nm", "synapses.x_nm cannot be left out"),
    ],
)
def test_names_that_are_wrong(name: str, says: str, finished_lab: Lab) -> None:
    with pytest.raises(BadInput, match=says):
        columns_left_out(published(finished_lab, name))


def test_paths_and_secrets_are_not_published(finished_lab: Lab, tmp_path: Any) -> None:
    store = DatasetStore(str(tmp_path), "tiny")
    shutil.copytree(finished_lab.root / "tiny", tmp_path / "tiny")
    path = f"{tmp_path}/tiny/raw/points.csv"
    with duckdb.connect(str(store.warehouse_path)) as connection:
        connection.execute("update synapses set source_file = ?", [path])
        connection.execute(
            "update synapse_sources set file = 's3://me:hunter2@bucket/x?token=abc', made_from = '/etc/secret/x'"
        )
    with public_release(store, finished_lab.dataset) as public, public.warehouse() as warehouse:
        assert set(warehouse.sql("select source_file from synapses")["source_file"]) == {
            "<data root>/tiny/raw/points.csv"
        }
        row = warehouse.sql("select file, made_from from synapse_sources").iloc[0]
        assert (row["file"], row["made_from"]) == ("s3://...@bucket/x?...", "…/x")
        assert public.describe(f"file://{path}") == "<data root>/tiny/raw/points.csv"


def test_no_release_yet(tmp_path: Any, finished_lab: Lab) -> None:
    nothing = public_release(DatasetStore(str(tmp_path), "tiny"), finished_lab.dataset)
    with pytest.raises(BadInput, match="no release of tiny to publish: materialise tiny/warehouse"):
        nothing.__enter__()


def everything_in(folder: Path) -> str:
    """What every file of a site says, tables as their rows."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    tables = [path for path in files if path.suffix == ".parquet"]
    texts = [str(pq.read_table(path).to_pylist()) + str(pq.read_schema(path).metadata) for path in tables]
    return "\n".join([*texts, *(path.read_bytes().decode("latin-1") for path in files)])


def test_no_file_of_a_site_says_what_is_private(finished_lab: Lab, tmp_path: Path) -> None:
    """Values that are planted in private columns, in a log of annotators and in addresses are looked for in every file."""
    root = tmp_path / "data"
    shutil.copytree(finished_lab.root / "tiny", root / "tiny")
    store = DatasetStore(str(root), "tiny")
    planted = ["Planted-lineage", "Planted-type", "Annette-Planted", "note-planted", "token-planted", "hunter2-planted"]
    (root / "tiny" / "annotations.sqlite").write_text(" ".join(planted))
    with duckdb.connect(str(store.warehouse_path)) as connection:
        connection.execute("update synapse_labels set hemilineage = 'Planted-lineage', cell_type = 'Planted-type'")
        connection.execute("update synapse_sources set file = 's3://me:hunter2-planted@host/x?token=token-planted'")
        connection.execute("update synapses set source_file = ?", [str(root / "tiny" / "points.csv")])
        connection.execute("update drift set reason = '<script>alert(1)</script>'")
    dataset = published(
        finished_lab, "hemilineage", "cell_type", "neuron_id", "brain_region", text="<script>alert(2)</script>"
    )
    written = export_site(dataset, root, tmp_path / "site", logging.getLogger(__name__))
    said = everything_in(written.out)
    regions = [region for region in REGIONS if len(region) > 2]
    private = [*planted, *regions, str(FIRST_NEURON), str(tmp_path), str(finished_lab.root)]
    assert not [text for text in private if text in said]
    html = "\n".join(path.read_text() for path in written.out.rglob("*.html"))
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(2)" in html
    # Nothing was planted in vain.
    everything = export_site(finished_lab.dataset, root, tmp_path / "all", logging.getLogger(__name__))
    told = everything_in(everything.out)
    assert not [text for text in ("Planted-lineage", "Planted-type", *regions, str(FIRST_NEURON)) if text not in told]
    assert not [text for text in (*planted[2:], str(tmp_path)) if text in told]
