"""One release of a dataset, open for queries: SQL, similar synapses, facts and pictures.

The work is done by the parts that `Warehouse` is composed of: `release_file`, `released_points`, `neurons`, `similarity`, `pictures`,
`stained_pictures`, `detection`.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from synapse_assets.datasets import Dataset, load_dataset
from synapse_assets.errors import BadInput
from synapse_assets.query.detection import DetectionResults
from synapse_assets.query.explanations import Explanation, Explanations, Offer
from synapse_assets.query.kept_pictures import KeptPictures
from synapse_assets.query.neurons import ALL_NEURONS, Neuron, NeuronRequest, Neurons
from synapse_assets.query.pictures import PictureEncoder, Pictures, cut_tile
from synapse_assets.query.points import Filters, Points
from synapse_assets.query.release_file import ReleaseFile
from synapse_assets.query.released_points import chosen_group, read_points, read_stability
from synapse_assets.query.request import SearchRequest
from synapse_assets.query.search import Metric, Vectors
from synapse_assets.query.similarity import ReleasedVectors, Similarity, stored_encoders
from synapse_assets.query.stained_pictures import StainedPictures
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore

if TYPE_CHECKING:
    from PIL import Image

    from synapse_assets.vision.encoder import Encoder


def open_warehouse(
    dataset: str | Dataset = "sample",
    data_root: str | Path | None = None,
    release: str | None = None,
    group: str | None = None,
) -> "Warehouse":
    """The released results of a dataset, read-only.

    `dataset` is its name, the path of its YAML file, or what `load_dataset` gave. `data_root` is a folder or an address,
    by default that of the settings. `release` is the name of a frozen release (`stores.releases`), by default the current
    one. `group`: of a dataset with investigation groups, the one whose map and clusters `points` has; by default the
    first. Raises BadInput if none has been published, or none of that name.
    """
    settings = Settings() if data_root is None else Settings(data_root=str(data_root))
    if isinstance(dataset, str) and Path(dataset).suffix in (".yaml", ".yml"):
        dataset = load_dataset(dataset, settings.local_root)
    name = dataset if isinstance(dataset, str) else dataset.name
    store = DatasetStore(settings.data_root, name, settings.local_root)
    return Warehouse(store, release, None if isinstance(dataset, str) else dataset, group)


class Warehouse:
    """One release of one dataset: SQL over its tables and similarity search over its vectors."""

    def __init__(
        self,
        store: DatasetStore,
        release: str | None = None,
        dataset: Dataset | None = None,
        group: str | None = None,
        copy: Path | None = None,
    ) -> None:
        self._store, self._dataset, self._group = store, dataset, group
        self._file = ReleaseFile(store, release, copy)
        self._similarities: dict[str, Similarity] = {}
        self.release: dict[str, Any] = self._file.release

    def __enter__(self) -> "Warehouse":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def is_outdated(self) -> bool:
        """Whether another release was published since this one was opened."""
        return self._file.is_outdated()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @cached_property
    def release_id(self) -> str:
        """Identifies this release within the dataset: 12 hexadecimal digits of a hash of its content."""
        return hashlib.sha256(json.dumps(self.release, sort_keys=True).encode()).hexdigest()[:12]

    # Tables

    def sql(self, query: str, parameters: list[Any] | None = None) -> pd.DataFrame:
        """The result of a DuckDB query over the tables (`show tables` lists them). Identifiers stay whole 64-bit numbers.

        It reads this release and nothing else: no files, no network, no variables of Python, no settings. For anything else open
        the file with plain duckdb. Raises duckdb.Error for a query that is wrong or asks for more.
        """
        return self._file.sql(query, parameters)

    @cached_property
    def group(self) -> str | None:
        """The investigation group whose map and clusters `points` has; None for a dataset without such groups."""
        return chosen_group(self._file, self._group)

    @cached_property
    def points(self) -> Points:
        """Every synapse of the release, or of one of its investigation groups; read once and kept."""
        return read_points(self._file, self.group)

    def columns_of(self, table: str, columns: Sequence[str]) -> pa.Table | None:
        """Those columns of all rows of a released table, in no particular order; None where the release has no such table."""
        if table not in self.release["tables"]:
            return None
        return self._file.table(f"select {', '.join(columns)} from {table}")  # noqa: S608

    def probabilities(self, synapse_id: str) -> dict[str, float]:
        """Probability of each class as the classifier gave it, the most probable first; empty without a prediction.

        Raises BadInput for an unknown id.
        """
        stored_id = self.points.ids[self.points.row(synapse_id)].as_py()
        if "synapse_predictions" not in self.release["tables"]:
            return {}
        query = "select probabilities from synapse_predictions where synapse_id = ?"
        rows = self._file.table(query, [stored_id]).column(0).to_pylist()
        classes: dict[str, float] = dict((rows[0] if rows else None) or {})
        return dict(sorted(classes.items(), key=lambda entry: -entry[1]))

    def cluster_cards(self) -> list[dict[str, Any]]:
        """The clusters as `cluster_cards` describes them, noise (-1) first; empty where there are none."""
        return self._rows("select * from cluster_cards order by cluster", "cluster_cards")

    def stability(self) -> dict[str, Any]:
        """How far the clusters of `points` can be trusted: their `verdict`, the `sentence` with its reason, and scores over resampled
        fits where there are any. Read this before the clusters."""
        return read_stability(self._file, self.group)

    # Neurons and answers

    def neuron(self, neuron_id: int) -> Neuron:
        """The answer of a neuron, its synapses, the surest first, and what would change the answer; see `Neuron`.

        Without the tables `neuron_answers` and `synapse_answers` in the release only the synapses. Raises UnknownNeuron, a BadInput,
        for an id that no synapse has.
        """
        return self._neurons.neuron(neuron_id)

    def neurons(
        self, request: NeuronRequest = ALL_NEURONS, limit: int | None = None, offset: int = 0
    ) -> list[dict[str, Any]]:
        """The rows of `neuron_answers` that a request names, in its order, with maps as dicts; empty without that table."""
        return self._neurons.listed(request, limit, offset)[0]

    def count_neurons(self, request: NeuronRequest = ALL_NEURONS) -> int:
        """How many rows `neurons` gives without a limit."""
        return self._neurons.listed(request, 0, 0)[1]

    def neuron_counts(self, column: Literal["answer", "target"]) -> dict[str, int]:
        """How many neurons have each answer, 'unclear' included, or each known class."""
        return self._neurons.counts(column)

    def codex_neurons(self) -> pd.DataFrame:
        """The answers by the columns of Codex's `neurons.csv`: root_id, group, nt_type, nt_type_score, da_avg, ...

        See `analysis.evaluation.codex`. No rows without the table `neuron_answers`.
        """
        return self._neurons.codex()

    def similar_neurons(self, neuron_id: int, k: int = 10) -> pd.DataFrame:
        """The `k` other neurons whose synapses look most alike on the whole, most alike first.

        By cosine similarity of the mean vectors of their synapses, with the vectors of the release. Up to `EXACT_BELOW` synapses, of
        all neurons; above, of those that have the synapses nearest to the mean vector. Columns: `neuron_id`, `similarity`,
        `synapses`, and where neurons have answers `answer`, `probability`, `class_set` and `target`. Raises UnknownNeuron, and
        BadInput where there are no vectors.
        """
        code = self._neurons.code(neuron_id)
        codes, cosines = self._similarity_by(None).similar_neurons(code, k)
        sizes = np.bincount(
            self.points.neurons[np.isin(self.points.neurons, codes)], minlength=len(self.points.neuron_ids)
        )
        ids = self.points.neuron_ids.take(codes).to_pandas()
        alike = pd.DataFrame({"neuron_id": ids, "similarity": cosines, "synapses": sizes[codes]})
        answers = self._neurons.answers(ids.tolist())
        return alike if answers is None else alike.merge(answers, on="neuron_id", how="left")

    def synapse_answer(self, synapse_id: str) -> dict[str, Any] | None:
        """The row of `synapse_answers` of a synapse, its probabilities as a dict, the most probable first; None where there is none.

        Raises BadInput for an unknown id.
        """
        stored_id = self.points.ids[self.points.row(synapse_id)].as_py()
        for row in self._rows("select * from synapse_answers where synapse_id = ?", "synapse_answers", [stored_id]):
            falling = sorted(row["probabilities"], key=lambda entry: -entry[1])
            return {**row, "probabilities": dict(falling)}
        return None

    def calibration_scores(self) -> list[dict[str, Any]]:
        """The rows of `calibration_scores`, in their order; empty where there are none."""
        return self._rows("select * from calibration_scores", "calibration_scores")

    def classifiers(self) -> list[dict[str, Any]]:
        """The rows of `classifier_comparison`, in their order; empty where there are none."""
        return self._rows("select * from classifier_comparison", "classifier_comparison")

    def network_cards(self) -> dict[str, str]:
        """The model card of every trained network, Markdown by name; empty where there are none."""
        return {row["network"]: row["card"] for row in self._rows("select * from network_cards", "network_cards")}

    def explanation_checks(self) -> list[dict[str, Any]]:
        """The rows of `explanation_checks`, in their order; empty where there are none."""
        return self._rows("select * from explanation_checks", "explanation_checks")

    def explained(self, synapse_id: str | None = None) -> list[dict[str, Any]]:
        """The rows of `explanations` without their maps, of one synapse or of all, by classifier, method, region and id; empty where there
        are none."""
        query = """select * from explanations where $id is null or synapse_id = $id
            order by classifier, method, brain_region, synapse_id"""
        return self._rows(query, "explanations", {"id": synapse_id})

    def class_differences(self) -> list[dict[str, Any]]:
        """The rows of `class_differences`, in their order; empty where there are none."""
        return self._rows("select * from class_differences", "class_differences")

    def scorecard(self) -> list[dict[str, Any]]:
        """The rows of `retrieval_scorecard`, in its order; empty where there are none."""
        return self._rows("select * from retrieval_scorecard", "retrieval_scorecard")

    def compression_report(self) -> list[dict[str, Any]]:
        """The rows of `compression_report`, in its order; empty where there are none."""
        return self._rows("select * from compression_report", "compression_report")

    # Similarity

    @property
    def encoders(self) -> tuple[str, ...]:
        """The encoders whose vectors can be compared: that of the release, then others that have vectors now, newest first."""
        if not self.has_pictures:
            return ()
        with self._file.damage_explained("vectors", self._store.folder.child("vectors").root, "embeddings"):
            stored = stored_encoders(self._store)
        return tuple(dict.fromkeys([str(self.release["models"]["encoder"]), *stored]))

    @property
    def has_pictures(self) -> bool:
        """Whether the dataset has tiles and vectors."""
        return "embeddings" in self.release["tables"]

    @cached_property
    def vectors(self) -> Vectors:
        """The vectors of the release, in the order of `points`; read once and kept. Raises BadInput where there are none."""
        return self._released_vectors.read(self.points)

    @cached_property
    def stored_vectors(self) -> Vectors:
        """The same vectors, left in their table and read as they are asked for, however few they are."""
        return self._released_vectors.stored(self.points)

    @property
    def _released_vectors(self) -> ReleasedVectors:
        if not self.has_pictures:
            raise BadInput(
                f"{self._store.dataset} has no pictures of its synapses, and so nothing to search with: similarity is for "
                "datasets with a volume"
            )
        return ReleasedVectors(self._store, self._file)

    def similar(
        self,
        synapse_id: str | SearchRequest | None = None,
        *,
        image: npt.NDArray[np.uint8] | None = None,
        place_nm: Sequence[float] | None = None,
        k: int = SearchRequest.k,
        columns: str | None = None,
        metric: Metric = SearchRequest.metric,
        filters: Filters = SearchRequest.filters,
        where: str = SearchRequest.where,
        leave_out_own_neuron: bool = SearchRequest.leave_out_own_neuron,
        leave_out_within_nm: float = SearchRequest.leave_out_within_nm,
        most_columns: int | None = None,
        encoder: str | None = SearchRequest.encoder,
    ) -> pd.DataFrame:
        """The `k` synapses whose vectors are nearest, nearest first; or the `k` nearest of each class, side by side.

        Give a `SearchRequest` alone, or what it is made of: `similar("s1", k=5)` is `similar(SearchRequest("s1", k=5))`. See there for
        what each argument means.

        Exact up to `EXACT_BELOW` synapses; above, cosine distance goes through the index (see the asset `vector_index`).

        Columns: `column` (the class, where `columns` is given), those of `Points.frame`, and `distance`. Raises BadInput for an
        unknown id, column, class or metric, a wrong condition, an image that does not fit the encoder, a place outside the
        volume, a filter that leaves nothing, or unless exactly one of synapse_id, image and place_nm is given.
        """
        options: dict[str, Any] = {
            "image": image,
            "place_nm": place_nm,
            "k": k,
            "columns": columns,
            "metric": metric,
            "filters": filters,
            "where": where,
            "leave_out_own_neuron": leave_out_own_neuron,
            "leave_out_within_nm": leave_out_within_nm,
            "most_columns": most_columns,
            "encoder": encoder,
        }
        if not isinstance(synapse_id, SearchRequest):
            return self.similar(SearchRequest(synapse_id, **options))
        overrides = [name for name, value in options.items() if value is not getattr(SearchRequest, name)]
        if overrides:
            raise BadInput(
                f"a SearchRequest says all of a search: give it alone, and {', '.join(overrides)} inside of it"
            )
        return self._similarity_by(synapse_id.encoder).similar(synapse_id)

    def typical(self, among: npt.NDArray[np.bool_], k: int) -> npt.NDArray[np.int64]:
        """Rows of the `k` points, of those marked (N,), whose vectors point most nearly where the mean of all theirs points.

        Of more than 20,000 points a random sample of that many is used, the same every time.
        """
        return self._similarity_by(None).typical(among, k)

    def counterfactual(self, synapse_id: str, leave_out_within_nm: float = 0.0) -> dict[str, Any]:
        """The nearest synapse of another class and another neuron, by the vectors of the release: what a tile has to look like to be of
        that class. leave_out_within_nm: as for `similar`.

        By known class where that of the synapse is known, else by predicted class. A row of `similar` as a dict; `column` is its class.
        Raises BadInput where the synapse has no class, and where no synapse of another class is left.
        """
        points = self.points
        row = points.row(synapse_id)
        of_classes = [points.categories[name] for name in ("target", "predicted") if name in points.categories]
        classes = next((column for column in of_classes if column.value(row) is not None), None)
        if classes is None:
            raise BadInput(f"no class of synapse '{synapse_id}' is known or predicted: none is another one")
        others = [name for name in classes.names if name != classes.value(row)]
        if not others:
            raise BadInput(f"every synapse of this release has the {classes.title} {classes.value(row)}")
        found = self.similar(
            points.ids[row].as_py(),
            k=1,
            columns=classes.name,
            filters=Filters({classes.name: others}),
            leave_out_own_neuron=True,
            leave_out_within_nm=leave_out_within_nm,
        )
        nearest = found.sort_values("distance", kind="stable").iloc[0]
        return {str(name): value for name, value in nearest.items()}

    # Explanations

    @property
    def explained_classifiers(self) -> tuple[str, ...]:
        """The classifiers that `explain` can explain: linear_probe, then the networks of the release."""
        return self._explanations.names if self.has_pictures else ()

    def explaining(self, classifier: str) -> list[Offer]:
        """The methods that can explain a classifier, with their verdicts, best first. Raises BadInput for an unknown classifier."""
        return self._explanations.offers(classifier)

    def explain(self, synapse_id: str, classifier: str | None = None, method: str | None = None) -> Explanation:
        """Where in the tile of a synapse a classifier sees the class that it names, computed now; the last 256 are kept.

        classifier: one of `explained_classifiers`, by default the first. method: one that `explaining` lists; by default the best, unless
        all failed their checks. Raises BadInput for others, an unknown id, or a synapse without a picture.
        """
        return self._explanations.explain(self.points.ids[self.points.row(synapse_id)].as_py(), classifier, method)

    def alike(self, synapse_id: str, other: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Which parts of two tiles make them alike to the encoder of the release: a map (H, W) for each, float32, above zero where a place
        adds to their similarity. Raises BadInput for an unknown id, or a synapse without a picture."""
        ids = [self.points.ids[self.points.row(one)].as_py() for one in (synapse_id, other)]
        return self._explanations.alike(*ids)

    # Pictures

    def tile(self, synapse_id: str) -> npt.NDArray[np.uint8]:
        """The picture of a synapse, uint8 (sections, size_px, size_px), axes z y x. Raises BadInput if there is none."""
        return self.tiles([synapse_id])[0]

    def tiles(self, synapse_ids: Sequence[str]) -> npt.NDArray[np.uint8]:
        """The pictures of synapses, in their order, uint8 (N, sections, size_px, size_px), axes tile z y x.

        Raises BadInput naming one that has none.
        """
        return self._pictures.tiles(synapse_ids)

    @property
    def pictured(self) -> npt.NDArray[np.bool_]:
        """Which of the `points` have a picture, (N,)."""
        return self._pictures.present

    def tiles_at(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """The pictures of the `points` at these rows, as `tiles` gives them by id."""
        return self._pictures.tiles_at(rows)

    def picture(self, found: pd.DataFrame, across: int = 8) -> "Image.Image":
        """The tiles of an answer of `similar` as one image, which a notebook shows: side by side if it has columns.

        The middle section of each, with its id and distance below; `across` tiles in a row where the answer is one list. Raises
        BadInput for a synapse without a picture, or an answer without rows.
        """
        return self._pictures.sheet(found, across)

    def tile_at(self, place_nm: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """A tile cut at a place of the dataset's volume (x, y, z in nanometres), like those of the synapses.

        Where the dataset has several volumes, of the first that has the place. Raises BadInput if none has it.
        """
        return cut_tile(self._store, self._dataset, place_nm)[1]

    def embed(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """The vector of an image, as the encoder of this release makes it, float32 (dimensions,).

        Raises BadInput for an image of another type or size than the encoder takes.
        """
        return self._encoder.embed(image)

    def check_picture(self, image: npt.NDArray[np.uint8]) -> None:
        """Raises BadInput for an image of another type or size than the encoder of this release takes."""
        self._encoder.check(image)

    @property
    def encoder(self) -> "Encoder":
        """The encoder that the vectors of the release were made with; loaded once and kept."""
        return self._encoder.encoder

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """Sections, height and width in pixels of the pictures that the encoder takes; known without loading it."""
        return self._encoder.picture_shape

    @cached_property
    def kept_pictures(self) -> KeptPictures:
        """Previews of pictures, and maps of explanations, which lie beside the file of the release."""
        return KeptPictures(self._store, self._file)

    @cached_property
    def stained(self) -> StainedPictures:
        """What a release of the staining chain says of its pictures."""
        return StainedPictures(self._file)

    @cached_property
    def detection(self) -> DetectionResults:
        """What a release of the detection chain says: sections with their maps, what was found, and how well."""
        return DetectionResults(self._store, self._file, self._dataset, self.kept_pictures)

    # The parts

    def _similarity_by(self, encoder: str | None) -> Similarity:
        """Similarity by the vectors of an encoder, kept once opened; None: that of the release."""
        # The vectors first: they raise for a dataset without any.
        vectors = self.vectors
        released = str(self.release["models"]["encoder"])
        name = encoder or released
        if name not in self._similarities:
            if name != released:
                vectors = ReleasedVectors(self._store, self._file, name).read(self.points)
            pictures = self._encoder if name == released else PictureEncoder(self._store, name)
            cut = partial(cut_tile, self._store, self._dataset)
            self._similarities[name] = Similarity(self._file, self.points, vectors, pictures, cut)
        return self._similarities[name]

    def _rows(self, query: str, table: str, parameters: Any = None) -> list[dict[str, Any]]:
        """The rows of a query of a table; empty where the release has none of that name."""
        if table not in self.release["tables"]:
            return []
        rows: list[dict[str, Any]] = self._file.table(query, parameters).to_pylist()
        return rows

    @cached_property
    def _neurons(self) -> Neurons:
        return Neurons(self._file, self.points)

    @cached_property
    def _explanations(self) -> Explanations:
        pictures = self._pictures  # not of this object, which would hold itself: a release is closed with its last user
        return Explanations(self._store, self._file, self._encoder, lambda synapse_id: pictures.tiles([synapse_id])[0])

    @cached_property
    def _pictures(self) -> Pictures:
        return Pictures(self._store, self._file, self.points)

    @cached_property
    def _encoder(self) -> PictureEncoder:
        self.vectors  # noqa: B018 -- a dataset without vectors has no encoder either; this raises
        return PictureEncoder(self._store, self.release["models"]["encoder"])
