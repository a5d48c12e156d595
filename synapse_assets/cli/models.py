"""The commands of fitted models: put one in use, apply the file of a trained network."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from synapse_assets.cli.completion import complete_dataset, complete_model
from synapse_assets.cli.home import open_history, prepare_home
from synapse_assets.cli.selection import entry_of
from synapse_assets.settings import Settings


def promote(
    dataset: Annotated[str, typer.Argument(help="Dataset by name.", autocompletion=complete_dataset)],
    model: Annotated[
        str,
        typer.Argument(
            help="encoder, umap_model, cluster_model, synapse_classifier or another.", autocompletion=complete_model
        ),
    ],
    version: Annotated[str | None, typer.Argument(help="Default: the last refit.", show_default=False)] = None,
) -> None:
    """Put a refitted model in use.

    Materialise afterwards what it is applied to: `synapse-assets status` names it.
    """
    from synapse_assets.definitions import build_definitions
    from synapse_assets.defs.failures import failure_reason

    settings = Settings()
    prepare_home(settings, sends_runs=False)
    job = build_definitions().resolve_job_def(f"{dataset}_promote")
    config = {"model": model, **({"version": version} if version else {})}
    with open_history(settings) as instance:
        result = job.execute_in_process(
            run_config={"ops": {f"{dataset}_promote_model": {"config": config}}},
            instance=instance,
            raise_on_error=False,
        )
        if not result.success:
            Console(stderr=True).print(failure_reason(result.all_events), style="red", markup=False, soft_wrap=True)
            raise typer.Exit(1)


def predict(
    model: Annotated[Path, typer.Option(help="File of a trained network, or a folder that holds one.")],
    dataset: Annotated[
        str,
        typer.Option(
            help="Dataset whose stored tiles it is applied to: its name, or its YAML file.",
            autocompletion=complete_dataset,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
) -> None:
    """Name the class of every synapse with a trained network from a file.

    The network may come from another lab. The tiles of the dataset have to be stored; nothing of it changes.
    """
    from synapse_assets.datasets import load_dataset
    from synapse_assets.pipeline.em.network_file import predict_with_file
    from synapse_assets.stores import DatasetStore

    settings = Settings()
    loaded = load_dataset(entry_of(settings, dataset), settings.local_root)
    console = Console(highlight=False)
    store = DatasetStore(settings.data_root, loaded.name, settings.local_root)
    rows = predict_with_file(store, loaded, model, out, settings.device, partial(console.print, markup=False))
    console.print(f"{rows:,} synapses: {out}", markup=False, soft_wrap=True)
