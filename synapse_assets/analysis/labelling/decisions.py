"""From answers to labels: which answers stand, and what is decided from them.

How far people agree is in `agreement`; what the decisions train belongs to the fits.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from synapse_assets.schema.labelling import (
    ADJUDICATION,
    DISAGREEMENT,
    LABEL_DECISIONS,
    NOT_A_SYNAPSE,
    OF_CLASS,
    OUTDATED,
    SKIP,
    UNDO,
    UNSURE,
)


def standing_answers(annotations: pa.Table) -> pa.Table:
    """The rows of `ANNOTATIONS`, given in their order, that stand: without undos and what they took back, and of one person about one
    item the last (a skip too: who skips after answering has no answer). Adjudications count apart from answers."""
    undone = set(annotations.column("undoes").to_pylist())
    columns = ("answer_id", "kind", "annotator", "item")
    last: dict[tuple[str, str, str], int] = {}
    for number, (answer_id, *key) in enumerate(zip(*(annotations.column(c).to_pylist() for c in columns), strict=True)):
        if key[0] != UNDO and answer_id not in undone:
            last[tuple(key)] = number
    return annotations.take(pa.array(sorted(last.values()), pa.int64()))


@dataclass(frozen=True)
class Decided:
    """What was decided, and what of the answers did not count.

    table            LABEL_DECISIONS, in the order in which the items were first shown
    outdated         standing answers to another tile than the one that there is now
    unknown_classes  standing answers by class, where that is none of the classes now
    unknown_items    items that are no synapses of the dataset now
    """

    table: pa.Table
    outdated: int
    unknown_classes: Mapping[str, int]
    unknown_items: int

    @property
    def remarks(self) -> list[str]:
        """What did not count, in sentences, with the remedy; none where everything did."""
        remarks = []
        if self.outdated:
            remarks.append(
                f"{_counted(self.outdated, 'answer')} to tiles that are others since: they do not count, and the synapses are shown again"
            )
        if self.unknown_classes:
            names = ", ".join(f"{name!r} ({count})" for name, count in self.unknown_classes.items())
            remarks.append(
                f"answers name what is no class now, and do not count: {names}. Add each to `classes` of `labelling`, or say under "
                "`renamed` what it is called now"
            )
        if self.unknown_items:
            remarks.append(
                f"{_counted(self.unknown_items, 'synapse')} that people answered about are not in the dataset now: their answers are kept, "
                "and count when they are back"
            )
        return remarks


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def decide(annotations: pa.Table, known: pa.Table, classes: Collection[str], renamed: Mapping[str, str]) -> Decided:
    """What follows from the answers, for every synapse with one that counts or is outdated.

    annotations  ANNOTATIONS in the order in which they were given
    known        synapse_id, brain_region and tile_hash of the synapses that there are now
    classes      the classes now; renamed: those of earlier answers, and what they are called now

    An adjudication decides. Without one, the answer of more than half of the people does, 'unsure' being an answer like the others;
    otherwise it is a disagreement. A skip is no answer. An answer to another tile does not count (one without a hash was given without
    a tile, and counts), nor does one that names no class. The origin is random only where the item was first shown by chance: what a
    strategy chose first never tests, whoever met it again later.
    """
    allowed = {*classes, NOT_A_SYNAPSE, UNSURE}
    columns = (known.column(name).to_pylist() for name in ("synapse_id", "brain_region", "tile_hash"))
    now = {synapse_id: (region, tile) for synapse_id, region, tile in zip(*columns, strict=True)}
    standing: dict[str, list[dict[str, Any]]] = {}
    for row in _rows(standing_answers(annotations)):
        if row["answer"] != SKIP:
            standing.setdefault(row["item"], []).append(row)
    unknown_classes: Counter[str] = Counter()
    outdated, decisions = 0, []
    for item, origin in _first_origins(annotations).items():
        if item not in standing or item not in now:
            continue
        region, tile = now[item]
        current = [row for row in standing[item] if row["tile_hash"] in (None, tile)]
        outdated += len(standing[item]) - len(current)
        for row in current:
            row["answer"] = renamed.get(row["answer"], row["answer"])
        unknown_classes.update(row["answer"] for row in current if row["answer"] not in allowed)
        counted = [row for row in current if row["answer"] in allowed]
        if not counted and len(current) == len(standing[item]):
            continue
        decisions.append(
            {
                "synapse_id": item,
                "brain_region": region,
                **_decision(counted),
                "origin": origin,
                "round": (counted or standing[item])[0]["round"],
            }
        )
    return Decided(
        pa.Table.from_pylist(decisions, schema=LABEL_DECISIONS.arrow),
        outdated,
        dict(unknown_classes.most_common()),
        len(standing.keys() - now.keys()),
    )


def _rows(annotations: pa.Table) -> Iterator[dict[str, Any]]:
    names = ("item", "kind", "answer", "tile_hash", "round")
    for values in zip(*(annotations.column(name).to_pylist() for name in names), strict=True):
        yield dict(zip(names, values, strict=True))


def _first_origins(annotations: pa.Table) -> dict[str, str]:
    """Why every item was first shown, answered then or not, in the order in which they were; also where that was taken back."""
    first: dict[str, str] = {}
    for item, origin in zip(
        annotations.column("item").to_pylist(), annotations.column("origin").to_pylist(), strict=True
    ):
        first.setdefault(item, origin)
    return first


def _decision(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Decision, class, number of answers and their share, from the rows about one item that count; outdated where none does."""
    answers = Counter(row["answer"] for row in rows if row["kind"] != ADJUDICATION)
    adjudicated = [row["answer"] for row in rows if row["kind"] == ADJUDICATION]
    people = answers.total()
    if not rows:
        return {"decision": OUTDATED, "target": None, "answers": 0, "share": 0.0}
    answer, votes = (adjudicated[-1], people) if adjudicated else answers.most_common(1)[0]
    share = votes / people if people else 1.0
    if 2 * share <= 1:
        return {"decision": DISAGREEMENT, "target": None, "answers": people, "share": share}
    of_class = answer not in (NOT_A_SYNAPSE, UNSURE)
    return {
        "decision": OF_CLASS if of_class else answer,
        "target": answer if of_class else None,
        "answers": people,
        "share": share,
    }
