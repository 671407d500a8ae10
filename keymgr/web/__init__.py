"""The browser's door: HTML in, HTML out."""
