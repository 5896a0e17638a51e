"""Sensors and models: leaves. Each imports the records and the library it adapts, never a sibling."""
