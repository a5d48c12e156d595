"""The alignment doctor on planted truth: dark T-bars in grey noise, and points that mean them or do not."""

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow.csv
import pytest
import tensorstore as ts
from PIL import Image
from scipy import ndimage

from synapse_assets.datasets import VolumeSpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes import Volume, open_volume
from synapse_assets.volumes.alignment import EXAMPLES, Alignment, examine_alignment

Points = npt.NDArray[np.float64]
SIZE_NM = np.array([4.0, 4.0, 40.0])
# Sections of a flat stack, and of a block that is as deep as it is wide.
FLAT = (13, 760, 760)
BLOCK, BLOCK_NM = (200, 200, 200), np.array([16.0, 16.0, 20.0])
REAL = Path(os.environ.get("SYNAPSE_VNC_SSTEM_FOLDER", Path(__file__).parents[3] / "shared/data/vnc_sstem"))


def texture(shape: tuple[int, int, int], blur: float, seed: int = 0) -> npt.NDArray[np.float32]:
    """Grey noise with grains of that width in the plane, sections alike where they are neighbours."""
    noise = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    smooth = ndimage.gaussian_filter(noise, (0.6, blur, blur))
    return (150 + 25 * smooth / smooth.std()).astype(np.float32)


def plant(values: npt.NDArray[np.float32], voxels: npt.NDArray[np.int64], radius: float, depths: list[float]) -> None:
    """A dark bar on a foot, turned at random, at each voxel (x, y, z); `depths`: how dark in the sections around it."""
    rng = np.random.default_rng(7)
    reach = int(2 * radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1] / radius
    for vx, vy, vz in voxels:
        angle = rng.uniform(0, 2 * np.pi)
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        bar = np.exp(-((along / 1.0) ** 4) - (across / 0.4) ** 4) + np.exp(-(((along**2 + across**2) / 0.4) ** 2))
        for k, depth in enumerate(depths):
            section = vz + k - len(depths) // 2
            if 0 <= section < len(values):
                values[section, vy - reach : vy + reach + 1, vx - reach : vx + reach + 1] -= depth * bar


def write_stack(folder: Path, values: npt.NDArray[np.float32]) -> Volume:
    folder.mkdir()
    for index, section in enumerate(np.clip(values, 0, 255).astype(np.uint8)):
        Image.fromarray(section).save(folder / f"{index:03d}.png", compress_level=1)
    return open_volume(VolumeSpec(kind="images", url=str(folder), voxel_size_nm=(4, 4, 40)))


def write_zarr(folder: Path, values: npt.NDArray[np.float32], **fields: str) -> Volume:
    store = ts.open(
        {"driver": "zarr", "kvstore": f"file://{folder}/"},
        dtype=ts.uint8,
        shape=values.shape,
        chunk_layout=ts.ChunkLayout(chunk_shape=(50, 50, 50)),
        create=True,
    ).result()
    store[...] = np.clip(values, 0, 255).astype(np.uint8)
    return open_volume(VolumeSpec(kind="zarr", url=str(folder), voxel_size_nm=tuple(BLOCK_NM), **fields))


def places(shape: tuple[int, int, int], count: int, edge: tuple[int, int], seed: int) -> npt.NDArray[np.int64]:
    """Voxels (count, 3) x, y, z, at least `edge` (in z, in the plane) from the edges."""
    rng = np.random.default_rng(seed)
    z = rng.integers(edge[0], shape[0] - edge[0], count)
    return np.stack([*rng.integers(edge[1], shape[1] - edge[1], (2, count)), z], axis=1)


def write_flat(folder: Path, count: int) -> Volume:
    """A deep, featureless stack."""
    folder.mkdir()
    for index in range(count):
        Image.fromarray(np.full((300, 300), 128, np.uint8)).save(folder / f"{index:03d}.png")
    return open_volume(VolumeSpec(kind="images", url=str(folder), voxel_size_nm=(4, 4, 40)))


def nm(voxels: npt.ArrayLike, size: Points = SIZE_NM) -> Points:
    return (np.asarray(voxels) + 0.5) * size


