"""How networks are trained. What does not belong here: running a trained network, and storing it."""
