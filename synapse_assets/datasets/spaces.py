"""Coordinate spaces of brains, and the named transforms between them.

A point is only cropped from a volume of its own space; where the two differ, the dataset names the transform. Spaces of your
own need no entry here: any other name is a space of its own.
"""

from dataclasses import dataclass

# What the names mean, for messages and for readers.
SPACES = {
    "FAFB14": "FAFB v14, positions of the public volumes (N5, precomputed) and of Synister's tables",
    "FAFB14_CATMAID": "FAFB v14 as CATMAID shows it: one section (40 nm) deeper than the public volumes",
    "FAFB14.1": "FlyWire's realigned FAFB; differs from FAFB14 in x and y, section by section, with no closed form",
    "MANC": "male adult nerve cord",
    "hemibrain": "Janelia hemibrain",
    "minnie65": "MICrONS mouse visual cortex",
    "local": "the volume's own space",
}


@dataclass(frozen=True)
class Transform:
    """A named transform between two spaces: `shift_nm` (x, y, z) is added to every position."""

    source: str
    target: str
    shift_nm: tuple[float, float, float]
    reason: str


TRANSFORMS = {
    "catmaid_to_n5": Transform(
        "FAFB14_CATMAID",
        "FAFB14",
        (0.0, 0.0, -40.0),
        "CATMAID counts sections from one, the volumes from zero (synister_data/fafb/NOTES.md; synistereq, FafbCatmaid)",
    ),
}


def mismatch(source: str, volume: str, transform: str | None) -> str | None:
    """Why points of space `source` cannot be cropped from a volume of space `volume` under that transform; None if they can."""
    if transform is not None:
        known_transform = TRANSFORMS.get(transform)
        if known_transform is None:
            return f"there is no transform '{transform}'; there are {sorted(TRANSFORMS)}"
        if (known_transform.source, known_transform.target) != (source, volume):
            return f"transform '{transform}' leads from {known_transform.source} to {known_transform.target}, not from {source} to {volume}"
        return None
    if source == volume:
        return None
    names = [
        name
        for name, known_transform in TRANSFORMS.items()
        if (known_transform.source, known_transform.target) == (source, volume)
    ]
    if names:
        return f"name the transform between them: transform: {names[0]}"
    known = "; ".join(f"{name}: {SPACES[name]}" for name in (source, volume) if name in SPACES)
    return "their points do not match and no transform between them is known" + (f" ({known})" if known else "")
