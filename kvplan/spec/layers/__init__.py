"""One frozen class per kind of cache layer, each saying what it keeps of a sequence."""
