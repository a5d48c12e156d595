"""The report of a release says what the release says: every number is read from the HTML and asked again of plain DuckDB."""

import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from typer.testing import CliRunner

from synapse_assets.cli import app
from synapse_assets.datasets import DetectionDataset, EmDataset, StainingDataset, load_dataset
from synapse_assets.errors import BadInput
from synapse_assets.figures.maps import map_figure
from synapse_assets.figures.style import printed
from synapse_assets.pipeline.em.reproduction import ORIENTATION, REPRODUCTION_FILE, Number
from synapse_assets.report import build_report, building, write_report
from synapse_assets.report.beyond import compounds, explanations, labelling
from synapse_assets.report.clusters import clusters
from synapse_assets.report.dataset_file import as_written, fingerprint_of
from synapse_assets.report.inputs import alignment, coverage, what_went_in
from synapse_assets.report.maps import the_map, vectors
from synapse_assets.report.repeated import repeated
from synapse_assets.report.scores import calibration, classifiers, leakage
from synapse_assets.report.summary import limits, summary
from synapse_assets.report.versions import citation, reproduction, upkeep, versions
from synapse_assets.schema import LEAKAGE_REPORT, SYNAPSE_LABELS
from synapse_assets.stores import DatasetStore, build_warehouse
from synapse_assets.stores.releases import freeze_release
from synapse_assets.stores.warehouse import content_version
from synapse_assets_tests import detection_release
from synapse_assets_tests.archive.archived import FOLDER, PLANTED, TINY, installation, unpack
from synapse_assets_tests.conftest import Lab
from synapse_assets_tests.explorer import stained
from synapse_assets_tests.report.reading import ReportReader

# Every section has a function; what a test adds to one is checked against it by name.
SECTIONS = (
    summary, limits, what_went_in, coverage, alignment, vectors, the_map, clusters, classifiers, calibration, leakage, explanations,
    labelling, compounds, upkeep, repeated, versions, reproduction, citation,
)  # fmt: skip
HOSTILE = "<script>alert(1)</script>\"'}</style>"


@pytest.fixture(scope="module")
def tiny_report(finished_lab: Lab) -> str:
    return build_report(finished_lab.store, finished_lab.dataset)


def asked_again(store: DatasetStore, html: str, file: Path | None = None) -> tuple[ReportReader, int]:
    """Runs every query that the HTML prints with plain DuckDB and compares with what it shows; how many cells were compared."""
    report, compared = ReportReader(html), 0
    assert report.queries
    assert {shown.query for shown in report.shown if shown.query} == set(report.queries)
    with duckdb.connect(str(file or store.warehouse_path), read_only=True) as connection:
        for number, query in report.queries.items():
            relation = connection.sql(query)
            titles, rows = relation.columns, relation.fetchall()
            of_query = [shown for shown in report.shown if shown.query == number]
            sentences = [shown.rows[0][0] for shown in of_query if shown.tag == "span"]
            if sentences:
                assert sentences == [row[0] for row in rows if row[0]]
                compared += len(sentences)
            for shown in of_query:
                if shown.tag == "figure":
                    assert shown.count == len(rows)
                    assert shown.alt
                if shown.tag == "table":
                    assert shown.rows[0] == titles
                    assert [[plain(text) for text in line] for line in shown.rows[1:]] == [
                        [plain(value) for value in row] for row in rows
                    ]
                    compared += sum(map(len, shown.rows[1:]))
    return report, compared


