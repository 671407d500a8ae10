"""What each member of a token means: for the table of the documentation and for whoever looks into a token."""

from collections.abc import Mapping

HEADER: Mapping[str, str] = {
    "alg": "How it is signed. Expect one algorithm by name; never take it from the token.",
    "kid": "Which of our published keys signed it: km- and the RFC 7638 thumbprint of the key.",
    "typ": "The kind of token. Demand at+jwt.",
}
CLAIMS: Mapping[str, str] = {
    "iss": "The keymgr that issued it. Compare it whole.",
    "sub": "The owner: user:NAME or svc:NAME.",
    "aud": "The one service it is for. Compare it whole.",
    "client_id": "The key. Stays the same when the key is rotated; count and log by it.",
    "jti": "The credential: one generation of the key.",
    "scope": "What it may do, separated by single spaces.",
    "env": "The environment it is for. Compare it, or a key for tests works in production.",
    "iat": "When it was issued.",
    "nbf": "From when it is good.",
    "exp": "Until when it is good.",
    "status": "Its place in the status list, which tells of revocation.",
    "pol": "The policy that allowed it: the start of its digest, and the rule.",
    "sec": "The wrapped secret, which only keymgr can check. It is what makes the token a password.",
}
DATES = frozenset({"iat", "nbf", "exp"})
SECRET = "sec"  # noqa: S105 - the name of a claim.


def examples(*, issuer: str, status_uri: str, service: str, environment: str, scope: str) -> Mapping[str, str]:
    """Show what the claims look like here; none of the values is somebody's."""
    return {
        "iss": issuer,
        "sub": "svc:checkout",
        "aud": service,
        "client_id": "key_01kafp2c…",
        "jti": "crd_01kafp2c…",
        "scope": scope,
        "env": environment,
        "iat": "1800000000",
        "nbf": "1800000000",
        "exp": "1802592000",
        "status": f'{{"status_list": {{"idx": 7, "uri": "{status_uri}"}}}}',
        "pol": f"0f1e2d3c4b5a:{service}-readers",
        "sec": "43 characters or more",
    }
