"""Boxes of a volume that people look through: what stands on their pages, their sections as pictures, and what is kept of an answer.

Which boxes a round asks about belongs to `pipeline.detection.labelling`; routes to `box_routes`.
"""

import io
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.exceptions import HTTPException

from synapse_assets.datasets import DetectionDataset, EmDataset
from synapse_assets.explorer import neuroglancer
from synapse_assets.explorer.labelling.answers import Refused
from synapse_assets.explorer.labelling.batches import UnknownBatch
from synapse_assets.explorer.section_pictures import TARGET_COLOURS, grey_png, outlined
from synapse_assets.pipeline.detection.labelling.boxes import BEYOND, Box, added_to, asked_target, unpacked
from synapse_assets.pipeline.em.inputs import em_inputs
from synapse_assets.pipeline.inputs import made_by_others
from synapse_assets.pipeline.labelling.rounds import progress
from synapse_assets.query.detection import Section
from synapse_assets.schema.labelling import (
    ACCEPT,
    ADD,
    BOX_SUGGESTIONS,
    DONE,
    LABEL_CURVE,
    MOVE,
    REJECT,
    SUGGESTED_SITES,
    UNDO,
)
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.annotation_log import Answer

# Around a box, so that what reaches into it can be judged: a share of its sides, at least so many voxels, and so many sections.
_AROUND_SHARE, _LEAST_AROUND, _AROUND_SECTIONS = 0.2, 24, 2
_MOST_PX = 1024
DETECTIONS_ASSET = "detections"

_Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
_Nm = Annotated[float, Field(allow_inf_nan=False)]


class PostedSite(BaseModel):
    """One answer about a site or a box, or with `undoes` the taking back of one. Positions are of sites that are moved or added."""

    model_config = ConfigDict(extra="forbid", strict=True)

    answer_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    round: _Text
    item: _Text
    answer: _Text | None = None
    undoes: _Text | None = None
    seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None
    x_nm: _Nm | None = None
    y_nm: _Nm | None = None
    z_nm: _Nm | None = None


@dataclass(frozen=True)
class Asked:
    """One box of a round. sites: rows of `SUGGESTED_SITES`, by id. marked: what the map marks in it, as it is stored."""

    box: Box
    origin: str
    model_version: str
    sites: Mapping[str, Mapping[str, Any]]
    marked: bytes | None


def readers_of(store: DatasetStore, others: Sequence[EmDataset]) -> list[str]:
    """Those of the other datasets, by name, that read what was detected in that of the store, under the ids that it has there."""
    return [
        other.name
        for other in others
        if not any(getattr(source, "id_prefix", "") for source in other.sources)
        and any(
            (store.dataset, DETECTIONS_ASSET) in made_by_others(given, other.name, store.data_root)
            for given in em_inputs(other)
        )
    ]


