"""Every table with its columns, chain by chain, from the schema: what the tables of a warehouse say of themselves."""

from asset_reference import TITLES, chains
from markdown import code, escaped, table

from synapse_assets.datasets import Chain
from synapse_assets.schema import Table

# The units that stand in the names of columns.
UNITS = {
    "nm": "nm", "nm2": "nm²", "nm3": "nm³", "um": "µm", "um2": "µm²", "um3": "µm³", "px": "px", "voxels": "voxels", "s": "s",
    "hours": "h", "mb": "MB", "gb": "GB", "sd": "SD",
}  # fmt: skip


def unit(name: str) -> str:
    """The unit that stands in the name of a column; nothing where it names none."""
    return next((UNITS[word] for word in reversed(name.split("_")[1:]) if word in UNITS), "")


def markdown() -> str:
    """A section a chain, and in it one a table."""
    return "\n\n".join(_chain(chain) for chain in chains())


def _chain(chain: Chain) -> str:
    written: dict[str, tuple[Table, str]] = {}
    for facts in chain.facts.values():
        for one in facts.tables:
            written.setdefault(one.name, (one, facts.name))
    released = {name for facts in chain.facts.values() for name in facts.released}
    sections = [f"## {TITLES[chain.name]}"]
    for name, (one, asset) in written.items():
        where = "Released." if name in released else "Not released: it stays in the folder of the dataset."
        made_by = "" if asset == name else f" Written by the asset `{asset}`."
        rows = [
            (
                code(column.name),
                code(str(column.type)),
                "yes" if column.nullable else "",
                escaped(column.description),
            )
            for column in one.columns
        ]
        sections += [
            f"### `{name}`",
            f"{escaped(one.description)} {where}{made_by}",
            table(("column", "type", "unit", "may be empty", "meaning"), rows),
        ]
    return "\n\n".join(sections)
