"""Colours of classes: told apart, never the grey of noise, and the same in every company."""

from synapse_assets.schema.colours import NOISE_COLOUR, PALETTE, class_colours


def test_colours_go_by_name_and_differ() -> None:
    eighteen = class_colours(f"c{i:02d}" for i in range(18))
    assert len(set(eighteen.values())) == 18
    assert NOISE_COLOUR not in eighteen.values()
    assert class_colours(["b", "a", "b"]) == class_colours(["a", "b"])


def test_transmitters_and_clusters_keep_theirs() -> None:
    alone, together = class_colours(["gaba"]), class_colours(["acetylcholine", "dopamine", "gaba", "7", "histamine"])
    assert alone["gaba"] == together["gaba"]
    assert together["7"] == class_colours(["7", "3"])["7"] == PALETTE[7]
    assert together["histamine"] not in [together[name] for name in ("acetylcholine", "dopamine", "gaba", "7")]