def plain(value: Any) -> str:
    """A cell, or a value of a query, so that both can be compared: without commas between digits, a dash for nothing."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        value = f"{value:.4g}"
    return re.sub(r"(?<=\d),(?=\d{3}\b)", "", str(value))


def test_every_number_is_the_result_of_the_query_beside_it(finished_lab: Lab, tiny_report: str) -> None:
    report, compared = asked_again(finished_lab.store, tiny_report)
    assert compared > 300
    assert "of an earlier version" not in tiny_report
    titles = [re.sub(r"^\d+\. ", "", title) for title in report.headings[2:]]
    absent = {"labelling", "compounds", "repeated"}
    assert titles == [part.title for part in building._PARTS if part.anchor not in absent] + ["Queries"]
    assert sum(shown.tag == "figure" for shown in report.shown) >= 7


def test_a_figure_is_drawn_from_the_rows_of_its_query(finished_lab: Lab, tiny_report: str) -> None:
    report = ReportReader(tiny_report)
    [shown] = [one for one in report.shown if one.tag == "figure" and "known class" in one.alt]
    with duckdb.connect(str(finished_lab.store.warehouse_path), read_only=True) as connection:
        rows = connection.sql(report.queries[shown.query]).fetchall()
    with printed():
        drawn = map_figure([row[:2] for row in rows], [row[2] for row in rows], "by known neurotransmitter")
    assert shown.png == drawn


def test_it_is_one_file_that_asks_for_nothing(tiny_report: str) -> None:
    report = ReportReader(tiny_report)
    assert report.loaded
    assert all(address.startswith("data:image/png;base64,") for address in report.loaded)
    assert not {"script", "link", "iframe", "object", "base", "form"} & set(report.tags)
    assert not re.search(r"url\(|@import", tiny_report.partition("<body>")[0])
    assert all(link.startswith("#") and link[1:] in report.anchors for link in report.links)
    assert len(report.anchors) == len(set(report.anchors))


def test_scores_stand_with_split_interval_and_groups(finished_lab: Lab, tiny_report: str) -> None:
    scores = finished_lab.store.release()["scores"]["synapse_classifier"]
    report = ReportReader(tiny_report)
    [table] = [one for one in report.shown if one.rows and "balanced accuracy" in one.rows[0] and "note" in one.rows[0]]
    by_split = {row[0]: dict(zip(table.rows[0], row, strict=True)) for row in table.rows[1:]}
    assert by_split["neuron_id"]["balanced accuracy"] == f"{scores['balanced_accuracy']:.3f}"
    assert (
        by_split["neuron_id"]["95 % interval"]
        == f"{scores['balanced_accuracy_low']:.2f} to {scores['balanced_accuracy_high']:.2f}"
    )
    assert by_split["neuron_id"]["groups"] == f"{scores['groups']:.0f}"
    assert by_split["random"]["note"] == "what a random split would claim"
    leaks = finished_lab.store.results(LEAKAGE_REPORT).read().to_pylist()
    of_split = {row["split"]: row for row in leaks if row["probe"] == "class" and row["score"] == "balanced_accuracy"}
    assert of_split["random"]["low"] is not None
    for split, row in by_split.items():
        if of_split[split]["low"] is not None:
            assert row["95 % interval"] == f"{of_split[split]['low']:.2f} to {of_split[split]['high']:.2f}"
            assert row["groups"] == str(of_split[split]["groups"])


@pytest.mark.parametrize(
    "without", [(), (detection_release.detection.DETECTOR_SCORES, detection_release.detection.MITOCHONDRIA)]
)
def test_of_a_detection_dataset(tmp_path: Path, without: tuple[Any, ...]) -> None:
    found = detection_release.planted(tmp_path, *without)
    assert isinstance(found.dataset, DetectionDataset)
    html = build_report(found.store, found.dataset)
    report, compared = asked_again(found.store, html)
    assert compared > 20
    assert "of an earlier version" not in html
    assert not any("Clusters" in title or "Compounds" in title for title in report.headings)
    assert ("the release has no detector_scores (made by found/detector_scores)" in html) == bool(without)


def test_of_a_staining_dataset_in_its_own_words(tmp_path: Path) -> None:
    store, dataset = DatasetStore(str(tmp_path), "stained"), stained.stained_dataset()
    stained.plant(store)
    assert isinstance(dataset, StainingDataset)
    html = build_report(store, dataset)
    report, compared = asked_again(store, html)
    assert compared > 100
    assert any("Compounds" in title for title in report.headings)
    assert "of an earlier version" not in html
    assert "What there is of the windows, by plate" in html
    assert "corrupt.tif cannot be read" in html
    assert "/home/scope" not in html
    assert "brain region" not in re.sub(r"<pre.*?</pre>", "", html, flags=re.DOTALL)


def test_hostile_names_stay_text(finished_lab: Lab, tmp_path: Path) -> None:
    dataset = finished_lab.dataset.model_copy(update={"title": HOSTILE, "description": HOSTILE})
    store = DatasetStore(str(tmp_path), dataset.name)
    labels = finished_lab.store.results(SYNAPSE_LABELS).read()
    target = labels.column_names.index("target")
    named = labels.column("target").to_pylist()
    labels = labels.set_column(
        target, labels.schema.field(target), [[HOSTILE if name == "gaba" else name for name in named]]
    )
    of_region = labels.column("brain_region").to_pylist()
    for region in sorted(set(of_region)):
        part = labels.filter([one == region for one in of_region])
        store.results(SYNAPSE_LABELS).write_partition(region, part)
    build_warehouse(store, [finished_lab.store.synapses, store.results(SYNAPSE_LABELS)], {"models": {}, "scores": {}})
    html = build_report(store, dataset)
    report, _ = asked_again(store, html)
    assert report.headings[0] == HOSTILE
    assert any(HOSTILE in row[0] for shown in report.shown if shown.tag == "table" for row in shown.rows)
    assert {"script", "style"} & set(report.tags) == {"style"}
    assert html.count("</style>") == 1


def test_what_a_release_lacks_is_not_assessed(finished_lab: Lab, tmp_path: Path) -> None:
    store = DatasetStore(str(tmp_path), finished_lab.dataset.name)
    build_warehouse(store, [finished_lab.store.synapses, store.results(LEAKAGE_REPORT)], {})
    html = build_report(store, finished_lab.dataset)
    asked_again(store, html)
    assert "Not assessed: the release has no leakage_report (made by tiny/leakage_report)." in html
    assert "Not assessed: the release has no alignment (made by tiny/alignment)." in html


def test_published_files_are_cited_and_made_again_by_reproduce(tmp_path: Path) -> None:
    dataset, store = load_dataset("fafb_10k", str(tmp_path)), DatasetStore(str(tmp_path), "fafb_10k")
    build_warehouse(store, [], {})
    freeze_release(store, "paper")
    html = build_report(store, dataset, "paper")
    asked_again(store, html)
    assert "synapse-assets reproduce fafb_10k\nsynapse-assets report fafb_10k --release paper" in html
    [table] = [one for one in ReportReader(html).shown if one.rows and one.rows[0] == ["file", "licence", "cite"]]
    assert [row[0] for row in table.rows[1:]] == [
        "flywire_synapses_783.feather", "Supplemental_file1_neuron_annotations.tsv"
    ]  # fmt: skip
    assert all("doi 10." in row[2] for row in table.rows[1:])


def test_few_groups_have_no_interval(tmp_path: Path) -> None:
    import pyarrow as pa

    store = DatasetStore(str(tmp_path), "tiny")
    row = {"encoder": "e", "probe": "class", "split": "brain_region", "score": "balanced_accuracy", "value": 0.7, "low": None, "high": None,
           "chance": 0.3, "synapses": 20, "groups": 5, "sentence": "planted"}  # fmt: skip
    store.results(LEAKAGE_REPORT).write(pa.Table.from_pylist([row], schema=LEAKAGE_REPORT.arrow))
    build_warehouse(store, [store.results(LEAKAGE_REPORT)], {})
    dataset = stained.stained_dataset().model_copy(update={"name": "tiny"})
    assert "none below 8 groups" in build_report(store, dataset)


def test_a_frozen_release_has_its_own_numbers(finished_lab: Lab, tmp_path: Path) -> None:
    dataset, store = finished_lab.dataset, DatasetStore(str(tmp_path), finished_lab.dataset.name)
    build_warehouse(store, [finished_lab.store.results(SYNAPSE_LABELS)], {})
    freeze_release(store, "paper")
    build_warehouse(store, [], {})
    frozen = write_report(store, dataset, "paper")
    assert frozen.address == store.folder.address("releases/paper/report.html")
    html = Path(frozen.address).read_text()
    assert len(html.encode()) == frozen.size_bytes
    report, _ = asked_again(store, html, Path(frozen.address).with_name("warehouse.duckdb"))
    assert any("synapse_labels" in row[0] for shown in report.shown if shown.tag == "table" for row in shown.rows)
    assert 'release="paper"' in html.replace("&#34;", '"')
    current = Path(write_report(store, dataset).address)
    assert current == tmp_path / "tiny" / "report.html"
    newer, _ = asked_again(store, current.read_text())
    assert not any("synapse_labels" in row[0] for shown in newer.shown if shown.tag == "table" for row in shown.rows)
    with pytest.raises(BadInput, match="no release 'other'"):
        write_report(store, dataset, "other")


KILLED = """
import os, signal, sys
from synapse_assets.stores import DatasetStore
store = DatasetStore(sys.argv[1], "tiny")
with store.folder.replace("report.html") as stream:
    stream.write(b"half")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_report_that_is_being_written_is_the_old_one_to_the_end(finished_lab: Lab, tmp_path: Path) -> None:
    dataset, store = finished_lab.dataset, DatasetStore(str(tmp_path), finished_lab.dataset.name)
    build_warehouse(store, [], {})
    report = Path(write_report(store, dataset).address)
    before = report.read_text()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -9
    assert report.read_text() == before
    assert len(list(report.parent.glob(".tmp-*"))) == 1
    write_report(store, dataset)
    assert not list(report.parent.glob(".tmp-*"))


