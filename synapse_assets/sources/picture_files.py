"""Which files a source of pictures has: those of its folder, or the rows of its table. No picture is opened.

What is known of each picture belongs to `images`, its pixels to `pictures`; whether files have changed, to `listing`.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from synapse_assets.datasets.staining import ImageSource
from synapse_assets.errors import BadInput
from synapse_assets.sources.files import open_table
from synapse_assets.sources.values import Place, numbers, text
from synapse_assets.sources.web import is_address, shown_address

PICTURE_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
# What one source may name: a screen of 36 plates has about 52,000.
MOST_PICTURES = 100_000
_NUMBERS = frozenset({"dose", "pixel_nm"})
_THUMBNAIL = re.compile(r"thumb|.*_thumb")
_OF_FILE_MANAGERS = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


def is_picture(name: str) -> bool:
    """Whether a file of that name or path is taken for a picture: by its suffix, of any case."""
    return name.casefold().endswith(PICTURE_SUFFIXES)


def is_passed_over(name: str) -> bool:
    """Whether a file or folder of that name is left out of a folder of pictures.

    Hidden ones (.DS_Store, ._a.tif), what file managers leave (Thumbs.db, __MACOSX), and thumbnails: names that begin with
    "thumb" or have "_thumb" in them, of any case.
    """
    name = name.casefold()
    return name.startswith(".") or name in _OF_FILE_MANAGERS or _THUMBNAIL.match(name) is not None


def source_folder(source: ImageSource) -> str:
    """The local folder that paths of a source count from: the source's own, or that of its table.

    Raises BadInput for an address, and where there is no such folder or table.
    """
    if is_address(source.path) or re.match(r"(?!file://)[a-z][a-z0-9+.-]*://", source.path, re.IGNORECASE):
        raise BadInput(
            f"source '{source.name}': {shown_address(source.path)} is an address, and pictures are read from a folder of this "
            "machine: download or mount it, and name the folder"
        )
    path = os.path.abspath(os.path.expanduser(source.path.removeprefix("file://")))
    if source.columns is not None:
        if not os.path.isfile(path):
            raise BadInput(
                f"source '{source.name}': there is no table {source.path}: check the path (is the disk there?)"
            )
        return os.path.dirname(path)
    if not os.path.isdir(path):
        raise BadInput(
            f"source '{source.name}': there is no folder {source.path}: check the path (is the disk there?). A table of pictures ends "
            "in .csv and has columns"
        )
    return path


def pictures_in(folder: str) -> list[str]:
    """The pictures of a folder and of all folders below it, by their paths in it, sorted; without those that are passed over
    (`is_passed_over`).

    Raises BadInput where a folder cannot be listed, for a link to nothing, and for more than 100,000 pictures.
    """
    names: list[str] = []
    for directory, files in _folders(folder):
        for name in files:
            if not is_picture(name) or is_passed_over(name):
                continue
            path = os.path.join(directory, name)
            if not os.path.exists(path):
                raise BadInput(f"{path} is a link to nothing: is the disk there that it leads to?")
            names.append(os.path.relpath(path, folder))
            if len(names) > MOST_PICTURES:
                raise BadInput(
                    f"{folder} holds more than {MOST_PICTURES:,} pictures, the most of one source: split it into several sources"
                )
    return sorted(names)


def _folders(folder: str) -> Iterator[tuple[str, list[str]]]:
    """A folder and those below it, each once, with the names of what is no folder; links are followed."""
    seen: set[tuple[int, int]] = set()

    def refuse(error: OSError) -> None:
        raise BadInput(
            f"the folder {error.filename} cannot be listed: {error.strerror}; check the rights to it"
        ) from error

    for directory, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        status = os.stat(directory)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not is_passed_over(name))
        yield directory, files


def table_rows(source: ImageSource) -> pa.Table:
    """The rows of a source's table: text by what each column is for (path, plate, ..., label), numbers for `dose` and `pixel_nm`.

    Only the uses that the source has columns for. Blank cells are null. Raises BadInput naming the missing column, or the row
    that has no path or a number that is none.
    """
    assert source.columns is not None  # noqa: S101 -- a folder has no table
    source_folder(source)
    opened = open_table(source.path)
    uses = {use: column for use, column in dict(source.columns).items() if column}
    opened.require(uses)
    of_numbers = {column for use, column in uses.items() if use in _NUMBERS}
    parts: list[pa.Table] = []
    first = 1
    for batch in opened.batches(set(uses.values()), of_numbers):
        rows = range(first, first + batch.num_rows)
        first += batch.num_rows
        values = {}
        for use, column in uses.items():
            place = Place(source.path, column, rows)
            known = source.class_names if use == "label" else ()
            cells = batch.column(column)
            values[use] = numbers(cells, place) if use in _NUMBERS else text(cells, place, known)
        parts.append(pa.table(values))
        blank = parts[-1].column("path").to_pylist()
        if None in blank:
            raise BadInput(
                f"{source.path}, row {rows[blank.index(None)]}: the path is empty; fill it in, or remove the row"
            )
        if first - 1 > MOST_PICTURES:
            raise BadInput(
                f"{source.path} names more than {MOST_PICTURES:,} pictures, the most of one source: split it into several sources"
            )
    if not parts:
        return pa.table({use: pa.array([], pa.float64() if use in _NUMBERS else pa.string()) for use in uses})
    return pa.concat_tables(parts)


def place_of(folder: str, path: str) -> tuple[str, str]:
    """Where a picture lies that a table in `folder` names, and its name: its path below the folder with forward slashes, or its
    whole path where it lies elsewhere. The file need not be there. Paths as Windows writes them are understood."""
    path = os.path.expanduser(path)
    place = os.path.normpath(os.path.join(folder, path))
    if "\\" in path and not os.path.exists(place):
        place = os.path.normpath(os.path.join(folder, path.replace("\\", "/")))
    inside = os.path.relpath(place, folder)
    name = place.lstrip("/") if inside.split(os.sep)[0] == ".." else inside
    return place, Path(name).as_posix()
