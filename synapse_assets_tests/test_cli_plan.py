"""The command `plan`: what it says of a dataset whose tables were read, and in one sentence what it cannot say."""

import json
import logging
import os
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from synapse_assets.cli import app
from synapse_assets.pipeline.em.planning.workload import count_work
from synapse_assets.pipeline.em.synapses import read_synapse_tables
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.conftest import tiny_dataset

GIVEN = ("--decode", "100", "--encode", "50", "--embed", "20")


@pytest.fixture
def file(tiny_inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the tiny dataset, of which nothing was made yet."""
    for name in [name for name in os.environ if name.startswith("SYNAPSE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNAPSE_DATA_ROOT", str(tmp_path / "data"))
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny_dataset(tiny_inputs, tiny_inputs / "points.csv").model_dump(mode="json")))
    return path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["plan", *map(str, words)])


def read_tables(tiny_inputs: Path, tmp_path: Path) -> DatasetStore:
    store = DatasetStore(str(tmp_path / "data"), "tiny")
    read_synapse_tables(store, tiny_dataset(tiny_inputs, tiny_inputs / "points.csv"), [], logging.getLogger(__name__))
    return store


def test_every_number_says_where_it_comes_from(file: Path, tiny_inputs: Path, tmp_path: Path) -> None:
    store = read_tables(tiny_inputs, tmp_path)
    told = run(str(file), "--nodes", "3", *GIVEN, "--gpu", "A100", "--node-hour", "1.5", "--gb-month", "0.02")
    assert (told.exit_code, told.stderr) == (0, "")
    rows = {row.split("  ")[0]: " ".join(row.split()) for row in told.output.splitlines() if row.strip()}
    work = count_work(store, tiny_dataset(tiny_inputs, tiny_inputs / "points.csv"))
    assert rows["tiny: 72 synapses in 3 regions, 24 of them in AL_L"]
    assert rows["chunks"].startswith(f"chunks {work.whole.decoded_chunks} counted")
    assert rows["decode"].endswith("100 million voxels a second and core, given")
    assert rows["embed"].endswith("A100 hours 20 tiles a second and A100, given")
    assert rows["stored"].endswith("kB a tile, assumed")
    assert [line.split()[0] for line in told.output.splitlines() if line[:1].isdigit()] == ["1,", "3", "10", "100"]
    assert "Stored for a month: 0.00" in told.output
    assert "! volume em lies in a folder of this machine: every node has to see it" in told.output


def test_scripts_get_all_of_it(file: Path, tiny_inputs: Path, tmp_path: Path) -> None:
    read_tables(tiny_inputs, tmp_path)
    told = json.loads(run(str(file), *GIVEN, "--cores", "4", "--regions", "EB,LH_L", "--json").output)
    assert (told["dataset"], told["synapses"], list(told["regions"])) == ("tiny", 48, ["EB", "LH_L"])
    assert told["rates"]["decode"] == {"value": 1e8, "basis": "given"}
    assert told["rates"]["reads"] == {"value": 5000, "basis": "assumed"}
    assert told["takes"]["encode_core_hours"] == pytest.approx(48 / 50 / 3600)
    alone, *_ = told["forecasts"]
    assert (alone["nodes"], alone["on_ray"], alone["money"], told["concerns"]) == (1, False, None, [])
    assert sum(max(limits.values()) for limits in alone["stages"].values()) == pytest.approx(alone["hours"] * 3600)


def test_a_cluster_of_one_is_a_cluster(
    file: Path, tiny_inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_tables(tiny_inputs, tmp_path)
    monkeypatch.setenv("SYNAPSE_RAY_ADDRESS", "http://head:8265")
    monkeypatch.setenv("SYNAPSE_RAY_PART_TILES", "10")
    told = json.loads(run(str(file), *GIVEN, "--json").output)
    assert [one["on_ray"] for one in told["forecasts"]] == [True, True, True]
    assert told["counted"]["parts"] == 9


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere"),
        (["sample_cbp"], "sample_cbp is on the chain morphology: `plan` is for datasets that cut tiles"),
        (["FILE"], "not known yet. This reads their tables"),
        (["FILE", "--nodes", "0"], "--nodes has to be at least 1, not 0"),
        (["FILE", "--reads", "-5"], "--reads has to be a number above 0, not -5"),
        (["FILE", "--node-hour", "-1"], "--node-hour has to be a price of 0 or more, not -1"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(words: list[str], message: str, file: Path) -> None:
    told = run(*(str(file) if word == "FILE" else word for word in words))
    assert (told.exit_code, told.stdout) == (2, "")
    assert message in told.stderr
    assert len(told.stderr.splitlines()) == 1


def test_what_was_read_and_cannot_be_planned_is_one_sentence(file: Path, tiny_inputs: Path, tmp_path: Path) -> None:
    read_tables(tiny_inputs, tmp_path)
    unknown = run(str(file), "--gpu", "abacus")
    assert unknown.stderr.startswith("--gpu: nothing is known of the speed of 'abacus': give --embed")
    assert run(str(file), "--regions", "EC").stderr.startswith(
        "--regions: tiny has no region 'EC'; there are AL_L, EB, LH_L"
    )
    text = yaml.safe_load(file.read_text())
    text["volumes"]["em"] |= {"kind": "precomputed", "url": "http://127.0.0.1:9/em", "timeout_s": 0.3}
    file.write_text(yaml.safe_dump(text))
    unreachable = run(str(file), *GIVEN)
    assert (unreachable.exit_code, len(unreachable.stderr.splitlines())) == (2, 1)
    assert "127.0.0.1:9" in unreachable.stderr
