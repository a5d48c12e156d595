"""A Ray cluster: its nodes, its token, and carrying out parts of a region's work on them. The only room that imports Ray, and only when it
is used: one machine never needs it. What a part is, and what is made of it, belongs to `pipeline`; sending runs there to `defs`.
"""
