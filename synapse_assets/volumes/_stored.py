"""What tensorstore reads by itself: the files that describe an array, zarr and N5 arrays."""

import json
from typing import Any

import tensorstore as ts

from synapse_assets.datasets import VolumeSpec
from synapse_assets.schema import BadInput
from synapse_assets.volumes._errors import is_network_error, is_refusal


class _Refused(BadInput):
    """A file that this machine may not read, or that is absent from a bucket which does not tell the difference."""


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


def open_array_of(
    files: ts.KvStore, store: str | dict[str, Any], spec: VolumeSpec, where: str, context: ts.Context
) -> ts.TensorStore:
    """The zarr or N5 array among `files`, which tensorstore's description `store` leads to; axes z, y, x."""
    driver = "n5" if spec.kind == "n5" else _zarr_driver(files, spec, where)
    if driver == "n5":
        attributes = read_json(files, "attributes.json", where, spec.timeout_s)
        if attributes is None or "dimensions" not in attributes:
            raise BadInput(
                f"{where}: no N5 array there (a file attributes.json with dimensions); give the folder of the array "
                "itself"
            )
    array = open_store({"driver": driver, "kvstore": store}, where, context, spec.timeout_s)
    extra = array.rank - 3
    surplus = range(extra) if spec.axis_order == "zyx" else range(3, array.rank)
    if extra < 0 or any(array.shape[axis] != 1 for axis in surplus):
        raise BadInput(
            f"{where}: an array of shape {array.shape}; a volume has three axes ({spec.axis_order}) and at most "
            f"further axes of length 1 {'before' if spec.axis_order == 'zyx' else 'after'} them: extract one channel"
        )
    array = array[tuple(0 if axis in surplus else slice(None) for axis in range(array.rank))]
    if spec.axis_order == "xyz":
        array = array.transpose([2, 1, 0])
    return array[ts.d[:].label["z", "y", "x"].translate_to[tuple(reversed(spec.offset_voxels or (0, 0, 0)))]]


def _zarr_driver(files: ts.KvStore, spec: VolumeSpec, where: str) -> str:
    found: dict[str, dict[str, Any] | None] = {}
    refusal: _Refused | None = None
    for name, driver in (("zarr.json", "zarr3"), (".zarray", "zarr"), (".zgroup", None)):
        try:
            found[name] = read_json(files, name, where, spec.timeout_s)
        except _Refused as error:  # buckets that do not list their objects refuse the absent ones
            refusal = error
            continue
        content = found[name]
        if driver and content is not None and content.get("node_type", "array") == "array":
            return driver
    if any(content is not None for content in found.values()):
        raise BadInput(
            f"{where}: a zarr group, not an array; give the array inside it, often '{spec.url.rstrip('/')}/0'"
        )
    raise refusal or BadInput(
        f"{where}: no zarr array there (neither zarr.json nor .zarray); check the url of the volume"
    )
