"""The layers of a stained picture: the picture itself, its coloured saliency, its dense map alone; and their legend.

What colours mean belongs to `figures.staining`; the pages on which layers are shown, to `stained_pages`.
"""

import io
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from synapse_assets.datasets.staining import StainingDataset
from synapse_assets.errors import BadInput
from synapse_assets.query import Warehouse
from synapse_assets.query.stained_pictures import WindowMap
from synapse_assets.schema.staining import IMAGES, STAIN_EXPLANATIONS

if TYPE_CHECKING:
    from synapse_assets.figures.staining import Palette

LAYERS = ("original", "coloured", "dense")
PALETTES = {"red_blue": "blue, red and green", "colour_blind": "blue, orange and grey"}
_STORED_PALETTE = "red_blue"
# Of a picture whose layer is drawn when it is asked for; drawing needs some thirty bytes of each.
MOST_PIXELS = 2**25
_DRAWING = threading.Lock()

Interval = tuple[float, float, float]


@dataclass(frozen=True)
class Choice:
    """Which layer lies over a picture, "" for the best that can be trusted, and in which colours. Raises BadInput for other colours."""

    layer: str = ""
    palette: str = _STORED_PALETTE

    def __post_init__(self) -> None:
        if self.palette not in PALETTES:
            raise BadInput(f"palette: '{self.palette[:60]}' is none of {', '.join(PALETTES)}")

    @property
    def colours(self) -> "Palette":
        """The palette by its name in `figures.staining`."""
        return cast("Palette", self.palette)


@dataclass(frozen=True)
class Layers:
    """What a picture can be shown with.

    titles: of the layers that there are, by name; none for a file that could not be read. first: the one to show unless asked, which
    is never a coloured saliency whose method failed its checks. explanation: the picture's row of `explanations`. map: of its windows,
    with its thresholds by class. notes: what is odd about them. under: what the lowest picture is, where it is not the picture itself.
    """

    titles: Mapping[str, str]
    first: str
    explanation: Mapping[str, Any] | None
    map: WindowMap | None
    thresholds: Sequence[Mapping[str, Any]]
    notes: Sequence[str]
    under: str

    @property
    def intervals(self) -> list[Interval]:
        """Threshold, low and high of each class of the map."""
        return [(row["threshold"], row["low"], row["high"]) for row in self.thresholds]


def layers_of(warehouse: Warehouse, image_id: str) -> Layers:
    """What a picture of a release can be shown with. Raises UnknownPicture."""
    stained = warehouse.stained
    row = stained.picture(image_id, "")
    if row["width_px"] is None:
        return Layers({}, "", None, None, (), (), "")
    notes: list[str] = []
    explanation = next(iter(stained.rows("explanations", "image_id = $id", {"id": image_id})), None)
    if explanation is not None and explanation["image_hash"] != row["image_hash"]:
        notes.append(
            "The picture was read anew since it was explained: materialise explanations and the warehouse again."
        )
        explanation = None
    found = stained.window_map(image_id)
    if found is not None and found.image_hash != row["image_hash"]:
        notes.append(
            "The picture was read anew since its dense map was made: materialise window_maps and the warehouse again."
        )
        found = None
    thresholds = [] if found is None else _thresholds(warehouse, found)
    if found is not None and not thresholds:
        notes.append(
            f"The dense map cannot be coloured: this release has no thresholds on windows of {found.classifier} {found.version}."
        )
    titles = {"original": "picture alone"}
    if explanation is not None:
        failed = " (failed its checks)" if explanation["verdict"] == "not" else ""
        titles["coloured"] = f"coloured saliency{failed}"
    if thresholds:
        titles["dense"] = "dense map alone"
    trusted = [name for name in ("coloured", "dense") if name in titles and not (name == "coloured" and failed)]
    under = (
        ""
        if explanation is not None
        else f"Shown is a preview of at most 512 px, enlarged: only explained pictures are kept at {row['width_px']} px."
        if row["width_px"] > 512
        else ""
    )
    return Layers(
        titles, next(iter(trusted), "original"), explanation, found if thresholds else None, thresholds, notes, under
    )


def preview(warehouse: Warehouse, image_id: str) -> bytes:
    """The preview of a picture as PNG. Raises BadInput where it has none."""
    row = warehouse.stained.picture(image_id, "")
    png = warehouse.kept_pictures.picture(IMAGES, "preview", row)
    if png is None:
        raise BadInput(f"there is no preview of '{image_id[:200]}': {row['why_not'] or 'it could not be read'}")
    return png


