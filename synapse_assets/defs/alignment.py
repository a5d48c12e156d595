"""Before anything is cut: do the coordinates mean in the volume what the dataset says? `alignment`."""

from typing import Any

import dagster as dg
import pyarrow as pa

from synapse_assets.datasets import Dataset, PointsSource
from synapse_assets.defs.metadata import Stopwatch, check, describe, picture
from synapse_assets.defs.resources import Installation
from synapse_assets.schema import ALIGNMENT, SYNAPSE_SOURCES, BadInput
from synapse_assets.stores import DatasetStore

# Points of a source whose place is looked at; of these the doctor reads the surroundings of a few.
POINTS = 4_096
# Pictures shown in the UI, those of contradicted sources first.
PICTURES = 6


def alignment_assets(dataset: Dataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    key = dg.AssetKey([dataset.name, "alignment"])

    @dg.asset(
        **describe(dataset, "3_tiles", "alignment", ALIGNMENT, {"parquet"}),
        deps=[[dataset.name, "synapse_table"], [dataset.name, "em_volume"]],
        pool="download",
        check_specs=[
            dg.AssetCheckSpec(
                "coordinates_fit",
                asset=key,
                blocking=True,
                description="No other reading of the coordinates (axes, units, sections) fits the volume better than the given one.",
            )
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

        watch = Stopwatch()
        store = installation.store(dataset.name)
        origins = store.results(SYNAPSE_SOURCES).read(None, ["source", "file"]).to_pylist()
        rows: list[dict[str, Any]] = []
        shown: list[tuple[bool, str, bytes]] = []
        for source in dataset.sources:
            files = [row["file"] for row in origins if row["source"] == source.name]
            sample = store.synapse_table.sample(source.volume, files, POINTS, dataset.seed)
            if not sample.num_rows:
                context.log.warning(f"source {source.name} has no synapses to examine")
                continue
            units = source.units if isinstance(source, PointsSource) else "nm"
            points_nm = sample.select(["x_nm", "y_nm", "z_nm"]).to_pandas().to_numpy()
            found = examine_alignment(open_volume(dataset.volumes[source.volume]), points_nm, units, dataset.seed)
            context.log.info(f"source {source.name}: {found.verdict}: {found.sentence}")
            shown.append((found.blocks, source.name, found.picture))
            random = max(found.random_shifts, default=None)
            common = {
                "source": source.name,
                "verdict": found.verdict,
                "sentence": found.sentence,
                "random_score": random,
            }
            for reading in found.readings:
                facts = {
                    "share_inside": reading.share_inside,
                    "score": reading.score,
                    "why_not": reading.why_not or None,
                }
                rows.append({**common, "reading": reading.name, "better": reading.name == found.better, **facts})
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
                **{f"picture_{name}": picture(png, f"alignment of {name}") for _, name, png in shown[:PICTURES]},
                **watch.numbers(table.num_rows),
            },
            check_results=[
                check(
                    "coordinates_fit",
                    not contradicted and not unclear,
                    "; ".join(f"{name}: {text}" for name, text in (contradicted | unclear).items()) or "fits",
                    warn=not contradicted or dataset.accept_alignment,
                    contradicted=len(contradicted),
                    unclear=len(unclear),
                )
            ],
        )

    return [alignment]


def require_alignment(dataset: Dataset, store: DatasetStore) -> None:
    """Refuses to cut tiles from coordinates that were not examined, or that another reading fits better. Raises BadInput."""
    if not store.results(ALIGNMENT).files():
        raise BadInput("the coordinates have not been examined: materialise the asset 'alignment' first")
    rows = store.results(ALIGNMENT).read(None, ["source", "verdict", "sentence"]).to_pylist()
    contradicted = {row["source"]: row["sentence"] for row in rows if row["verdict"] == "contradicted"}
    if contradicted and not dataset.accept_alignment:
        told = "; ".join(f"source {name}: {text}" for name, text in contradicted.items())
        raise BadInput(
            f"no tile is cut, because the coordinates seem to mean something else. {told} Mend the dataset's YAML and materialise "
            "synapse_table and alignment again; if you know the coordinates to be right, set accept_alignment: true"
        )
