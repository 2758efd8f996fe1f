"""One file a kind of result."""
