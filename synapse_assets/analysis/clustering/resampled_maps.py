"""Maps of one investigation group: two for display, many resampled ones to cluster, and more of redrawn features.

Belongs here: fitting maps, placing new synapses on them. Does not belong here: clusters (`parameter_sweep`, `consensus`),
what redrawn means (`null_features`), drawing (`figures`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.clustering.null_features import redrawn
from synapse_assets.analysis.clustering.projection import (
    FEWEST_FOR_UMAP,
    LANDMARKS,
    Float32,
    blend,
    nearest,
    neighbour_graph,
    principal_components,
    umap_layout,
)
from synapse_assets.artifacts import NoModel, read_artifact, write_artifact
from synapse_assets.datasets.morphology import Resampling
from synapse_assets.errors import BadInput

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]

NEIGHBOURS = 20
"""Neighbours of the published study's UMAP, counting the point itself, as umap does."""
MIN_DIST = 0.1
"""As in the published study; the resampled maps have 0, which does not spread a cluster out."""
DIMENSIONS = 3
"""Of quick refits (`refits`), as of the resampled maps unless the dataset says otherwise (`Resampling.dimensions`)."""
EPOCHS = 80
"""Rounds of optimisation of a resampled map (see `fit_maps`)."""
JITTER = 0.5
NEAR = 10
"""A run moves each point by half the difference of two among itself and its 10 nearest (see `fit_maps`)."""
MAPS_A_NULL = 5
"""Resampled maps of each draw without groups."""
CEILING = 3_000
"""Most different rows that maps are fitted on; of more, a seeded sample."""

_SAMPLE, _EYE, _RUN, _NULL = range(4)  # purposes of seeds


@dataclass(frozen=True)
class GroupMaps:
    """The maps of one investigation group.

    ids           (n,) strings, the synapses in the order they were given
    map           (n, 2) float32, their coordinates on the UMAP for display
    space         (n, 3) float32, their coordinates on the three-dimensional UMAP
    points        (u, F) float32, the different rows of features that were fitted, in ascending order
    point_map     (u, 2) float32, their coordinates on the map
    point_space   (u, 3) float32, their coordinates in three dimensions
    point_of      (n,) int64, the point of a synapse, or the nearest one if it is not in the sample
    rows          (R, m) int32, the points in each run's subsample, ascending
    places        (R, m, d) float32, their coordinates on that run's map
    null_rows     (N, K, m) int32, the same for K maps of each of N draws without groups
    null_places   (N, K, m, d) float32
    method        'umap'; 'pca' where there were too few different rows, and then there are no runs
    reason        why there are no runs; empty if there are
    """

    ids: Names
    map: Float32
    space: Float32
    points: Float32
    point_map: Float32
    point_space: Float32
    point_of: Int64
    rows: Int32
    places: Float32
    null_rows: Int32
    null_places: Float32
    method: str
    reason: str
    seed: int
    share: float

    def place(self, features: npt.ArrayLike) -> tuple[Float32, Float32]:
        """Coordinates (m, 2) and (m, 3), float32, of synapses with `features` (m, F); BadInput for another width or for NaN.

        A fitted synapse gets exactly its fitted coordinates; any other the mean of its 5 nearest fitted ones, weighted by the inverse
        square of the distance, independent of the other rows (see `Projection.apply`).
        """
        rows = _checked_features(features)
        if rows.shape[1] != self.points.shape[1]:
            raise BadInput(f"synapses have {rows.shape[1]} features; the map was fitted on {self.points.shape[1]}")
        indices, squares = nearest(rows, self.points, min(LANDMARKS, len(self.points)))
        return blend(indices, squares, self.point_map), blend(indices, squares, self.point_space)

    def save(self, folder: Path) -> None:
        """Writes the artifact group_maps into `folder` (made if absent)."""
        facts, arrays = ({name: getattr(self, name) for name in names} for names in (_FACTS, _ARRAYS))
        write_artifact(folder, *_KIND, facts=facts, arrays=arrays)

    @classmethod
    def load(cls, folder: Path) -> "GroupMaps":
        """What `save` wrote, to the bit; BadInput as `read_artifact`."""
        return cls(**read_artifact(folder, *_KIND).values(*_ARRAYS, *_FACTS))


