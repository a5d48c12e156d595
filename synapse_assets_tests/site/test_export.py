"""A whole site: what stands in its files is what the release holds, its links lead somewhere, and the same release gives the same bytes."""

import logging
import re
import shutil
import signal
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

from synapse_assets.datasets import EmDataset, Publication
from synapse_assets.errors import BadInput
from synapse_assets.query import open_warehouse
from synapse_assets.site.export import export_site
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.conftest import Lab
from synapse_assets_tests.site.killed import exported_until
from synapse_assets_tests.site.planted import plant, planted_dataset
from synapse_assets_tests.site.reader import ReadEntry

LOG = logging.getLogger(__name__)
HOSTILE = (
    "a/b/../c",
    'it\'s "quoted"',
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}",
    "naïve Σύναψη 突触 🧠",
    "100%?a=b&c#d+e",
    "back\\slash",
    " blank ",
    "line\nend",
)


def export(dataset: EmDataset, root: Path, out: Path) -> ReadEntry:
    export_site(dataset, root, out, LOG)
    return ReadEntry(out / dataset.name / "browse")


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def exported(finished_lab: Lab, site_folder: Path) -> SimpleNamespace:
    """The site of the tiny lab. out: its folder."""
    return SimpleNamespace(out=site_folder, entry=ReadEntry(site_folder / "tiny/browse"), lab=finished_lab)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The site of synapses with names of all kinds, which are names of classes too."""
    root = tmp_path_factory.mktemp("hostile")
    ids = [*HOSTILE, *(f"s{number}" for number in range(60))]
    plant(root, ids, target=[HOSTILE[number % len(HOSTILE)] for number in range(len(ids))])
    dataset = planted_dataset(root, title="<b>Brain</b> & 'co'", description='"><img src=x onerror=alert(1)>')
    return SimpleNamespace(root=root, dataset=dataset, out=root / "out", entry=export(dataset, root, root / "out"))


class Links(HTMLParser):
    """What a page leads to and loads, its pictures, and its content security policy."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.pictures: list[int] = []
        self.policy = ""
        self.scripts = 0
        self.handlers: list[str] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes an element."""
        given = dict(attrs)
        self.handlers += [name for name in given if name.startswith("on")]
        self.scripts += tag == "script"
        self.addresses += [str(given[name]) for name in ("href", "src", "action") if given.get(name)]
        if "data-tile" in given:
            self.pictures.append(int(str(given["data-tile"])))
        if given.get("http-equiv") == "refresh":
            self.addresses.append(str(given["content"]).partition("url=")[2])
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(given["content"])


def pages_of(out: Path) -> dict[str, Links]:
    return {str(path.relative_to(out)): Links(path) for path in sorted(out.rglob("*.html"))}


def test_points_cards_and_numbers_are_those_of_the_release(exported: SimpleNamespace) -> None:
    entry, lab = exported.entry, exported.lab
    with open_warehouse(lab.dataset, lab.root) as warehouse:
        points = warehouse.points
        rows, content = entry.rows("points"), entry.content
        frame = points.frame(range(len(points)))
        assert [row["synapse_id"] for row in rows] == frame["synapse_id"].tolist()
        assert [row["neuron_id"] for row in rows] == [None if one is None else str(one) for one in frame["neuron_id"]]
        assert [row["neuron"] for row in rows] == points.neurons.tolist()
        for name in ("x_nm", "y_nm", "z_nm"):
            assert [row[name] for row in rows] == frame[name].tolist()
        for column in content["categories"]:
            names = [*column["names"], None]
            assert [names[row[column["name"]]] for row in rows] == [
                points.categories[column["name"]].value(row) for row in range(len(points))
            ]
            assert column["colours"] == points.colours(column["name"])
        assert [column["name"] for column in content["categories"]] == list(points.categories)
        numbers = entry.rows("numbers")
        for column in content["numbers"]:
            stored = np.array([row[column["name"]] for row in numbers], np.float32)
            np.testing.assert_array_equal(stored, points.numbers[column["name"]])
        places = np.array([[row["map_1"], row["map_2"]] for row in entry.rows("map")], np.float32)
        np.testing.assert_array_equal(places, points.map)
        for row in range(0, len(points), 7):
            card, answer = entry.card(row), warehouse.synapse_answer(rows[row]["synapse_id"])
            assert card["probabilities"] == warehouse.probabilities(rows[row]["synapse_id"])
            assert list(card["probabilities"]) == list(warehouse.probabilities(rows[row]["synapse_id"]))
            assert answer is not None
            assert card["calibrated"] == {name: answer[name] for name in ("answer", "class_set", "probabilities")}
            assert card["volume"] == "em"
            tile = warehouse.tile(rows[row]["synapse_id"]).astype(int)
            assert np.abs(entry.sections(rows[row]["tile"]) - tile).mean() < 8
            assert np.abs(entry.picture(rows[row]["tile"]) - tile[len(tile) // 2]).mean() < 8
        assert content["release"] == {"id": warehouse.release_id, "created": warehouse.release["created"]}
        assert content["stability"] == warehouse.stability()
        assert content["rows"] == len(points) == len(entry.vectors)
        medoids = {str(card["cluster"]): card["medoids"] for card in warehouse.cluster_cards()}
        for name, page in content["cluster_pages"].items():
            assert [rows[row]["synapse_id"] for row in page["card"]["medoids"]] == medoids[name]


def test_every_link_of_every_page_leads_to_a_file_of_the_site(
    exported: SimpleNamespace, hostile: SimpleNamespace
) -> None:
    for out in (exported.out, hostile.out):
        pages = pages_of(out)
        assert {"index.html", "about/index.html", "data/index.html"} <= set(pages)
        for name, page in pages.items():
            assert "script-src 'self'" in page.policy or name == "404.html"
            assert "unsafe-eval" not in page.policy
            assert not page.handlers
            for address in page.addresses:
                parts = urlsplit(address)
                if parts.scheme:
                    assert parts.scheme == "https" or parts.hostname == "127.0.0.1", (name, address)
                    continue
                assert not address.startswith("/"), (name, address)
                target = (out / name).parent / unquote(parts.path)
                assert target.resolve().is_relative_to(out.resolve())
                assert (target / "index.html").exists() if target.is_dir() else target.exists(), (name, address)


def test_static_pages_name_pictures_by_their_number(exported: SimpleNamespace) -> None:
    pages, rows = pages_of(exported.out), exported.entry.rows("points")
    shown = pages["tiny/clusters/index.html"].pictures
    assert shown == [
        rows[row]["tile"]
        for number in sorted(exported.entry.content["cluster_pages"], key=int)
        for row in exported.entry.content["cluster_pages"][number]["card"]["medoids"]
    ]
    assert "gallery?target=gaba" in (exported.out / "tiny/classes/index.html").read_text()


def test_names_of_all_kinds_are_shown_as_they_are(hostile: SimpleNamespace) -> None:
    rows = hostile.entry.rows("points")
    assert {*HOSTILE} <= {row["synapse_id"] for row in rows}
    (target,) = (column for column in hostile.entry.content["categories"] if column["name"] == "target")
    assert set(target["names"]) == {*HOSTILE}
    with open_warehouse(hostile.dataset, hostile.root) as warehouse:
        for row, values in enumerate(rows):
            tile = warehouse.tile(values["synapse_id"])
            assert np.abs(hostile.entry.picture(values["tile"]).astype(int) - tile[1]).max() < 4
            assert next(iter(hostile.entry.card(row)["probabilities"].values())) == 0.75
    for name, page in pages_of(hostile.out).items():
        text = (hostile.out / name).read_text()
        assert "<script>alert" not in text
        assert "<b>Brain" not in text
        assert "<img src=x" not in text
        assert page.scripts == (2 if name == "planted/map/index.html" else 1), name
        assert " 49 " not in text
    assert "naïve Σύναψη 突触 🧠" in (hostile.out / "planted/classes/index.html").read_text()


def test_killed_again_and_again_it_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    plant(tmp_path, [f"s{number:03d}" for number in range(90)])
    assert exported_until(tmp_path, tmp_path / "whole") == 0
    whole = content_of(tmp_path / "whole")
    out, browse = tmp_path / "out", tmp_path / "out.unfinished/planted/browse"
    written: dict[Path, int] = {}
    for last in ("planted/browse/tiles/00003.jpgs", "planted/browse/sections/00010.jpgs", "SHA256SUMS"):
        assert exported_until(tmp_path, out, last) == -signal.SIGKILL
        assert not out.exists()
        assert {path: path.stat().st_mtime_ns for path in written} == written
        receipts = (tmp_path / "out.unfinished/.receipts/planted/browse/pictures").glob("*.json")
        packs = [browse / f"tiles/{path.stem}.jpgs" for path in receipts]
        assert len(packs) > len(written) or last == "SHA256SUMS"
        written = {path: path.stat().st_mtime_ns for path in packs}
    assert exported_until(tmp_path, out) == 0
    assert content_of(out) == whole
    assert all((out / "planted/browse/tiles" / path.name).stat().st_mtime_ns == time for path, time in written.items())
    # And so does an export over the earlier one.
    assert exported_until(tmp_path, out) == 0
    assert content_of(out) == whole
    assert not list(tmp_path.glob("out.*"))


def test_what_is_left_out_is_in_no_file(finished_lab: Lab, tmp_path: Path) -> None:
    publish = Publication(leave_out=["neuron_id", "target"])
    entry = export(finished_lab.dataset.model_copy(update={"publish": publish}), finished_lab.root, tmp_path / "out")
    assert {"target", "hemilineage"}.isdisjoint(column["name"] for column in entry.content["categories"])
    assert not entry.content["has_neurons"]
    assert {row["neuron_id"] for row in entry.rows("points")} == {None}
    assert "classes" not in entry.content["pages"]
    assert "targets" not in str(entry.content["cluster_pages"])
    assert not (tmp_path / "out/tiny/classes").exists()
    neurons = [
        str(neuron).encode() for neuron in open_warehouse("tiny", finished_lab.root).points.neuron_ids.to_pylist()
    ]
    for name, content in content_of(tmp_path / "out").items():
        if not name.endswith(".parquet"):
            assert not any(neuron in content for neuron in neurons), name


def test_before_the_first_release_it_says_what_to_do(finished_lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no release of tiny to publish: materialise tiny/warehouse"):
        export(finished_lab.dataset, tmp_path / "empty", tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


def test_a_dataset_named_as_a_folder_of_every_site_is_refused(tmp_path: Path) -> None:
    plant(tmp_path, ["a", "b"])
    (tmp_path / "planted").rename(tmp_path / "data")
    with pytest.raises(BadInput, match="a dataset named data cannot be a site, which has a folder of that name"):
        export(planted_dataset(tmp_path).model_copy(update={"name": "data"}), tmp_path, tmp_path / "out")


def test_a_release_without_a_synapse_is_an_error(tmp_path: Path) -> None:
    store = plant(tmp_path, ["a"])
    import duckdb

    with duckdb.connect(str(store.folder.path / "warehouse.duckdb")) as connection:
        for table in ("synapses", "synapse_labels", "synapse_predictions", "umap_coordinates", "clusters"):
            connection.execute(f"delete from {table}")  # noqa: S608
    with pytest.raises(BadInput, match="the release of planted has no synapse: there is nothing to show on a site"):
        export(planted_dataset(tmp_path), tmp_path, tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("gone", "asset"),
    [(["tiles.lance"], "tiles"), (["tiles.lance/data"], "tiles"), (["embeddings*.lance"], "embeddings")],
)
def test_pictures_or_vectors_that_are_gone_are_named_and_nothing_appears(
    gone: Sequence[str], asset: str, tmp_path: Path
) -> None:
    store = plant(tmp_path, [f"s{number:03d}" for number in range(20)])
    for pattern in gone:
        for path in (tmp_path / "planted/vectors").glob(pattern):
            shutil.rmtree(path)
    with pytest.raises(BadInput) as raised:
        export(planted_dataset(tmp_path), tmp_path, tmp_path / "out")
    assert re.search(
        rf"of planted cannot be read: files in .* are damaged or gone.*materialise planted/{asset}", str(raised.value)
    )
    assert not (tmp_path / "out").exists()
    assert isinstance(store, DatasetStore)


def test_synapses_without_pictures_have_cards_and_no_picture(tmp_path: Path) -> None:
    plant(tmp_path, [f"s{number:03d}" for number in range(20)], without_picture=[4, 7])
    entry = export(planted_dataset(tmp_path), tmp_path, tmp_path / "out")
    rows = entry.rows("points")
    assert [row["synapse_id"] for row in rows if row["tile"] < 0] == ["s004", "s007"]
    assert [row["synapse_id"] for row in rows if not row["has_vector"]] == ["s004", "s007"]
    assert entry.card(4)["probabilities"]


def test_a_folder_of_others_is_refused_before_any_work(finished_lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.docx").write_text("years")
    with pytest.raises(BadInput, match=r"out holds other files, such as thesis\.docx"):
        export(finished_lab.dataset, tmp_path / "no data root", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["out", "thesis.docx"]
