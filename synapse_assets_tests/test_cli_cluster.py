"""What an installation on a cluster is refused, and Dagster's settings that follow the cluster; one machine stays as it is."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from synapse_assets.cli import app, cluster
from synapse_assets.cli.cluster import cluster_settings, runs_at_once
from synapse_assets.cli.home import prepare_home
from synapse_assets.cluster.job_interface import JobInterface, Node
from synapse_assets.errors import BadInput, Unreachable
from synapse_assets.settings import Settings
from synapse_assets.stores.cluster_claim import ClusterName, claim
from synapse_assets.stores.files import Files
from synapse_assets_tests.conftest import tiny_dataset
from synapse_assets_tests.installation import free_port
from synapse_assets_tests.stores.object_store import BUCKET, ObjectStore, object_store  # noqa: F401

TOKEN = "0123456789abcdef"  # noqa: S105 -- of nothing


class Interface(BaseHTTPRequestHandler):
    """Answers as the job interface of Ray 2.60 does; one with a real cluster behind it is in `cluster/test_launcher.py`."""

    nodes = ((4, 0), (8, 2))

    def do_GET(self) -> None:
        given = self.headers["Authorization"]
        if given != f"Bearer {TOKEN}":
            self.send_response(401 if given is None else 403)
            self.end_headers()
            return
        rows = [
            {
                "node_id": str(n),
                "node_ip": f"10.0.0.{n}",
                "state": "ALIVE",
                "resources_total": {"CPU": cpus, "GPU": gpus},
            }
            for n, (cpus, gpus) in enumerate(self.nodes)
        ]
        rows.append({"node_id": "x", "node_ip": "10.0.0.9", "state": "DEAD", "resources_total": {}})
        answer = {"data": {"result": {"result": rows}}, "session_name": "session_1"}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A job interface on loopback, whose token this machine has."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Interface)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def dataset(tiny_inputs: Path, tmp_path: Path) -> str:
    """A dataset whose files are there."""
    file = tmp_path / "tiny.yaml"
    tiny = tiny_dataset(tiny_inputs, tiny_inputs / "points.csv")
    file.write_text(yaml.safe_dump(tiny.model_dump(mode="json", exclude_none=True)))
    return str(file)


def settings_of(dataset: str, tmp_path: Path, address: str, **changes: object) -> Settings:
    values = {
        "data_root": "s3://lab/team/data",
        "local_root": str(tmp_path / "local"),
        "datasets": [dataset],
        "ray_address": address,
    }
    return Settings(**{**values, **changes})


def test_without_a_cluster_the_file_is_that_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DAGSTER_HOME", "SYNAPSE_DATA_ROOT", "SYNAPSE_LOCAL_ROOT"):
        monkeypatch.setenv(name, "")
    home = prepare_home(Settings(data_root=str(tmp_path), local_root=str(tmp_path)))
    assert (home / "dagster.yaml").read_bytes() == (Path(__file__).parents[1] / "dagster.yaml").read_bytes()


def test_dagsters_settings_follow_the_cluster(address: str, dataset: str, tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "dagster.yaml").read_text()
    content = yaml.safe_load(cluster_settings(settings_of(dataset, tmp_path, address), text))
    before = yaml.safe_load(text)
    assert content["concurrency"] == {
        "runs": {"max_concurrent_runs": 2},
        "pools": {"default_limit": 2, "granularity": "op"},
    }
    assert content["run_monitoring"].pop("start_timeout_seconds") > 24 * 3600
    assert content["run_monitoring"].items() <= before["run_monitoring"].items()
    assert content["run_launcher"]["config"] == {"ray": {"address": address}}
    logs = content["compute_logs"]["config"]
    assert (logs["bucket"], logs["prefix"], logs["local_dir"]) == (
        "lab",
        "team/data/.logs",
        {"env": "DAGSTER_LOCAL_LOGS"},
    )
    assert content["retention"] == before["retention"]
    elsewhere = cluster_settings(settings_of(dataset, tmp_path, address, data_root="gs://lab/data", ray_runs=5), text)
    assert yaml.safe_load(elsewhere)["compute_logs"]["class"] == "NoOpComputeLogManager"
    assert yaml.safe_load(elsewhere)["concurrency"]["runs"]["max_concurrent_runs"] == 5


@pytest.mark.parametrize(
    ("nodes", "changes", "expected"),
    [
        ([(2, 0)], {}, 1),
        ([(4, 0), (4, 0), (4, 0)], {}, 3),
        ([(4, 0), (4, 0), (4, 0)], {"ray_runs": 11}, 11),
        ([(4, 0), (4, 0), (4, 0)], {"ray_cpus": 4}, 2),
        ([(8, 1), (4, 0)], {"ray_gpus": 0.5}, 2),
        ([(1, 0), (1, 0)], {}, 1),
    ],
)
def test_runs_leave_room_for_their_parts(
    nodes: list[tuple[int, int]], changes: dict[str, float], expected: int, tmp_path: Path
) -> None:
    there = [Node(str(n), f"10.0.0.{n}", n == 0, cpus, gpus) for n, (cpus, gpus) in enumerate(nodes)]
    assert runs_at_once(settings_of("sample", tmp_path, "http://head:8265", **changes), there) == expected


@pytest.mark.parametrize(
    ("nodes", "changes", "told"),
    [
        (
            [(4, 0)],
            {"ray_runs": 4},
            r"4 runs at once, .* there is room for 3: lower SYNAPSE_RAY_RUNS .* 10\.0\.0\.0 with 4 cores",
        ),
        ([(1, 0)], {}, "1 run at once, .* there is room for 0: lower"),
        ([(4, 0)], {"ray_cpus": 8}, r"has what a part needs \(8 cores\): lower SYNAPSE_RAY_CPUS or SYNAPSE_RAY_GPUS"),
        ([(4, 0)], {"ray_gpus": 1}, r"has what a part needs \(1 core and 1 of a graphics card\)"),
    ],
)
def test_runs_that_would_wait_for_ever_are_refused(
    nodes: list[tuple[int, int]], changes: dict[str, float], told: str, tmp_path: Path
) -> None:
    there = [Node(str(n), f"10.0.0.{n}", n == 0, cpus, gpus) for n, (cpus, gpus) in enumerate(nodes)]
    with pytest.raises(BadInput, match=told):
        runs_at_once(settings_of("sample", tmp_path, "http://head:8265", **changes), there)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"data_root": "/data"},
            "the data root /data is a folder of this machine, .* set SYNAPSE_DATA_ROOT to an address",
        ),
        ({"ray_address": "http://head:8265"}, "a cluster needs SYNAPSE_POSTGRES_URL: its nodes write the run history"),
        (
            {"datasets": ["sample"]},
            r"sample cannot be made on a cluster: its inputs are made on this machine \(drawn here\)",
        ),
        ({"datasets": ["fafb_10k"]}, r"fafb_10k cannot be made .*\(synapse-assets reproduce\)"),
    ],
)
def test_what_a_cluster_cannot_work_with_is_refused_before_anything_else(
    changes: dict[str, object], told: str, dataset: str, tmp_path: Path, address: str
) -> None:
    with pytest.raises(BadInput, match=told) as error:
        prepare_home(settings_of(dataset, tmp_path, address, **changes))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "local").exists()


def test_without_ray_installed_the_command_to_install_it_is_told(
    dataset: str, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None if name == "ray" else object())
    with pytest.raises(BadInput, match=r"ray cannot be imported: pip install 'synapse-assets\[ray\]'"):
        prepare_home(settings_of(dataset, tmp_path, address))


@pytest.mark.parametrize("address", ["head:8265", "ray://head:10001", "http://user:pw@head:8265", "http://*:8265"])
def test_an_address_that_is_none_is_refused_by_name(address: str) -> None:
    with pytest.raises(BadInput, match=r"^SYNAPSE_RAY_ADDRESS: it has to be an http"):
        Settings(ray_address=address)


def test_what_does_not_answer_as_a_cluster_is_told_in_a_sentence(
    address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(
        Unreachable, match=rf"no Ray cluster answers at {nobody} \(Connection refused\): start its head with"
    ):
        JobInterface(nobody).nodes()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "another")
    with pytest.raises(BadInput, match=r"refuses the token of this machine \(RAY_AUTH_TOKEN\): take that of its head"):
        JobInterface(address).session()
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(
        BadInput, match=r"asks for a token, and this machine has none: copy ~/.ray/auth_token of its head"
    ):
        JobInterface(address).session()
    assert JobInterface(address).asks_for_token()


def test_another_server_at_the_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(Interface):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(BadInput, match="is no job interface of a Ray cluster: correct SYNAPSE_RAY_ADDRESS"):
            JobInterface(f"http://127.0.0.1:{server.server_port}").nodes()
    finally:
        server.shutdown()


def test_a_terminal_works_only_on_a_node_and_for_one_cluster(
    address: str,
    dataset: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    object_store: ObjectStore,  # noqa: F811
) -> None:
    settings = settings_of(dataset, tmp_path, address, data_root=f"s3://{BUCKET}/terminal")
    with pytest.raises(
        BadInput, match=rf"this machine is no node of the cluster at {address}: make it one \(`synapse-assets node"
    ):
        cluster.check_terminal(settings, [dataset])
    monkeypatch.setattr(cluster.JobInterface, "nodes", lambda _: [Node("1", "127.0.0.1", True, 2, 0)])
    with pytest.raises(BadInput, match="sample cannot be made on a cluster"):
        cluster.check_terminal(settings, ["sample"])
    cluster.check_terminal(settings, [dataset])
    with pytest.raises(BadInput, match=f"another cluster works on s3://{BUCKET}/terminal: the one at {address} of "):
        claim(
            Files(settings.data_root, settings.local_root),
            ClusterName("another", "http://head:8265", is_loopback=False),
        )


def test_doctor_has_a_line_for_the_cluster(
    address: str, dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synapse_assets.cli import probes

    (finding,) = probes.cluster(settings_of(dataset, tmp_path, address))
    assert finding.text == f"{address}: 10.0.0.0 with 4 cores; 10.0.0.1 with 8 cores, 2 graphics cards; 2 runs at once"
    assert finding.level is probes.Level.OK
    assert list(probes.cluster(Settings(data_root=str(tmp_path)))) == []
    assert CliRunner().invoke(app, ["doctor", "--help"]).exit_code == 0
