"""Tables of neurons: ids to the last digit, known classes, joined by id."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from synapse_assets.datasets.sources import NeuronTable, SynisterNeurons, fill_in_format
from synapse_assets.errors import BadInput
from synapse_assets.schema import NEURONS
from synapse_assets.sources import Tally, join_neurons, read_neurons

ROOT = 720575940612345679  # above 2^53: a float would make it ...680
ALL = {"neuron_id": "root_id", "known_classes": "nt", "hemilineage": "lineage", "cell_type": "type", "side": "side"}


def source(path: Path, columns: dict[str, str] | None = None, **changes: object) -> NeuronTable:
    values = {"name": "table", "format": "neurons", "path": str(path), "columns": columns or {"neuron_id": "root_id"}}
    return NeuronTable.model_validate({**values, **changes})


def ready_made(name: str, path: Path, **changes: object) -> NeuronTable:
    """A source of a format that is shipped, filled in as a dataset file is."""
    return NeuronTable.model_validate(fill_in_format({"name": "table", "format": name, "path": str(path), **changes}))


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def table(rows: dict[int, dict[str, Any]], file: str) -> pa.Table:
    """`schema.NEURONS` of a few neurons, as a reader gives it."""
    whole = []
    for neuron, facts in rows.items():
        classes = facts.get("known_classes", [])
        target = classes[0] if len(classes) == 1 else None
        whole.append({"neuron_id": neuron, "known_classes": classes, "target": target, "source_file": file, **facts})
    columns = {column.name: [row.get(column.name) for row in whole] for column in NEURONS.columns}
    return pa.table(columns, schema=NEURONS.arrow)


def test_every_fact_of_a_table_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "n.csv",
        f"root_id,nt,lineage,type,side\n{ROOT},ACH,ALad1,DA1_lPN,L\n{ROOT + 2},gaba;OA,putative_primary, APL ,rhs\n3,,NA1,,na\n",
    )
    tally = Tally()
    neurons = read_neurons(source(path, ALL), tally)
    assert neurons.schema.equals(NEURONS.arrow)
    assert neurons.column("neuron_id").to_pylist() == [ROOT, ROOT + 2, 3]
    assert neurons.column("known_classes").to_pylist() == [["acetylcholine"], ["gaba", "octopamine"], []]
    assert neurons.column("target").to_pylist() == ["acetylcholine", None, None]
    # Presumed primary neurons are no hemilineage, whatever the column says.
    assert neurons.column("hemilineage").to_pylist() == ["ALad1", None, None]
    assert neurons.column("cell_type").to_pylist() == ["DA1_lPN", "APL", None]
    assert neurons.column("side").to_pylist() == ["left", "right", None]
    assert set(neurons.column("source_file").to_pylist()) == {"n.csv"}
    assert (tally.rows, dict(tally.left_out)) == (3, {})


@pytest.mark.parametrize(
    ("written", "classes"),
    [
        ("ACH", ["acetylcholine"]),
        ("ach", ["acetylcholine"]),
        ("acetylcholine;acetylcholine", ["acetylcholine"]),
        ("GLUT", ["glutamate"]),
        ("glu", ["glutamate"]),
        ("GABA", ["gaba"]),
        ("SER", ["serotonin"]),
        ("5-HT", ["serotonin"]),
        ("OCT", ["octopamine"]),
        ("OA/TYR", ["octopamine", "tyramine"]),
        ("DA", ["dopamine"]),
        ("HIS", ["histamine"]),
        ("gaba, myoinhibitory peptide", ["gaba", "myoinhibitory peptide"]),
        # Only whole names are names.
        ("DAN", ["DAN"]),
        ("glutamatergic", ["glutamatergic"]),
        ("n/a", []),
        ("Unknown", []),
    ],
)
def test_names_of_transmitters_become_one(tmp_path: Path, written: str, classes: list[str]) -> None:
    path = write(tmp_path / "n.tsv", f"root_id\tnt\n1\t{written}\n")
    neurons = read_neurons(source(path, {"neuron_id": "root_id", "known_classes": "nt"}))
    assert neurons.column("known_classes").to_pylist() == [classes]


def test_class_names_of_the_dataset_come_first(tmp_path: Path) -> None:
    path = write(tmp_path / "n.csv", "root_id,nt\n1,DA\n2,2\n")
    columns = {"neuron_id": "root_id", "known_classes": "nt"}
    neurons = read_neurons(source(path, columns, class_names={"DA": "dorsal appendage", "2": "gaba"}))
    assert neurons.column("target").to_pylist() == ["dorsal appendage", "gaba"]


@pytest.mark.parametrize(
    ("written", "known"),
    [
        *(
            (name, None)
            for name in ("NA", "na1", "none", "NEW", "new2_posterior", "unknown7", "Putative primary", "primary")
        ),
        *((name, name) for name in ("ALad1", "NB3", "UNKNOWNed", "SLPal3_and_SLPal4_dorsal")),
    ],
)
def test_names_for_no_hemilineage_are_empty(tmp_path: Path, written: str, known: str | None) -> None:
    path = write(tmp_path / "n.csv", f"root_id,lineage\n1,{written}\n")
    neurons = read_neurons(source(path, {"neuron_id": "root_id", "hemilineage": "lineage"}))
    assert neurons.column("hemilineage").to_pylist() == [known]


def test_classes_are_taken_only_with_the_evidence_asked_for(tmp_path: Path) -> None:
    path = write(
        tmp_path / "n.csv",
        "root_id,nt,by,sure\n1,ach,FISH,5\n2,gaba,guess,5\n3,gaba,,5\n4,gaba,FISH,2\n5,da,EASI-FISH,4\n",
    )
    columns = {"neuron_id": "root_id", "known_classes": "nt"}
    chosen = source(path, columns, known_class_from={"by": ["FISH", "EASI-FISH"], "sure": ["4", "5"]})
    neurons = read_neurons(chosen)
    assert neurons.column("target").to_pylist() == ["acetylcholine", None, None, None, "dopamine"]
    assert neurons.num_rows == 5
    with pytest.raises(BadInput, match=r"no column 'proof' \(for known_class_from proof\)"):
        read_neurons(source(path, columns, known_class_from={"proof": ["x"]}))


def test_codex_and_annotation_tables_are_read_as_they_are(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "neurons.csv.gz", "wt") as stream:
        stream.write(
            "root_id,group,nt_type,nt_type_score,da_avg,ser_avg,gaba_avg,glut_avg,ach_avg,oct_avg\n"
            f"{ROOT},LO.LOP,ACH,0.9,0,0,0,0,0.9,0\n{ROOT + 1},ME,,,0,0,0,0,0,0\n"
        )
    with gzip.open(tmp_path / "classification.csv.gz", "wt") as stream:
        stream.write(
            "root_id,flow,super_class,class,sub_class,hemilineage,side,nerve\n"
            f"{ROOT + 1},intrinsic,central,,,SMPad1,right,\n{ROOT},intrinsic,central,,,putative_primary,left,\n"
        )
    with gzip.open(tmp_path / "types.csv.gz", "wt") as stream:
        stream.write(f"root_id,primary_type,additional_type(s)\n{ROOT},T4a,\n")
    annotations = write(
        tmp_path / "annotations.tsv",
        "supervoxel_id\troot_id\tcell_type\tito_lee_hemilineage\ttop_nt\tknown_nt\tknown_nt_source\tside\n"
        f"78112261444987077\t{ROOT}\tT4\t\tgaba\tacetylcholine;acetylcholine\tA et al., 2007;B et al., 2023\tleft\n",
    )
    joined = join_neurons(
        [
            read_neurons(ready_made("codex_neurons", tmp_path / "neurons.csv.gz")),
            read_neurons(ready_made("codex_classification", tmp_path / "classification.csv.gz")),
            read_neurons(ready_made("codex_cell_types", tmp_path / "types.csv.gz")),
            read_neurons(ready_made("flywire_annotations", annotations)),
        ]
    )
    first, second = joined.to_pylist()
    # A predicted class (nt_type, top_nt) is no known one, and the first table that names a type counts.
    assert first == {
        "neuron_id": ROOT,
        "target": "acetylcholine",
        "known_classes": ["acetylcholine"],
        "hemilineage": None,
        "cell_type": "T4a",
        "side": "left",
        "source_file": "neurons.csv.gz, classification.csv.gz, types.csv.gz, annotations.tsv",
    }
    assert (second["neuron_id"], second["known_classes"], second["hemilineage"]) == (ROOT + 1, [], "SMPad1")


def test_an_offset_completes_the_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "n.csv", "id\n612345679\n7\n")
    neurons = read_neurons(source(path, {"neuron_id": "id"}, neuron_id_offset=720575940 * 10**9))
    assert neurons.column("neuron_id").to_pylist() == [ROOT, 720575940000000007]


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        (
            "root_id,side\n1,left\n,right\n",
            {"neuron_id": "root_id"},
            r"n\.csv, row 2, column 'root_id'.* is empty;",
        ),
        ("root_id\n1\n0\n", {"neuron_id": "root_id"}, r"row 2, column 'root_id'.* is 0, and ids begin at 1"),
        ("root_id\n1\n7.2057594061234e+17\n", {"neuron_id": "root_id"}, r"row 2.*7\.2057594061234e\+17"),
        ("root_id\n1\nDA1\n", {"neuron_id": "root_id"}, "row 2.*DA1"),
        (
            "neuron,side\n1,left\n",
            {"neuron_id": "root_id"},
            r"no column 'root_id' \(for neuron_id\); its columns are .*neuron",
        ),
        ("root_id,side\n", {"neuron_id": "root_id"}, "holds no neurons"),
        (
            "root_id,type\n1,T4\n2,T5\n",
            {"neuron_id": "root_id", "side": "type"},
            "row 1, column 'type': 'T4' is no side",
        ),
    ],
)
def test_bad_tables_are_named_by_file_and_row(tmp_path: Path, text: str, columns: dict[str, str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_neurons(source(write(tmp_path / "n.csv", text), columns))


def test_rounded_float_ids_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.parquet"
    pq.write_table(pa.table({"root_id": pa.array([3.0, float(ROOT)])}), path)
    with pytest.raises(BadInput, match="row 2, column 'root_id' holds identifiers as floating-point numbers"):
        read_neurons(source(path))


def test_rows_of_one_neuron_must_agree(tmp_path: Path) -> None:
    columns = {"neuron_id": "root_id", "hemilineage": "lineage", "cell_type": "type"}
    agreeing = write(tmp_path / "n.csv", "root_id,lineage,type\n7,ALad1,\n8,LHl1,T4\n7,ALad1,\n7,,DA1\n")
    tally = Tally()
    neurons = read_neurons(source(agreeing, columns), tally)
    assert neurons.select(["neuron_id", "hemilineage", "cell_type"]).to_pylist() == [
        {"neuron_id": 7, "hemilineage": "ALad1", "cell_type": "DA1"},
        {"neuron_id": 8, "hemilineage": "LHl1", "cell_type": "T4"},
    ]
    assert (tally.rows, dict(tally.left_out)) == (2, {"repeats a neuron": 2})
    write(tmp_path / "n.csv", f"root_id,lineage,type\n{ROOT},ALad1,T4\n8,LHl1,T4\n{ROOT},ALad1,T5\n")
    with pytest.raises(
        BadInput, match=rf"n\.csv: rows of neuron {ROOT} tell different things of its cell_type: \['T4', 'T5'\]"
    ):
        read_neurons(source(tmp_path / "n.csv", columns))


def test_joined_by_id_the_first_table_that_tells_a_fact_counts() -> None:
    first = table({3: {"known_classes": ["gaba"]}, 1: {"hemilineage": "ALad1"}, 2: {}}, "a.csv")
    second = table(
        {
            1: {"hemilineage": "LHl1", "known_classes": ["gaba", "dopamine"]},
            3: {"known_classes": ["serotonin"], "side": "left"},
        },
        "b.csv",
    )
    third = table({4: {"cell_type": "T4"}, 1: {"known_classes": ["gaba"]}}, "c.csv")
    joined = join_neurons([first, second, third]).to_pylist()
    facts = [(row["neuron_id"], row["known_classes"], row["target"], row["hemilineage"], row["side"]) for row in joined]
    assert facts == [
        (1, ["gaba", "dopamine"], None, "ALad1", None),
        (2, [], None, None, None),
        (3, ["gaba"], "gaba", None, "left"),
        (4, [], None, None, None),
    ]
    assert [row["source_file"] for row in joined] == ["a.csv, b.csv, c.csv", "a.csv", "a.csv, b.csv", "c.csv"]
    assert join_neurons([]).schema.equals(NEURONS.arrow)
    # Where two tables contradict each other the first counts; one that contradicts itself is wrong.
    with pytest.raises(BadInput, match=r"a\.csv: rows of neuron 3 tell different things of its known_classes"):
        join_neurons([pa.concat_tables([first, table({3: {"known_classes": ["dopamine"]}}, "a.csv")])])


def test_the_neurons_of_a_whole_brain_join(tmp_path: Path) -> None:
    count = 139_255
    ids = ROOT + np.random.default_rng(0).permutation(count)
    for name, column in (("a", "nt"), ("b", "lineage"), ("c", "type")):
        values = [f"{column}{number % 500}" if number % 3 else "" for number in range(count)]
        pa.csv.write_csv(pa.table({"root_id": np.roll(ids, len(name)), column: values}), tmp_path / f"{name}.csv")
    facts = (("a", "known_classes", "nt"), ("b", "hemilineage", "lineage"), ("c", "cell_type", "type"))
    sources = [source(tmp_path / f"{name}.csv", {"neuron_id": "root_id", fact: column}) for name, fact, column in facts]
    joined = join_neurons([read_neurons(one) for one in sources])
    assert joined.num_rows == count
    assert joined.column("neuron_id").to_numpy().tolist() == sorted(ids.tolist())
    assert joined.column("target").null_count == joined.column("hemilineage").null_count == -(-count // 3)


def export(folder: Path, skeletons: Any, hemi_lineages: Any) -> SynisterNeurons:
    for name, content in (("skeletons", skeletons), ("hemi_lineages", hemi_lineages)):
        (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return SynisterNeurons(
        name="skeletons",
        format="synister_v3_skeletons",
        path=str(folder / "skeletons.json"),
        hemi_lineages=str(folder / "hemi_lineages.json"),
    )


HEMI_LINEAGES = {
    "1": {"nt_guess": ["acetylcholine"], "hemi_lineage_name": "ALad1"},
    "2": {"nt_guess": None, "hemi_lineage_name": "unknown2"},
}


def test_synister_skeletons_are_neurons(tmp_path: Path) -> None:
    skeletons = {
        "16": {"hemi_lineage_id": 1, "nt_known": ["acetylcholine"]},
        "17": {"hemi_lineage_id": 2, "nt_known": None},
        "9007199254740993": {"hemi_lineage_id": 1, "nt_known": ["gaba", "dopamine"]},
        "18": {"hemi_lineage_id": None, "nt_known": []},
    }
    neurons = read_neurons(export(tmp_path, skeletons, HEMI_LINEAGES))
    assert neurons.schema.equals(NEURONS.arrow)
    assert neurons.column("neuron_id").to_pylist() == [16, 17, 9007199254740993, 18]
    # One known transmitter is a target; none or two are not.
    assert neurons.column("target").to_pylist() == ["acetylcholine", None, None, None]
    assert neurons.column("known_classes").to_pylist() == [["acetylcholine"], [], ["dopamine", "gaba"], []]
    # A hemilineage named "unknown2" is unknown.
    assert neurons.column("hemilineage").to_pylist() == ["ALad1", None, "ALad1", None]


@pytest.mark.parametrize(
    ("skeletons", "message"),
    [
        ({"16a": {"hemi_lineage_id": 1}}, r"skeletons\.json: '16a' is no id"),
        ({"16.0": {"hemi_lineage_id": 1}}, r"'16\.0' is no id"),
        ({"16": {"hemi_lineage_id": 9}}, r"skeleton 16: hemi_lineage_id 9 is not in .*hemi_lineages\.json"),
        ({}, "holds no skeletons"),
        ([], "should be one JSON object keyed by id"),
        ({"16": 3}, "'16' should hold an object"),
        ('{"16": {"nt_known": ["gaba"]}, "16": {"nt_known": ["dopamine"]}}', "the key '16' comes more than once"),
        ('{"16": {', "is not valid JSON"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git-LFS pointer"),
    ],
)
def test_broken_exports_are_named(tmp_path: Path, skeletons: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_neurons(export(tmp_path, skeletons, HEMI_LINEAGES))
