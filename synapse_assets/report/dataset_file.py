"""The dataset file in a report: its fields as YAML, without what nobody may publish, and its fingerprint."""

import re

import yaml

from synapse_assets.datasets import Dataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.settings import local_root_of
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import fingerprint

# User and password, and what follows the question mark, of an address.
_SECRETS = (re.compile(r"(?<=://)[^/@\s]+@"), re.compile(r"(://[^?\s]*)\?\S+"))


def as_written(dataset: Dataset, store: DatasetStore) -> str:
    """The fields of a dataset that are not at their default as YAML; the local folder by its variable, secrets in addresses masked."""
    text: str = yaml.safe_dump(
        dataset.model_dump(mode="json", exclude_defaults=True),
        sort_keys=False,
        default_flow_style=None,
        allow_unicode=True,
        width=110,
    )
    text = text.replace(store.local_root or local_root_of(store.data_root), "${SYNAPSE_LOCAL_ROOT}")
    return _SECRETS[1].sub(r"\1?...", _SECRETS[0].sub("...@", text)).rstrip()


def fingerprint_of(dataset: Dataset) -> str:
    """12 hexadecimal digits that change with any field that decides content."""
    return fingerprint(hashed_fields(dataset), {})
