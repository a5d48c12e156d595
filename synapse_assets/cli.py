"""`synapse-assets`: materialise everything, open the UI, promote a model. Thin: the work is in the definitions and stores."""

import logging
import os
import pwd
import re
import stat
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from synapse_assets import __version__, serving
from synapse_assets.caches import keep_caches
from synapse_assets.cores import share_cores
from synapse_assets.errors import BadInput, SynapseAssetsError
from synapse_assets.settings import Settings
from synapse_assets.web import EVERYWHERE, Place
from synapse_assets.web import serve as serve_web

if TYPE_CHECKING:
    import dagster as dg


class _Commands(TyperGroup):
    """The commands. Each takes its share of the cores; input that the user has to fix, settings first, ends it with a message."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        share_cores()
        try:
            if "--help" not in ctx.args:
                _check_settings()
            return super().invoke(ctx)
        except SynapseAssetsError as error:
            Console(stderr=True, highlight=False).print(str(error), style="red", markup=False, soft_wrap=True)
            raise typer.Exit(2) from error


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    no_args_is_help=True,
    help="Synapses in, maps, clusters and classifiers out.",
)


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"synapse-assets {__version__}")
        raise typer.Exit


@app.callback()
def _every_command(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="The version.")] = False,
) -> None:
    pass


# Columns that `inspect` shows a line each, so that everything fits one screen.
_COLUMNS_SHOWN = 14
_LINE_EVERY_S = 30.0
# Unpartitioned, and after every other.
_LAST_WAVE = 1_000
# In a wheel it lies in the package, in a checkout beside it.
_DAGSTER_SETTINGS = next(
    file for file in (folder / "dagster.yaml" for folder in Path(__file__).resolve().parents[:2]) if file.exists()
)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def _check_settings() -> None:
    """What every command does first. Raises BadInput, naming the variable, for an invalid setting."""
    settings = Settings()
    fields = Settings.model_fields
    if any(getattr(settings, name) != fields[name].default for name in fields if name.endswith(("_cron", "_zone"))):
        # Only then: Dagster, whose rules these are, takes seconds to import.
        from synapse_assets.defs.schedules import check_clock

        check_clock(settings)
    if unused := settings.unused():
        note = f"{', '.join(unused)}: no setting, and no dataset names it; it has no effect"
        Console(stderr=True, highlight=False).print(note, style="yellow", markup=False, soft_wrap=True)


def prepare_home(settings: Settings) -> Path:
    """The Dagster home of this installation, `<local root>/.dagster`, with its dagster.yaml and workspace.yaml; sets DAGSTER_HOME.

    It is its owner's alone: whoever reads the history and its logs may read the secrets of a run. Raises BadInput where
    the folder cannot be made, or belongs to somebody else.
    """
    home = Path(settings.local_root) / ".dagster"
    _make_private(home)
    keep_caches(settings.local_root)
    configuration = _DAGSTER_SETTINGS.read_text(encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ["SYNAPSE_DATA_ROOT"] = settings.data_root
    os.environ["SYNAPSE_LOCAL_ROOT"] = settings.local_root
    # The first tick of automation over many regions reads much of the history; Dagster's own limit is a minute.
    os.environ.setdefault("DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS", "300")
    if settings.postgres_url is not None:
        # Dagster reads the URL from the environment; the file holds no password. Of the drivers, this is the installed one.
        url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg2://", settings.postgres_url.get_secret_value())
        os.environ["SYNAPSE_POSTGRES_URL"] = url
        configuration += "storage: {postgres: {postgres_url: {env: SYNAPSE_POSTGRES_URL}}}\n"
    serving.write_whole(home / "dagster.yaml", configuration)
    return home


def _make_private(folder: Path) -> None:
    """A folder that only its owner may enter, made or closed, with everything in it; links stay as they are."""
    remedy = "set SYNAPSE_LOCAL_ROOT to a folder of your own"
    try:
        folder.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        # A link is checked as well: somebody else's may lead to any folder of ours.
        owners = {folder.lstat().st_uid, folder.stat().st_uid} - {os.geteuid()}
    except OSError as error:
        raise BadInput(
            f"{folder}, the folder of the run history, cannot be made: {error.strerror}; {remedy}"
        ) from error
    if owners:
        owner: int | str = owners.pop()
        with suppress(KeyError):
            owner = pwd.getpwuid(int(owner)).pw_name
        raise BadInput(
            f"{folder}, the folder of the run history, belongs to user {owner}: start this as that user, or {remedy}"
        )
    real = folder.resolve()
    if not real.stat().st_mode & _OTHERS:
        return  # nobody else reaches what lies in it
    contents = (os.path.join(parent, name) for parent, folders, files in os.walk(real) for name in (*folders, *files))
    for path in chain([str(real)], contents):
        # Other processes of the installation remove files meanwhile; what is not ours lies in a closed folder.
        with suppress(FileNotFoundError, PermissionError):
            mode = os.lstat(path).st_mode
            if not stat.S_ISLNK(mode) and mode & _OTHERS:
                os.chmod(path, stat.S_IMODE(mode) & ~_OTHERS)


@app.command()
def ui(port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000) -> None:
    """The Dagster UI and daemon on 127.0.0.1, with the history of this data root. Ends with Ctrl-C; nothing is lost."""
    settings = Settings()
    home = prepare_home(settings)
    Console().print(f"Dagster UI: http://127.0.0.1:{port}   data: {settings.data_root}   history: {home}")
    with suppress(KeyboardInterrupt):
        serving.serve_all(home, Place(settings.ui_url, "SYNAPSE_UI_URL"), port)


@app.command()
def explore(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8050,
    host: Annotated[str, typer.Option(help="Where it listens. The explorer has no login.")] = "127.0.0.1",
    labelling: Annotated[
        bool, typer.Option("--labelling", help="Let who has a token label: see `synapse-assets annotator`.")
    ] = False,
) -> None:
    """The explorer in a browser: look at the released synapses, search, compare. Reads only, unless people label; runs may be writing
    meanwhile."""
    settings = Settings()
    if Path(settings.local_root).is_dir():
        keep_caches(settings.local_root)
    from synapse_assets.datasets import load_dataset
    from synapse_assets.explorer import create_app

    datasets = [load_dataset(name, settings.local_root) for name in settings.datasets]
    reached = "127.0.0.1" if host in EVERYWHERE else f"[{host}]" if ":" in host else host
    Console(highlight=False).print(f"Explorer: http://{reached}:{port}   data: {settings.data_root}", markup=False)
    app = create_app(datasets, settings.data_root, settings.explorer_url, host, labelling)
    with suppress(KeyboardInterrupt):
        serve_web(app, host, port)


class Part(StrEnum):
    """A process of an installation that runs for long."""

    code = "code"
    webserver = "webserver"
    daemon = "daemon"


@app.command()
def serve(
    part: Annotated[Part, typer.Argument(help="Which of the three processes.")],
    host: Annotated[
        str, typer.Option(help="Where code or webserver listen. Dagster has no login of its own.")
    ] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Default: 3000 for the webserver, 4000 for the code.")] = None,
    code: Annotated[str, typer.Option(help="Host and port of the code, for webserver and daemon.")] = "127.0.0.1:4000",
) -> None:
    """One process of an installation that runs for long: the code (and the runs), the webserver, or the daemon."""
    settings = Settings()
    home = prepare_home(settings)
    code_host, _, code_port = code.partition(":")
    workspace = serving.write_workspace(
        home / f"workspace-{part.value}.yaml", {"host": code_host, "port": int(code_port)}
    )
    if part is Part.code:
        serving.become(serving.code_server("--host", host, "--port", str(port or 4000)))
    elif part is Part.daemon:
        serving.become(serving.daemon(workspace))
    with suppress(KeyboardInterrupt):
        serving.serve_dagster_ui(workspace, Place(settings.ui_url, "SYNAPSE_UI_URL", host), port or 3000)


@app.command()
def promote(
    dataset: str, model: str, version: Annotated[str | None, typer.Argument(help="Default: the candidate.")] = None
) -> None:
    """Put a refitted model in use. Materialise what it is applied to afterwards."""
    import dagster as dg

    from synapse_assets.definitions import build_definitions
    from synapse_assets.defs.failures import failure_reason

    prepare_home(Settings())
    job = build_definitions().resolve_job_def(f"{dataset}_promote")
    config = {"model": model, **({"version": version} if version else {})}
    with dg.DagsterInstance.get() as instance:
        result = job.execute_in_process(
            run_config={"ops": {f"{dataset}_promote_model": {"config": config}}},
            instance=instance,
            raise_on_error=False,
        )
        if not result.success:
            Console(stderr=True).print(failure_reason(result.all_events), style="red", markup=False, soft_wrap=True)
            raise typer.Exit(1)


@app.command()
def inspect(
    file: Annotated[str, typer.Argument(help="CSV, TSV, Parquet, Feather, JSON, SQLite or an Excel workbook.")],
    header: Annotated[
        str | None, typer.Option(help="Names of the columns, with commas, for text without them.")
    ] = None,
    table: Annotated[str | None, typer.Option(help="Table of an SQLite file, or sheet of a workbook.")] = None,
) -> None:
    """What a table is: its format, columns, units, regions and problems, and the lines to paste into a dataset."""
    from rich.table import Table

    from synapse_assets.sources.inspect import inspect_file

    console = Console(highlight=False)
    try:
        inspected = inspect_file(file, header.split(",") if header else None, table)
    except SynapseAssetsError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    facts = Table.grid(padding=(0, 2))
    for label, text in inspected.facts():
        facts.add_row(f"[bold]{label}[/bold]", escape(text))
    for problem in inspected.problems:
        facts.add_row("[bold yellow]note[/bold yellow]", escape(problem))
    console.print(facts)
    columns = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("column", "type", "examples", "empty"):
        # Users copy the names: the examples give way first.
        width = {
            "column": max((len(column.name) for column in inspected.columns[:_COLUMNS_SHOWN]), default=6),
            "empty": 5,
        }
        columns.add_column(
            title,
            no_wrap=True,
            overflow="ellipsis",
            justify="right" if title == "empty" else "left",
            min_width=width.get(title),
        )
    first_columns = inspected.columns[:_COLUMNS_SHOWN]
    for column in first_columns:
        columns.add_row(*map(escape, (column.name, column.type, ", ".join(column.examples), f"{column.empty or ''}")))
    console.print(columns)
    if len(inspected.columns) > len(first_columns):
        other_names = ", ".join(column.name for column in inspected.columns[len(first_columns) :])
        console.print(
            f"and {len(inspected.columns) - len(first_columns)} more: {other_names}", markup=False, soft_wrap=True
        )
    if inspected.source:
        destinations = {
            "morphology": "below its name, title and description",
            "published_labels": "beside its workbooks, chain: morphology",
        }
        destination = destinations.get(inspected.format or "", "volume: the name of yours")
        console.print(f"[bold]for a dataset's YAML[/bold] ({destination})")
        console.print(inspected.source, markup=False, soft_wrap=True, end="")


@app.command()
def predict(
    model: Annotated[Path, typer.Option(help="File of a trained network, or a folder that holds one.")],
    dataset: Annotated[
        str, typer.Option(help="Dataset whose stored tiles it is applied to: its name, or its YAML file.")
    ],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
) -> None:
    """Name the class of every synapse with a network from a file, such as that of another lab. Nothing of the dataset changes."""
    from synapse_assets.datasets import load_dataset
    from synapse_assets.pipeline.em.network_file import predict_with_file
    from synapse_assets.stores import DatasetStore

    settings = Settings()
    loaded = load_dataset(dataset, settings.local_root)
    console = Console(highlight=False)
    store = DatasetStore(settings.data_root, loaded.name, settings.local_root)
    rows = predict_with_file(store, loaded, model, out, settings.device, partial(console.print, markup=False))
    console.print(f"{rows:,} synapses: {out}", markup=False, soft_wrap=True)


annotator = typer.Typer(no_args_is_help=True, help="Who may label in the explorer: named people with a token each.")
app.add_typer(annotator, name="annotator")
labels = typer.Typer(no_args_is_help=True, help="The answers that people gave, as CSV.")
app.add_typer(labels, name="labels")


@annotator.command("add")
def add_annotator(name: Annotated[str, typer.Argument(help="Name that the answers are kept under.")]) -> None:
    """Add a person, and print the token that they log in with. It is shown this once: to replace it, remove the name and add it again."""
    from synapse_assets.stores.annotators import Annotators

    settings = Settings()
    token = Annotators(Path(settings.local_root)).add(name)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(f"token of {name.strip()}, shown this once: {token}")
    console.print(f"log in at {settings.explorer_url}/labelling (`synapse-assets explore --labelling`)")


@annotator.command("remove")
def remove_annotator(name: Annotated[str, typer.Argument(help="Name as `annotator list` shows it.")]) -> None:
    """End the token of a person, at once. Their answers stay."""
    from synapse_assets.stores.annotators import Annotators

    Annotators(Path(Settings().local_root)).remove(name)


@annotator.command("list")
def list_annotators() -> None:
    """Print the names of all who may label, one a line."""
    from synapse_assets.stores.annotators import Annotators

    for name in Annotators(Path(Settings().local_root)).names():
        typer.echo(name)


_LABELLED = Annotated[str, typer.Argument(help="Dataset that was labelled: its name, or its YAML file.")]


@labels.command("export")
def export_labels(dataset: _LABELLED, file: Annotated[Path, typer.Argument(help="CSV file to write.")]) -> None:
    """Write every answer, undo and adjudication as it was given. The file names people: it is its owner's alone."""
    from synapse_assets.datasets import load_dataset
    from synapse_assets.pipeline.labelling.spreadsheets import export_answers
    from synapse_assets.stores import DatasetStore

    settings = Settings()
    store = DatasetStore(settings.data_root, load_dataset(dataset, settings.local_root).name, settings.local_root)
    if not file.parent.is_dir():
        raise BadInput(f"{file}: there is no folder {file.parent}; make it, or name another")
    serving.write_whole(file, export_answers(store))
    rows = store.annotation_log.count
    typer.echo(f"{rows:,} row{'' if rows == 1 else 's'}: {file}")


