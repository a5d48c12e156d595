"""Reads the points of a release, or of one of its investigation groups, from the tables of its file; and how far their clusters can be
trusted.

What points are belongs to `points`.
"""

from dataclasses import replace
from typing import Any

from synapse_assets.datasets import CHAINS
from synapse_assets.errors import BadInput
from synapse_assets.query.points import CATEGORIES, NUMBERS, Points, points_from_table
from synapse_assets.query.release_file import ReleaseFile
from synapse_assets.stores.models import NOT_ASSESSED

# Columns that points require, by table and column.
_REQUIRED_COLUMNS = {
    ("labelled_synapses", column) for column in ("synapse_id", "neuron_id", "x_nm", "brain_region", "target")
}
# Columns that points take of that view, where it has them.
_SYNAPSE_COLUMNS = {"synapse_id", "neuron_id", "x_nm", "y_nm", "z_nm", "volume", *CATEGORIES, *NUMBERS}
_GROUPS = "select investigation_group from projection group by all order by all"
# Synapses that the map was fitted on have their clusters; those observed later, their predictions.
_POINTS_OF_GROUP = """
    with placed as (
        select synapse_id, map_1, map_2, space_1, space_2, space_3, cluster, membership_probability, null::double as probability
        from projection left join clusters using (investigation_group, synapse_id) where investigation_group = $group
        union all
        select synapse_id, map_1, map_2, null, null, null, cluster, null, probability
        from predictions where investigation_group = $group)
    select synapse_id, neuron_id, neuron_type, synapse_type, brain_region, used_for,
        1000 * x_um as x_nm, 1000 * y_um as y_nm, 1000 * z_um as z_nm, placed.* exclude (synapse_id)
    from placed join synapses using (synapse_id) order by synapse_id
"""
_VERDICT_OF_GROUP = "select verdict, sentence from cluster_stability where investigation_group = $group"


def read_points(file: ReleaseFile, group: str | None) -> Points:
    """The points of an investigation group; of the whole release for None. Raises BadInput for a file without their columns."""
    import duckdb

    try:
        rows = file.table(_points_query(file)) if group is None else file.table(_POINTS_OF_GROUP, {"group": group})
        points = points_from_table(rows)
        verdict = read_stability(file, group)["verdict"] if "cluster" in points.categories else NOT_ASSESSED
        return replace(points, cluster_verdict=None if verdict == NOT_ASSESSED else verdict)
    except (duckdb.BinderException, duckdb.CatalogException) as error:
        raise file.other_version(f"its tables have other columns: {error}") from error


def read_stability(file: ReleaseFile, group: str | None) -> dict[str, Any]:
    """How far the clusters of an investigation group, or of the whole release for None, can be trusted.

    verdict: 'stable', 'fragile', 'not distinguishable from noise', or 'not assessed'. sentence: its reason, None if it was not assessed.
    Of the whole release also noise_fraction and what begins with stability: scores over resampled fits, where there are any.
    """
    if group is not None:
        assessed = "cluster_stability" in file.release["tables"]
        rows = file.table(_VERDICT_OF_GROUP, {"group": group}).to_pylist() if assessed else []
        return rows[0] if rows else {"verdict": NOT_ASSESSED, "sentence": None}
    scores = file.release.get("scores", {}).get("cluster_model") or {}
    measured = {
        name: value for name, value in scores.items() if name.startswith("stability") or name == "noise_fraction"
    }
    return {"verdict": scores.get("verdict", NOT_ASSESSED), "sentence": scores.get("verdict_reason"), **measured}


def chosen_group(file: ReleaseFile, group: str | None) -> str | None:
    """The investigation group of that name, or the first; None for a release without such groups.

    Raises BadInput for a group that the release does not have.
    """
    if "projection" not in file.release["tables"]:
        return None
    groups = file.table(_GROUPS).column(0).to_pylist()
    name = group or next(iter(groups), "")
    if name not in groups:
        raise BadInput(f"there is no map of group '{name}' of {file.dataset}; there are {', '.join(groups)}")
    return name


def _points_query(file: ReleaseFile) -> str:
    """SQL for the columns of points, from the tables that exist, so that an unfinished dataset can be viewed too."""
    rows = file.table("select table_name, column_name from duckdb_columns()").to_pylist()
    columns = [(row["table_name"], row["column_name"]) for row in rows]
    missing = sorted(f"{table}.{column}" for table, column in _REQUIRED_COLUMNS - set(columns))
    if missing:
        raise file.other_version(f"it has no {', '.join(missing)}")
    tables = {table for table, _ in columns}
    selected = [
        f"s.{column}" for table, column in columns if table == "labelled_synapses" and column in _SYNAPSE_COLUMNS
    ]
    joins = []
    for table, names in _joined_columns().items():
        if table in tables:
            selected += [f"{table}.{name}" for name in names]
            joins.append(f"left join {table} using (synapse_id)")
    return f"select {', '.join(selected)} from labelled_synapses s {' '.join(joins)} order by s.synapse_id"  # noqa: S608


def _joined_columns() -> dict[str, tuple[str, ...]]:
    """Columns that points take of other tables than the view, by table, as declared by the chains."""
    asset_facts = [facts for chain in CHAINS.values() for facts in chain.assets]
    return {facts.table.name: facts.points for facts in asset_facts if facts.table is not None and facts.points}
