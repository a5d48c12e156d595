"""Wrong input through Dagster: the run fails with one clear sentence, and what was stored stays as it was."""

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from synapse_assets_tests.conftest import REGIONS, Kept, Lab, failure_reason, tiny_dataset


@pytest.fixture(scope="module")
def cut_once(tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    root = tmp_path_factory.mktemp("cut")
    with dg.DagsterInstance.ephemeral() as instance:
        lab = Lab(tiny_inputs, root, instance)
        lab.materialize("synapse_table", "alignment")
        lab.materialize("synapses", "tiles", region=REGIONS[0])
        yield Kept(tiny_inputs, root, instance)


@pytest.fixture
def cut_lab(cut_once: Kept, tmp_path: Path) -> Iterator[Lab]:
    with cut_once.again(tmp_path) as lab:
        yield lab


def state(lab: Lab) -> tuple[object, ...]:
    store = lab.store
    return store.synapse_table.version, store.synapses.version, store.tiles.version, store.tiles.count()


def changed(points: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    points = points.astype({column: object})
    points.loc[points["id"] == "s003", column] = value
    return points


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: p.rename(columns={"x": "pre_x"}), r"points\.csv has no column 'x'"),
        (lambda p: p.head(0), r"points\.csv has a header but no rows"),
        (
            lambda p: pd.concat([p, p[p["id"] == "s003"]]),
            r"synapse ids are not unique, for instance 's003' in points\.csv",
        ),
        (lambda p: changed(p, "y", "nan"), r"row 4: y is no number \(synapse s003\)"),
        (lambda p: changed(p, "neuron", "12.5"), r"points\.csv, row 4, column 'neuron'.*12\.5"),
    ],
)
def test_a_bad_table_changes_nothing(cut_lab: Lab, spoil: Callable[[pd.DataFrame], pd.DataFrame], message: str) -> None:
    before = state(cut_lab)
    cut_lab.write(spoil(pd.read_csv(cut_lab.points)))
    result = cut_lab.materialize("synapse_table", raises=False)
    assert not result.success
    assert re.search(message, failure_reason(result)), failure_reason(result)
    assert "BadInput" not in failure_reason(result)
    assert state(cut_lab) == before


def test_a_pointer_instead_of_data(cut_lab: Lab) -> None:
    before = state(cut_lab)
    cut_lab.points.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    result = cut_lab.materialize("synapse_table", raises=False)
    assert "git-LFS pointer" in failure_reason(result)
    assert state(cut_lab) == before


def test_a_point_outside_the_volume_is_named(cut_lab: Lab) -> None:
    cut_lab.write(changed(pd.read_csv(cut_lab.points), "x", 5000))
    cut_lab.materialize("synapse_table", "alignment")
    before = state(cut_lab)
    result = cut_lab.materialize("synapses", region=REGIONS[0], raises=False)
    assert "1 of 24 synapses lie outside volume 'em'" in failure_reason(result)
    assert "s003 at (20002, " in failure_reason(result)
    assert state(cut_lab) == before
    # The other regions are not held up.
    assert cut_lab.materialize("synapses", "tiles", region=REGIONS[1]).success
    # On request the others of the region go on without it; a region that lies outside altogether never does.
    cut_lab.use(cut_lab.dataset.model_copy(update={"leave_out_outside": True}))
    result = cut_lab.materialize("synapses", "tiles", region=REGIONS[0])
    event = result.get_asset_materialization_events()[0].step_materialization_data.materialization
    assert event.metadata["left_out_outside_volume"].value == 1
    with_all = cut_lab.store.synapse_table.site_hash(REGIONS[0])
    assert event.tags["dagster/data_version"] != with_all, "another content is another version"
    assert cut_lab.store.synapses.count(REGIONS[0]) == cut_lab.store.tiles.count(REGIONS[0]) == 23


def test_nanometres_given_as_voxels_are_suspected(cut_lab: Lab) -> None:
    points = pd.read_csv(cut_lab.points)
    points[["x", "y", "z"]] *= [400, 400, 40]
    cut_lab.write(points)
    cut_lab.materialize("synapse_table")
    text = failure_reason(cut_lab.materialize("synapses", region=REGIONS[0], raises=False))
    assert "24 of 24 synapses lie outside" in text
    assert "are the coordinates voxels where the dataset's YAML says nm" in text


def test_an_absent_volume(cut_lab: Lab, tmp_path: Path, tiny_inputs: Path) -> None:
    before = state(cut_lab)
    nowhere = {"em": {"kind": "images", "url": str(tmp_path / "nowhere"), "voxel_size_nm": [4, 4, 40]}}
    cut_lab.use(tiny_dataset(tiny_inputs, cut_lab.points, volumes=nowhere))
    text = failure_reason(cut_lab.materialize("synapses", region=REGIONS[0], raises=False))
    assert "nowhere" in text
    assert state(cut_lab) == before


@pytest.fixture
def precomputed(tmp_path: Path) -> Path:
    """A raw precomputed volume of the tiny size, 64-voxel chunks."""
    import tensorstore as ts

    folder = tmp_path / "precomputed"
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": f"file://{folder}/",
        "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
        "scale_metadata": {
            "size": [288, 288, 9],
            "resolution": [4, 4, 40],
            "chunk_size": [64, 64, 64],
            "encoding": "raw",
        },
        "create": True,
    }
    values = np.random.default_rng(0).integers(1, 255, (288, 288, 9, 1), dtype=np.uint8)
    ts.open(spec).result().write(values).result()
    return folder


