"""What the files of a zarr or N5 array say of its axes, voxel size and first voxel, held against the dataset's YAML.

A file that says otherwise than the YAML is refused, with both values: one of them is wrong, and every tile would be.
Values without a unit are compared as far as possible, and what they leave open is a remark. Read are: OME-NGFF
`multiscales` (0.3 to 0.5) of the groups around the array, zarr's `dimension_names` and `_ARRAY_DIMENSIONS`, N5's `axes`,
`units`, `resolution`, `pixelResolution` and `downsamplingFactors`, COSEM's `transform`, and `resolution`, `voxel_size`,
`offset` and `axis_names` among a zarr array's attributes.

What does not belong here: reading the files (`_stored.py`).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synapse_assets.datasets import ArraySpec
from synapse_assets.errors import BadInput

# Nanometres in a unit; names that are no unit of length (pixel, none) leave it open.
_UNITS_NM = {
    "nm": 1.0, "nanometer": 1.0, "nanometers": 1.0, "nanometre": 1.0, "nanometres": 1.0,
    "um": 1e3, "µm": 1e3, "μm": 1e3, "micron": 1e3, "microns": 1e3, "micrometer": 1e3, "micrometers": 1e3, "micrometre": 1e3,
    "mm": 1e6, "millimeter": 1e6, "millimetre": 1e6, "m": 1e9, "meter": 1e9, "metre": 1e9,
    "cm": 1e7, "centimeter": 1e7, "angstrom": 0.1, "å": 0.1, "pm": 1e-3, "picometer": 1e-3,
}  # fmt: skip
# Below the first, sizes are the same number written otherwise; above the second they are other sizes.
_SAME, _OTHER = 1e-5, 1e-2
# Numbers by dimension (its number), or by axis (its letter).
Values = Mapping[int, float] | Mapping[str, float]


@dataclass(frozen=True)
class Statement:
    """What one metadata entry says.

    `names` of the dimensions, '' for one without; `sizes`: the voxel sizes that it can mean, in units of `unit_nm`
    nanometres, None where it names no unit; `offset`: the position of the first voxel in that unit.
    """

    source: str
    names: tuple[str, ...] = ()
    sizes: tuple[Values, ...] = ()
    unit_nm: float | None = None
    offset: Values | None = None


@dataclass(frozen=True)
class ScaleOf:
    """An array of a pyramid: its path inside the group, and what the metadata say of it."""

    path: str
    statement: Statement


def scales_of(attributes: Mapping[str, Any], where_said: str, ordered: bool) -> list[ScaleOf]:
    """The arrays that a group's `multiscales` names. `ordered`: its axes are in the order of the dimensions.

    They are not in N5, whose dimensions are listed the other way round. What is no such list gives nothing.
    """
    ome = attributes.get("ome")
    listed = ome.get("multiscales") if isinstance(ome, Mapping) else attributes.get("multiscales")
    scales = []
    for image in listed if isinstance(listed, list) else []:
        if not isinstance(image, Mapping):
            continue
        axes = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in _list(image.get("axes"))]
        for dataset in _list(image.get("datasets")):
            if not isinstance(dataset, Mapping) or not isinstance(dataset.get("path"), str):
                continue
            path = dataset["path"].strip("/")
            source = f"the 'multiscales' of {where_said}"
            transform = dataset.get("transform")
            statement = (
                _cosem_statement(transform, source)
                if isinstance(transform, Mapping)
                else _transformed(axes, (dataset, image), source)
            )
            if not ordered:
                statement = Statement(statement.source, (), statement.sizes, statement.unit_nm, statement.offset)
            scales.append(ScaleOf(path, statement))
    return scales


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _numbers(value: Any, count: int | None = None) -> list[float] | None:
    """A list of finite numbers, of that many if asked for; None for anything else."""
    if not isinstance(value, list) or (count is not None and len(value) != count):
        return None
    try:
        numbers = [float(v) for v in value]
    except (TypeError, ValueError):
        return None
    return numbers if numbers and all(map(math.isfinite, numbers)) else None


def nm_in(units: Iterable[Any]) -> float | None:
    """Nanometres in the unit that all of them are, None where they differ or name none."""
    known = {_UNITS_NM.get(str(unit).strip().lower()) for unit in units}
    return known.pop() if len(known) == 1 else None


def _transformed(axes: list[Mapping[str, Any]], levels: Iterable[Mapping[str, Any]], source: str) -> Statement:
    """OME-NGFF: a dataset's own scale and translation, then those of the whole image."""
    names = tuple(str(axis.get("name", "")).lower() for axis in axes)
    scale, shift = np.ones(len(axes)), np.zeros(len(axes))
    has_scale = False
    for level in levels:
        for step in _list(level.get("coordinateTransformations")):
            kind = step.get("type") if isinstance(step, Mapping) else None
            values = _numbers(step.get(kind), len(axes)) if kind in ("scale", "translation") else None
            if values is None:
                continue
            if kind == "scale":
                scale, shift, has_scale = scale * values, shift * values, True
            else:
                shift = shift + values
    factors = [_UNITS_NM.get(str(axis.get("unit")).strip().lower()) for axis in axes]
    spatial = [i for i, name in enumerate(names) if name in ("x", "y", "z")]
    if not has_scale or not spatial:
        return Statement(source, names)
    # Each axis has a unit of its own: all become nanometres where all have one.
    known = [factor for i in spatial if (factor := factors[i]) is not None]
    in_nm = known if len(known) == len(spatial) else [1.0] * len(spatial)
    return Statement(
        source,
        names,
        ({names[i]: float(scale[i]) * f for i, f in zip(spatial, in_nm, strict=True)},),
        1.0 if len(known) == len(spatial) else None,
        {names[i]: float(shift[i]) * f for i, f in zip(spatial, in_nm, strict=True)},
    )


