"""Where in a picture a classifier sees the class: one face for every image classifier, methods on it, and what tests of them need.

What does not belong here: what a test's outcome means (`analysis.evaluation.explanation_checks`), drawing maps, storing them.
"""