def test_what_everybody_should_see_stands_in_the_report_of_the_compared_release(
    finished_lab: Lab, tmp_path: Path
) -> None:
    dataset, store = finished_lab.dataset, DatasetStore(str(tmp_path), finished_lab.dataset.name)
    build_warehouse(store, [], {})
    assert "What everybody should see" not in build_report(store, dataset)
    numbers = [
        Number("sites", "60", "60", True),
        Number("tiles", "60", "59", False, "one is missing"),
        Number("verdict on the clusters", "", "stable", None),
    ]
    content = {
        "release": content_version(store.release() or {}),
        "orientation": ORIENTATION,
        "numbers": [asdict(number) for number in numbers],
    }
    store.folder.write_json(REPRODUCTION_FILE, content)
    html = build_report(store, dataset)
    tables = [shown.rows for shown in ReportReader(html).shown if shown.tag == "file"]
    shared = next(rows for rows in tables if "expected" in rows[0])
    assert [row[:4] for row in shared[1:]] == [["sites", "60", "60", "as expected"], ["tiles", "60", "59", "differs"]]
    own = next(rows for rows in tables if rows[0][:2] == ["number", "this run"])
    assert [row[:2] for row in own[1:]] == [["verdict on the clusters", "stable"]]
    assert "Eckstein" in html
    build_warehouse(store, [], {"scores": {"encoder": {"precision": 0.5}}})
    assert "What everybody should see" not in build_report(store, dataset), "it was of another release"


