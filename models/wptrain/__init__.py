"""Training recipes: a network and a dataset in, a small int8 `.tflite` file with its model card out.

`data`, `litert` and `card` need NumPy, scikit-learn and LiteRT only; `networks`, `pruning`, `training` and
`export` need PyTorch (and `export` litert-torch) besides.
"""
