"""A Hugging Face config.json becomes a Model."""
