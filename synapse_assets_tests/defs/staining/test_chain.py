"""The staining chain from files to a release, through Dagster, on planted pictures."""

from collections.abc import Iterator

import dagster as dg
import pytest

from synapse_assets.query import open_warehouse
from synapse_assets_tests.defs.staining.planted import COMPOUNDS, PLATES, WELLS, StainLab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StainLab]:
    """The whole chain with the texture probe alone."""
    with dg.DagsterInstance.ephemeral() as instance:
        lab = StainLab(tmp_path_factory.mktemp("stain"), instance)
        for plate in PLATES:
            lab.add(plate, {**WELLS, **COMPOUNDS}, fields=2)
        lab.to_vectors()
        lab.from_networks()
        yield lab


def test_released(lab: StainLab) -> None:
    with open_warehouse(lab.dataset, lab.root / "data") as warehouse:
        tables = warehouse.sql("show tables")["name"].tolist()
        print(tables)
        print(warehouse.sql("select * from stain_scores")["sentence"].tolist())
        print(warehouse.sql("select * from stain_thresholds").to_string())
        print(warehouse.sql("select * from compounds").to_string())
        print(warehouse.sql("select * from image_predictions").to_string())
        print(warehouse.points.frame([0, 1]).to_string())
        print(warehouse.similar(warehouse.points.ids[0].as_py(), k=3).to_string())
