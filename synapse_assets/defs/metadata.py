"""How every asset is declared, and what the Dagster UI shows of it: columns, numbers that plot over time, pictures, progress."""

import base64
import functools
import random
import time
from collections.abc import Callable
from typing import Any

import dagster as dg

from synapse_assets.datasets import Dataset, MorphologyDataset
from synapse_assets.defs.resources import Installation
from synapse_assets.errors import BadInput
from synapse_assets.schema import Table
from synapse_assets.stores.models import fingerprint

# An unreachable server is tried again after about 30, 60 and 120 seconds.
RETRIES = 3
RETRY_SECONDS = 30.0
OWNERS = ["team:synapse-assets"]
# The UI keeps metadata in its database: a picture above this size is refused.
LARGEST_PICTURE_BYTES = 750_000
_SECONDS_BETWEEN_LOG_LINES = 10.0


def asset(
    dataset: Dataset,
    stage: str,
    name: str,
    table: Table | None,
    kinds: set[str],
    settings: object = None,
    *,
    method: int = 1,
    page: str | None = None,
    **more: Any,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`@dg.asset` for every asset alike: key, group, owners, kinds, column list, code version, and what happens on failure.

    settings: the part of the dataset's YAML that decides the content (anything that has a JSON form). method: the number of the
    way in which the asset is made; whoever changes that way adds one. When either changes, the asset shows as out of date. page:
    the page of the explorer that shows such an asset, once it is released; the UI links to it.
    Input that a person has to mend is told in its own words and not tried again; an unreachable server is, after a while.
    """
    metadata: dict[str, Any] = {"dataset": dataset.title}
    if table is not None:
        metadata["dagster/column_schema"] = column_schema(table)

    def declare(function: Callable[..., Any]) -> dg.AssetsDefinition:
        return dg.asset(
            key=[dataset.name, name],
            group_name=f"{dataset.name}_{stage}",
            owners=OWNERS,
            kinds=kinds,
            metadata=metadata,
            code_version=fingerprint({"settings": settings, "method": method}, {}),
            **more,
        )(failing_plainly(function if page is None else _linked(function, dataset, page)))

    return declare


def _linked(function: Callable[..., Any], dataset: Dataset, page: str) -> Callable[..., Any]:
    """The body of an asset, whose materialisations link to a page of the explorer: of its dataset, or of its group."""

    @functools.wraps(function)
    def body(*args: Any, installation: Installation, **kwargs: Any) -> Any:
        context = dg.AssetExecutionContext.get()
        # As `explorer.releases.shown_of` calls what has pages of its own.
        name = f"{dataset.name}.{context.partition_key}" if isinstance(dataset, MorphologyDataset) else dataset.name
        link = dg.MetadataValue.url(f"{installation.explorer_url}/{name}/{page}")
        context.add_asset_metadata({"in the explorer, as last released": link})
        return function(*args, installation=installation, **kwargs)

    return body


def failing_plainly(function: Callable[..., Any]) -> Callable[..., Any]:
    """The body of an asset, so that the UI shows first what is wrong, and only what may pass by itself is tried again."""

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


def picture(png: bytes, caption: str = "picture") -> dg.MarkdownMetadataValue:
    """A PNG image shown inline in the UI. Raises ValueError above `LARGEST_PICTURE_BYTES`."""
    if len(png) > LARGEST_PICTURE_BYTES:
        raise ValueError(f"{caption}: {len(png):,} bytes are too many for the event log; draw it smaller")
    return dg.MetadataValue.md(f"![{caption}](data:image/png;base64,{base64.b64encode(png).decode()})")


def observed_version(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None = None) -> str | None:
    """The content version in the last observation of an external asset; None if it was never observed."""
    filters = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition] if partition else None)
    for record in instance.fetch_observations(filters, limit=1).records:
        return (record.event_log_entry.tags or {}).get("dagster/data_version")
    return None


class Stopwatch:
    """Seconds since it was made, and rows a second."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._start

    def numbers(self, rows: int, computed: int | None = None) -> dict[str, float]:
        """The metadata every table asset reports: rows, seconds, and rows computed per second."""
        seconds = self.seconds
        done = rows if computed is None else computed
        return {
            "dagster/partition_row_count": rows,
            "rows": rows,
            "computed_rows": done,
            "seconds": round(seconds, 3),
            "rows_per_second": round(done / seconds, 1) if seconds > 0 else 0.0,
        }


def progress_logger(log: Callable[[str], None], what: str, total: int | None = None) -> Callable[[int], None]:
    """A function to call with the rows done so far; it logs the rate, at most every ten seconds.

    With a `total` it logs the remaining time too, and the end.
    """
    start = time.perf_counter()
    last = start

    def report(done: int) -> None:
        nonlocal last
        now = time.perf_counter()
        finished = total is not None and done >= total
        if done <= 0 or (now - last < _SECONDS_BETWEEN_LOG_LINES and not finished):
            return
        last = now
        rate = done / max(now - start, 1e-9)
        shown = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
        if total is None:
            log(f"{what}: {done:,} ({shown} per second)")
        else:
            log(f"{what}: {done:,} of {total:,} ({shown} per second, {(total - done) / rate:,.0f} s to go)")

    return report


def check(name: str, passed: bool, description: str, *, warn: bool = False, **numbers: Any) -> dg.AssetCheckResult:
    """One check's outcome; with `warn` a failure is amber and holds nothing back."""
    return dg.AssetCheckResult(
        check_name=name,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN if warn else dg.AssetCheckSeverity.ERROR,
        description=description,
        metadata=numbers,
    )
