"""The content of an open map: the synapses of one release, from which side, in which colours, and which of them.

No widgets, no browser: those are in `controls` and `viewport`. How points become a picture is in `rendering`.
"""

import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from synapse_assets.explorer.map.rendering import Colouring, Plane
from synapse_assets.query.points import Filters

if TYPE_CHECKING:
    from synapse_assets.query.warehouse import Warehouse


class PlaneCache:
    """The planes that were requested last, two of each dataset: its current release, and the previous one where a page still shows it."""

    def __init__(self) -> None:
        self._planes: dict[str, list[Plane]] = {}
        self._lock = threading.Lock()

    def of(self, dataset: str, warehouse: "Warehouse") -> Plane:
        """The plane of a release, made where there is none yet."""
        with self._lock:
            cached = self._planes.get(dataset, [])
            plane = next((each for each in cached if each.points is warehouse.points), None) or Plane(warehouse.points)
            self._planes[dataset] = [plane, *(each for each in cached if each is not plane)][:2]
            return plane


class MapModel:
    """The synapses of a release as one page shows them.

    flat: the plane of the release. plane: the flat plane, or the points in space as seen from one side. colouring: of `plane`, by a column.
    shown: bool (M,), which of the points of `plane`. picture_release: the release whose pictures are shown; None for a dataset
    without pictures. words: gives a text of the page in the words of the dataset's chain.
    """

    def __init__(self, warehouse: "Warehouse", flat: Plane, words: Callable[[str], str]) -> None:
        self.points = flat.points
        self.flat = self.plane = flat
        self.words = words
        self.picture_release = warehouse.release_id if warehouse.has_pictures else None
        self.colouring: Colouring
        self.shown: npt.NDArray[np.bool_]

    def project(self, turn_degrees: tuple[int, int] | None) -> None:
        """Shows the points in space from a side (turned around, tilted), or flat for None; they have to be coloured again."""
        if turn_degrees is None:
            self.plane = self.flat
        else:
            self.plane = Plane(self.points, in_space=True)
            self.plane.turn(*turn_degrees)

    def colour_by(self, column: str) -> None:
        """Colours by a column. Raises BadInput for a column that the dataset does not have."""
        self.colouring = self.plane.colouring(column)

    def show(self, filters: Filters, classes: Collection[str]) -> npt.NDArray[np.int64]:
        """Shows the points that fulfil the filters and are of these lines of the legend. Gives the number of filtered points by line."""
        selected = self.points.select(filters)[self.plane.rows]
        on = np.isin(self.colouring.names, list(classes))
        self.shown = selected & on[self.colouring.codes]
        return self.colouring.counts(selected)
