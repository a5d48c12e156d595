"""What `inspect` prints of a file is materialised and gives the rows of the file: the real data, and planted look-alikes of tables."""

import csv
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from synapse_assets.cli import app
from synapse_assets.datasets import EmDataset, load_dataset
from synapse_assets.datasets.yaml_text import FILL_IN
from synapse_assets.definitions import build_definitions
from synapse_assets.errors import BadInput
from synapse_assets.settings import Settings
from synapse_assets.sources.inspect import Inspection, inspect_file
from synapse_assets.stores import DatasetStore

DATA = Path(__file__).parents[3] / "shared" / "data"
HEAD = """
name: mine
title: Mine
description: Sources that inspect printed.
volumes:
  em: {{kind: images, url: /somewhere, voxel_size_nm: {size}, space: {space}}}
grouping: [brain_region]
tile: {{size_px: 64, sections: 3}}
"""


def files_of_real_data() -> list[Path]:
    if not DATA.is_dir():
        pytest.skip("the real data is not on this machine")
    return sorted(path for path in DATA.rglob("*") if path.is_file())


def materialised(
    folder: Path, sources: dict[str, str], size: str = "[4, 4, 40]", space: str = "local"
) -> dict[str, pd.DataFrame]:
    """The rows of `synapse_table` by source, from a dataset with these printed sources, each region named as its source."""
    entries = []
    for name, printed in sources.items():
        (entry,) = yaml.safe_load(printed)["sources"]
        entries.append({**entry, "name": name, "brain_region": name, "id_prefix": f"{name}/"})
    path = folder / "mine.yaml"
    path.write_text(HEAD.format(size=size, space=space) + yaml.safe_dump({"sources": entries}, sort_keys=False))
    dataset = load_dataset(str(path), "/nowhere")
    assert isinstance(dataset, EmDataset)
    settings = Settings(data_root=str(folder / "root"), datasets=[], device="cpu")
    definitions = build_definitions(settings, datasets=[dataset])
    with dg.DagsterInstance.ephemeral() as instance:
        definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey(["mine", "synapse_table"])],
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    split = DatasetStore(str(folder / "root"), "mine").synapse_table
    rows = pd.concat([split.read(region).to_pandas(types_mapper=pd.ArrowDtype) for region in split.regions()])
    return {name: rows[rows["source"] == name] for name in sources}


def positions_of(rows: pd.DataFrame) -> list[tuple[float, ...]]:
    return sorted(map(tuple, rows[["x_nm", "y_nm", "z_nm"]].to_numpy(float).round(3).tolist()))


def in_file(path: Path, names: tuple[str, ...]) -> list[tuple[float, ...]]:
    """The numbers of these columns, row by row, read without any of the project's readers."""
    with path.open(newline="") as stream:
        return [tuple(float(row[name]) for name in names) for row in csv.DictReader(stream)]


def in_nm(rows: list[tuple[float, ...]], size: tuple[float, float, float]) -> list[tuple[float, ...]]:
    """Voxels in nm: a whole number is the middle of its voxel."""
    return sorted(
        tuple(round((one + 0.5 * (one == int(one))) * nm, 3) for one, nm in zip(row, size, strict=True)) for row in rows
    )


def test_every_file_of_real_data_is_described_or_named() -> None:
    for path in files_of_real_data():
        result = CliRunner().invoke(app, ["inspect", str(path)], env={"COLUMNS": "120"})
        if path.suffix == ".csv":
            assert result.exit_code == 0, result.output
            assert "for a dataset's YAML" in result.output
            continue
        assert result.exit_code == 2
        assert len(result.output.splitlines()) == 1
        assert "a table is a file that ends in" in result.output
        assert ("sections of a volume" in result.output) == (path.suffix in (".tif", ".png"))


def test_every_folder_of_real_data_is_named() -> None:
    for path in {one.parent for one in files_of_real_data()}:
        with pytest.raises(BadInput, match="is a folder: name the file in it"):
            inspect_file(str(path))


def test_the_real_tables_of_fafb_are_materialised_as_printed(tmp_path: Path) -> None:
    paths = {path.stem: path for path in files_of_real_data() if path.parent.name == "fafb_synful" and path.suffix}
    found = {name: inspect_file(str(path)) for name, path in paths.items()}
    rows = materialised(tmp_path, {name: one.source for name, one in found.items()}, space="FAFB14")
    for name, path in paths.items():
        assert len(rows[name]) == found[name].rows
        assert positions_of(rows[name]) == sorted(in_file(path, ("pre_x", "pre_y", "pre_z")))


