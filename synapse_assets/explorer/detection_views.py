"""Which part of which section a page shows, as its address says it, and the steps from there. The page itself: `detection_pages`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from synapse_assets.errors import BadInput
from synapse_assets.query.detection import DetectionResults, Searched, Voxel

# Sections that one page steps through.
RUN = 15
# Voxels from the left to the right edge.
FIRST_SPAN, LEAST_SPAN = 768, 48
NO_LAYER = "none"
OPACITY = 60
_LAST_NUMBER = 2**40


@dataclass(frozen=True)
class View:
    """A part of a section, as an address says it.

    volume, layer: "" for the first; a layer is `detector/target`, or `NO_LAYER`. x, y, z: the voxel in the middle, None for one where there
    is something to see. span: voxels from edge to edge. opacity: of the map, in per cent. hide: whether what was found is hidden.
    """

    volume: str = ""
    layer: str = ""
    x: int | None = None
    y: int | None = None
    z: int | None = None
    span: int = FIRST_SPAN
    opacity: int = OPACITY
    hide: bool = False

    def __post_init__(self) -> None:
        for name in ("x", "y", "z", "span"):
            value = getattr(self, name)
            if value is not None and abs(value) > _LAST_NUMBER:
                raise BadInput(f"{name}: {value} is no voxel of a volume")
        if self.span < 1:
            raise BadInput(f"span: {self.span} voxels are no picture")

    def address(self, dataset: str) -> str:
        """URL of the page that shows it."""
        values = {
            name: str(int(value)) if isinstance(value, bool) else str(value)
            for name, value in vars(self).items()
            if value not in (None, "", False) and (name, value) != ("opacity", OPACITY)
        }
        return f"/{quote(dataset, safe='')}/sections?{urlencode(values)}"


@dataclass(frozen=True)
class Window:
    """The part of a volume that a view shows: its first voxel and size in the plane, its section, and the run of sections around that."""

    volume: Searched
    view: View
    x0: int
    y0: int
    width: int
    height: int
    run: range

    @property
    def z(self) -> int:
        """The section that is shown first."""
        return self.middle[2]

    @property
    def middle(self) -> Voxel:
        """The voxel in the middle."""
        return self.view.x or 0, self.view.y or 0, self.view.z or 0

    @property
    def size_um(self) -> tuple[float, float]:
        """Width and height in micrometres."""
        x_nm, y_nm, _ = self.volume.voxel_size_nm
        return self.width * x_nm / 1e3, self.height * y_nm / 1e3


def window_of(results: DetectionResults, view: View, at_nm: tuple[float, float, float] | None) -> Window:
    """What a view shows; at_nm: a place to have in the middle instead of its voxel, in nanometres.

    Where the view names no place: the middle of the blocks that have maps. A window reaches no further than the volume. Raises BadInput for
    an unknown volume, and for a place outside it.
    """
    if not results.volumes:
        raise BadInput("no volume was divided into blocks in this release: materialise volume_blocks and the warehouse")
    volume = results.volume(view.volume or next(iter(results.volumes)))
    blocks = results.maps(volume.name)
    low = min((block.low for block in blocks[:1]), default=volume.low)
    high = min((block.high for block in blocks[:1]), default=volume.high)
    asked = volume.voxel_of(at_nm) if at_nm is not None else (view.x, view.y, view.z)
    x, y, z = (one if one is not None else (a + b) // 2 for one, a, b in zip(asked, low, high, strict=True))
    for axis, voxel, first, last in zip("xyz", (x, y, z), volume.low, volume.high, strict=True):
        if not first <= voxel < last:
            raise BadInput(
                f"{axis} {voxel} lies outside of volume {volume.name}, whose voxels are {first} to {last - 1} along {axis}"
            )
    width, height = (min(view.span, b - a) for a, b in zip(volume.low[:2], volume.high[:2], strict=True))
    x0 = min(max(x - width // 2, volume.low[0]), volume.high[0] - width)
    y0 = min(max(y - height // 2, volume.low[1]), volume.high[1] - height)
    first = max(volume.low[2], min(z - RUN // 2, volume.high[2] - RUN))
    run = range(first, min(first + RUN, volume.high[2]))
    return Window(volume, replace(view, volume=volume.name, x=x, y=y, z=z), x0, y0, width, height, run)


def _beside(x: int, y: int) -> Callable[[Window], View]:
    """Half a window further."""

    def step(window: Window) -> View:
        low, high = window.volume.low, window.volume.high
        at_x = window.x0 + window.width // 2 + x * (window.width // 2)
        at_y = window.y0 + window.height // 2 + y * (window.height // 2)
        return replace(window.view, x=min(max(at_x, low[0]), high[0] - 1), y=min(max(at_y, low[1]), high[1] - 1))

    return step


def _deeper(sections: int) -> Callable[[Window], View]:
    def step(window: Window) -> View:
        z = (window.run[0] if sections < 0 else window.run[-1]) + sections
        return replace(window.view, z=min(max(z, window.volume.low[2]), window.volume.high[2] - 1))

    return step


# What the buttons of the page do, by their values.
STEPS: Mapping[str, Callable[[Window], View]] = {
    "left": _beside(-1, 0),
    "right": _beside(1, 0),
    "up": _beside(0, -1),
    "down": _beside(0, 1),
    "in": lambda window: replace(window.view, span=max(LEAST_SPAN, window.view.span // 2)),
    "out": lambda window: replace(window.view, span=2 * window.view.span),
    "before": _deeper(-(RUN // 2) - 1),
    "after": _deeper(RUN // 2 + 1),
}


def stepped(window: Window, step: str) -> View:
    """The view after a button was pressed. Raises BadInput for an unknown one."""
    if step not in STEPS:
        raise BadInput(f"go: '{step[:60]}' is none of {', '.join(STEPS)}")
    return STEPS[step](window)
