"""Passes: each takes a graph, changes it in place and returns it, and whether it has changed anything.

A file has one pass, whose docstring states what it requires and what it ensures. All of them keep what the graph
computes, bit for bit, and its inputs and outputs. A tensor that stays is the same object, under its index afterwards.
"""
