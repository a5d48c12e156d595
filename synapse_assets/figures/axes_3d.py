"""Axes in three dimensions: names and limits, for pictures and turnable pages; Matplotlib's own in a cell of a figure.

Belongs here: what maps in space and neurons around their soma share.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.figures.style import INK, MARKERS, Verdict, cluster_colour, edge_colour
from synapse_assets.schema.colours import PALETTE

SPACE_AXES = ("UMAP 1", "UMAP 2", "UMAP 3")
MICROMETRE_AXES = ("x (µm)", "y (µm)", "z (µm)")


def box_around(
    points: npt.NDArray[np.float64], margin: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Corners of the square or cube around the finite points, with a margin as a share of its side."""
    finite = points[np.isfinite(points).all(axis=1)]
    if not len(finite):
        return np.zeros(points.shape[1]), np.ones(points.shape[1])
    low, high = finite.min(axis=0), finite.max(axis=0)
    half = (0.5 + margin) * (float((high - low).max()) or 1.0)
    return (low + high) / 2 - half, (low + high) / 2 + half


def limits_around(
    points: npt.NDArray[np.float64], *, cube: bool
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Corners of a cube around the points, or of a box that is no flatter than 0.4."""
    low, high = box_around(points, 0.04)
    finite = points[np.isfinite(points).all(axis=1)]
    if cube or not len(finite):
        return low, high
    sides = np.maximum(np.ptp(finite, axis=0) * 1.08, 0.4 * (high - low).max())
    middle = (finite.min(axis=0) + finite.max(axis=0)) / 2
    return middle - sides / 2, middle + sides / 2


def space_axes(figure: Any, corner: tuple[float, float], cell: tuple[float, float], title: str) -> Any:
    """Three-dimensional axes over a cell of the figure (its corner and size in inches), with a title at its upper left."""
    width, height = figure.get_size_inches()
    figure.text((corner[0] + 0.15) / width, (corner[1] + cell[1]) / height, title, fontsize=10.5, color=INK, va="top")
    square = max(cell)
    box = (corner[0] / width, corner[1] / height, square / width, square / height)
    axes = figure.add_axes(box, projection="3d")
    axes.patch.set_visible(False)
    return axes


def scatter_by_cluster(
    axes: Any,
    points: npt.NDArray[np.float64],
    numbers: npt.NDArray[np.int64],
    size: float,
    *,
    filled: npt.NDArray[np.bool_],
    verdict: Verdict | None = None,
) -> None:
    """Points by cluster; each 18 clusters, the shape changes with the colours' next round; not filled: hollow;
    colours muted by the verdict."""
    rounds = np.where(numbers < 0, 0, numbers // len(PALETTE)) % len(MARKERS)
    for solid in (True, False):
        for marker in sorted(set(rounds[filled == solid].tolist())):
            chosen = (rounds == marker) & (filled == solid)
            colours = [cluster_colour(c, verdict) for c in numbers[chosen].tolist()]
            edges = [edge_colour(c) for c in colours]
            style = {"c": colours, "edgecolors": edges, "linewidths": 0.35}
            if not solid:
                style = {"facecolors": "none", "edgecolors": edges, "linewidths": 1.4}
            axes.scatter(*points[chosen].T, s=size * (1 if solid else 1.4), marker=MARKERS[marker], depthshade=False, **style)  # fmt: skip


def equal_axes(axes: Any, points: npt.NDArray[np.float64], *, cube: bool) -> None:
    """Limits of three-dimensional axes around the points, with one scale for all three."""
    low, high = limits_around(points, cube=cube)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_zlim(low[2], high[2])
    axes.set_box_aspect(tuple(high - low))
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color((0.97, 0.97, 0.97, 1.0))
        axis._axinfo["grid"].update(color="#dddddd", linewidth=0.6)


def fit_into_cell(
    axes: Any, corner: tuple[float, float], cell: tuple[float, float], margins: tuple[float, float, float, float]
) -> None:
    """Scales and moves the drawn box so that it fills the cell but for the margins (left, right, lower, upper, inches)."""
    from mpl_toolkits.mplot3d import proj3d

    figure = axes.get_figure()
    lows, highs = np.array([axes.get_xlim(), axes.get_ylim(), axes.get_zlim()]).T
    corners = np.array(np.meshgrid(*zip(lows, highs, strict=True))).reshape(3, -1)

    def projected() -> npt.NDArray[np.float64]:
        x, y, _ = proj3d.proj_transform(*corners, axes.get_proj())
        return np.asarray(axes.transData.transform(np.column_stack([x, y]))) / figure.dpi

    left, right, lower, upper = margins
    room = np.array([cell[0] - left - right, cell[1] - lower - upper])
    axes.set_box_aspect(tuple(highs - lows), zoom=float((room / np.ptp(projected(), axis=0)).min()))
    points = projected()
    target = np.array([corner[0] + left, corner[1] + lower]) + room / 2
    shift = (target - (points.min(axis=0) + points.max(axis=0)) / 2) / figure.get_size_inches()
    box = axes.get_position(original=True)
    axes.set_position((box.x0 + shift[0], box.y0 + shift[1], box.width, box.height))
