"""Which compounds make treated cells look untreated again, by the classifier that the dataset answers from.

Likeness, rescue and ranks belong to `analysis.compounds`; what a picture is called, to `predictions`.
"""

from logging import Logger

import pyarrow.compute as pc

from synapse_assets.datasets import StainingDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.report import Detail, Markdown, Picture, Report, Stopwatch
from synapse_assets.schema.staining import COMPOUND_WELLS, COMPOUNDS, IMAGE_PREDICTIONS, IMAGES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key

_FACTS = ["image_id", "plate", "well", "label", "compound", "dose"]
# Sentences that the report shows.
_SHOWN = 20


def judge_compounds(store: DatasetStore, dataset: StainingDataset, log: Logger) -> Report:
    """Ranks the compounds by how far wells that were given them look untreated again, against the controls of their own plate.

    A well with a compound and the controls of its plate are asked of the same classifier, which saw none of them where whole plates are
    held out. Raises BadInput for a well with pictures of several conditions, and where no picture was asked of that classifier.
    """
    from synapse_assets.analysis.compounds import picture_likeness, rank_compounds, well_likeness

    watch = Stopwatch()
    predictions = store.results(IMAGE_PREDICTIONS).read()
    known = pc.unique(predictions.column("classifier")).to_pylist()
    if known and dataset.answering not in known:
        raise BadInput(
            f"compounds are judged by {dataset.answering}, but pictures were asked of {', '.join(known)} only: materialise "
            "'stain_network', put the result in use if it stays a candidate, and materialise 'image_predictions' of every plate"
        )
    predictions = predictions.filter(pc.equal(predictions.column("classifier"), dataset.answering))
    images = store.results(IMAGES).read(columns=_FACTS)
    wells = well_likeness(predictions, images, dataset.treated)
    pictures = picture_likeness(predictions, images, dataset.treated)
    compounds = rank_compounds(wells, pictures, dataset.control, dataset.treated, dataset.seed)
    store.results(COMPOUND_WELLS).write(wells)
    store.results(COMPOUNDS).write(compounds)
    sentences = [row["sentence"] for row in compounds.to_pylist()]
    for sentence in sentences[:_SHOWN]:
        log.info(sentence)
    details: dict[str, Detail] = {
        "classifier": dataset.answering,
        "outcomes": Markdown("\n".join(f"- {sentence}" for sentence in sentences[:_SHOWN]) or "none"),
    }
    if wells.num_rows:
        from synapse_assets.figures.staining import dose_curves_figure, plate_figure

        control, treated = dataset.control, dataset.treated
        details["plates"] = Picture(
            plate_figure(wells, control, treated), "likeness of every well to the treated class"
        )
        curves = dose_curves_figure(compounds, wells, control, treated, dataset.dose_unit)
        details["dose_curves"] = Picture(curves, "likeness by dose")
    return Report(
        details=details,
        seconds=watch.seconds,
        rows=compounds.num_rows,
        content_version=content_key(compounds.select(["compound", "dose", "version", "sentence"])),
    )
