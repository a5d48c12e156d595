"""Who may answer: named people with a token each, in one file of the installation.

Of a token only its hash is stored. What the people answered is in `stores.annotation_log`, and stays when a name is removed.
"""

import fcntl
import hashlib
import hmac
import json
import secrets
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from synapse_assets.errors import BadInput
from synapse_assets.stores.annotation_log import MOST_NAME
from synapse_assets.stores.files import Files

ANNOTATORS_FILE = "annotators.json"

_OWNER = stat.S_IRUSR | stat.S_IWUSR


@dataclass(frozen=True)
class Annotators:
    """The people of one installation, in `annotators.json` of its local root `folder`. Touches nothing by itself.

    The file is read for every question, so that a server knows at once who was added or removed. It is its owner's alone. Every
    method raises BadInput where the file holds something else.
    """

    folder: Path

    def add(self, name: str) -> str:
        """Adds a person and returns their token, which is told this once.

        A name is text of 1 to 60 printable characters, unlike all others in more than capitals. Raises BadInput otherwise.
        """
        name = name.strip()
        if not name or len(name) > MOST_NAME or not name.isprintable():
            raise BadInput(f"the name {name!r:.80} cannot be taken: give 1 to {MOST_NAME} printable characters")
        token = secrets.token_urlsafe(32)
        with self._changing() as hashes:
            if like := [other for other in hashes if _folded(other) == _folded(name)]:
                raise BadInput(
                    f"there is an annotator {like[0]!r} already: choose another name, or remove that one first to give them a new token"
                )
            hashes[name] = _hash(token)
        return token

    def remove(self, name: str) -> None:
        """Ends the token of a person; their answers stay. Raises BadInput for a name that is not there."""
        with self._changing() as hashes:
            if name.strip() not in hashes:
                raise BadInput(
                    f"there is no annotator {name!r:.80}; there are {', '.join(map(repr, hashes)) or 'none'}"
                )
            del hashes[name.strip()]

    def names(self) -> list[str]:
        """The names of all, in the order in which they were added."""
        return list(self._read())

    def name_of(self, token: str) -> str | None:
        """Whose token it is; None if nobody's. Takes as long for any wrong one."""
        given = _hash(token)
        matches = [name for name, known in self._read().items() if hmac.compare_digest(known, given)]
        return matches[0] if matches else None

    def _read(self) -> Mapping[str, str]:
        content = Files(str(self.folder)).read_json(ANNOTATORS_FILE)
        if content is None:
            return {}
        people = content.get("annotators") if isinstance(content, dict) else None
        if not isinstance(people, list) or not all(
            isinstance(one, dict) and isinstance(one.get("name"), str) and isinstance(one.get("sha256"), str)
            for one in people
        ):
            raise BadInput(
                f"{self.folder / ANNOTATORS_FILE} is no list of annotators: bring it back from a copy, or remove it and add them again"
            )
        return {one["name"]: one["sha256"] for one in people}

    @contextmanager
    def _changing(self) -> Iterator[dict[str, str]]:
        """Gives the hashes by name to change, and writes them whole; two that change them come one after the other."""
        files = Files(str(self.folder))
        with files.scratch() as temporary, open(self.folder / f".{ANNOTATORS_FILE}.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            hashes = dict(self._read())
            yield hashes
            whole = temporary / ANNOTATORS_FILE
            whole.touch(_OWNER)
            whole.write_text(
                json.dumps(
                    {"annotators": [{"name": name, "sha256": known} for name, known in hashes.items()]}, indent=2
                ),
                encoding="utf-8",
            )
            files.put(whole, ANNOTATORS_FILE)


def _folded(name: str) -> str:
    """The name as people tell names apart."""
    return unicodedata.normalize("NFKC", name).casefold()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