def _cosem_statement(transform: Mapping[str, Any], source: str) -> Statement:
    """COSEM: `axes`, `scale`, `translate` and `units` of the same order, which need not be that of the dimensions."""
    names = [str(name).lower() for name in _list(transform.get("axes"))]
    scale = _numbers(transform.get("scale"), len(names))
    if scale is None:
        return Statement(source)
    shift = _numbers(transform.get("translate"), len(names))
    return Statement(
        source,
        (),
        (dict(zip(names, scale, strict=True)),),
        nm_in(_list(transform.get("units"))),
        dict(zip(names, shift, strict=True)) if shift else None,
    )


def _lower(names: Any) -> tuple[str, ...]:
    return tuple(str(name or "").lower() for name in _list(names))


def statements_of_zarr(attributes: Mapping[str, Any], labels: Sequence[str]) -> list[Statement]:
    """What a zarr array's own attributes say; `labels`: its `dimension_names`."""
    statements = [Statement("its 'dimension_names'", tuple(label.lower() for label in labels))]
    statements += [
        Statement(f"its attribute '{key}'", _lower(attributes.get(key))) for key in ("_ARRAY_DIMENSIONS", "axis_names")
    ]
    units = attributes.get("units")
    unit_nm = nm_in(units if isinstance(units, list) else [units]) if units else 1.0
    offset = _numbers(attributes.get("offset"), len(labels))
    for key in ("resolution", "voxel_size"):
        sizes = _numbers(attributes.get(key), len(labels))
        if sizes:
            shift = None if offset is None else dict(enumerate(offset))
            statements.append(Statement(f"its attribute '{key}'", (), (dict(enumerate(sizes)),), unit_nm, shift))
    return statements


def statements_of_n5(
    attributes: Mapping[str, Any], base: Mapping[str, Any] | None, group: Mapping[str, Any] | None, path: str
) -> list[Statement]:
    """What an N5 array's attributes say; `base`: those of its pyramid's array s0, `group`: those of the group around it,
    in which it is `path`."""
    count = len(_list(attributes.get("dimensions")))
    statements = [Statement("its attribute 'axes'", _lower(attributes.get("axes")))]
    sizes = _numbers(attributes.get("resolution"), count)
    if sizes:
        units = attributes.get("units")
        factors = [_UNITS_NM.get(str(unit).strip().lower()) for unit in _list(units)] if units else [1.0] * count
        known = [factor for factor in factors if factor is not None]
        in_nm = known if len(known) == count else [1.0] * count
        by_dimension = dict(enumerate(s * f for s, f in zip(sizes, in_nm, strict=True)))
        statements.append(
            Statement("its attribute 'resolution'", (), (by_dimension,), 1.0 if len(known) == count else None)
        )
    transform = attributes.get("transform")
    if isinstance(transform, Mapping):
        statements.append(_cosem_statement(transform, "its attribute 'transform'"))
    own, base_pixel, group_pixel = (_pixel_resolution(a) for a in (attributes, base or {}, group or {}))
    factors_of_array = _numbers(attributes.get("downsamplingFactors")) or _listed_factors(group or {}, path)
    pixel = own or group_pixel or base_pixel
    if pixel is None:
        return statements
    values, unit_nm = pixel
    alternatives = [values] if own else []
    # n5-viewer writes the resolution of the finest array into all of them, others each one's own.
    if factors_of_array and len(factors_of_array) == len(values) and (own is None or base_pixel in (None, own)):
        scaled = [v * f for v, f in zip(values, factors_of_array, strict=True)]
        alternatives = [scaled, *alternatives] if base_pixel is None or base is attributes else [scaled]
    elif own is None:
        return statements
    source = (
        "'pixelResolution' and 'downsamplingFactors'"
        if len(alternatives) > 1 or alternatives[0] != values
        else ("its attribute 'pixelResolution'")
    )
    return [*statements, Statement(source, (), tuple(dict(enumerate(a)) for a in alternatives), unit_nm)]


