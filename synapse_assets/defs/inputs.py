"""What the pipeline reads of a dataset and does not make, and what holds where all files of a source are gone.

Files that are gone look the same whether somebody removed them or a disk is not mounted. So nothing that was read from them
is given up before a person says that it is meant, for one run and by the name of the source.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from synapse_assets.datasets import EmDataset, MorphologyDataset
from synapse_assets.errors import BadInput
from synapse_assets.stores.models import fingerprint

# The volumes are not looked into. That they are other ones shows in the code version of what is made from them.
UNWATCHED = "em_volume"
# The number of the way in which tables are read (`method` of their assets). 2: None and <NA> are empty, a whole number is the same
# from every kind of file, ids that a narrow float cannot hold are refused.
READING_METHOD = 2


@dataclass(frozen=True)
class Input:
    """An external asset and the sources whose files it stands for; `fixed` is its content version where no file is watched.

    reader: the asset that reads the files.
    """

    asset: str
    reader: str
    description: str
    kinds: set[str]
    shown: dict[str, str]
    sources: Sequence[Any] = ()
    fixed: str | None = None


def inputs_of(dataset: EmDataset | MorphologyDataset) -> list[Input]:
    """What the pipeline reads of a dataset and does not make."""
    from synapse_assets.sources.workbooks import shown_address

    drawn = {"drawn": dataset.generate, "seed": dataset.seed}
    fixed = None if dataset.generate is None else fingerprint(drawn, {})
    if not isinstance(dataset, EmDataset):
        text = f"Workbooks of {dataset.title}, as the lab holds them. Read by `synapses`.\n\n{dataset.description}"
        shown = {book.name: shown_address(book.path) for book in dataset.workbooks}
        return [Input("synapse_workbooks", "synapses", text, {"excel"}, shown, dataset.workbooks, fixed)]
    text = (
        f"Synapse tables of {dataset.title}, as the lab holds them. Read by `synapse_table`.\n\n{dataset.description}"
    )
    found = [
        Input("synapse_source", "synapse_table", text, {"file"}, _addresses(dataset.sources), dataset.sources, fixed)
    ]
    text = f"Electron-microscopy volume of {dataset.title}: 8-bit grey values. Tiles are cut from it."
    shown = {name: spec.url for name, spec in dataset.volumes.items()}
    shown["voxel_size_nm"] = str(next(iter(dataset.volumes.values())).voxel_size_nm)
    found.append(Input(UNWATCHED, "synapses", text, {"file"}, shown))
    if dataset.neurons:
        text = f"Tables of the neurons of {dataset.title}: known classes, hemilineages, cell types. Read by `neurons`."
        found.append(
            Input("neuron_source", "neurons", text, {"file"}, _addresses(dataset.neurons), dataset.neurons, fixed)
        )
    return found


def watched_inputs(dataset: EmDataset | MorphologyDataset) -> list[Input]:
    """Those of the inputs whose content can be told."""
    return [one for one in inputs_of(dataset) if one.asset != UNWATCHED]


def content_of(one: Input, known: Mapping[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
    """Content version of an input now, and what is known of its files by source, to be given back the next time."""
    from synapse_assets.sources.listing import content_version

    if one.fixed is not None:
        return one.fixed, {}
    found = {source.name: content_version(source, (known or {}).get(source.name)) for source in one.sources}
    return fingerprint({}, {name: version for name, (version, _) in found.items()}), {
        name: files for name, (_, files) in found.items()
    }


class Reading(dg.Config):
    """What a person says of the sources, for one run of the asset that reads them.

    gone: names of sources whose files are gone and are meant to be.
    """

    gone: list[str] = Field(default_factory=list)


def believed_gone(
    dataset: EmDataset | MorphologyDataset,
    reader: str,
    without_files: Sequence[str],
    had_rows: Collection[str],
    reading: Reading,
) -> dict[str, Any]:
    """Metadata that names the sources whose rows go because their files are gone; empty for none.

    without_files: the sources in which no file was found; had_rows: those that the table still has rows of. Raises BadInput
    where one of both is not named in `reading`, and where a source is named that the dataset does not have.
    """
    [one] = [one for one in watched_inputs(dataset) if one.reader == reader]
    unknown = sorted(set(reading.gone) - {source.name for source in one.sources})
    if unknown:
        raise BadInput(
            f"gone names {unknown}, but the sources of {dataset.name} are {[source.name for source in one.sources]}"
        )
    # Where nothing at all is left, it does not help that a source has another name now.
    nothing_left = bool(had_rows) and len(without_files) == len(one.sources)
    lost = [
        source for source in one.sources if source.name in without_files and (nothing_left or source.name in had_rows)
    ]
    if {source.name for source in lost} - set(reading.gone):
        raise BadInput(told_gone(dataset, one, lost))
    return {"sources_gone": ", ".join(source.name for source in lost)} if lost else {}


def sources_with_rows(origins: pa.Table) -> list[str]:
    """The sources of which a table of where rows came from (`schema.SYNAPSE_SOURCES`) tells rows."""
    found: list[str] = origins.filter(pc.greater(origins.column("rows"), 0)).column("source").unique().to_pylist()
    return found


def told_gone(dataset: EmDataset | MorphologyDataset, one: Input, sources: Sequence[Any]) -> str:
    """What to do where no file of these sources is left."""
    from synapse_assets.datasets.yaml_text import as_yaml

    names = [source.name for source in sources]
    places = ", ".join(dict.fromkeys(one.shown[name] for name in names))
    words = f"ops: {{{dataset.name}__{one.reader}: {{config: {{gone: [{', '.join(map(as_yaml, names))}]}}}}}}"
    return (
        f"there is no file any more for the source{'s' * (len(names) > 1)} {', '.join(names)} ({places}); what was read of them stays. Is "
        f"the drive not mounted? Then mount it. If the files are meant to be gone, materialise {dataset.name}/{one.reader} once with "
        f"these words in the launchpad (Materialize, Open launchpad): {words}"
    )


def observe_gone(context: dg.AssetExecutionContext, dataset: EmDataset | MorphologyDataset, reader: str) -> None:
    """Records that the files of an asset's input are what they are now, so that whoever watches them believes it too."""
    [one] = [one for one in watched_inputs(dataset) if one.reader == reader]
    key = dg.AssetKey([dataset.name, one.asset])
    version, _ = content_of(one)
    context.log_event(dg.AssetObservation(key, tags={"dagster/data_version": version}))
    # This run has read what was observed just now, not what had been when it began.
    context.get_step_execution_context().wipe_input_asset_version_info(key)


def _addresses(sources: Sequence[Any]) -> dict[str, str]:
    from synapse_assets.sources import source_files

    return {source.name: ", ".join(source_files(source)) for source in sources}
