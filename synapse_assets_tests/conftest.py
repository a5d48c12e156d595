"""A tiny dataset on real files: a PNG stack with planted textures, a points table, and a small network's checkpoint."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from xdist.scheduler.loadfile import LoadFileScheduling

from synapse_assets.caches import keep_caches
from synapse_assets.datasets import EmDataset
from synapse_assets.definitions import build_definitions
from synapse_assets.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REGIONS = ("AL_L", "EB", "LH_L")
# Assets of the vectors that the warehouse does not wait for.
REPORTS = ("retrieval_scorecard", "leakage_report", "compression_report")
# Assets of the predictions that it does not wait for either.
ANSWERS = ("calibration", "synapse_answers", "neuron_answers")
# What says what classifiers see, of the whole dataset and of a region; nothing waits for it.
EXPLAINED, EXPLAINED_BY_REGION = ("explanation_checks", "class_differences"), ("tile_attributes", "explanations")
CLASSES = ("acetylcholine", "gaba", "glutamate")
NEURONS_PER_CLASS = 4
SYNAPSES_PER_NEURON = 6
TILE_PX = 24
VOXEL_SIZE_NM = (4.0, 4.0, 40.0)
SECTIONS = 9
SIDE_PX = 288
# The folder in which an installation that is kept was made.
PLACE = "place"
# A seventh-digit id: above 2^53, so a float would have changed it.
FIRST_NEURON = 720575940600000001


def planted_points() -> pd.DataFrame:
    """72 synapses on a grid, one class a texture: columns id, x, y, z (voxels), neuron, region, nt."""
    rows = []
    places = [(x, y) for y in range(24, SIDE_PX - 12, 24) for x in range(24, SIDE_PX - 12, 24)]
    for index in range(len(CLASSES) * NEURONS_PER_CLASS * SYNAPSES_PER_NEURON):
        neuron = index // SYNAPSES_PER_NEURON
        x, y = places[index]
        rows.append(
            {
                "id": f"s{index:03d}",
                "x": x,
                "y": y,
                "z": 4,
                "neuron": FIRST_NEURON + neuron,
                "region": REGIONS[index % len(REGIONS)],
                "nt": CLASSES[neuron % len(CLASSES)],
            }
        )
    return pd.DataFrame(rows)


def planted_volume(points: pd.DataFrame) -> np.ndarray:
    """uint8 (z, y, x): noise, and around each synapse dots whose size and darkness tell its class."""
    rng = np.random.default_rng(0)
    volume = rng.normal(150, 6, (SECTIONS, SIDE_PX, SIDE_PX))
    for row in points.itertuples():
        kind = CLASSES.index(str(row.nt))
        for _ in range(8):
            dx, dy = rng.integers(-9, 9, 2)
            radius = 1 + kind
            x, y = int(row.x) + dx, int(row.y) + dy
            volume[:, max(y - radius, 0) : y + radius, max(x - radius, 0) : x + radius] -= 25 + 15 * kind
    return np.clip(volume, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def tiny_inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `em/000.png ...`, `points.csv` and `weights.safetensors` of a small network."""
    import timm
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("tiny")
    points = planted_points()
    (folder / "em").mkdir()
    for index, section in enumerate(planted_volume(points)):
        Image.fromarray(section).save(folder / "em" / f"{index:03d}.png")
    points.to_csv(folder / "points.csv", index=False)
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", in_chans=3, num_classes=0)
    save_file(
        {name: value.contiguous() for name, value in network.state_dict().items()}, folder / "weights.safetensors"
    )
    return folder


