"""The custom operators of rewritten models: their options, tables and stored weights, and what can become one."""
