"""What a dataset on the detection chain is read from: volumes, which are not watched, and annotations, which are as far as can be.

Files of a mask are watched as files, whatever is in them; of a mask in chunks (precomputed, zarr, n5) those that describe it, as its chunks
may be millions. What lies at an address is not watched, but for tables of points.
"""

import re
from typing import Any

from synapse_assets.datasets import Annotation, CaveSource, DetectionDataset
from synapse_assets.pipeline.inputs import UNWATCHED, Input, drawn_version
from synapse_assets.stores.models import fingerprint

ANNOTATIONS = "annotation_source"
_FORMAT = re.compile(r"^(precomputed|zarr3|zarr2|zarr|n5)://(?=[a-z0-9+]+://|/)")
_DESCRIBING = ("info", "provenance", ".zarray", ".zgroup", ".zattrs", "zarr.json", "attributes.json")


def detection_inputs(dataset: DetectionDataset) -> list[Input]:
    """What the pipeline reads of a dataset and does not make."""
    return [em_volume(dataset), *([annotation_source(dataset)] if dataset.detector_from is None else [])]


def em_volume(dataset: DetectionDataset) -> Input:
    """The volumes, whose content is not watched."""
    text = f"Electron-microscopy volume of {dataset.title}: 8-bit grey values. Detectors search it.\n\n{dataset.description}"
    metadata = {name: spec.url for name, spec in dataset.volumes.items()}
    metadata["voxel_size_nm"] = str(dataset.voxel_size_nm)
    return Input(UNWATCHED, "volume_blocks", text, {"file"}, metadata)


def annotation_source(dataset: DetectionDataset) -> Input:
    """The masks and tables of points that detectors are trained on."""
    from synapse_assets.sources import source_files

    text = (
        f"What is annotated in the volumes of {dataset.title}: masks and points. Read by `annotated_objects`. Of a mask in chunks the "
        "files that describe it are watched, at an address none: materialise `annotated_objects` again where only chunks have changed."
    )
    addresses = {one.name: one.labels.url for one in dataset.annotations if one.labels is not None}
    addresses |= {
        one.name: ", ".join(source_files(one.points)) for one in dataset.annotations if one.points is not None
    }
    watched = [source for source in map(watched_files, dataset.annotations) if source is not None]
    fixed = drawn_version(dataset.generate, dataset.seed)
    if not watched and fixed is None:
        fixed = fingerprint({"not watched": addresses}, {})
    return Input(ANNOTATIONS, "annotated_objects", text, {"file"}, addresses, watched, fixed)


def watched_files(annotation: Annotation) -> Any:
    """The files of an annotation as a source that `sources.listing` lists, called like the annotation; None where none can be watched."""
    from synapse_assets.sources.listing import FilesAt

    if annotation.points is not None:
        return annotation.points.model_copy(update={"name": annotation.name})
    assert annotation.labels is not None  # noqa: S101 -- an annotation has the one or the other
    path = _FORMAT.sub("", annotation.labels.url)
    if "://" in path.removeprefix("file://"):
        return None
    return FilesAt(
        annotation.name, path, _DESCRIBING if annotation.labels.kind in ("precomputed", "zarr", "n5") else ()
    )


def without_files(dataset: DetectionDataset) -> list[str]:
    """The annotations of which no file is left. Raises BadInput for a table of points whose path is nothing."""
    from synapse_assets.sources.listing import listed

    watched = map(watched_files, dataset.annotations)
    return [
        source.name
        for source in watched
        if source is not None and not isinstance(source, CaveSource) and not listed(source)
    ]
