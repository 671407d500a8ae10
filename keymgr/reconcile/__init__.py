"""How a policy folder becomes the policy in force."""
