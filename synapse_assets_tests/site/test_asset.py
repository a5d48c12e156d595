"""The asset `site` and the command `export-site`: off unless asked for, and what they say when they are done."""

import shlex
import subprocess
from pathlib import Path

import dagster as dg
import pytest
import yaml
from typer.testing import CliRunner

from synapse_assets.cli import app
from synapse_assets.datasets import Publication
from synapse_assets.definitions import build_definitions
from synapse_assets.settings import Settings
from synapse_assets.stores.releases import freeze_release
from synapse_assets_tests.conftest import Lab

SITE = dg.AssetKey(["tiny", "site"])


def asked_for(lab: Lab, **fields: object) -> None:
    """Takes the dataset of a laboratory whose file asks for the site."""
    lab.use(lab.dataset.model_copy(update={"publish": Publication.model_validate({"site": True, **fields})}))


def test_the_asset_is_there_for_who_asks_for_it(lab: Lab) -> None:
    assert SITE not in lab.definitions.resolve_asset_graph().get_all_asset_keys()
    asked_for(lab)
    spec = next(spec for spec in lab.definitions.resolve_all_asset_specs() if spec.key == SITE)
    assert [dep.asset_key for dep in spec.deps] == [dg.AssetKey(["tiny", "warehouse"])]
    assert spec.automation_condition is not None
    before = spec.code_version
    asked_for(lab, text="Another text.")
    versions = {spec.key: spec.code_version for spec in lab.definitions.resolve_all_asset_specs()}
    assert versions[SITE] != before


def test_it_writes_the_site_of_a_release(whole_lab: Lab) -> None:
    asked_for(whole_lab, title="A paper", leave_out=["target"])
    done = whole_lab.materialize("site")
    [made] = done.asset_materializations_for_node("tiny__site")
    folder = whole_lab.root / "tiny" / "site"
    facts = {name: value.value for name, value in made.metadata.items()}
    released = whole_lab.store.release()["tables"]
    assert (facts["folder"], facts["rows"]) == (str(folder), sum(entry["rows"] for entry in released.values()))
    files = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    assert (facts["files"], facts["bytes"]) == (len(files), sum(files))
    assert facts["serve"] == f"python3 -m http.server --bind 127.0.0.1 --directory {folder} 8000"
    assert "values of target stand in" in facts["told_elsewhere"]
    assert facts["seconds"] > 0
    assert "A paper" in (folder / "index.html").read_text()
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    # Another release takes its place.
    assert whole_lab.materialize("site").success
    assert sorted(path.name for path in folder.parent.glob("site*")) == ["site"]


def test_on_object_storage_it_says_what_to_do(lab: Lab) -> None:
    asked_for(lab)
    settings = Settings(data_root="s3://bucket/data", local_root=str(lab.root), datasets=[], device="cpu")
    job = build_definitions(settings, datasets=[lab.dataset]).resolve_implicit_global_asset_job_def()
    failed = job.execute_in_process(asset_selection=[SITE], instance=lab.instance, raise_on_error=False)
    [event] = [event for event in failed.all_events if event.event_type_value == "STEP_FAILURE"]
    assert "run `synapse-assets export-site tiny site`" in str(event.event_specific_data)


@pytest.fixture
def file(whole_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The dataset file of the laboratory, in whose data root commands work."""
    monkeypatch.setenv("SYNAPSE_DATA_ROOT", str(whole_lab.root))
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(whole_lab.dataset.model_dump(mode="json", exclude_defaults=True)))
    return path


def test_the_command_says_what_it_wrote_and_how_to_look_at_it(whole_lab: Lab, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "my site"
    freeze_release(whole_lab.store, "paper")
    done = CliRunner().invoke(app, ["export-site", str(file), str(out), "--release", "paper"])
    assert done.exit_code == 0, done.output
    assert "Tiny brain: Map, Search, Gallery, Clusters, Classes" in done.output
    assert "Not exported (its page about/ says why): Search with a picture or a place, Neurons" in done.output
    command = shlex.split(done.output.strip().splitlines()[-1])
    assert command == ["python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(out), "8000"]
    assert '"name": "paper"' in (out / "release.json").read_text()
    again = CliRunner().invoke(app, ["export-site", str(file), str(out)])
    assert again.exit_code == 0, again.output


def test_the_command_refuses_in_a_sentence(file: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    for arguments, says in (
        ([str(file), str(tmp_path / "full")], "holds other files, such as thesis.txt"),
        ([str(file), str(tmp_path / "new"), "--release", "paper"], "has no release 'paper'"),
        (["sample", str(tmp_path / "new")], "no release of sample to publish: materialise sample/warehouse"),
    ):
        refused = CliRunner().invoke(app, ["export-site", *arguments])
        assert refused.exit_code == 2
        assert says in refused.output
    assert (tmp_path / "full" / "thesis.txt").read_text() == "x"
    assert not (tmp_path / "new").exists()
