"""Published labels as a study gives them: matched to the synapses of its workbook, and told where they do not match."""

import http.server
import json
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml
from sklearn.metrics import adjusted_rand_score
from typer.testing import CliRunner

from synapse_assets.analysis.clustering.agreement import agreement_with_published
from synapse_assets.analysis.morphology.tables import in_group
from synapse_assets.cli import app
from synapse_assets.datasets import LabelFile, MorphologyDataset, load_dataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.definitions import build_definitions
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.inputs import Input, content_of, try_poll
from synapse_assets.pipeline.morphology.inputs import morphology_inputs
from synapse_assets.sample import draw_sample_workbook
from synapse_assets.schema import morphology
from synapse_assets.settings import Settings
from synapse_assets.sources.published_labels import Unmatched, read_published_labels
from synapse_assets.sources.workbooks import read_workbooks

COLUMNS = ["SynId", "NeuronType", "NeuronId", "SynType", "UMAP_1", "UMAP_2", "Cluster", "clusterid"]
GROUPS = ("as", "ss", "cb", "cr", "pv")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The local root with the sample workbooks, the study's and the newly observed synapses'."""
    root = tmp_path_factory.mktemp("local")
    draw_sample_workbook(root / "sample_cbp" / "raw")
    return root


@pytest.fixture(scope="module")
def dataset(drawn: Path) -> MorphologyDataset:
    sample = load_dataset("sample_cbp", str(drawn))
    assert isinstance(sample, MorphologyDataset)
    return sample


@pytest.fixture(scope="module")
def synapses(drawn: Path, dataset: MorphologyDataset) -> pa.Table:
    return read_workbooks(dataset, drawn)[0]


@pytest.fixture(scope="module")
def truth(drawn: Path) -> dict[str, str]:
    """The planted class of every synapse of the study's workbook, by its id."""
    classes = json.loads((drawn / "sample_cbp" / "raw" / "sample_workbook.json").read_text())["planted_class"]
    return {synapse: planted for synapse, planted in classes.items() if not synapse.startswith("new/")}


@pytest.fixture
def study(truth: dict[str, str]) -> pd.DataFrame:
    """Labels as the study publishes them: each synapse once under its type and once under the type of its neuron."""
    numbers = {planted: number for number, planted in enumerate(sorted(set(truth.values())))}
    rows = []
    for synapse, planted in truth.items():
        neuron, kind, number = synapse.split("/")
        for group in (kind, neuron[:2]):
            label = -1 if int(number) == 7 else numbers[planted]
            rows.append([int(number), neuron[:2], neuron, kind, 0.5, -1.5, label, group])
    return pd.DataFrame(rows, columns=COLUMNS)


Read = Callable[..., tuple[pa.Table, Unmatched]]


@pytest.fixture
def read(dataset: MorphologyDataset, synapses: pa.Table, tmp_path: Path) -> Read:
    def read(path: Path | str, synapses: pa.Table = synapses) -> tuple[pa.Table, Unmatched]:
        fitted = synapses.filter(pc.equal(synapses.column("used_for"), "fit"))
        groups = {
            name: in_group(fitted, group.conditions).column("synapse_id").to_pylist()
            for name, group in dataset.groups.items()
        }
        return read_published_labels(LabelFile(path=str(path)), synapses, groups, tmp_path / "raw")

    return read


def csv(folder: Path, rows: pd.DataFrame, **how: Any) -> Path:
    path = folder / "labels.csv"
    rows.to_csv(path, index=False, **how)
    return path


def refused(read: Read, path: Path | str) -> str:
    """The sentence with which the file is refused; it names the file."""
    with pytest.raises(BadInput) as error:
        read(path)
    message = str(error.value)
    assert "\n" not in message
    assert Path(path).name in message
    return message


def labels_of(table: pa.Table) -> dict[tuple[str, str], str]:
    return {(row["investigation_group"], row["synapse_id"]): row["label"] for row in table.to_pylist()}


NOTHING = Unmatched({}, 0, (), 0, (), 0, {}, ())

# What is read --------------------------------------------------------------------------------------------------------------


