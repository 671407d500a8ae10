"""Self-hosted portal for API keys: self-service in the browser, rules as YAML in Git, keys wrapped in JWTs."""

__version__ = "0.1.0"
