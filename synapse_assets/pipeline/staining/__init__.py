"""The work of every asset of the staining chain. Stages that it shares with the em chain are in `pipeline.em`."""
