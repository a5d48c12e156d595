"""The front of the staining chain through Dagster: pictures arrive, are registered and cut plate by plate, and change."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import tifffile

from synapse_assets.datasets import StainingDataset
from synapse_assets.definitions import build_definitions
from synapse_assets.defs.asset import observed_version
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.conftest import failure_reason
from synapse_assets_tests.stained import noise, staining_dataset, write_plates

PLATES = ("P1", "P2")


class Plates:
    """An installation whose pictures lie in `pictures`."""

    def __init__(self, root: Path, instance: dg.DagsterInstance) -> None:
        self.pictures, self.root, self.instance = root / "pictures", root / "data", instance
        write_plates(self.pictures, PLATES)
        self.use(staining_dataset(self.pictures))

    def use(self, dataset: StainingDataset) -> None:
        """Takes that dataset from now on."""
        settings = Settings(data_root=str(self.root), datasets=[], device="cpu")
        self.definitions = build_definitions(settings, datasets=[dataset])
        self.store = DatasetStore(str(self.root), dataset.name)

    def materialize(self, name: str, plate: str | None = None, raises: bool = True) -> dg.ExecuteInProcessResult:
        """Runs one asset."""
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey(["stained", name])],
            partition_key=plate,
            instance=self.instance,
            raise_on_error=raises,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )

    def version(self, name: str, plate: str) -> str | None:
        """The content version of an asset of a plate that Dagster has on record."""
        key = dg.AssetKey(["stained", name])
        if name == "plate_images":
            return observed_version(self.instance, key, plate)
        records = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, asset_partitions=[plate]), limit=1
        ).records
        return records[0].event_log_entry.tags["dagster/data_version"]  # type: ignore[index]

    def facts(self, name: str, plate: str) -> dict[str, object]:
        """What the UI shows of the last materialisation."""
        records = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(["stained", name]), asset_partitions=[plate]), limit=1
        ).records
        event = records[0].asset_materialization
        assert event is not None
        return {key: value.value for key, value in event.metadata.items()}


@pytest.fixture
def plates(tmp_path: Path) -> Iterator[Plates]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Plates(tmp_path, instance)


def test_plates_are_listed_registered_and_cut_and_a_change_reaches_only_its_plate(plates: Plates) -> None:
    plates.materialize("image_table")
    assert sorted(plates.instance.get_dynamic_partitions("stained_plate")) == list(PLATES)
    for plate in PLATES:
        plates.materialize("images", plate)
    for plate in PLATES:
        plates.materialize("windows", plate)
    assert plates.store.tiles.regions() == dict.fromkeys(PLATES, 16)
    assert plates.facts("windows", "P1")["white_level"] == 4_095
    before = {
        (name, plate): plates.version(name, plate) for name in ("plate_images", "images", "windows") for plate in PLATES
    }
    assert None not in before.values()

    tifffile.imwrite(plates.pictures / "treated" / "P2_B03_1.tif", noise(50))
    write_plates(plates.pictures, ["P3"])
    plates.materialize("image_table")
    assert sorted(plates.instance.get_dynamic_partitions("stained_plate")) == [*PLATES, "P3"]
    changed = {plate: plates.version("plate_images", plate) != before["plate_images", plate] for plate in PLATES}
    assert changed == {"P1": False, "P2": True}
    plates.materialize("images", "P2")
    plates.materialize("windows", "P2")
    assert plates.version("images", "P2") != before["images", "P2"]
    assert plates.version("windows", "P2") != before["windows", "P2"]
    assert plates.facts("windows", "P2")["computed_rows"] == 4


def test_an_installation_is_told_what_to_mend(plates: Plates) -> None:
    plates.materialize("image_table")
    file = plates.pictures / "control" / "P1_B02_0.tif"
    file.write_bytes(file.read_bytes()[:200])
    result = plates.materialize("images", "P1")
    [check] = [c for c in result.get_asset_check_evaluations() if c.check_name == "readable"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "1 files cannot be read: P1_B02_0.tif" in str(check.description)
    plates.materialize("windows", "P1")
    assert plates.store.tiles.count("P1") == 12

    tifffile.imwrite(plates.pictures / "control" / "P2_B02_0.tif", noise(6) * 16)
    plates.materialize("images", "P2")
    failed = plates.materialize("windows", "P2", raises=False)
    assert not failed.success
    assert "say white_level: 65535 in the dataset's YAML" in failure_reason(failed)
    assert plates.store.tiles.regions() == {"P1": 12}
    plates.use(staining_dataset(plates.pictures, white_level=65_535))
    plates.materialize("windows", "P2")
    assert plates.store.tiles.regions() == {"P1": 12, "P2": 16}
