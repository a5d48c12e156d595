"""The report of a release: one HTML file of some ten printed pages, for the supplement of a paper.

What went in, what there is, how good it is, and what made every number: each table, figure and sentence names the query that it is the
result of. A section appears where a dataset of its chain has the tables; what the release lacks of them is "not assessed". It reads
a release as `query` does, and draws with `figures`; nothing is computed here that no table of the release has.
"""

from synapse_assets.report.building import REPORT_FILE, Written, build_report, write_report
from synapse_assets.report.content import Caution, Figure, Section, Sentence, Table, Text

__all__ = [
    "REPORT_FILE",
    "Caution",
    "Figure",
    "Section",
    "Sentence",
    "Table",
    "Text",
    "Written",
    "build_report",
    "write_report",
]
