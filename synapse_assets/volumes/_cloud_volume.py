"""Precomputed volumes that cloud-volume has to read: what tensorstore cannot, or may not, fetch.

Chunk files compressed under another name (cloud-volume's own on file://), graphene:// and middleauth+https://
servers, buckets whose credentials lie in ~/.cloudvolume. cloud-volume decodes one chunk at a time; tensorstore holds
the decoded chunks and asks for several at once.

What graphene:// serves is for the most part a segmentation whose neurons change; its image layers are ordinary
precomputed volumes in buckets, best given by their own gs:// address.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorstore as ts

from synapse_assets.datasets import ArraySpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes._chunked import Box, chunked
from synapse_assets.volumes._errors import missing_chunk, unreachable
from synapse_assets.volumes._precomputed import Scale, chosen_scale
from synapse_assets.volumes._values import Values

_INSTALL = "pip install 'synapse-assets[cloud-volume]'"
# cloud-volume waits for the network in the thread that asks it.
_CONCURRENT_CHUNKS = 16


def open_cloud_volume(
    url: str, spec: ArraySpec, values: Values, where: str, context: ts.Context
) -> tuple[ts.TensorStore, Scale]:
    """The scale of the volume at `url` that `spec` asks for, as an array with axes z, y, x, and what its files say of it.

    Raises BadInput where cloud-volume is not installed, where there is no such volume or it may not be read, and
    where it is not one channel of `values`; ConnectionError where the network fails after its retries.
    """
    try:
        from cloudvolume import Bbox, CloudVolume
        from cloudvolume.exceptions import EmptyVolumeException
    except ImportError as error:
        raise BadInput(f"{where}: it has to be read with cloud-volume, which is not installed: {_INSTALL}") from error
    address = url if url.startswith("graphene://") else f"precomputed://{url}"
    options: dict[str, Any] = {
        "bounded": True,
        "cache": False,
        "fill_missing": False,
        "green_threads": False,
        "parallel": 1,
        "progress": False,
    }
    try:
        info = dict(CloudVolume(address, **options).info)
    except Exception as error:
        if _is_network_error(error):
            raise ConnectionError(f"{where}: cloud-volume cannot reach it: {error}") from error
        raise BadInput(
            f"{where}: cloud-volume cannot open it: {_text(error)}. Check its url, and its credentials in "
            "~/.cloudvolume/secrets"
        ) from error
    scale = chosen_scale(info, spec, values, where)
    volume = CloudVolume(address, mip=scale.index, info=info, **options)
    offset = np.array(scale.offset)

    def read(box: Box) -> npt.NDArray[Any]:
        low, high = (offset + [getattr(side, end) for side in reversed(box)] for end in ("start", "stop"))
        name = "_".join(f"{a}-{b}" for a, b in zip(low, high, strict=True))
        try:
            return np.asarray(volume.download(Bbox(low, high), mip=scale.index))[..., 0].transpose(2, 1, 0)
        except EmptyVolumeException as error:
            raise missing_chunk(f"chunk {scale.key}/{name} (xyz) is missing") from error
        except Exception as error:
            if _is_network_error(error):
                raise unreachable(f"chunk {scale.key}/{name} (xyz): {error}") from error
            raise ValueError(f"chunk {scale.key}/{name} (xyz): {_text(error)}") from error

    store = chunked(
        read,
        dtype=scale.dtype,
        shape=scale.size[::-1],
        origin=scale.offset[::-1],
        chunk_shape=scale.chunk[::-1],
        context=ts.Context({"data_copy_concurrency": {"limit": _CONCURRENT_CHUNKS}}, context),
    )
    return store, scale


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _is_network_error(error: Exception) -> bool:
    import requests

    if isinstance(error, requests.HTTPError):
        return error.response is None or error.response.status_code >= 500 or error.response.status_code == 429
    return isinstance(error, requests.ConnectionError | requests.Timeout | ConnectionError | TimeoutError)