def test_an_absent_chunk_is_named(cut_lab: Lab, tiny_inputs: Path, precomputed: Path) -> None:
    before = cut_lab.store.tiles.read(None, ["synapse_id", "tile_hash"])
    chunk = sorted(path for path in precomputed.rglob("0-64_0-64_0-9*"))[0]
    chunk.unlink()
    volumes = {"em": {"kind": "precomputed", "url": str(precomputed), "voxel_size_nm": [4, 4, 40]}}
    cut_lab.use(tiny_dataset(tiny_inputs, cut_lab.points, volumes=volumes))
    cut_lab.materialize("alignment")
    cut_lab.materialize("synapses", region=REGIONS[0])
    text = failure_reason(cut_lab.materialize("tiles", region=REGIONS[0], raises=False))
    assert "0-64_0-64_0-9" in text
    assert "missing_chunks: black" in text
    assert cut_lab.store.tiles.read(None, ["synapse_id", "tile_hash"]).equals(before)


def test_a_tile_with_a_gap_is_cut_again_when_the_chunk_has_come(
    cut_lab: Lab, tiny_inputs: Path, precomputed: Path, tmp_path: Path
) -> None:
    chunk = sorted(path for path in precomputed.rglob("0-64_0-64_0-9*"))[0]
    chunk.rename(tmp_path / "kept")
    volume = {"kind": "precomputed", "url": str(precomputed), "voxel_size_nm": [4, 4, 40], "missing_chunks": "black"}
    cut_lab.use(tiny_dataset(tiny_inputs, cut_lab.points, volumes={"em": volume}))
    cut_lab.materialize("alignment")
    cut_lab.materialize("synapses", region=REGIONS[0])

    def cut() -> tuple[dict[str, object], list[float]]:
        result = cut_lab.materialize("tiles", region=REGIONS[0])
        event = result.get_asset_materialization_events()[0].step_materialization_data.materialization
        valid = cut_lab.store.tiles.read(REGIONS[0], ["valid_fraction"]).column(0).to_pylist()
        return {name: value.value for name, value in event.metadata.items()}, valid

    first, valid = cut()
    gaps = sum(fraction < 1 for fraction in valid)
    assert 0 < gaps < 24
    assert (first["computed_rows"], first["missing_chunks"], first["incomplete_tiles"]) == (24, 1, gaps)
    still_gone, _ = cut()
    assert (still_gone["computed_rows"], still_gone["missing_chunks"]) == (gaps, 1)
    (tmp_path / "kept").rename(chunk)
    fixed, valid = cut()
    assert (fixed["computed_rows"], fixed["missing_chunks"], set(valid)) == (gaps, 0, {1.0})
    assert cut()[0]["computed_rows"] == 0


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        return


def test_a_download_above_the_ceiling_is_refused(cut_lab: Lab, tiny_inputs: Path, precomputed: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(precomputed)))
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def use(ceiling_gb: float) -> None:
        url = f"http://127.0.0.1:{server.server_port}/"
        volume = {"kind": "precomputed", "url": url, "voxel_size_nm": [4, 4, 40], "download_ceiling_gb": ceiling_gb}
        cut_lab.use(tiny_dataset(tiny_inputs, cut_lab.points, volumes={"em": volume}))

    try:
        use(1e-6)
        text = failure_reason(cut_lab.materialize("alignment", raises=False))
        assert "examining the surroundings of 72 points would fetch about" in text
        use(1.0)
        cut_lab.materialize("alignment")
        use(1e-6)
        cut_lab.materialize("synapses", region=REGIONS[1])
        before = state(cut_lab)
        result = cut_lab.materialize("tile_plan", region=REGIONS[1], raises=False)
        (evaluation,) = result.get_asset_check_evaluations()
        assert (evaluation.check_name, evaluation.passed) == ("below_download_ceiling", False)
        text = failure_reason(cut_lab.materialize("tiles", region=REGIONS[1], raises=False))
        assert "above its ceiling of 1e-06 GB" in text
        assert "24 tiles would fetch about" in text
        assert state(cut_lab) == before
        use(1.0)
        assert cut_lab.materialize("tile_plan", "tiles", region=REGIONS[1]).success
    finally:
        server.shutdown()


def test_a_checkpoint_of_another_architecture(cut_lab: Lab, tiny_inputs: Path, tmp_path: Path) -> None:
    weights = tmp_path / "other.safetensors"
    shutil.copy(tiny_inputs / "weights.safetensors", weights)
    encoder = {"origin": "checkpoint", "architecture": "test_vit", "checkpoint": str(weights)}
    cut_lab.use(tiny_dataset(tiny_inputs, cut_lab.points, encoder=encoder))
    text = failure_reason(cut_lab.materialize("encoder", raises=False))
    assert "other.safetensors" in text
    assert "test_vit" in text
    assert cut_lab.store.models("encoder").versions() == []


def test_applying_before_fitting_says_what_to_do(cut_lab: Lab) -> None:
    text = failure_reason(cut_lab.materialize("embeddings", region=REGIONS[0], raises=False))
    assert "no encoder has been fitted: materialise the asset 'encoder' first" in text
