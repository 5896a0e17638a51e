"""Formats: each module writes a selection of records in one."""
