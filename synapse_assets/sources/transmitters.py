"""Known classes of neurons as tables write them, and the neurotransmitters among them by one name each."""

import re
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.errors import BadInput
from synapse_assets.sources.values import plain_text

# Short names of CAVE, Codex (SER, OCT, DA, GLUT, ACH) and of the literature; the long ones are those of the annotations of
# FlyWire and of Synister.
_SHORT = {
    "acetylcholine": ("ach",),
    "dopamine": ("da",),
    "gaba": (),
    "glutamate": ("glu", "glut"),
    "histamine": ("his",),
    "octopamine": ("oct", "oa"),
    "serotonin": ("ser", "5-ht", "5ht"),
    "tyramine": ("tyr",),
}
_TRANSMITTERS = {name: one for one, short in _SHORT.items() for name in (one, *short)}
MOST_LISTED = 100
_NOT_KNOWN = frozenset({"", "unknown", "na", "n/a", "nan", "none", "null"})


class ClassNames:
    """The classes of a dataset by one name each, and a count of what became another name.

    transmitters: whether the classes are neurotransmitters, so that their other names become theirs; elsewhere SER may be
    smooth endoplasmic reticulum, and stays.
    """

    def __init__(self, transmitters: bool = True) -> None:
        self._others = _TRANSMITTERS if transmitters else {}
        self._renamed: Counter[tuple[str, str]] = Counter()

    def known(self, values: pa.Array, names: Mapping[str, str]) -> pa.Array:
        """The classes that each text names, as sorted lists without repetition; empty where it is null or says 'unknown'.

        Several are separated by , ; or /. `names` comes first, for the whole text and for each part of it, then the other
        names of transmitters, in any case; whatever neither knows stays as it is.
        """
        encoded = values.dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        texts = encoded.dictionary.to_pylist()
        plain = _by_plain_text(names)
        lists = [self._classes(text, plain) for text in texts]
        rows = np.bincount(encoded.indices.drop_null().to_numpy(zero_copy_only=False), minlength=len(texts))
        for text, classes, count in zip(texts, lists, rows.tolist(), strict=True):
            if text.strip() and classes != [text.strip()]:
                self._renamed[text.strip(), " and ".join(classes) or "no class"] += count
        class_lists = pa.array([*lists, []], pa.list_(pa.string()))
        return class_lists.take(pc.fill_null(encoded.indices.cast(pa.int64()), len(lists)))

    def renamed(self) -> dict[str, int]:
        """Rows by 'name in the file -> what it became', the most frequent `MOST_LISTED`; names that stayed are not listed."""
        return {f"{name} -> {became}": rows for (name, became), rows in self._renamed.most_common(MOST_LISTED)}

    def _classes(self, text: str, names: Mapping[str, str]) -> list[str]:
        if plain_text(text.strip()) in names:
            return [names[plain_text(text.strip())]]
        classes = set()
        for part in re.split(r"[,;/]", "" if text.strip().casefold() in _NOT_KNOWN else text):
            name = part.strip()
            if plain_text(name) in names:
                classes.add(names[plain_text(name)])
            elif name.casefold() not in _NOT_KNOWN:
                classes.add(self._others.get(name.casefold(), name))
        return sorted(classes)


def _by_plain_text(names: Mapping[str, str]) -> dict[str, str]:
    """The names by what `values.text` makes of each. Raises BadInput where two are one then, and stand for different classes."""
    by_text: dict[str, str] = {}
    for name, stands_for in names.items():
        if by_text.setdefault(plain_text(name.strip()), stands_for) != stands_for:
            raise BadInput(
                f"class_names gives {plain_text(name.strip())} two names, '{by_text[plain_text(name.strip())]}' and '{stands_for}': "
                "1 and 1.0 are one value, keep one of them"
            )
    return by_text


def only_class(lists: pa.Array) -> pa.Array:
    """The class of each list that names exactly one; null elsewhere."""
    single = pc.equal(pc.list_value_length(lists), 1)
    return pc.list_element(pc.if_else(single, lists, pa.scalar([None], lists.type)), 0)
