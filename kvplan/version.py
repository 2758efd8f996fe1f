"""The version, in one line."""

VERSION = "0.1.0"
