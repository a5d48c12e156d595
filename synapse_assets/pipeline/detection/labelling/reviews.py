"""From the answers of people to boxes that were looked through, in which every site is known.

Which answers stand belongs to `analysis.labelling.decisions`, what a detector learns from a box to `lessons`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from logging import Logger
from typing import Any

import pyarrow as pa

from synapse_assets.datasets import DetectionDataset
from synapse_assets.pipeline.detection.labelling.boxes import Box, added_to
from synapse_assets.pipeline.report import Check, Report, Stopwatch
from synapse_assets.schema.labelling import (
    ACCEPT,
    ADD,
    ANNOTATIONS,
    ANSWER,
    BOX_SUGGESTIONS,
    DONE,
    MOVE,
    REJECT,
    REVIEWED_BOXES,
    REVIEWED_SITES,
    SUGGESTED_SITES,
)
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key

Row = Mapping[str, Any]
_BOX_COLUMNS = [name for name in BOX_SUGGESTIONS.names if name != "marked"]
_MOST_SAID = 5


def review_boxes(store: DatasetStore, dataset: DetectionDataset, log: Logger) -> Report:
    """Writes the boxes that somebody marked as done, and their sites.

    Of a box that several people looked through, what the last of them said counts. A box counts only once every site that was detected in
    it is answered and none lies outside of it; which do not, the report says.
    """
    from synapse_assets.analysis.labelling.decisions import standing_answers

    watch = Stopwatch()
    boxes = {row["box"]: row for row in store.results(BOX_SUGGESTIONS).read(columns=_BOX_COLUMNS).to_pylist()}
    detected: dict[str, dict[str, Row]] = {name: {} for name in boxes}
    for row in store.results(SUGGESTED_SITES).read().to_pylist():
        # A round that was interrupted before its boxes were written has sites without boxes.
        detected.get(row["box"], {})[row["site"]] = row
    answers = standing_answers(store.results(ANNOTATIONS).read().sort_by("given_at"))
    by_box, unknown = _by_box((row for row in answers.to_pylist() if row["kind"] == ANSWER), detected)
    rows: list[dict[str, Any]] = []
    sites: list[dict[str, Any]] = []
    incomplete: list[str] = []
    differing: list[str] = []
    for name, of_box in sorted(by_box.items()):
        reviews = [
            _Review.of(Box.of(boxes[name]), detected[name], one, dataset.voxel_size_nm) for one in _finished(of_box)
        ]
        incomplete += [f"{name}: {review.problem}" for review in reviews if review.problem]
        whole = [review for review in reviews if not review.problem]
        if not whole:
            continue
        last = whole[-1]
        if any(review.outcomes != last.outcomes for review in whole):
            differing.append(name)
        counts = {outcome: sum(site["outcome"] == outcome for site in last.sites) for outcome in _COUNTED}
        rows.append({**boxes[name], **{column: counts[outcome] for outcome, column in _COUNTED.items()}})
        sites += last.sites
    table = REVIEWED_BOXES.conform(pa.Table.from_pylist(rows, schema=REVIEWED_BOXES.arrow))
    site_table = REVIEWED_SITES.conform(pa.Table.from_pylist(sites, schema=REVIEWED_SITES.arrow).sort_by("site"))
    store.results(REVIEWED_SITES).write(site_table)
    store.results(REVIEWED_BOXES).write(table)
    log.info(f"{table.num_rows:,} of {len(boxes):,} boxes were looked through, with {site_table.num_rows:,} sites")
    return Report(
        details={
            "boxes_asked": len(boxes),
            "sites": site_table.num_rows,
            **{column: sum(row[column] for row in rows) for column in _COUNTED.values()},
            "answers_to_nothing": unknown,
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        computed_rows=table.num_rows,
        content_version=content_key(table, content_key(site_table)),
        checks=[
            _said("boxes_complete", incomplete, "done boxes do not count", "every box that is done counts"),
            _said(
                "people_agree",
                differing,
                "boxes were looked through with other outcomes: what was said last counts",
                "people agree",
            ),
        ],
    )


_COUNTED = {ACCEPT: "accepted", MOVE: "moved", REJECT: "rejected", ADD: "added"}


@dataclass(frozen=True)
class _Review:
    """What one person said of a box. sites: rows of `REVIEWED_SITES`. problem: why it does not count, "" where it does."""

    sites: list[dict[str, Any]]
    problem: str

    @property
    def outcomes(self) -> dict[str, str]:
        """How each detected site was judged, and how many were added."""
        judged = {site["site"]: site["outcome"] for site in self.sites if site["outcome"] != ADD}
        return judged | {ADD: str(len(self.sites) - len(judged))}

    @classmethod
    def of(
        cls,
        box: Box,
        detected: Mapping[str, Row],
        answers: Mapping[str, Row],
        voxel_size_nm: tuple[float, float, float],
    ) -> "_Review":
        sites, outside = [], []
        left = [
            name for name in detected if name not in answers or answers[name]["answer"] not in (ACCEPT, MOVE, REJECT)
        ]
        for item, row in answers.items():
            added = added_to(item) if item not in detected else None
            moved = row["answer"] == (MOVE if added is None else ADD)
            if item == box.box or item in left or (added is not None and not moved):
                continue
            place = row if moved else detected[item]
            position = [place[f"{axis}_nm"] for axis in "xyz"]
            if moved and (row["volume"] != box.volume or None in position or not box.holds(position, voxel_size_nm)[0]):
                outside.append(item)
                continue
            sites.append(
                {
                    "box": box.box,
                    "site": item,
                    "target": added[1] if added is not None else detected[item]["target"],
                    "volume": box.volume,
                    **{f"{axis}_nm": value for axis, value in zip("xyz", position, strict=True)},
                    "outcome": row["answer"],
                }
            )
        problem = f"{len(left)} of its sites have no answer: answer them and mark it as done again" if left else ""
        if outside:
            problem = f"{_named(outside)} lies outside of it: move it into the box, or take it out"
        return cls(sites, problem)


def _by_box(answers: Iterable[Row], detected: Mapping[str, Mapping[str, Row]]) -> tuple[dict[str, list[Row]], int]:
    """The answers about each box and its sites, and how many are about nothing that was asked."""
    box_of = {site: box for box, sites in detected.items() for site in sites}
    by_box: dict[str, list[Row]] = {}
    unknown = 0
    for row in answers:
        item = row["item"]
        box = item if item in detected else box_of.get(item) or (added_to(item) or ("",))[0]
        if box in detected:
            by_box.setdefault(box, []).append(row)
        else:
            unknown += 1
    return by_box, unknown


def _finished(answers: Sequence[Row]) -> list[dict[str, Row]]:
    """The answers of each person who marked the box as done, by item, in the order in which they did."""
    done = [row["annotator"] for row in answers if row["answer"] == DONE]
    return [{row["item"]: row for row in answers if row["annotator"] == person} for person in done]


def _said(name: str, what: Sequence[str], bad: str, good: str) -> Check:
    text = f"{len(what)} {bad}: {_named(what)}" if what else good
    return Check(name, not what, text, warn=True, numbers={"boxes": len(what)})


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_SAID} more" if len(names) > _MOST_SAID else ""
    return "; ".join(names[:_MOST_SAID]) + more
