"""CAVE: the real caveclient against a small server on this machine that cuts its answers short, as the real one does."""

import io
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import ValidationError

from synapse_assets.datasets import CaveSource, VolumeSpec
from synapse_assets.errors import BadInput
from synapse_assets.schema import SYNAPSE_TABLE
from synapse_assets.sources import RegionNames, Tally, cave, read_source

pytest.importorskip("caveclient", reason="the extra 'cave' is not installed")

VOLUME = VolumeSpec(kind="images", url="unused", voxel_size_nm=(4, 4, 40))
ROOT = 720575940612345679  # above 2^53: a float would make it ...680
RESOLUTION = np.array([4, 4, 40])  # of the table's points, nm
VERSION = 783
LIMIT = 40  # rows of one answer of the server


def synapses(count: int) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    points = draw.integers(0, [200_000, 100_000, 7_000], size=(count, 3))
    # Where the space is halved: a point there is in one half, not in both.
    points[::5] = 2 ** draw.integers(0, 12, size=(len(points[::5]), 3))
    points[::10, 0] = 0
    table = pd.DataFrame({"id": np.arange(count) + 1, "pre_pt_root_id": ROOT + np.arange(count) % 7})
    table["post_pt_root_id"] = ROOT + 10 + np.arange(count) % 5
    table["cleft_score"] = 40 + np.arange(count) % 100
    table["neuropil"] = np.where(np.arange(count) % 2, "ME_R", "LO_L")
    table[["pre_pt_position_x", "pre_pt_position_y", "pre_pt_position_z"]] = points
    return table