def _pixel_resolution(attributes: Mapping[str, Any]) -> tuple[list[float], float | None] | None:
    resolution = attributes.get("pixelResolution")
    unit = resolution.get("unit") if isinstance(resolution, Mapping) else None
    values = _numbers(resolution.get("dimensions") if isinstance(resolution, Mapping) else resolution)
    return None if values is None else (values, _UNITS_NM.get(str(unit).strip().lower()))


def _listed_factors(group: Mapping[str, Any], path: str) -> list[float] | None:
    """n5-viewer: the group lists the factors of its arrays s0, s1, ..."""
    listed = _list(group.get("scales")) or _list(group.get("downsamplingFactors"))
    number = int(path[1:]) if path[:1] == "s" and path[1:].isdecimal() else -1
    return _numbers(listed[number]) if 0 <= number < len(listed) else None


def stated_order(statements: Iterable[Statement], rank: int) -> tuple[str, tuple[str, ...]] | None:
    """The first statement that names all of x, y and z once, and its names; None where none does."""
    for statement in statements:
        if len(statement.names) == rank and all(statement.names.count(axis) == 1 for axis in "xyz"):
            return statement.source, statement.names
    return None


def refuse_other_axes(statements: Iterable[Statement], letters: Sequence[str], axis_order: str, where: str) -> None:
    """Refuses names of axes that are not those which the dataset gives the dimensions (`letters`, '' for a surplus one)."""
    reversed_order = axis_order[::-1]
    turned = [reversed_order[axis_order.index(letter)] if letter else "" for letter in letters]
    for statement in statements:
        if len(statement.names) != len(letters):
            continue
        spatial = [i for i, name in enumerate(statement.names) if name in ("x", "y", "z")]
        if len({statement.names[i] for i in spatial}) < len(spatial):
            continue  # no axes: two of one name
        if all(statement.names[i] == letters[i] for i in spatial):
            continue
        remedy = (
            f"write axis_order: {reversed_order} in the volume"
            if all(statement.names[i] == turned[i] for i in spatial)
            else "write the array again with its axes in the order z, y, x"
        )
        stated_axes = ", ".join(name or "?" for name in statement.names)
        raise BadInput(
            f"{where}: {statement.source} says that its axes are {stated_axes}, but axis_order is {axis_order}: {remedy}, or fix the "
            "file if it is wrong"
        )


def compared(
    statements: Iterable[Statement],
    letters: Sequence[str],
    spec: ArraySpec,
    where: str,
    scales: Sequence[ScaleOf] = (),
) -> tuple[str, ...]:
    """Remarks on the stated voxel size and first voxel; `scales`: the pyramid's other arrays.

    Raises BadInput where the stated voxel size is not the dataset's.
    """
    remarks: list[str] = []
    for statement in statements:
        sizes = [size for s in statement.sizes if (size := _xyz(s, letters)) is not None]
        if not sizes:
            continue
        remark = _compare(statement, sizes, letters, spec, where, scales)
        remarks += [remark] if remark and remark not in remarks else []
        offset = statement.offset and _xyz(statement.offset, letters)
        if offset and statement.unit_nm and spec.offset_voxels is None:
            voxels = [round(o * statement.unit_nm / v) for o, v in zip(offset, spec.voxel_size_nm, strict=True)]
            remark = (
                f"{statement.source} says that the first voxel lies at {_size_text([o * statement.unit_nm for o in offset])} nm, "
                "but it is taken as voxel 0, 0, 0: write offset_voxels: "
                f"{voxels} in the volume if the points count from elsewhere, [0, 0, 0] if they count from the first voxel"
            )
            remarks += [remark] if any(voxels) and remark not in remarks else []
    return tuple(remarks)


