"""What every part of a dataset description shares: it is immutable, and a misspelt field is an error."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A typed, immutable part of a dataset file; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
