"""Is it acceptable: a workload held to its own expectations."""
