"""How each engine counts: the questions put to it, and one file an engine."""
