"""A region made on two nodes of a Ray cluster, of which one is lost meanwhile, and what a person is told where it cannot be made."""

import json
import subprocess
import sys
from typing import Any

import pytest

from synapse_assets_tests.cluster.harness import SYNAPSES, isolated


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the cluster answered, by name: see `two_nodes`."""
    pytest.importorskip("ray", reason="clusters are tested with Ray: pip install 'synapse-assets[ray]'")
    pytest.importorskip("moto.server", reason="object storage is tested with moto: pip install 'moto[server]'")
    folder = tmp_path_factory.mktemp("two")
    command = isolated(sys.executable, "-m", "synapse_assets_tests.cluster.two_nodes", str(folder))
    with (folder / "output").open("w+") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, timeout=260, check=False)
    text = (folder / "output").read_text()
    assert done.returncode == 0, text[-3000:]
    answers: dict[str, Any] = json.loads(text.splitlines()[-1])
    return {**answers, "log": text}


def test_a_region_of_two_nodes_one_of_them_lost_equals_one_process(asked: dict[str, Any]) -> None:
    assert asked["equal"] == [True, True]
    assert asked["rows"] == [SYNAPSES, SYNAPSES]
    # Vectors came with the tiles; one version made the table, one showed all tiles.
    assert (asked["computed"], asked["versions"], set(asked["checks"])) == ([SYNAPSES, 0], [2], {True})
    # What carries out parts is sent once, however many there are; the other holds a core.
    assert asked["functions"] == 2
    # Machines are looked at though runs hold all their cores.
    assert asked["looked at"] == 1
    # Each machine keeps what is its own in its own folder.
    assert asked["folders"] == ["local", "local of a node"]
    assert "it is carried out again" in asked["log"].split("node removed")[1]


def test_what_a_part_raises_names_its_node_and_its_synapses(asked: dict[str, Any]) -> None:
    assert "(127.0.0." in asked["bad"]
    assert asked["bad"].endswith("region EB, synapses s2: the chunk is damaged")


def test_a_part_that_dies_always_is_given_up_and_named(asked: dict[str, Any]) -> None:
    assert "region EB, synapses s2: the process that made it died 4 times" in asked["dies"]
    assert "Set SYNAPSE_RAY_PART_TILES lower than 2,048, or SYNAPSE_RAY_CPUS higher than 1" in asked["dies"]


@pytest.mark.parametrize(
    ("worker", "said"),
    [
        ("without", "has no synapse_assets in "),
        ("changed", "has other source files of synapse_assets "),
        ("ahead", "is 300 s ahead of this machine's: let both follow a time server"),
        ("token", "the Ray cluster refuses this process: its token is not that of the cluster."),
    ],
)
def test_a_worker_that_differs_is_told_of(asked: dict[str, Any], worker: str, said: str) -> None:
    assert said in asked[worker]