def test_every_synapse_has_the_label_of_the_study_in_both_of_its_groups(
    study: pd.DataFrame, read: Read, truth: dict[str, str], tmp_path: Path
) -> None:
    table, unmatched = read(csv(tmp_path, study))
    assert table.schema == morphology.PUBLISHED_LABELS.arrow
    assert unmatched == NOTHING
    assert unmatched.notes() == []
    found = labels_of(table)
    assert len(found) == table.num_rows == len(study) == 2 * len(truth) == 1528
    by_hand = {
        (row.clusterid, f"{row.NeuronId}/{row.SynType}/{row.SynId}"): str(row.Cluster) for row in study.itertuples()
    }
    assert found == by_hand
    assert found["as", "pv1/as/7"] == found["pv", "pv1/as/7"] == "-1"
    keys = list(found)
    assert keys == sorted(keys, key=lambda key: (GROUPS.index(key[0]), key[1]))


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("labels.csv", {"sep": ";", "decimal": ",", "encoding": "utf-8-sig", "lineterminator": "\r\n"}),
        ("labels.csv", {"quoting": 1}),
        ("labels.tsv", {"sep": "\t"}),
        ("labels.csv.gz", {}),
        ("labels.parquet", None),
        ("labels.feather", None),
        ("labels.json", {"orient": "records"}),
    ],
)
def test_every_kind_of_table_gives_the_same(
    name: str, how: dict[str, Any] | None, study: pd.DataFrame, read: Read, tmp_path: Path
) -> None:
    expected, _ = read(csv(tmp_path, study))
    # As pandas has them once a cell of the columns was empty.
    floats = study.astype({"SynId": float, "Cluster": float})
    path = tmp_path / "kinds" / name
    path.parent.mkdir()
    if how is None:
        getattr(floats, f"to_{path.suffix[1:]}")(path)
    elif name.endswith(".json"):
        floats.to_json(path, **how)
    else:
        floats.to_csv(path, index=False, **how)
    table, unmatched = read(path)
    assert table.equals(expected)
    assert unmatched == NOTHING


def test_only_five_columns_are_needed_and_empty_rows_are_passed_over(
    study: pd.DataFrame, read: Read, tmp_path: Path
) -> None:
    expected, _ = read(csv(tmp_path, study))
    needed = study[["clusterid", "Cluster", "SynId", "SynType", "NeuronId"]].astype(str)
    blank = pd.DataFrame([[""] * 5] * 2, columns=needed.columns)
    table, unmatched = read(csv(tmp_path, pd.concat([needed[:9], blank, needed[9:], blank])))
    assert table.equals(expected)
    assert unmatched == NOTHING


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("A", "A"),
        ("cluster 2", "cluster 2"),
        ("3", "3"),
        ("3.0", "3"),
        (" 3 ", "3"),
        ("-1", "-1"),
        ("-1.0", "-1"),
        ("noise", "-1"),
        (" Noise ", "-1"),
        ("NOISE", "-1"),
        ("2.5", "2.5"),
        ("größer", "größer"),
    ],
)
def test_a_label_is_text(written: str, label: str, study: pd.DataFrame, read: Read, tmp_path: Path) -> None:
    study["Cluster"] = study["Cluster"].astype(str)
    study.loc[0, "Cluster"] = written
    table, _ = read(csv(tmp_path, study))
    assert labels_of(table)[study.clusterid[0], f"{study.NeuronId[0]}/{study.SynType[0]}/{study.SynId[0]}"] == label


def test_blanks_around_and_ids_with_a_fraction_of_zeros_are_none_of_it(
    study: pd.DataFrame, read: Read, tmp_path: Path
) -> None:
    expected, _ = read(csv(tmp_path, study))
    study["SynId"] = [f" {number}.0 " if number % 2 else f"{number} " for number in study["SynId"]]
    for column in ("NeuronId", "SynType", "Cluster", "clusterid"):
        study[column] = [f" {cell}\u00a0" for cell in study[column]]
    table, unmatched = read(csv(tmp_path, study.rename(columns={"SynId": " SynId "})))
    assert table.equals(expected)
    assert unmatched == NOTHING


def test_ids_carry_the_prefix_of_their_workbook_and_new_synapses_have_no_label(
    study: pd.DataFrame, drawn: Path, dataset: MorphologyDataset, tmp_path: Path
) -> None:
    first, second = dataset.workbooks
    prefixed = dataset.model_copy(
        update={
            "workbooks": [first.model_copy(update={"id_prefix": "v1/"}), second.model_copy(update={"id_prefix": ""})]
        }
    )
    rows = read_workbooks(prefixed, drawn)[0]
    fitted = rows.filter(pc.equal(rows.column("used_for"), "fit")).column("synapse_id").to_pylist()
    groups = {name: [synapse for synapse in fitted if f"/{name}" in synapse] for name in GROUPS}
    table, unmatched = read_published_labels(LabelFile(path=str(csv(tmp_path, study))), rows, groups, tmp_path)
    assert unmatched == NOTHING
    assert table.num_rows == len(study)
    assert set(table.column("synapse_id").to_pylist()) == set(fitted)
    assert all(synapse.startswith("v1/") for synapse in fitted)


