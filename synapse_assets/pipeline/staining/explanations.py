"""Where in a picture a network sees its class: whether its maps can be trusted, and the coloured maps of a chosen few.

Methods of explanation live in `vision.explanation`, verdicts in `analysis.evaluation.explanation_checks`, colours in `figures.staining`.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from logging import Logger
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import StainingDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.explaining import check_methods, default_method
from synapse_assets.pipeline.report import Check, Detail, Markdown, Picture, Report, Stopwatch, markdown_table
from synapse_assets.pipeline.staining.labelled import Labelled
from synapse_assets.pipeline.staining.networks import MODEL, network_file, stored_classifiers
from synapse_assets.pipeline.staining.pictures import Pictures
from synapse_assets.pipeline.staining.window_maps import FACTS, FoldNetworks
from synapse_assets.schema import EXPLANATION_CHECKS
from synapse_assets.schema.staining import IMAGE_PREDICTIONS, STAIN_EXPLANATIONS, WINDOW_MAPS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.files import Files, segment
from synapse_assets.stores.models import fingerprint, model_in_use
from synapse_assets.stores.rows import content_key

if TYPE_CHECKING:
    from synapse_assets.analysis.evaluation.youden import Threshold
    from synapse_assets.vision.staining import StainNetwork

METHOD = "grad_cam"
"""The one that explains whole pictures; the others explain single windows, at many times the cost."""
CHECKED_WINDOWS = 32
DRAWS = 3
_TYPICAL, _ERROR, _UNCERTAIN = "typical", "error", "uncertain"
_LAYERS = "layers"
# With the version of the network these decide a row.
_CONTENT = ["image_id", "image_hash", "method", "class_name", "chosen_as", "verdict"]
# Of the name of a file, as most file systems allow 255 bytes, and one that is being written has a longer name.
_LONGEST_NAME = 150
# The largest side of the picture that the UI shows.
_SHOWN_PX = 900


def check_explanations(store: DatasetStore, dataset: StainingDataset, device: str, log: Logger) -> Report:
    """Examines whether the maps of every network in use can be trusted, on windows of held-out pictures.

    The network of the first fold is set beside that of the last one, which did not learn from the first fold either: it is calibrated on
    it. Where the model has fewer than three folds there is no second network, and where the pictures of the first fold are gone nothing to
    set them side by side on: no rows. Raises BadInput if nothing is fitted.
    """
    watch = Stopwatch()
    version = model_in_use(store.models(MODEL), f"materialise the asset '{MODEL}' first")
    names = sorted(set(stored_classifiers(store, version)) & set(dataset.networks))
    tables, remarks = [EXPLANATION_CHECKS.empty()], []
    for name in names:
        networks = FoldNetworks.of(store, version, name)
        if len(set(networks.test.fold_of_group.values())) < 3:
            remarks.append(f"{name}: fewer than three folds, so there is no second network to compare maps with")
            continue
        held_out = _held_out(store, dataset, networks)
        if not held_out:
            remarks.append(f"{name}: no labelled picture is left that both networks never saw")
            continue
        tables.append(_checked(store, dataset, networks, held_out, version, device, log))
    table = EXPLANATION_CHECKS.conform(pa.concat_tables(tables))
    store.results(EXPLANATION_CHECKS).write(table)
    details: dict[str, Detail] = {"verdicts": Markdown(_verdicts(table) or "none")}
    if remarks or not names:
        details["remarks"] = "; ".join(remarks) or "no network could be trained"
    return Report(
        details,
        watch.seconds,
        table.num_rows,
        content_version=f"{version}-{content_key(table.select(['classifier', 'method', 'check', 'verdict']))}",
        checks=[_one_to_show(table, names)],
    )


def _held_out(store: DatasetStore, dataset: StainingDataset, networks: FoldNetworks) -> list[tuple[str, str]]:
    """The labelled pictures (id, class) that the network of the first fold is asked about."""
    rows = Labelled.of(store, dataset).images.select(list(FACTS)).to_pylist()
    first = min(networks.test.fold_of_group.values())
    return [(row["image_id"], row["label"]) for row in rows if networks.fold(row) == first]


def _checked(
    store: DatasetStore,
    dataset: StainingDataset,
    networks: FoldNetworks,
    held_out: Sequence[tuple[str, str]],
    version: str,
    device: str,
    log: Logger,
) -> pa.Table:
    """`schema.EXPLANATION_CHECKS` of one network."""
    from synapse_assets.vision.explanation.explainable import explainable_stain
    from synapse_assets.vision.staining import StainNetwork, cut_windows

    folds = sorted(set(networks.test.fold_of_group.values()))
    network, retrained = (StainNetwork.load(network_file(networks.folder, fold)) for fold in (folds[0], folds[-1]))
    usable = Pictures.of(store, dataset)
    windows = [
        cut_windows(usable.pixels(image_id), corners, network.spec)
        for image_id, corners in chosen_windows(held_out, usable, dataset.window_px, dataset.seed)
    ]
    explained = explainable_stain(network)
    return check_methods(
        explained,
        explainable_stain(retrained),
        np.concatenate(windows),
        [METHOD],
        name=networks.name,
        version=version,
        draws=DRAWS,
        seed=dataset.seed,
        device=device,
        log=log.info,
    )


def chosen_windows(
    pictures: Sequence[tuple[str, str]], usable: Pictures, window_px: int, seed: int, count: int = CHECKED_WINDOWS
) -> list[tuple[str, npt.NDArray[np.int64]]]:
    """About `count` windows side by side of pictures (id, class), by a hash: as many of each class, and of as many pictures as there are.

    By picture, the upper left pixels (n, 2), y and x, of its windows; pictures without any are left out.
    """
    from synapse_assets.analysis.evaluation.sampling import content_keys

    ranked: list[tuple[int, int, str, str, tuple[int, int]]] = []
    for image_id, label in pictures:
        height, width = usable.pixels(image_id).shape[1:]
        corners = [
            (y, x)
            for y in range(0, height - window_px + 1, window_px)
            for x in range(0, width - window_px + 1, window_px)
        ]
        keys = content_keys([f"{image_id} {y} {x}" for y, x in corners], seed)
        ranked += [
            (place, int(keys[row]), label, image_id, corners[row])
            for place, row in enumerate(np.argsort(keys).tolist())
        ]
    each = max(1, count // max(1, len({label for _, label in pictures})))
    taken: dict[str, list[tuple[int, int]]] = {}
    for of_class in sorted({label for _, label in pictures}):
        for _, _, _, image_id, corner in sorted(row for row in ranked if row[2] == of_class)[:each]:
            taken.setdefault(image_id, []).append(corner)
    return [(image_id, np.array(sorted(corners), np.int64)) for image_id, corners in sorted(taken.items())]


def _verdicts(checks: pa.Table) -> str:
    seen = dict.fromkeys(
        zip(*(checks.column(name).to_pylist() for name in ("classifier", "method", "verdict", "sentence")), strict=True)
    )
    return markdown_table(["network", "method", "verdict", "why"], list(seen)) if seen else ""


def _one_to_show(checks: pa.Table, names: Sequence[str]) -> Check:
    none = [
        name for name in names if default_method(checks.filter(pc.equal(checks.column("classifier"), name))) is None
    ]
    return Check(
        "a_method_to_show",
        bool(names) and not none,
        f"no method can be trusted for {', '.join(none)}: no map of theirs is shown by default"
        if none
        else f"{len(names)} networks have a method whose maps say something of them",
        warn=True,
    )


def explain_plate(store: DatasetStore, dataset: StainingDataset, plate: str, device: str, log: Logger) -> Report:
    """Draws the coloured maps of a chosen few pictures of a plate, by the network that its dense maps are of.

    Brightness is Grad-CAM, with its verdict for that network. Raises BadInput if nothing is fitted, and where the plate's maps or
    predictions are of another version than the one in use.
    """
    watch = Stopwatch()
    version = model_in_use(store.models(MODEL), f"materialise the asset '{MODEL}' first")
    results, name = store.results(STAIN_EXPLANATIONS), str(dataset.map_network)
    if name not in stored_classifiers(store, version):
        results.write_partition(plate, STAIN_EXPLANATIONS.empty())
        _remove_layers(_layers_of(store, plate), set())
        return Report(
            {"network": f"no network {name} could be trained"}, watch.seconds, 0, 0, version, [_none_empty([])]
        )
    maps = _of_version(store.results(WINDOW_MAPS).read(plate), version, "window_maps", plate)
    predictions = store.results(IMAGE_PREDICTIONS).read(plate)
    predictions = _of_version(predictions, version, "image_predictions", plate)
    predictions = predictions.filter(pc.equal(predictions.column("classifier"), name))
    explained = _Explained(store, dataset, plate, version, FoldNetworks.of(store, version, name), device)
    chosen = chosen_pictures(_as_labelled(predictions, explained.usable.rows, dataset), dataset.explained_images)
    maps = maps.filter(pc.is_in(maps.column("image_id"), value_set=pa.array(list(chosen), pa.string())))
    map_of = {row["image_id"]: row for row in maps.to_pylist()}
    explained.require_of_now(map_of, list(chosen))
    rows = []
    for image_id, chosen_as in chosen.items():
        rows.append(explained.row(map_of[image_id], chosen_as))
        log.info(f"{plate}: explained {len(rows)} of {len(chosen)} pictures")
    table = pa.Table.from_pylist(rows, schema=STAIN_EXPLANATIONS.arrow)
    results.write_partition(plate, table)
    _remove_layers(explained.layers, {row["layer"] for row in rows})
    return Report(
        details={"network": name, "method": METHOD, "verdict": explained.verdict, **explained.shown},
        seconds=watch.seconds,
        rows=len(rows),
        content_version=content_key(table.select(_CONTENT), version),
        checks=[_none_empty(explained.empty)],
    )


def _as_labelled(predictions: pa.Table, pictures: pa.Table, dataset: StainingDataset) -> pa.Table:
    """Predictions that have a label only where it can be right or wrong: of a picture of one of the classes that was given no compound."""
    columns = (pictures.column(name).to_pylist() for name in ("image_id", "label", "compound"))
    known = {
        image_id: label
        for image_id, label, compound in zip(*columns, strict=True)
        if label in dataset.classes and not compound
    }
    labels = pa.array([known.get(image_id) for image_id in predictions.column("image_id").to_pylist()], pa.string())
    at = predictions.schema.get_field_index("label")
    return predictions.set_column(at, predictions.schema.field(at), labels)


def chosen_pictures(predictions: pa.Table, count: int) -> dict[str, str]:
    """At most `count` pictures of rows of `schema.staining.IMAGE_PREDICTIONS` by one classifier, with why each is one of them.

    In turn the surest of each class that is named rightly (typical; without a label, the surest), errors from the surest on, and uncertain
    ones from the least sure on.
    """
    rows = sorted(predictions.to_pylist(), key=lambda row: (-row["probability"], row["image_id"]))
    errors = [row for row in rows if row["label"] is not None and row["label"] != row["predicted"]]
    uncertain = [row for row in reversed(rows) if row["answer"] not in dict(row["probabilities"])]
    right = [row for row in rows if row["label"] in (None, row["predicted"])]
    typical: list[Mapping[str, Any]] = []
    of_class = {
        name: [row for row in right if row["predicted"] == name] for name in {row["predicted"] for row in right}
    }
    for place in range(max((len(members) for members in of_class.values()), default=0)):
        typical += [of_class[name][place] for name in sorted(of_class) if place < len(of_class[name])]
    queues = {_TYPICAL: typical, _ERROR: errors, _UNCERTAIN: uncertain}
    chosen: dict[str, str] = {}
    for place in range(len(rows)):
        for chosen_as, queue in queues.items():
            if place < len(queue) and len(chosen) < count:
                chosen.setdefault(queue[place]["image_id"], chosen_as)
    return chosen


class _Explained:
    """Explaining pictures of one plate. verdict: on its maps. shown: the first picture, for the UI. empty: pictures whose map says
    nothing at all."""

    def __init__(
        self,
        store: DatasetStore,
        dataset: StainingDataset,
        plate: str,
        version: str,
        networks: FoldNetworks,
        device: str,
    ) -> None:
        self.store, self.dataset, self.plate, self.version = store, dataset, plate, version
        self.networks, self.device = networks, device
        self.usable = Pictures.of(store, dataset, plate)
        self.facts = {row["image_id"]: row for row in self.usable.rows.select(list(FACTS)).to_pylist()}
        checks = store.results(EXPLANATION_CHECKS).read()
        made = pc.and_(
            pc.equal(checks.column("classifier"), networks.name), pc.equal(checks.column("version"), version)
        )
        checks = checks.filter(made)
        self.verdict = next((row["verdict"] for row in checks.to_pylist() if row["method"] == METHOD), "not")
        self.layers = _layers_of(store, plate)
        self.shown: dict[str, Detail] = {}
        self.empty: list[str] = []

    def require_of_now(self, map_of: Mapping[str, Mapping[str, Any]], image_ids: Sequence[str]) -> None:
        """Raises BadInput where a picture was removed or has changed since it was mapped or named."""
        for image_id in image_ids:
            now, mapped = self.facts.get(image_id), map_of.get(image_id)
            if now is None or mapped is None or now["image_hash"] != mapped["image_hash"]:
                raise BadInput(
                    f"picture {image_id} of plate {self.plate} is no longer the one that was mapped: materialise window_maps and "
                    "image_predictions of this plate again"
                )

    def row(self, dense: Mapping[str, Any], chosen_as: str) -> dict[str, Any]:
        """The row of `schema.staining.STAIN_EXPLANATIONS` of a picture, from its row of `schema.staining.WINDOW_MAPS`."""
        from synapse_assets.figures.staining import coloured_saliency, full_brightness
        from synapse_assets.stores.layers import write_layers

        image_id, classes = dense["image_id"], list(dense["classes"])
        probabilities = np.array(dense["probabilities"], np.float32).reshape(-1, dense["rows"], dense["columns"])
        means = probabilities.mean((1, 2))
        target = int(means.argmax())
        network = self.networks.network(self.facts[image_id])
        pixels = self.usable.pixels(image_id)
        attribution = self._attribution(network, pixels, classes[target], image_id)
        grey = grey_picture(pixels, network.spec.white_level)
        thresholds = [(one.threshold, one.low, one.high) for one in self._thresholds()]
        control, treated = _place(classes, self.dataset.control, 0), _place(classes, self.dataset.treated, 1)
        coloured = coloured_saliency(
            grey,
            attribution,
            probabilities,
            dense["first_px"],
            dense["stride_px"],
            classes,
            thresholds,
            control=control,
            treated=treated,
        )
        layers = {"attribution": attribution} | dict(
            zip(classes, _at_pixels(probabilities, dense, grey.shape), strict=True)
        )
        layer = write_layers(self.layers, f"{_file_name(image_id)}.ome.tif", layers, self.dataset.pixel_nm)
        largest = full_brightness(attribution)
        _, low, high = thresholds[treated]
        sentence = (
            f"{self.networks.name}: {classes[target]}, {means[target]:.2f}. Brightness: {METHOD} of {classes[target]}, full at "
            f"{largest:.2g}; colour: probability of {classes[treated]} above {high:.2f}, below {low:.2f}, uncertain between "
            f"(threshold {thresholds[treated][0]:.2f} and its 95 % interval over wells)."
        )
        if not self.shown:
            self.shown["picture"] = self._figure(grey, coloured, sentence, classes, thresholds, largest, dense)
        return {
            "image_id": image_id,
            "plate": self.plate,
            "image_hash": dense["image_hash"],
            "classifier": self.networks.name,
            "version": self.version,
            "method": METHOD,
            "class_name": classes[target],
            "probability": float(means[target]),
            "chosen_as": chosen_as,
            "verdict": self.verdict,
            "sentence": sentence,
            "picture": _png(grey),
            "saliency": _png(brightness_of(attribution, largest)),
            "coloured": _png(coloured),
            "layer": f"{self.store.dataset}/{_LAYERS}/{segment('explanations')}/{segment(self.plate)}/{layer}",
        }

    def _attribution(
        self, network: "StainNetwork", pixels: npt.NDArray[Any], target: str, image_id: str
    ) -> npt.NDArray[np.float32]:
        """The map (H, W); of a picture that the method says nothing of, zeros."""
        from synapse_assets.vision.explanation.methods import EmptyMapError
        from synapse_assets.vision.explanation.pictures import explain_picture

        try:
            return explain_picture(network, pixels, target, METHOD, self.device)
        except EmptyMapError:
            self.empty.append(image_id)
            return np.zeros(pixels.shape[1:], np.float32)

    def _thresholds(self) -> "Sequence[Threshold]":
        from synapse_assets.analysis.evaluation.youden import Threshold

        unknown = Threshold(0.5, 0.0, 1.0, 0.0, 0, 0)
        return self.networks.test.thresholds.get("window") or [unknown] * len(self.networks.test.classes)

    def _figure(
        self,
        grey: npt.NDArray[np.uint8],
        coloured: npt.NDArray[np.uint8],
        sentence: str,
        classes: Sequence[str],
        thresholds: Sequence[tuple[float, float, float]],
        largest: float,
        dense: Mapping[str, Any],
    ) -> Picture:
        from synapse_assets.figures.staining import saliency_figure

        step = max(1, round(max(grey.shape) / _SHOWN_PX))
        png = saliency_figure(
            grey[::step, ::step],
            coloured[::step, ::step],
            title=f"{dense['image_id']} ({METHOD}: {self.verdict})",
            classes=classes,
            thresholds=thresholds,
            largest=largest,
            unit_text=f"probability of {classes[_place(classes, self.dataset.treated, 1)]}",
            pixel_nm=self.dataset.pixel_nm * step,
            windows=f"{dense['rows'] * dense['columns']:,} windows of {dense['window_px']} px",
            control=_place(classes, self.dataset.control, 0),
            treated=_place(classes, self.dataset.treated, 1),
        )
        return Picture(png, "coloured saliency", sentence)


def _layers_of(store: DatasetStore, plate: str) -> Files:
    return store.folder.child(_LAYERS, segment("explanations"), segment(plate))


def _file_name(image_id: str) -> str:
    """A name for a file of a picture; a long one is cut and ends in a hash of the whole."""
    name = segment(image_id)
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}-{fingerprint({'image_id': image_id}, {})}"


def _remove_layers(layers: Files, kept: set[str]) -> None:
    """Removes the layers of pictures that are not explained any more; `kept` are paths."""
    names = {layer.rsplit("/", 1)[-1] for layer in kept}
    for name in layers.names():
        if name not in names:
            layers.remove(name)


def grey_picture(pixels: npt.NDArray[Any], white_level: int) -> npt.NDArray[np.uint8]:
    """A picture (channels, H, W) as grey, uint8 (H, W): the mean of its channels, of which `white_level` is white."""
    mean = pixels.mean(axis=0, dtype=np.float64) * (255 / white_level)
    return np.rint(mean.clip(0, 255)).astype(np.uint8)


def brightness_of(attribution: npt.NDArray[np.float32], largest: float) -> npt.NDArray[np.uint16]:
    """An attribution (H, W) as brightness, uint16 (H, W): from 0, which what speaks against the class has too, to `largest` and above."""
    if not largest:
        return np.zeros(attribution.shape, np.uint16)
    return np.rint((attribution / largest).clip(0, 1) * 65_535).astype(np.uint16)


def _at_pixels(
    probabilities: npt.NDArray[np.float32], dense: Mapping[str, Any], shape: tuple[int, ...]
) -> npt.NDArray[np.float32]:
    from synapse_assets.analysis.dense_maps import at_pixels

    return at_pixels(probabilities, dense["first_px"], dense["stride_px"], (shape[0], shape[1]))


def _place(classes: Sequence[str], name: str, otherwise: int) -> int:
    return classes.index(name) if name in classes else otherwise


def _png(picture: npt.NDArray[Any]) -> bytes:
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def _of_version(rows: pa.Table, version: str, asset: str, plate: str) -> pa.Table:
    """Those rows. Raises BadInput where some were made with another version."""
    others = set(rows.column("version").to_pylist()) - {version}
    if others:
        raise BadInput(
            f"{asset} of plate {plate} was made with {MODEL} {', '.join(sorted(others))}, but {version} is in use: materialise {asset} of "
            "this plate again"
        )
    return rows


def _none_empty(pictures: Sequence[str]) -> Check:
    return Check(
        "maps_not_empty",
        not pictures,
        f"the map of {', '.join(pictures)} says nothing: it is zero everywhere"
        if pictures
        else "every map says something",
        warn=True,
    )
