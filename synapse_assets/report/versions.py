"""What belongs together in a release, how others get the same numbers, and how it is cited."""

from pathlib import Path

from synapse_assets import __version__
from synapse_assets.datasets import chain_of
from synapse_assets.report.content import Block, Table, Text
from synapse_assets.report.dataset_file import fingerprint_of
from synapse_assets.report.release import Release
from synapse_assets.stores.models import installed_libraries

_DRIFT = """select brain_region as "brain region", synapses, new_synapses as new, format('{:.2f}', distance_ratio) as "distance ratio",
    format('{:.0f} %', 100 * noise_fraction) as noise, case when refit_advised then 'yes' else 'no' end as "refit advised", reason
from drift order by refit_advised desc, synapses desc, brain_region limit 20"""
_PROMOTIONS = """select model, decision, format('{:.3f}', score_in_use) as "in use before", format('{:.3f}', score_candidate) as candidate,
    reason, replace(left(decided_at, 16), 'T', ' ') as decided
from promotions order by model"""
_MODELS = """with named as (select content->'models' as models, unnest(json_keys(content->'models')) as model from release)
select model, coalesce(models->>model, 'none') as version from named order by model"""
_TABLES = """with named as (select content->'tables' as tables, unnest(json_keys(content->'tables')) as name from release)
select name as table, (tables->name->>'rows')::bigint as rows, tables->name->>'version' as version from named order by name"""


def upkeep(release: Release) -> list[Block]:
    """Whether the fitted models still know the synapses, and what was decided on refits."""
    blocks: list[Block] = []
    if release.has("drift"):
        blocks.append(
            release.table("How far each brain region has moved away from what the models were fitted on", _DRIFT)
        )
    if release.has("promotions"):
        blocks.append(release.table("The last decision on every refitted model", _PROMOTIONS))
    return blocks


def versions(release: Release) -> list[Block]:
    """Models, tables, libraries and seeds."""
    blocks: list[Block] = []
    if any(release.warehouse.release.get("models", {}).values()):
        blocks.append(release.table("Models of the release", _MODELS))
    if release.provenances:
        rows = [
            [each.name, each.version, each.created[:16].replace("T", " "), each.seed, each.notes or None]
            for each in release.provenances
        ]
        blocks.append(
            Table("When its models were fitted, and with which seed", ["model", "version", "fitted", "seed", "notes"], rows,
                  source="models/<model>/<version>/provenance.json")
        )  # fmt: skip
    blocks.append(_libraries(release))
    blocks.append(release.table("Tables of the release: rows, and version of their content", _TABLES))
    return blocks


def _libraries(release: Release) -> Table:
    """Versions of libraries when the models were fitted and when the report was made."""
    now = {"synapse-assets": __version__, **installed_libraries()}
    rows = []
    for name, installed in now.items():
        fitted = sorted({each.libraries[name] for each in release.provenances if name in each.libraries})
        rows.append([name, ", ".join(fitted) or None, installed])
    return Table("Versions of libraries", ["library", "when models were fitted", "when this report was made"], rows,
                 source="models/<model>/<version>/provenance.json, and the packages installed")  # fmt: skip


def reproduction(release: Release) -> list[Block]:
    """How to get the same numbers, and how to ask the release."""
    name, argument = release.dataset.name, f', release="{release.name}"' if release.name else ""
    option = f" --release {release.name}" if release.name else ""
    # What a published subset is made of is fetched first.
    command = "materialize" if getattr(release.dataset, "subset", None) is None else "reproduce"
    seed = release.dataset.seed
    return [
        Text(
            "The same inputs (by their hashes), dataset file, seeds and versions of libraries give the same tables on the same kind of "
            f"processor, by version {__version__} of this program. The seed of the dataset is {seed}. Fits on a GPU, or with other "
            "versions, differ in the last digits, and a map may be turned."
        ),
        Text(
            f"synapse-assets {command} {name}\nsynapse-assets report {name}{option}",
            verbatim=True,
        ),
        Text(
            "Every query of this report runs on the release as it stands, in Python or with plain DuckDB on warehouse.duckdb:"
        ),
        Text(
            f'from synapse_assets.query import open_warehouse\n\nopen_warehouse("{name}"{argument}).sql("""<query>""")',
            verbatim=True,
        ),
    ]


def citation(release: Release) -> list[Block]:
    """What to cite: the program, the release, and the sources of the data."""
    content, dataset = release.warehouse.release, release.dataset
    created = str(content.get("created", ""))
    name = f"release '{release.name}' of {created[:10]}" if release.name else f"release of {created[:10]}"
    bibtex = (
        "@software{synapse_assets,\n  title   = {synapse_assets},\n"
        f"  version = {{{__version__}}},\n  note    = {{chain {chain_of(dataset).name}}}\n}}"
    )
    subset = getattr(dataset, "subset", None)
    sources: Block = Text(
        "Cite the authors of the data as well. The dataset file has no field for their citation; the description at the start of "
        "this report and the addresses in the dataset file say where the data comes from."
    )
    if subset is not None:
        rows = [[Path(file.path).name, file.licence, file.cite] for file in subset.downloads]
        sources = Table("Published files to cite", ["file", "licence", "cite"], rows, source="the dataset file")
    return [
        Text(
            f"synapse_assets, version {__version__} [software]; {dataset.title} ({dataset.name}), {name}, identifier "
            f"{release.warehouse.release_id}, dataset file {fingerprint_of(dataset, release.store)}."
        ),
        Text(bibtex, verbatim=True),
        sources,
    ]
