"""From folders and tables of pictures to registered ones: what the sources say of each, its quality, and whether it is used.

What reads pixels of registered pictures belongs to `pictures`, cutting windows to `windows`.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from logging import Logger
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import StainingDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.inputs import confirm_removed
from synapse_assets.pipeline.report import Check, Json, Markdown, Report, Stopwatch, markdown_table, progress_logger
from synapse_assets.pipeline.staining.inputs import image_source
from synapse_assets.schema.staining import IMAGE_TABLE, IMAGES, PLATES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key

if TYPE_CHECKING:
    from synapse_assets.sources.pictures import Picture

# Content of `image_table` by plate.
PLATE_IMAGES = "plate_images"
PREVIEW_PX = 512
_MOST_NAMED = 5

_Row = dict[str, Any]


def read_image_table(store: DatasetStore, dataset: StainingDataset, gone: Sequence[str], log: Logger) -> Report:
    """Lists the pictures of all sources and what is known of each. Writes the plates too.

    gone: the sources whose files are gone and are meant to be; those whose rows were removed are a detail of the report
    (`inputs.SOURCES_GONE`). No picture is opened. Raises BadInput, and stores nothing, for what the user has to fix in a source or in
    the dataset's YAML.
    """
    from synapse_assets.sources.images import in_one_table, list_images

    watch = Stopwatch()
    if dataset.generate is not None:
        from synapse_assets.sample import draw_sample_staining

        {"sample_staining": draw_sample_staining}[dataset.generate](store.raw, seed=dataset.seed)
    tables = []
    for source in dataset.sources:
        tables.append(list_images(source))
        log.info(f"source {source.name}: {tables[-1].num_rows:,} pictures")
    stored = store.results(IMAGE_TABLE)
    without_files = [source.name for source, rows in zip(dataset.sources, tables, strict=True) if not rows.num_rows]
    had_rows = stored.read(columns=["source"]).column("source").unique().to_pylist()
    removed = confirm_removed(image_source(dataset), dataset.name, without_files, had_rows, gone)
    table = in_one_table(tables)
    labels = Counter(table.column("label").to_pylist())
    _refuse_no_labels(dataset, table, labels)
    plates = _plates(table)
    versions = _versions(table)
    stored.write(table, made_from=versions)
    store.results(PLATES).write(plates)
    unknown = {label: count for label, count in labels.items() if label and label not in dataset.classes}
    return Report(
        details={
            "plates": Markdown(_plates_markdown(plates)),
            "labels": Json({str(label or "none"): count for label, count in labels.most_common()}),
            "with_compound": table.num_rows - table.column("compound").null_count,
            **removed,
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        computed_rows=table.num_rows,
        content_version=content_key(pa.table({"plate": list(versions), "version": list(versions.values())})),
        checks=[
            Check(
                "labels_known",
                not unknown,
                f"pictures with a label that is none of {dataset.classes} are shown, but not learned from: {unknown}; class_names of a "
                "source renames labels"
                if unknown
                else "every label is one of the dataset's classes",
                warn=True,
                numbers={"unknown": sum(unknown.values())},
            )
        ],
    )


def plate_versions(store: DatasetStore, plate: str) -> dict[str, tuple[str, int]]:
    """Content version, and number of pictures, of what `image_table` holds of a plate: what is said of its pictures, and size and time of
    change of their files as they were listed (`PLATE_IMAGES`)."""
    table = store.results(IMAGE_TABLE)
    version = (table.made_from() or {}).get(plate, "no pictures")
    return {PLATE_IMAGES: (version, table.read(plate, ["image_id"]).num_rows)}


def register_images(store: DatasetStore, dataset: StainingDataset, plate: str, log: Logger) -> Report:
    """Reads every picture of a plate once, measures it, and says whether it is used, and why not.

    A file that cannot be read is a row that says so; the others go on. The same pixels under two labels, compounds or doses are used
    for none of them; under one, once. Raises BadInput, and stores nothing, where no file of the plate can be read.
    """
    watch = Stopwatch()
    listed = store.results(IMAGE_TABLE)
    if not listed.files():
        raise BadInput("the pictures have not been listed: materialise the asset 'image_table' first")
    rows = listed.read(plate).sort_by("image_id").to_pylist()
    progress = progress_logger(log.info, f"{plate}: pictures", len(rows))
    registered = []
    for done, row in enumerate(rows, start=1):
        registered.append(_registered(dataset, row))
        progress(done)
    unread = [picture.row for picture in registered if picture.deep is None]
    if rows and len(unread) == len(rows):
        raise BadInput(
            f"plate {plate}: none of its {len(rows):,} pictures can be read (is the disk there?): {unread[0]['why_not']}"
        )
    _mark_repeated([picture.row for picture in registered])
    depth = _one_depth(registered)
    table = IMAGES.conform(pa.Table.from_pylist([picture.row for picture in registered], schema=IMAGES.arrow))
    store.results(IMAGES).write_partition(plate, table)
    used = table.filter(table.column("usable"))
    reasons = Counter(_kind(reason) for reason in table.column("why_not").drop_null().to_pylist())
    return Report(
        details={
            "usable": used.num_rows,
            "not_used": Markdown(_not_used_markdown(table)),
            "reasons": Json(dict(reasons.most_common())),
            "with_remarks": used.num_rows - used.column("remarks").null_count,
            "bits": Json({str(bits): count for bits, count in Counter(used.column("bits").to_pylist()).items()}),
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        computed_rows=table.num_rows,
        content_version=content_key(table.drop_columns(["preview", "path"])),
        checks=[
            _one_row_each(store, plate, len(rows)),
            _has_images(table, used),
            _readable(unread),
            _two_classes(dataset, used),
            depth,
            _not_elsewhere(store, plate, used),
        ],
    )


@dataclass(frozen=True)
class _Registered:
    """A row of `schema.staining.IMAGES`, and whether the file has 16 bits; None for a file that cannot be read."""

    row: _Row
    deep: bool | None


def _registered(dataset: StainingDataset, listed: _Row) -> _Registered:
    from synapse_assets.sources.pictures import read_picture

    row: _Row = {**dict.fromkeys(IMAGES.names), **listed, "usable": False}
    try:
        picture = read_picture(listed["path"], dataset.channels)
    except BadInput as error:
        row["why_not"] = str(error)
        return _Registered(row, None)
    return _Registered(row | _measured(dataset, listed, picture), picture.pixels.dtype.itemsize > 1)


def _measured(dataset: StainingDataset, listed: _Row, picture: "Picture") -> _Row:
    from synapse_assets.analysis.image_quality import Wanted, quality_of, remarks, why_not_used
    from synapse_assets.volumes.pictures import picture_png
    from synapse_assets.volumes.tile_codec import tile_hash

    channels, height, width = picture.pixels.shape
    found: _Row = {"width_px": width, "height_px": height, "channels": picture.file_channels}
    scales = [scale for scale in (listed["pixel_nm"], picture.pixel_nm) if scale is not None]
    wanted = Wanted(dataset.channels, dataset.window_px, dataset.pixel_nm)
    quality = quality_of(picture.pixels) if channels and height and width else None
    if quality is not None:
        found |= {
            "bits": quality.bits,
            "image_hash": tile_hash(picture.pixels),
            "focus": quality.focus,
            "saturated_fraction": quality.saturated_fraction,
            "foreground_fraction": quality.foreground_fraction,
            "remarks": "; ".join(remarks(quality)) or None,
            "preview": picture_png(picture.pixels, dataset.white_level or 2**quality.bits - 1, PREVIEW_PX),
        }
    why_not = why_not_used(
        (height, width), picture.file_channels, scales, quality is not None and quality.blank, wanted
    )
    return found | {
        "pixel_nm": scales[0] if scales else None,
        "usable": why_not is None,
        "why_not": why_not,
        "remarks": found.get("remarks") if why_not is None else None,
    }


def _mark_repeated(rows: Sequence[_Row]) -> None:
    """Marks pictures whose pixels another one of the plate has too. `rows` are sorted by image_id."""
    alike: dict[str, list[_Row]] = {}
    for row in rows:
        if row["usable"]:
            alike.setdefault(row["image_hash"], []).append(row)
    for same in alike.values():
        if len(same) == 1:
            continue
        said = {_said(row) for row in same} - {(None, None, None)}
        # Of several files that say the same, the first that says anything stays.
        kept = next((row for row in same if _said(row) in said), same[0]) if len(said) < 2 else None
        for row in same:
            others = [other["image_id"] for other in same if other is not row]
            if kept is None:
                other = next(other for other in same if _said(other) != _said(row))
                row["why_not"] = (
                    f"the same pixels as {other['image_id']}, of which another thing is said ({_words(other)}, here {_words(row)}): one "
                    "of them is wrong, and it is not known which"
                )
            elif row is kept:
                row["remarks"] = "; ".join(
                    filter(None, [row["remarks"], f"{', '.join(others[:_MOST_NAMED])} has the same pixels"])
                )
                continue
            else:
                row["why_not"] = f"the same pixels as {kept['image_id']}, which is used"
            row["usable"], row["remarks"] = False, None


def _said(row: _Row) -> tuple[str | None, str | None, float | None]:
    return row["label"], row["compound"], row["dose"]


def _words(row: _Row) -> str:
    label, compound, dose = _said(row)
    return " ".join(str(part) for part in (label, compound, dose) if part is not None) or "nothing"


def _one_depth(registered: Sequence[_Registered]) -> Check:
    """Whether all usable pictures come from files of 8 bits, or all of 16: the same value is another brightness in each. Those of the
    rarer depth get a remark."""
    by_depth = {deep: [p.row for p in registered if p.deep is deep and p.row["usable"]] for deep in (False, True)}
    rarer = min(by_depth, key=lambda deep: len(by_depth[deep]))
    few = by_depth[rarer]
    for row in few:
        remark = f"of {16 if rarer else 8} bits, where most of the plate have {8 if rarer else 16}"
        row["remarks"] = "; ".join(filter(None, [row["remarks"], remark]))
    description = "all pictures are files of one depth"
    if few:
        description = (
            f"{len(by_depth[False]):,} pictures are files of 8 bits and {len(by_depth[True]):,} of 16: save all of a plate in one depth. "
            f"The rarer begin with {few[0]['image_id']}"
        )
    numbers = {"of_8_bits": len(by_depth[False]), "of_16_bits": len(by_depth[True])}
    return Check("one_depth", not few, description, warn=True, numbers=numbers)


def _one_row_each(store: DatasetStore, plate: str, listed: int) -> Check:
    stored = store.results(IMAGES).read(plate, ["image_id"]).column("image_id").to_pylist()
    return Check(
        "one_row_per_picture",
        len(set(stored)) == len(stored) == listed,
        f"{len(stored):,} rows of {len(set(stored)):,} pictures, and {listed:,} are listed",
        numbers={"rows": len(stored), "listed": listed},
    )


def _has_images(table: pa.Table, used: pa.Table) -> Check:
    return Check(
        "has_images",
        used.num_rows > 0,
        f"{used.num_rows:,} of {table.num_rows:,} pictures are used",
        warn=True,
        numbers={"images": table.num_rows, "usable": used.num_rows},
    )


def _readable(unread: Sequence[_Row]) -> Check:
    ellipsis = ", ..." if len(unread) > _MOST_NAMED else ""
    named = ", ".join(os.path.basename(row["path"]) for row in unread[:_MOST_NAMED])
    return Check(
        "readable",
        not unread,
        f"{len(unread):,} files cannot be read: {named}{ellipsis}. First: {unread[0]['why_not']}"
        if unread
        else "every file was read",
        warn=True,
        numbers={"unreadable": len(unread)},
    )


def _two_classes(dataset: StainingDataset, used: pa.Table) -> Check:
    found = sorted({label for label in used.column("label").to_pylist() if label in dataset.classes})
    return Check(
        "two_classes",
        len(found) > 1,
        f"classes on the plate: {', '.join(found) or 'none'}"
        + ("" if len(found) > 1 else "; a network that is tested on it cannot be told from one that knows the plate"),
        warn=True,
        numbers={"classes": len(found)},
    )


def _not_elsewhere(store: DatasetStore, plate: str, used: pa.Table) -> Check:
    """Whether no picture of the plate is on another plate too, as far as those are registered."""
    others = store.results(IMAGES).read(columns=["image_id", "plate", "image_hash", "usable"])
    others = others.filter(pc.and_(others.column("usable"), pc.not_equal(others.column("plate"), plate)))
    where = dict(zip(others.column("image_hash").to_pylist(), others.column("image_id").to_pylist(), strict=True))
    hashes = zip(used.column("image_id").to_pylist(), used.column("image_hash").to_pylist(), strict=True)
    repeated = [f"{image_id} ({where[image_hash]})" for image_id, image_hash in hashes if image_hash in where]
    ellipsis = ", ..." if len(repeated) > _MOST_NAMED else ""
    return Check(
        "on_one_plate",
        not repeated,
        f"{len(repeated):,} pictures are on another plate too, so that holding one plate out does not hold them out: "
        f"{', '.join(repeated[:_MOST_NAMED])}{ellipsis}"
        if repeated
        else "no picture is on another plate too",
        warn=True,
        numbers={"repeated": len(repeated)},
    )


def _refuse_no_labels(dataset: StainingDataset, table: pa.Table, labels: Counter[str | None]) -> None:
    if not table.num_rows or any(label in dataset.classes for label in labels):
        return
    found = [str(label) for label, _ in labels.most_common(_MOST_NAMED) if label]
    have = f"the labels are {found}" if found else "no picture has a label"
    raise BadInput(
        f"none of the {table.num_rows:,} pictures is of one of the classes {dataset.classes}: {have}. A label is the first folder below a "
        "source, a column of its table, or the group 'label' of name_pattern; class_names of a source renames labels"
    )


def _plates(table: pa.Table) -> pa.Table:
    plates = table.group_by("plate").aggregate([([], "count_all"), ("well", "count_distinct"), ("label", "distinct")])
    rows = [
        {
            "plate": row["plate"],
            "images": row["count_all"],
            "wells": row["well_count_distinct"],
            "labels": sorted(label for label in row["label_distinct"] if label is not None),
        }
        for row in plates.sort_by("plate").to_pylist()
    ]
    return pa.Table.from_pylist(rows, schema=PLATES.arrow)


def _plates_markdown(plates: pa.Table) -> str:
    rows = [(row["plate"], row["images"], row["wells"], ", ".join(row["labels"])) for row in plates.to_pylist()]
    return markdown_table(["plate", "pictures", "wells", "labels"], rows)


def _not_used_markdown(table: pa.Table) -> str:
    left_out = table.filter(pc.invert(table.column("usable"))).select(["image_id", "why_not"]).to_pylist()
    rows = [(row["image_id"], row["why_not"]) for row in left_out[:50]]
    return markdown_table(["picture", f"why not ({len(left_out):,} in all)"], rows) if rows else "every picture is used"


def _kind(reason: str) -> str:
    """A few words that reasons of one kind share."""
    kinds = {
        "is blank": "blank",
        "smaller than a window": "too small",
        "same pixels": "repeated",
        "pixels of": "other scale",
    }
    kinds["but the dataset uses channel"] = "channel missing"
    return next((kind for words, kind in kinds.items() if words in reason), "unreadable")


def _versions(table: pa.Table) -> dict[str, str]:
    """The content version of each plate."""
    signatures = pa.array([_signature(path) for path in table.column("path").to_pylist()], pa.string())
    rows = table.append_column("signature", signatures)
    plates = sorted(table.column("plate").unique().to_pylist())
    return {plate: content_key(rows.filter(pc.equal(rows.column("plate"), plate))) for plate in plates}


def _signature(path: str) -> str:
    try:
        status = os.stat(path)
    except OSError:
        return "gone"
    return f"{status.st_size} {status.st_mtime_ns}"
