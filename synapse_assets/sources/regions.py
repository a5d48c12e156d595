"""What a brain region is called: from the names that sources use to partition keys."""

import re
from collections.abc import Collection, Mapping
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets.yaml_text import as_yaml
from synapse_assets.errors import BadInput
from synapse_assets.schema import BRAIN_REGIONS
from synapse_assets.sources.neuropils import UNASSIGNED, neuropil, neuropils
from synapse_assets.sources.values import plain_text

LONGEST_REGION_NAME = 80


def safe_region_name(name: str) -> str:
    """A region name that is safe as a partition key, folder and SQL text: letters, digits and underscores; case is kept.

    'ME(R)' becomes 'ME_R'.
    """
    safe = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[:LONGEST_REGION_NAME]
    return safe or "UNNAMED"


class RegionNames:
    """Partition keys for the region names of a dataset's sources: as the dataset says, else of the vocabulary, else made safe.

    missing: the key where a source names no region. renamed: source name to key, for names that would otherwise become
    the same key, or that should. vocabulary: with "flywire", other names of its 78 neuropils become theirs.
    Raises BadInput if a name that the dataset gives is no safe key.
    """

    def __init__(
        self,
        missing: str,
        renamed: Mapping[str, str] | None = None,
        vocabulary: Literal["flywire"] | None = None,
    ) -> None:
        self._missing = missing
        self._renamed: dict[str, str] = {}
        for name, key in (renamed or {}).items():
            plain = plain_text(" ".join(name.split()))
            if self._renamed.setdefault(plain, key) != key:
                raise BadInput(
                    f"region_names gives the region '{plain}' two keys, {self._renamed[plain]} and {key}: keep one of them"
                )
        self._vocabulary = vocabulary
        for where, key in (
            ("missing_region", missing),
            *((f"region_names: {n!r}", k) for n, k in (renamed or {}).items()),
        ):
            if safe_region_name(key) != key:
                raise BadInput(
                    f"{where}: '{key}' is no key of a region: at most {LONGEST_REGION_NAME} letters, digits and underscores "
                    f"in the dataset's YAML, for instance {as_yaml(safe_region_name(key))}"
                )
        self._key_of: dict[str, str] = {}
        # By the key in lower case: the key, the name that took it, and what that name stands for (None: whatever has the key).
        self._taken: dict[str, tuple[str, str, str | None]] = {}

    @property
    def named(self) -> Collection[str]:
        """The names for which the dataset gives a key."""
        return self._renamed.keys()

    def keys(self, names: pa.Array | pa.ChunkedArray) -> pa.Array:
        """The key of each name (string; null and blank are the missing region).

        Raises BadInput if two names would become one key, or keys that differ in case only (one folder on some disks),
        without the dataset or its vocabulary saying so.
        """
        texts = pc.fill_null(names.cast(pa.string()), "")
        if isinstance(texts, pa.ChunkedArray):
            texts = texts.combine_chunks()
        encoded = texts.dictionary_encode()
        keys = [self._key(" ".join(name.split())) for name in encoded.dictionary.to_pylist()]
        return pa.array(keys, pa.string()).take(encoded.indices)

    def table(self, counts: Mapping[str, int]) -> pa.Table:
        """`schema.BRAIN_REGIONS` of the regions in `counts` (key to synapses), by key; names as far as they were met here.

        A region is known if it is one of the vocabulary; without a vocabulary, none is.
        """
        known = {**neuropils(), self._missing: UNASSIGNED} if self._vocabulary else {}
        met: dict[str, list[str]] = {}
        for name, key in self._key_of.items():
            if name not in ("", key):
                met.setdefault(key, []).append(name)
        keys = sorted(counts)
        rows = {
            "brain_region": keys,
            "source_name": [", ".join(sorted(met[key])) if key in met else None for key in keys],
            "full_name": [known[key].full_name if key in known else None for key in keys],
            "region_group": [known[key].group if key in known else None for key in keys],
            "known": [key in known for key in keys],
            "synapses": [counts[key] for key in keys],
        }
        return BRAIN_REGIONS.conform(pa.table(rows, schema=BRAIN_REGIONS.arrow))

    def _key(self, name: str) -> str:
        if name not in self._key_of:
            self._key_of[name] = self._new_key(name)
        return self._key_of[name]

    def _new_key(self, name: str) -> str:
        known = neuropil(name) if self._vocabulary else None
        meaning: str | None
        if plain_text(name) in self._renamed:
            key, meaning = self._renamed[plain_text(name)], None
        elif not name or known is UNASSIGNED:
            key, meaning = self._missing, None
        elif known is not None:
            key = meaning = known.key
        else:
            key, meaning = safe_region_name(name), name
        its_key, its_name, its_meaning = self._taken.setdefault(key.casefold(), (key, name, meaning))
        if its_key != key or (meaning is not None and its_meaning not in (None, meaning)):
            become = (
                f"both become '{key}'"
                if its_key == key
                else f"become '{its_key}' and '{key}', one folder on some disks"
            )
            raise BadInput(
                f"the regions '{its_name}' and '{name}' would {become}: give one of them another key, or both the same, in "
                f"region_names of the dataset's YAML, for instance region_names: {as_yaml({name: its_key})}"
            )
        if its_meaning is None:
            self._taken[key.casefold()] = (key, name, meaning)
        return key
