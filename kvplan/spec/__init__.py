"""What is asked: the words a user writes, and reading them."""
