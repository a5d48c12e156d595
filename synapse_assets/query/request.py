"""One search for similar synapses, as a value: the query, the metric, and which synapses take part.

Running it belongs to `similarity`; reading it from a URL, to `explorer`.
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np
import numpy.typing as npt

from synapse_assets.errors import BadInput
from synapse_assets.query.points import NO_FILTERS, Filters
from synapse_assets.query.search import Metric


@dataclass(frozen=True, eq=False)
class SearchRequest:
    """A search for the `k` synapses whose vectors are nearest; or for the `k` nearest of each class, side by side.

    The query is one of these:

    - synapse_id: a synapse of the release. It is left out of the answer, and so are synapses of its own neuron, because a neuron
      always resembles itself (`leave_out_own_neuron`).
    - image: uint8 (sections, height, width), axes z y x, of the dataset's tile size.
    - place_nm: a place in the volume (x, y, z in nanometres), where a tile is cut.

    columns: a column of classes, such as "target" or "cluster": then there are `k` rows for each class, a rare one included, or for
    the `most_columns` classes with the nearest synapses. metric: see `search.METRICS`.

    filters, and where, a DuckDB condition on the columns of `labelled_synapses` (s), `clusters` (c) and `synapse_predictions` (p), are
    applied before the search, so `k` rows come back wherever that many fulfil them. A condition reaches no more than `Warehouse.sql`.
    leave_out_within_nm: synapses within this distance of the query are left out; their tiles show the same.
    encoder: whose vectors are compared, of `Warehouse.encoders`; None: that of the release.

    Raises BadInput unless exactly one of synapse_id, image and place_nm is given, and for a `k` below 1.
    """

    synapse_id: str | None = None
    _: KW_ONLY
    image: npt.NDArray[np.uint8] | None = None
    place_nm: Sequence[float] | None = None
    k: int = 10
    columns: str | None = None
    metric: Metric = "cosine"
    filters: Filters = NO_FILTERS
    where: str = "true"
    leave_out_own_neuron: bool = True
    leave_out_within_nm: float = 0.0
    most_columns: int | None = None
    encoder: str | None = None

    def __post_init__(self) -> None:
        if sum(query is not None for query in (self.synapse_id, self.image, self.place_nm)) != 1:
            raise BadInput("give one of these: a synapse_id, an image, or a place_nm")
        if self.k < 1:
            raise BadInput(f"k has to be 1 or more, not {self.k}")
