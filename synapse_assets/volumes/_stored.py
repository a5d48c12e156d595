"""What tensorstore reads by itself: the files that describe an array, zarr and N5 arrays.

What those files say of axes and sizes is held against the dataset in `_stated.py`.
"""

import json
from typing import Any

import tensorstore as ts

from synapse_assets.datasets import ArraySpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes._addresses import open_files, store_spec
from synapse_assets.volumes._errors import is_network_error, is_refusal
from synapse_assets.volumes._stated import (
    ScaleOf,
    Statement,
    compared,
    fits,
    nm_in,
    refuse_other_axes,
    scales_of,
    stated_order,
    stated_size,
    statements_of_n5,
    statements_of_zarr,
)

# How far above an array the group of its pyramid is searched for ('em.zarr/scale0/image'), and how many of its arrays.
_LEVELS = 2
_MOST_SCALES = 32


class _Refused(BadInput):
    """A file that this machine may not read, or that is absent from a bucket which does not distinguish the two."""


def read_json(files: ts.KvStore, name: str, where: str, timeout_s: float) -> dict[str, Any] | None:
    """The object in the file `name`, None where there is no such file.

    Raises BadInput where it is no JSON object or may not be read, ConnectionError where the network fails or gives no
    answer within `timeout_s`.
    """
    try:
        answer = _answered(files.read(name), f"{where}: its file '{name}'", timeout_s)
    except ValueError as error:
        if is_network_error(error):
            raise ConnectionError(
                f"{where} cannot be reached, its file '{name}' was not fetched: {error}. Check the network and the url, or name a "
                "copy on this machine; what is stored stays as it is"
            ) from error
        if is_refusal(error):
            raise _Refused(
                f"{where}: its file '{name}' may not be read, or is not there: {error}. Check the url, and for a "
                "bucket that is not public the credentials (GOOGLE_APPLICATION_CREDENTIALS; AWS_PROFILE or "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
            ) from error
        raise BadInput(f"{where}: its file '{name}' cannot be read: {error}") from error
    if answer.state != "value":
        return None
    try:
        content = json.loads(answer.value)
    except ValueError as error:
        raise BadInput(f"{where}: its file '{name}' is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise BadInput(f"{where}: its file '{name}' is not a JSON object")
    return content


def _answered(future: ts.Future, where: str, timeout_s: float) -> Any:
    try:
        return future.result(timeout=timeout_s)
    except TimeoutError as error:
        raise ConnectionError(
            f"{where} was not answered within timeout_s = {timeout_s:g} seconds: run again later, or raise timeout_s of the "
            "volume in the dataset's YAML"
        ) from error


def open_store(spec: dict[str, Any], where: str, context: ts.Context, timeout_s: float) -> ts.TensorStore:
    """The array of a tensorstore `spec`, in which an absent chunk is an error and not black. Raises as `read_json`."""
    try:
        opening = ts.open(
            {**spec, "fill_missing_data_reads": False, "recheck_cached_data": "open"},
            context=context,
            open=True,
            read=True,
        )
        return _answered(opening, f"{where}: opening it", timeout_s)
    except ValueError as error:
        if is_network_error(error):
            raise ConnectionError(f"{where}: {error}") from error
        raise BadInput(f"{where}: it cannot be opened: {error}") from error


def open_array_of(url: str, spec: ArraySpec, where: str, context: ts.Context) -> tuple[ts.TensorStore, tuple[str, ...]]:
    """The zarr or N5 array at `url`, axes z, y, x, and remarks; of a pyramid's group the array of the voxel size asked for.

    Raises BadInput where there is none, and where what its files say of axes and voxel size is not what `spec` says.
    """
    folder = _Folder(url.rstrip("/"), spec, where, context)
    around = folder.around()
    driver = folder.driver()
    if driver is None:
        path, around = _chosen(folder, spec, where), [folder]
        folder = folder.inside(path)
        driver = folder.driver()
        if driver is None:
            raise BadInput(
                f"{where}: its group names an array '{path}', but no {spec.kind} array is there; complete it"
            )
    array = open_store({"driver": driver, "kvstore": store_spec(folder.url)}, where, context, spec.timeout_s)
    own, scales = _statements(folder, around, driver, array)
    letters = _letters(array, own, spec, where)
    refuse_other_axes(own, letters, spec.axis_order, where)
    remarks = compared(own, letters, spec, where, scales)
    if driver == "n5" and spec.axis_order == "zyx" and stated_order(own, array.rank) is None:
        remarks += (
            "an N5 array is mostly written with its axes in the order x, y, z, and this one does not say: it is taken as "
            "z, y, x; write axis_order: xyz in the volume if it is not",
        )
    array = array[tuple(slice(None) if letter else 0 for letter in letters)]
    spatial = [letter for letter in letters if letter]
    array = array.transpose([spatial.index(axis) for axis in "zyx"])
    return array[ts.d[:].label["z", "y", "x"].translate_to[tuple(reversed(spec.offset_voxels or (0, 0, 0)))]], remarks


class _Folder:
    """One folder of a zarr or N5 hierarchy, and the files in it that describe it, each read at most once."""

    def __init__(self, url: str, spec: ArraySpec, where: str, context: ts.Context) -> None:
        self.url = url
        self._spec, self._where, self._context = spec, where, context
        self._read: dict[str, dict[str, Any] | None] = {}

    def inside(self, path: str) -> "_Folder":
        return _Folder(f"{self.url}/{path}", self._spec, self._where, self._context)

    def around(self) -> "list[_Folder]":
        """The two folders around this one, the nearest first; none above the root of a server or bucket."""
        folders, url = [], self.url
        for _ in range(_LEVELS):
            url, _, name = url.rpartition("/")
            if not url or not name or url.endswith(("/", ":")):
                break
            folders.append(_Folder(url, self._spec, self._where, self._context))
        return folders

    def json(self, name: str) -> dict[str, Any] | None:
        """As `read_json`."""
        if name not in self._read:
            files = open_files(self.url, self._where, self._context)
            self._read[name] = read_json(files, name, self._where, self._spec.timeout_s)
        return self._read[name]

    def beside(self, name: str) -> dict[str, Any]:
        """The same for a file that need not be there: what cannot be read says nothing."""
        try:
            return self.json(name) or {}
        except BadInput:
            return {}

    def driver(self) -> str | None:
        """tensorstore's driver for the array in this folder, None for a group. Raises BadInput where there is no zarr."""
        if self._spec.kind == "n5":
            return "n5" if "dimensions" in (self.json("attributes.json") or {}) else None
        contents: dict[str, dict[str, Any] | None] = {}
        refusal: _Refused | None = None
        for name, driver in (("zarr.json", "zarr3"), (".zarray", "zarr"), (".zgroup", None)):
            try:
                contents[name] = self.json(name)
            except _Refused as error:  # buckets that do not list their objects refuse the absent ones
                refusal = error
                continue
            content = contents[name]
            if driver and content is not None and content.get("node_type", "array") == "array":
                return driver
        if any(content is not None for content in contents.values()):
            return None
        raise refusal or BadInput(
            f"{self._where}: no zarr array there (neither zarr.json nor .zarray); check the url of the volume"
        )

    def attributes(self) -> dict[str, Any]:
        """What a zarr group or array says besides its layout."""
        attributes = self.beside("zarr.json").get("attributes")
        return attributes if isinstance(attributes, dict) else self.beside(".zattrs")

    def scales(self) -> list[ScaleOf]:
        """The arrays that the `multiscales` of this group name."""
        if self._spec.kind == "n5":
            return scales_of(self.beside("attributes.json"), self._group_name, ordered=False)
        return scales_of(self.attributes(), self._group_name, ordered=True)

    @property
    def _group_name(self) -> str:
        return f"group '{self.url.rpartition('/')[2]}'"


def _statements(
    folder: _Folder, around: list[_Folder], driver: str, array: ts.TensorStore
) -> tuple[list[Statement], list[ScaleOf]]:
    """The statements about an array, its own and those of the groups around it; and those about its pyramid's other arrays."""
    if driver == "n5":
        group, base = around[0] if around else None, None
        name = folder.url.rpartition("/")[2]
        attributes = folder.beside("attributes.json")
        if group is not None and ("pixelResolution" in attributes or "downsamplingFactors" in attributes):
            base = attributes if name == "s0" else group.inside("s0").beside("attributes.json")
        own = statements_of_n5(attributes, base, group.beside("attributes.json") if group else None, name)
    else:
        own = statements_of_zarr(folder.attributes(), array.domain.labels)
        own += _statements_of_units(array)
    others: list[ScaleOf] = []
    for group in around:
        path = folder.url.removeprefix(group.url).strip("/")
        scales = group.scales()
        if any(scale.path == path for scale in scales):
            own += [scale.statement for scale in scales if scale.path == path]
            others = [scale for scale in scales if scale.path != path]
            break
    return own, others


def _statements_of_units(array: ts.TensorStore) -> list[Statement]:
    """zarr 3 arrays may name a unit for each dimension, as tensorstore writes it."""
    units = array.dimension_units
    sizes = {i: float(unit.multiplier) for i, unit in enumerate(units) if unit is not None}
    names = {str(unit.base_unit) for unit in units if unit is not None}
    return [Statement("its 'dimension_units'", (), (sizes,), nm_in(names))] if sizes else []


def _letters(array: ts.TensorStore, own: list[Statement], spec: ArraySpec, where: str) -> list[str]:
    """x, y or z for each dimension, '' for one of length 1 that is none of them, as the dataset has them."""
    order, rank = list(spec.axis_order), array.rank
    stated = stated_order(own, rank)
    if stated is not None:
        surplus = [i for i, name in enumerate(stated[1]) if name not in ("x", "y", "z")]
    else:
        surplus = list(range(rank - 3) if spec.axis_order == "zyx" else range(3, rank))
    if rank < 3 or any(array.shape[i] != 1 for i in surplus):
        axes = f" (axes {', '.join(stated[1])})" if stated else ""
        place = "" if stated else f" {'before' if spec.axis_order == 'zyx' else 'after'} them"
        raise BadInput(
            f"{where}: an array of shape {array.shape}{axes}; a volume has three axes ({spec.axis_order}) and at most "
            f"further axes of length 1{place}: extract one channel"
        )
    return ["" if i in surplus else order.pop(0) for i in range(rank)]


def _chosen(folder: _Folder, spec: ArraySpec, where: str) -> str:
    """Path of the array of a group's pyramid that has the dataset's voxel size."""
    letters = list(spec.axis_order)
    scales = folder.scales() or (_n5_scales(folder) if spec.kind == "n5" else [])
    if not scales and spec.kind == "n5":
        raise BadInput(
            f"{where}: no N5 array there (a file attributes.json with dimensions); give the folder of the array itself"
        )
    if not scales:
        raise BadInput(
            f"{where}: a zarr group, not an array; give the array inside it, often '{spec.url.rstrip('/')}/0'"
        )
    fitting = [scale for scale in scales if fits(scale.statement, letters, spec)]
    if fitting:
        return fitting[0].path
    available = [(scale.path, stated_size(scale.statement, letters)) for scale in scales]
    requested = " x ".join(f"{v:g}" for v in spec.voxel_size_nm)
    if not any(size for _, size in available):
        raise BadInput(
            f"{where}: a group of the arrays {[path for path, _ in available]}, of which it does not say the voxel sizes; give the array "
            f"that is meant, such as '{spec.url.rstrip('/')}/{available[0][0]}'"
        )
    listed = ", ".join(f"{size or 'not said'} ('{path}')" for path, size in available)
    raise BadInput(
        f"{where}: no array of voxel_size_nm {requested}; there are {listed}: set voxel_size_nm to one of them"
    )


def _n5_scales(folder: _Folder) -> list[ScaleOf]:
    """The arrays s0, s1, ... of an n5-viewer group."""
    scales: list[ScaleOf] = []
    group, base = folder.beside("attributes.json"), folder.inside("s0").beside("attributes.json")
    for number in range(_MOST_SCALES):
        path = f"s{number}"
        attributes = base if number == 0 else folder.inside(path).beside("attributes.json")
        if "dimensions" not in attributes:
            break
        statements = [s for s in statements_of_n5(attributes, base, group, path) if s.sizes]
        scales.append(ScaleOf(path, statements[-1] if statements else Statement("nothing")))
    return scales
