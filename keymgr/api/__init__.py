"""The machine's door: JSON in, JSON out."""