def layer(warehouse: Warehouse, dataset: StainingDataset, image_id: str, choice: Choice) -> bytes:
    """A layer of a picture as PNG. Raises BadInput for one that the picture does not have, or that is too large to be drawn here."""
    layers = layers_of(warehouse, image_id)
    if choice.layer not in layers.titles:
        raise BadInput(
            f"no layer '{choice.layer[:60]}' of this picture; there are {', '.join(layers.titles) or 'none'}"
        )
    if choice.layer == "original":
        return _original(warehouse, image_id, layers.explanation)
    if choice.layer == "coloured" and choice.palette == _STORED_PALETTE:
        return _kept(warehouse, "coloured", cast(Mapping[str, Any], layers.explanation))
    return _drawn(warehouse, dataset, image_id, layers, choice)


def legend(warehouse: Warehouse, dataset: StainingDataset, image_id: str, choice: Choice) -> bytes:
    """What the colours and the brightness of a layer of a picture stand for, as PNG. Raises BadInput where it has no map."""
    from synapse_assets.figures.staining import full_brightness, saliency_legend

    layers = layers_of(warehouse, image_id)
    if layers.map is None:
        raise BadInput(f"there is no dense map of '{image_id[:200]}' in this release, and so no legend")
    largest, unit = 1.0, "every place is fully bright"
    if choice.layer == "coloured" and layers.explanation is not None:
        largest = full_brightness(_attribution(warehouse, layers.explanation))
        unit = f"{layers.explanation['method'].replace('_', ' ')}, in parts of its largest value here"
    control, treated = _controls(layers.map, dataset)
    classes = layers.map.classes
    return saliency_legend(classes, layers.intervals, choice.colours, largest, unit, control, treated)


def _drawn(warehouse: Warehouse, dataset: StainingDataset, image_id: str, layers: Layers, choice: Choice) -> bytes:
    from synapse_assets.figures.staining import coloured_saliency

    row, found = warehouse.stained.picture(image_id, ""), layers.map
    shape = row["height_px"], row["width_px"]
    if shape[0] * shape[1] > MOST_PIXELS:
        raise BadInput(
            f"a picture of {shape[1]:,} x {shape[0]:,} px is too large to be coloured while a page waits (at most {MOST_PIXELS:,} px)"
        )
    if found is None:
        raise BadInput(
            f"other colours need the dense map of '{image_id[:200]}' and its thresholds, which this release does not have: choose "
            f"{PALETTES[_STORED_PALETTE]}"
        )
    picture, attribution = np.zeros(shape, np.uint8), np.ones(shape, np.float32)
    with _DRAWING:
        if choice.layer == "coloured":
            explanation = cast(Mapping[str, Any], layers.explanation)
            if explanation["version"] != found.version:
                raise BadInput(
                    f"other colours need a dense map by the network that was explained ({explanation['version']}), not by {found.version}: "
                    "materialise window_maps, explanations, and the warehouse"
                )
            picture = _grey(_kept(warehouse, "picture", explanation))
            attribution = _attribution(warehouse, explanation)
        control, treated = _controls(found, dataset)
        coloured = coloured_saliency(
            picture,
            attribution,
            found.probabilities,
            found.first_px,
            found.stride_px,
            found.classes,
            layers.intervals,
            choice.colours,
            control,
            treated,
        )
        buffer = io.BytesIO()
        Image.fromarray(coloured).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _original(warehouse: Warehouse, image_id: str, explanation: Mapping[str, Any] | None) -> bytes:
    """The picture of its full size where it is kept, which it is of explained pictures; else its preview."""
    return preview(warehouse, image_id) if explanation is None else _kept(warehouse, "picture", explanation)


def _kept(warehouse: Warehouse, column: str, explanation: Mapping[str, Any]) -> bytes:
    png = warehouse.kept_pictures.picture(STAIN_EXPLANATIONS, column, explanation)
    if png is None:
        raise BadInput(
            f"the explanation of '{explanation['image_id'][:200]}' has no {column}: materialise explanations again"
        )
    return png


def _attribution(warehouse: Warehouse, explanation: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """The stored brightness (H, W), from 0 to 1, which stands for the largest value."""
    with Image.open(io.BytesIO(_kept(warehouse, "saliency", explanation)), formats=["PNG"]) as stored:
        return np.asarray(stored, dtype=np.float32) / np.float32(2**16 - 1)


def _grey(png: bytes) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(png), formats=["PNG"]) as stored:
        return np.asarray(stored.convert("L"))


def _thresholds(warehouse: Warehouse, found: WindowMap) -> list[dict[str, Any]]:
    """The thresholds of the map's network on windows in the order of its classes; none unless every class has one."""
    of_class = {
        row["class_name"]: row for row in warehouse.stained.thresholds(found.classifier, found.version, "window")
    }
    return [of_class[name] for name in found.classes] if set(found.classes) <= set(of_class) else []


def _controls(found: WindowMap, dataset: StainingDataset) -> tuple[int, int]:
    """Which classes of a map are the untreated and the treated one; of a dataset file that names others, the first two."""
    named = dataset.control, dataset.treated
    if set(named) <= set(found.classes):
        return found.classes.index(named[0]), found.classes.index(named[1])
    return 0, 1
