"""What a labelling page posts: how it is read, checked against what is shown, and kept under the name of who is logged in."""

from typing import Annotated, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.exceptions import HTTPException

from synapse_assets.explorer.labelling.batches import Batch, Item
from synapse_assets.schema.labelling import NOT_A_SYNAPSE, SKIP, UNDO, UNSURE
from synapse_assets.stores.annotation_log import AnnotationLog, Answer

MOST_BYTES = 16_384
"""Of what is posted at once."""

_Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
_Model = TypeVar("_Model", bound=BaseModel)


class PostedAnswer(BaseModel):
    """One answer, or with `undoes` the taking back of one. Who answered and whether the guess was seen is not for the page to say.

    round: the batch that was shown, a round or another. tile_hash: of the tile that was shown. seconds: from showing the item to the
    answer.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    answer_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    round: _Text
    item: _Text
    answer: _Text | None = None
    undoes: _Text | None = None
    tile_hash: _Text | None = None
    seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None


class Refused(HTTPException):
    """An answer that will not be kept however often it is sent: the page gives it up, as it gives up no other."""


class ChangedTile(Refused):
    """The answer was about a tile that is another one by now."""

    def __init__(self) -> None:
        super().__init__(409, "The tile has changed since it was shown, so this answer was not kept: look at it again.")


async def read_posted(request: Request, model: type[_Model]) -> _Model:
    """What was posted as JSON. Raises Refused: 413 for more than `MOST_BYTES`, 400 for what does not fit the model."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Refused(400, "Answers are posted as JSON (Content-Type: application/json).")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise Refused(413, f"An answer has at most {MOST_BYTES:,} bytes.")
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise Refused(400, f"This is no answer: {where}: {first['msg']}.") from None


def keep(
    posted: PostedAnswer, person: str, batch: Batch, classes: list[str], tile_hash: str | None, log: AnnotationLog
) -> bool:
    """Keeps an answer under that name, and says whether it is new: what is sent again is kept once.

    tile_hash: of the item's tile now. Raises ChangedTile, Refused (400) for an item or answer that there is not, BadAnswer for
    what the log refuses, and BadInput where it cannot be used.
    """
    item = batch.items.get(posted.item)
    if item is None:
        raise Refused(400, f"There is no '{posted.item[:80]}' in '{batch.name[:80]}': load the page again.")
    about_it = log.rows(item.round, item.item).select(["answer_id", "annotator", "answer", "undoes"]).to_pylist()
    earlier = [row for row in about_it if row["annotator"] == person]
    for row in earlier:
        if row["answer_id"] == posted.answer_id and (row["answer"], row["undoes"]) == (posted.answer, posted.undoes):
            return False
    if posted.undoes is not None:
        if posted.answer is not None:
            raise Refused(400, "Taking an answer back says no other: leave out 'answer' or 'undoes'.")
        undo = Answer(posted.answer_id, person, item.round, item.item, None, UNDO, posted.undoes, item.origin)
        return log.append([undo])[0]
    allowed = [*classes, NOT_A_SYNAPSE, UNSURE, SKIP]
    if posted.answer not in allowed:
        raise Refused(400, f"'{str(posted.answer)[:60]}' is none of the answers: {', '.join(allowed)}.")
    if tile_hash is None or posted.tile_hash != tile_hash:
        raise ChangedTile()
    # Once a person has answered, the page may have shown the guess.
    seen = batch.guess == "before" or (batch.guess == "after" and bool(earlier))
    return log.append([_answer(posted, person, batch.kind, item, seen and item.guess is not None)])[0]


def _answer(posted: PostedAnswer, person: str, kind: str, item: Item, guess_seen: bool) -> Answer:
    return Answer(
        posted.answer_id,
        person,
        item.round,
        item.item,
        posted.answer,
        kind,
        origin=item.origin,
        tile_hash=posted.tile_hash,
        guess=item.guess,
        guess_seen=guess_seen,
        model_version=item.model_version,
        seconds=posted.seconds,
    )
