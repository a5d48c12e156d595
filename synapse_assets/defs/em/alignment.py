"""Before anything is cut: do the coordinates mean in the volume what the dataset says? `alignment`."""

from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.datasets import EmDataset, PointsSource, Source
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.datasets.volumes import PATIENCE
from synapse_assets.defs.metadata import Stopwatch, asset, check, picture
from synapse_assets.defs.resources import Installation
from synapse_assets.errors import BadInput
from synapse_assets.schema import ALIGNMENT
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import fingerprint
from synapse_assets.stores.rows import content_key

if TYPE_CHECKING:
    from synapse_assets.volumes import Volume

# Points of a source whose place is looked at; of these the doctor reads the surroundings of a few.
POINTS = 4_096
# Pictures shown in the UI, those of contradicted sources first.
PICTURES = 6


def alignment_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    key = dg.AssetKey([dataset.name, "alignment"])

    @asset(
        dataset,
        "3_tiles",
        "alignment",
        ALIGNMENT,
        {"parquet"},
        _settings(dataset),
        deps=[[dataset.name, "synapse_table"], [dataset.name, "em_volume"]],
        pool="download",
        check_specs=[
            dg.AssetCheckSpec(
                "coordinates_fit",
                asset=key,
                blocking=True,
                description="No other reading of the coordinates (axes, units, sections) fits the volume better than the given one.",
            ),
            dg.AssetCheckSpec(
                "verdict_clear",
                asset=key,
                description="The volume tells of every source that its coordinates fit. Where it does not, look at the picture.",
            ),
        ],
    )
    def alignment(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Whether the points of each source lie where the dataset says, judged by a sample of places in the volume.

        A row is one reading of one source's coordinates: as given, some sections above or below, with axes exchanged, in other
        units. A reading that stands out from its surroundings scores high; the scores of random shifts tell what chance does.
        Tiles are not cut while another reading beats the given one, unless the dataset says accept_alignment: true.
        """
        from synapse_assets.volumes import open_volume
        from synapse_assets.volumes.alignment import examine_alignment
        from synapse_assets.volumes.cropping import volume_remarks

        watch = Stopwatch()
        store = installation.store(dataset.name)
        rows: list[dict[str, Any]] = []
        shown: list[tuple[bool, str, bytes]] = []
        for source in dataset.sources:
            about: dict[str, Any] = {"source": source.name, "examined": _examined(dataset, store, source)}
            sample = store.synapse_table.sample(source.name, POINTS, dataset.seed)
            if not sample.num_rows:
                context.log.warning(f"source {source.name} has no synapses to examine")
                nothing = {"share_inside": 0.0, "better": False, "sentence": "The source has no synapses."}
                rows.append({**about, **nothing, "verdict": "no synapses", "reading": "as given"})
                continue
            volume = open_volume(dataset.volumes[source.volume])
            points_nm = sample.select(["x_nm", "y_nm", "z_nm"]).to_pandas().to_numpy()
            _require_below_ceiling(source.name, volume, points_nm)
            in_file = source if isinstance(source, PointsSource) else None
            found = examine_alignment(
                volume,
                points_nm,
                in_file.units if in_file else "nm",
                dataset.seed,
                voxel_size_nm=in_file.voxel_size_nm if in_file else None,
            )
            say = context.log.error if found.blocks else context.log.info
            say(f"source {source.name}: {found.verdict}: {found.sentence}")
            shown.append((found.blocks, source.name, found.picture))
            random = max(found.random_shifts, default=None)
            about |= {"verdict": found.verdict, "sentence": found.sentence, "random_score": random}
            for reading in found.readings:
                facts = {
                    "share_inside": reading.share_inside,
                    "score": reading.score,
                    "why_not": reading.why_not or None,
                }
                rows.append({**about, "reading": reading.name, "better": reading.name == found.better, **facts})
        table = pa.Table.from_pylist(rows, schema=ALIGNMENT.arrow)
        store.results(ALIGNMENT).write(table)
        verdicts = {row["source"]: (row["verdict"], row["sentence"]) for row in rows}
        contradicted = {name: text for name, (verdict, text) in verdicts.items() if verdict == "contradicted"}
        unclear = {name: text for name, (verdict, text) in verdicts.items() if verdict == "cannot tell"}
        shown.sort(key=lambda one: not one[0])
        return dg.MaterializeResult(
            metadata={
                "verdicts": dg.MetadataValue.md(
                    "\n".join(f"- **{name}**: {verdict}. {text}" for name, (verdict, text) in verdicts.items())
                    or "no points"
                ),
                **remarks_shown(volume_remarks(dataset)),
                **{f"picture_{name}": picture(png, f"alignment of {name}") for _, name, png in shown[:PICTURES]},
                **watch.numbers(table.num_rows),
            },
            # The verdicts alone: new places with the old verdict make no tile out of date.
            data_version=dg.DataVersion(content_key(table.select(["source", "verdict"]))),
            check_results=[
                check(
                    "coordinates_fit",
                    not contradicted or dataset.accept_alignment,
                    _told(contradicted) or "no other reading fits better",
                    contradicted=len(contradicted),
                ),
                check(
                    "verdict_clear",
                    not unclear and not contradicted,
                    _told(contradicted | unclear) or "clear",
                    warn=True,
                    unclear=len(unclear),
                ),
            ],
        )

    return [alignment]


def remarks_shown(remarks: dict[str, tuple[str, ...]]) -> dict[str, dg.MarkdownMetadataValue]:
    """What the files of the volumes leave open, as metadata; nothing where they leave nothing open."""
    lines = [f"- **{name}**: {remark}" for name, told in remarks.items() for remark in told]
    return {"please_check": dg.MetadataValue.md("\n".join(lines))} if lines else {}


def _told(verdicts: dict[str, str]) -> str:
    return "; ".join(f"{name}: {text}" for name, text in verdicts.items())


def require_alignment(dataset: EmDataset, store: DatasetStore) -> None:
    """Refuses to cut tiles from coordinates that were not examined as they are now, or that another reading fits better.

    Raises BadInput naming the source and the remedy.
    """
    stored = store.results(ALIGNMENT).read(None, ["source", "examined", "verdict", "sentence"]).to_pylist()
    found = {row["source"]: row for row in stored}
    for source in dataset.sources:
        if not store.synapse_table.source_hash(source.name):
            continue
        row = found.get(source.name)
        if row is None or row["examined"] != _examined(dataset, store, source):
            what = "have not been examined" if row is None else "or their volume have changed since they were examined"
            raise BadInput(f"the coordinates of source {source.name} {what}: materialise the asset 'alignment' first")
        if row["verdict"] == "contradicted" and not dataset.accept_alignment:
            raise BadInput(
                f"no tile is cut, because the coordinates of source {source.name} seem to mean something else. {row['sentence']} Mend "
                "the dataset's YAML and materialise synapse_table and alignment again; if you know the coordinates to be right, "
                "set accept_alignment: true"
            )


def _examined(dataset: EmDataset, store: DatasetStore, source: Source) -> str:
    """What a verdict on a source is about: its places as they are stored, how they are read, and the volume."""
    about = {
        "source": hashed_fields(source),
        "volume": hashed_fields(dataset.volumes[source.volume], exclude=PATIENCE),
        "seed": dataset.seed,
    }
    return fingerprint(about, {"places": store.synapse_table.source_hash(source.name)})


def _settings(dataset: EmDataset) -> dict[str, Any]:
    volumes = {name: hashed_fields(spec, exclude=PATIENCE) for name, spec in dataset.volumes.items()}
    return {**hashed_fields(dataset, include={"sources", "seed", "accept_alignment"}), "volumes": volumes}


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
