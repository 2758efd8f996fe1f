"""Findings as text or data, one file a format."""
