"""Plain functions from frames to models and metrics: what to recommend, whom to trust, what to charge.

One package a model: ``train`` fits, ``evaluate`` measures on data the fit has not seen, ``score`` answers in the storefront's
workers, ``publish.train_and_gate`` does it all and puts a version in force when it passes ``models.gate``. No scheduler and no
HTTP here: a notebook, a test and a Dagster asset call the same functions.
"""
