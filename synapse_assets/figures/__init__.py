"""Pictures (PNG bytes) and turnable pages (HTML text) of what the rooms below computed; the only room that draws.

Matplotlib and plotly are imported here alone, and only inside the functions that draw. Every function takes values, arrays or
tables and gives the whole picture, the same bytes for the same input, small enough for an event log. Does not belong here:
computing what is drawn, reading stores, writing files.
"""
