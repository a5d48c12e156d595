"""What the pipeline reads of a dataset and does not make, and what holds where all files of a source are gone.

Files that are gone look the same whether somebody removed them or a disk is not mounted. So nothing that was read from them
is given up before the user confirms it, for one run and by the name of the source. The chain of a dataset defines its inputs;
observing them belongs to `defs`.
"""

import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets.detection_chain import DETECTION
from synapse_assets.errors import BadInput, SynapseAssetsError
from synapse_assets.schema import INPUT_FILES
from synapse_assets.stores.models import fingerprint

# The content of volumes is not watched. Other volumes show in the code version of what is made from them.
UNWATCHED = "em_volume"
# The version of the code that reads tables (`method` of their assets). 2: None and <NA> are empty, a whole number is the same
# from every kind of file, ids that a narrow float cannot hold are refused.
READING_METHOD = 2
# The detail of a report that names the sources whose rows were removed because their files are gone.
SOURCES_GONE = "sources_gone"


# Files that a note names.
_FILES_IN_NOTE = 5
# Between the two polls of a night.
QUIET_SECONDS = 5


@dataclass(frozen=True)
class Input:
    """An external asset and the sources whose files it stands for; `fixed` is its content version where no file is watched.

    reader: the asset that reads the files. metadata: the addresses of the files by source, and whatever else the UI shows of it.
    """

    asset: str
    reader: str
    description: str
    kinds: set[str]
    metadata: dict[str, str]
    sources: Sequence[Any] = ()
    fixed: str | None = None


def watched_inputs(inputs: Iterable[Input]) -> list[Input]:
    """Those of the inputs whose content can be checked."""
    return [source_input for source_input in inputs if source_input.asset != UNWATCHED]


def made_by_others(source_input: Input, dataset_name: str, data_root: str) -> list[tuple[str, str]]:
    """The assets of other datasets, as dataset and name, that write what sources of an input name: tables of a detection dataset of the
    same data root. None for a data root at an address, whose tables are no files."""
    makers: dict[tuple[str, str], None] = {}
    for source in source_input.sources:
        place = os.path.expanduser(getattr(source, "path", "").removeprefix("file://"))
        try:
            folders = Path(os.path.realpath(place)).relative_to(os.path.realpath(data_root)).parts
        except ValueError:
            continue
        if (
            len(folders) >= 3
            and folders[1] == "tables"
            and folders[2] in DETECTION.tables
            and folders[0] != dataset_name
        ):
            makers[folders[0], DETECTION.maker_of(folders[2])] = None
    return list(makers)


def drawn_version(generate: str | None, seed: int) -> str | None:
    """Content version of inputs that the pipeline draws itself (`generate` in the dataset's YAML); None where it reads files."""
    return None if generate is None else fingerprint({"drawn": generate, "seed": seed}, {})


