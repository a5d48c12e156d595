"""Which pictures a source has and what is known of each: from folders, tables and names; and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from synapse_assets.datasets.staining import ImageSource
from synapse_assets.errors import BadInput
from synapse_assets.sources.images import in_one_table, list_images
from synapse_assets.sources.listing import content_version, listed, signatures

HEAD = "path,label,plate,well,compound,dose,pixel_nm"
COLUMNS = {name: name for name in HEAD.split(",")}


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(folder / name, format="PNG")


def of_folder(folder: Path, **fields: Any) -> ImageSource:
    return ImageSource.model_validate({"name": "cells", "path": str(folder), **fields})


def of_table(folder: Path, *lines: str, head: str = HEAD, **fields: Any) -> ImageSource:
    (folder / "cells.csv").write_text("\n".join([head, *lines]) + "\n")
    return ImageSource.model_validate(
        {"name": "cells", "path": str(folder / "cells.csv"), "columns": COLUMNS, **fields}
    )


def said(source: ImageSource, *facts: str) -> dict[str, Any]:
    rows = list_images(source).to_pylist()
    return {row["image_id"]: tuple(row[fact] for fact in facts) if len(facts) > 1 else row[facts[0]] for row in rows}


def refusal(source: ImageSource) -> str:
    with pytest.raises(BadInput) as error:
        list_images(source)
    return str(error.value)


def test_folders_of_any_depth_are_listed_and_the_first_names_the_class(tmp_path: Path) -> None:
    touch(
        tmp_path, "control/a.TIF", "control/deep/er/b.jpeg", "treated/a.PNG", "treated/c.jpg", "treated/d.tiff", "e.tif"
    )
    assert said(of_folder(tmp_path), "label", "plate", "path") == {
        "control/a.TIF": ("control", "cells", str(tmp_path / "control/a.TIF")),
        "control/deep/er/b.jpeg": ("control", "cells", str(tmp_path / "control/deep/er/b.jpeg")),
        "treated/a.PNG": ("treated", "cells", str(tmp_path / "treated/a.PNG")),
        "treated/c.jpg": ("treated", "cells", str(tmp_path / "treated/c.jpg")),
        "treated/d.tiff": ("treated", "cells", str(tmp_path / "treated/d.tiff")),
        "e.tif": (None, "cells", str(tmp_path / "e.tif")),
    }
    assert set(said(of_folder(tmp_path, class_names={"control": "untreated"}), "label").values()) == {
        "untreated", "treated", None,
    }  # fmt: skip
    assert set(said(of_folder(tmp_path / "control", label="control"), "label").values()) == {"control"}


def test_hidden_files_thumbnails_and_what_is_no_picture_are_passed_over(tmp_path: Path) -> None:
    touch(
        tmp_path, "control/a.png", "control/.hidden.png", "control/._a.png", ".cache/b.png", "control/Thumbs/a.png",
        "control/thumb_a.png", "control/a_thumb.png", "control/a_Thumbnail.jpg", "__MACOSX/a.png",
    )  # fmt: skip
    for name in ("Thumbs.db", "notes.txt", "a.tif.xml", "run.log"):
        (tmp_path / "control" / name).write_text("no picture")
    assert list(said(of_folder(tmp_path), "label")) == ["control/a.png"]


def test_names_tell_what_folders_do_not(tmp_path: Path) -> None:
    touch(tmp_path, "P1/B02_control_1.png", "P2/B03_treated_2.png", "P2/unnamed.png")
    pattern = r"(?P<plate>P\d)/(?P<well>[A-H]\d\d)_(?P<label>\w+?)_(?P<field>\d)"
    assert said(of_folder(tmp_path, name_pattern=pattern), "plate", "well", "label", "field") == {
        "P1/B02_control_1.png": ("P1", "B02", "control", "1"),
        "P2/B03_treated_2.png": ("P2", "B03", "treated", "2"),
        "P2/unnamed.png": ("cells", None, "P2", None),
    }
    # A folder that the pattern takes for the plate names no class.
    by_plate = r"^(?P<plate>P\d)/"
    assert set(said(of_folder(tmp_path, name_pattern=by_plate), "label").values()) == {None}
    dosed = r"(?P<well>B0\d)_(?P<compound>\w+?)_(?P<dose>\d)"
    assert said(of_folder(tmp_path, name_pattern=dosed), "compound", "dose")["P2/B03_treated_2.png"] == ("treated", 2.0)
    assert "is found in none of 3 paths, such as P1/B02_control_1.png" in refusal(
        of_folder(tmp_path, name_pattern=r"(?P<plate>Q\d)")
    )
    assert "finds the dose 'B02' in P1/B02_control_1.png, which is no number" in refusal(
        of_folder(tmp_path, name_pattern=r"(?P<dose>B0\d)")
    )


def test_a_table_says_what_is_known(tmp_path: Path) -> None:
    touch(tmp_path, "plates/a.png", "plates/b.png", "plates/c.png")
    touch(tmp_path.parent, f"{tmp_path.name}_other/d.png")
    source = of_table(
        tmp_path,
        "plates/a.png,control,1,B02,,,325",
        "plates\\b.png,,01,B03,rescue A,0.5,",
        f"{tmp_path}/plates/c.png,treated,,,,,",
        f"../{tmp_path.name}_other/d.png,None,2,,,,",
        class_names={"None": "control"},
    )
    elsewhere = str(tmp_path.parent / f"{tmp_path.name}_other" / "d.png")
    assert said(source, "label", "plate", "well", "compound", "dose", "pixel_nm") == {
        "plates/a.png": ("control", "1", "B02", None, None, 325.0),
        "plates/b.png": (None, "01", "B03", "rescue A", 0.5, None),
        "plates/c.png": ("treated", "cells", None, None, None, None),
        elsewhere.lstrip("/"): ("control", "2", None, None, None, None),
    }


@pytest.mark.parametrize(
    ("lines", "fields", "why"),
    [
        (["a.png,control,1,B02,,,0"], {}, "row 1: pixel_nm is 0, but the side of a pixel is above 0"),
        (["a.png,control,1,B02,x,much,325"], {}, "row 1, column 'dose'"),
        (["a.png,,1,,,,", "a.png,,2,,,,"], {}, "row 2: a.png stands in row 1 too"),
        (["a.png,,1,,,,", "./b/../a.png,,2,,,,"], {}, "row 2: ./b/../a.png stands in row 1 too"),
        ([",control,1,B02,,,"], {}, "row 1: the path is empty"),
        (["notes.txt,control,1,B02,,,"], {}, "row 1: notes.txt is no picture: one ends in .tif"),
        (["a.png,,1,,,,", "x.png,,1,,,,", "y.png,,1,,,,"], {}, "2 of the 3 pictures that"),
        (
            ["a.png,,1,,,,", "x.png,,1,,,,", "y.png,,1,,,,"],
            {},
            "row 2: x.png, row 3: y.png; paths count from the folder of",
        ),
        (["a.png,,1...2,,,,"], {}, "is called '1...2': a name is at most 80 printable characters"),
        ([f"a.png,,{'板' * 23},,,,"], {}, "which is 207 characters as the name of a folder"),
        (
            ["a.png,,1,,,,"],
            {"columns": {**COLUMNS, "stain": "dye"}},
            "has no column 'dye' (for stain); its columns are",
        ),
        (["a.png,,1,,,,"], {"columns": {"path": "file"}}, "has no column 'file' (for path)"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(lines: list[str], fields: dict[str, Any], why: str, tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    message = refusal(of_table(tmp_path, *lines, **fields))
    assert why in message
    assert str(tmp_path) in message or "source 'cells'" in message


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "there is no folder" in refusal(of_folder(tmp_path / "gone"))
    source = of_table(tmp_path)
    (tmp_path / "cells.csv").unlink()
    assert "there is no table" in refusal(source)
    assert "is an address, and pictures are read from a folder" in refusal(
        of_folder(Path("x")).model_copy(update={"path": "s3://bucket/cells"})
    )
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "a.png").symlink_to(tmp_path / "nothing.png")
    assert "a.png is a link to nothing" in refusal(of_folder(tmp_path))


def test_an_empty_folder_or_table_has_no_pictures_yet(tmp_path: Path) -> None:
    assert list_images(of_folder(tmp_path, name_pattern=r"(?P<plate>P\d)")).num_rows == 0
    assert list_images(of_table(tmp_path)).num_rows == 0


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path, "disk/control/a.png")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "plate").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "control" / "around").symlink_to(tmp_path / "disk")
    assert list(said(of_folder(tmp_path / "pictures"), "label")) == ["plate/control/a.png"]


def test_pictures_of_the_same_name_in_two_sources_stay_apart(tmp_path: Path) -> None:
    touch(tmp_path, "first/control/a.png", "second/control/a.png")
    tables = [
        list_images(
            of_folder(
                tmp_path / name,
            ).model_copy(update={"name": name})
        )
        for name in ("first", "second")
    ]
    assert in_one_table(tables[:1]).column("image_id").to_pylist() == ["control/a.png"]
    both = in_one_table(tables)
    assert both.column("image_id").to_pylist() == ["first/control/a.png", "second/control/a.png"]
    assert both.column("plate").to_pylist() == ["first", "second"]
    touch(tmp_path, "plates/p1/a.png", "plates/P1/b.png")
    alike = list_images(of_folder(tmp_path / "plates", name_pattern=r"^(?P<plate>\w+)/"))
    with pytest.raises(BadInput, match=r"the plates \['P1', 'p1'\] differ in case only"):
        in_one_table([alike])


def test_a_change_of_a_picture_or_of_its_table_is_seen(tmp_path: Path) -> None:
    touch(tmp_path, "control/a.png", "control/b.png", "control/thumb.png")
    folder = of_folder(tmp_path / "control")
    assert [file.name for file in listed(folder)] == ["a.png", "b.png"]
    version, known = content_version(folder)
    assert content_version(folder, known)[0] == version
    (tmp_path / "control" / "thumb.png").write_bytes(b"other")
    assert content_version(folder, known)[0] == version
    Image.new("L", (5, 5)).save(tmp_path / "control" / "a.png")
    assert content_version(folder, known)[0] != version

    table = of_table(tmp_path, "control/a.png,control,,,,,", "control/gone.png,control,,,,,")
    assert [Path(file).name for file in signatures(table)] == ["cells.csv", "a.png"]
    version, _ = content_version(table)
    Image.new("L", (6, 6)).save(tmp_path / "control" / "a.png")
    assert content_version(table)[0] != version
