"""Formulas as MathML, which browsers draw themselves: the site loads nothing from elsewhere."""

import re
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx


def _mathml(node: nodes.Element, as_block: bool = False) -> str:
    """The formula, with the bars of |x| as high as a letter: a browser stretches the second to the whole row."""
    written = tex2mathml(node.astext(), as_block=as_block)
    formula = re.sub(r'<mo class="mathopen">(?=[|‖])', '<mo form="prefix" stretchy="false">', written)
    return re.sub(r"<mo>(?=[|‖])", '<mo form="postfix" stretchy="false">', formula)


def _inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(_mathml(node))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="math">{_mathml(node, as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the renderer, which conf.py names."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
