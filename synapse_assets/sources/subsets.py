"""A subset of a table of synapses that is too large to use whole, chosen by the rule of `datasets.subsets.PublishedSubset`.

The choice depends on ids, classes, hemilineages and places alone: not on the order of rows, the size of batches, the machine or a
library. The table is read twice, batch by batch; held are a number for each labelled neuron, and the sites of the few neurons
that are chosen. Fetching the table belongs to `downloads`, storing the choice to `pipeline.em.reproduction`.
"""

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import PublishedSubset
from synapse_assets.errors import BadInput

COLUMNS = ("synapse_id", "neuron_id", "x_nm", "y_nm", "z_nm", "brain_region", "target", "hemilineage", "cell_type")
"""Columns of the table of chosen sites."""

_PLACE = ("x_nm", "y_nm", "z_nm")

Site = dict[str, str | int | float | None]
"""One chosen site, by `COLUMNS`."""


@dataclass(frozen=True)
class _Neuron:
    """A neuron with one known class."""

    neuron_id: int
    target: str
    hemilineage: str | None
    cell_type: str | None


def choose_sites(batches: Callable[[], Iterable[pa.Table]], neurons: pa.Table, subset: PublishedSubset) -> list[Site]:
    """The chosen sites, sorted by synapse id.

    batches: gives the whole table anew at each call, as batches of `schema.SYNAPSE_TABLE`; it is called twice. neurons:
    `schema.NEURONS`. A class with too few sites gives all it has. Raises BadInput where no neuron has one of the classes.
    """
    labelled = _labelled(neurons, subset)
    counts = _rows_of(batches(), np.array(sorted(labelled), np.int64))
    chosen = _choose_neurons(
        [neuron for neuron in labelled.values() if counts.get(neuron.neuron_id, 0) >= subset.fewest_sites], subset
    )
    candidates = _sites_of(batches(), [neuron.neuron_id for of_class in chosen.values() for neuron in of_class])
    sites: list[Site] = []
    for target, quota in subset.quotas.items():
        of_class = [(neuron, _spaced(candidates[neuron.neuron_id], subset)) for neuron in chosen[target]]
        sites += _take_turns(of_class, quota)
    return sorted(sites, key=lambda site: str(site["synapse_id"]))


def as_csv(sites: Iterable[Site]) -> bytes:
    """The sites as CSV (UTF-8, line feeds, whole numbers without a point): the same bytes on every machine."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(site[name]) for name in COLUMNS] for site in sites)
    return text.getvalue().encode()


def _cell(value: str | int | float | None) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return "" if value is None else str(value)


def _rank(subset: PublishedSubset, identifier: str | int) -> tuple[str, str]:
    """What decides between equals, the lowest first: the SHA-256 of '<salt>/<id>', then the id itself."""
    return hashlib.sha256(f"{subset.salt}/{identifier}".encode()).hexdigest(), str(identifier)


def _labelled(neurons: pa.Table, subset: PublishedSubset) -> dict[int, _Neuron]:
    """The neurons with exactly one known class, which is one of the subset's."""
    columns = ["neuron_id", "target", "hemilineage", "cell_type"]
    rows = neurons.filter(pc.is_in(neurons.column("target"), pa.array(subset.classes))).select(columns).to_pylist()
    if not rows:
        raise BadInput(
            f"no neuron of the neuron tables has one of the classes {subset.classes}: is the file with the known classes the right one?"
        )
    return {row["neuron_id"]: _Neuron(**row) for row in rows}


def _rows_of(batches: Iterable[pa.Table], neuron_ids: npt.NDArray[np.int64]) -> dict[int, int]:
    """Rows of each of these neurons, whose ids are sorted."""
    counts = np.zeros(len(neuron_ids), np.int64)
    for batch in batches:
        ids = batch.column("neuron_id").drop_null().to_numpy()
        places = np.searchsorted(neuron_ids, ids)
        places[places == len(neuron_ids)] = 0
        counts += np.bincount(places[neuron_ids[places] == ids], minlength=len(neuron_ids))
    return dict(zip(neuron_ids.tolist(), counts.tolist(), strict=True))


def _choose_neurons(neurons: Iterable[_Neuron], subset: PublishedSubset) -> dict[str, list[_Neuron]]:
    """The neurons of each class in the order in which they take turns: one of each hemilineage before a second of any."""
    of_lineage: dict[tuple[str, str | None], list[_Neuron]] = defaultdict(list)
    for neuron in sorted(neurons, key=lambda neuron: _rank(subset, neuron.neuron_id)):
        of_lineage[neuron.target, neuron.hemilineage].append(neuron)
    in_turn: dict[str, list[tuple[int, tuple[str, str], _Neuron]]] = {target: [] for target in subset.quotas}
    for (target, _), members in of_lineage.items():
        in_turn[target] += [(turn, _rank(subset, one.neuron_id), one) for turn, one in enumerate(members)]
    return {
        target: [neuron for _, _, neuron in sorted(entries, key=lambda entry: entry[:2])[: subset.neurons_per_class]]
        for target, entries in in_turn.items()
    }


def _sites_of(batches: Iterable[pa.Table], neuron_ids: list[int]) -> dict[int, pa.Table]:
    """All rows of these neurons, by neuron."""
    wanted = pa.array(neuron_ids, pa.int64())
    columns = ["synapse_id", "neuron_id", *_PLACE, "brain_region"]
    kept = [batch.select(columns).filter(pc.is_in(batch.column("neuron_id"), wanted)) for batch in batches]
    rows = pa.concat_tables(kept) if kept else None
    return {
        neuron_id: rows.filter(pc.equal(rows.column("neuron_id"), neuron_id)) if rows is not None else pa.table({})
        for neuron_id in neuron_ids
    }


def _spaced(rows: pa.Table, subset: PublishedSubset) -> Iterator[Site]:
    """The rows of one neuron in the order of their rank, without those nearer than `spacing_nm` to an earlier one, those without a place,
    and all but one of an id: the one whose place comes first."""
    ids = rows.column("synapse_id").to_pylist()
    places = np.stack([rows.column(axis).to_numpy() for axis in _PLACE], axis=1)
    given, given_ids = np.empty((0, 3)), set[str]()
    placed = np.flatnonzero(np.isfinite(places).all(axis=1)).tolist()
    for index in sorted(placed, key=lambda index: (_rank(subset, ids[index]), places[index].tolist())):
        if ids[index] in given_ids:
            continue
        given_ids.add(ids[index])
        nearest_nm = np.linalg.norm(given - places[index], axis=1).min(initial=np.inf)
        if nearest_nm == 0 or nearest_nm < subset.spacing_nm:
            continue
        given = np.vstack([given, places[index]])
        yield rows.slice(index, 1).to_pylist()[0]


def _take_turns(of_class: list[tuple[_Neuron, Iterator[Site]]], quota: int) -> list[Site]:
    """Sites of the neurons of one class until its quota is reached: the first of every neuron before the second of any."""
    sites: list[Site] = []
    while of_class and len(sites) < quota:
        still = []
        for neuron, queue in of_class:
            site = next(queue, None)
            if site is not None and len(sites) < quota:
                facts = {"target": neuron.target, "hemilineage": neuron.hemilineage, "cell_type": neuron.cell_type}
                sites.append({**site, **facts})
                still.append((neuron, queue))
        of_class = still
    return sites