def moved(voxels: npt.NDArray[Any], x: int, y: int, z: int) -> npt.NDArray[Any]:
    return voxels + np.array([x, y, z])


T_BARS = places(FLAT, 110, (4, 165), seed=1)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Volume:
    """T-bars at `T_BARS`, each with a fainter trace in the sections before and after."""
    values = texture(FLAT, 3)
    plant(values, T_BARS, 14, [18, 75, 18])
    return write_stack(tmp_path_factory.mktemp("flat") / "em", values)


BLOBS = places(BLOCK, 120, (34, 34), seed=2)


@pytest.fixture(scope="module")
def block(tmp_path_factory: pytest.TempPathFactory) -> Volume:
    """A volume that holds its points in whatever order their axes are read."""
    values = texture(BLOCK, 1)
    plant(values, BLOBS, 4, [45, 60, 70, 60, 45])
    return write_zarr(tmp_path_factory.mktemp("deep") / "em", values)


def readings(found: Alignment) -> dict[str, float | None]:
    return {reading.name: reading.score for reading in found.readings}


def test_right_coordinates_fit(stack: Volume) -> None:
    for seed in range(2):
        found = examine_alignment(stack, nm(T_BARS), "voxel", seed=seed)
        assert found.verdict == "fits"
        assert not found.blocks
        assert found.better is None
        assert found.offset_nm is None
        scores = readings(found)
        assert max(scores, key=lambda name: scores[name] or 0) == "as given"
        assert found.readings[0].share_inside == 1
        assert scores["as given"] > 2 * max(found.random_shifts)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("sections", "better", "words"),
    [
        (1, "z-1", "one section too deep"),
        (2, "z-2", "2 sections too deep"),
        (-1, "z+1", "one section too shallow"),
        (-2, "z+2", "2 sections too shallow"),
    ],
)
def test_points_in_another_section(stack: Volume, sections: int, better: str, words: str) -> None:
    found = examine_alignment(stack, nm(moved(T_BARS, 0, 0, sections)), "voxel", seed=0)
    assert (found.verdict, found.better) == ("contradicted", better)
    assert words in found.sentence
    assert f"write offset_voxels: [0, 0, {sections}]" in found.sentence
    assert ("catmaid_to_n5" in found.sentence) == (sections == 1)


@pytest.mark.parametrize("shift", [(0, -36), (0, 36), (36, 0)])
def test_points_beside_what_they_mark(stack: Volume, shift: tuple[int, int]) -> None:
    found = examine_alignment(stack, nm(moved(T_BARS, *shift, 0)), "nm", seed=0)
    assert found.blocks
    assert found.better is not None
    x, y = (int(part.strip()[1:]) for part in found.better.split(",")[:2])
    assert (x, y) == pytest.approx((-shift[0], -shift[1]), abs=4)


def test_points_a_little_beside_what_they_mark(stack: Volume) -> None:
    near = examine_alignment(stack, nm(moved(T_BARS, 12, 0, 0)), "nm", seed=0)
    assert near.verdict == "fits"
    assert near.offset_nm is not None
    assert near.offset_nm == pytest.approx((-48, 0), abs=16)
    assert "px left of them" in near.sentence


def test_x_and_y_exchanged(stack: Volume) -> None:
    found = examine_alignment(stack, nm(T_BARS)[:, [1, 0, 2]], "nm", seed=0)
    assert (found.verdict, found.better) == ("contradicted", "axes yxz")
    assert "exchange x and y" in found.sentence


