"""What a dataset needs before it can be read: variables that have to be set, files that have to be there, and what is fetched.

Looks at names on this machine only: no file is opened, no server is asked, and no variable has to be set. Which files a source
has and what is in them belongs to `listing` and the readers.
"""

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from synapse_assets.datasets import Dataset, Place, places_of

_BEFORE_PATH = re.compile(r"^\w+://(?=/)")


class State(StrEnum):
    """What is known of a path or address without opening it."""

    THERE = "there"
    MISSING = "missing"
    COMING = "made by the first run"
    UNSET = "not set"
    FETCHED = "fetched from there"


@dataclass(frozen=True)
class Needs:
    """What a dataset needs.

    places: its paths and addresses, those left empty apart, with the state of each. variables: those that have to be set. fetched: what
    comes over the network, in a few words each. made_by: who makes the files that are absent, where the project does; else empty.
    """

    places: Sequence[tuple[Place, State]]
    variables: Sequence[str]
    fetched: Sequence[str]
    made_by: str

    @property
    def unset(self) -> list[str]:
        """Variables that have to be set, and are not."""
        return sorted({name for place, _ in self.places for name in place.unset})

    @property
    def missing(self) -> list[Place]:
        """Files and folders that are not there."""
        return [place for place, state in self.places if state is State.MISSING]

    @property
    def is_met(self) -> bool:
        """Whether a run can start, as far as can be seen from here."""
        return not self.unset and not self.missing

    def in_words(self) -> list[str]:
        """A few words for each."""
        words = [f"{name} ({'not set' if name in self.unset else 'set'})" for name in self.variables]
        if self.missing:
            of = sum(state is not State.FETCHED for _, state in self.places)
            words.append(f"{len(self.missing)} of {of} files or folders are missing")
        words += self.fetched
        return words or [f"nothing: {self.made_by}" if self.made_by else "nothing: files are there"]


def needs_of(name_or_path: str, dataset: Dataset, local_root: str) -> Needs:
    """What the dataset of that name or file needs; `dataset` may have been loaded with `keep_unset`. Raises BadInput as `places_of`."""
    subset = getattr(dataset, "subset", None)
    drawn = "drawn here" if getattr(dataset, "generate", None) is not None else ""
    made_by = drawn if subset is None else "synapse-assets reproduce"
    places = [place for place in places_of(name_or_path, local_root) if place.address]
    states = [(place, _state(place, bool(made_by))) for place in places]
    volumes = {
        spec.url: spec.download_ceiling_gb for spec in dataset.tile_volumes.values() if "://" in _local(spec.url)
    }
    others = [place for place, state in states if state is State.FETCHED and place.address not in volumes]
    tables = others or [one for one in getattr(dataset, "sources", ()) if getattr(one, "format", None) == "cave"]
    fetched = [f"fetches up to {max(volumes.values()):g} GB of a volume a run"] if volumes else []
    if subset is not None:
        fetched.append(f"fetches {sum(file.bytes for file in subset.downloads) / 1e9:.1f} GB of tables once")
    elif tables:
        fetched.append("fetches tables")
    return Needs(states, sorted({name for place in places for name in place.variables}), fetched, made_by)


def _state(place: Place, is_made: bool) -> State:
    if place.unset:
        return State.UNSET
    path = os.path.expanduser(_local(place.address))
    if "://" in path:
        return State.FETCHED
    if os.path.exists(path) or (glob.has_magic(path) and next(glob.iglob(path, recursive=True), None) is not None):
        return State.THERE
    return State.COMING if is_made else State.MISSING


def _local(address: str) -> str:
    """An address without what stands before a path of this machine: file:///em and zarr:///em are /em."""
    return _BEFORE_PATH.sub("", address)
