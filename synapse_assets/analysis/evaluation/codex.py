"""Neurons in the shape of Codex's `neurons.csv` (codex.flywire.ai), for tools that read it.

Belongs here: names and order of its columns. Does not belong here: how a neuron's class is found (`neuron_answers`).
"""

import json

import pyarrow as pa

from synapse_assets.analysis.evaluation.predictions import UNCLEAR
from synapse_assets.errors import BadInput
from synapse_assets.schema import NEURON_ANSWERS

# In Codex's order: the class, what Codex calls it, and its column.
_TRANSMITTERS = {
    "dopamine": ("DA", "da_avg"),
    "serotonin": ("SER", "ser_avg"),
    "gaba": ("GABA", "gaba_avg"),
    "glutamate": ("GLUT", "glut_avg"),
    "acetylcholine": ("ACH", "ach_avg"),
    "octopamine": ("OCT", "oct_avg"),
}
LEFT_OUT = b"classes_left_out"


def codex_table(neuron_answers: pa.Table) -> pa.Table:
    """Neurons (`schema.NEURON_ANSWERS`) by the columns of Codex: root_id, group, nt_type, nt_type_score, da_avg, ser_avg, gaba_avg,
    glut_avg, ach_avg, oct_avg.

    `nt_type` is the answer, empty where that is "unclear" or a class that Codex has no column for; `nt_type_score` the pooled
    probability of the answer. The averages hold pooled probabilities of the neuron: unlike Codex's, which are means over synapses, they
    allow for the dependence between synapses. They are empty for a class that is not among the classifier's. `group` is Codex's own
    grouping and stays empty. Classes that Codex has no column for are left out of the averages, which then add up to less than 1; their
    names are in the table's metadata, as JSON under `LEFT_OUT`. Raises BadInput for a table without the columns.
    """
    missing = {"neuron_id", "answer", "probabilities"} - set(neuron_answers.column_names)
    if missing:
        raise BadInput(
            f"{NEURON_ANSWERS.name} has no column {sorted(missing)}; there are {neuron_answers.column_names}"
        )
    by_class = [dict(pairs) for pairs in neuron_answers.column("probabilities").to_pylist()]
    answers = neuron_answers.column("answer").to_pylist()
    clear = [answer if answer != UNCLEAR and answer in _TRANSMITTERS else None for answer in answers]
    columns = {
        "root_id": neuron_answers.column("neuron_id").cast(pa.int64()),
        "group": pa.nulls(len(answers), pa.string()),
        "nt_type": pa.array([None if name is None else _TRANSMITTERS[name][0] for name in clear], pa.string()),
        "nt_type_score": pa.array(
            [None if name is None else of[name] for name, of in zip(clear, by_class, strict=True)], pa.float64()
        ),
        **{
            column: pa.array([of.get(name) for of in by_class], pa.float64())
            for name, (_, column) in _TRANSMITTERS.items()
        },
    }
    left_out = sorted({name for of in by_class for name in of} - set(_TRANSMITTERS))
    return pa.table(columns).replace_schema_metadata({LEFT_OUT: json.dumps(left_out)})
