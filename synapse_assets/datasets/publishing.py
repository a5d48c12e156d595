"""Publishing a release as a web site: the facts of the asset that writes it, and which columns stay private.

What else a dataset file says for that is in `base.Publication`; writing the site belongs to `site`.
"""

import difflib
from enum import StrEnum

from synapse_assets.datasets.base import Dataset
from synapse_assets.datasets.chain import AssetFacts, Role, chain_of
from synapse_assets.errors import BadInput
from synapse_assets.schema import CLUSTERS, VERDICT

# Columns by which pages and tables find their rows, in any table; and those of synapses that search, cards and map are made of.
_NAMES_OF_ROWS = frozenset({"synapse_id", "investigation_group"})
_PLACES = frozenset({"x_nm", "y_nm", "z_nm", "x_um", "y_um", "z_um", "volume"})
# Columns that hold the values of another, or what they follow from: they are left out with it.
_TELL = {
    "neuron_id": ("group", "cluster_profiles.neurons"),
    "hemilineage": ("group",),
    "cell_type": ("group",),
    "section": ("group",),
    "object_id": ("group", "partner"),
    "brain_region": ("group", "regions", "region_answers"),
    "volume": ("group",),
    "target": ("known_classes", "targets"),
    "known_classes": ("target", "targets"),
    "predicted": ("probabilities", "votes"),
    "answer": ("class_set", "probabilities", "votes"),
    "label": ("labels",),
    "plate": ("group",),
    "well": ("group",),
    "culture": ("group",),
}


def site_facts(stage: StrEnum) -> AssetFacts:
    """The facts of the asset `site`, which only datasets have whose file asks for it. stage: its group in the lineage."""
    return AssetFacts("site", stage, Role.REPORT, kinds=("html",), exists=_has_site)


def _has_site(dataset: Dataset) -> bool:
    return dataset.publish is not None and dataset.publish.site


def columns_left_out(dataset: Dataset) -> frozenset[tuple[str, str]]:
    """The columns of released tables that are not published, as (table, column): what `publish: leave_out` names, and what tells
    the same.

    `site.public.public_release` takes them out of everything that a site is made from. Raises BadInput for a name that no released
    table has, naming near ones, and for a column that a site cannot be without.
    """
    if dataset.publish is None:
        return frozenset()
    chain = chain_of(dataset)
    released = dict.fromkeys(name for facts in chain.assets for name in facts.released)
    known = {(table, column) for table in released for column in _columns(chain.tables[table].names, table)}
    left_out: set[tuple[str, str]] = set()
    for name in dataset.publish.leave_out:
        left_out |= (named := _named(name, known))
        told = {tells for _, column in named for tells in _TELL.get(column, ())}
        left_out |= {(table, column) for table, column in known if told & {column, f"{table}.{column}"}}
    return frozenset(left_out)


def _columns(names: list[str], table: str) -> list[str]:
    return [*names, VERDICT.name] if table == CLUSTERS.name else names


def _named(name: str, known: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The columns of that name. Raises BadInput where there are none, or where they cannot be left out."""
    table, _, column = name.rpartition(".")
    named = {one for one in known if one[1] == column and table in ("", one[0])}
    if not named:
        names = {".".join(one) for one in known} if table else {column for _, column in known}
        close = difflib.get_close_matches(name, sorted(names), 3)
        hint = f"did you mean {' or '.join(close)}?" if close else "docs/reference/tables.md lists the columns"
        raise BadInput(f"publish.leave_out names '{name}', which is no column of a released table; {hint}")
    needed = {one for one in named if one[1] in _NAMES_OF_ROWS or (one[0] == "synapses" and one[1] in _PLACES)}
    if needed:
        raise BadInput(
            f"publish.leave_out names '{name}', but {'.'.join(min(needed))} cannot be left out: pages and tables name their rows by ids, "
            "and search, cards and map are made of places. Take it out of leave_out, or publish no site"
        )
    return named
