"""An installation out of an archive, used by whoever makes one and by the tests that open it.

Everything lies in one folder, which is the working folder while it is in use: the dataset files name their sources by relative
paths, because addresses are part of code versions and the archive is opened elsewhere than it was made.
"""

import lzma
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from synapse_assets.datasets import EmDataset, MorphologyDataset, load_dataset
from synapse_assets.definitions import build_definitions
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore

FOLDER = Path(__file__).parent
DAGSTER_SETTINGS = FOLDER.parents[1] / "dagster.yaml"
# The datasets of an archive: images, and workbooks.
TINY, PLANTED = "tiny", "planted"
DATA_ROOT = "data"
# What was so when the archive was made.
RECORD = "record.json"


class Archived:
    """The installation in the working folder, with the definitions of the code as it is now."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        settings = Settings(data_root=DATA_ROOT, local_root=DATA_ROOT, datasets=[], device="cpu")
        self.data_root = settings.data_root
        self.datasets: dict[str, EmDataset | MorphologyDataset] = {
            name: load_dataset(f"{name}.yaml", settings.local_root) for name in (TINY, PLANTED)
        }
        self.definitions = build_definitions(settings, datasets=list(self.datasets.values()))

    def store(self, dataset: str) -> DatasetStore:
        """Everything stored of one dataset."""
        return DatasetStore(self.data_root, dataset)

    def materialize(self, dataset: str, *names: str, part: str | None = None) -> dg.ExecuteInProcessResult:
        """Run those assets, of one region or group or unpartitioned, through Dagster."""
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey([dataset, name]) for name in names],
            partition_key=part,
            instance=self.instance,
            run_config=_quiet(),
        )

    def run_job(self, name: str, **ops: dict[str, Any]) -> None:
        """Run that job, with the config of its ops by name."""
        config = {"ops": {op: {"config": given} for op, given in ops.items()}}
        self.definitions.resolve_job_def(name).execute_in_process(
            instance=self.instance, run_config={**config, **_quiet()}
        )

    def out_of_date(self) -> dict[str, str]:
        """Every asset that is not up to date, part by part (`tiny/tiles EB`), with the reasons as Dagster gives them."""
        graph = self.definitions.resolve_asset_graph()
        resolver = CachingStaleStatusResolver(self.instance, graph, LoadingContextForTest(self.instance))
        found = {}
        for key in sorted(graph.materializable_asset_keys):
            partitions = graph.get(key).partitions_def
            parts = (
                [None] if partitions is None else partitions.get_partition_keys(dynamic_partitions_store=self.instance)
            )
            for part in parts:
                status = resolver.get_status(key, part)
                if status != StaleStatus.FRESH:
                    causes = sorted({cause.reason for cause in resolver.get_stale_causes(key, part)})
                    name = " ".join([key.to_user_string(), *([part] if part else [])])
                    found[name] = ": ".join([status.value, *causes])
        return found


@contextmanager
def installation(folder: Path) -> Iterator[Archived]:
    """The installation in that folder, which has to be the working folder."""
    home = folder / DATA_ROOT / ".dagster"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(DAGSTER_SETTINGS, home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield Archived(instance)


def pack(folder: Path, archive: Path) -> None:
    """Writes everything in the folder into one file, .tar.xz."""
    with tarfile.open(archive, "w:xz", preset=9 | lzma.PRESET_EXTREME) as target:
        for path in sorted(folder.rglob("*")):
            target.add(path, path.relative_to(folder), recursive=False, filter=_without_owner)


def unpack(archive: Path, folder: Path) -> None:
    """Lays out an archive in a new folder."""
    with tarfile.open(archive) as source:
        source.extractall(folder, filter="data")


def _without_owner(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


def _quiet() -> dict[str, Any]:
    return {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