@labels.command("import")
def import_labels(
    dataset: _LABELLED,
    file: Annotated[
        Path, typer.Argument(help="CSV file with the columns synapse_id and answer, or those of an export.")
    ],
    annotator: Annotated[str | None, typer.Option(help="Whose answers they are, where the file does not say.")] = None,
) -> None:
    """Take answers from a CSV file: all of it, or nothing where a line is wrong. What is stored already adds nothing."""
    from synapse_assets.datasets import load_dataset
    from synapse_assets.pipeline.labelling.spreadsheets import import_answers
    from synapse_assets.stores import DatasetStore

    settings = Settings()
    loaded = load_dataset(dataset, settings.local_root)
    store = DatasetStore(settings.data_root, loaded.name, settings.local_root)
    new = import_answers(store, loaded, file, annotator)
    typer.echo(f"{new:,} new answer{'' if new == 1 else 's'}")


@labels.command("export-sites")
def export_reviewed_sites(
    dataset: Annotated[
        str, typer.Argument(help="Dataset whose volumes were looked through: its name, or its YAML file.")
    ],
    folder: Annotated[Path, typer.Argument(help="Folder to make.")],
) -> None:
    """Write the boxes that people looked through as a dataset of their own: sites, masks, and a YAML that trains on them. No names."""
    from logging import getLogger

    from synapse_assets.datasets import DetectionDataset, load_dataset
    from synapse_assets.pipeline.detection.labelling.export import DATASET_FILE, export_sites
    from synapse_assets.stores import DatasetStore

    settings = Settings()
    loaded = load_dataset(dataset, settings.local_root)
    if not isinstance(loaded, DetectionDataset) or loaded.labelling is None:
        raise BadInput(f"{loaded.name}: people look through volumes of datasets with chain: detection and labelling")
    store = DatasetStore(settings.data_root, loaded.name, settings.local_root)
    boxes, sites = export_sites(store, loaded, folder, getLogger(__name__))
    typer.echo(f"{boxes:,} boxes with {sites:,} sites: {folder / DATASET_FILE}")


