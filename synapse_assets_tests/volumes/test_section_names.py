"""Section files by the numbers in their names: what is lost is refused, what is a date is not taken for a number."""

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

from synapse_assets.datasets import TileSpec, VolumeSpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes import Volume, open_volume
from synapse_assets.volumes._section_names import examine_order

VOXEL_NM = (4.0, 4.0, 40.0)


def named(pattern: str, *numbers: object) -> list[str]:
    return [pattern.format(*(n if isinstance(n, tuple) else (n,))) for n in numbers]


def opened(folder: Path, names: list[str], **fields: tuple[int, int, int]) -> Volume:
    """A folder of sections whose grey value is their place in `names`."""
    folder.mkdir()
    for grey, name in enumerate(names):
        tifffile.imwrite(folder / f"{name}.tif", np.full((16, 16), grey, np.uint8))
    return open_volume(VolumeSpec(kind="images", url=str(folder), voxel_size_nm=VOXEL_NM, **fields))


def greys(volume: Volume) -> list[int]:
    low, high = volume.bounds_voxels
    points = [[32.0, 32.0, 40.0 * z + 20] for z in range(low[2], high[2])]
    (batch,) = volume.read_tiles(points, TileSpec(size_px=8, sections=1))
    return batch.tiles[np.argsort(batch.indices), 0, 0, 0].tolist()  # type: ignore[no-any-return]


LOST = {
    "z in nm": (named("em_z{:05d}", 0, 40, 80, 160, 200), "em_z00080", "em_z00160"),
    "z in nm, gap first": (named("em_z{:05d}", 0, 80, 120, 160), "em_z00000", "em_z00080"),
    "z in nm, two lost": (named("z{}", 0, 40, 120, 160, 240), "z40", "z120"),
    "by ten": (named("s{}", 10, 20, 30, 50, 60), "s30", "s50"),
    "by one": (named("s{:03d}", 1, 2, 4), "s002", "s004"),
    "three lost together": (named("{:04d}", 7, 8, 12, 13), "0008", "0012"),
    "by two": (named("slice_{}", 2, 4, 8, 10), "slice_4", "slice_8"),
    "by two, odd": (named("layer{}", 1, 3, 5, 9), "layer5", "layer9"),
    "uneven, but sections by name": (named("section {}", 1, 3, 6), "section 3", "section 6"),
    "before a date": (
        named("sec{:03d}_{}", (1, 20210304), (2, 20210304), (4, 20210305), (5, 20210305)),
        "sec002_20210304",
        "sec004_20210305",
    ),
    "after a date": (named("{}_s{:02d}", ("2021-03-04", 1), ("2021-03-04", 2), ("2021-03-05", 4)), "s02", "s04"),
    "beside a time": (named("t{}_s{}", (101503, 1), (101618, 2), (101733, 4), (101850, 5)), "_s2", "_s4"),
    "with constants beside it": (named("fly2_em_{:03d}_4nm_ch0", 1, 2, 3, 5), "003_4nm", "005_4nm"),
    "on a wafer": (named("w{:02d}_s{:03d}", (1, 1), (1, 3), (1, 4), (2, 1), (2, 2)), "w01_s001", "w01_s003"),
    "on the second wafer": (
        named("w{}_s{}", (1, 10), (1, 20), (1, 30), (2, 10), (2, 20), (2, 40)),
        "w2_s20",
        "w2_s40",
    ),
    "on a wafer, channel behind": (named("w{}_s{}_c0", (1, 1), (1, 2), (1, 4), (2, 1)), "w1_s2", "w1_s4"),
    "six digits": (named("z{:06d}", 100000, 100040, 100120), "z100040", "z100120"),
    "six digits without a word": (named("{:06d}", 100040, 100080, 100160), "100080", "100160"),
    "of a number of": (named("img_{}of9", 1, 2, 4, 5), "img_2of9", "img_4of9"),
    "micrometres": (named("z{}", "0.92", "0.96", "1.00", "1.04", "1.12"), "z1.04", "z1.12"),
    "z before an export's own number": (named("z{:04d}_{}", (0, 9), (40, 10), (120, 11)), "z0040", "z0120"),
}


