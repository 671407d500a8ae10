"""The steps themselves, each named after what it brings."""
