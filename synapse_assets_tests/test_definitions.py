"""The graph as a whole: what it is (a snapshot), that it loads, that it loads light, and that a reader finds everything explained."""

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from synapse_assets.definitions import build_definitions
from synapse_assets.settings import Settings

SNAPSHOT = Path(__file__).with_name("graph.json")
PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions(Settings(data_root="/nowhere", datasets=["sample", "sample_cbp"]))


def graph(definitions: dg.Definitions) -> dict[str, object]:
    """Keys, dependencies, partitions, groups, kinds and checks of every asset."""
    found = definitions.resolve_asset_graph()
    assets = {}
    for key in sorted(found.get_all_asset_keys()):
        node = found.get(key)
        partitions = node.partitions_def
        assets[key.to_user_string()] = {
            "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
            "partitions": partitions.name
            if isinstance(partitions, dg.DynamicPartitionsDefinition)
            else partitions and partitions.get_partition_keys(),
            "group": node.group_name,
            "kinds": sorted(node.kinds),
            "checks": sorted(check.name for check in node.check_keys),
        }
    return assets


def test_the_graph_is_as_the_snapshot_says(definitions: dg.Definitions) -> None:
    """After a wanted change: SYNAPSE_ASSETS_UPDATE_SNAPSHOT=1 pytest -k snapshot, then read the difference."""
    now = graph(definitions)
    if os.environ.get("SYNAPSE_ASSETS_UPDATE_SNAPSHOT"):
        SNAPSHOT.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n")
    assert now == json.loads(SNAPSHOT.read_text())


def test_every_asset_is_explained(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        assert len(spec.description or "") > 60, spec.key
        assert spec.owners, spec.key
        assert 1 <= len(spec.kinds) <= 3, spec.key
        assert spec.group_name.startswith(f"{spec.key.path[0]}_"), spec.key
    described = [s for s in definitions.resolve_all_asset_specs() if "dagster/column_schema" in s.metadata]
    for spec in described:
        assert all(column.description for column in spec.metadata["dagster/column_schema"].columns), spec.key


def test_importing_the_definitions_imports_nothing_heavy() -> None:
    program = (
        "import sys, synapse_assets.definitions as d; d.build_definitions();"
        "heavy = {'torch', 'timm', 'umap', 'numba', 'hdbscan', 'sklearn', 'scipy', 'lancedb', 'lance', 'duckdb', 'tensorstore',"
        " 'matplotlib', 'pandas'} & set(sys.modules); sys.exit(str(sorted(heavy)) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=PROJECT, check=False)
    assert done.returncode == 0, done.stderr


def test_assets_can_be_selected_by_text(definitions: dg.Definitions) -> None:
    """Dagster's selection syntax needs an antlr runtime of its own version; another package's pin once broke it."""
    selected = dg.AssetSelection.from_string('key:"sample/tiles"+').resolve(definitions.resolve_asset_graph())
    assert dg.AssetKey(["sample", "embeddings"]) in selected


def test_dg_check_defs() -> None:
    dg_command = Path(sys.executable).with_name("dg")
    done = subprocess.run([str(dg_command), "check", "defs"], capture_output=True, text=True, cwd=PROJECT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_datasets_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAPSE_VNC_SSTEM_FOLDER", "/nowhere")
    both = build_definitions(Settings(data_root="/nowhere", datasets=["sample", "vnc_sstem", "sample_cbp"]))
    names = {spec.key.path[0] for spec in both.resolve_all_asset_specs()}
    assert names == {"sample", "vnc_sstem", "sample_cbp"}
    keys = {spec.key.to_user_string() for spec in both.resolve_all_asset_specs()}
    # What needs neurons is absent where there are none.
    assert "vnc_sstem/neurons" not in keys
    assert "sample/neurons" in keys
