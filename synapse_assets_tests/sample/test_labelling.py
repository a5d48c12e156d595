"""The labelling sample: half of its neurons have a class in the tables, which is the planted one."""

import json
from pathlib import Path

import pytest

from synapse_assets.datasets import EmDataset, load_dataset
from synapse_assets.sample import draw_sample_labelling, labelling
from synapse_assets.sample.brain import Plan, SampleTissue
from synapse_assets.sample.drawing import LOOKS


def test_every_second_neuron_has_a_class_in_the_tables() -> None:
    layout = labelling.LABELLING_LAYOUT
    plan = Plan(layout, SampleTissue, 0)
    known = {neuron.id: neuron.known for neuron in plan.neurons}
    assert (len(known), sum(names is None for names in known.values())) == (48, 24)
    of_one = {names[0] for names in known.values() if names is not None and len(names) == 1}
    assert of_one == set(LOOKS), "every class can be learned from what is known"
    for neuron in plan.neurons:
        assert neuron.known is None or neuron.transmitter in neuron.known
    assert len(plan.synapses) == 960


def test_it_is_drawn_as_its_dataset_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load_dataset("sample_labelling", str(tmp_path))
    assert isinstance(dataset, EmDataset)
    assert dataset.labelling is not None
    small = labelling.replace(
        labelling.LABELLING_LAYOUT,
        block=(1, 1),
        hemilineages=tuple((nt, names, 4) for nt, names, _ in labelling.LABELLING_LAYOUT.hemilineages),
    )
    monkeypatch.setattr(labelling, "LABELLING_LAYOUT", small)
    folder = tmp_path / "sample_labelling" / "raw"
    truth = draw_sample_labelling(folder)
    skeletons = json.loads((folder / "skeletons.json").read_text())
    assert sum(fields["nt_known"] is None for fields in skeletons.values()) == 24
    assert {int(one) for one in skeletons} == set(truth.transmitter_by_neuron)
    assert all(Path(source.path).is_file() for source in (*dataset.sources, *dataset.neurons))  # type: ignore[union-attr]
