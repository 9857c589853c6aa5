"""The format-neutral middle: how a model is read, changed, written, verified and reported."""
