"""How it looks: a result becomes a sheet, a sheet becomes a format."""