def test_a_file_at_an_address_is_fetched(study: pd.DataFrame, read: Read, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    expected, _ = read(csv(tmp_path / "web", study))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path / "web")) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.server_address[1]}/labels.csv"
        table, unmatched = read(f"{address}?key=s3cret")
        gone = refused(read, f"http://127.0.0.1:{server.server_address[1]}/gone.csv")
        csv(tmp_path / "web", pd.concat([study, study[:1].assign(Cluster=9)]))
        with pytest.raises(BadInput) as contradiction:
            read(f"{address}?key=s3cret")
        (tmp_path / "web" / "labels.csv").write_text("a,b\n1,2\n")
        message = refused(read, address)
        server.shutdown()
        thread.join()
    assert table.equals(expected)
    assert unmatched == NOTHING
    assert "404" in gone
    assert str(contradiction.value).startswith(f"{address}?...: rows 2 and 1530 give cb1/as/1")
    assert message.startswith(f"{address} has no column 'clusterid', ")


# What does not match ---------------------------------------------------------------------------------------------------------


def test_what_does_not_match_is_kept_out_counted_and_told(study: pd.DataFrame, read: Read, tmp_path: Path) -> None:
    expected, _ = read(csv(tmp_path, study))
    more = [
        *([number, "pv", "pv9", "as", 0, 0, 1, group] for number in (1, 2, 3) for group in ("as", "pv")),
        *([number, "pv", "pv1", "as", 0, 0, 1, "cb"] for number in (1, 2)),
        *([number, "pv", "pv1", "as", 0, 0, 1, "everything"] for number in (1, 2, 3, 4)),
    ]
    rows = pd.concat([study, pd.DataFrame(more, columns=COLUMNS)])
    rows = rows[~((rows["NeuronId"] == "cb3") & (rows["clusterid"] == "as"))]
    rows = rows[rows["clusterid"] != "cr"]
    table, unmatched = read(csv(tmp_path, rows))
    kept = [
        not (row["investigation_group"] == "cr" or (row["investigation_group"] == "as" and "cb3" in row["synapse_id"]))
        for row in expected.to_pylist()
    ]
    assert table.equals(expected.filter(pa.array(kept)))
    assert unmatched == Unmatched(
        other_groups={"everything": 4},
        not_in_workbooks=6,
        first_not_in_workbooks=("pv9/as/1", "pv9/as/2", "pv9/as/3"),
        not_in_group=2,
        first_not_in_group=("pv1/as/1 in cb", "pv1/as/2 in cb"),
        repeated=0,
        without_label={"as": 5, "cr": 119},
        groups_without_label=("cr",),
    )
    assert unmatched.notes() == [
        "4 rows of groups that the dataset does not have: everything (4)",
        "6 rows of synapses that no workbook has: pv9/as/1, pv9/as/2, pv9/as/3",
        "2 rows of synapses that are not in that group here: pv1/as/1 in cb, pv1/as/2 in cb",
        "synapses without a published label, by group: as (5), cr (119)",
        "no published label in the groups cr",
    ]


def test_only_the_first_few_are_named(study: pd.DataFrame, read: Read, tmp_path: Path) -> None:
    others = [[number, "pv", "pv9", "as", 0, 0, 1, "as"] for number in range(1, 2001)]
    groups = [[1, "pv", "pv1", "as", 0, 0, 1, f"g{number}"] for number in range(9)]
    _, unmatched = read(csv(tmp_path, pd.concat([study, pd.DataFrame(others + groups, columns=COLUMNS)])))
    assert unmatched.not_in_workbooks == 2000
    assert unmatched.first_not_in_workbooks == tuple(f"pv9/as/{number}" for number in range(1, 6))
    assert unmatched.notes() == [
        "9 rows of groups that the dataset does not have: g0 (1), g1 (1), g2 (1), g3 (1), g4 (1), ...",
        "2,000 rows of synapses that no workbook has: pv9/as/1, pv9/as/2, pv9/as/3, pv9/as/4, pv9/as/5",
    ]