@app.command()
def materialize() -> None:
    """Materialise every asset of the enabled datasets, region by region or group by group, and print where everything is."""
    console = Console(highlight=False)
    started = time.perf_counter()
    settings = Settings()
    home = prepare_home(settings)
    import dagster as dg

    from synapse_assets.datasets import load_dataset
    from synapse_assets.definitions import build_definitions
    from synapse_assets.defs.failures import failure_reason
    from synapse_assets.defs.labelling import register_due_round

    try:
        datasets = {one.name: one for one in (load_dataset(name, settings.local_root) for name in settings.datasets)}
        definitions = build_definitions(settings, datasets=list(datasets.values()))
    except SynapseAssetsError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    failures: dict[str, str] = {}
    with dg.DagsterInstance.get() as instance:
        job = definitions.resolve_implicit_global_asset_job_def()
        waves = list(_waves(definitions))
        for number, (partitions, keys) in enumerate(waves, start=1):
            dataset, names = keys[0].path[0], ", ".join(key.path[-1] for key in keys)
            if dataset in failures:
                continue
            register_due_round(datasets[dataset], partitions, settings, instance)
            parts = [None] if partitions is None else partitions.get_partition_keys(dynamic_partitions_store=instance)
            for part in parts:
                where = f"{dataset} {part}" if part else dataset
                if where in failures:
                    continue
                began = time.perf_counter()
                run_id = str(uuid4())
                with _report_progress(console, f"[{number}/{len(waves)}]", where) as event:
                    instance.add_event_listener(run_id, event)
                    result = job.execute_in_process(
                        asset_selection=keys,
                        partition_key=part,
                        instance=instance,
                        raise_on_error=False,
                        run_id=run_id,
                        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                    )
                mark = "[green]done[/green]" if result.success else "[red]failed[/red]"
                console.print(
                    f"[{number}/{len(waves)}] {time.perf_counter() - began:6.1f} s  {mark}  {where}: {names}",
                    soft_wrap=True,
                )
                if not result.success:
                    # A region or group that fails is left out from here on; a step for all of them ends the dataset.
                    failures[where] = failure_reason(result.all_events)
    for where, reason in failures.items():
        console.print(f"{where}: {reason}", style="red", markup=False, soft_wrap=True)
    for name in dict.fromkeys(key.path[0] for _, keys in waves for key in keys):
        _summary(console, settings, name)
    console.print(f"\nRun history: {home}   ({time.perf_counter() - started:.0f} s in all)")
    console.print("Next: [bold]make ui[/bold], then http://127.0.0.1:3000/asset-groups (lineage) and /runs (history)")
    console.print("      [bold]make explore[/bold], then http://127.0.0.1:8050: what the synapses look like")
    if failures:
        raise typer.Exit(1)


