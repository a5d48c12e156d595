"""What a dataset needs before it can be read, on real files and with variables that are not set."""

from pathlib import Path

import pytest

from synapse_assets.datasets import load_dataset
from synapse_assets.sources.needs import Needs, State, needs_of

OWN = """
name: own
title: Own brain
description: Of a test.
volumes: {em: {kind: images, url: "${LAB_FOLDER}/em", voxel_size_nm: [4, 4, 40]}}
sources: [{name: table, format: points, volume: em, path: "${LAB_TABLES}/*.csv", units: nm, columns: {neuron_id: neuron}}]
neurons: [{name: known, format: neurons, path: "${LAB_NEURONS:-neurons.csv}", columns: {neuron_id: id, known_classes: nt}}]
target: neurotransmitter
grouping: [neuron_id]
tile: {size_px: 32, sections: 3}
"""


def needs(name: str, folder: Path) -> Needs:
    return needs_of(name, load_dataset(name, str(folder), keep_unset=True), str(folder))


def states(name: str, folder: Path) -> dict[str, State]:
    return {place.where: state for place, state in needs(name, folder).places}


def test_each_file_is_said_to_be_there_missing_or_not_yet_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(OWN)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    where = ("volumes.em.url", "sources[0].path", "neurons[0].path")
    assert states(str(own), tmp_path) == dict(zip(where, (State.UNSET, State.UNSET, State.MISSING), strict=True))
    assert needs(str(own), tmp_path).in_words() == [
        "LAB_FOLDER (not set)",
        "LAB_TABLES (not set)",
        "1 of 3 files or folders are missing",
    ]
    monkeypatch.setenv("LAB_FOLDER", f"file://{tmp_path}")
    monkeypatch.setenv("LAB_TABLES", str(tmp_path / "a"))
    assert states(str(own), tmp_path) == dict.fromkeys(where, State.MISSING)
    assert not needs(str(own), tmp_path).is_met
    (tmp_path / "em").mkdir()
    (tmp_path / "a" / "table.csv").write_text("x")
    (tmp_path / "neurons.csv").write_text("x")
    assert states(str(own), tmp_path) == dict.fromkeys(where, State.THERE)
    assert needs(str(own), tmp_path).in_words() == ["LAB_FOLDER (set)", "LAB_TABLES (set)"]
    assert needs(str(own), tmp_path).is_met
    monkeypatch.setenv("LAB_TABLES", "https://lab.example.org/tables")
    assert states(str(own), tmp_path)["sources[0].path"] is State.FETCHED


def test_what_the_package_has_needs_what_its_files_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYNAPSE_FAFB_FOLDER", raising=False)
    assert needs("sample", tmp_path).in_words() == ["nothing: drawn here"]
    assert set(states("sample", tmp_path).values()) == {State.COMING}
    assert needs("sample", tmp_path).is_met
    assert needs("fafb", tmp_path).in_words() == [
        "SYNAPSE_FAFB_FOLDER (not set)",
        "fetches up to 20 GB of a volume a run",
    ]
    assert states("fafb", tmp_path)["volumes.fafb_v14.url"] is State.FETCHED
    assert needs("fafb_10k", tmp_path).is_met
    assert needs("fafb_10k", tmp_path).in_words() == [
        "fetches up to 20 GB of a volume a run",
        "fetches 9.5 GB of tables once",
    ]
    # Workbooks that may be left out are named by no variable that has to be set.
    assert needs("cbp", tmp_path).variables == ["SYNAPSE_CBP_WORKBOOK"]
