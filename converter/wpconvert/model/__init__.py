"""The format-neutral middle: weights, rules and plans. Knows neither flatbuffers nor protobuf."""
