"""What the Dagster UI shows of an asset: column lists from the schema, numbers that plot over time, pictures, progress."""

import base64
import time
from collections.abc import Callable
from typing import Any

import dagster as dg

from synapse_assets.datasets import Dataset
from synapse_assets.schema import Table
from synapse_assets.stores.models import fingerprint

OWNERS = ["team:synapse-assets"]
# The UI keeps metadata in its database: a picture above this size is refused.
LARGEST_PICTURE_BYTES = 750_000
_SECONDS_BETWEEN_LOG_LINES = 10.0


def describe(
    dataset: Dataset, stage: str, name: str, table: Table | None, kinds: set[str], settings: object = None
) -> dict[str, Any]:
    """Arguments for `@dg.asset`: key, group, owners, kinds and the column list, alike for every asset.

    settings: the part of the dataset's YAML that decides the content (anything that has a JSON form); when it changes, the
    asset shows as stale.
    """
    metadata: dict[str, Any] = {"dataset": dataset.title}
    if table is not None:
        metadata["dagster/column_schema"] = column_schema(table)
    return {
        "key": [dataset.name, name],
        "group_name": f"{dataset.name}_{stage}",
        "owners": OWNERS,
        "kinds": kinds,
        "metadata": metadata,
        **({} if settings is None else {"code_version": fingerprint({"settings": settings}, {})}),
    }


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
        if total is None:
            log(f"{what}: {done:,} ({rate:,.0f} per second)")
        else:
            log(f"{what}: {done:,} of {total:,} ({rate:,.0f} per second, {(total - done) / rate:,.0f} s to go)")

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
