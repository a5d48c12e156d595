"""Where data lives, which datasets are on, and how this installation runs, from the environment (SYNAPSE_...) or a `.env` file.

Nothing else is configured here: what a dataset is stands in its YAML file (see `datasets/`).
"""

import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from synapse_assets.datasets import variables_named
from synapse_assets.errors import BadInput

_PREFIX, _FILE = "SYNAPSE_", ".env"
# Read by compose.yaml, which passes it to its processes as well.
_OF_COMPOSE = "SYNAPSE_LOCAL_FOLDER"
# A letter or two of difference; SYNAPSE_DATA_FOLDER is none of SYNAPSE_DATA_ROOT.
_SIMILAR = 0.92
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65_535
# DuckDB takes what follows "?" for options and a backslash for a slash; Lance refuses what cannot be printed.
_UNOPENABLE = re.compile(r"[?\\\x00-\x1f\x7f]")
_DEVICE = re.compile(r"auto|(cpu|cuda|mps)(:\d+)?", re.ASCII)
# A name, an IPv4 address or an IPv6 address in brackets, in small letters, and perhaps a port.
NETLOC = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?)(?::(\d{1,5}))?", re.ASCII)


def local_root_of(data_root: str) -> str:
    """The local folder that goes with a data root: itself, or for an address `~/.synapse/<address>`."""
    if data_root.startswith("file://"):
        return data_root.removeprefix("file://")
    return os.path.expanduser(f"~/.synapse/{quote(data_root, safe='')}") if "://" in data_root else data_root


def local_root_here(data_root: str) -> str:
    """The local folder that goes with a data root on this machine, in a process that others sent work to: the one that
    SYNAPSE_LOCAL_ROOT names here, or that of `local_root_of`."""
    return os.environ.get("SYNAPSE_LOCAL_ROOT") or local_root_of(data_root)


def server_of(address: str) -> tuple[str, str, int]:
    """Scheme, name and port of the server of an http(s) address: `https`, `synapses.example.org`, 443.

    Raises ValueError for an address of another kind, with a user, or with a wildcard for a name.
    """
    parts = urlsplit(address)
    match = NETLOC.fullmatch(parts.netloc.lower())
    if parts.scheme not in _DEFAULT_PORTS or match is None or int(match[2] or 0) > _LAST_PORT:
        raise ValueError("it has to be an http(s) address of one server, such as https://synapses.example.org")
    return parts.scheme, match[1], int(match[2] or _DEFAULT_PORTS[parts.scheme])


