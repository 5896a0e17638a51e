"""The version, proved equal in both manifests by a test."""

__version__ = "0.1.0"
