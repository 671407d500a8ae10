"""Checks a key with PyJWT alone: pip install "pyjwt[crypto]"."""

import os

import jwt

ISSUER = "@ISSUER@"
AUDIENCE = "@SERVICE@"
ENVIRONMENT = "@ENV@"
jwks = jwt.PyJWKClient("@JWKS@", lifespan=300, timeout=3)


def verify(token: str, scope: str) -> dict:
    """Return what the token says; raises PyJWTError or PermissionError if it is no good."""
    found = jwt.decode_complete(
        token,
        jwks.get_signing_key_from_jwt(token),
        algorithms=["@ALGORITHM@"],
        issuer=ISSUER,
        audience=AUDIENCE,
        leeway=30,
        options={"require": ["exp", "nbf", "iat", "jti", "scope", "env"]},
    )
    claims = found["payload"]
    if found["header"].get("typ") != "at+jwt" or claims["env"] != ENVIRONMENT:
        raise PermissionError("This is another kind of token, or for another environment.")
    if scope not in claims["scope"].split():
        raise PermissionError(f"The key does not hold {scope}.")
    return claims


if __name__ == "__main__":
    print("good:", verify(os.environ["KEY"], "@SCOPE@")["sub"])
