"""A Ray cluster of several nodes on this machine, apart from everything else on it, and 500 synapses to be made on it."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from PIL import Image

from synapse_assets.cluster.node import environment
from synapse_assets.datasets import EmDataset
from synapse_assets.schema import SYNAPSES as SYNAPSES_TABLE
from synapse_assets.stores import DatasetStore, Provenance
from synapse_assets.stores.rows import vectors_in_use

REGION = "EB"
SYNAPSES = 500
TILE_PX, SECTIONS, SIDE_PX = 32, 5, 640
VOXEL_SIZE_NM = (4.0, 4.0, 40.0)
MODEL = "v1"
_Part = TypeVar("_Part")
_Result = TypeVar("_Result")


def isolated(*command: str) -> list[str]:
    """The command in a network of its own, with only a loopback, where this user may make one; else as it is."""
    apart = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    there = shutil.which("unshare") and shutil.which("ip")
    may = there and subprocess.run([*apart, "true"], capture_output=True, check=False).returncode == 0
    return [*apart, *command] if may else list(command)


def inputs(folder: Path) -> EmDataset:
    """The dataset, whose volume is written into `folder`."""
    rng = np.random.default_rng(0)
    volume = rng.normal(140, 25, (SECTIONS, SIDE_PX, SIDE_PX))
    for axis in (1, 2):
        volume = (volume + np.roll(volume, 1, axis) + np.roll(volume, -1, axis)) / 3
    (folder / "em").mkdir(parents=True)
    for number, section in enumerate(np.clip((volume - 140) * 2 + 140, 0, 255).astype(np.uint8)):
        Image.fromarray(section).save(folder / "em" / f"{number:03d}.png")
    (folder / "points.csv").write_text("id,x,y,z,neuron,region\n")
    columns = {"synapse_id": "id", "neuron_id": "neuron", "brain_region": "region"}
    source = {"name": "table", "format": "points", "volume": "em", "path": str(folder / "points.csv"), "units": "voxel"}
    return EmDataset.model_validate(
        {
            "name": "spread",
            "title": "Spread",
            "description": "500 synapses to be made on a cluster.",
            "volumes": {"em": {"kind": "images", "url": str(folder / "em"), "voxel_size_nm": VOXEL_SIZE_NM}},
            "sources": [{**source, "columns": columns}],
            "grouping": ["neuron_id"],
            "tile": {"size_px": TILE_PX, "sections": 3},
        }
    )


def sites(count: int = SYNAPSES, moved: int = 0) -> pa.Table:
    """The first synapses of the region, in places of no order; those below `moved` lie a little beside their places."""
    step = (SIDE_PX - 2 * TILE_PX) // 24
    grid = np.stack(np.meshgrid(*[TILE_PX + step * np.arange(24)] * 2), -1).reshape(-1, 2)
    places = np.random.default_rng(1).permutation(grid)[:count]
    places[:moved] += 3
    rows = {name: [None] * count for name in SYNAPSES_TABLE.names} | {
        "synapse_id": [f"s{number:03d}" for number in range(count)],
        "brain_region": [REGION] * count,
        "volume": ["em"] * count,
        "x_nm": (places[:, 0] + 0.5) * VOXEL_SIZE_NM[0],
        "y_nm": (places[:, 1] + 0.5) * VOXEL_SIZE_NM[1],
        "z_nm": np.full(count, 2.5 * VOXEL_SIZE_NM[2]),
        "neuron_id": np.arange(count) // 10,
        "source": ["table"] * count,
        "source_file": ["points.csv"] * count,
    }
    return pa.table(rows, schema=SYNAPSES_TABLE.arrow)


def prepared(store: DatasetStore, count: int = SYNAPSES, moved: int = 0, network: bool = False) -> DatasetStore:
    """The store with so many synapses of the region and an encoder in use, as `use_encoder` makes it."""
    use_encoder(store, network)
    return placed(store, sites(count, moved))


def placed(store: DatasetStore, rows: pa.Table, gone: Sequence[str] = ()) -> DatasetStore:
    """The store with those synapses of the region, added or changed, and without those that are gone."""
    if store.synapse_table.version is None:
        with store.synapse_table.replace():
            pass
    store.synapses.replace_region(REGION, rows, gone)
    return store


def use_encoder(store: DatasetStore, network: bool = False, model_id: str = MODEL) -> None:
    """Puts an encoder of that kind into use."""
    import torch

    from synapse_assets.vision.encoder import Encoder, TileNetwork
    from synapse_assets.vision.encoder_spec import EncoderSpec
    from synapse_assets.vision.networks.backbone import build_backbone

    torch.manual_seed(0)
    spec = EncoderSpec(
        architecture="test_resnet" if network else "texture",
        sections=3,
        tile_px=TILE_PX,
        crop_px=TILE_PX,
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        origin="checkpoint" if network else "texture",
        texture_px=0 if network else TILE_PX,
        pixel_nm=0.0 if network else VOXEL_SIZE_NM[0],
    )
    encoder = Encoder(spec, TileNetwork(spec, build_backbone("test_resnet", 3, TILE_PX, "native") if network else None))
    provenance = Provenance("encoder", model_id, {}, {}, 0, {"dimensions": float(encoder.dimensions)})
    store.models("encoder").save(model_id, encoder.save, provenance)
    store.models("encoder").promote(model_id)


def made(store: DatasetStore) -> tuple[pa.Table, pa.Table]:
    """The tiles and the vectors of the region, sorted by synapse."""
    tables = (store.tiles, vectors_in_use(store))
    tiles, vectors = (table.read(REGION, table.table.names) for table in tables)
    return tiles, vectors


@contextmanager
def cluster(cpus: int = 1) -> Iterator[Any]:
    """Ray's own cluster with a head of so many cores on the loopback; `add_node` and `remove_node` are Ray's. Token on."""
    # Short: the sockets lie in it.
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    (folder / "token").write_text(secrets.token_hex(32))
    os.environ.update(environment(), RAY_AUTH_TOKEN_PATH=str(folder / "token"))
    # On a busy machine a node takes longer than the 30 s that Ray gives it.
    os.environ.update({"RAY_raylet_start_wait_time_s": "120"})
    from ray.cluster_utils import Cluster

    # Wherever the cluster lies, Ray notes its address in here.
    Path("/tmp/ray").mkdir(exist_ok=True)
    nodes = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": cpus,
            "include_dashboard": False,
            "object_store_memory": 80_000_000,
            "node_ip_address": "127.0.0.1",
            "temp_dir": str(folder),
        },
    )
    os.environ["RAY_ADDRESS"] = nodes.address
    try:
        yield nodes
    finally:
        import ray

        ray.shutdown()
        nodes.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def python(folder: Path, code: str, *arguments: str, **variables: str) -> "subprocess.Popen[bytes]":
    """A Python process of its own that runs the code in that folder, as a second driver is; what it says is in its output."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(
        command, cwd=folder, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def slowly(seconds: float, signs: Path, work: Callable[[_Part], _Result], part: _Part) -> _Result:
    """As `work`, after a while in which a file in `signs` has the name of the node: what is under way when a node goes is not done."""
    import ray

    sign = signs / ray.get_runtime_context().get_node_id()
    sign.touch()
    try:
        time.sleep(seconds)
        return work(part)
    finally:
        sign.unlink()


def doubled(number: int) -> int:
    """A part's work that is good for itself."""
    return 2 * number


def dies(number: int) -> int:
    """A part's work of which number 2 ends its process, as the system does with one that takes too much memory."""
    if number == 2:
        os.kill(os.getpid(), 9)
    return 2 * number


def is_bad(number: int) -> int:
    """A part's work of which number 2 is input that a person has to mend."""
    from synapse_assets.errors import BadInput

    if number == 2:
        raise BadInput("the chunk is damaged")
    return 2 * number