def test_secrets_of_addresses_are_not_published(finished_lab: Lab) -> None:
    url = "https://me:secret@host/volume?token=secret"
    volumes = {name: spec.model_copy(update={"url": url}) for name, spec in finished_lab.dataset.volumes.items()}
    text = as_written(finished_lab.dataset.model_copy(update={"volumes": volumes}), finished_lab.store)
    assert "https://...@host/volume?..." in text
    assert "secret" not in text
    assert str(finished_lab.root) not in text
    changed = finished_lab.dataset.model_copy(update={"seed": 1})
    written = fingerprint_of(finished_lab.dataset, finished_lab.store)
    assert fingerprint_of(changed, finished_lab.store) != written


def test_the_dataset_file_has_one_fingerprint_wherever_its_data_lie(tmp_path: Path) -> None:
    def at(root: Path) -> str:
        return fingerprint_of(load_dataset("sample", str(root)), DatasetStore(str(root), "sample"))

    assert at(tmp_path / "here") == at(tmp_path / "there" / "deeper")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:se@cret@host/volume", "https://...@host/volume"),
        ("https://host/volume#token=secret", "https://host/volume#..."),
        ("s3://key:secret@bucket/volume", "s3://...@bucket/volume"),
        ("/mnt/secret-place/volume", "${SYNAPSE_VOLUMES}/volume"),
        ("https://host/t0ken-secret/volume", "https://host/${LAB_TOKEN}/volume"),
        ("/home/secret/volume", "~/volume"),
        ("/Users/secret", "~"),
        ("file:///home/secret/volume", "file://~/volume"),
        ("gs://bucket/home/volume", "gs://bucket/home/volume"),
    ],
)
def test_no_value_of_a_variable_and_no_user_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, shown: str
) -> None:
    dataset, store = load_dataset("fafb_10k", str(tmp_path)), DatasetStore(str(tmp_path), "fafb_10k")
    assert isinstance(dataset, EmDataset)
    for name, value in (
        ("SYNAPSE_VOLUMES", "/mnt/secret-place"),
        ("LAB_TOKEN", "t0ken-secret"),
        ("SYNAPSE_SHORT", "e"),
    ):
        monkeypatch.setenv(name, value)
    volumes = {name: spec.model_copy(update={"url": url}) for name, spec in dataset.volumes.items()}
    text = as_written(dataset.model_copy(update={"volumes": volumes}), store)
    assert {spec["url"] for spec in yaml.safe_load(text)["volumes"].values()} == {shown}
    assert "secret" not in text


