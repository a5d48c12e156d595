"""The colour of every class, the same in all figures and pages; colours only, nothing is drawn here.

Okabe & Ito's colours (2008), then Tol's (Technical Note SRON/EPS/TN/09-002), which readers with colour-blindness tell apart;
noise, and what has no class, is grey; an unclear answer is a darker grey.
"""

from collections.abc import Iterable

NOISE_COLOUR = "#c8c8c8"
UNCLEAR_COLOUR = "#8b8f94"
PALETTE = (
    # Okabe & Ito without black, then Tol's muted and light hues that are far from those
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442",
    "#332288", "#882255", "#999933", "#44AA99", "#AA4499", "#117733", "#DDCC77", "#CC6677", "#661100",
    "#99DDFF", "#BBCC33",
)  # fmt: skip
_TRANSMITTERS = ("acetylcholine", "dopamine", "gaba", "glutamate", "octopamine", "serotonin")


def class_colours(names: Iterable[str]) -> dict[str, str]:
    """A colour (#rrggbb) for each different name; from the nineteenth on colours repeat.

    The six transmitters and the numbers of clusters always have the same, whatever stands beside them. Other names have the
    colours that are left, in their order.
    """
    colours, others = {}, []
    for name in sorted(set(names)):
        if name.isdigit():
            colours[name] = PALETTE[int(name) % len(PALETTE)]
        elif name in _TRANSMITTERS:
            colours[name] = PALETTE[_TRANSMITTERS.index(name)]
        else:
            others.append(name)
    left = [colour for colour in PALETTE if colour not in colours.values()] or list(PALETTE)
    return {**colours, **{name: left[at % len(left)] for at, name in enumerate(others)}}