_KIND = ("group_maps", 1)
_ARRAYS = tuple(field.name for field in fields(GroupMaps))[:11]
_FACTS = ("method", "reason", "seed", "share")


def fit_maps(
    features: npt.ArrayLike,
    ids: Sequence[str],
    seed: int,
    resampling: Resampling,
    ceiling: int = CEILING,
    progress: Callable[[int], None] = lambda _: None,
    for_the_eye: bool = True,
) -> GroupMaps | NoModel:
    """The maps of synapses with `features` (n, F), already scaled and weighted.

    NoModel for fewer than two different rows; principal components and no runs for fewer than 10; BadInput for NaN, or
    another number of ids than rows. Equal rows are one point, and the result depends on the set of rows and the seed, not
    on their order. Of more than `ceiling` different rows a seeded sample is fitted, and the others are placed.

    For display: UMAP with the published study's 20 neighbours and min_dist 0.1. To find clusters in: `runs` maps, each with
    a seed of its own on a subsample of its own, min_dist 0, in `dimensions`; and 5 for each of `nulls` draws of features without groups
    (`null_features`). No two maps share a seed, so either half of the runs is a study of its own. A run also moves every point by
    half the difference of two points among itself and its 10 nearest, drawn at random (jittering: Hennig, Comput Stat Data
    Anal 52:258, 2007): gaps of the sample close then, gaps between groups do not. `progress` is called with the number of
    these maps made so far (of `runs` + `nulls` * MAPS_A_NULL). Without `for_the_eye` the two maps for display are principal
    components, which take no time.

    Measured on planted groups (sizes 50:30:20, distance in standard deviations within) and on noise without groups:

    - Where HDBSCAN works. On the features themselves it finds nothing for 500 rows in groups 4 apart (62 % noise), and ARI
      0.83 to the plant at 6 apart; on UMAP 0.88 and 0.99. Two, three or five dimensions and 60 to 200 epochs are alike.
    - What a run changes (120 rows; highest agreement of runs on noise with two measures that count, 100 draws; agreement on
      groups 5 and 8 apart, lowest kind of plant):

      ========================  =====  =======  =======
      a run                     noise  5 apart  8 apart
      ========================  =====  =======  =======
      takes 0.8                 1.00   0.97     0.96
      takes 0.6                 0.86   0.88     0.94
      takes 0.8, moves by 0.25  0.97   0.87     0.97
      takes 0.8, moves by 0.5   0.76   0.80     0.98
      takes 0.8, moves by 1.0   0.71   0.57     0.92
      ========================  =====  =======  =======
    """
    rows = _checked_features(features)
    names = np.array(list(ids), dtype=np.str_)
    if len(names) != len(rows):
        raise BadInput(f"{len(names)} ids for {len(rows)} rows of features: give one id a row")
    points, point_of = np.unique(rows, axis=0, return_inverse=True) if len(rows) else (rows, np.zeros(0, np.int64))
    if len(points) < 2:
        return NoModel(f"a map needs at least 2 different synapses, and of {len(rows)} there are {len(points)}")
    point_of = point_of.reshape(-1).astype(np.int64)
    if len(points) > ceiling:
        points = points[np.sort(_generator(seed, _SAMPLE).permutation(len(points))[:ceiling])]
        point_of = nearest(rows, points, 1)[0][:, 0]
    too_few = len(points) < FEWEST_FOR_UMAP
    point_map, point_space = _umap_maps(points, seed) if for_the_eye and not too_few else _pca_maps(points)
    indices, squares = nearest(rows, points, min(LANDMARKS, len(points)))
    subsample_size = 0 if too_few else max(FEWEST_FOR_UMAP - 1, round(len(points) * resampling.share))
    runs, nulls = (0, 0) if too_few else (resampling.runs, resampling.nulls)
    run_rows = np.zeros((runs, subsample_size), dtype=np.int32)
    run_coordinates = np.zeros((runs, subsample_size, resampling.dimensions), dtype=np.float32)
    neighbours = nearest(points, points, min(NEAR + 1, len(points)))[0]
    for run in range(runs):
        run_rows[run], run_coordinates[run] = _resampled_map(
            points, neighbours, subsample_size, resampling.dimensions, _generator(seed, _RUN, run)
        )
        progress(run + 1)
    null_rows = np.zeros((nulls, MAPS_A_NULL, subsample_size), dtype=np.int32)
    null_coordinates = np.zeros((nulls, MAPS_A_NULL, subsample_size, resampling.dimensions), dtype=np.float32)
    for null in range(nulls):
        null_features = redrawn(points.astype(np.float64), _generator(seed, _NULL, null)).astype(np.float32)
        neighbours = nearest(null_features, null_features, min(NEAR + 1, len(points)))[0]
        for run in range(MAPS_A_NULL):
            random = _generator(seed, _NULL, null, run)
            null_rows[null, run], null_coordinates[null, run] = _resampled_map(
                null_features, neighbours, subsample_size, resampling.dimensions, random
            )
            progress(runs + null * MAPS_A_NULL + run + 1)
    return GroupMaps(
        ids=names,
        map=blend(indices, squares, point_map),
        space=blend(indices, squares, point_space),
        points=points,
        point_map=point_map,
        point_space=point_space,
        point_of=point_of,
        rows=run_rows,
        places=run_coordinates,
        null_rows=null_rows,
        null_places=null_coordinates,
        method="pca" if too_few else "umap",
        reason=f"{len(points)} different synapses are too few to look for clusters" if too_few else "",
        seed=seed,
        share=resampling.share,
    )