def test_of_a_morphology_dataset_and_of_releases_of_an_earlier_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpack(FOLDER / "installation.tar.xz", tmp_path)
    monkeypatch.chdir(tmp_path)
    with installation(tmp_path) as archived:
        for name, heading in ((PLANTED, "Clusters"), (TINY, "Do the coordinates fit the pictures")):
            if name == PLANTED:
                with duckdb.connect(str(archived.store(name).warehouse_path)) as connection:
                    connection.execute(
                        "insert into clusters select * replace ('more' as investigation_group) from clusters"
                    )
            html = build_report(archived.store(name), archived.datasets[name])
            report, compared = asked_again(archived.store(name), html)
            assert compared > 100
            assert any(heading in title for title in report.headings)
            assert ("needs columns that this release, of an earlier version, does not have" in html) == (name == TINY)
            assert (f"materialise {name}/warehouse again" in html) == (name == TINY)
            assert ("none below 8 neurons" in html) == (name == PLANTED)
            [coverage_table] = [one for one in report.shown if one.rows and "in a cluster or noise" in one.rows[0]]
            [whole] = [row for row in coverage_table.rows if row[0] == "all"]
            with duckdb.connect(str(archived.store(name).warehouse_path), read_only=True) as connection:
                synapses, clustered, rows = connection.sql(
                    "select (select count(*) from synapses), count(distinct synapse_id), count(*) from clusters"
                ).fetchall()[0]
            assert (rows > clustered) == (name == PLANTED)
            assert (plain(whole[1]), plain(whole[coverage_table.rows[0].index("in a cluster or noise")])) == (
                str(synapses), str(clustered)
            )  # fmt: skip
            left_out = [one for one in report.shown if one.rows and one.rows[0][:2] == ["used for", "left out"]]
            assert len(left_out) == (name == PLANTED)


def test_the_command_says_where_the_report_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = detection_release.planted(tmp_path)
    file = tmp_path / "found.yaml"
    file.write_text(yaml.safe_dump(found.dataset.model_dump(mode="json", exclude_none=True)))
    monkeypatch.setenv("SYNAPSE_DATA_ROOT", found.store.data_root)
    out = tmp_path / "supplement.html"
    done = CliRunner().invoke(app, ["report", str(file), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert str(out) in done.output
    assert "Found synapses" in out.read_text()
    # One that is on by its file is known by its name.
    monkeypatch.setenv("SYNAPSE_DATASETS", str(file))
    by_name = CliRunner().invoke(app, ["report", found.dataset.name, "--out", str(out)])
    assert (by_name.exit_code, by_name.output) == (0, done.output)
    refused = CliRunner().invoke(app, ["report", str(file), "--release", "paper"])
    assert refused.exit_code == 2
    assert "has no release 'paper'" in refused.output
