"""ONNX models: read, find weights, rewrite, restore. The format's own library is used for protobuf alone."""
