"""The command `status`: of every asset when it was made, whether it is out of date and why, and what waits for a person.

What is known is collected first and printed afterwards. What makes it up to date again is `materialize`.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from synapse_assets.cli.home import open_history, prepare_home
from synapse_assets.cli.resuming import is_abandoned, unfinished_runs
from synapse_assets.cli.selection import DatasetNames, Selection, select
from synapse_assets.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

# Failed runs that are looked at, the latest first.
_FAILED_RUNS = 50
# Results of a check that are looked through for the last of each region.
_CHECKS_READ = 1_000
# Names of regions in a line, instead of their number.
_NAMES_SHOWN = 4
_COLOURS = {"running": "cyan", "failed": "red", "never made": "dim", "out of date": "yellow", "up to date": "green"}


@dataclass(frozen=True)
class FailedCheck:
    """A check that failed at last. severity: ERROR or WARN. region: None where the asset has none."""

    name: str
    severity: str
    region: str | None
    description: str


@dataclass(frozen=True)
class AssetStatus:
    """What is known of an asset. A region stands for whatever the asset is made by; it is "" where the asset has none.

    regions: those that there are. made: when it was last made, any region of it. missing: regions of which it was never made.
    out_of_date: what changed since, by region. behind: the nearest assets above it in the lineage that are out of date.
    failed: why the last attempt failed, by region. running: regions that a run makes now.
    candidate: version of a refitted model that waits to be promoted.
    """

    asset: str
    stage: str
    made: str | None
    regions: list[str]
    missing: list[str]
    out_of_date: dict[str, list[str]]
    behind: list[str]
    failed: dict[str, str]
    running: list[str]
    checks: list[FailedCheck]
    candidate: str | None

    @property
    def state(self) -> str:
        """In two words, the most urgent first."""
        if self.running:
            return "running"
        if self.failed:
            return "failed"
        if self.made is None:
            return "never made"
        return "out of date" if self.out_of_date or self.missing else "up to date"


@dataclass(frozen=True)
class RunStatus:
    """A run that is queued or at work by what the history says. abandoned: its process is gone, and the next command ends it."""

    run: str
    assets: list[str]
    region: str | None
    abandoned: bool


@dataclass(frozen=True)
class Status:
    """What is known of the datasets of a selection."""

    assets: list[AssetStatus]
    runs: list[RunStatus] = field(default_factory=list)


def status(
    datasets: DatasetNames = None,
    as_json: Annotated[bool, typer.Option("--json", help="All that is known as JSON, for scripts.")] = False,
) -> None:
    """Say of every asset when it was made, whether it is out of date and why, which checks failed and what waits to be promoted.

    An asset is out of date when its own inputs, method or settings changed; what follows from it stays up to date until it is made again,
    and names it. Makes nothing, and may be asked while runs are at work.
    """
    settings = Settings()
    home = prepare_home(settings, sends_runs=False)
    selection = select(settings, datasets or ())
    with open_history(settings) as instance:
        collected = collect_status(selection, settings, instance, home)
    if as_json:
        typer.echo(json.dumps(asdict(collected), indent=1))
    else:
        print_status(Console(highlight=False), collected, selection)


def collect_status(selection: Selection, settings: Settings, instance: "dg.DagsterInstance", home: Path) -> Status:
    """What the history and the stores know of the assets that are selected."""
    from synapse_assets.defs.automation import PARTITION_TAG

    runs = [
        RunStatus(
            run.run_id,
            sorted(key.to_user_string() for key in run.asset_selection or ()),
            run.tags.get(PARTITION_TAG),
            is_abandoned(home, run.tags),
        )
        for run in unfinished_runs(instance)
    ]
    return Status(_AssetStatuses(selection, settings, instance, runs).all(), runs)


class _AssetStatuses:
    """The status of every selected asset, of one moment; what can be asked for all assets at once is."""

    def __init__(
        self, selection: Selection, settings: Settings, instance: "dg.DagsterInstance", runs: Sequence[RunStatus]
    ) -> None:
        from synapse_assets.defs.dagster_private import Staleness

        self._instance = instance
        self._graph = selection.definitions.resolve_asset_graph()
        self._keys = [key for key in self._graph.toposorted_asset_keys if key in selection.keys]
        self._staleness = Staleness.now(selection.definitions, instance)
        entries = [record.asset_entry for record in instance.get_asset_records(self._keys)]
        self._latest = {entry.asset_key: entry.last_materialization_record for entry in entries}
        self._runs = [run for run in runs if not run.abandoned]
        self._checks = self._failed_checks()
        self._failures = self._failed_runs()
        self._candidates = _candidates(selection, settings)

    def all(self) -> list[AssetStatus]:
        """In the order of the lineage."""
        statuses: dict[dg.AssetKey, AssetStatus] = {}
        behind: dict[dg.AssetKey, set[dg.AssetKey]] = {}
        for key in self._graph.toposorted_asset_keys:
            behind[key] = set()
            for parent in self._graph.get(key).parent_keys:
                changed = parent in statuses and statuses[parent].out_of_date
                behind[key] |= {parent} if changed else behind[parent]
            if key in self._keys:
                statuses[key] = replace(self._status(key), behind=_in_words(key, behind[key]))
        return list(statuses.values())

    def _status(self, key: "dg.AssetKey") -> AssetStatus:
        node, latest, name = self._graph.get(key), self._latest.get(key), key.to_user_string()
        regions, made = [""], {""} if latest else set()
        if node.partitions_def is not None:
            regions = list(node.partitions_def.get_partition_keys(dynamic_partitions_store=self._instance))
            made = self._instance.get_materialized_partitions(key) if latest else set()
        self._staleness.read(key, made - {""})
        causes = {region: self._staleness.causes(key, region or None) for region in regions if region in made}
        return AssetStatus(
            asset=name,
            stage=str(node.group_name).removeprefix(f"{key.path[0]}_"),
            made=None if latest is None else _time(latest.timestamp),
            regions=[region for region in regions if region],
            missing=[region for region in regions if region not in made],
            out_of_date={region: _in_words(key, causes[region]) for region in causes if causes[region]},
            behind=[],
            failed=self._failures.get(key, {}),
            running=[run.region or "" for run in self._runs if name in run.assets],
            checks=self._checks.get(key, []),
            candidate=self._candidates.get(key),
        )

    def _failed_checks(self) -> "dict[dg.AssetKey, list[FailedCheck]]":
        storage = self._instance.event_log_storage
        keys = [key for key in self._graph.asset_check_keys if key.asset_key in self._latest]
        failed: dict[dg.AssetKey, list[FailedCheck]] = {}
        for info in storage.get_asset_check_partition_info(keys):
            if info.latest_execution_status.value != "FAILED":
                continue
            history = storage.get_asset_check_execution_history(info.check_key, limit=_CHECKS_READ)
            of_region = (record.evaluation for record in history if record.partition == info.partition_key)
            if (check := next(of_region, None)) is not None:
                told = FailedCheck(check.check_name, check.severity.value, info.partition_key, check.description or "")
                failed.setdefault(info.check_key.asset_key, []).append(told)
        return failed

    def _failed_runs(self) -> "dict[dg.AssetKey, dict[str, str]]":
        """Why assets failed that were not made since, by region."""
        import dagster as dg

        from synapse_assets.defs.automation import PARTITION_TAG
        from synapse_assets.defs.failures import failure_reason

        keys = {key.to_python_identifier(): key for key in self._keys}
        failures: dict[dg.AssetKey, dict[str, str]] = {}
        filters = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])
        for run in self._instance.get_runs(filters=filters, limit=_FAILED_RUNS):
            if set(self._keys).isdisjoint(run.asset_selection or ()):
                continue
            region = run.tags.get(PARTITION_TAG)
            for entry in self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
                key = keys.get(str(entry.step_key))
                if key is not None and not self._made_since(key, region, entry.timestamp):
                    reason = failure_reason([entry.get_dagster_event()]).removeprefix(f"{entry.step_key}: ")
                    failures.setdefault(key, {}).setdefault(region or "", reason)
        return failures

    def _made_since(self, key: "dg.AssetKey", region: str | None, timestamp: float) -> bool:
        import dagster as dg

        made = dg.AssetRecordsFilter(key, asset_partitions=[region] if region else None, after_timestamp=timestamp)
        return bool(self._instance.fetch_materializations(made, limit=1).records)


def _candidates(selection: Selection, settings: Settings) -> "dict[dg.AssetKey, str]":
    """The versions of refitted models that wait to be promoted."""
    from synapse_assets.datasets import chain_of
    from synapse_assets.defs.asset import asset_key
    from synapse_assets.stores import DatasetStore

    candidates: dict[dg.AssetKey, str] = {}
    for dataset in selection.datasets.values():
        store = DatasetStore(settings.data_root, dataset.name, settings.local_root)
        for model in chain_of(dataset).models_of(dataset):
            if (version := store.models(model).candidate) is not None:
                candidates[asset_key(dataset, model)] = version
    return candidates


def _in_words(key: "dg.AssetKey", causes: "Collection[dg.AssetKey | None]") -> list[str]:
    """What changed since an asset was made: its inputs by name, those of another dataset with that."""
    inputs = sorted(cause for cause in causes if cause is not None)
    names = [cause.path[-1] if cause.path[0] == key.path[0] else cause.to_user_string() for cause in inputs]
    return [*names, *(["its method or settings"] if None in causes else [])]


def _time(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp).astimezone().isoformat(sep=" ", timespec="minutes")


def print_status(console: Console, status: Status, selection: Selection) -> None:
    """Prints a line an asset, by dataset and stage, and what runs."""
    for number, dataset in enumerate(selection.datasets):
        assets = [asset for asset in status.assets if asset.asset.startswith(f"{dataset}/")]
        lines = _dataset_lines(dataset, assets, selection)
        for line in ([Text()] if number else []) + lines:
            console.print(line, soft_wrap=True)
    for run in status.runs:
        where = f" of {run.region}" if run.region else ""
        text = f"{', '.join(run.assets) or 'a job'}{where}   (run {run.run[:8]})"
        if run.abandoned:
            console.print(
                Text(f"stopped: {text}; its process is gone, the next `materialize` ends it", "yellow"), soft_wrap=True
            )
        else:
            console.print(Text(f"running: {text}", "cyan"), soft_wrap=True)


def _dataset_lines(dataset: str, assets: Sequence[AssetStatus], selection: Selection) -> list[Text]:
    counts = Counter(asset.state for asset in assets)
    head = Text(dataset, "bold")
    if counts["never made"] == len(assets):
        name = next((name for name in selection.arguments if name.endswith((".yaml", ".yml"))), dataset)
        return [head.append(f"   nothing was made yet: begin with `synapse-assets materialize {name}`", "not bold")]
    head.append("   " + ", ".join(f"{counts[state]} {state}" for state in _COLOURS if counts[state]), "not bold")
    width = max(len(asset.asset) - len(dataset) - 1 for asset in assets)
    lines = [head]
    for stage, members in groupby(sorted(assets, key=lambda asset: asset.stage), key=lambda asset: asset.stage):
        lines.append(Text(f"  {stage}", "dim"))
        lines += [_asset_line(asset, width) for asset in members]
    return lines


def _asset_line(asset: AssetStatus, width: int) -> Text:
    name = asset.asset.partition("/")[2]
    count = f"{len(asset.regions) - len(asset.missing)} of {len(asset.regions)}" if asset.regions else ""
    # The zone is the reader's own.
    line = Text(f"    {name:<{width}}  {(asset.made or '')[:16]:<16}  {count:<8}  ")
    line.append(asset.state, _COLOURS[asset.state])
    if reasons := _reasons(asset):
        line.append(f" ({'; '.join(reasons)})")
    for check in asset.checks:
        where = f" of {check.region}" if check.region else ""
        line.append("; ").append(f"check {check.name}{where} failed", "red" if check.severity == "ERROR" else "yellow")
    if asset.candidate:
        dataset = asset.asset.partition("/")[0]
        line.append(f"; candidate {asset.candidate[:8]} waits: synapse-assets promote {dataset} {name}", "yellow")
    return line


def _reasons(asset: AssetStatus) -> list[str]:
    reasons = []
    if asset.running and asset.regions:
        reasons.append(_regions(asset.running))
    for reason, regions in _by_value(asset.failed).items():
        reasons.append(_of_regions(regions, asset.regions, reason))
    for changed, regions in _by_value(
        {region: ", ".join(names) for region, names in asset.out_of_date.items()}
    ).items():
        reasons.append(_of_regions(regions, asset.regions, f"{changed} changed"))
    if asset.made is not None and asset.missing:
        reasons.append(f"{_regions(asset.missing)}: never made")
    if asset.state == "up to date" and asset.behind:
        reasons.append(f"{', '.join(asset.behind)} {'is' if len(asset.behind) == 1 else 'are'} not")
    return reasons


def _by_value(values: Mapping[str, str]) -> dict[str, list[str]]:
    keys: dict[str, list[str]] = {}
    for key, value in values.items():
        keys.setdefault(value, []).append(key)
    return keys


def _of_regions(regions: Sequence[str], all_regions: Sequence[str], text: str) -> str:
    """What is said of these regions; of all of them, or where there are none, it needs no names."""
    return text if len(regions) >= len(all_regions) else f"{_regions(regions)}: {text}"


def _regions(regions: Sequence[str]) -> str:
    return ", ".join(regions) if len(regions) <= _NAMES_SHOWN else f"{len(regions):,} regions"
