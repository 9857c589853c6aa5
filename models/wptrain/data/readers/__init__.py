"""Readers of file formats; each takes hostile files and answers with one line."""
