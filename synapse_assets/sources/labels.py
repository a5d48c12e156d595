"""What is known of each synapse: what its own table says, completed by what is known of its neuron. Joined by id."""

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.schema import SYNAPSE_LABELS


def label_rows(rows: pa.Table, neurons: pa.Table) -> tuple[pa.Table, int]:
    """`schema.SYNAPSE_LABELS` of `rows` (`schema.SYNAPSE_TABLE`), and how many have another class in `neurons`.

    `neurons` is `schema.NEURONS`. A class or hemilineage that the row has itself stays; what it lacks is its neuron's. A
    synapse whose neuron is unknown, or is in no table of neurons, keeps its own.
    """
    neuron_index = pc.index_in(
        rows.column("neuron_id").combine_chunks(), value_set=neurons.column("neuron_id").combine_chunks()
    )
    own = {name: rows.column(name).combine_chunks() for name in ("target", "known_classes", "hemilineage")}
    of_neuron = {name: neurons.column(name).combine_chunks().take(neuron_index) for name in (*own, "cell_type")}
    has_classes = pc.fill_null(pc.greater(pc.list_value_length(own["known_classes"]), 0), False)
    has_class = pc.or_(pc.is_valid(own["target"]), has_classes)
    labels = pa.table(
        {
            "synapse_id": rows.column("synapse_id"),
            "brain_region": rows.column("brain_region"),
            "neuron_id": rows.column("neuron_id"),
            "target": pc.if_else(has_class, own["target"], of_neuron["target"]),
            "known_classes": pc.if_else(has_class, own["known_classes"], of_neuron["known_classes"]),
            "hemilineage": pc.coalesce(own["hemilineage"], of_neuron["hemilineage"]),
            "cell_type": of_neuron["cell_type"],
        }
    )
    # Lists are sorted by the readers, so that equal ones have equal texts.
    texts = [pc.binary_join(lists["known_classes"], ",") for lists in (own, of_neuron)]
    both = pc.and_(*(pc.fill_null(pc.not_equal(text, ""), False) for text in texts))
    disagreeing = pc.sum(pc.and_(both, pc.fill_null(pc.not_equal(*texts), False))).as_py() or 0
    return SYNAPSE_LABELS.conform(labels), int(disagreeing)