def test_places_outside_tell_the_unit_and_the_axes(stack: Volume) -> None:
    numbers = T_BARS + 0.5
    mistakes: list[tuple[Points, Literal["nm", "voxel"], str, str]] = [
        (numbers[:, ::-1] * SIZE_NM, "voxel", "axes zyx", "exchange x and z"),
        (nm(T_BARS)[:, ::-1], "nm", "axes zyx", "axis_order: zyx"),
        (nm(T_BARS) * SIZE_NM, "voxel", "numbers are nm", "units: nm"),
    ]
    for points, units, better, remedy in mistakes:
        found = examine_alignment(stack, points, units, seed=0)
        assert (found.verdict, found.better) == ("contradicted", better)
        assert found.readings[0].share_inside < 0.05
        assert remedy in found.sentence
    # The volume begins at nought, so voxels taken for nanometres lie inside, crowded into a corner.
    found = examine_alignment(stack, numbers, "nm", seed=0)
    assert found.readings[0].share_inside == 1
    assert "numbers are voxels" in {r.name for r in found.readings if r.share_inside == 1}
    assert found.verdict != "fits"


@pytest.mark.parametrize("order", [(0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
def test_every_order_of_the_axes_is_told_by_the_pictures(block: Volume, order: tuple[int, int, int]) -> None:
    true = BLOBS + 0.5
    wrong = np.empty_like(true)
    wrong[:, list(order)] = true  # so that true = wrong[:, order]
    found = examine_alignment(block, wrong * BLOCK_NM, "voxel", seed=0, sample=60)
    assert found.readings[0].share_inside > 0.9
    assert (found.verdict, found.better) == ("contradicted", "axes " + "".join("xyz"[i] for i in order))


def test_axes_are_exchanged_in_the_tables_own_numbers(block: Volume) -> None:
    wrong = BLOBS[:, ::-1] + 0.5
    assert examine_alignment(block, wrong * BLOCK_NM, "voxel", seed=0, sample=60).better == "axes zyx"
    # As nanometres the same numbers lie elsewhere when exchanged, because voxels are longer along z.
    assert examine_alignment(block, wrong * BLOCK_NM, "nm", seed=0, sample=60).better is None
    assert examine_alignment(block, nm(BLOBS, BLOCK_NM)[:, ::-1], "nm", seed=0, sample=60).better == "axes zyx"


@pytest.mark.parametrize("sections", [3, -3, 5, -5, 6])
def test_a_shift_is_told_to_the_section_where_sections_are_thin(block: Volume, sections: int) -> None:
    """Sections of 20 nm are looked at two at a time, up to four above and below."""
    off = moved(BLOBS, 0, 0, sections)
    found = examine_alignment(block, nm(off, BLOCK_NM), "voxel", seed=0)
    assert (found.verdict, found.better) == ("contradicted", f"z{-sections:+d}")
    assert f"write offset_voxels: [0, 0, {sections}]" in found.sentence
    assert f"{abs(sections)} sections too" in found.sentence
    assert readings(found)[str(found.better)] is not None
    mended = open_volume(block.spec.model_copy(update={"offset_voxels": (0, 0, sections)}))
    assert examine_alignment(mended, nm(off, BLOCK_NM), "voxel", seed=0).verdict == "fits"


@pytest.mark.parametrize("size", [4.0, 8.0, 10.0, 12.0, 20.0])
def test_numbers_that_count_voxels_of_another_size(block: Volume, size: float) -> None:
    numbers = nm(BLOBS, BLOCK_NM) / size
    found = examine_alignment(block, numbers * BLOCK_NM, "voxel", seed=0)
    name = f"voxels of {size:g} x {size:g} x {size:g} nm"
    assert (found.verdict, found.better) == ("contradicted", name), found.sentence
    assert f"set voxel_size_nm: [{size:g}, {size:g}, {size:g}] in the source" in found.sentence
    mended = examine_alignment(block, numbers * size, "voxel", seed=0, voxel_size_nm=(size, size, size))
    assert mended.verdict == "fits"


def test_nanometres_made_with_another_voxel_size(block: Volume) -> None:
    made_with = BLOCK_NM / 8 * nm(BLOBS, BLOCK_NM)
    found = examine_alignment(block, made_with, "nm", seed=0)
    assert (found.verdict, found.better) == ("contradicted", "voxels of 8 x 8 x 8 nm")
    assert "multiply its x, y and z by 0.5, 0.5, 0.4" in found.sentence
    assert examine_alignment(block, made_with * [0.5, 0.5, 0.4], "nm", seed=0).verdict == "fits"


def test_numbers_of_a_coarser_scale(tmp_path: Path) -> None:
    spots = places((7, 1000, 1000), 60, (2, 255), seed=4) // [2, 2, 1] * [2, 2, 1]
    values = texture((7, 1000, 1000), 3)
    plant(values, spots, 14, [18, 75, 18])
    volume = write_stack(tmp_path / "em", values)
    numbers = spots / [2, 2, 1] + [0.25, 0.25, 0.5]
    found = examine_alignment(volume, numbers * SIZE_NM, "voxel", seed=0)
    assert (found.verdict, found.better) == ("contradicted", "voxels of 8 x 8 x 40 nm"), found.sentence
    assert "set voxel_size_nm: [8, 8, 40] in the source" in found.sentence


def test_points_of_two_kinds_are_told_by_more_of_them(tmp_path: Path) -> None:
    """Half of what is marked is a little darker than its surroundings, half a little lighter."""
    spots = places(BLOCK, 420, (34, 34), seed=6)
    values = texture(BLOCK, 1, seed=8)
    plant(values, spots[::2], 4, [9] * 5)
    plant(values, spots[1::2], 4, [-9] * 5)
    volume = write_zarr(tmp_path / "em", values)
    found = examine_alignment(volume, nm(spots, BLOCK_NM), "voxel", seed=1)
    assert (found.verdict, found.sampled) == ("fits", 384)
    assert examine_alignment(volume, nm(spots[:128], BLOCK_NM), "voxel", seed=1).verdict == "cannot tell"


def test_many_points_on_few_objects_do_not_contradict(tmp_path: Path) -> None:
    """Eighty points on two T-bars one section off, and four at each of nine places where nothing is."""
    spots = np.array([(x, y, 6) for x in range(180, 600, 130) for y in range(180, 600, 130)])[:11]
    values = texture(FLAT, 3, seed=4)
    plant(values, spots[:2], 14, [110])
    volume = write_stack(tmp_path / "em", values)
    points = np.concatenate([np.repeat(spots[:2], 40, axis=0), np.repeat(spots[2:], 4, axis=0)])
    beside = np.random.default_rng(3).integers(-4, 5, (2, len(points)))
    points = points + np.stack([*beside, np.full(len(points), 1)], axis=1)
    found = examine_alignment(volume, nm(points), "voxel", seed=0)
    assert found.verdict == "cannot tell"
    assert "'z-1'" in found.sentence
    assert "not surely better" in found.sentence


def test_a_deep_volume_fits_and_its_other_orders_are_not_fetched(block: Volume) -> None:
    found = examine_alignment(block, nm(BLOBS, BLOCK_NM), "voxel", seed=0)
    assert found.verdict == "fits"
    swapped = next(reading for reading in found.readings if reading.name == "axes zyx")
    assert swapped.share_inside == 1
    assert swapped.score is None
    assert "not read" in swapped.why_not


def test_points_at_random_places_never_block(stack: Volume, block: Volume) -> None:
    for seed in range(3):
        anywhere = nm(places(FLAT, 150, (2, 120), seed=100 + seed))
        found = examine_alignment(stack, anywhere, "voxel", seed=seed, sample=60)
        assert found.verdict == "cannot tell"
        assert "like any others" in found.sentence
        deep = nm(places(BLOCK, 150, (36, 36), seed=100 + seed), BLOCK_NM)
        assert not examine_alignment(block, deep, "nm", seed=seed, sample=60).blocks


def test_noise_never_blocks(tmp_path: Path) -> None:
    for blur in (0, 6):
        noise = write_stack(tmp_path / f"blur{blur}", texture((7, 560, 560), blur, seed=blur))
        for seed in range(2):
            points = nm(places((7, 560, 560), 60, (2, 121), seed=seed))
            found = examine_alignment(noise, points, "nm", seed=seed)
            assert found.verdict == "cannot tell", found.sentence


def test_a_thing_of_four_sections_may_be_marked_in_any_of_them(tmp_path: Path) -> None:
    """The clearest section of a synapse is not where everyone clicks, so a section to either side is no error."""
    values = texture(FLAT, 3, seed=5)
    plant(values, T_BARS, 14, [50, 55, 60, 55, 50])
    volume = write_stack(tmp_path / "deep", values)
    rng = np.random.default_rng(0)
    for seed in range(2):
        clicked = T_BARS + np.stack([*rng.integers(-5, 6, (2, len(T_BARS))), rng.integers(-1, 2, len(T_BARS))], axis=1)
        assert examine_alignment(volume, nm(clicked), "voxel", seed=seed).verdict == "fits"


def test_few_points_and_points_at_the_edge(stack: Volume) -> None:
    few = examine_alignment(stack, nm(T_BARS[:29]), "voxel", seed=0)
    assert few.verdict == "cannot tell"
    assert "29" in few.sentence
    assert "30" in few.sentence
    edge = nm(places(FLAT, 200, (0, 0), seed=9))
    edge[:, 0] = 4.0 * np.arange(200) % 100
    alone = examine_alignment(stack, edge, "voxel", seed=0)
    assert alone.verdict == "cannot tell"
    assert "edges" in alone.sentence
    among = examine_alignment(stack, np.concatenate([edge, nm(T_BARS)]), "voxel", seed=0)
    assert among.verdict == "fits"
    assert among.sampled == len(np.unique(T_BARS, axis=0))


def test_a_thin_volume_is_looked_at_less_deeply(tmp_path: Path) -> None:
    flat = T_BARS.copy()
    flat[:, 2] = 1
    flat = flat[np.unique(flat // [60, 60, 1], axis=0, return_index=True)[1]]
    values = texture((3, *FLAT[1:]), 3)
    plant(values, flat, 14, [70])
    volume = write_stack(tmp_path / "thin", values)
    found = examine_alignment(volume, nm(flat), "voxel", seed=0)
    assert found.verdict == "fits"
    assert {"z-1", "z+1"} <= readings(found).keys()
    assert "z+2" not in readings(found)


def test_absent_chunks_and_empty_pictures_tell_nothing(tmp_path: Path) -> None:
    points = nm(BLOBS, BLOCK_NM)
    blank = write_zarr(tmp_path / "blank", np.full(BLOCK, 128, np.float32))
    found = examine_alignment(blank, points, "voxel", seed=0)
    assert found.verdict == "cannot tell"
    assert "complete picture" in found.sentence
    holes = write_zarr(tmp_path / "holes", texture(BLOCK, 1), missing_chunks="black")
    (tmp_path / "holes" / "1.1.1").unlink()
    found = examine_alignment(holes, points, "voxel", seed=0)
    assert found.verdict == "cannot tell"
    # A box covers 60 x 60 voxels and 9 sections; the absent chunk is voxels 50 to 99.
    first, past = BLOBS - [30, 30, 4], BLOBS + np.array([30, 30, 5])
    touched = ((first < 100) & (past > 50)).all(axis=1)
    assert 0 < touched.sum() < len(BLOBS)
    assert found.sampled == len(BLOBS) - touched.sum()
    strict = open_volume(VolumeSpec(kind="zarr", url=str(tmp_path / "holes"), voxel_size_nm=tuple(BLOCK_NM)))
    found = examine_alignment(strict, points, "voxel", seed=0)
    assert found.verdict == "cannot tell"
    assert "cannot be read there" in found.sentence


def test_points_that_fit_nowhere_are_named_with_both_extents(stack: Volume) -> None:
    found = examine_alignment(stack, nm(T_BARS) + 1e7, "nm", seed=0)
    assert found.blocks
    assert found.better is None
    assert "[759, 759, 12]" in found.sentence
    assert str(moved(T_BARS, 2_500_000, 2_500_000, 250_000).max(axis=0).tolist()) in found.sentence
    assert found.sampled == 0
    assert found.tiles == ()


def test_the_same_seed_gives_the_same_answer(stack: Volume) -> None:
    first, second = (examine_alignment(stack, nm(T_BARS), "voxel", seed=3, sample=40) for _ in range(2))
    assert first == second
    assert first != examine_alignment(stack, nm(T_BARS), "voxel", seed=4, sample=40)
    assert first.sampled == 40


def test_the_tiles_show_what_each_reading_has_in_its_middle(stack: Volume) -> None:
    found = examine_alignment(stack, nm(moved(T_BARS, 0, 0, 1)), "voxel", seed=0)
    tiles = {one.name: one for one in found.tiles}
    assert [one.name for one in found.tiles][:5] == ["z-2", "z-1", "as given", "z+1", "z+2"]
    side = tiles["z-1"].mean.shape[0]
    assert tiles["z-1"].examples.shape == (EXAMPLES, side, side)
    middle = slice(side // 2 - 4, side // 2 + 4)
    dark = {name: float(one.mean[middle, middle].mean()) for name, one in tiles.items()}
    assert min(dark, key=lambda name: dark[name]) == "z-1"
    assert dark["z-1"] < -1
    assert (tiles["z-1"].examples[:, middle, middle].mean(axis=(1, 2)) < -1).all()


def test_what_is_no_points(stack: Volume) -> None:
    with pytest.raises(BadInput, match="no points"):
        examine_alignment(stack, np.empty((0, 3)), "nm", seed=0)
    with pytest.raises(BadInput, match="shape"):
        examine_alignment(stack, np.zeros((40, 2)), "nm", seed=0)
    with pytest.raises(BadInput, match="point 1 "):
        examine_alignment(stack, [[1, 1, 1], [np.nan, 1, 1]], "nm", seed=0)


@pytest.mark.skipif(not REAL.is_dir(), reason="the ssTEM data are not here")
def test_real_synapses() -> None:
    volume = open_volume(VolumeSpec(kind="images", url=str(REAL / "stack1/raw"), voxel_size_nm=(4.6, 4.6, 45)))
    table = pyarrow.csv.read_csv(REAL / "sites_stack1.csv").to_pandas()
    voxels = table[table["label"] == "synapse"][["x", "y", "z"]].to_numpy() + 0.5
    size = np.array([4.6, 4.6, 45])
    assert examine_alignment(volume, voxels * size, "voxel", seed=0).verdict == "fits"
    early = moved(voxels[voxels[:, 2] < 14], 0, 0, 1)
    assert examine_alignment(volume, early * size, "voxel", seed=0).better == "z-1"
    assert examine_alignment(volume, voxels[:, [1, 0, 2]] * size, "voxel", seed=0).better == "axes yxz"


@pytest.mark.skipif(not REAL.is_dir(), reason="the ssTEM data are not here")
def test_real_points_of_two_kinds() -> None:
    volume = open_volume(VolumeSpec(kind="images", url=str(REAL / "stack1/raw"), voxel_size_nm=(4.6, 4.6, 45)))
    table = pyarrow.csv.read_csv(REAL / "sites_stack1.csv").to_pandas()
    mixed = table[table["label"].isin(["membrane", "cytoplasm"])][["x", "y", "z"]].to_numpy() + 0.5
    found = examine_alignment(volume, mixed * [4.6, 4.6, 45], "voxel", seed=0)
    assert found.verdict == "fits"


def test_voxels_said_to_be_nm_are_known_by_their_crowding(tmp_path: Path) -> None:
    """Nothing is to be seen in the pictures: points of many depths in one section tell by themselves."""
    volume = write_flat(tmp_path / "em", 12)
    numbers = np.random.default_rng(0).integers((10, 10, 0), (290, 290, 12), (60, 3)).astype(float)
    found = examine_alignment(volume, numbers, "nm", seed=0)
    assert (found.verdict, found.better) == ("contradicted", "numbers are voxels")
    assert "set units: voxel" in found.sentence
    # One section of real nm positions, or positions that are no whole numbers, tell nothing of the kind.
    for other in (numbers * [4, 4, 0] + [0, 0, 80], numbers + 0.25):
        assert examine_alignment(volume, other, "nm", seed=0).verdict == "cannot tell"
