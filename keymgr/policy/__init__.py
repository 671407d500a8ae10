"""What is allowed: pure rules that turn a wish into a decision and always say why."""
