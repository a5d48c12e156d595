"""The packaged datasets to train detectors on, read from files in the layouts that they name: each voxel and site in its place."""

import json
import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from synapse_assets.datasets import Annotation, DetectionDataset, load_dataset
from synapse_assets.pipeline.detection.annotated import read_annotations
from synapse_assets.sample import brain
from synapse_assets.sources import RegionNames, read_source
from synapse_assets.stores import DatasetStore
from synapse_assets.volumes import open_labels, open_volume
from synapse_assets_tests.lookalikes import NO_CLEFT, write_cremi, write_em_r50, write_lucchi, write_vnc
from synapse_assets_tests.sample.small import draw_small

LOG = logging.getLogger(__name__)


def dataset(name: str, monkeypatch: pytest.MonkeyPatch, root: Path, **variables: str) -> DetectionDataset:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    loaded = load_dataset(name, str(root))
    assert isinstance(loaded, DetectionDataset)
    return loaded


def annotation(of: DetectionDataset, name: str) -> Annotation:
    return next(one for one in of.annotations if one.name == name)


def grey(of: DetectionDataset, name: str) -> tuple[npt.NDArray[np.uint8], list[int]]:
    """All of a volume (z, y, x), and its first voxel (x, y, z)."""
    volume = open_volume(of.volumes[name])
    low, high = volume.bounds_voxels
    return volume.read_box(low, high)[0], low.tolist()


def labels(of: DetectionDataset, name: str) -> tuple[npt.NDArray[np.uint64], list[int]]:
    """As `grey`, of the label volume of an annotation."""
    spec = annotation(of, name).labels
    assert spec is not None
    volume = open_labels(spec)
    low, high = volume.bounds_voxels
    return volume.read_box(low, high), low.tolist()


def sites(of: DetectionDataset, name: str) -> pa.Table:
    source = annotation(of, name).points
    assert source is not None
    return pa.concat_tables(read_source(source, of.volumes[source.volume], RegionNames(of.missing_region)))


def places(table: pa.Table) -> npt.NDArray[np.float64]:
    return np.column_stack([table.column(f"{axis}_nm") for axis in "xyz"])