@pytest.mark.parametrize("case", LOST)
def test_a_lost_section_is_named(case: str, tmp_path: Path) -> None:
    names, before, after = LOST[case]
    with pytest.raises(BadInput, match=rf"jump from '.*{before}.*' to '.*{after}.*put a black image there"):
        opened(tmp_path / "em", names)


WHOLE = {
    "by one": named("s{}", 0, 1, 2, 3),
    "over ten": named("s{}", *range(8, 13)),
    "z in nm": named("em_z{:05d}", 0, 40, 80, 120, 160),
    "by ten": named("s{}", 10, 20, 30),
    "date behind": named("sec{:03d}_{}", (1, 20210304), (2, 20210304), (3, 20210304), (4, 20210305)),
    "date behind, weekend": named("sec{:03d}_{}", (1, 20210305), (2, 20210308), (3, 20210309)),
    "date with dashes behind": named("{:03d}_{}", (1, "2021-03-04"), (2, "2021-03-04"), (3, "2021-04-01")),
    "German date behind": named("{:03d}_{}", (1, "04.03.2021"), (2, "04.03.2021"), (3, "01.04.2021")),
    "time behind": named("s{}_{}", (1, 101503), (2, 101618), (3, 103001)),
    "date and time behind": named("s{}_{}", (1, "20210304T101503"), (2, "20210304T235900"), (3, "20210305T000001")),
    "date before": named("{}_s{}", (20210304, 1), (20210304, 2), (20210305, 3), (20210308, 4)),
    "contrast behind": named("s{}_b{}", (1, 7), (2, 3), (3, 200), (4, 3)),
    "size behind": named("em{}_1024x768", 1, 2, 3),
    "one file": ["s17_20210304"],
}


@pytest.mark.parametrize("case", WHOLE)
def test_sections_without_a_gap_are_read_in_order(case: str, tmp_path: Path) -> None:
    names = WHOLE[case]
    volume = opened(tmp_path / "em", names, offset_voxels=(0, 0, 0))
    assert greys(volume) == list(range(len(names)))
    assert volume.remarks == ()


OPEN = {
    "wafers": (
        named("w{:02d}_s{:03d}", (1, 1), (1, 2), (1, 3), (2, 1), (2, 2)),
        "anew.*'w01_s003.tif' to 'w02_s001.tif'",
    ),
    "wafers of one": (named("w{}_s{}", (1, 1), (2, 1), (3, 1), (3, 2)), "anew"),
    "two levels": (named("a{}_b{}_s{}", (1, 1, 1), (1, 1, 2), (1, 2, 1), (2, 1, 1)), "anew"),
    "days": (
        named("{}_s{}", (20210304, 1), (20210304, 2), (20210305, 1), (20210305, 2)),
        "anew.*_s2.tif' to '20210305",
    ),
    "blocks by letter": (["a_1", "a_2", "b_1", "b_2"], "anew from 'a_2.tif' to 'b_1.tif'|anew"),
    "times alone": (named("em_{}", 101503, 101618, 101733, 103000), "unevenly"),
    "times of whole minutes": (named("em_{}", 101500, 101600, 101800), "unevenly"),
    "times of two days": (
        named("em_{}_{}", (20210304, 101500), (20210304, 101700), (20210304, 101800), (20210305, 90000)),
        "anew",
    ),
    "short dates": (named("em_{}", 210304, 210305, 210308), "unevenly"),
    "seconds since 1970": (named("{}", 1614852000, 1614852060, 1614852180), "unevenly"),
    "stage heights": (named("z{}", 0, 39, 81, 120), "unevenly"),
    "letters": (["first", "second", "third"], "no number"),
    "dates alone": (named("em_{}", 20210304, 20210305, 20210308), "no number"),
    "two counters": (named("{}_{:04d}", (1, 0), (2, 1), (4, 2), (5, 3)), "one jumps from '2_0001.tif' to '4_0002.tif'"),
}


