"""What happens to a key: one verb per file."""
