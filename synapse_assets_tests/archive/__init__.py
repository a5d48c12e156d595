"""Installations as an earlier state of the code left them, one file each: data root, run history and what they are read from."""
