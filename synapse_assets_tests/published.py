"""A small public brain on a server of this machine: a table of synapses with FlyWire's columns, annotations of neurons, and a volume."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import tensorstore as ts

from synapse_assets_tests.conftest import FIRST_NEURON, VOXEL_SIZE_NM, planted_points, planted_volume

TABLE, NEURONS = "flywire_synapses_783.feather", "Supplemental_file1_neuron_annotations.tsv"
LINEAGES = ("ALad1", "DL1", "LHl2", "putative_primary")
NAME = "tiny_public"


class PublicServer(http.server.ThreadingHTTPServer):
    """Serves the files of a folder, in parts where it is asked for them and knows `ranges`. Answers with a .feather file end after as
    many bytes as `breaks` says, one after the other. `asked`: the parts of such files that were asked for."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.breaks, self.ranges, self.asked = list[int](), True, list[str | None]()

    def handle_error(self, *_: Any) -> None:
        """A client that has gone is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, PublicServer)
        path = server.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        content, is_table, part = path.read_bytes(), path.suffix == ".feather", self.headers.get("Range")
        if is_table:
            server.asked.append(part)
        first = int(part.removeprefix("bytes=").partition("-")[0]) if part and server.ranges else 0
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        self.wfile.write(content[first:][: server.breaks.pop(0) if is_table and server.breaks else None])

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def public_server(folder: Path) -> Iterator[PublicServer]:
    """A server of that folder, as long as the block runs."""
    with PublicServer(folder) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def published_synapses() -> pd.DataFrame:
    """The 72 planted synapses as FlyWire publishes them, in no order, and what has to be left out: a second partner of every third site,
    rows with a low cleft score, autapses and background, and synapses of neurons of two transmitters and of none."""
    rows: list[dict[str, Any]] = []
    points = planted_points()
    for index, point in enumerate(points.itertuples()):
        x, y, z = (
            int((float(str(value)) + 0.5) * size)
            for value, size in zip((point.x, point.y, point.z), VOXEL_SIZE_NM, strict=True)
        )
        row = {
            "id": 10_000 + index, "pre_pt_root_id": point.neuron, "post_pt_root_id": FIRST_NEURON + 500, "connection_score": 100.0,
            "cleft_score": 140, "neuropil": point.region, "pre_pt_position_x": x, "pre_pt_position_y": y, "pre_pt_position_z": z,
        }  # fmt: skip
        rows.append(row)
        if index % 3 == 0:
            rows.append({**row, "id": 20_000 + index, "post_pt_root_id": FIRST_NEURON + 501})
        if index % 9 == 0:
            rows.append({**row, "id": 30_000 + index, "cleft_score": 49, "pre_pt_position_x": x + 48})
            rows.append({**row, "id": 40_000 + index, "post_pt_root_id": point.neuron, "pre_pt_position_x": x + 48})
            rows.append({**row, "id": 50_000 + index, "pre_pt_root_id": 0})
            rows.append({**row, "id": 60_000 + index, "pre_pt_root_id": FIRST_NEURON + 100})
            rows.append({**row, "id": 70_000 + index, "pre_pt_root_id": FIRST_NEURON + 101})
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


def publish(folder: Path) -> None:
    """Fills the folder of the server."""
    pyarrow.feather.write_feather(
        pa.Table.from_pandas(published_synapses(), preserve_index=False), str(folder / TABLE), chunksize=40
    )
    points = planted_points().drop_duplicates("neuron")
    neurons = [
        {"root_id": point.neuron, "known_nt": point.nt, "ito_lee_hemilineage": LINEAGES[number // 3]}
        for number, point in enumerate(points.itertuples())
    ]
    neurons.append({"root_id": FIRST_NEURON + 100, "known_nt": "gaba; dopamine", "ito_lee_hemilineage": "DL1"})
    neurons.append({"root_id": FIRST_NEURON + 101, "known_nt": "", "ito_lee_hemilineage": "DL1"})
    table = pd.DataFrame(neurons).assign(known_nt_source="planted", cell_type="", side="left")
    table.to_csv(folder / NEURONS, sep="\t", index=False)
    volume = planted_volume(planted_points())
    store = ts.open(
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": f"file://{folder}/volume/",
            "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
            "scale_metadata": {
                "resolution": VOXEL_SIZE_NM,
                "size": volume.shape[::-1],
                "voxel_offset": [0, 0, 0],
                "chunk_size": [96, 96, 9],
                "encoding": "raw",
            },
            "create": True,
        }
    ).result()
    store[..., 0].write(np.ascontiguousarray(volume.transpose(2, 1, 0))).result()


def dataset_file(server: PublicServer, path: Path) -> Path:
    """The YAML of a dataset of 60 of the published synapses, 20 of each class: written to `path`."""
    digests = {
        name: hashlib.file_digest((server.folder / name).open("rb"), "sha256").hexdigest() for name in (TABLE, NEURONS)
    }
    raw = f"${{SYNAPSE_LOCAL_ROOT}}/{NAME}/raw"
    downloads = "".join(
        f"    - {{url: '{server.url}/{name}', path: '{raw}/{name}', bytes: {(server.folder / name).stat().st_size}, "
        f"sha256: {digest}, licence: none, cite: nobody}}\n"
        for name, digest in digests.items()
    )
    path.write_text(
        f"""
name: {NAME}
title: Tiny public brain
description: Planted textures for tests.
volumes:
  em: {{kind: precomputed, url: '{server.url}/volume', voxel_size_nm: [4, 4, 40], space: FAFB14.1}}
sources:
  - name: sites
    format: points
    volume: em
    path: {raw}/sites.csv
    units: nm
    columns: {{x: x_nm, y: y_nm, z: z_nm, synapse_id: synapse_id, neuron_id: neuron_id, brain_region: brain_region, target: target}}
neurons:
  - {{name: annotations, format: flywire_annotations, path: '{raw}/{NEURONS}'}}
subset:
  downloads:
{downloads}
  table: {{name: whole, format: flywire_v783, volume: em, path: '{raw}/{TABLE}'}}
  sites: 60
  classes: [acetylcholine, gaba, glutamate]
  neurons_per_class: 4
  fewest_sites: 6
  spacing_nm: 50
  salt: tests
missing_region: UNASGD
region_vocabulary: flywire
target: neurotransmitter
grouping: [neuron_id, hemilineage]
tile: {{size_px: 24, sections: 3}}
"""
    )
    return path
