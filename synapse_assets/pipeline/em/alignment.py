"""Before anything is cut: do the coordinates mean in the volume what the dataset says? The verdicts, and the check before cutting."""

from logging import Logger
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.datasets import EmDataset, PointsSource, Source
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.datasets.volumes import PATIENCE
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.report import Check, Detail, Markdown, Picture, Report, Stopwatch
from synapse_assets.schema import ALIGNMENT
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import fingerprint
from synapse_assets.stores.rows import content_key

if TYPE_CHECKING:
    from synapse_assets.volumes import Volume
    from synapse_assets.volumes.alignment import Alignment

# Points of a source whose position is checked; around a few of these the volume is read.
POINTS = 4_096
# Pictures shown in the UI, those of contradicted sources first.
PICTURES = 6


def examine_sources(store: DatasetStore, dataset: EmDataset, log: Logger) -> Report:
    """Examines whether a sample of the points of each source lies in its volume where the dataset says.

    Raises BadInput if that would fetch more than a volume's download ceiling, ConnectionError for an unreachable volume.
    """
    from synapse_assets.figures.alignment import alignment_figure
    from synapse_assets.volumes.cropping import volume_remarks

    watch = Stopwatch()
    rows: list[dict[str, Any]] = []
    pictures: list[tuple[bool, str, bytes]] = []
    for source in dataset.sources:
        source_columns: dict[str, Any] = {"source": source.name, "examined": _examination_key(store, dataset, source)}
        alignment = _examine(store, dataset, source)
        if alignment is None:
            log.warning(f"source {source.name} has no synapses to examine")
            no_points = {"share_inside": 0.0, "better": False, "sentence": "The source has no synapses."}
            rows.append({**source_columns, **no_points, "verdict": "no synapses", "reading": "as given"})
            continue
        log_at_level = log.error if alignment.blocks else log.info
        log_at_level(f"source {source.name}: {alignment.verdict}: {alignment.sentence}")
        pictures.append((not alignment.blocks, source.name, alignment_figure(alignment)))
        rows += [{**source_columns, **reading} for reading in _readings(alignment)]
    table = pa.Table.from_pylist(rows, schema=ALIGNMENT.arrow)
    store.results(ALIGNMENT).write(table)
    verdicts = {row["source"]: (row["verdict"], row["sentence"]) for row in rows}
    pictures.sort(key=lambda picture: picture[0])
    return Report(
        details={
            "verdicts": Markdown(
                "\n".join(f"- **{name}**: {verdict}. {text}" for name, (verdict, text) in verdicts.items())
                or "no points"
            ),
            **volume_remarks_markdown(volume_remarks(dataset)),
            **{f"picture_{name}": Picture(png, f"alignment of {name}") for _, name, png in pictures[:PICTURES]},
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        # The verdicts alone: new positions with the old verdict make no tile out of date.
        content_version=content_key(table.select(["source", "verdict"])),
        checks=_verdict_checks(dataset, verdicts),
    )


def volume_remarks_markdown(remarks: dict[str, tuple[str, ...]]) -> dict[str, Detail]:
    """What the files of the volumes do not specify (by volume, as `volumes.cropping.volume_remarks` gives it), as a detail; empty
    where they specify everything."""
    lines = [f"- **{volume}**: {remark}" for volume, texts in remarks.items() for remark in texts]
    return {"please_check": Markdown("\n".join(lines))} if lines else {}


def require_alignment(store: DatasetStore, dataset: EmDataset) -> None:
    """Refuses to cut tiles from coordinates that were not examined as they are now, or that another reading fits better.

    Raises BadInput naming the source and the remedy.
    """
    stored = store.results(ALIGNMENT).read(None, ["source", "examined", "verdict", "sentence"]).to_pylist()
    row_of = {row["source"]: row for row in stored}
    for source in dataset.sources:
        if not store.synapse_table.source_hash(source.name):
            continue
        row = row_of.get(source.name)
        if row is None or row["examined"] != _examination_key(store, dataset, source):
            problem = (
                "have not been examined" if row is None else "or their volume have changed since they were examined"
            )
            raise BadInput(
                f"the coordinates of source {source.name} {problem}: materialise the asset 'alignment' first"
            )
        if row["verdict"] == "contradicted" and not dataset.accept_alignment:
            raise BadInput(
                f"no tile is cut, because the coordinates of source {source.name} seem to mean something else. {row['sentence']} Fix "
                "the dataset's YAML and materialise synapse_table and alignment again; if you know the coordinates to be right, "
                "set accept_alignment: true"
            )


def _examine(store: DatasetStore, dataset: EmDataset, source: Source) -> "Alignment | None":
    """The examination of a sample of the source's points; None where it has none."""
    from synapse_assets.volumes import open_volume
    from synapse_assets.volumes.alignment import examine_alignment

    sample = store.synapse_table.sample(source.name, POINTS, dataset.seed)
    if not sample.num_rows:
        return None
    volume = open_volume(dataset.volumes[source.volume])
    points_nm = sample.select(["x_nm", "y_nm", "z_nm"]).to_pandas().to_numpy()
    _require_below_ceiling(source.name, volume, points_nm)
    points_source = source if isinstance(source, PointsSource) else None
    return examine_alignment(
        volume,
        points_nm,
        points_source.units if points_source else "nm",
        dataset.seed,
        voxel_size_nm=points_source.voxel_size_nm if points_source else None,
    )


def _readings(alignment: "Alignment") -> list[dict[str, Any]]:
    """The columns of `schema.ALIGNMENT` that one examination fills, a row a reading."""
    random_score = max(alignment.random_shifts, default=None)
    verdict_columns = {"verdict": alignment.verdict, "sentence": alignment.sentence, "random_score": random_score}
    return [
        {
            **verdict_columns,
            "reading": reading.name,
            "better": reading.name == alignment.better,
            "share_inside": reading.share_inside,
            "score": reading.score,
            "why_not": reading.why_not or None,
        }
        for reading in alignment.readings
    ]


def _verdict_checks(dataset: EmDataset, verdicts: dict[str, tuple[str, str]]) -> list[Check]:
    """verdicts: verdict and sentence by source."""
    contradicted = {name: text for name, (verdict, text) in verdicts.items() if verdict == "contradicted"}
    unclear = {name: text for name, (verdict, text) in verdicts.items() if verdict == "cannot tell"}
    return [
        Check(
            "coordinates_fit",
            not contradicted or dataset.accept_alignment,
            _joined_sentences(contradicted) or "no other reading fits better",
            numbers={"contradicted": len(contradicted)},
        ),
        Check(
            "verdict_clear",
            not unclear and not contradicted,
            _joined_sentences(contradicted | unclear) or "clear",
            warn=True,
            numbers={"unclear": len(unclear)},
        ),
    ]


def _joined_sentences(verdicts: dict[str, str]) -> str:
    return "; ".join(f"{name}: {text}" for name, text in verdicts.items())


def _examination_key(store: DatasetStore, dataset: EmDataset, source: Source) -> str:
    """What a verdict on a source depends on: its positions as they are stored, how they are read, and the volume."""
    content = {
        "source": hashed_fields(source),
        "volume": hashed_fields(dataset.volumes[source.volume], exclude=PATIENCE),
        "seed": dataset.seed,
    }
    return fingerprint(content, {"places": store.synapse_table.source_hash(source.name)})


def _require_below_ceiling(source: str, volume: "Volume", points_nm: npt.NDArray[np.float64]) -> None:
    from synapse_assets.volumes.alignment import SAMPLE, box_of

    inside = points_nm[volume.contains(points_nm)][:SAMPLE]
    estimate = volume.estimate_download(inside, box_of(volume))
    ceiling = volume.spec.download_ceiling_gb
    if estimate.remote and estimate.bytes > ceiling * 1e9:
        raise BadInput(
            f"source {source}: examining the surroundings of {len(inside)} points would fetch {estimate}, above the volume's "
            f"ceiling of {ceiling:g} GB: raise download_ceiling_gb"
        )