def tiny_dataset(inputs: Path, points: Path, **changes: object) -> EmDataset:
    """The tiny dataset, reading `points`."""
    values: dict[str, object] = {
        "name": "tiny",
        "title": "Tiny brain",
        "description": "Planted textures for tests.",
        "volumes": {"em": {"kind": "images", "url": str(inputs / "em"), "voxel_size_nm": VOXEL_SIZE_NM}},
        "sources": [
            {
                "name": "table",
                "format": "points",
                "volume": "em",
                "path": str(points),
                "units": "voxel",
                "columns": {"synapse_id": "id", "neuron_id": "neuron", "brain_region": "region", "target": "nt"},
            }
        ],
        "target": "neurotransmitter",
        "grouping": ["neuron_id"],
        "tile": {"size_px": TILE_PX, "sections": 3},
        "encoder": {
            "origin": "checkpoint",
            "architecture": "test_resnet",
            "checkpoint": str(inputs / "weights.safetensors"),
        },
    }
    return EmDataset.model_validate({**values, **changes})


def failure_reason(result: dg.ExecuteInProcessResult) -> str:
    """Why a run failed, as it is told to a person."""
    from synapse_assets.defs import failures

    return failures.failure_reason(result.all_events)


@contextmanager
def few_pictures() -> Iterator[None]:
    """Methods of explanation are judged on fewer pictures and draws: half of the time of a whole chain, for verdicts that nobody here
    reads. How they are judged has tests of its own."""
    from synapse_assets.pipeline.em import explanations

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explanations, "PICTURES", 12)
        patch.setattr(explanations, "OCCLUSION_PICTURES", 4)
        patch.setattr(explanations, "DRAWS", 1)
        yield


