"""Every synapse of a release in memory: its place in the brain and on the map, its classes and scores, and filters over them.

Vectors and pictures do not belong here: they are many times larger (`similarity`, `pictures`).
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.errors import BadInput
from synapse_assets.schema.colours import NOISE_COLOUR, UNCLEAR_COLOUR, class_colours

# The name for a missing value in every column: no class known, in no cluster, no hemilineage.
NONE = "(none)"
# Invisible characters around an id, zero-width ones included.
_BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\u200b\ufeff"

# Columns that synapses are filtered, coloured and compared by, with their titles. A dataset has those it has values for.
CATEGORIES = {
    "target": "known class",
    "predicted": "predicted class",
    "answer": "calibrated answer",
    "brain_region": "brain region",
    "cluster": "cluster",
    "hemilineage": "hemilineage",
    "cell_type": "cell type",
    "neuron_type": "neuron type",
    "synapse_type": "synapse type",
    "used_for": "used for",
    "out_of_fold": "predicted out of fold",
}
NUMBERS = {
    "score": "detection score",
    "probability": "probability of the prediction",
    "calibrated_probability": "calibrated probability",
    "valid_fraction": "share of the tile inside the volume",
    "membership_probability": "membership in the cluster",
    "mitochondrion_distance_nm": "distance to the nearest mitochondrion in nm",
    "mitochondrion_nm3": "volume of the nearest mitochondrion in nm³",
    "mitochondria_near_share": "share of the surroundings that is mitochondria",
}


@dataclass(frozen=True)
class Category:
    """A column of classes: `codes` int32 (N,) point into `names`; -1 is none.

    names: the classes, sorted, as texts. typed: the same as they are stored, numbers or texts.
    """

    name: str
    codes: npt.NDArray[np.int32]
    names: tuple[str, ...]
    typed: pa.Array

    @property
    def title(self) -> str:
        """Title to show."""
        return CATEGORIES[self.name]

    def counts(self, selected: npt.NDArray[np.bool_] | None = None) -> dict[str, int]:
        """Synapses by value, of all or of those `selected` (N,); `NONE` comes last, and only if there are any."""
        codes = self.codes if selected is None else self.codes[selected]
        sizes = np.bincount(codes + 1, minlength=len(self.names) + 1)
        counts = {value: int(sizes[code + 1]) for code, value in enumerate(self.names)}
        return {**counts, NONE: int(sizes[0])} if sizes[0] else counts

    def code(self, value: str) -> int:
        """The code of a value. Raises BadInput for one that does not occur."""
        if value == NONE:
            return -1
        if value not in self.names:
            known = ", ".join(self.names[:12]) + (" ..." if len(self.names) > 12 else "")
            raise BadInput(f"no synapse has {self.title} '{value}'; there are {known or 'none'}")
        return self.names.index(value)

    def value(self, row: int) -> str | None:
        """The value of one synapse; None where there is none."""
        code = int(self.codes[row])
        return None if code < 0 else self.names[code]


@dataclass(frozen=True)
class Filters:
    """Which synapses take part. Of one column any of the named values matches; every named column has to match.

    any_of: by column of `CATEGORIES`; `NONE` names those without a value. least: lowest number, by column of `NUMBERS`.
    """

    any_of: Mapping[str, Sequence[str]] = field(default_factory=dict)
    least: Mapping[str, float] = field(default_factory=dict)


NO_FILTERS = Filters()


@dataclass(frozen=True)
class Points:
    """The synapses of one release, N of them, sorted by id.

    ids: N texts. places_nm: float64 (N, 3), x y z. neurons: int32 (N,), indices into `neuron_ids` (numbers or texts), -1 where no
    neuron is known. map: float32 (N, 2), NaN where a synapse is not on the map; space: float32 (N, 3) likewise, only where there
    is a map in three dimensions. volumes: name of the volume of each, None for datasets without one. cluster_verdict: how far the
    clusters among `categories` can be trusted, in a word; None where there are none, and where they were not assessed.
    """

    ids: pa.Array
    places_nm: npt.NDArray[np.float64]
    neurons: npt.NDArray[np.int32]
    neuron_ids: pa.Array
    map: npt.NDArray[np.float32]
    categories: Mapping[str, Category]
    numbers: Mapping[str, npt.NDArray[np.float32]]
    volumes: pa.Array | None = None
    space: npt.NDArray[np.float32] | None = None
    cluster_verdict: str | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def row(self, synapse_id: str) -> int:
        """Row of a synapse: of exactly that id, else of the id without blanks around it, as ids are often pasted.

        Raises BadInput for an id that is not in the release.
        """
        for candidate in dict.fromkeys((synapse_id, synapse_id.strip(_BLANKS))):
            index = bisect_left(range(len(self)), candidate, key=lambda row: str(self.ids[row].as_py()))
            if index < len(self) and self.ids[index].as_py() == candidate:
                return index
        raise BadInput(f"no synapse '{synapse_id}' in this release; its {len(self):,} ids look like {self._examples()}")

    def category(self, name: str) -> Category:
        """A column of classes. Raises BadInput for one that the dataset does not have."""
        if name not in self.categories:
            raise BadInput(f"this dataset has no column '{name}' of classes; there are {', '.join(self.categories)}")
        return self.categories[name]

    def are_of_clusters(self, names: Iterable[str]) -> bool:
        """Whether any of these columns is of clusters. So is the probability where no class is predicted: it is that of a cluster."""
        of_clusters = {"cluster", "membership_probability"}
        if "predicted" not in self.categories:
            of_clusters.add("probability")
        return not of_clusters.isdisjoint(names)

    def colours(self, name: str) -> Mapping[str, str]:
        """The colour (#rrggbb) of each class of a column, and of `NONE`; known and predicted classes and answers share theirs."""
        return self._colours[name]

    @cached_property
    def _colours(self) -> dict[str, dict[str, str]]:
        names = {name: column.names for name, column in self.categories.items()}
        # An answer is a class or 'unclear', which has a grey of its own.
        of_classes = ("target", "predicted", "answer")
        unclear = {"unclear": UNCLEAR_COLOUR}
        both = {value for name in of_classes for value in names.get(name, ())} - set(unclear)
        return {
            name: {**class_colours(both if name in of_classes else known), NONE: NOISE_COLOUR}
            | (unclear if name == "answer" else {})
            for name, known in names.items()
        }

    def select(self, filters: Filters) -> npt.NDArray[np.bool_]:
        """Which synapses fulfil the filters, (N,). Raises BadInput for a column or value that does not occur."""
        chosen = np.ones(len(self), dtype=bool)
        for name, values in filters.any_of.items():
            if values:
                column = self.category(name)
                chosen &= np.isin(column.codes, [column.code(value) for value in values])
        for name, least in filters.least.items():
            if name not in self.numbers:
                raise BadInput(f"this dataset has no column '{name}' of numbers; there are {', '.join(self.numbers)}")
            with np.errstate(invalid="ignore"):
                chosen &= self.numbers[name] >= np.float32(least)
        return chosen

    def near(self, place_nm: npt.NDArray[np.float64], within_nm: float, volume: str | None) -> npt.NDArray[np.bool_]:
        """Which synapses lie within that distance of a place in the same volume, (N,)."""
        close = np.asarray(((self.places_nm - place_nm) ** 2).sum(axis=1) <= within_nm**2)
        if self.volumes is not None and volume is not None:
            close &= pc.equal(self.volumes, volume).to_numpy(zero_copy_only=False)
        return close

    def frame(self, rows: npt.ArrayLike) -> pd.DataFrame:
        """The synapses at these rows, in their order: id, position, neuron, classes and scores, position on the map.

        Where there are clusters, `cluster_verdict` says in every row how far these can be trusted; it is empty if they were not assessed.
        """
        indices = np.asarray(rows, dtype=np.int64)
        facts: dict[str, Any] = {"synapse_id": self.ids.take(pa.array(indices)).to_pylist()}
        for axis, name in enumerate(("x_nm", "y_nm", "z_nm")):
            facts[name] = self.places_nm[indices, axis]
        facts["neuron_id"] = _decode(self.neuron_ids, self.neurons[indices])
        for name, column in self.categories.items():
            facts[name] = _decode(column.typed, column.codes[indices])
            if name == "cluster":
                facts["cluster_verdict"] = [self.cluster_verdict] * len(indices)
        for name, numbers in self.numbers.items():
            facts[name] = numbers[indices]
        facts["map_1"], facts["map_2"] = self.map[indices, 0], self.map[indices, 1]
        return pd.DataFrame(facts)

    def _examples(self) -> str:
        return ", ".join(self.ids.slice(0, 2).to_pylist()) or "nothing: it is empty"


def points_from_table(rows: pa.Table) -> Points:
    """The points of a table sorted by synapse_id; see `Points` for what its columns become. Absent columns have no values."""
    categories = {name: _category(name, rows.column(name)) for name in CATEGORIES if name in rows.column_names}
    numbers = {name: _numbers(rows.column(name)) for name in NUMBERS if name in rows.column_names}
    neurons, neuron_ids = _codes(rows.column("neuron_id"))
    return Points(
        rows.column("synapse_id").combine_chunks(),
        _coordinates(rows, ("x_nm", "y_nm", "z_nm"), np.float64),
        neurons,
        neuron_ids,
        _coordinates(rows, ("map_1", "map_2"), np.float32),
        {name: column for name, column in categories.items() if column.names},
        {name: column for name, column in numbers.items() if not np.isnan(column).all()},
        rows.column("volume").combine_chunks() if "volume" in rows.column_names else None,
        _coordinates(rows, ("space_1", "space_2", "space_3"), np.float32) if "space_1" in rows.column_names else None,
    )


def _category(name: str, column: pa.ChunkedArray) -> Category:
    if pa.types.is_boolean(column.type):
        column = pc.if_else(column, "yes", "no")
    if pa.types.is_integer(column.type):
        # -1 is HDBSCAN's noise: in no cluster.
        column = pc.if_else(pc.less(column, 0), pa.scalar(None, column.type), column)
    codes, values = _codes(column)
    return Category(name, codes, tuple(str(value) for value in values.to_pylist()), values)


def _decode(values: pa.Array, codes: npt.NDArray[np.int32]) -> pd.Series:
    """The value of each code; integers with gaps stay integers: floating point would round the ids of neurons."""
    decoded = values.take(pa.array(codes, mask=codes < 0))
    return decoded.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype()}.get)


def _codes(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], pa.Array]:
    """Codes (N,) of the column's values and its distinct values, sorted; -1 is none."""
    values = pc.unique(column).drop_null()
    values = values.take(pc.sort_indices(values))
    codes = pc.fill_null(pc.index_in(column, value_set=values), -1).combine_chunks()
    return np.asarray(codes.to_numpy(zero_copy_only=False), dtype=np.int32), values


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    return np.asarray(column.cast(pa.float32()).to_numpy(), dtype=np.float32)


def _coordinates(rows: pa.Table, names: Sequence[str], kind: Any) -> Any:
    if not set(names) <= set(rows.column_names):
        return np.full((rows.num_rows, len(names)), np.nan, dtype=kind)
    return np.stack([rows.column(name).to_numpy().astype(kind) for name in names], axis=1)
