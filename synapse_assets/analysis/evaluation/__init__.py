"""How well a model names rows that it was not fitted on, whatever the model: folds, cross-validation, scores, intervals.

`cross_validation` runs the folds, `scores` turns their predictions into scores, `evaluation` puts the scores of all ways
of testing together. The linear probe of the embeddings lives here too, with what is predicted by it. What does not belong
here: the models of other rooms (`analysis.morphology.classifiers`, `vision`) and drawing (figures).
"""
