"""Where data lives and which datasets are on, from the environment (SYNAPSE_...) or a `.env` file.

Nothing else is configured here: what a dataset is stands in its YAML file (see `datasets/`).
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """Settings of one installation. Environment variables: SYNAPSE_DATA_ROOT, SYNAPSE_DATASETS, SYNAPSE_DEVICE."""

    model_config = SettingsConfigDict(env_prefix="SYNAPSE_", env_file=".env", extra="ignore")

    data_root: str = Field("data", description="Folder that holds everything the pipeline writes.")
    datasets: Annotated[list[str], NoDecode] = Field(
        ["sample", "sample_cbp"],
        description="Datasets in the graph, comma-separated: packaged names, or paths of your own YAML files.",
    )
    device: str = Field("auto", description="Where networks run: auto, cpu, cuda or mps.")

    @field_validator("datasets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("data_root")
    @classmethod
    def _absolute(cls, value: str) -> str:
        return str(Path(value).expanduser().resolve())
