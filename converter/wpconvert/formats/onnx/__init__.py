""".onnx files: reading, finding weights, rewriting and writing them."""
