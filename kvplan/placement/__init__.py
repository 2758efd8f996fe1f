"""Where it lives: regions into bins, bins into seats."""
