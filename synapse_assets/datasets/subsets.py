"""What a dataset file says of a subset of published tables: where they are, what they weigh, and by which rule sites are chosen.

Fetching the tables belongs to `sources.downloads`, choosing the sites to `sources.subsets`.
"""

from typing import Annotated

from pydantic import Field, model_validator

from synapse_assets.datasets.base import Frozen
from synapse_assets.datasets.sources import PointsSource
from synapse_assets.datasets.variables import FreeText, Location

_SHA256 = r"^[0-9a-f]{64}$"


class PublishedFile(Frozen):
    """A file that others published, and where it is kept on this machine."""

    url: Location = Field(description="Its http(s) address, or that of a mirror.")
    path: Location = Field(description="The local file that it becomes.")
    bytes: Annotated[int, Field(ge=1)] = Field(description="Its size.")
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = Field(
        None, description="Its MD5 as its publisher gives it; empty where none is known."
    )
    sha256: Annotated[str, Field(pattern=_SHA256)] | None = Field(
        None, description="Its SHA-256; empty where none is known."
    )
    licence: FreeText = Field(description="What its publisher says of its use.")
    cite: FreeText = Field(description="What is cited where it is used.")


class PublishedSubset(Frozen):
    """A subset of a published table of synapses that a stated rule chooses, the same for everybody.

    The rule: of the neurons with exactly one known class, that class among `classes`, and at least `fewest_sites` rows in the
    table, each class takes `neurons_per_class` at most, one of each hemilineage before a second of any, neurons of none being one
    group more. Of each class's share of `sites`, every such neuron gives its first site before any gives its second; sites of one
    neuron lie at least `spacing_nm` apart. Wherever several could come first, the lowest SHA-256 of '<salt>/<id>' does.
    """

    downloads: list[PublishedFile] = Field(min_length=1, description="The published files.")
    table: PointsSource = Field(description="How the whole table of synapses is read.")
    sites: Annotated[int, Field(ge=1)] = Field(description="Number of sites, shared out evenly between the classes.")
    classes: list[str] = Field(min_length=2, description="The classes that sites are chosen of.")
    neurons_per_class: Annotated[int, Field(ge=1)] = Field(description="Most neurons of a class.")
    fewest_sites: Annotated[int, Field(ge=1)] = Field(1, description="Neurons with fewer rows are passed over.")
    spacing_nm: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Sites of one neuron that lie nearer to each other count as one."
    )
    salt: str = Field(min_length=1, description="Another text chooses another subset.")
    sha256: Annotated[str, Field(pattern=_SHA256)] | None = Field(
        None, description="SHA-256 of the table of chosen sites, once somebody has made it; empty until then."
    )

    @model_validator(mode="after")
    def _consistent(self) -> "PublishedSubset":
        if len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes name one twice: {self.classes}")
        if self.sites < len(self.classes):
            raise ValueError(f"sites ({self.sites}) are fewer than classes ({len(self.classes)})")
        if not self.table.columns.neuron_id:
            raise ValueError("table needs the column neuron_id: sites are chosen by their neurons")
        return self

    @property
    def quotas(self) -> dict[str, int]:
        """Sites of each class, in the order of their names: the first ones get one more where they cannot be shared out evenly."""
        share, rest = divmod(self.sites, len(self.classes))
        return {name: share + (number < rest) for number, name in enumerate(sorted(self.classes))}
