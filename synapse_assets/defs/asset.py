"""How every asset is declared, from the facts of its chain, and what the Dagster UI shows of the report of its step."""

import base64
import functools
import inspect
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from synapse_assets.datasets import AssetFacts, Dataset, chain_of
from synapse_assets.defs.partitions import partitions_of, rounds_of
from synapse_assets.defs.resources import Installation
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.report import Check, Detail, Json, Link, Markdown, Picture, Report, StoredAt
from synapse_assets.schema import Table
from synapse_assets.stores.models import fingerprint

# An unreachable server is retried after about 30, 60 and 120 seconds.
RETRIES = 3
RETRY_SECONDS = 30.0
OWNERS = ["team:synapse-assets"]
# The UI keeps metadata in its database: a picture above this size is refused.
LARGEST_PICTURE_BYTES = 750_000


@dataclass(frozen=True)
class CheckSpec:
    """A check of an asset: its name, its description, and whether a failure blocks what follows."""

    name: str
    description: str
    blocking: bool = False


def asset(
    dataset: Dataset,
    name: str,
    settings: object = None,
    *,
    deps: Iterable[str | dg.AssetKey],
    method: int = 1,
    checks: Sequence[CheckSpec] = (),
    **options: Any,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`@dg.asset` for every asset alike: key, group, kinds, columns, partitions, code version, and what happens on failure.

    The chain's facts of the asset are not repeated. settings: the part of the dataset's YAML that decides the content
    (anything that has a JSON form). deps: the assets it is made from, by name or by that of a table that one writes beside its own, those
    of another dataset by key; an asset of the whole dataset depends on all parts and rounds of another of its own, a round on all parts
    and rounds, a part on all parts of one of another dataset. method: the version of the code
    that makes the asset; add one when what it makes changes. When settings or method change, the asset shows as out of date.
    Input that the user has to fix fails with its own message and is not retried; an unreachable server is retried after a while.
    """
    chain = chain_of(dataset)
    facts = chain.facts[name]
    key = asset_key(dataset, name)
    makers = (upstream if isinstance(upstream, dg.AssetKey) else chain.maker_of(upstream) for upstream in deps)
    upstreams = list(dict.fromkeys(makers))
    partitions = partitions_of(dataset) if facts.by_part else rounds_of(dataset) if facts.by_round else None
    metadata: dict[str, Any] = {"dataset": dataset.title}
    if facts.table is not None:
        metadata["dagster/column_schema"] = column_schema(facts.table)

    def declare(function: Callable[..., Any]) -> dg.AssetsDefinition:
        return dg.asset(
            key=key,
            description=chain.in_words(inspect.getdoc(function) or ""),
            group_name=group_of(dataset, facts),
            owners=OWNERS,
            kinds=set(facts.kinds),
            metadata=metadata,
            code_version=fingerprint({"settings": settings, "method": method}, {}),
            partitions_def=partitions,
            deps=[_dep(dataset, facts, upstream) for upstream in upstreams],
            check_specs=[
                dg.AssetCheckSpec(
                    check.name,
                    asset=key,
                    description=chain.in_words(check.description),
                    blocking=check.blocking,
                    partitions_def=partitions,
                )
                for check in checks
            ],
            **options,
        )(handle_errors(function if facts.page is None else _linked(function, dataset, facts.page)))

    return declare


def asset_key(dataset: Dataset, name: str) -> dg.AssetKey:
    """The key of an asset of a dataset."""
    return dg.AssetKey([dataset.name, name])


def group_of(dataset: Dataset, facts: AssetFacts) -> str:
    """The group of an asset in the lineage."""
    return f"{dataset.name}_{facts.stage}"


def _dep(dataset: Dataset, facts: AssetFacts, upstream: str | dg.AssetKey) -> dg.AssetDep:
    """What an asset is made from; an asset of the whole dataset depends on every part and round that exists, and so does a part on
    another dataset, whose parts are others. On rounds all depend together: each is decided on by what was answered in all of them."""
    if isinstance(upstream, dg.AssetKey):
        divided = facts.by_part or facts.by_round
        return dg.AssetDep(upstream, partition_mapping=dg.AllPartitionMapping() if divided else None)
    of = chain_of(dataset).facts.get(upstream)
    all_parts = of is not None and (of.by_round or (of.by_part and not facts.by_part))
    return dg.AssetDep(asset_key(dataset, upstream), partition_mapping=dg.AllPartitionMapping() if all_parts else None)


def _linked(function: Callable[..., Any], dataset: Dataset, page: str) -> Callable[..., Any]:
    """The body of an asset, whose materialisations link to a page of the explorer: of its dataset, or of its part."""

    @functools.wraps(function)
    def body(*args: Any, installation: Installation, **kwargs: Any) -> Any:
        context = dg.AssetExecutionContext.get()
        # As `explorer.releases.explorer_entries` names what has pages of its own.
        name = f"{dataset.name}.{context.partition_key}" if chain_of(dataset).page_by_part else dataset.name
        link = dg.MetadataValue.url(f"{installation.explorer_url}/{name}/{page}")
        context.add_asset_metadata({"in the explorer, as last released": link})
        return function(*args, installation=installation, **kwargs)

    return body


def materialized(context: dg.AssetExecutionContext, report: Report) -> dg.MaterializeResult:
    """What Dagster records of a report."""
    metadata = {name: metadata_value(detail) for name, detail in report.details.items()}
    if report.rows is not None:
        computed = report.rows if report.computed_rows is None else report.computed_rows
        metadata |= {
            "dagster/partition_row_count": report.rows,
            "rows": report.rows,
            "computed_rows": computed,
            "seconds": round(report.seconds, 3),
            "rows_per_second": round(computed / report.seconds, 1) if report.seconds > 0 else 0.0,
        }
        if not context.has_partition_key:
            metadata["dagster/row_count"] = report.rows
    return dg.MaterializeResult(
        metadata=metadata,
        data_version=None if report.content_version is None else dg.DataVersion(report.content_version),
        check_results=[_check_result(check) for check in report.checks],
    )


def metadata_value(detail: Detail) -> Any:
    """A detail as the UI shows it. Raises ValueError for a picture above `LARGEST_PICTURE_BYTES`."""
    match detail:
        case Markdown(text):
            return dg.MetadataValue.md(text)
        case Picture(png, caption, text):
            if len(png) > LARGEST_PICTURE_BYTES:
                raise ValueError(f"{caption}: {len(png):,} bytes are too many for the event log; draw it smaller")
            image = f"![{caption}](data:image/png;base64,{base64.b64encode(png).decode()})"
            return dg.MetadataValue.md(f"{text}\n\n{image}" if text else image)
        case Json(value):
            return dg.MetadataValue.json(value)
        case Link(url):
            return dg.MetadataValue.url(url)
        case StoredAt(path):
            return dg.MetadataValue.path(path)
    return detail


def _check_result(check: Check) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=check.name,
        passed=check.passed,
        severity=dg.AssetCheckSeverity.WARN if check.warn else dg.AssetCheckSeverity.ERROR,
        description=check.description,
        metadata=dict(check.numbers),
    )


def handle_errors(function: Callable[..., Any]) -> Callable[..., Any]:
    """The body of an asset, so that the UI shows first what is wrong, and only errors that may pass by themselves are retried."""

    @functools.wraps(function)
    def body(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except ConnectionError as error:
            attempt = dg.AssetExecutionContext.get().retry_number
            wait = RETRY_SECONDS * 2**attempt * random.uniform(0.75, 1.25)  # noqa: S311 -- a pause, not a secret
            raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=wait) from error
        except BadInput as error:
            raise dg.Failure(str(error), allow_retries=False) from error

    return body


def column_schema(table: Table) -> dg.TableSchema:
    """The UI's column list of a table."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=str(column.type),
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for column in table.columns
        ]
    )


def observed_version(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None = None) -> str | None:
    """The content version in the last observation of an external asset; None if it was never observed."""
    filters = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition] if partition else None)
    for record in instance.fetch_observations(filters, limit=1).records:
        return (record.event_log_entry.tags or {}).get("dagster/data_version")
    return None
