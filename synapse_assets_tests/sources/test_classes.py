"""Names of classes: those of transmitters become one each, where the dataset is of transmitters, and whatever was renamed is told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.sources import NeuronTable
from synapse_assets.schema import SYNAPSE_LABELS
from synapse_assets.sources import ClassNames, RegionNames, Tally, read_neurons, read_source
from synapse_assets_tests.conftest import Lab
from synapse_assets_tests.sources.tables import VOLUME, column, source

# What other fields call their classes, spelt as short names of transmitters are.
LOOK_ALIKES = ["SER", "DA", "OA", "HIS", "TYR", "OCT", "GLU", "GLUT", "Ach", "5HT", "5-HT", "GABA", "gaba", "Dopamine"]


def written(folder: Path, labels: list[str]) -> Path:
    path = folder / "points.csv"
    path.write_text("id,x,y,z,body,roi,nt\n" + "".join(f'{i},{i},2,3,5,EB,"{one}"\n' for i, one in enumerate(labels)))
    return path


def read(path: Path, classes: ClassNames | None, **changes: Any) -> pa.Table:
    return pa.concat_tables(read_source(source(path, **changes), VOLUME, RegionNames("U"), Tally(), classes=classes))


def test_names_of_other_things_stay(tmp_path: Path) -> None:
    names = ClassNames(transmitters=False)
    table = read(written(tmp_path, LOOK_ALIKES), names)
    assert column(table, "target") == LOOK_ALIKES
    assert column(table, "known_classes") == [[one] for one in LOOK_ALIKES]
    assert names.renamed() == {}
    columns = {"neuron_id": "id", "known_classes": "nt"}
    neurons = {"name": "n", "format": "neurons", "path": str(tmp_path / "neurons.csv"), "columns": columns}
    (tmp_path / "neurons.csv").write_text("id,nt\n" + "".join(f"{i},{one}\n" for i, one in enumerate(LOOK_ALIKES, 1)))
    assert column(read_neurons(NeuronTable.model_validate(neurons), classes=names), "target") == LOOK_ALIKES
    everywhere = read(written(tmp_path, ["x"]), names, columns={"synapse_id": "id"}, target_value="SER")
    assert column(everywhere, "target") == ["SER"]


def test_every_short_name_is_its_transmitter(tmp_path: Path) -> None:
    of = {
        "SER": "serotonin", "DA": "dopamine", "OA": "octopamine", "HIS": "histamine", "TYR": "tyramine", "OCT": "octopamine",
        "GLU": "glutamate", "GLUT": "glutamate", "Ach": "acetylcholine", "5HT": "serotonin", "5-HT": "serotonin", "GABA": "gaba",
        "gaba": "gaba", "Dopamine": "dopamine",
    }  # fmt: skip
    table = read(written(tmp_path, LOOK_ALIKES), ClassNames())
    assert column(table, "target") == [of[name] for name in LOOK_ALIKES]


def test_names_of_transmitters_become_one_and_are_counted(tmp_path: Path) -> None:
    names = ClassNames()
    labels = ["SER", "ser", "SER", "gaba", "GABA", "gaba; oa", "unknown", "", "kc", "none"]
    table = read(written(tmp_path, labels), names, class_names={"kc": "acetylcholine", "none": "no transmitter"})
    assert column(table, "target") == [
        *("serotonin", "serotonin", "serotonin", "gaba", "gaba"),
        *(None, None, None, "acetylcholine", "no transmitter"),
    ]
    assert names.renamed() == {
        "SER -> serotonin": 2,
        "ser -> serotonin": 1,
        "GABA -> gaba": 1,
        "gaba; oa -> gaba and octopamine": 1,
        "unknown -> no class": 1,
        "kc -> acetylcholine": 1,
        "none -> no transmitter": 1,
    }


def test_a_name_that_the_dataset_gives_counts_whole(tmp_path: Path) -> None:
    given = {"mito/ER": "contact", "none": "no ER", "rough, ER": "rough ER", "unknown": "unclear"}
    labels = ["mito/ER", "none", "rough, ER", "unknown", "a/b"]
    table = read(written(tmp_path, labels), ClassNames(transmitters=False), class_names=given)
    assert column(table, "target") == ["contact", "no ER", "rough ER", "unclear", None]
    assert column(table, "known_classes")[-1] == ["a", "b"]


@pytest.mark.parametrize(
    ("target", "transmitters"),
    [
        *(
            (said, True)
            for said in ("neurotransmitter", "Neurotransmitters", "transmitter", "NT", "known nt", "nt_type")
        ),
        # Nothing is said: as it always was, with a question.
        *((said, True) for said in ("class", "Label", "")),
        *(
            (said, False)
            for said in ("endoplasmic_reticulum", "cell type", "organelle", "structure at the point", "cent")
        ),
    ],
)
def test_what_a_dataset_says_of_its_classes(lab: Lab, target: str, transmitters: bool) -> None:
    dataset = EmDataset.model_validate({**lab.dataset.model_dump(), "target": target})
    assert dataset.names_transmitters is transmitters


@pytest.mark.parametrize("target", ["endoplasmic_reticulum", "neurotransmitter", "class"])
def test_what_was_renamed_is_told_where_the_table_is_read(
    make_lab: Callable[..., Lab], tmp_path: Path, target: str
) -> None:
    lab = make_lab(target=target)
    points = pd.read_csv(lab.points)
    points["nt"] = ["SER", "DA", "smooth"] * (len(points) // 3)
    lab.write(points)
    (tmp_path / "neurons.csv").write_text("id,nt\n1,OA\n")
    values = lab.dataset.model_dump()
    columns = {"neuron_id": "id", "known_classes": "nt"}
    values["neurons"] = [
        {"name": "known", "format": "neurons", "path": str(tmp_path / "neurons.csv"), "columns": columns}
    ]
    lab.use(EmDataset.model_validate(values))
    result = lab.materialize("synapse_table", "neurons")
    told = {
        event.asset_key.path[-1]: event.materialization.metadata for event in result.get_asset_materialization_events()
    }
    lab.everywhere("synapse_labels")
    stored = set(lab.store.results(SYNAPSE_LABELS).read(None, ["target"]).column("target").to_pylist())
    third = len(points) // 3
    if target == "endoplasmic_reticulum":
        assert stored == {"SER", "DA", "smooth"}
        assert told["synapse_table"]["classes_renamed"].value == {}
    else:
        assert stored == {"serotonin", "dopamine", "smooth"}
        assert told["synapse_table"]["classes_renamed"].value == {"SER -> serotonin": third, "DA -> dopamine": third}
    assert told["neurons"]["classes_renamed"].value == (
        {} if target == "endoplasmic_reticulum" else {"OA -> octopamine": 1}
    )
    for name in ("synapse_table", "neurons"):
        assert ("target_not_said" in told[name]) is (target == "class")


def test_saying_what_the_classes_are_makes_what_was_read_out_of_date(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab()

    def version(target: str) -> str:
        lab.use(EmDataset.model_validate({**lab.dataset.model_dump(), "target": target}))
        graph = lab.definitions.resolve_asset_graph()
        return next(
            graph.get(key).code_version for key in graph.get_all_asset_keys() if key.path[-1] == "synapse_table"
        )

    assert version("class") == version("neurotransmitter") != version("organelle")