class Lab:
    """One installation with the tiny dataset, an instance of its own, and a points table that a test may change."""

    def __init__(self, inputs: Path, root: Path, instance: dg.DagsterInstance, **changes: object) -> None:
        self.points = root / "points.csv"
        self.root = root / "data"
        self.instance = instance
        self.write(pd.read_csv(inputs / "points.csv"))
        self.use(tiny_dataset(inputs, self.points, **changes))

    def use(self, dataset: EmDataset) -> None:
        """Take that dataset from now on."""
        self.dataset = dataset
        self.definitions = build_definitions(
            Settings(data_root=str(self.root), datasets=[], device="cpu"), datasets=[dataset]
        )

    def write(self, points: pd.DataFrame) -> None:
        """Replace the points table."""
        points.to_csv(self.points, index=False)

    @property
    def store(self):  # type: ignore[no-untyped-def]
        from synapse_assets.stores import DatasetStore

        return DatasetStore(str(self.root), self.dataset.name)

    def materialize(
        self, *names: str, region: str | None = None, raises: bool = True, config: dict[str, Any] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Run those assets, of one region or unpartitioned, through Dagster, with what stands in the launchpad."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        with few_pictures():
            return job.execute_in_process(
                asset_selection=[dg.AssetKey([self.dataset.name, name]) for name in names],
                partition_key=region,
                instance=self.instance,
                raise_on_error=raises,
                run_config={**(config or {}), "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )

    def everywhere(self, *names: str) -> None:
        """Run those assets for every region there is."""
        for region in sorted(self.instance.get_dynamic_partitions(f"{self.dataset.name}_brain_region")):
            self.materialize(*names, region=region)

    def answers(self) -> None:
        """What is made of the predictions beside the warehouse."""
        self.materialize("calibration")
        self.everywhere("synapse_answers")
        self.materialize("neuron_answers")

    def explained(self) -> None:
        """What classifiers see, and how classes differ."""
        self.materialize("explanation_checks")
        self.everywhere(*EXPLAINED_BY_REGION)
        self.materialize("class_differences")

    def whole_chain(self, *beside: str, answers: bool = False, explained: bool = False) -> None:
        """Everything from the source to the warehouse; `beside`: assets of the vectors that the warehouse does not wait for, `answers`
        those of the predictions, and `explained` those that explain them."""
        self.materialize("synapse_table", "alignment", *(["neurons"] if self.dataset.neurons else []))
        self.everywhere("synapses", "synapse_labels", "tile_plan", "tiles")
        self.materialize("encoder", "splits")
        self.everywhere("embeddings")
        self.materialize("umap_model", "cluster_model", "synapse_classifier", *beside)
        self.everywhere("umap_coordinates", "clusters", "synapse_predictions")
        if answers:
            self.answers()
        if explained:
            self.explained()
        voted = ["neuron_predictions"] if self.dataset.has_neurons else []
        self.materialize("cluster_cards", *voted, "drift", "promotions", "vector_index", "warehouse")


def copy_history(of: dg.DagsterInstance, to: dg.DagsterInstance) -> None:
    """All that Dagster has recorded, from one instance in memory to another. On disk, each of thousands of questions would open a file."""
    for name in ("event_log_storage", "run_storage"):
        full, empty = (getattr(instance, name)._held_conn.connection.dbapi_connection for instance in (of, to))
        full.backup(empty)


@dataclass(frozen=True)
class Kept:
    """An installation with the tiny dataset that is had again as often as it is needed: its folder, which nobody changes, and Dagster's
    history."""

    inputs: Path
    folder: Path
    history: dg.DagsterInstance

    @contextmanager
    def again(self, root: Path) -> Iterator[Lab]:
        """The same in another folder, for any use."""
        shutil.copytree(self.folder, root, dirs_exist_ok=True)
        with dg.DagsterInstance.ephemeral() as instance:
            copy_history(self.history, instance)
            yield Lab(self.inputs, root, instance)


@pytest.fixture
def lab(tiny_inputs: Path, tmp_path: Path) -> Iterator[Lab]:
    """A fresh installation with nothing materialised."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield Lab(tiny_inputs, tmp_path, instance)


@pytest.fixture
def make_lab(tiny_inputs: Path, tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """A fresh installation whose dataset has other fields."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield lambda **changes: Lab(tiny_inputs, tmp_path, instance, **changes)


@pytest.fixture(scope="session")
def whole_once(tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """What `whole_lab` is a copy of, and `finished_lab` in the place where it was made."""
    place = tmp_path_factory.mktemp("whole") / PLACE
    place.mkdir()
    with dg.DagsterInstance.ephemeral() as instance:
        Lab(tiny_inputs, place, instance).whole_chain()
        yield Kept(tiny_inputs, place.rename(place.with_name("kept")), instance)


@pytest.fixture
def whole_lab(whole_once: Kept, tmp_path: Path) -> Iterator[Lab]:
    """An installation of the test's own in which the whole chain was materialised."""
    with whole_once.again(tmp_path) as lab:
        yield lab


@pytest.fixture(scope="session")
def finished_lab(whole_once: Kept) -> Iterator[Lab]:
    """The tiny dataset, whole chain materialised once, and what the warehouse does not wait for. For reading only."""
    # Where the chain was made: addresses are part of code versions.
    with whole_once.again(whole_once.folder.with_name(PLACE)) as lab:
        lab.materialize(*REPORTS)
        lab.answers()
        lab.explained()
        lab.materialize("warehouse")
        yield lab


os.environ.setdefault("MPLBACKEND", "agg")


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """Headless Chromium, one in a process: Playwright refuses a second."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium is installed on this machine")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


def pytest_configure(config: pytest.Config) -> None:
    """What numba compiles for UMAP is kept for all processes of the tests: each would take a quarter of a minute for it.

    And no command that a test runs in this process sends the caches elsewhere.
    """
    cache = config.cache
    assert cache is not None
    keep_caches(str(cache.mkdir("local")))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first: files are handed to the processes in this order."""
    items.sort(key=lambda item: "test_installation" not in item.nodeid)


# Folders of which most tests look at one installation that takes half a minute to make.
TOGETHER = ("defs/morphology", "defs/staining")


class Together(LoadFileScheduling):
    """Tests of a file run in one process, and those of the folders `TOGETHER`."""

    def _split_scope(self, nodeid: str) -> str:
        folder = nodeid.split("::")[0].removeprefix("synapse_assets_tests/").rpartition("/")[0]
        return folder if folder in TOGETHER else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """See `Together`."""
    return Together(config, log)
