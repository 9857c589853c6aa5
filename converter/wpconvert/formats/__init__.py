"""The file formats: bytes and graph of each, behind one protocol."""
