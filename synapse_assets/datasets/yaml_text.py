"""YAML text of a person's file, read as plain values without the ways in which it could fill the memory or run code."""

from typing import Any

import yaml

from synapse_assets.schema import BadInput

_LARGEST = 1 << 20
_MOST_VALUES = 100_000


def parse_yaml(content: bytes) -> Any:
    """The plain values of a YAML document. Raises BadInput for what is no YAML, is too large, or refers to itself."""
    if len(content) > _LARGEST:
        raise BadInput(f"larger than {_LARGEST >> 20} MiB, so it is no dataset file")
    try:
        found = yaml.safe_load(content.decode("utf-8-sig"))
        if _values(found, {}) > _MOST_VALUES:
            raise BadInput(f"its aliases (*name) stand for more than {_MOST_VALUES:,} values: write out what is meant")
    except BadInput:
        raise
    except yaml.YAMLError as error:
        raise BadInput(f"not valid YAML: {error}") from error
    except (UnicodeDecodeError, ValueError) as error:
        raise BadInput(f"not valid YAML in UTF-8: {error}") from error
    except RecursionError as error:
        raise BadInput("not a dataset file: it nests too deep") from error
    return found


def _values(value: Any, counted: dict[int, int]) -> int:
    """How many values there are once every alias is written out; what holds itself has no end."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in counted:
        counted[id(value)] = _MOST_VALUES  # until it is known: it may hold itself
        inner = [*value.values()] if isinstance(value, dict) else value
        counted[id(value)] = 1 + sum(_values(one, counted) for one in inner)
    return counted[id(value)]
