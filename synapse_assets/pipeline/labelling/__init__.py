"""Labelling, whatever a dataset holds: its rounds, and the answers that people gave as a table.

What people are asked and what follows from their answers belongs to the chains, the answers themselves to `stores.annotation_log`.
"""
