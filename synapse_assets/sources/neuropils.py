"""The 78 neuropils of FlyWire, and the other names that they go by.

Names and groups are those of Codex (region list of snapshot 783: the 75 neuropils of snapshots 571 and 630, the two laminae
and the ocellar ganglion), full names those of Ito et al. 2014 (doi 10.1016/j.neuron.2013.12.017). A neuropil that exists on
both sides is only known together with its side; a name that could mean two neuropils is not known.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

Side = Literal["left", "right", "center"]


@dataclass(frozen=True)
class Neuropil:
    """One neuropil: FlyWire's abbreviation ('ME_R'), its name ('right medulla') and the part of the brain; UNASGD has none."""

    key: str
    full_name: str
    group: str | None
    side: Side


# Abbreviation, full name, other names. The pedunculus and the lobes are written without MB_ by Ito et al. and in the
# hemibrain, which also names the lobes by their Kenyon cells: vertical are alpha and alpha', medial beta, beta' and gamma.
_PAIRED: dict[str, list[tuple[str, str, tuple[str, ...]]]] = {
    "optic lobe": [
        ("AME", "accessory medulla", ()),
        ("LA", "lamina", ("lamina of the compound eye", "lamina of the compound eyes")),
        ("LO", "lobula", ()),
        ("LOP", "lobula plate", ()),
        ("ME", "medulla", ()),
    ],
    "lateral complex": [
        ("BU", "bulb", ("bulb in lateral complex",)),
        ("LAL", "lateral accessory lobe", ()),
        ("GA", "gall", ()),
    ],
    "lateral horn": [("LH", "lateral horn", ())],
    "periesophageal neuropils": [
        ("CAN", "cantle", ()),
        ("AMMC", "antennal mechanosensory and motor center", ("antennal mechanosensory and motor centre",)),
        ("FLA", "flange", ()),
    ],
    "inferior neuropils": [
        ("ICL", "inferior clamp", ()),
        ("IB", "inferior bridge", ()),
        ("ATL", "antler", ()),
        ("CRE", "crepine", ()),
        ("SCL", "superior clamp", ()),
    ],
    "ventromedial neuropils": [
        ("VES", "vest", ()),
        ("GOR", "gorget", ()),
        ("SPS", "superior posterior slope", ()),
        ("IPS", "inferior posterior slope", ()),
        ("EPA", "epaulette", ()),
    ],
    "mushroom body": [
        ("MB_CA", "mushroom body calyx", ("ca", "calyx", "calyx of the mushroom body")),
        ("MB_PED", "mushroom body pedunculus", ("ped", "pedunculus", "pedunculus of the mushroom body")),
        (
            "MB_VL",
            "mushroom body vertical lobe",
            ("vl", "vertical lobe", "vertical lobe of the mushroom body", "alpha lobe", "alpha' lobe", "a'l"),
        ),
        (
            "MB_ML",
            "mushroom body medial lobe",
            (
                *("ml", "medial lobe", "medial lobe of the mushroom body"),
                *("beta lobe", "beta' lobe", "gamma lobe", "bl", "b'l", "gl"),
            ),
        ),
    ],
    "antennal lobe": [("AL", "antennal lobe", ())],
    "superior neuropils": [
        ("SLP", "superior lateral protocerebrum", ()),
        ("SIP", "superior intermediate protocerebrum", ()),
        ("SMP", "superior medial protocerebrum", ()),
    ],
    "ventrolateral neuropils": [
        ("AVLP", "anterior ventrolateral protocerebrum", ()),
        ("PVLP", "posterior ventrolateral protocerebrum", ()),
        ("WED", "wedge", ()),
        ("PLP", "posteriorlateral protocerebrum", ("posterior lateral protocerebrum",)),
        ("AOTU", "anterior optic tubercle", ()),
    ],
}
_SINGLE: dict[str, list[tuple[str, str, tuple[str, ...]]]] = {
    "central complex": [
        ("NO", "noduli", ()),
        ("PB", "protocerebral bridge", ()),
        ("EB", "ellipsoid body", ()),
        ("FB", "fan-shaped body", ("fanshaped body",)),
    ],
    "periesophageal neuropils": [("SAD", "saddle", ()), ("PRW", "prow", ())],
    "gnathal ganglia": [("GNG", "gnathal ganglia", ("gnathal ganglion",))],
    "ocelli": [("OCG", "ocellar ganglion", ())],
}
UNASSIGNED = Neuropil("UNASGD", "unassigned", None, "center")
# "aL(R)" is the alpha lobe, "AL(R)" the antennal lobe: the one name for which the case of its letters counts.
_ALPHA_LOBE = re.compile(r"(?<![A-Za-z])aL(?![A-Za-z])")
# Without a part of it, as in "CRE(-ROB,-RUB)(R)", a region is still the region.
_WITHOUT_A_PART = re.compile(r"\(-[^()]*\)")
_SIDES: dict[str, Side] = {"l": "left", "left": "left", "lhs": "left", "r": "right", "right": "right", "rhs": "right"}
_SIDE = "|".join(sorted(_SIDES, key=len, reverse=True))
_SIDE_BEHIND = re.compile(rf"(?P<name>.+?)(?:[\s_.,-]+\(?|\()(?P<side>{_SIDE})\)?")
_SIDE_BEFORE = re.compile(rf"\(?(?P<side>{_SIDE})(?:\)?[\s_.,-]+|\))(?P<name>.+)")