@pytest.mark.parametrize("padded", [False, True])
def test_cremi(padded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = "padded_20160501" if padded else "20160501"
    if padded:
        monkeypatch.setenv("SYNAPSE_CREMI_RELEASE", release)
    of = dataset("cremi", monkeypatch, tmp_path, SYNAPSE_CREMI_FOLDER=str(tmp_path))
    found = set()
    for number, sample in enumerate("abc"):
        written = write_cremi(tmp_path / f"sample_{sample.upper()}_{release}.hdf", padded=padded, seed=number)
        picture, first = grey(of, f"sample_{sample}")
        np.testing.assert_array_equal(picture, written.raw)
        assert first == [0, 0, 0]
        clefts, first = labels(of, f"clefts_{sample}")
        assert tuple(first) == written.first_voxel
        np.testing.assert_array_equal(clefts, np.where(written.clefts == NO_CLEFT, 0, written.clefts))
        spec = annotation(of, f"clefts_{sample}").labels
        assert spec is not None
        neurons = open_labels(spec.model_copy(update={"dataset": "volumes/labels/neuron_ids"}))
        pre, post = sites(of, f"presynaptic_{sample}"), sites(of, f"postsynaptic_{sample}")
        for table, ids in ((pre, written.presynaptic), (post, written.postsynaptic)):
            np.testing.assert_allclose(places(table), [written.position_nm[i] for i in ids], rtol=0, atol=1e-6)
            voxels = (places(table) // (4, 4, 40)).astype(int) - written.first_voxel
            x, y, z = voxels.T
            np.testing.assert_array_equal(neurons.at(places(table)), written.neuron_ids[z, y, x].astype(np.int64))
        partners = zip(post.column("object_id").to_pylist(), post.column("synapse_id").to_pylist(), strict=True)
        assert {pair for pair in partners if pair[0]} == {
            (f"{sample}_{a}", f"{sample}_{b}") for a, b in written.partners
        }
        found |= set(pre.column("synapse_id").to_pylist())
    assert len(found) == 9


def test_lucchi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = dataset("lucchi", monkeypatch, tmp_path, SYNAPSE_LUCCHI_FOLDER=str(tmp_path))
    for name, written in write_lucchi(tmp_path).items():
        np.testing.assert_array_equal(grey(of, name)[0], written.raw)
        np.testing.assert_array_equal(labels(of, f"mitochondria_{name}")[0], written.labels)
    assert of.voxel_size_nm == (5, 5, 5)


def test_em_r50(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = dataset("em_r50", monkeypatch, tmp_path, SYNAPSE_EM_R50_FOLDER=str(tmp_path))
    written = write_em_r50(tmp_path)
    np.testing.assert_array_equal(grey(of, "cortex")[0], written["synapses"].raw)
    np.testing.assert_array_equal(labels(of, "mitochondria")[0], written["mitochondria"].labels)
    for name, chosen, remainder in (("presynaptic", "odd", 1), ("postsynaptic", "even", 0)):
        assert annotation(of, name).ids == chosen
        values, _ = labels(of, name)
        np.testing.assert_array_equal(values, written["synapses"].labels)
        assert set(np.unique(values[values % 2 == remainder]).tolist()) - {0} == {2 - remainder, 4 - remainder}


def test_vnc_detection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = dataset("vnc_detection", monkeypatch, tmp_path, SYNAPSE_VNC_SSTEM_FOLDER=str(tmp_path))
    written = write_vnc(tmp_path)
    assert set(of.searched) == {"stack1", "stack2"}
    for name in of.volumes:
        np.testing.assert_array_equal(grey(of, name)[0], getattr(written, name))
    for name, objects in (("synapses", 2), ("mitochondria", 1)):
        np.testing.assert_array_equal(labels(of, name)[0] > 0, getattr(written, name) > 0)
        (known,) = read_annotations(DatasetStore(str(tmp_path), of.name), of, [annotation(of, name)], LOG)
        assert len(known.objects) == objects
    points = sites(of, "synapse_points")
    assert points.column("synapse_id").to_pylist() == list(written.middles)
    within = open_labels(annotation(of, "synapses").labels).at(places(points))
    assert (within > 0).all()


def test_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_small(tmp_path)
    of = dataset("sample_detection", monkeypatch, tmp_path)
    picture, first = grey(of, "sample")
    for name in ("t_bars", "densities", "clefts", "mitochondria"):
        values, low = labels(of, name)
        assert (values.shape, low) == (picture.shape, first)
        assert values.any()
    pre, post = sites(of, "presynaptic_sites"), sites(of, "postsynaptic_sites")
    assert set(post.column("object_id").to_pylist()) == set(pre.column("synapse_id").to_pylist())
    assert len(pre) == 48
    named = {entry.of: open_labels(entry.labels) for entry in of.labels_from}
    assert named["brain_region"].names() == dict(enumerate(brain.REGIONS, start=1))
    table = json.loads((tmp_path / "sample/raw/synapses.json").read_text())
    regions = named["brain_region"].at(places(pre)).tolist()
    for synapse, region in zip(pre.column("synapse_id").to_pylist(), regions, strict=True):
        told = table[synapse]["brain_region"]
        assert not isinstance(told, str) or brain.REGIONS[region - 1] == told
    t_bars, first = labels(of, "t_bars")
    covered = np.argwhere(t_bars > 0)
    owners = named["neuron_id"].at((covered[:, ::-1] + first + 0.5) * (4, 4, 40))
    neurons = [table[str(synapse)]["skeleton_id"] for synapse in t_bars[tuple(covered.T)]]
    assert np.mean(owners == neurons) > 0.9  # a pedestal stands on the membrane
