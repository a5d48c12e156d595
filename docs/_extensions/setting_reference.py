"""The table of settings, from the fields of `Settings`."""

from markdown import code, escaped, table
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from synapse_assets.settings import Settings


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, list):
        return code(",".join(value))
    return "none" if value in (None, "") else code(str(value))


def markdown() -> str:
    """A row a setting: variable, default, meaning."""
    rows = [
        (
            code(f"SYNAPSE_{name.upper()}"),
            _default(field),
            escaped(field.description or "") + (" Never shown." if SecretStr in _types(field) else ""),
        )
        for name, field in Settings.model_fields.items()
    ]
    return table(("variable", "default", "meaning"), rows)


def _types(field: FieldInfo) -> tuple[object, ...]:
    return getattr(field.annotation, "__args__", (field.annotation,))
