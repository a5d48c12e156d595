"""What goes with a run to the cluster: settings without secrets, and the graphics cards that it needs. Real runs are in `cluster/`."""

from pathlib import Path

import dagster as dg
import pytest
import yaml

from synapse_assets.settings import Settings
from synapse_assets_tests.conftest import tiny_dataset

pytest.importorskip("dagster_ray", reason="dagster-ray is not installed")

from synapse_assets.defs.cluster_launcher import gpus_of, job_environment


@pytest.fixture(scope="module")
def dataset(tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tiny") / "tiny.yaml"
    tiny = tiny_dataset(tiny_inputs, tiny_inputs / "points.csv")
    file.write_text(yaml.safe_dump(tiny.model_dump(mode="json", exclude_none=True)))
    return file


def run_of(*names: str, region: str | None = None, job: str = "__ASSET_JOB") -> dg.DagsterRun:
    tags = {} if region is None else {"dagster/partition": region}
    return dg.DagsterRun(
        job, asset_selection=frozenset(dg.AssetKey(["tiny", name]) for name in names) or None, tags=tags
    )


@pytest.mark.parametrize(
    ("run", "cards"),
    [
        (run_of("encoder"), 1.0),
        (run_of("explanation_checks", "warehouse"), 1.0),
        (run_of("warehouse", "umap_model"), 0.0),
        (run_of("tiles", "embeddings", region="EB"), 0.0),  # their parts have them
        (run_of("tiles", "explanations", region="EB"), 0.0),
        (run_of("explanations", region="EB"), 0.5),
        (run_of("synapses", region="EB"), 0.0),
        (run_of(job="tiny_fit"), 1.0),
        (run_of(job="tiny_ingest"), 0.0),
        (run_of(job="upkeep"), 0.0),
    ],
)
def test_a_run_holds_a_card_only_where_it_uses_one_itself(run: dg.DagsterRun, cards: float, dataset: Path) -> None:
    settings = Settings(datasets=[str(dataset)], ray_address="http://head:8265", ray_gpus=0.5)
    assert gpus_of(run, settings) == cards
    assert gpus_of(run, Settings(datasets=[str(dataset)], ray_address="http://head:8265")) == 0.0


def test_a_job_gets_the_settings_that_are_set_without_secrets_or_folders_of_this_machine(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(dataset.parent)
    settings = Settings(
        data_root="s3://lab/data",
        local_root="/home/somebody",
        datasets=["flywire", "tiny.yaml"],
        ray_address="http://head:8265",
        postgres_url="postgresql://synapse:pw@db/x",
        webhook_url="https://chat.example/secret",
        tick_seconds=7,
    )
    assert job_environment(settings, gpus=0) == {
        "SYNAPSE_DATA_ROOT": "s3://lab/data",
        "SYNAPSE_DATASETS": f"flywire,{dataset}",
        "SYNAPSE_RAY_ADDRESS": "http://head:8265",
        "SYNAPSE_TICK_SECONDS": "7",
    }


@pytest.mark.parametrize(
    ("device", "cards", "there"), [("cuda:1", 1, "cuda"), ("cuda:1", 0, "auto"), ("cuda", 0, "auto"), ("cpu", 1, "cpu")]
)
def test_a_job_computes_on_the_cards_that_it_sees(device: str, cards: float, there: str) -> None:
    assert job_environment(Settings(device=device), cards)["SYNAPSE_DEVICE"] == there