def test_a_row_that_repeats_another_counts_once(study: pd.DataFrame, read: Read, tmp_path: Path) -> None:
    expected, _ = read(csv(tmp_path, study))
    again = study[10:13].astype({"Cluster": float})
    table, unmatched = read(csv(tmp_path, pd.concat([study.astype({"Cluster": str}), again.astype({"Cluster": str})])))
    assert table.equals(expected)
    assert unmatched.repeated == 3
    assert unmatched.notes() == ["3 rows repeat another row, label included"]


# What is refused -------------------------------------------------------------------------------------------------------------


def test_rows_that_contradict_each_other_are_refused(study: pd.DataFrame, read: Read, tmp_path: Path) -> None:
    again = study[10:11].assign(Cluster=5)
    message = refused(read, csv(tmp_path, pd.concat([study, again])))
    row = study.loc[10]
    key = f"{row.NeuronId}/{row.SynType}/{row.SynId}"
    assert (
        f"rows 12 and 1530 give {key} in group '{row.clusterid}' different labels, '{row.Cluster}' and '5': "
        "delete the one that is wrong" in message
    )


def test_labels_of_other_neurons_are_refused(study: pd.DataFrame, read: Read, tmp_path: Path) -> None:
    message = refused(read, csv(tmp_path, study.assign(NeuronId="n" + study["NeuronId"])))
    assert "no row is of a synapse that a workbook for the fit has in that group" in message
    assert "the file has ncb1/as/1, ncb1/as/2," in message
    assert "the workbooks have cb1/as/1, cb1/as/2," in message
    assert message.endswith("are the labels of another study, or the neurons named otherwise?")


def test_labels_of_newly_observed_synapses_are_of_no_workbook_for_the_fit(
    study: pd.DataFrame, read: Read, synapses: pa.Table, tmp_path: Path
) -> None:
    path = csv(tmp_path, study)
    new = synapses.filter(pc.equal(synapses.column("used_for"), "prediction"))
    with pytest.raises(BadInput, match="the workbooks have none"):
        read(path, new)


def test_groups_of_other_names_are_refused(study: pd.DataFrame, read: Read, tmp_path: Path) -> None:
    message = refused(read, csv(tmp_path, study.assign(clusterid="group " + study["clusterid"])))
    assert "column 'clusterid' has group as, group cb, group ss, group cr, group pv" in message
    assert "groups in the dataset's YAML are as, ss, cb, cr, pv: name them alike" in message


def test_a_key_of_two_workbooks_is_refused(study: pd.DataFrame, read: Read, synapses: pa.Table, tmp_path: Path) -> None:
    row = synapses.slice(0, 1)
    twin = row.set_column(0, row.schema.field(0), pa.array(["b/cb1/as/1"]))
    with pytest.raises(BadInput, match=r"row 2: cb1/as/1 may be cb1/as/1 or b/cb1/as/1, as two workbooks for the fit"):
        read(csv(tmp_path, study), pa.concat_tables([synapses, twin]))


@pytest.mark.parametrize("column", ["Cluster", "clusterid", "NeuronId", "SynType", "SynId"])
@pytest.mark.parametrize("empty", ["", "  ", "NaN", "NA"])
def test_an_empty_cell_is_refused_by_its_row(
    column: str, empty: str, study: pd.DataFrame, read: Read, tmp_path: Path
) -> None:
    study[column] = study[column].astype(str)
    study.loc[40, column] = empty
    message = refused(read, csv(tmp_path, study))
    assert f"row 42, column '{column}': the cell is empty, NaN or NA: fill it in, or delete the row" in message


def test_an_empty_label_of_a_table_with_types_is_refused(study: pd.DataFrame, read: Read, tmp_path: Path) -> None:
    study.loc[3, "Cluster"] = None
    study.to_parquet(tmp_path / "labels.parquet")
    assert "row 5, column 'Cluster': the cell is empty" in refused(read, tmp_path / "labels.parquet")


@pytest.mark.parametrize("number", ["12a", "1.5", "1 234", "#1"])
def test_a_number_of_a_synapse_that_is_none_is_refused(
    number: str, study: pd.DataFrame, read: Read, tmp_path: Path
) -> None:
    study["SynId"] = study["SynId"].astype(str)
    study.loc[40, "SynId"] = number
    message = refused(read, csv(tmp_path, study))
    assert f"row 42, column 'SynId': '{number}' is not a whole number of 64 bits" in message


