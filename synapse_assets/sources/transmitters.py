"""Known classes of neurons as tables write them, and the neurotransmitters among them by one name each."""

import re
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

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
_NOT_KNOWN = frozenset({"", "unknown", "na", "n/a", "nan", "none", "null"})


def known_classes(values: pa.Array, names: Mapping[str, str]) -> pa.Array:
    """The classes that each text names, as sorted lists without repetition; empty where it is null or says 'unknown'.

    Several are separated by , ; or /. `names` comes first, then the other names of transmitters, in any case; whatever
    neither knows stays as it is.
    """
    encoded = values.dictionary_encode()
    lists = [_classes(text, names) for text in encoded.dictionary.to_pylist()]
    found = pa.array([*lists, []], pa.list_(pa.string()))
    return found.take(pc.fill_null(encoded.indices.cast(pa.int64()), len(lists)))


def only_class(lists: pa.Array) -> pa.Array:
    """The class of each list that names exactly one; null elsewhere."""
    single = pc.equal(pc.list_value_length(lists), 1)
    return pc.list_element(pc.if_else(single, lists, pa.scalar([None], lists.type)), 0)


def _classes(text: str, names: Mapping[str, str]) -> list[str]:
    found = set()
    for part in re.split(r"[,;/]", "" if text.strip().casefold() in _NOT_KNOWN else text):
        name = part.strip()
        if name in names:
            found.add(names[name])
        elif name.casefold() not in _NOT_KNOWN:
            found.add(_TRANSMITTERS.get(name.casefold(), name))
    return sorted(found)
