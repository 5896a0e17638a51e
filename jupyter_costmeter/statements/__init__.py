"""Formats of a statement: each module writes a statement and its forms in one."""