class Boxes:
    """The rounds of one dataset. readers: datasets with tiles of what was detected, where what is like a site is found.

    Raises UnknownBatch for a round that there is not."""

    def __init__(self, store: DatasetStore, dataset: DetectionDataset, readers: Sequence[str] = ()) -> None:
        self.store, self.dataset, self.readers = store, dataset, readers
        # Rounds never change once they ask about something; one that does not is chosen anew.
        self._rounds: dict[str, dict[str, Asked]] = {}
        self._volumes: dict[str, Any] = {}
        self._lock = threading.Lock()

    @property
    def rounds(self) -> list[str]:
        """Names of the rounds, the newest first."""
        return sorted(self.store.results(BOX_SUGGESTIONS).partitions(), reverse=True)

    def round(self, name: str) -> dict[str, Asked]:
        """The boxes of a round by id, in the order in which they are shown."""
        if name in self._rounds:
            return self._rounds[name]
        if name not in self.rounds:
            raise UnknownBatch(f"there is no round '{name}'; there are {', '.join(self.rounds[:12]) or 'none yet'}")
        sites: dict[str, dict[str, Any]] = {}
        for site in self.store.results(SUGGESTED_SITES).read(name).to_pylist():
            sites.setdefault(site["box"], {})[site["site"]] = site
        boxes = {
            row["box"]: Asked(
                Box.of(row),
                row["origin"],
                row["model_version"],
                sites.get(row["box"], {}),
                row["marked"],
            )
            for row in self.store.results(BOX_SUGGESTIONS).read(name).sort_by("rank").to_pylist()
        }
        if boxes:
            self._rounds[name] = boxes
        return boxes

    # What stands on the pages

    def overview(self, person: str) -> dict[str, Any]:
        """How far the rounds are, and what they were worth to the detector."""
        rounds = []
        for name in self.rounds:
            reached = progress(self.store, self.dataset, name)
            rounds.append(
                {
                    "name": name,
                    "asked": len(reached.items),
                    "answered": reached.answered,
                    "left": len(reached.open_for(person)),
                }
            )
        curve = self.store.results(LABEL_CURVE).read(columns=["number", "sentence"]).sort_by("number")
        return {
            "rounds": rounds,
            "curve": curve.column("sentence")[-1].as_py() if curve.num_rows else "",
            "answers": self.store.annotation_log.count,
        }

    def items(self, name: str, person: str) -> dict[str, Any]:
        """All that the script needs to show a round."""
        target = asked_target(self.dataset)
        return {
            "person": person,
            "batch": name,
            "title": f"{name.replace('_', ' ')}: boxes of {self.dataset.title}",
            "target": target,
            "colour": TARGET_COLOURS[target],
            "voxel_nm": list(self.dataset.voxel_size_nm),
            "alike": f"/labelling/{self.readers[0]}/like_another?synapse_id=" if self.readers else "",
            "items": [self._item(name, asked) for asked in self.round(name).values()],
        }

    def state(self, name: str, person: str, busy: set[str]) -> dict[str, Any]:
        """A person's standing rows in a round, in the order in which they were given, and the boxes that others have done or are at."""
        rows = self._standing(name, person)
        reached = progress(self.store, self.dataset, name)
        left = set(reached.open_for(person))
        mine = {row["item"] for row in rows if row["answer"] == DONE}
        columns = ("answer_id", "item", "answer", "x_nm", "y_nm", "z_nm")
        return {
            "mine": [{column: row[column] for column in columns} for row in rows],
            "full": [item.item for item in reached.items if item.item not in left and item.item not in mine],
            "busy": sorted(busy),
            "person": person,
        }

    def _item(self, name: str, asked: Asked) -> dict[str, Any]:
        box = asked.box
        x0, y0, width, height = self._view(box)
        low, high = self._bounds(box.volume)
        sections = range(max(low[2], box.low[2] - _AROUND_SECTIONS), min(high[2], box.high[2] + _AROUND_SECTIONS))
        size = self.dataset.voxel_size_nm
        middle = tuple((a + b) / 2 * nm for a, b, nm in zip(box.low, box.high, size, strict=True))
        base = f"/labelling/{self.dataset.name}/{quote(name, safe='')}/{quote(box.box, safe='')}"
        link = neuroglancer.link(self.dataset.volumes[box.volume], box.volume, middle, box.box)  # type: ignore[arg-type]
        return {
            "item": box.box,
            "volume": box.volume,
            "low": list(box.low),
            "high": list(box.high),
            "view": [x0, y0, width, height],
            "sections": list(sections),
            "pictures": base,
            "marked": asked.marked is not None,
            "sites": [
                {
                    "item": site,
                    **{axis: row[f"{axis}_nm"] / nm for axis, nm in zip("xyz", size, strict=True)},
                    "score": row["score"],
                }
                for site, row in asked.sites.items()
            ],
            **({"neuroglancer": link} if link else {}),
        }

    # Pictures

    def grey(self, name: str, box: str, z: int) -> bytes:
        """A section of a box and of what is around it, as PNG. Raises HTTPException (404) for another."""
        asked = self._asked(name, box)
        x0, y0, width, height = self._view(asked.box)
        low, high = self._bounds(asked.box.volume)
        if (
            not max(low[2], asked.box.low[2] - _AROUND_SECTIONS)
            <= z
            < min(high[2], asked.box.high[2] + _AROUND_SECTIONS)
        ):
            raise HTTPException(404)
        grey, valid = self._volume(asked.box.volume).read_box((x0, y0, z), (x0 + width, y0 + height, z + 1))
        step = -(-max(width, height) // _MOST_PX)
        grey, valid = grey[0, ::step, ::step], valid[0, ::step, ::step]
        nothing = np.zeros(grey.shape, np.uint8)
        return grey_png(Section(asked.box.volume, z, x0, y0, step, grey, valid, nothing, nothing > 0))

    def marked(self, name: str, box: str, z: int) -> bytes:
        """What the map marks on a section of a box, as outlines to lie over its voxels. Raises HTTPException (404) for another."""
        asked = self._asked(name, box)
        if asked.marked is None or not asked.box.low[2] <= z < asked.box.high[2]:
            raise HTTPException(404)
        numbers = unpacked(asked.marked, asked.box)[z - asked.box.low[2]]
        rgba = outlined(numbers > 0, TARGET_COLOURS[asked_target(self.dataset)])
        rgba[numbers == BEYOND, 3] //= 2
        buffer = io.BytesIO()
        Image.fromarray(rgba).save(buffer, format="PNG", compress_level=1)
        return buffer.getvalue()

    def _asked(self, name: str, box: str) -> Asked:
        asked = self.round(name).get(box)
        if asked is None:
            raise HTTPException(404)
        return asked

    def _view(self, box: Box) -> tuple[int, int, int, int]:
        """First voxel and size, x and y, of what is shown of a box."""
        low, high = self._bounds(box.volume)
        ends = []
        for axis in (0, 1):
            more = max(_LEAST_AROUND, round(_AROUND_SHARE * (box.high[axis] - box.low[axis])))
            ends.append((max(low[axis], box.low[axis] - more), min(high[axis], box.high[axis] + more)))
        (x0, x1), (y0, y1) = ends
        return x0, y0, x1 - x0, y1 - y0

    def _bounds(self, volume: str) -> tuple[list[int], list[int]]:
        low, high = self._volume(volume).bounds_voxels
        return low.tolist(), high.tolist()

    def _volume(self, name: str) -> Any:
        from synapse_assets.volumes import open_volume

        with self._lock:
            if name not in self._volumes:
                self._volumes[name] = open_volume(self.dataset.volumes[name])
            return self._volumes[name]

    # Answers

    def keep(self, posted: PostedSite, person: str) -> bool:
        """Keeps an answer under that name, and says whether it is new: what is sent again is kept once.

        Raises Refused (400) for an item or answer that there is not, a site outside of its box, and a box that is done before all of its
        sites are answered; BadAnswer for what the log refuses, and BadInput where it cannot be used.
        """
        asked, site = self._meant(posted)
        about = {"origin": asked.origin, "model_version": asked.model_version, "seconds": posted.seconds}
        if posted.undoes is not None:
            if posted.answer is not None:
                raise Refused(400, "Taking an answer back says no other: leave out 'answer' or 'undoes'.")
            undo = Answer(posted.answer_id, person, posted.round, posted.item, None, UNDO, posted.undoes, asked.origin)
            return self.store.annotation_log.append([undo])[0]
        is_box = posted.item == asked.box.box
        allowed = (DONE,) if is_box else (ACCEPT, REJECT, MOVE) if site else (ADD, REJECT)
        if posted.answer not in allowed:
            raise Refused(400, f"'{str(posted.answer)[:60]}' is none of the answers: {', '.join(allowed)}.")
        if posted.answer in (MOVE, ADD):
            about |= {"volume": asked.box.volume, **self._place(posted, asked.box)}
        if is_box:
            self._check_done(posted, person, asked)
        if site is not None:
            about |= {"guess": site["target"], "guess_seen": True}
        return self.store.annotation_log.append(
            [Answer(posted.answer_id, person, posted.round, posted.item, posted.answer, **about)]  # type: ignore[arg-type]
        )[0]

    def _meant(self, posted: PostedSite) -> tuple[Asked, Mapping[str, Any] | None]:
        """The box that an answer is about, and the detected site, if it is about one."""
        boxes = self.round(posted.round)
        if posted.item in boxes:
            return boxes[posted.item], None
        for asked in boxes.values():
            if posted.item in asked.sites:
                return asked, asked.sites[posted.item]
        box, target = added_to(posted.item) or ("", "")
        if box in boxes and target == asked_target(self.dataset):
            return boxes[box], None
        raise Refused(400, f"There is no '{posted.item[:80]}' in '{posted.round[:80]}': load the page again.")

    def _place(self, posted: PostedSite, box: Box) -> dict[str, float]:
        place = {f"{axis}_nm": getattr(posted, f"{axis}_nm") for axis in "xyz"}
        if None in place.values() or not box.holds(list(place.values()), self.dataset.voxel_size_nm)[0]:
            raise Refused(400, "The site lies outside of the box: only what is inside is asked about.")
        return place

    def _check_done(self, posted: PostedSite, person: str, asked: Asked) -> None:
        rows = self._standing(posted.round, person)
        if any(row["answer_id"] == posted.answer_id for row in rows):
            return
        left = asked.sites.keys() - {row["item"] for row in rows}
        if left:
            raise Refused(400, f"{len(left)} sites of this box have no answer yet, so it is not done.")

    def _standing(self, name: str, person: str) -> list[dict[str, Any]]:
        """The rows of a person in a round that were not taken back, in the order in which they were given."""
        rows: pa.Table = self.store.annotation_log.rows(name)
        undone = set(rows.column("undoes").to_pylist())
        return [
            row
            for row in rows.to_pylist()
            if row["annotator"] == person and row["kind"] != UNDO and row["answer_id"] not in undone
        ]


def left_for(boxes: Boxes, name: str, person: str) -> Sequence[str]:
    """The boxes of a round that a person may still look through, in their order."""
    return progress(boxes.store, boxes.dataset, name).open_for(person)
