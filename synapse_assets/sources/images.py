"""What the sources of a staining dataset say of each picture: `list_images` gives rows of `schema.staining.IMAGE_TABLE`.

Which files there are belongs to `picture_files`, reading their pixels to `pictures`; what is said is taken as it stands, so
whether a label is one of the dataset's classes is asked elsewhere.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from synapse_assets.datasets.staining import FACTS, ImageSource
from synapse_assets.errors import BadInput
from synapse_assets.schema.staining import IMAGE_TABLE
from synapse_assets.sources.listing import listed
from synapse_assets.sources.picture_files import (
    PICTURE_SUFFIXES,
    is_picture,
    place_of,
    source_folder,
    table_rows,
)
from synapse_assets.sources.values import plain_text

LONGEST_PLATE_NAME = 80
# A plate is a folder of the stores, whose names are percent-encoded there and have 255 bytes at most, with what stands around them.
_LONGEST_ENCODED = 200
_MOST_NAMED = 3

_Row = dict[str, Any]


def list_images(source: ImageSource) -> pa.Table:
    """The pictures of one source as rows of `schema.staining.IMAGE_TABLE`, sorted by `image_id`, which is the path below the source.

    Of a folder every .tif, .tiff, .png, .jpg and .jpeg file is listed, at any depth; hidden files and folders, Thumbs.db and
    thumbnails (thumb*, *_thumb*) are not (`picture_files.is_passed_over`). Of a table every row is.
    What is known of a picture comes from the table, then from `name_pattern`. The label is then the source's `label`, and in a folder
    without one the name of the first sub-folder, unless the pattern took that for something else, such as the plate. A picture
    without a plate is on one of the source's name. An empty folder or table gives no rows.
    Raises BadInput for a folder, table or column that is not there, rows whose file is not there (how many, and the first) or is no
    picture, a picture that is listed twice, a dose or pixel size that is none, a `name_pattern` that matches no path, and a plate
    whose name cannot be one.
    """
    rows = _of_folder(source) if source.columns is None else _of_table(source)
    patterned = _add_from_names(source, rows)
    for row in rows:
        label = row["label"] or source.label or (_first_folder(row, patterned) if source.columns is None else None)
        row["label"] = source.class_names.get(label, label) if label else None
        row["plate"] = _checked_plate(source, row)
        row["source"] = source.name
    columns = {column.name: pa.array([row[column.name] for row in rows], column.type) for column in IMAGE_TABLE.columns}
    return IMAGE_TABLE.conform(pa.table(columns)).sort_by("image_id")


def _of_folder(source: ImageSource) -> list[_Row]:
    return [_row(file.name, file.place) for file in listed(source)]


def _of_table(source: ImageSource) -> list[_Row]:
    folder = source_folder(source)
    rows: list[_Row] = []
    numbers_of: dict[str, int] = {}
    missing: list[str] = []
    for number, said in enumerate(table_rows(source).to_pylist(), start=1):
        path = said.pop("path")
        place, name = place_of(folder, path)
        where = f"{source.path}, row {number}"
        if not is_picture(name):
            raise BadInput(f"{where}: {path} is no picture: one ends in {', '.join(PICTURE_SUFFIXES)}")
        if name in numbers_of:
            raise BadInput(
                f"{where}: {path} stands in row {numbers_of[name]} too: keep one row of each picture (what is said of its channels "
                "belongs in one row)"
            )
        numbers_of[name] = number
        if not os.path.isfile(place):
            missing.append(f"row {number}: {path}")
        if said.get("pixel_nm") is not None and said["pixel_nm"] <= 0:
            raise BadInput(
                f"{where}: pixel_nm is {said['pixel_nm']:g}, but the side of a pixel is above 0; empty where unknown"
            )
        rows.append(_row(name, place) | said)
    if missing:
        ellipsis = ", ..." if len(missing) > _MOST_NAMED else ""
        raise BadInput(
            f"{len(missing):,} of the {len(rows):,} pictures that {source.path} names are not there: "
            f"{', '.join(missing[:_MOST_NAMED])}{ellipsis}; paths count from the folder of the table. Correct them, or remove the rows"
        )
    return rows


def _row(name: str, place: str) -> _Row:
    return {**dict.fromkeys(FACTS), "pixel_nm": None, "image_id": name, "path": place}


def _add_from_names(source: ImageSource, rows: Sequence[_Row]) -> dict[str, set[str]]:
    """Fills in what the names of the files tell and nothing else did. Gives, by `image_id`, the texts that the pattern found."""
    found: dict[str, set[str]] = {}
    if source.name_pattern is None:
        return found
    pattern = re.compile(source.name_pattern)
    for row in rows:
        match = pattern.search(row["image_id"])
        if match is None:
            continue
        texts = {fact: text.strip() for fact, text in match.groupdict().items() if text and text.strip()}
        found[row["image_id"]] = set(texts.values())
        for fact, value in texts.items():
            if row[fact] is None:
                row[fact] = _dose(source, row, value) if fact == "dose" else value
    if rows and not found:
        raise BadInput(
            f"source '{source.name}': name_pattern {source.name_pattern} is found in none of {len(rows):,} paths, such as "
            f"{rows[0]['image_id']}: it is searched in the path below the source, with forward slashes"
        )
    return found


def _dose(source: ImageSource, row: _Row, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise BadInput(
            f"source '{source.name}': name_pattern finds the dose '{text}' in {row['image_id']}, which is no number"
        ) from error


def _first_folder(row: _Row, patterned: dict[str, set[str]]) -> str | None:
    first, _, rest = row["image_id"].partition("/")
    return first if rest and first not in patterned.get(row["image_id"], ()) else None


def _checked_plate(source: ImageSource, row: _Row) -> str:
    plate: str = plain_text(row["plate"] or "") or source.name
    # What Dagster takes for the key of a partition.
    if not plate.isprintable() or "..." in plate or len(plate) > LONGEST_PLATE_NAME:
        raise BadInput(
            f"source '{source.name}': the plate of {row['image_id']} is called {plate!r}: a name is at most {LONGEST_PLATE_NAME} printable "
            "characters, without '...'"
        )
    encoded = len(quote(plate, safe=""))
    if encoded > _LONGEST_ENCODED:
        raise BadInput(
            f"source '{source.name}': the plate of {row['image_id']} is called {plate!r}, which is {encoded} characters as the name of a "
            f"folder, where an accent counts 6 and most other scripts 9 a letter; at most are {_LONGEST_ENCODED}: give it a shorter name"
        )
    return plate


def in_one_table(tables: Sequence[pa.Table]) -> pa.Table:
    """The pictures of all sources of a dataset, as `list_images` gives them, in one table, sorted by `image_id`.

    With several sources each `image_id` begins with the name of its source, so that pictures of the same name in two of them stay
    apart, and no id changes when another file comes. Raises BadInput for plates whose names differ in case only (one folder on some
    disks).
    """
    rows = pa.concat_tables(tables)
    if len(tables) > 1:
        sources, ids = rows.column("source").to_pylist(), rows.column("image_id").to_pylist()
        ids = pa.array([f"{source}/{image_id}" for source, image_id in zip(sources, ids, strict=True)], pa.string())
        rows = IMAGE_TABLE.conform(rows.set_column(rows.column_names.index("image_id"), "image_id", ids))
    plates = rows.column("plate").unique().to_pylist()
    alike = [name for name, count in Counter(map(str.casefold, plates)).items() if count > 1]
    if alike:
        same = sorted(plate for plate in plates if plate.casefold() == alike[0])
        raise BadInput(f"the plates {same} differ in case only, which is one folder on some disks: write them alike")
    return rows.sort_by("image_id")
