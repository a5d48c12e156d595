"""The README's Python runs as it stands, on the tiny dataset in the place of the sample."""

import re
from pathlib import Path

import pytest

from synapse_assets_tests.conftest import Lab

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_there_are_blocks_to_run() -> None:
    assert len(BLOCKS) == 2


@pytest.mark.parametrize("block", BLOCKS, ids=["package", "plain"])
def test_a_block_runs(block: str, finished_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAPSE_DATA_ROOT", str(finished_lab.root))
    program = block.replace("data/sample/", f"{finished_lab.root}/tiny/").replace('"sample"', '"tiny"')
    exec(compile(program, "README.md", "exec"), {})  # noqa: S102 -- our own README


def test_the_yaml_of_a_fourth_dataset_is_valid(tmp_path: Path) -> None:
    from synapse_assets.datasets import load_dataset

    block = next(b for b in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if "my_brain.yaml" in b)
    path = tmp_path / "my_brain.yaml"
    path.write_text(block)
    dataset = load_dataset(str(path), "/nowhere")
    assert dataset.grouping == ["neuron_id", "hemilineage"]
    assert [source.name for source in dataset.neurons] == ["known"]
