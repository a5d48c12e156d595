"""`synapse-assets`: a thin command over the same definitions and steps that the Dagster UI runs.

A module for each group of commands; this one puts them together. The work itself is in `defs`, `pipeline` and `stores`.
"""

from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from synapse_assets import __version__
from synapse_assets.cli.dataset_list import datasets
from synapse_assets.cli.diagnosis import doctor
from synapse_assets.cli.home import prepare_home
from synapse_assets.cli.labelling import annotator, labels
from synapse_assets.cli.materialization import materialize
from synapse_assets.cli.models import predict, promote
from synapse_assets.cli.nodes import node
from synapse_assets.cli.plan import plan
from synapse_assets.cli.probes import check_clock_set
from synapse_assets.cli.processes import explore, serve, ui
from synapse_assets.cli.report import report
from synapse_assets.cli.reproduction import reproduce
from synapse_assets.cli.site import export_site
from synapse_assets.cli.status import status
from synapse_assets.cli.table_inspection import inspect
from synapse_assets.cores import share_cores
from synapse_assets.errors import SynapseAssetsError
from synapse_assets.settings import Settings

__all__ = ["app", "prepare_home"]


# Panels of `--help`, in the order that a newcomer needs them.
_RUN, _LOOK, _DATA, _MODELS, _LABELLING, _HELP = "Run it", "Look", "Data", "Models", "Labelling", "Help"
_PANELS = (_RUN, _LOOK, _DATA, _MODELS, _LABELLING, _HELP)


class _Commands(TyperGroup):
    """The commands. Each takes its share of the cores; input that the user has to fix, settings first, ends it with a message."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Panel by panel, in each as they were added: Typer itself puts groups of commands last."""

        def panel(name: str) -> int:
            return _PANELS.index(getattr(self.commands[name], "rich_help_panel", _HELP))

        return sorted(self.commands, key=panel)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        share_cores()
        try:
            # `doctor` says itself what is wrong with the settings.
            if "--help" not in ctx.args and ctx._protected_args != ["doctor"]:
                _check_settings()
            return super().invoke(ctx)
        except SynapseAssetsError as error:
            Console(stderr=True, highlight=False).print(str(error), style="red", markup=False, soft_wrap=True)
            raise typer.Exit(2) from error


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Synapses in, maps, clusters and classifiers out.\n\nNew here? **materialize** makes two drawn samples, **explore** shows them, "
    "and **ui** shows what was made from what. Each command says more with --help.",
)


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"synapse-assets {__version__}")
        raise typer.Exit


@app.callback()
def _every_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def _check_settings() -> None:
    """What every command does first. Raises BadInput, naming the variable, for an invalid setting."""
    settings = Settings()
    check_clock_set(settings)
    if unused := settings.unused():
        note = f"{', '.join(unused)}: no setting, and no dataset names it; it has no effect"
        Console(stderr=True, highlight=False).print(note, style="yellow", markup=False, soft_wrap=True)


# A line a command: the panel that shows it, and examples, each what follows `synapse-assets`.
for _panel, _command, *_examples in (
    (
        _RUN,
        materialize,
        "materialize",
        "materialize sample --assets 'tiles+' --regions EB,AL_L",
        "materialize sample --assets '+umap_model and not group:sample_2_synapses'",
        "materialize my_brain.yaml --assets 'tiles or embeddings'",
    ),
    (_RUN, status, "status", "status sample", "status sample --json"),
    (
        _RUN,
        plan,
        "plan sample",
        "plan fafb --nodes 3 --cores 16 --mbit 4000 --gpu A100 --node-hour 1.6 --gb-month 0.023",
    ),
    (_RUN, ui, "ui", "ui --port 3001"),
    (_RUN, reproduce, "reproduce", "reproduce --yes"),
    (_RUN, serve, "serve code", "serve webserver --host 0.0.0.0 --code code:4000"),
    (_RUN, node, "node --head", "node 10.0.0.1:6379", "node 10.0.0.1:6379 -- --num-cpus 8"),
    (_LOOK, explore, "explore", "explore --labelling"),
    (_LOOK, report, "report sample", "report sample --release paper --out supplement.html"),
    (_LOOK, export_site, "export-site sample site", "export-site sample site --release paper"),
    (_DATA, datasets, "datasets", "datasets sample", "datasets my_brain.yaml"),
    (_DATA, inspect, "inspect synapses.csv", "inspect flywire_synapses_783.feather"),
    (_MODELS, predict, "predict --model network.safetensors --dataset sample --out predictions.parquet"),
    (_MODELS, promote, "promote sample synapse_classifier"),
    (_HELP, doctor, "doctor", "doctor > doctor.txt"),
):
    _lines = [f"`synapse-assets {example}`" for example in _examples]
    app.command(rich_help_panel=_panel, epilog="\n\n".join(["Examples:", *_lines]))(_command)
app.add_typer(annotator, name="annotator", rich_help_panel=_LABELLING)
app.add_typer(labels, name="labels", rich_help_panel=_LABELLING)