@cache
def neuropils() -> dict[str, Neuropil]:
    """The 78 neuropils by key, and UNASGD, FlyWire's key for synapses of no neuropil."""
    by_key = {UNASSIGNED.key: UNASSIGNED}
    by_key |= {region.key: region for region in _by_name().values()}
    return by_key


def neuropil(name: str) -> Neuropil | None:
    """The neuropil of that name, or None where it is no neuropil, or one of two sides and the side is not named.

    Takes FlyWire's keys, full names, hemibrain forms such as "ME(R)", "a'L(R)" or "LAL(-GA)(R)", in any case and with the
    side before or behind: 'R_ME', 'ME-R', 'left medulla', 'medulla (left)'.
    """
    text = name.strip().replace("\u2019", "'").replace("\u2032", "'")
    text = _ALPHA_LOBE.sub("alpha lobe", _WITHOUT_A_PART.sub("", text)).casefold()
    readings: list[tuple[str, Side | None]] = [(text, None)]
    for pattern in (_SIDE_BEHIND, _SIDE_BEFORE):
        match = pattern.fullmatch(text)
        if match:
            readings.append((match["name"], _SIDES[match["side"]]))
    candidates = (_by_name().get((_plain(reading), side)) for reading, side in readings)
    return next((region for region in candidates if region is not None), None)


@cache
def _by_name() -> dict[tuple[str, Side | None], Neuropil]:
    """Every neuropil by its plain names and side; by its plain names alone where there is one for both sides."""
    names: dict[tuple[str, Side | None], Neuropil] = {
        (_plain(name), None): UNASSIGNED for name in (UNASSIGNED.key, UNASSIGNED.full_name)
    }
    sides: tuple[tuple[Side, str], ...] = (("left", "L"), ("right", "R"))
    for group, members in _PAIRED.items():
        for short, full, aliases in members:
            for side, letter in sides:
                region = Neuropil(f"{short}_{letter}", f"{side} {full}", group, side)
                names |= {(_plain(name), side): region for name in (short, full, *aliases)}
    for group, members in _SINGLE.items():
        for short, full, aliases in members:
            region = Neuropil(short, full, group, "center")
            names |= {(_plain(name), None): region for name in (short, full, *aliases)}
    return names


def _plain(name: str) -> str:
    """The words in lower case with one space between them, without brackets."""
    return " ".join(re.sub(r"[\s_.,()-]+", " ", name).split()).casefold()