@pytest.mark.parametrize("case", OPEN)
def test_what_names_cannot_tell_is_remarked(case: str, tmp_path: Path) -> None:
    names, remark = OPEN[case]
    volume = opened(tmp_path / "em", names)
    assert greys(volume) == list(range(len(names)))
    (said,) = volume.remarks
    assert re.search(remark, said), said


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["s1", "s1_copy", "s2"], "'s1.tif' and 's1_copy.tif' have the same section number"),
        (["s1", "s01", "s2"], "have the same section number"),
        (named("s{}_{}", (1, 20210304), (2, 20210304), (2, 20210305), (3, 20210305)), "same section number"),
        (["mean", "s1", "s2", "s3"], "'mean.tif' has no number in its name, but 3 others have"),
        (named("{}_s{}", (20210304, 2), (20210305, 1), (20210306, 3)), "fall from '20210304_s2.tif'"),
        (["b_1", "a_2", "c_3"], "fall from 'a_2.tif' to 'b_1.tif'"),
    ],
)
def test_names_that_contradict_are_refused(names: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=message):
        opened(tmp_path / "em", names)


def test_a_first_section_of_another_number_is_remarked_unless_the_dataset_says_its_place(tmp_path: Path) -> None:
    for name, names, number in (("one", named("s{}", 8, 9, 10), 8), ("nm", named("z{:04d}", 400, 440, 480), 10)):
        (said,) = opened(tmp_path / name, names).remarks
        assert f"offset_voxels: [0, 0, {number}]" in said
        spec = VolumeSpec(kind="images", url=str(tmp_path / name), voxel_size_nm=VOXEL_NM, offset_voxels=(0, 0, number))
        assert open_volume(spec).remarks == ()
        assert greys(open_volume(spec)) == [0, 1, 2]


def test_a_superscript_is_no_number(tmp_path: Path) -> None:
    assert greys(opened(tmp_path / "em", ["²", "³"])) == [0, 1]


# Three numbers of which the second step is twice the first: a lost section, unless they are times.
TIMES = {
    "last second of a day": 235956,
    "first second after one": 10000,
    "last day of 2049": 491228,
    "first day of 2024": 240101,
    "first of the seconds since 1970": 1_000_000_000,
    "last of them": 1_999_999_996,
    "first of the milliseconds": 1_000_000_000_000,
    "last of these": 1_999_999_999_996,
}
NO_TIMES = {
    "midnight, as a number below 10000": 0,
    "24 hours": 240000,
    "60 minutes": 106000,
    "60 seconds": 105957,
    "year 50": 501228,
    "month 13": 241301,
    "day 0": 240100,
    "day 32": 240129,
    "before the seconds": 999_999_999,
    "after them": 1_999_999_997,
    "before the milliseconds": 999_999_999_999,
    "after these": 1_999_999_999_997,
}


@pytest.mark.parametrize("case", TIMES)
def test_a_number_that_may_be_a_time_loses_no_section(case: str) -> None:
    first = TIMES[case]
    _, (said,) = examine_order(named("em_{}", first, first + 1, first + 3), "here")
    assert "unevenly" in said
    with pytest.raises(BadInput, match="jump from"):
        examine_order(named("s{}", first, first + 1, first + 3), "here")


@pytest.mark.parametrize("case", NO_TIMES)
def test_a_number_that_is_no_time_loses_one(case: str) -> None:
    first = NO_TIMES[case]
    with pytest.raises(BadInput, match="jump from"):
        examine_order(named("em_{}", first, first + 1, first + 3), "here")
