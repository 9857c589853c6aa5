"""What a layer costs on a core, and which method each weight gets. Knows neither flatbuffers nor protobuf."""
