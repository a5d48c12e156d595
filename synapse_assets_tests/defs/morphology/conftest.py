"""An installation with the planted workbook, whole chain materialised through Dagster; and fresh ones that a test may change."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from synapse_assets.datasets import MorphologyDataset
from synapse_assets.definitions import build_definitions
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.defs.morphology.planted import planted_dataset, planted_workbook

INGESTED = ("synapses", "feature_model", "features")
RECIPES = {
    "published": {
        "features": {"scaling": "none", "axis_signs": "as_traced"},
        "single_map": {"settings": {name: {"min_cluster_size": 20, "min_samples": 5} for name in ("as", "ss")}},
        "resampling": {"runs": 4, "nulls": 3},
    }
}
OF_RECIPES = ("recipe_clusters", "recipe_comparison")
OF_GROUP = ("projection", "parameter_sweep", "clusters", "cluster_stability", "cluster_classifier", "predictions")


class Bench:
    """One installation with one dataset, its workbooks, and an instance of its own."""

    def __init__(self, root: Path, instance: dg.DagsterInstance, **changes: Any) -> None:
        self.root, self.instance = root, instance
        self.study, self.new = root / "study.xlsx", root / "new.xlsx"
        root.mkdir(exist_ok=True)
        if not self.study.exists():  # of a copy they are there
            self.write(planted_workbook())
            self.write(planted_workbook(new=True), new=True)
        self.use(planted_dataset(self.study, self.new, **changes))

    def use(self, dataset: MorphologyDataset) -> None:
        """Take that dataset from now on."""
        self.dataset = dataset
        self.definitions = build_definitions(
            Settings(data_root=str(self.root / "data"), datasets=[], device="cpu"), datasets=[dataset]
        )
        self.store = DatasetStore(str(self.root / "data"), dataset.name)

    def write(self, rows: pd.DataFrame, *, new: bool = False) -> None:
        """Replace a workbook."""
        rows.drop(columns="planted", errors="ignore").to_excel(self.new if new else self.study, index=False)

    def materialize(self, *names: str, group: str | None = None, raises: bool = True) -> dg.ExecuteInProcessResult:
        """Run those assets, of one group or unpartitioned, through Dagster."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            asset_selection=[dg.AssetKey([self.dataset.name, name]) for name in names],
            partition_key=group,
            instance=self.instance,
            raise_on_error=raises,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )

    def materialize_one_by_one(self, *names: str) -> None:
        """Run those assets, each in a run of its own, of the first group or unpartitioned."""
        for name in names:
            self.materialize(name, group=next(iter(self.dataset.groups)) if name in OF_GROUP else None)

    def whole_chain(self) -> None:
        """Everything from the workbooks to the warehouse."""
        self.materialize(*INGESTED)
        for group in self.dataset.groups:
            self.materialize(*OF_GROUP, *(OF_RECIPES if self.dataset.recipes else ()), group=group)
        self.materialize("warehouse")

    def rows(self, table: Any, group: str | None = None) -> pd.DataFrame:
        """A stored table."""
        frame: pd.DataFrame = self.store.results(table).read(group).to_pandas()
        return frame


def checks(result: dg.ExecuteInProcessResult, *, passed: bool) -> dict[str, str]:
    """What the checks that passed, or did not, say."""
    return {
        one.check_name: one.description or "" for one in result.get_asset_check_evaluations() if one.passed == passed
    }


def metadata(result: dg.ExecuteInProcessResult, name: str) -> dict[str, Any]:
    """What the UI shows of an asset after that run."""
    found = [m for m in result.get_asset_materialization_events() if m.asset_key.path[-1] == name]
    return {key: value.value for key, value in found[-1].materialization.metadata.items()}


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The planted dataset with published labels and another recipe, whole chain materialised once. For reading only."""
    with dg.DagsterInstance.ephemeral() as instance:
        root = tmp_path_factory.mktemp("planted")
        rows = planted_workbook()
        labels = rows[rows.SynType == "as"].rename(columns={"planted": "Cluster"}).assign(clusterid="as")
        labels[["SynId", "NeuronId", "SynType", "Cluster", "clusterid"]].to_csv(root / "labels.csv", index=False)
        bench = Bench(root, instance, recipes=RECIPES, published_labels=str(root / "labels.csv"))
        bench.whole_chain()
        yield bench


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """A fresh installation whose dataset has other fields."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield lambda **changes: Bench(tmp_path, instance, **changes)