@contextmanager
def _report_progress(console: Console, number: str, where: str) -> "Iterator[Callable[[dg.EventLogEntry], None]]":
    """Prints what a run is doing, beside the spinner of a terminal or in a line every half minute; give it the run's events."""
    began = time.perf_counter()
    latest = asset = where
    ended = threading.Event()

    def print_lines() -> None:
        while not ended.wait(_LINE_EVERY_S):
            console.print(
                f"{number} {time.perf_counter() - began:6.1f} s  ...   {latest}", soft_wrap=True, markup=False
            )

    with console.status(escape(f"{number} {where} ...")) as status:

        def event(entry: "dg.EventLogEntry") -> None:
            nonlocal latest, asset
            if not entry.is_dagster_event and int(entry.level) >= logging.INFO:
                latest = f"{asset}: {entry.user_message}"
            elif entry.dagster_event is not None and entry.dagster_event.event_type_value == "STEP_START":
                latest = asset = f"{where}: {str(entry.step_key).partition('__')[2]}"
            else:
                return
            status.update(escape(f"{number} {latest} ..."))

        printer = threading.Thread(target=print_lines, daemon=True)
        if not console.is_terminal:
            printer.start()
        try:
            yield event
        finally:
            ended.set()


def _waves(definitions: "dg.Definitions") -> "Iterator[tuple[dg.PartitionsDefinition | None, list[dg.AssetKey]]]":
    """Assets in an order that can be run: unpartitioned ones together, then those of a partition set, and so on; a dataset after those that
    it takes something from. What is observed of an asset is there when that was made.

    What publishes comes last: a release takes along what it does not wait for.
    """
    from synapse_assets.datasets import CHAINS, Role

    graph = definitions.resolve_asset_graph()
    publishing = {name for chain in CHAINS.values() for name in chain.names(Role.PUBLISH)}
    waves: dict[tuple[str, int, str], list[dg.AssetKey]] = {}
    # Of every asset its wave, and the partitions that are made in it.
    made_in: dict[dg.AssetKey, tuple[int, str]] = {}
    taken_from: dict[str, set[str]] = {}
    for key in graph.toposorted_asset_keys:
        node = graph.get(key)
        taken_from.setdefault(key.path[0], set()).update(parent.path[0] for parent in node.parent_keys)
        parents = [made_in[parent] for parent in sorted(node.parent_keys) if parent in made_in]
        if not node.is_materializable:
            own = [
                made_in[parent] for parent in node.parent_keys if parent in made_in and parent.path[0] == key.path[0]
            ]
            if own:
                made_in[key] = max(own)
            continue
        # An even wave is unpartitioned, an odd one runs partition by partition.
        wave, partitions = (0, "") if node.partitions_def is None else (1, _set_of(node.partitions_def))
        for before, of_parent in parents:
            others = 2 if partitions and of_parent and partitions != of_parent else 0
            wave = max(wave, before + ((before + wave) % 2 or others))
        made_in[key] = wave, partitions
        if key.path[-1] in publishing and node.partitions_def is None:
            wave = _LAST_WAVE
        waves.setdefault((key.path[0], wave, partitions), []).append(key)
    for dataset in _in_order(taken_from):
        for keys in (waves[at] for at in sorted(waves) if at[0] == dataset):
            yield graph.get(keys[0]).partitions_def, keys


