"""From maps of probabilities to synapses and bodies: which steps are taken, by the rules that a detector was stored with.

The steps themselves are in the modules beside this one. What does not belong here: making maps (`vision`), how good the result is
(`evaluation`), choosing rules (`pipeline.detection`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.detection.components import Components, Limits, components, limited
from synapse_assets.analysis.detection.pairing import pair_objects, pair_sites
from synapse_assets.analysis.detection.peaks import peaks

Floats = npt.NDArray[np.float64]
Probabilities = npt.NDArray[Any]
Xyz = tuple[float, float, float]


@dataclass(frozen=True)
class Rules:
    """How objects are made of the maps of one detector.

    targets: what it marks, in the order of its maps. balls: whether it marks balls around sites, or the structures themselves.
    threshold: probability from which a voxel counts. limits: of the size of an object. split_nm, apart_nm, pair_nm, ball_nm: see
    `datasets.DetectorChoice`.
    """

    targets: tuple[str, ...]
    balls: bool
    threshold: float
    limits: Limits
    split_nm: float | None
    apart_nm: float
    pair_nm: float
    ball_nm: float

    @property
    def main_target(self) -> str:
        """The target whose peaks or objects are the synapses."""
        return "presynaptic" if "presynaptic" in self.targets else "cleft"

    @property
    def reach_nm(self) -> float:
        """Beyond this distance from a site nothing changes it, as far as objects are no longer than `pair_nm`."""
        return 2 * self.pair_nm + 2 * self.apart_nm + 2 * self.ball_nm


@dataclass(frozen=True)
class Sites:
    """Synapses that were found, N of them.

    position_nm: (N, 3), x, y, z from the low corner of the map: the presynaptic site, or the middle of the cleft. score: (N,), 0 to 1.
    volume_nm3, sections: (N,), of the object; nan and 0 where sites are peaks of balls. post_nm: (M, 3), postsynaptic sites; post_of: (M,),
    int64, the synapse that each belongs to, -1 for none; post_score: (M,). touches_edge: bool (N,), whether the object reaches the edge of
    the map, and so may go on.
    """

    position_nm: Floats
    score: Floats
    volume_nm3: Floats
    sections: npt.NDArray[np.int64]
    touches_edge: npt.NDArray[np.bool_]
    post_nm: Floats
    post_score: Floats
    post_of: npt.NDArray[np.int64]


def find_sites(maps: Mapping[str, Probabilities], rules: Rules, voxel_size_nm: Xyz) -> Sites:
    """The synapses in maps (z, y, x) of one shape, by target: float of 0 to 1, or uint8 of 0 to 255, whose voxels have that size (x, y, z).

    With balls, a synapse is a peak of the presynaptic map, and every peak of the postsynaptic map belongs to the nearest within `pair_nm`.
    With structures, it is an object of the presynaptic map where there is one, else of the cleft map; postsynaptic objects belong to the
    presynaptic one that they are nearest to. Raises BadInput for maps of other values.
    """
    main = rules.main_target
    if rules.balls:
        position_nm, score = _peaks(maps[main], rules, voxel_size_nm)
        count = len(score)
        pre = None
        volume_nm3, sections = np.full(count, np.nan), np.zeros(count, np.int64)
        touches_edge = np.zeros(count, np.bool_)
    else:
        pre = find_bodies(maps[main], rules, voxel_size_nm)
        position_nm, score = pre.inside_nm, pre.score
        volume_nm3, sections, touches_edge = pre.volume_nm3, pre.sections, pre.touches_edge
    post_nm, post_score = np.zeros((0, 3)), np.zeros(0)
    pairs = np.zeros((0, 2), np.int64)
    if "postsynaptic" in rules.targets:
        if pre is None:
            post_nm, post_score = _peaks(maps["postsynaptic"], rules, voxel_size_nm)
            pairs = pair_sites(position_nm, post_nm, rules.pair_nm)
        else:
            post = find_bodies(maps["postsynaptic"], rules, voxel_size_nm)
            post_nm, post_score = post.inside_nm, post.score
            pairs, _ = pair_objects(pre, post, voxel_size_nm, rules.pair_nm)
    post_of = np.full(len(post_nm), -1, np.int64)
    post_of[pairs[:, 1]] = pairs[:, 0]
    return Sites(position_nm, score, volume_nm3, sections, touches_edge, post_nm, post_score, post_of)


def find_bodies(probability: Probabilities, rules: Rules, voxel_size_nm: Xyz) -> Components:
    """The objects of one map within the limits of the rules, touching ones taken apart where the rules say so."""
    return limited(components(probability, rules.threshold, voxel_size_nm, split_nm=rules.split_nm), rules.limits)


def _peaks(probability: Probabilities, rules: Rules, voxel_size_nm: Xyz) -> tuple[Floats, Floats]:
    return peaks(
        probability, voxel_size_nm, radius_nm=rules.ball_nm, threshold=rules.threshold, apart_nm=rules.apart_nm
    )
