"""The sample brain: repeatable, complete, awkward where real exports are, and with differences that can be measured."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tensorstore as ts
from scipy import ndimage

from synapse_assets.datasets import SynisterNeurons, SynisterSource, TileSpec, VolumeSpec
from synapse_assets.errors import BadInput
from synapse_assets.sample import SampleTruth, draw_sample_brain
from synapse_assets.sample import brain as drawn
from synapse_assets.sample.drawing import LOOKS, Cells, Site, draw_block, draw_style
from synapse_assets.sources import RegionNames, read_neurons, read_source
from synapse_assets.volumes import open_volume

Brain = tuple[Path, SampleTruth]
# Of each section's grey values.
GREY_SUMS = [
    979106403, 975674511, 980123288, 964707526, 961658779, 965882629, 996784228, 992629227, 997282808,
    984408033, 981682208, 986149435, 987936738, 984252432, 987821257, 992246705, 987994022, 991613015,
]  # fmt: skip


@pytest.fixture(scope="module")
def brain(tmp_path_factory: pytest.TempPathFactory) -> Brain:
    folder = tmp_path_factory.mktemp("sample") / "raw"
    return folder, draw_sample_brain(folder)


def points(folder: Path) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Positions (n, 3) nm and neuron of each synapse."""
    rows = json.loads((folder / "synapses.json").read_text()).values()
    return np.array([[r["x"], r["y"], r["z"]] for r in rows], float), np.array(
        [r["skeleton_id"] for r in rows], np.int64
    )


def test_counts_and_files(brain: Brain) -> None:
    folder, truth = brain
    assert (truth.synapses, truth.neurons, truth.hemilineages) == (2400, 120, 12)
    assert set(truth.transmitter_by_neuron.values()) == set(LOOKS)
    assert {path.name for path in folder.parent.iterdir()} == {"raw"}
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert 100e6 < size < 200e6


def test_it_is_the_brain_that_figures_were_taken_on(brain: Brain) -> None:
    """Scores of encoders and classifiers compare over releases only as long as nothing is drawn otherwise."""
    folder, _ = brain
    digests = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()[:16]
        for name in ("synapses.json", "skeletons.json", "hemi_lineages.json", "truth.json", "volume/info")
    }
    assert digests == {
        "synapses.json": "d8a84b597add1eca",
        "skeletons.json": "1efabac78e7206d2",
        "hemi_lineages.json": "ba184fde44d2b42c",
        "truth.json": "9128e14ab228ffc3",
        "volume/info": "a192ecbff45aa8af",
    }
    store = {"driver": "file", "path": f"{folder / 'volume'}/"}
    volume = ts.open({"driver": "neuroglancer_precomputed", "kvstore": store}, open=True, read=True).result()
    voxels = np.ascontiguousarray(volume.read().result()[..., 0])
    if hashlib.sha256(voxels).hexdigest()[:16] != "d22a1777b1c73f3b":
        # Another processor may round a grey value here and there to its neighbour.
        drawn_sums = voxels.sum((0, 1), dtype=np.int64)
        np.testing.assert_allclose(drawn_sums, GREY_SUMS, rtol=0, atol=500)