def content_of(source_input: Input, known: Mapping[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
    """Content version of an input now, and what is known of its files by source, to be passed in the next time.

    Raises BadInput for a source that cannot be listed.
    """
    from synapse_assets.sources.listing import content_version

    if source_input.fixed is not None:
        return source_input.fixed, {}
    listings = {source.name: content_version(source, (known or {}).get(source.name)) for source in source_input.sources}
    return fingerprint({}, {name: version for name, (version, _) in listings.items()}), {
        name: files for name, (_, files) in listings.items()
    }


def confirm_removed(
    source_input: Input,
    dataset_name: str,
    without_files: Sequence[str],
    had_rows: Collection[str],
    gone: Sequence[str],
) -> dict[str, str]:
    """Details that name the sources whose rows are removed because their files are gone (`SOURCES_GONE`); empty for none.

    without_files: the sources in which no file was found; had_rows: those that the table still has rows of; gone: those whose
    files are gone and are meant to be, as the user says. Raises BadInput where a source without files that had rows is not
    named in `gone`, and where `gone` names a source that the input does not have.
    """
    names = [source.name for source in source_input.sources]
    unknown = sorted(set(gone) - set(names))
    if unknown:
        raise BadInput(f"gone names {unknown}, but the sources of {dataset_name} are {names}")
    # Where no file at all is left, a renamed source counts as well.
    nothing_left = bool(had_rows) and len(without_files) == len(names)
    lost = [name for name in names if name in without_files and (nothing_left or name in had_rows)]
    if set(lost) - set(gone):
        raise BadInput(missing_files_message(dataset_name, source_input, lost))
    return {SOURCES_GONE: ", ".join(lost)} if lost else {}


def sources_with_rows(origins: pa.Table) -> list[str]:
    """The sources that have rows, by a table of where rows came from (`schema.SYNAPSE_SOURCES`)."""
    names: list[str] = origins.filter(pc.greater(origins.column("rows"), 0)).column("source").unique().to_pylist()
    return names


def missing_files_message(dataset_name: str, source_input: Input, sources: Sequence[str]) -> str:
    """What to do where no file of these sources of an input is left."""
    from synapse_assets.datasets.yaml_text import as_yaml

    reader = source_input.reader
    addresses = ", ".join(dict.fromkeys(source_input.metadata[name] for name in sources))
    config = f"ops: {{{dataset_name}__{reader}: {{config: {{gone: [{', '.join(map(as_yaml, sources))}]}}}}}}"
    return (
        f"there is no file any more for the source{'s' * (len(sources) > 1)} {', '.join(sources)} ({addresses}); what was read of them "
        f"stays. Is the drive not mounted? Then mount it. If the files are meant to be gone, materialise {dataset_name}/{reader} once "
        f"with these words in the launchpad (Materialize, Open launchpad): {config}"
    )


def poll(
    dataset_name: str, source_input: Input, seen: Mapping[str, Any], observed: str | None = None
) -> tuple[dict[str, Any], str | None, str]:
    """Polls the files of an input: its state now, its content version if it is new and no file changes, and a note.

    `seen`: the state of the poll before; empty the first time. `observed`: the version that is on record. There is no version while
    a file changes between two polls, nor where all files of a source are gone, unless that is on record. Raises BadInput
    for a source that cannot be listed.
    """
    from synapse_assets.sources.listing import signatures

    if source_input.fixed is not None:
        return {}, source_input.fixed, ""
    by_source = {source.name: signatures(source) for source in source_input.sources}
    signatures_now = {
        f"{source}: {file}": signature for source, files in by_source.items() for file, signature in files.items()
    }
    known: dict[str, dict[str, Any]] = seen.get("known", {})
    signatures_known = {
        f"{source}: {file}": signature for source, files in known.items() for file, (signature, _) in files.items()
    }
    if signatures_now == signatures_known and "known" in seen:
        return {"known": known}, None, ""
    if signatures_now != seen.get("now"):
        changed = sorted(
            name
            for name in {*signatures_now, *signatures_known}
            if signatures_now.get(name) != signatures_known.get(name)
        )
        rest = f" and {len(changed) - _FILES_IN_NOTE} more" if len(changed) > _FILES_IN_NOTE else ""
        return (
            {**seen, "now": signatures_now},
            None,
            f"waits until these files are still: {', '.join(changed[:_FILES_IN_NOTE])}{rest}",
        )
    version, files = content_of(source_input, known)
    gone = [source for source in source_input.sources if not by_source[source.name] and known.get(source.name)]
    if (gone or not signatures_now) and version != observed:
        return (
            dict(seen),
            None,
            missing_files_message(dataset_name, source_input, [source.name for source in gone or source_input.sources]),
        )
    return {"known": files}, version, ""


def try_poll(
    dataset_name: str, source_input: Input, seen: Mapping[str, Any], observed: str | None = None
) -> tuple[dict[str, Any], str | None, str]:
    """Polls an input; one that cannot be listed stays as it was, with the reason as note."""
    try:
        return poll(dataset_name, source_input, seen, observed)
    except SynapseAssetsError as error:
        return dict(seen), None, str(error)


def poll_all(
    dataset_name: str,
    inputs: Iterable[Input],
    observed: Callable[[str], str | None],
) -> tuple[pa.Table, dict[str, str], list[str]]:
    """Polls all inputs, whatever was known before, twice with a pause between.

    `observed` gives the content version on record of an input. Gives the files, as `schema.INPUT_FILES`; the content version of
    each input whose files are still, by asset; and notes on what could not be polled.
    """
    inputs = list(inputs)
    first = {source_input.asset: try_poll(dataset_name, source_input, {})[0] for source_input in inputs}
    time.sleep(QUIET_SECONDS if any(source_input.fixed is None for source_input in inputs) else 0)
    rows: list[dict[str, str]] = []
    versions: dict[str, str] = {}
    notes = []
    for source_input in inputs:
        seen, version, note = try_poll(
            dataset_name, source_input, first[source_input.asset], observed(source_input.asset)
        )
        if version is not None:
            versions[source_input.asset] = version
        if note:
            notes.append(f"{source_input.asset}: {note}")
        rows += [
            {"input": source_input.asset, "source": source, "file": file, "signature": signature, "content": content}
            for source, files in seen.get("known", {}).items()
            for file, (signature, content) in files.items()
        ]
    return pa.Table.from_pylist(rows, schema=INPUT_FILES.arrow), versions, notes