def _checked_features(features: npt.ArrayLike) -> Float32:
    """`features` as a float32 table; BadInput if not a table of finite numbers."""
    rows = np.ascontiguousarray(features, dtype=np.float32)
    if rows.ndim != 2:
        raise BadInput(f"features must be a table (synapses, features); the shape is {rows.shape}")
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise BadInput(f"the features in row {int(np.argmin(finite))} hold NaN or an infinite value: leave it out")
    return rows + np.float32(0.0)  # no negative zero


def _generator(seed: int, *purpose: int) -> np.random.Generator:
    """A separate generator for every purpose, so that no two maps share a seed."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=purpose))


def _umap_maps(points: Float32, seed: int) -> tuple[Float32, Float32]:
    knn = neighbour_graph(points, min(NEIGHBOURS, len(points)) - 1)
    flat, space = (umap_layout(points, knn, dimensions, MIN_DIST, seed) for dimensions in (2, 3))
    return flat, space


def _pca_maps(points: Float32) -> tuple[Float32, Float32]:
    flat, space = (principal_components(points, dimensions).astype(np.float32) for dimensions in (2, 3))
    return flat, space


def _resampled_map(
    points: Float32, neighbours: Int64, size: int, dimensions: int, random: np.random.Generator
) -> tuple[Int32, Float32]:
    """The points in a run's subsample, ascending, and their coordinates; `neighbours` (u, k) are each point and its nearest
    ones."""
    rows = np.sort(random.permutation(len(points))[:size]).astype(np.int32)
    first, second = (neighbours[rows, random.integers(neighbours.shape[1], size=size)] for _ in range(2))
    sample = points[rows] + np.float32(JITTER) * (points[first] - points[second])
    knn = neighbour_graph(sample, min(NEIGHBOURS, size) - 1)
    return rows, umap_layout(sample, knn, dimensions, 0.0, int(random.integers(2**31)), EPOCHS)