def test_missing_and_double_columns_are_named(study: pd.DataFrame, read: Read, tmp_path: Path) -> None:
    message = refused(read, csv(tmp_path, study.rename(columns={"Cluster": "cluster", "clusterid": "group"})))
    assert "has no column 'clusterid', 'Cluster'; its columns are ['SynId', 'NeuronType'," in message
    assert "'cluster', 'group']: published labels need clusterid, NeuronId, SynType, SynId, Cluster" in message
    message = refused(read, csv(tmp_path, study.rename(columns={"UMAP_1": "Cluster"})))
    assert "has the columns ['Cluster'] more than once" in message


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("labels.csv", b"", "is empty (0 bytes)"),
        ("labels.csv", b"\n\n", "has no column"),
        ("labels.csv", ",".join(COLUMNS).encode() + b"\n", "has a header but no rows"),
        ("labels.csv", ",".join(COLUMNS).encode() + b"\n,,,,,,,\n", "has a header but no rows"),
        ("labels.csv", b"<html><body>Log in</body></html>", "is a web page or other XML text"),
        ("labels.csv", b"PK\x03\x04" + bytes(60), "is a workbook, or another zip archive"),
        ("labels.csv", "a,größe\n1,2\n".encode("latin-1"), "is no UTF-8 text"),
        ("labels.csv", "a,b\n1,2\n".encode("utf-16"), "is UTF-16 text"),
        ("labels.csv", b"version https://git-lfs.github.com/spec/v1\n", "is a git-LFS pointer"),
        ("labels.xlsx", b"PK\x03\x04" + bytes(60), "save the sheet that holds the table as 'CSV UTF-8'"),
        ("labels.sqlite", b"SQLite format 3\0" + bytes(99), "is a database: write its table as CSV"),
        ("labels.manifest", b"labels.csv\n", "name one of them"),
    ],
)
def test_what_is_no_such_table_is_refused(name: str, content: bytes, message: str, read: Read, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert message.lower() in refused(read, tmp_path / name).lower()


@pytest.mark.parametrize("name", ["gone.csv", "", "*.csv", "gone.manifest"])
def test_a_file_that_is_not_there_is_told(name: str, read: Read, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"there is no file .*: check published_labels in the dataset's YAML"):
        read(tmp_path / name)


def test_a_file_too_large_is_refused_unread(read: Read, tmp_path: Path) -> None:
    with (tmp_path / "labels.csv").open("wb") as stream:
        stream.truncate((200 << 20) + 1)
    assert "is larger than 200 MiB" in refused(read, tmp_path / "labels.csv")


# In a dataset ----------------------------------------------------------------------------------------------------------------


def with_labels(dataset: MorphologyDataset, path: object) -> MorphologyDataset:
    return dataset.model_copy(update={"published_labels": str(path)})


def test_the_field_is_filled_in_and_may_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAPSE_CBP_WORKBOOK", "/data/study.xlsx")
    monkeypatch.delenv("SYNAPSE_CBP_PUBLISHED_LABELS", raising=False)
    without = load_dataset("cbp", "/nowhere")
    assert isinstance(without, MorphologyDataset)
    assert (without.published_labels, without.label_file) == ("", None)
    assert "published_labels" not in hashed_fields(without)
    assert [one.asset for one in morphology_inputs(without)] == ["synapse_workbooks"]
    monkeypatch.setenv("SYNAPSE_CBP_PUBLISHED_LABELS", "/data/labels.csv")
    assert Settings().unused() == []
    found = load_dataset("cbp", "/nowhere")
    assert isinstance(found, MorphologyDataset)
    assert found.label_file == LabelFile(path="/data/labels.csv")
    assert found.model_copy(update={"published_labels": ""}) == without


def test_it_is_a_watched_input_and_one_that_is_gone_changes_nothing(
    study: pd.DataFrame, dataset: MorphologyDataset, tmp_path: Path
) -> None:
    path = csv(tmp_path, study)
    labelled = with_labels(dataset, path)
    definitions = build_definitions(Settings(data_root=str(tmp_path), datasets=[]), datasets=[labelled])
    graph = definitions.resolve_asset_graph()
    keys = {key.path[-1]: graph.get(key) for key in graph.get_all_asset_keys()}
    assert keys["published_labels"].is_observable
    assert "published_labels" in {key.path[-1] for key in keys["input_files"].parent_keys}
    assert not keys["published_labels"].is_materializable
    labels = next(one for one in morphology_inputs(labelled) if one.asset == "published_labels")
    assert labels.metadata == {"published_labels": str(path)}
    seen, version, note = polled(labels, {})
    assert version is None
    assert "labels.csv" in note
    seen, version, _ = polled(labels, seen)
    assert version == content_of(labels)[0]
    path.touch()
    seen, again, _ = polled(labels, polled(labels, seen)[0])
    assert again == version
    kept = path.read_bytes()
    path.unlink()
    before = seen
    for _ in range(3):
        seen, gone, note = polled(labels, seen)
        assert gone is None
        assert seen == before
    assert f"there is no file {path}: check published_labels in the dataset's YAML" in note
    assert note.endswith("If it is gone for good, take published_labels out of the YAML")
    path.write_bytes(kept + b"1,pv,pv9,as,0,0,1,as\n")
    seen, changed, _ = polled(labels, polled(labels, seen)[0])
    assert changed not in (None, version)


def polled(labels: Input, seen: Any) -> tuple[dict[str, Any], str | None, str]:
    return try_poll("sample_cbp", labels, seen, "observed before")


def test_inspect_knows_the_table_and_prints_the_field(study: pd.DataFrame, tmp_path: Path) -> None:
    path = csv(tmp_path, study)
    printed = CliRunner().invoke(app, ["inspect", str(path)]).output
    assert "cluster labels that a study has published" in " ".join(printed.split())
    assert "note" not in printed
    assert yaml.safe_load(printed.splitlines()[-1]) == {"published_labels": str(path)}
    study.to_excel(tmp_path / "labels.xlsx", index=False)
    printed = CliRunner().invoke(app, ["inspect", str(tmp_path / "labels.xlsx")]).output
    assert "save the sheet as 'CSV UTF-8', and inspect that" in " ".join(printed.split())
    assert "published_labels" not in printed


# How far clusters agree ------------------------------------------------------------------------------------------------------


def test_clusters_of_the_same_synapses_agree_whatever_they_are_called(
    study: pd.DataFrame, read: Read, tmp_path: Path
) -> None:
    table, _ = read(csv(tmp_path, study))
    of_group = table.filter(pc.equal(table.column("investigation_group"), "pv"))
    published = labels_of(of_group)
    numbers = {label: 10 - number for number, label in enumerate(sorted(set(published.values()) - {"-1"}))} | {"-1": -1}
    ids = [synapse for _, synapse in published]
    clusters = pa.array([numbers[label] for label in published.values()], pa.int32()).to_numpy()
    assert agreement_with_published(of_group, ids, clusters) == (1.0, 496)
    # Synapses that only one of the two has do not count.
    assert agreement_with_published(of_group, [*ids[:400], "new/pv1/as/1"], clusters[:401]) == (1.0, 400)
    # Noise is one more group, and clusters that do not follow the labels agree as by chance.
    half = clusters.copy()
    half[clusters == -1] = clusters.max()
    index, count = agreement_with_published(of_group, ids, half)
    assert index == pytest.approx(adjusted_rand_score(clusters, half))
    assert index is not None
    assert index < 1
    alternating = pa.array([number % 2 for number in range(len(ids))], pa.int32()).to_numpy()
    index, count = agreement_with_published(of_group, ids, alternating)
    assert index == pytest.approx(0, abs=0.02)
    assert count == 496


def test_of_fewer_than_two_synapses_nothing_is_said_and_noise_alone_agrees_with_nothing() -> None:
    table = pa.table({"synapse_id": ["a", "b"], "label": ["A", "B"]})
    clusters = pa.array([0, 1], pa.int32()).to_numpy()
    assert agreement_with_published(table, ["a", "x"], clusters) == (None, 1)
    assert agreement_with_published(table, ["x", "y"], clusters) == (None, 0)
    assert agreement_with_published(table, ["a", "b"], clusters) == (1.0, 2)
    assert agreement_with_published(table, [], clusters[:0]) == (None, 0)
    noise = pa.table({"synapse_id": ["a", "b"], "label": ["-1", "-1"]})
    assert agreement_with_published(noise, ["a", "b"], clusters[[0, 0]]) == (0.0, 2)