def test_the_real_tables_of_the_nerve_cord_are_materialised_as_printed(tmp_path: Path) -> None:
    paths = {path.stem: path for path in files_of_real_data() if path.parent.name == "vnc_sstem"}
    found = {name: inspect_file(str(path)) for name, path in paths.items()}
    printed = {name: one.source.replace(f"units: {FILL_IN}", "units: voxel") for name, one in found.items()}
    rows = materialised(tmp_path, printed, size="[4.6, 4.6, 45]")
    for name, path in paths.items():
        assert len(rows[name]) == found[name].rows
        assert positions_of(rows[name]) == in_nm(in_file(path, ("x", "y", "z")), (4.6, 4.6, 45))
    assert rows["sites_stack1"]["target"].value_counts().to_dict() == {
        **dict.fromkeys(("cytoplasm", "membrane", "mitochondrion"), 450),
        "synapse": 242,
    }


# Planted -------------------------------------------------------------------------------------------------------------------


def planted(folder: Path) -> dict[str, tuple[Inspection, dict[str, str], list[tuple[float, ...]]]]:
    """Look-alikes of tables that labs export: what inspect says, what a person fills in, and the positions in nm."""
    rng = np.random.default_rng(5)
    isotropic = rng.integers(9_000, 30_000, (60, 3))
    pairs = rng.integers(9_000, 30_000, (60, 3))
    minnie = rng.integers((180_000, 140_000, 15_000), (380_000, 260_000, 27_000), (60, 3))
    is_pre = np.arange(60) % 4 == 0
    skeletons = pd.DataFrame({"connector_id": range(60), "node_id": range(60), "type": np.where(is_pre, "pre", "post")})
    skeletons[["x", "y", "z"]] = isotropic
    skeletons = skeletons.assign(roi=["EB", "None", "unknown", "FB"] * 15, confidence=0.9)
    both = pd.DataFrame({"bodyId_pre": range(1, 61), "bodyId_post": range(61, 121), "roi_pre": "EB", "roi_post": "FB"})
    both[["x_pre", "y_pre", "z_pre"]] = pairs
    both[["x_post", "y_post", "z_post"]] = pairs + 9
    both = both.assign(confidence_pre=0.9, confidence_post=0.8)
    cave = pd.DataFrame({"id": range(60), "pre_pt_root_id": 864691135000000000 + np.arange(60), "size": 500})
    cave = cave.assign(pre_pt_position=[str(row) for row in minnie.tolist()], ctr_pt_position="[1, 2, 3]")
    cave = cave.assign(post_pt_root_id=-2)
    tables = {"skeletons": skeletons, "hemibrain": both, "cave": cave}
    filled = {
        "skeletons": {"voxel_size_nm": "[8, 8, 8]"},
        "hemibrain": {},
        "cave": {"units": "voxel\n    voxel_size_nm: [4, 4, 40]"},
    }
    wanted = {
        "skeletons": in_nm(isotropic[is_pre].tolist(), (8, 8, 8)),
        "hemibrain": in_nm(pairs.tolist(), (8, 8, 8)),
        "cave": in_nm(minnie.tolist(), (4, 4, 40)),
    }
    found = {}
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
        found[name] = (inspect_file(str(folder / f"{name}.csv")), filled[name], wanted[name])
    return found


def test_planted_tables_are_materialised_as_printed(tmp_path: Path) -> None:
    tables = planted(tmp_path)
    printed = {}
    for name, (found, filled, _) in tables.items():
        printed[name] = found.source
        for field, value in filled.items():
            assert f"{field}: {FILL_IN}  # " in found.source
            printed[name] = printed[name].replace(f"{field}: {FILL_IN}", f"{field}: {value}")
        assert FILL_IN not in printed[name]
    rows = materialised(tmp_path, printed)
    for name, (found, _, wanted) in tables.items():
        assert found.rows == len(wanted) + sum(found.left_out.values()) == 60
        assert positions_of(rows[name]) == wanted
    assert rows["skeletons"]["brain_region"].value_counts().to_dict() == {"EB": 15}
    assert rows["hemibrain"]["neuron_id"].tolist() == list(range(1, 61))
    assert set(rows["hemibrain"]["brain_region"]) == {"EB"}
    assert set(rows["cave"]["neuron_id"]) == set(range(864691135000000000, 864691135000000060))


def test_what_is_to_be_filled_in_stops_a_dataset_in_one_sentence(tmp_path: Path) -> None:
    for name, (found, filled, _) in planted(tmp_path).items():
        if filled:
            with pytest.raises(BadInput, match=rf"sources '{name}'\.{next(iter(filled))} still says FILL_IN") as error:
                materialised(tmp_path, {name: found.source})
            assert "\n" not in str(error.value)
