"""The steps of the chain of synapse points and electron-microscopy volumes, a module a stage."""
