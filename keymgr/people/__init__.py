"""Who is asking: sign-in, sessions, membership, service accounts."""