def test_it_is_drawn_once(brain: Brain) -> None:
    folder, truth = brain
    before = (folder / "truth.json").stat().st_mtime_ns
    assert draw_sample_brain(folder) == truth
    assert (folder / "truth.json").stat().st_mtime_ns == before


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="no sample brain"):
        draw_sample_brain(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_same_seed_same_bytes_and_damage_is_mended(
    brain: Brain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def digest(folder: Path) -> dict[str, str]:
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

    # A smaller brain is enough: 12 neurons instead of 120.
    hemilineages = tuple((nt, names, 1) for nt, names, _ in drawn.LAYOUT.hemilineages)
    monkeypatch.setattr(drawn, "LAYOUT", replace(drawn.LAYOUT, blocks=(2, 2, 3), hemilineages=hemilineages))
    draw_sample_brain(tmp_path / "a")
    draw_sample_brain(tmp_path / "b")
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    whole = digest(tmp_path / "a")
    next((tmp_path / "a/volume/4_4_40").iterdir()).unlink()
    draw_sample_brain(tmp_path / "a")
    assert digest(tmp_path / "a") == whole
    draw_sample_brain(tmp_path / "b", seed=1)
    other = digest(tmp_path / "b")
    assert {name for name in whole if other[name] == whole[name]} <= {"volume/info", "hemi_lineages.json"}


def test_tiles_do_not_overlap_and_centres_lie_in_the_volume(brain: Brain) -> None:
    folder, _ = brain
    volume = open_volume(VolumeSpec(kind="precomputed", url=str(folder / "volume"), voxel_size_nm=(4, 4, 40)))
    places, _ = points(folder)
    assert volume.contains(places).all()
    voxels = volume.voxel_of(places)
    np.testing.assert_array_equal(places, voxels * [4, 4, 40] + [2, 2, 20])
    apart = np.abs(voxels[:, None] - voxels[None])
    overlap = (apart[:, :, 0] < 128) & (apart[:, :, 1] < 128) & (apart[:, :, 2] < 3)
    np.fill_diagonal(overlap, False)
    assert not overlap.any()


def test_the_awkward_cases_are_there(brain: Brain) -> None:
    folder, truth = brain
    synapses = json.loads((folder / "synapses.json").read_text())
    skeletons = json.loads((folder / "skeletons.json").read_text())
    lineages = json.loads((folder / "hemi_lineages.json").read_text())
    assert set(skeletons) == {str(neuron) for neuron in truth.transmitter_by_neuron}
    assert sum(int(neuron) > 2**53 for neuron in skeletons) >= 5
    assert any(int(float(neuron)) != int(neuron) for neuron in skeletons)
    known = [fields["nt_known"] for fields in skeletons.values()]
    assert sum(k is None for k in known) >= 3
    assert sum(k is not None and len(k) == 2 for k in known) == 1
    regions = [fields["brain_region"] for fields in synapses.values()]
    assert sum(region is None for region in regions) > 10
    assert sum(isinstance(region, list) for region in regions) > 10
    assert {region for region in regions if isinstance(region, str)} == {"AL_L", "LH_L", "MB_CA_L", "EB"}
    assert {fields["splits"]["skeleton"] for fields in synapses.values()} == {"train", "validation", "test"}
    by_neuron: dict[int, set[str]] = {}
    for fields in synapses.values():
        if isinstance(fields["brain_region"], str):
            by_neuron.setdefault(fields["skeleton_id"], set()).add(fields["brain_region"])
    assert {len(found) for found in by_neuron.values()} == {1, 2}
    names = {key: fields["hemi_lineage_name"] for key, fields in lineages.items()}
    assert {"NONE", "unknown2"} <= {names[str(fields["hemi_lineage_id"])] for fields in skeletons.values()}
    guesses = [fields["nt_guess"][0] for fields in lineages.values() if fields["nt_guess"]]
    assert all(guesses.count(transmitter) >= 2 for transmitter in LOOKS)


def test_the_tables_read_as_a_synister_export(brain: Brain) -> None:
    folder, truth = brain
    source = SynisterSource(name="s", format="synister_v3", volume="sample", path=str(folder / "synapses.json"))
    volume = VolumeSpec(kind="precomputed", url=str(folder / "volume"), voxel_size_nm=(4, 4, 40))
    names = RegionNames("UNASSIGNED", vocabulary="flywire")
    assert sum(table.num_rows for table in read_source(source, volume, names)) == truth.synapses
    skeletons = SynisterNeurons(
        name="n",
        format="synister_v3_skeletons",
        path=str(folder / "skeletons.json"),
        hemi_lineages=str(folder / "hemi_lineages.json"),
    )
    assert read_neurons(skeletons).num_rows == truth.neurons


def test_edge_tiles_and_real_pictures(brain: Brain) -> None:
    folder, _ = brain
    volume = open_volume(VolumeSpec(kind="precomputed", url=str(folder / "volume"), voxel_size_nm=(4, 4, 40)))
    places, _ = points(folder)
    valid, contrast = np.zeros(len(places)), np.zeros(len(places))
    for batch in volume.read_tiles(places, TileSpec(size_px=128, sections=3)):
        valid[batch.indices] = batch.valid_fraction
        contrast[batch.indices] = batch.tiles.std(axis=(1, 2, 3))
    assert 50 < np.count_nonzero(valid < 1) < 300
    assert valid.min() > 0.3
    assert contrast.min() > 15


def _lone_synapse(transmitter: str, seed: int) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    site = Site(64.0, 64.0, 0.0, 40.0)
    places = np.array([[24.0, 64.0], [84.0, 64.0], [80.0, 10.0], [80.0, 118.0]])
    cells = Cells(
        np.repeat(places[None], 3, axis=0),
        np.array([40.0, 20.0, 10.0, 10.0]),
        np.full(4, 0.64),
        np.array([3, 4, 0, 0], np.int8),
        np.arange(4),
    )
    return draw_block((0, 0), (128, 128), cells, [site], draw_style(transmitter, rng), rng)


def test_the_planted_differences_can_be_measured() -> None:
    """A closing fills the thin rings of clear vesicles and keeps dense cores: how dark the bouton still is, mean over
    neurons."""
    darkest = {}
    for transmitter in LOOKS:
        found = []
        for seed in range(16):
            # The bouton without its membrane and T-bar.
            bouton = ndimage.gaussian_filter(_lone_synapse(transmitter, seed).astype(float), (0, 1.2, 1.2))[
                :, 38:90, 0:44
            ]
            closed = ndimage.grey_closing(bouton, size=(1, 7, 7))
            found.append(float(np.mean(np.median(closed, axis=(1, 2)) - closed.min(axis=(1, 2)))))
        darkest[transmitter] = float(np.mean(found))
    for with_cores in ("octopamine", "serotonin"):
        for without in ("acetylcholine", "gaba", "glutamate"):
            assert darkest[with_cores] > 1.15 * darkest[without], darkest
    assert darkest["octopamine"] > darkest["dopamine"], darkest
