"""The questions: one file a verb, each returning one frozen result."""
