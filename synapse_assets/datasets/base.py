"""What every dataset description shares: its name, that it is immutable, and that a misspelt field is an error."""

from pydantic import BaseModel, ConfigDict, Field

from synapse_assets.datasets.variables import FreeText


class Frozen(BaseModel):
    """A typed, immutable part of a dataset file; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Dataset(Frozen):
    """What is common to the datasets of all chains."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$", description="Short name; the folder of its data and the prefix of its assets."
    )
    title: FreeText
    description: FreeText
    seed: int = 0
