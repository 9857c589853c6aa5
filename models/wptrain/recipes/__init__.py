"""Recipes, one file per zoo model family; each is a command: `python -m wptrain.recipes.<name> --help`."""
