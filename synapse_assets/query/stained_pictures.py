"""What a release of the staining chain says of its pictures: which there are, what they were named, the maps of their windows, and the
compounds.

The pictures themselves belong to `kept_pictures`; drawing, to `figures`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from synapse_assets.errors import BadInput
from synapse_assets.query.release_file import ReleaseFile

UNCERTAIN = "uncertain"
Only = Literal["", "uncertain", "errors", "explained", "unused"]
# What the list can be limited to: a title, and SQL on the joined tables.
ONLY: Mapping[str, tuple[str, str]] = {
    "": ("all", "true"),
    "uncertain": ("uncertain", f"answer = '{UNCERTAIN}'"),
    "errors": ("named wrongly", f"answer <> '{UNCERTAIN}' and answer <> label"),
    "explained": ("explained", "explained"),
    "unused": ("not used", "not usable"),
}
_LISTED = "($plate = '' or plate = $plate) and ($label = '' or label = $label) and ($answer = '' or answer = $answer)"
# Tables that may be absent from a release, with their columns here.
_ABSENT = {
    "image_predictions": "null::varchar as image_id, null::varchar as classifier, null::varchar as version, null::varchar as predicted, "
    "null::varchar as answer, null::double as probability, null::boolean as out_of_fold",
    "explanations": "null::varchar as image_id",
}


class UnknownPicture(BadInput):
    """A picture that the release does not have.

    What to do: take an id from the gallery or from the table `images`; a picture that came later needs another release (materialise
    `warehouse`).
    """


@dataclass(frozen=True)
class PictureRequest:
    """Which pictures are listed: of that plate, known class and answer; "" for any. only: see `ONLY`.

    Raises BadInput for another `only`.
    """

    plate: str = ""
    label: str = ""
    answer: str = ""
    only: str = ""

    def __post_init__(self) -> None:
        if self.only not in ONLY:
            raise BadInput(f"only: '{self.only[:60]}' is none of {', '.join(filter(None, ONLY))}")


@dataclass(frozen=True)
class WindowMap:
    """The probabilities of every window of one picture, by one network.

    probabilities: float32 (classes, rows, columns), in the order of `classes`. first_px: centre of the first window from the left and
    upper edge of the picture, stride_px: from one to the next, in pixels of the picture. image_hash: of the picture as it was seen.
    """

    image_hash: str
    classifier: str
    version: str
    out_of_fold: bool
    window_px: int
    first_px: float
    stride_px: int
    classes: tuple[str, ...]
    probabilities: "np.ndarray[Any, np.dtype[np.float32]]"


class StainedPictures:
    """The pictures of one release of the staining chain, by the tables of its file. Tables that the release lacks have no rows."""

    def __init__(self, file: ReleaseFile) -> None:
        self._file = file

    def rows(
        self, table: str, condition: str = "true", values: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Rows of a table of this release as it stands there; none where it has no such table. condition: SQL of this program."""
        if table not in self._file.release["tables"]:
            return []
        found: list[dict[str, Any]] = self._file.table(
            f"select * from {table} where {condition}",  # noqa: S608
            dict(values or {}),
        ).to_pylist()
        return found

    @cached_property
    def classifiers(self) -> tuple[str, ...]:
        """The classifiers whose answers the release has; the network that its maps are of comes first."""
        if "image_predictions" not in self._file.release["tables"]:
            return ()
        named = self._file.table("select distinct classifier from image_predictions order by 1").column(0).to_pylist()
        mapped = []
        if "window_maps" in self._file.release["tables"]:
            mapped = self._file.table("select distinct classifier from window_maps order by 1").column(0).to_pylist()
        return tuple(dict.fromkeys([*(name for name in mapped if name in named), *named]))

    def picture(self, image_id: str, classifier: str) -> dict[str, Any]:
        """The row of `images` with what that classifier says of it, as `listed` gives it. Raises UnknownPicture."""
        query = f"select * from ({self._joined}) where image_id = $image_id"  # noqa: S608
        found = self._file.table(query, {"image_id": image_id, "classifier": classifier}).to_pylist()
        if not found:
            count = self._file.table("select count(*) from images").column(0)[0].as_py()
            raise UnknownPicture(f"no picture '{image_id[:200]}' in this release, which has {count:,}")
        return dict(found[0])

    def listed(
        self, request: PictureRequest, classifier: str, limit: int, offset: int
    ) -> tuple[list[dict[str, Any]], int]:
        """The pictures that a request names, by plate, well, field and id, and how many there are without the limit.

        Of each the columns of `images` without its preview, and `predicted`, `answer`, `probability` and `out_of_fold` by that
        classifier, None where it says nothing, and `explained`.
        """
        where = f"{_LISTED} and {ONLY[request.only][1]}"
        values: dict[str, Any] = {
            "plate": request.plate,
            "label": request.label,
            "answer": request.answer,
            "classifier": classifier,
        }
        counted = f"select count(*) from ({self._joined}) where {where}"  # noqa: S608
        count = self._file.table(counted, values).column(0)[0].as_py()
        query = (
            f"select * from ({self._joined}) where {where} "  # noqa: S608
            f"order by plate, well nulls last, field nulls last, image_id limit {int(limit)} offset {int(offset)}"
        )
        return self._file.table(query, values).to_pylist(), count

    def values(self, column: Literal["label", "answer"], classifier: str) -> dict[str, int]:
        """How many pictures have each known class, or each answer of a classifier; those without are left out."""
        query = f"""select {column}, count(*) from ({self._joined}) where {column} is not null and $classifier = $classifier
            group by 1 order by 1"""  # noqa: S608
        rows = self._file.table(query, {"classifier": classifier})
        return dict(zip(rows.column(0).to_pylist(), rows.column(1).to_pylist(), strict=True))

    def plates(self, classifier: str) -> list[dict[str, Any]]:
        """A row for each plate: its pictures, wells and classes, and how many are `unused`, `uncertain` and `errors`."""
        query = f"""select plate, count(*) as images, count(distinct well) as wells,
            list_sort(list(distinct label) filter (label is not null)) as labels,
            {", ".join(f"count(*) filter ({ONLY[name][1]}) as {name}" for name in ("unused", "uncertain", "errors", "explained"))}
            from ({self._joined}) where $classifier = $classifier group by plate order by plate"""  # noqa: S608
        return self._file.table(query, {"classifier": classifier}).to_pylist()

    def window_map(self, image_id: str) -> WindowMap | None:
        """The dense map of a picture; None where the release has none. Raises BadInput for one whose sizes do not fit its numbers."""
        for row in self.rows("window_maps", "image_id = $image_id", {"image_id": image_id}):
            shape = len(row["classes"]), row["rows"], row["columns"]
            numbers = np.asarray(row["probabilities"], dtype=np.float32)
            if numbers.size != np.prod(shape):
                raise BadInput(
                    f"the map of '{image_id}' has {numbers.size:,} numbers, not {shape}: make window_maps again"
                )
            return WindowMap(
                row["image_hash"],
                row["classifier"],
                row["version"],
                row["out_of_fold"],
                row["window_px"],
                row["first_px"],
                row["stride_px"],
                tuple(row["classes"]),
                numbers.reshape(shape),
            )
        return None

    def thresholds(self, classifier: str, version: str, level: str) -> list[dict[str, Any]]:
        """The rows of `stain_thresholds` of one version of a classifier at a level, image or window."""
        wanted = {"classifier": classifier, "version": version, "level": level}
        condition = " and ".join(f"{name} = ${name}" for name in wanted)
        return self.rows("stain_thresholds", condition, wanted)

    @property
    def _joined(self) -> str:
        tables = self._file.release["tables"]
        named = {
            name: name if name in tables else f"(select {columns} where false)" for name, columns in _ABSENT.items()
        }
        return f"""select i.*, p.version, p.predicted, p.answer, p.probability, p.out_of_fold,
            i.image_id in (select image_id from {named["explanations"]}) as explained
            from images i left join {named["image_predictions"]} p on p.image_id = i.image_id and p.classifier = $classifier"""  # noqa: S608
