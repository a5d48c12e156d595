"""Which query strategy is best on a dataset, and which one its rounds use."""

from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.schema.labelling import STRATEGY_BENCHMARK
from synapse_assets.stores import DatasetStore

_WITHOUT_BENCHMARK = "k_means"


def recommended_strategy(store: DatasetStore, dataset: EmDataset) -> tuple[str, str]:
    """The query strategy of the next round, and in a sentence why.

    The one that the dataset file names. Where that is 'recommended': what the stored benchmark found best, random where nothing was better,
    and k-means on features where too few labels are known to ask, or nobody has asked yet. Raises BadInput for a dataset without
    `labelling`.
    """
    if dataset.labelling is None:
        raise BadInput(f"{dataset.name} is not labelled here: add 'labelling: {{}}' to its file")
    if dataset.labelling.strategy != "recommended":
        return dataset.labelling.strategy, f"The dataset file names {dataset.labelling.strategy}."
    rows = store.results(STRATEGY_BENCHMARK).read(columns=["strategy", "recommended", "sentence"]).to_pylist()
    for row in rows:
        if row["recommended"]:
            return row["strategy"], row["sentence"]
    reason = rows[0]["sentence"] if rows else "The asset strategy_benchmark has not compared strategies here yet."
    return _WITHOUT_BENCHMARK, f"{reason} So k-means on features is used."
