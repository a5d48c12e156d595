"""The dataset file in a report: its fields as YAML, without what nobody may publish, and its fingerprint."""

import hashlib
import os
import re
from functools import partial
from pathlib import Path

import yaml

from synapse_assets.datasets import Dataset
from synapse_assets.datasets.variables import with_locations
from synapse_assets.settings import local_root_of
from synapse_assets.stores import DatasetStore

# User and password, and what follows the question mark or the hash, of an address.
_SECRETS = (re.compile(r"(?<=://)[^/?#\s]+@"), re.compile(r"(://[^?#\s]*)([?#])\S+"))
# Variables that paths and addresses of a dataset are filled in from; their values stay on the machine.
_VARIABLES = re.compile(r"^SYNAPSE_|TOKEN|KEY|SECRET|PASS|CREDENTIAL")
# Shorter values would be found where they are not meant.
_SHORTEST_VALUE = 4
_HOME = re.compile(r"(?<![^/:=\s])/(?:home|Users)/[^/\s]+(?=/|$)")


def as_written(dataset: Dataset, store: DatasetStore) -> str:
    """The fields of a dataset that are not at their default as YAML. In paths and addresses the local folder and what came from other
    variables stand by the names of the variables, folders of users as `~`; secrets in addresses are masked."""
    fields = dataset.model_dump(mode="json", exclude_defaults=True)
    local_root = store.local_root or local_root_of(store.data_root)
    text: str = yaml.safe_dump(
        with_locations(fields, type(dataset), partial(_publishable, local_root=local_root)),
        sort_keys=False,
        default_flow_style=None,
        allow_unicode=True,
        width=110,
    )
    return _SECRETS[1].sub(r"\1\2...", _SECRETS[0].sub("...@", text)).rstrip()


def _publishable(location: str, local_root: str) -> str:
    """A path or address without values of variables and names of users."""
    values = [(local_root, "SYNAPSE_LOCAL_ROOT")]
    named = ((value, name) for name, value in os.environ.items() if _VARIABLES.search(name))
    values += sorted(
        (pair for pair in named if len(pair[0]) >= _SHORTEST_VALUE), key=lambda pair: (-len(pair[0]), pair[1])
    )
    for value, name in values:
        location = re.sub(re.escape(value.rstrip("/")) + r"(?![A-Za-z0-9])", f"${{{name}}}", location)
    location = re.sub(re.escape(str(Path.home())) + r"(?=/|$)", "~", location)
    return _HOME.sub("~", location)


def fingerprint_of(dataset: Dataset, store: DatasetStore) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of `as_written`: the same wherever the data root lies, as a reader can check."""
    return hashlib.sha256(as_written(dataset, store).encode()).hexdigest()[:12]
