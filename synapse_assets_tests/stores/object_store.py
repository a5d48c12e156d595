"""S3-compatible object storage on this machine (moto), which can be told to fail."""

import io
import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from synapse_assets.stores import DatasetStore

BUCKET = "lab"


class ObjectStore:
    """The storage at `url`, with one bucket. `refuses(method, path)` says which requests are answered with 503."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        self.refuses: Callable[[str, str], bool] = lambda method, path: False
        self.refused: list[tuple[str, str]] = []
        self._app = DomainDispatcherApplication(create_backend_app)
        # One request at a time: in moto, looking whether a key is there and writing it are two steps.
        self._turn = threading.Lock()
        self.server = make_server(host, 0, self._answer, threaded=True)
        self.url = f"http://{host}:{self.server.server_port}"

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Any:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if self.refuses(method, path):
            self.refused.append((method, path))
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("503 Service Unavailable", [("Content-Type", "application/xml")])
            return [b"<Error><Code>ServiceUnavailable</Code><Message>down for a while</Message></Error>"]
        # Beforehand: a client that sends slowly, or is killed while it sends, holds up nobody.
        if not environ.get("wsgi.input_terminated"):
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
        with self._turn:
            return list(self._app(environ, start_response))

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which a process reaches it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "someone",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "OBJECT_STORE_CLIENT_MAX_RETRIES": "1",
        }

    def store(self, folder: Path) -> DatasetStore:
        """A new dataset on the storage, with its local folder in `folder`."""
        return DatasetStore(f"s3://{BUCKET}/{uuid.uuid4().hex[:8]}/data", "sample", str(folder / "local"))

    def keys(self, address: str) -> list[str]:
        """Names of all objects under that address, without it."""
        from pyarrow import fs

        start = address.removeprefix("s3://") + "/"
        system = fs.S3FileSystem(endpoint_override=self.url, region="us-east-1")
        found = system.get_file_info(fs.FileSelector(start, recursive=True, allow_not_found=True))
        return sorted(info.path.removeprefix(start) for info in found if info.type == fs.FileType.File)

    def make_old(self, address: str, seconds: float) -> None:
        """As if that object had been written so long ago."""
        key = address.removeprefix(f"s3://{BUCKET}/")
        self._backend().buckets[BUCKET].keys[key].last_modified -= timedelta(seconds=seconds)

    def plant(self, addresses: Sequence[str]) -> None:
        """Writes empty objects, without a request for each."""
        for address in addresses:
            self._backend().put_object(BUCKET, address.removeprefix(f"s3://{BUCKET}/"), b"")

    def _backend(self) -> Any:
        from moto.s3.models import s3_backends

        return s3_backends["123456789012"]["aws"]

    @contextmanager
    def down(self, refuses: Callable[[str, str], bool]) -> Iterator[None]:
        """Answers those requests with 503 during the block."""
        self.refuses = refuses
        try:
            yield
        finally:
            self.refuses = lambda method, path: False


@pytest.fixture(scope="module")
def object_store() -> Iterator[ObjectStore]:
    """The storage, with the environment that reaches it; skips where moto is not installed."""
    pytest.importorskip("moto.server", reason="object storage is tested with moto: pip install 'moto[server]'")
    import boto3

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    store = ObjectStore()
    thread = threading.Thread(target=store.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in store.environment.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield store
    store.server.shutdown()
    thread.join()
