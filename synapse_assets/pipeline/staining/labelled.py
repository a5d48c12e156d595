"""The labelled pictures of a dataset, their folds, and the group that each picture belongs to.

What is done with them belongs to `networks`; how folds are dealt, to `analysis.evaluation.image_scores`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from logging import Logger

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import StainingDataset
from synapse_assets.pipeline.report import Check, Markdown, Report, Stopwatch
from synapse_assets.schema.staining import IMAGE_SPLITS, IMAGES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key

FOLDS = 5

Int64 = npt.NDArray[np.int64]
_FACTS = ["image_id", "plate", "well", "culture", "label", "compound", "image_hash", "usable"]


def split_images(store: DatasetStore, dataset: StainingDataset, log: Logger) -> Report:
    """Assigns the labelled pictures to folds, once by each grouping of the dataset; for random crops every window has its own fold."""
    from synapse_assets.analysis.evaluation.image_scores import image_splits

    watch = Stopwatch()
    labelled = labelled_images(store, dataset)
    table, splits = image_splits(labelled, list(dataset.grouping), seed=dataset.seed, folds=FOLDS)
    store.results(IMAGE_SPLITS).write(table)
    for warning in splits.warnings:
        log.warning(warning)
    return Report(
        details={
            "labelled_images": labelled.num_rows,
            "folds": Markdown("\n".join(f"- {name}: {count} folds" for name, count in splits.folds.items()) or "none"),
            "warnings": "; ".join(splits.warnings) or "none",
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        content_version=content_key(table),
        checks=[
            Check(
                "classes_in_every_fold",
                not splits.warnings,
                "; ".join(splits.warnings) or "every class is in every fold",
                warn=True,
                numbers={"warnings": len(splits.warnings)},
            )
        ],
    )


def labelled_images(store: DatasetStore, dataset: StainingDataset) -> pa.Table:
    """The pictures that classifiers learn from, sorted by id: usable, of one of the classes, without a compound.

    Columns: image_id, plate, well, culture, label, image_hash.
    """
    rows = store.results(IMAGES).read(columns=_FACTS)
    known = pc.is_in(rows.column("label"), pa.array(dataset.classes, pa.string()))
    compound = pc.fill_null(pc.not_equal(rows.column("compound"), ""), False)
    chosen = pc.and_(pc.and_(rows.column("usable"), known), pc.invert(compound))
    return rows.filter(chosen).drop_columns(["compound", "usable"]).sort_by("image_id")


def group_of(picture: Mapping[str, str | None], split: str) -> str | None:
    """The group of a picture (plate, well, culture) under a split; None where it is unknown. A well is one of its plate."""
    value = picture[split]
    return f"{picture['plate']}/{value}" if split == "well" and value else value or None


@dataclass(frozen=True)
class Roles:
    """Rows (n,) of the labelled pictures that a classifier is trained, calibrated and tested on."""

    train: Int64
    calibration: Int64
    test: Int64


@dataclass(frozen=True)
class Labelled:
    """The labelled pictures that have a split, N of them, sorted by id.

    images: rows of `labelled_images`. folds: `schema.staining.IMAGE_SPLITS` of them. codes: their classes, by place among `classes`.
    wells: what is independent of each other (`image_scores.well_groups`).
    """

    images: pa.Table
    folds: pa.Table
    classes: tuple[str, ...]
    codes: Int64
    wells: npt.NDArray[np.str_]

    @classmethod
    def of(cls, store: DatasetStore, dataset: StainingDataset) -> "Labelled":
        """Those of a dataset as they are now, of the classes that occur, in the order of the dataset."""
        from synapse_assets.analysis.evaluation.image_scores import well_groups

        images = labelled_images(store, dataset)
        folds = store.results(IMAGE_SPLITS).read()
        images = images.filter(pc.is_in(images.column("image_id"), value_set=pc.unique(folds.column("image_id"))))
        folds = folds.filter(pc.is_in(folds.column("image_id"), value_set=images.column("image_id").combine_chunks()))
        labels = images.column("label").to_pylist()
        classes = tuple(name for name in dataset.classes if name in labels)
        codes = np.array([classes.index(label) for label in labels], dtype=np.int64)
        return cls(images, folds, classes, codes, well_groups(images))

    @property
    def ids(self) -> list[str]:
        """Ids of the pictures."""
        ids: list[str] = self.images.column("image_id").to_pylist()
        return ids

    def under(self, split: str) -> tuple[Int64, Int64]:
        """Rows (n,) of the pictures that are tested under a split, ascending, and the fold of each (n,)."""
        table = self.folds_of(split)
        row_of = {image_id: row for row, image_id in enumerate(self.ids)}
        rows = np.array([row_of[i] for i in table.column("image_id").to_pylist()], dtype=np.int64)
        order = np.argsort(rows)
        return rows[order], table.column("fold").to_numpy()[order].astype(np.int64)

    def of_rows(self, rows: Int64) -> "Labelled":
        """Those rows (n,), ascending, of the classes that occur among them."""
        images = self.images.take(pa.array(rows))
        folds = self.folds.filter(
            pc.is_in(self.folds.column("image_id"), value_set=images.column("image_id").combine_chunks())
        )
        classes = tuple(name for code, name in enumerate(self.classes) if code in self.codes[rows])
        code_of = np.array([classes.index(name) if name in classes else -1 for name in self.classes], dtype=np.int64)
        return Labelled(images, folds, classes, code_of[self.codes[rows]], self.wells[rows])

    def folds_of(self, split: str) -> pa.Table:
        """The rows of `folds` under a split."""
        return self.folds.filter(pc.equal(self.folds.column("split"), split))

    def roles(self, split: str, seed: int) -> "dict[int, Roles]":
        """What the rows are for, by the fold that is tested; none for fewer than two folds."""
        from synapse_assets.analysis.evaluation.image_scores import fold_roles

        rows, folds = self.under(split)
        names = np.unique(folds).tolist()
        if len(names) < 2:
            return {}
        labels = np.array(self.classes, dtype=str)[self.codes[rows]].tolist()
        masks = {fold: fold_roles(folds, fold, self.wells[rows].tolist(), labels, seed) for fold in names}
        return {fold: Roles(*(rows[mask] for mask in of_fold)) for fold, of_fold in masks.items()}

    def fold_of_group(self, split: str) -> dict[str, int]:
        """The fold in which each group of a split is held out."""
        table = self.folds_of(split)
        return dict(zip(table.column("group").to_pylist(), table.column("fold").to_pylist(), strict=True))


def fold_of_picture(picture: Mapping[str, str | None], split: str, fold_of_group: Mapping[str, int]) -> int:
    """The fold whose classifier may be asked about a picture, as it never saw the picture's group: that in which the group is held out.

    A group that was not there when the classifiers were trained is new to all of them: those of the first fold are asked.
    """
    return fold_of_group.get(group_of(picture, split) or "", min(fold_of_group.values()))