class Settings(BaseSettings):
    """Settings of one installation. Each field is the environment variable SYNAPSE_<FIELD>, such as SYNAPSE_DATA_ROOT or
    SYNAPSE_DATASETS; for object storage the usual ones besides, such as AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL.

    Raises BadInput naming the variable for an invalid value, and for a variable that misspells one of these.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_file=_FILE, extra="ignore")

    data_root: str = Field(
        "data", description="Folder, or address on object storage (s3://, gs://), of everything the pipeline writes."
    )
    local_root: str = Field(
        "",
        description="Local folder for Dagster's run history, drawn or fetched inputs and caches, where data_root is an "
        "address. Default: data_root, or ~/.synapse/<address>.",
    )
    datasets: Annotated[list[str], NoDecode] = Field(
        ["sample", "sample_cbp"],
        description="Datasets in the graph, comma-separated: packaged names, or paths of your own YAML files.",
    )
    device: str = Field(
        "auto", description="Where networks run: auto, cpu, cuda or mps; cuda:1 is the second of several."
    )

    ray_address: str | None = Field(
        None,
        description="Job interface of a Ray cluster, such as http://head:8265: runs are sent there, and the tiles of a region are divided "
        "among its nodes. Without it everything runs on this machine.",
    )
    ray_runs: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Runs at once on the cluster, as a rule one a brain region. Default: as many as it has nodes."
    )
    ray_part_tiles: Annotated[int, Field(ge=1)] = Field(
        2048, description="Tiles that a node makes at a time: what its loss costs at most."
    )
    ray_cpus: Annotated[float, Field(gt=0)] = Field(1.0, description="Processor cores for such a part.")
    ray_gpus: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Graphics cards for such a part; with 0.5 two share one. 0: nodes compute on their processors."
    )

    nightly_cron: str = Field(
        "0 3 * * *", description="When sources are looked at anew and what is behind is made good."
    )
    weekly_cron: str = Field("0 4 * * 6", description="When models are fitted again.")
    upkeep_cron: str = Field("0 5 * * 0", description="When tables are compacted and old versions and runs removed.")
    time_zone: str = Field("UTC", description="Time zone of these three, such as Europe/Berlin.")
    tick_seconds: Annotated[int, Field(ge=1)] = Field(
        30, description="How often sources are looked at, and automation decides what to make."
    )

    postgres_url: SecretStr | None = Field(
        None, description="Database for Dagster's history, postgresql://...; without one, SQLite files in local_root."
    )
    explorer_url: str = Field(
        "http://127.0.0.1:8050",
        description="Where `synapse-assets explore` is reached: for links in the Dagster UI, and the only other name it answers to.",
    )
    ui_url: str = Field(
        "http://127.0.0.1:3000",
        description="Where the Dagster UI is reached, if not on this machine itself: the only other name it answers to.",
    )
    webhook_url: SecretStr | None = Field(
        None, description='Address that failures are posted to as {"text": ...}, as chat programs take it.'
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            # Without the values, which may be secret.
            names = [
                (_PREFIX + ".".join(map(str, details["loc"])).upper() + ": ") if details["loc"] else ""
                for details in error.errors()
            ]
            reasons = [name + details["msg"] for name, details in zip(names, error.errors(), strict=True)]
            raise BadInput("; ".join(reasons).replace("Value error, ", "")) from None
        self._refuse_misspelt()

    def unused(self) -> list[str]:
        """Variables SYNAPSE_... that are no setting and that no dataset file names: they have no effect."""
        variables = {name.upper() for name in (*os.environ, *dotenv_values(_FILE)) if name.upper().startswith(_PREFIX)}
        return sorted(variables - self._known() - {_OF_COMPOSE} - variables_named(self.datasets))

    @classmethod
    def _known(cls) -> set[str]:
        return {_PREFIX + name.upper() for name in cls.model_fields}

    def _refuse_misspelt(self) -> None:
        known = self._known()
        unknown = sorted({name.upper() for name in (*os.environ, *dotenv_values(_FILE))} - known)
        suggestions = {name: close[0] for name in unknown if (close := get_close_matches(name, known, 1, _SIMILAR))}
        dataset_variables = variables_named(self.datasets) if suggestions else set()
        wrong = [
            f"{name} is no setting, and no dataset names it: did you mean {suggestion}?"
            for name, suggestion in suggestions.items()
            if name not in dataset_variables
        ]
        if wrong:
            raise BadInput(" ".join(wrong))

    @model_validator(mode="before")
    @classmethod
    def _nothing_empty(cls, values: dict[str, Any]) -> dict[str, Any]:
        if empty := [
            _PREFIX + name.upper() for name, value in values.items() if isinstance(value, str) and not value.strip()
        ]:
            raise ValueError(f"{' and '.join(sorted(empty))} is empty: give it a value, or remove it")
        return values

    @field_validator("device")
    @classmethod
    def _a_device(cls, value: str) -> str:
        if not _DEVICE.fullmatch(value):
            raise ValueError(
                f"{value!r} is no device: give auto, cpu, cuda or mps, or cuda:1 for the second of several"
            )
        return value

    @field_validator("explorer_url", "ui_url", "ray_address")
    @classmethod
    def _one_host(cls, value: str | None) -> str | None:
        if value is None:
            return None
        server_of(value)
        return value.rstrip("/")

    @field_validator("datasets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        names = [part.strip() for part in value.split(",") if part.strip()]
        if not names:
            raise ValueError(f"{value!r} names no dataset")
        return names

    @field_validator("data_root")
    @classmethod
    def _absolute(cls, value: str) -> str:
        return value.rstrip("/") if "://" in value else _whole(value)

    @model_validator(mode="after")
    def _local(self) -> "Settings":
        try:
            self.local_root = _whole(self.local_root or local_root_of(self.data_root))
        except ValueError as error:
            raise ValueError(f"SYNAPSE_LOCAL_ROOT: {error}") from error
        for name in ("data_root", "local_root"):
            folder = getattr(self, name)
            if odd := sorted(set(_UNOPENABLE.findall(folder))):
                raise ValueError(
                    f"the folder {folder!r} of SYNAPSE_{name.upper()} has {' and '.join(map(repr, odd))} in its path, which DuckDB or "
                    "Lance cannot open: choose another"
                )
        return self


def _whole(folder: str) -> str:
    """The absolute path of a folder. Raises ValueError where it begins with a home folder that is not known."""
    try:
        return str(Path(folder).expanduser().resolve())
    except RuntimeError:
        raise ValueError(f"the home folder of {folder!r} is not known: give the whole path") from None
