"""From the address of a volume to the place that its files are read from, and with whose credentials.

Public buckets are read anonymously. The libraries find that out by asking a metadata server, for half a minute and
more where none answers; here it is asked only on the machines of that cloud, where it answers at once.
"""

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import tensorstore as ts

from synapse_assets.errors import BadInput

_REMOTE_SCHEMES = ("http://", "https://", "gs://", "s3://", "graphene://", "middleauth+https://")
_FORMAT_PREFIX = re.compile(r"^(precomputed|zarr3|zarr2|zarr|n5)://(?=[a-z0-9+]+://|/)")
_GOOGLE_CREDENTIALS = ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_AUTH_TOKEN_FOR_TESTING", "GCE_METADATA_ROOT")
_AWS_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def plain_address(url: str) -> str:
    """`url` without the name of its format before it: precomputed://gs://bucket/em is gs://bucket/em."""
    return _FORMAT_PREFIX.sub("", url)


def is_remote(url: str) -> bool:
    """Whether reading from `url` goes over the network."""
    return url.startswith(_REMOTE_SCHEMES)


def local_path(url: str, stated_url: str) -> Path:
    """The absolute path of a folder or file of this machine. Raises BadInput, naming `stated_url`, where nothing is there."""
    if "://" in url and not url.startswith("file://"):
        schemes = ", ".join(("file://", *_REMOTE_SCHEMES))
        raise BadInput(f"volume '{stated_url}': its address starts with none of {schemes}")
    text = url.removeprefix("file://")
    path = Path(os.path.expanduser(text))
    if not path.exists() and url.startswith("file://"):
        path = Path(unquote(text))
    if not path.exists():
        raise BadInput(
            f"volume '{stated_url}': there is no file or folder {path.absolute()}; check the url of the volume in the dataset's YAML"
        )
    return path.absolute()


def store_spec(url: str) -> str | dict[str, Any]:
    """tensorstore's description of the folder `url`: a path, http(s)://, gs:// or s3://.

    gs:// and s3:// are read with the credentials that this machine has in its environment, home folder or metadata
    server, and anonymously where it has none. s3:// is read from AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL where set.
    """
    url = url.rstrip("/") + "/"
    if url.startswith("gs://") and not _has_google_credentials():
        # Google serves a bucket's public objects under their plain names.
        server = os.environ.get("TENSORSTORE_GCS_HTTP_URL") or "https://storage.googleapis.com"
        return f"{server.rstrip('/')}/{quote(url.removeprefix('gs://'))}"
    if url.startswith("s3://"):
        bucket, _, path = url.removeprefix("s3://").partition("/")
        spec: dict[str, Any] = {"driver": "s3", "bucket": bucket, "path": path}
        if not _has_aws_credentials():
            spec["aws_credentials"] = {"type": "anonymous"}
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        if endpoint:
            spec["endpoint"] = endpoint.rstrip("/")
            spec["aws_region"] = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        return spec
    return url if is_remote(url) else {"driver": "file", "path": url}


def open_files(url: str, where: str, context: ts.Context) -> ts.KvStore:
    """The files under `url`, opened but not read. Raises BadInput where the address makes no sense."""
    try:
        return ts.KvStore.open(store_spec(url), context=context).result()
    except ValueError as error:
        raise BadInput(f"{where}: its address cannot be understood: {error}") from error


def _has_google_credentials() -> bool:
    if any(os.environ.get(name) for name in _GOOGLE_CREDENTIALS):
        return True
    folder = Path(os.path.expanduser(os.environ.get("CLOUDSDK_CONFIG") or "~/.config/gcloud"))
    return (folder / "application_default_credentials.json").is_file() or _is_machine_of("Google")


def _has_aws_credentials() -> bool:
    if any(os.environ.get(name) for name in _AWS_CREDENTIALS):
        return True
    config = Path(os.path.expanduser(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config"))
    return config.is_file() or Path(os.path.expanduser("~/.aws/credentials")).is_file() or _is_machine_of("Amazon")


def _is_machine_of(vendor: str) -> bool:
    try:
        return vendor in Path("/sys/class/dmi/id/sys_vendor").read_text(encoding="utf-8")
    except OSError:
        return False