def _xyz(values: Values, letters: Sequence[str]) -> tuple[float, float, float] | None:
    """The values along x, y, z; None unless all three are there."""
    by_letter = {letters[key] if isinstance(key, int) else key: value for key, value in values.items()}
    if not {"x", "y", "z"} <= by_letter.keys():
        return None
    return by_letter["x"], by_letter["y"], by_letter["z"]


def _size_text(values: Iterable[float]) -> str:
    return " x ".join(f"{v:g}" for v in values)


def _off(size: Sequence[float], expected: Sequence[float]) -> float:
    return float(np.abs(np.array(size) / np.array(expected) - 1).max())


def fits(statement: Statement, letters: Sequence[str], spec: ArraySpec) -> bool:
    """Whether the stated voxel size can be the dataset's; in nanometres or micrometres where it names no unit."""
    factors = (1.0, 1e3) if statement.unit_nm is None else (statement.unit_nm,)
    sizes = [size for s in statement.sizes if (size := _xyz(s, letters)) is not None]
    return any(_off([v * f for v in size], spec.voxel_size_nm) < _OTHER for size in sizes for f in factors)


def stated_size(statement: Statement, letters: Sequence[str]) -> str | None:
    """The stated voxel size, x, y, z, as text; None where none is stated."""
    sizes = [size for s in statement.sizes if (size := _xyz(s, letters)) is not None]
    if not sizes:
        return None
    return f"{_size_text(v * (statement.unit_nm or 1) for v in sizes[0])}{' nm' if statement.unit_nm else ' (no unit)'}"


def _compare(
    statement: Statement,
    sizes: list[tuple[float, float, float]],
    letters: Sequence[str],
    spec: ArraySpec,
    where: str,
    scales: Sequence[ScaleOf],
) -> str | None:
    expected = spec.voxel_size_nm
    dataset_size = f"voxel_size_nm is {_listed(expected)}"
    if fits(statement, letters, spec):
        factors = (1.0, 1e3) if statement.unit_nm is None else (statement.unit_nm,)
        off = min(_off([v * f for v in size], expected) for size in sizes for f in factors)
        if off < _SAME:
            return None
        return (
            f"{statement.source} says that a voxel is {stated_size(statement, letters)} (x, y, z), but {dataset_size}: at voxel "
            f"{round(1 / off):,} the two differ by a whole voxel"
        )
    ratio = np.array(sizes[0]) / np.array(expected)
    if statement.unit_nm is None:
        if all(v == 1 for v in sizes[0]):
            return None
        # In an unknown unit, or factors of a pyramid whose finest voxel is not stated.
        if np.ptp(ratio) < _OTHER * ratio.max() or all(v > 0 and math.log2(v).is_integer() for v in sizes[0]):
            return (
                f"{statement.source} says that a voxel is {_size_text(sizes[0])} (x, y, z) of a unit that it does not name; "
                f"{dataset_size}"
            )
    size = stated_size(statement, letters)
    turned = sizes[0][::-1] if all(isinstance(key, int) for key in statement.sizes[0]) else None
    matching = next((scale for scale in scales if fits(scale.statement, letters, spec)), None)
    if turned and _off([v * (statement.unit_nm or 1) for v in turned], expected) < _OTHER:
        order = "xyz" if spec.axis_order == "zyx" else "zyx"
        remedy = f"the two agree if its axes are {order}: write axis_order: {order} in the volume"
    elif matching is not None:
        remedy = f"its array '{matching.path}' has such voxels: end the url in it, or set voxel_size_nm"
    else:
        nm = [v * (statement.unit_nm or 1) for v in sizes[0]]
        remedy = f"write voxel_size_nm: {_listed(nm)} in the volume, or give the url of the scale that is meant"
    raise BadInput(
        f"{where}: {statement.source} says that a voxel is {size} (x, y, z), but {dataset_size}: {remedy}, or fix the file if it is wrong"
    )


def _listed(values: Iterable[float]) -> str:
    return "[" + ", ".join(f"{v:.10g}" for v in values) + "]"
