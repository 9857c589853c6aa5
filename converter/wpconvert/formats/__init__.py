"""The file formats behind one protocol: a folder and a row of the registry each."""
