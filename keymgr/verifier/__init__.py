"""How a service decides whether a presented token is good; runs inside the service, not here."""
