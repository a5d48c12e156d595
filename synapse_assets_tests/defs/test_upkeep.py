"""What a year leaves behind, and how failures are told."""

import http.server
import json
import threading
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from synapse_assets.defs import asset as declaring
from synapse_assets.defs.failures import failure_message, post_failure
from synapse_assets.defs.maintenance import prune_runs
from synapse_assets.errors import BadInput, Unreachable, UnreachableStorageError
from synapse_assets.query import open_warehouse
from synapse_assets_tests.conftest import REGIONS, Lab


def test_old_runs_go_but_the_last_word_on_everything_stays(lab: Lab) -> None:
    lab.materialize("synapse_table")
    for _ in range(3):
        lab.materialize("synapses", region=REGIONS[0])
    lab.materialize("synapses", region=REGIONS[1])
    assert prune_runs(lab.instance, timedelta(days=1)) == 0
    assert prune_runs(lab.instance, timedelta(0)) == 2
    key = dg.AssetKey(["tiny", "synapses"])
    assert lab.instance.get_materialized_partitions(key) == {REGIONS[0], REGIONS[1]}
    assert lab.instance.get_latest_materialization_event(dg.AssetKey(["tiny", "synapse_table"])) is not None
    assert prune_runs(lab.instance, timedelta(0)) == 0


def test_what_was_made_is_up_to_date_once_old_runs_are_gone(lab: Lab) -> None:
    """Tiles were cut from what an older run stored; a newer one stored the same once more."""
    lab.materialize("synapse_table", "alignment")
    lab.materialize("synapses", region=REGIONS[0])
    lab.materialize("tile_plan", "tiles", region=REGIONS[0])
    lab.materialize("synapses", region=REGIONS[0])
    tiles = dg.AssetKey(["tiny", "tiles"])

    def status() -> tuple[StaleStatus, list[str]]:
        graph = lab.definitions.resolve_asset_graph()
        resolver = CachingStaleStatusResolver(lab.instance, graph, LoadingContextForTest(lab.instance))
        return resolver.get_status(tiles, REGIONS[0]), [c.reason for c in resolver.get_stale_causes(tiles, REGIONS[0])]

    assert status() == (StaleStatus.FRESH, [])
    lab.materialize("synapses", region=REGIONS[1])
    lab.materialize("synapses", region=REGIONS[1])
    assert prune_runs(lab.instance, timedelta(0)) == 1
    assert status() == (StaleStatus.FRESH, [])


def test_the_run_of_the_last_check_stays(finished_lab: Lab) -> None:
    """A model that was promoted later has its checks in an older run than its last materialisation."""
    instance, key = finished_lab.instance, dg.AssetKey(["tiny", "cluster_model"])
    with dg.DagsterInstance.ephemeral() as other:
        finished_lab.instance = other
        try:
            finished_lab.materialize("cluster_model")
        finally:
            finished_lab.instance = instance
        other.report_runless_asset_event(dg.AssetMaterialization(key))
        assert prune_runs(other, timedelta(0), [dg.AssetCheckKey(key, "found_clusters")]) == 0
        assert prune_runs(other, timedelta(0)) == 1


def test_upkeep_and_release_run_as_jobs(finished_lab: Lab) -> None:
    lab = finished_lab
    config = {"ops": {"tiny_freeze_release": {"config": {"name": "paper"}}}}
    assert (
        lab.definitions.resolve_job_def("tiny_release")
        .execute_in_process(instance=lab.instance, run_config=config)
        .success
    )
    assert lab.definitions.resolve_job_def("upkeep").execute_in_process(instance=lab.instance).success
    with open_warehouse("tiny", lab.root, release="paper") as frozen:
        assert len(frozen.sql("select * from synapses")) == 72


def test_a_failure_names_asset_region_and_remedy(lab: Lab) -> None:
    lab.materialize("synapse_table")
    result = lab.materialize("tiles", region=REGIONS[0], raises=False)
    run = result.dagster_run
    told = failure_message(run, [event for event in result.all_events if event.is_step_failure], None)
    assert told.startswith(f"tiny/tiles, partition {REGIONS[0]}: ")
    assert "materialise" in told
    assert run.run_id[:8] in told


def test_a_failure_is_posted(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[Any] = []

    class Chat(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Chat) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        post_failure(f"http://127.0.0.1:{server.server_port}/hook", "tiny/tiles, partition EB: no")
        thread.join()
    assert got == [{"text": "tiny/tiles, partition EB: no"}]
    with pytest.raises(BadInput, match="no http"):
        post_failure("file:///etc/passwd", "no")


@pytest.mark.parametrize("kind", [ConnectionError, Unreachable, UnreachableStorageError])
def test_only_an_unreachable_server_is_tried_again(monkeypatch: pytest.MonkeyPatch, kind: type[Exception]) -> None:
    monkeypatch.setattr(declaring, "RETRY_SECONDS", 0.01)
    calls: list[str] = []

    @dg.asset
    @declaring.handle_errors
    def unreachable() -> None:
        """A server that comes back at the third attempt."""
        calls.append("network")
        if len(calls) < 3:
            raise kind("no answer")

    @dg.asset
    @declaring.handle_errors
    def bad() -> None:
        """Input that a person has to fix."""
        calls.append("bad")
        raise BadInput("row 3: fix it")

    assert dg.materialize([unreachable]).success
    assert calls == ["network"] * 3
    result = dg.materialize([bad], raise_on_error=False)
    assert calls[3:] == ["bad"]
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data.description == "row 3: fix it"
