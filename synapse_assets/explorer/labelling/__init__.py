"""The pages on which people label: the only part of the explorer that writes, and only what people answer.

They exist where the explorer is started with `--labelling`, and are answered to who has a token.
"""

from synapse_assets.explorer.labelling.routes import add_labelling

__all__ = ["add_labelling"]
