"""The graph as a whole: what it is (a snapshot), that it loads, that it loads light, and that a reader finds everything explained."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from synapse_assets.definitions import build_definitions
from synapse_assets.settings import Settings

SNAPSHOT = Path(__file__).with_name("graph.json")
PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions(
        Settings(
            data_root="/nowhere",
            local_root="/nowhere",
            datasets=["sample", "sample_cbp", "sample_detection", "sample_labelling"],
        )
    )


def graph(definitions: dg.Definitions) -> dict[str, dict[str, object]]:
    """What the UI and the daemon know of assets, jobs, schedules and sensors, by name; of descriptions nothing."""
    repository = definitions.get_repository_def()
    return {
        "assets": assets(definitions.resolve_asset_graph()),
        "jobs": {job.name: about_job(job) for job in repository.get_all_jobs()},
        "schedules": {
            one.name: {
                "job": one.job_name,
                "cron": one.cron_schedule,
                "time_zone": one.execution_timezone,
                "default_status": one.default_status.value,
            }
            for one in repository.schedule_defs
        },
        "sensors": {
            one.name: {
                "kind": one.sensor_type.value,
                "default_status": one.default_status.value,
                "minimum_interval_seconds": one.minimum_interval_seconds,
            }
            for one in repository.sensor_defs
        },
    }


def assets(found: AssetGraph) -> dict[str, object]:
    """What is declared of every asset, by key; deps, kinds and checks sorted."""
    return {
        key.to_user_string(): {
            "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
            "partition_mappings": {
                parent.to_user_string(): type(mapping).__name__ for parent, mapping in node.partition_mappings.items()
            },
            "partitions": partitions(node.partitions_def),
            "group": node.group_name,
            "kinds": sorted(node.kinds),
            "checks": {
                check.key.name: {"blocking": check.blocking, "partitions": partitions(check.partitions_def)}
                for check in map(found.get, sorted(node.check_keys))
            },
            "code_version": node.code_version,
            "tags": dict(node.tags),
            "owners": sorted(node.owners),
            "pools": sorted(node.pools or ()),
            "op": node.assets_def.node_def.name if node.is_executable else None,
            "automation": automation(node.automation_condition),
            "columns": columns(node.metadata.get("dagster/column_schema")),
        }
        for key in sorted(found.get_all_asset_keys())
        for node in [found.get(key)]
    }


def about_job(job: dg.JobDefinition) -> dict[str, object]:
    """The ops of a job with their pools, the assets it materialises, its partitions and the tags of its runs."""
    return {
        "ops": {node.name: node.definition.pool for node in job.nodes if isinstance(node.definition, dg.OpDefinition)},
        "assets": sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys),
        "partitions": partitions(job.partitions_def),
        "tags": dict(job.run_tags),
    }


def automation(condition: dg.AutomationCondition | None) -> dict[str, str | None] | None:
    """Label of the condition, and a hash of the names and labels of all that it is made of."""
    if condition is None:
        return None
    parts = json.dumps(condition_parts(condition)).encode()
    return {"label": condition.get_label(), "parts": hashlib.sha256(parts).hexdigest()[:12]}


def condition_parts(condition: dg.AutomationCondition) -> list[object]:
    """Name and label of a condition, then the same of each that it is made of; keys in a name in whatever order."""
    name = sorted(re.split(r"[() ]", condition.name.replace("selection=", "selection ")))
    return [name, condition.get_label(), *map(condition_parts, condition.children)]


def columns(schema: dg.TableSchema | None) -> list[str]:
    """The columns that the UI lists, in their order, with their types."""
    return [] if schema is None else [f"{column.name}: {column.type}" for column in schema.columns]


def partitions(found: dg.PartitionsDefinition | None) -> object:
    """The name of dynamic partitions, the keys of others."""
    if isinstance(found, dg.DynamicPartitionsDefinition):
        return found.name
    return found and found.get_partition_keys()


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
        " 'matplotlib', 'plotly', 'pandas'} & set(sys.modules); sys.exit(str(sorted(heavy)) if heavy else 0)"
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
