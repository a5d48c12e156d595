"""Where data lives and which datasets are on, from the environment (SYNAPSE_...) or a `.env` file.

Nothing else is configured here: what a dataset is stands in its YAML file (see `datasets/`).
"""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def local_root_of(data_root: str) -> str:
    """The local folder that goes with a data root: itself, or for an address `~/.synapse/<address>`."""
    if data_root.startswith("file://"):
        return data_root.removeprefix("file://")
    return str(Path.home() / ".synapse" / quote(data_root, safe="")) if "://" in data_root else data_root


class Settings(BaseSettings):
    """Settings of one installation. Environment variables: SYNAPSE_DATA_ROOT, SYNAPSE_LOCAL_ROOT, SYNAPSE_DATASETS,
    SYNAPSE_DEVICE; for object storage the usual ones besides, such as AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL.
    """

    model_config = SettingsConfigDict(env_prefix="SYNAPSE_", env_file=".env", extra="ignore")

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
    device: str = Field("auto", description="Where networks run: auto, cpu, cuda or mps.")

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
        "http://127.0.0.1:8050", description="Where `synapse-assets explore` is reached, for links in the Dagster UI."
    )
    webhook_url: SecretStr | None = Field(
        None, description='Address that failures are posted to as {"text": ...}, as chat programs take it.'
    )

    @field_validator("datasets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("data_root")
    @classmethod
    def _absolute(cls, value: str) -> str:
        return value.rstrip("/") if "://" in value else str(Path(value).expanduser().resolve())

    @model_validator(mode="after")
    def _local(self) -> "Settings":
        self.local_root = str(Path(self.local_root or local_root_of(self.data_root)).expanduser().resolve())
        return self