def _set_of(partitions: "dg.PartitionsDefinition") -> str:
    """What tells a set of partitions from others of its dataset."""
    return str(getattr(partitions, "name", None) or "parts")


def _in_order(taken_from: Mapping[str, Collection[str]]) -> list[str]:
    """The names, each after those that it takes something from, else by the alphabet. Two may take from each other."""
    order: list[str] = []
    seen: set[str] = set()

    def add(name: str) -> None:
        if name not in seen:
            seen.add(name)
            for other in sorted(taken_from.get(name, ())):
                add(other)
            order.append(name)

    for name in sorted(taken_from):
        add(name)
    return order


def _summary(console: Console, settings: Settings, dataset: str) -> None:
    from synapse_assets.query import open_warehouse

    try:
        warehouse = open_warehouse(dataset, settings.data_root)
    except SynapseAssetsError as error:
        console.print(f"\n{dataset}: {error}", markup=False)
        return
    with warehouse:
        folder = f"{settings.data_root}/{dataset}"
        console.print(f"\n[bold]{dataset}[/bold]   {folder}")
        for name, entry in warehouse.release["tables"].items():
            console.print(f"  {name:<22}{entry['rows']:>10,} rows")
        console.print(f"  warehouse             {folder}/warehouse.duckdb")
        for name, scores in warehouse.release["scores"].items():
            scores_text = "   ".join(
                f"{key} {value if isinstance(value, str) else f'{value:.3g}'}" for key, value in scores.items()
            )
            console.print(f"  {name:<22}{scores_text}", soft_wrap=True)
