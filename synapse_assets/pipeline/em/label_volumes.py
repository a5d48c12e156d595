"""Brain regions and neurons of synapses whose table names none, looked up in the dataset's volumes of labels (`labels_from`).

What a table says wins. What does not belong here: reading tables (`sources/`), reading volumes (`volumes/`), and the classes of
synapses, which are labels in another sense (`labels.py`).
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import DetectionDataset, EmDataset, LabelsFrom
from synapse_assets.pipeline.em.alignment import volume_remarks_markdown
from synapse_assets.pipeline.report import Detail

if TYPE_CHECKING:
    from synapse_assets.sources import RegionNames

_AXES = ("x_nm", "y_nm", "z_nm")
_WORDS = {"brain_region": "region", "neuron_id": "neuron"}


class LabelLookUp:
    """The volumes of labels of a dataset, opened, and what was looked up in them."""

    def __init__(self, dataset: EmDataset | DetectionDataset, regions: "RegionNames") -> None:
        """Raises BadInput for a volume that is not one of labels or not as the dataset says, ConnectionError for an unreachable one."""
        only_volume = next(iter(dataset.volumes))
        self._layers = [_Layer(labels, labels.volume or only_volume) for labels in dataset.labels_from]
        self._regions, self._missing = regions, dataset.missing_region
        self._given = {layer.of: 0 for layer in self._layers}
        self._lacking = dict(self._given)

    def fill(self, batch: pa.Table, volume: str) -> pa.Table:
        """The rows, which lie in `volume` of the dataset, with the regions and neurons that they lack as far as labels know them.

        Takes and gives `schema.SYNAPSE_TABLE`. Raises BadInput for labels that cannot be read, ConnectionError where the network fails.
        """
        points_nm: npt.NDArray[np.float64] | None = None
        for layer in self._layers:
            rows = np.flatnonzero(self._lacks(batch, layer.of)) if layer.volume_name == volume else np.empty(0, int)
            if not len(rows):
                continue
            if points_nm is None:
                points_nm = np.stack([batch.column(axis).to_numpy() for axis in _AXES], axis=1)
            ids = layer.volume.at(points_nm[rows])
            rows, ids = rows[ids > 0], ids[ids > 0]
            values = pa.array(ids, pa.int64()) if layer.of == "neuron_id" else self._regions.keys(layer.names_of(ids))
            lacking = int(self._lacks(batch, layer.of).sum())
            batch = _with_values(batch, layer.of, rows, values)
            self._given[layer.of] += lacking - int(self._lacks(batch, layer.of).sum())
        for of in self._given:
            self._lacking[of] += int(self._lacks(batch, of).sum())
        return batch

    def details(self) -> dict[str, Detail]:
        """How many of all rows got a region or a neuron here, and how many are without one; nothing where nothing is looked up."""
        details: dict[str, Detail] = {}
        for of, given in self._given.items():
            details[f"{_WORDS[of]}_from_labels"] = given
            details[f"without_{_WORDS[of]}"] = self._lacking[of]
        remarks = {f"{layer.of} labels": layer.volume.remarks for layer in self._layers}
        return {**details, **volume_remarks_markdown(remarks)}

    def _lacks(self, batch: pa.Table, of: str) -> npt.NDArray[np.bool_]:
        column = batch.column(of)
        lacks = pc.is_null(column) if of == "neuron_id" else pc.equal(column, self._missing)
        return np.asarray(lacks.to_numpy())


class _Layer:
    """One volume of labels, and what its ids are called."""

    def __init__(self, labels: LabelsFrom, volume_name: str) -> None:
        from synapse_assets.volumes import open_labels

        self.of, self.volume_name = labels.of, volume_name
        self.volume = open_labels(labels.labels)
        self._names = labels.names
        self._own_names: dict[int, str] | None = None

    def names_of(self, ids: npt.NDArray[np.int64]) -> pa.Array:
        """The name of each id, string."""
        distinct, place = np.unique(ids, return_inverse=True)
        return pa.array([self._name(number) for number in distinct.tolist()], pa.string()).take(pa.array(place))

    def _name(self, number: int) -> str:
        if number in self._names:
            return self._names[number]
        if self._own_names is None:
            self._own_names = self.volume.names()
        return self._own_names.get(number, f"region_{number}")


def _with_values(batch: pa.Table, column: str, rows: npt.NDArray[np.int64], values: pa.Array) -> pa.Table:
    """The batch with `values` in those rows of the column."""
    index = batch.column_names.index(column)
    mask = np.zeros(batch.num_rows, dtype=np.bool_)
    mask[rows] = True
    filled = pc.replace_with_mask(batch.column(index).combine_chunks(), pa.array(mask), values)
    return batch.set_column(index, batch.schema.field(index), filled)