class Server(ThreadingHTTPServer):
    """The endpoints that caveclient calls for a table; `rows` is the table, `size` what the server says its size is."""

    def __init__(self, rows: pd.DataFrame) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.rows, self.size, self.status = rows, len(rows), 200
        self.views: dict[str, Any] = {}
        self.answers: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = urlparse(self.path).path
        version = f"/materialize/api/v3/datastack/brain/version/{VERSION}"
        answers: dict[str, Any] = {
            "/info/api/v2/datastack/full/brain": {
                "aligned_volume": {"name": "brain", "id": 1},
                "local_server": self.server.url,
                "segmentation_source": f"graphene://{self.server.url}/segmentation/table/brain",
                "synapse_table": "synapses",
                "viewer_resolution_x": 4,
                "viewer_resolution_y": 4,
                "viewer_resolution_z": 40,
            },
            "/info/api/v2/aligned_volume/brain": {"name": "brain", "id": 1},
            "/materialize/api/versions": [2, 3],
            "/materialize/version": "5.13.0",
            "/materialize/api/v3/datastack/brain/versions": [VERSION],
            f"{version.replace('v3', 'v2')}/tables": ["synapses"],
            f"{version.replace('v3', 'v2')}/table/synapses/count": self.server.size,
            f"{version}/tables/metadata": [],
            f"{version}/views": self.server.views,
            f"{version}/views/schemas": {name: {} for name in self.server.views},
            "/schema/versions": [2],
            "/schema/api/v2/types_all": {},
        }
        if path not in answers:
            self.send_error(404, f"nothing at {path}")
            return
        self._send(json.dumps(answers[path]).encode(), "application/json")

    def do_POST(self) -> None:
        address = urlparse(self.path)
        given = {name: values[0] for name, values in parse_qs(address.query).items()}
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = address.path.split("/")[-2]
        assert address.path.startswith(f"/materialize/api/v3/datastack/brain/version/{VERSION}/"), address.path
        if self.server.status != 200:
            self.send_error(self.server.status, "no")
            return
        rows = self.server.rows
        for column, (low, high) in asked.get("filter_spatial_dict", {}).get(name, {}).items():
            assert all(np.array(low) < np.array(high)), "min bounds must be less than max bounds"
            points = rows[[f"{column}_{axis}" for axis in "xyz"]]
            rows = rows[((points >= low) & (points <= high)).all(axis=1)]
        # Any rows in any order, and no more than the limit; a count is one of the rows that would come.
        rows = rows.sample(frac=1).head(min(asked.get("limit", LIMIT), LIMIT))
        if given.get("count") == "True":
            rows = pd.DataFrame({"count": [len(rows)]})
        else:
            self.server.answers.append(len(rows))
            wanted = [
                one
                for one in rows.columns
                for column in asked["select_columns"]
                if one in (column, *(f"{column}_{a}" for a in "xyz"))
            ]
            rows = rows[wanted].copy()
            sizes = np.array(asked.get("desired_resolution", RESOLUTION))
            for axis, size in zip("xyz", RESOLUTION / sizes, strict=True):
                rows[f"pre_pt_position_{axis}"] *= size
        stream = io.BytesIO()
        table = pa.Table.from_pandas(rows, preserve_index=False)
        with pa.ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table)
        self._send(stream.getvalue(), "data.arrow", {"dataframe_resolution": "1, 1, 1"})

    def _send(self, content: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    # Neither the tokens nor the proxies of whoever runs the tests.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    one = Server(synapses(500))
    thread = threading.Thread(target=one.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield one
    one.shutdown()
    one.server_close()
    thread.join()


def source(server: Server, **changes: object) -> CaveSource:
    columns = {
        "position": "pre_pt_position",
        "synapse_id": "id",
        "neuron_id": "pre_pt_root_id",
        "partner_id": "post_pt_root_id",
        "brain_region": "neuropil",
        "score": "cleft_score",
    }
    values: dict[str, object] = {
        "materialization": VERSION,
        "server": server.url,
        "columns": columns,
    }
    where = {"name": "table", "format": "cave", "volume": "em", "datastack": "brain", "table": "synapses"}
    return CaveSource.model_validate({**where, **values, **changes})


def read(chosen: CaveSource, tally: Tally | None = None) -> pa.Table:
    return pa.concat_tables(read_source(chosen, VOLUME, RegionNames("UNASGD", vocabulary="flywire"), tally))


@pytest.mark.parametrize("kind", ["table", "view"])
def test_every_row_comes_although_answers_are_cut_short(server: Server, kind: str) -> None:
    if kind == "view":
        server.views = {"valid_synapses": {}}
    chosen = source(server, **({"table": "valid_synapses"} if kind == "view" else {}))
    table = read(chosen)
    assert table.schema.equals(SYNAPSE_TABLE.arrow)
    rows = {int(row["synapse_id"]): row for row in table.to_pylist()}
    assert len(rows) == table.num_rows == 500
    for _, given in server.rows.iterrows():
        row = rows[given["id"]]
        assert (row["x_nm"], row["y_nm"]) == (given["pre_pt_position_x"] * 4, given["pre_pt_position_y"] * 4)
        assert row["z_nm"] == given["pre_pt_position_z"] * 40
        assert row["neuron_id"] == given["pre_pt_root_id"]
        assert (row["score"], row["brain_region"]) == (given["cleft_score"], given["neuropil"])
    assert max(server.answers) < LIMIT
    # The server gives rows in any order; what is read is the same every time.
    assert read(chosen).equals(table)


def test_small_tables_come_in_one_answer_and_pages_stay_small(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.rows = synapses(30)
    server.size = 30
    assert read(source(server)).num_rows == 30
    assert server.answers == [30]
    monkeypatch.setattr(cave, "PAGE_ROWS", 8)
    assert read(source(server)).num_rows == 30
    assert max(server.answers[1:]) <= 8


def test_background_autapses_and_low_scores_are_left_out_and_counted(server: Server) -> None:
    server.rows.loc[0, "pre_pt_root_id"] = 0
    server.rows.loc[1, "post_pt_root_id"] = 0
    server.rows.loc[2, "post_pt_root_id"] = server.rows.loc[2, "pre_pt_root_id"]
    tally = Tally()
    table = read(source(server, minimum={"cleft_score": 50}), tally)
    left = set(table.column("synapse_id").to_pylist())
    assert not left & {"1", "2", "3"}
    assert min(table.column("score").to_pylist()) == 50
    assert tally.rows + sum(tally.left_out.values()) == 500
    assert tally.rows == table.num_rows
    assert tally.left_out["pre_pt_root_id below 1"] == tally.left_out["post_pt_root_id below 1"] == 1
    autapse = read(source(server, leave_out_autapses=False))
    assert "3" in autapse.column("synapse_id").to_pylist()


def test_missing_rows_are_an_error(server: Server) -> None:
    server.size = 501
    with pytest.raises(BadInput, match=r"brain/synapses@783: 500 rows came, but the server counts 501"):
        read(source(server))
    # A point that no box holds, too.
    server.size = 500
    server.rows.loc[7, "pre_pt_position_x"] = 2**24
    with pytest.raises(BadInput, match="499 rows came, but the server counts 500"):
        read(source(server))


def test_more_rows_at_one_point_than_an_answer_holds_are_an_error(server: Server) -> None:
    server.rows.loc[:60, ["pre_pt_position_x", "pre_pt_position_y", "pre_pt_position_z"]] = [5, 6, 7]
    with pytest.raises(BadInput, match=r"40 rows lie at the point \[5\. 6\. 7\.\]"):
        read(source(server))


def test_what_the_server_or_the_dataset_lacks_is_named(server: Server) -> None:
    with pytest.raises(
        BadInput, match=r"brain/nowhere@783: there is no such table; there are the tables \['synapses'\]"
    ):
        read(source(server, table="nowhere"))
    with pytest.raises(ValidationError, match=r"name it in columns\.position"):
        source(server, columns={"synapse_id": "id"})
    with pytest.raises(ValidationError, match="leave_out_autapses needs the columns"):
        source(server, columns={"position": "pre_pt_position"})
    with pytest.raises(BadInput, match=r"brain/synapses@9: .*404"):
        read(source(server, materialization=9))
    server.rows = server.rows.drop(columns="neuropil")
    with pytest.raises(BadInput, match=r"has no column \['neuropil'\]; there are \['id', "):
        read(source(server))
    server.status = 403
    with pytest.raises(BadInput, match=r"brain/synapses@783: the server answers: 403"):
        read(source(server))


def test_without_caveclient_the_extra_is_named(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "caveclient", None)
    with pytest.raises(BadInput, match=r"pip install 'synapse-assets\[cave\]'"):
        read(source(server))
