"""The steps of the chain without images, a module a stage."""
