"""What stands on the pages of tiles: the overview of a dataset, and the items of a batch and how far they are answered, for the script."""

from typing import Any
from urllib.parse import quote, urlencode

from synapse_assets.analysis.labelling.agreement import agreement
from synapse_assets.explorer import neuroglancer
from synapse_assets.explorer.labelling.batches import Batch, Batches, Item
from synapse_assets.explorer.labelling.standing import Given, others, own
from synapse_assets.pipeline.labelling.rounds import progress
from synapse_assets.schema.colours import NOISE_COLOUR, UNCLEAR_COLOUR, class_colours
from synapse_assets.schema.labelling import LABEL_CURVE, NOT_A_SYNAPSE, SKIP, UNSURE

# Of the intervals of agreement.
SEED = 0


def overview(batches: Batches, person: str) -> dict[str, Any]:
    """How far the rounds and the other batches are."""
    rounds = []
    for name in batches.rounds:
        reached = progress(batches.store, batches.dataset, name)
        by_person = sum(person in item.answered_by | item.skipped_by for item in reached.items)
        rounds.append(
            {
                "name": name,
                "asked": len(reached.items),
                "answered": reached.answered,
                "mine": by_person,
                "left": len(reached.open_for(person)),
                "done": reached.done,
            }
        )
    errors = batches.errors()
    curve = batches.store.results(LABEL_CURVE).read(columns=["number", "sentence", "stop"]).sort_by("number")
    return {
        "rounds": rounds,
        "has_classes": bool(batches.classes),
        "curve": curve.column("sentence")[-1].as_py() if curve.num_rows else "",
        "stop": bool(curve.num_rows and curve.column("stop")[-1].as_py()),
        "errors": len(errors.items),
        "errors_left": len(left_for(batches, errors, person)),
        "disagreements": len(batches.disagreements().items),
        "answers": batches.store.annotation_log.count,
    }


def agreed(batches: Batches) -> dict[str, Any]:
    """How far people agree: over all, by class, and by pair of people."""
    rows = batches.store.annotation_log.rows()
    of_all, of_pairs = agreement(rows, batches.classes, batches.choice.renamed, SEED)
    return {"classes": of_all.to_pylist(), "pairs": of_pairs.to_pylist(), "remarks": batches.decided(rows).remarks}


def left_for(batches: Batches, batch: Batch, person: str) -> list[str]:
    """The items that a person may still answer, in their order."""
    if batches.has_round(batch.name):
        return list(progress(batches.store, batches.dataset, batch.name).open_for(person))
    rows = batches.rows(batch)
    done = own(rows, person).keys() | others(rows, person)
    return [one for one in batch.items if one not in done]


def items(batches: Batches, dataset: str, batch: Batch, person: str) -> dict[str, Any]:
    """All that the script needs to show a batch. A guess is only there where it may be seen before the answer."""
    like = batch.like or ""
    hashes = batches.tiles.hashes([*batch.items, *([like] if like else [])])
    classes = batches.classes
    colours = class_colours(classes)
    with_tile = [item for item in batch.items.values() if item.item in hashes]
    return {
        "person": person,
        "dataset": dataset,
        "batch": batch.name,
        "title": batch.title,
        "guess": batch.guess,
        "answers": [
            *({"answer": name, "key": str(at), "colour": colours[name]} for at, name in enumerate(classes, 1)),
            {"answer": NOT_A_SYNAPSE, "key": "n", "colour": "#3b3f44"},
            {"answer": UNSURE, "key": "u", "colour": UNCLEAR_COLOUR},
            {"answer": SKIP, "key": "s", "colour": NOISE_COLOUR},
        ],
        "items": [_item(batches, dataset, batch, item, hashes[item.item]) for item in with_tile],
        "without_tile": len(batch.items) - len(with_tile),
        "like": None if like not in hashes else {"item": like, "picture": _picture(dataset, like, hashes[like])},
    }


def state(batches: Batches, batch: Batch, person: str, busy: set[str]) -> dict[str, Any]:
    """How far a batch is for a person: their answers, the last one last, and what others have answered enough or look at."""
    rows = batches.rows(batch)
    mine = own(rows, person)
    if batches.has_round(batch.name):
        left = set(progress(batches.store, batches.dataset, batch.name).open_for(person))
        full = [one for one in batch.items if one not in left and one not in mine]
    else:
        full = sorted(others(rows, person) - mine.keys())
    content = {"mine": [_mine(batch, item, given) for item, given in mine.items()], "full": full, "busy": sorted(busy)}
    return {"person": person, **content}


def guess_of(item: Item) -> dict[str, Any]:
    """What the model says of an item."""
    return {"guess": item.guess, "guess_probability": item.guess_probability}


def _mine(batch: Batch, item: str, given: Given) -> dict[str, Any]:
    content: dict[str, Any] = {"item": item, "answer": given.answer, "answer_id": given.answer_id}
    return content | (guess_of(batch.items[item]) if batch.guess == "after" and item in batch.items else {})


def _item(batches: Batches, dataset: str, batch: Batch, item: Item, tile_hash: str) -> dict[str, Any]:
    picture = _picture(dataset, item.item, tile_hash)
    content: dict[str, Any] = {"item": item.item, "tile_hash": tile_hash, "picture": picture}
    if item.place is not None and item.place[0] in batches.dataset.tile_volumes:
        name, place_nm = item.place
        content["neuroglancer"] = neuroglancer.link(batches.dataset.tile_volumes[name], name, place_nm, item.item)
    if item.says:
        content["says"] = item.says
    if item.answers:
        content["given"] = [{"person": name, "answer": answer} for name, answer in item.answers]
    return content | (guess_of(item) if batch.guess == "before" else {})


def _picture(dataset: str, item: str, tile_hash: str) -> str:
    return f"/labelling/{quote(dataset, safe='')}/tiles/{quote(item, safe='')}.png?{urlencode({'hash': tile_hash})}"
