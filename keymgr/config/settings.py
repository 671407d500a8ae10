"""The settings themselves: one field for each, with how it is read, what it is when absent, and what it does."""

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from keymgr.config import values
from keymgr.config.environment import BadSettings, gather, name_unknown, secret_from_file
from keymgr.config.values import LOOPBACK_HOSTS, Network

T = TypeVar("T")


def _setting(read: Callable[[str], T], default: str | None, description: str, *, secret: bool = False) -> T:
    """Declare one setting: `default` is what an absent variable reads as, None makes it required."""
    metadata = {"read": read, "default": default, "description": description, "secret": secret}
    return cast("T", field(repr=not secret, metadata=metadata))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator decides outside of policy; each field is the variable KEYMGR_ + its name in capitals."""

    public_url: str = _setting(
        values.web_address, None, "The address people and services use; also the issuer in every token."
    )
    secret_key: str = _setting(
        values.passphrase, None, "Signs the session cookie; at least 32 characters.", secret=True
    )
    pepper: bytes = _setting(
        values.pepper, None, "Keys the hashes of issued secrets; at least 32 bytes in base64.", secret=True
    )
    kek: tuple[tuple[str, bytes], ...] = _setting(
        values.keks,
        None,
        "Encrypts signing keys in the database; 32 bytes in base64, or several as id:base64, the current one first.",
        secret=True,
    )
    database_url: str = _setting(
        values.database,
        "sqlite:///var/keymgr.db",
        "Where everything is kept: SQLite on a local disk, or PostgreSQL.",
        secret=True,
    )
    counters: Path = _setting(
        values.path, "", "The file of the rate counters; when empty, beside the SQLite database, or in var/."
    )
    policies: Path = _setting(
        values.path, "policies", "The policy folder that `keymgr policy` commands and the demo read by default."
    )
    demo: bool = _setting(
        values.flag, "false", "Sample people with known passwords, said on every page; refuses to leave this machine."
    )
    bind: str = _setting(
        values.listening, "127.0.0.1:8000", "Where the server listens: HOST:PORT, [IPv6]:PORT or unix:/PATH."
    )
    workers: int = _setting(values.whole(1, 64), "2", "Server processes; about one per processor core.")
    threads: int = _setting(values.whole(1, 64), "8", "Threads of each server process.")
    trusted_proxies: tuple[Network, ...] = _setting(
        values.networks, "", "Networks of reverse proxies whose X-Forwarded-For counts; by default nobody's does."
    )
    allowed_hosts: tuple[str, ...] = _setting(
        values.words, "", "Host names the pages answer to; when empty, the host of KEYMGR_PUBLIC_URL."
    )
    issuing_enabled: bool = _setting(
        values.flag, "true", "Whether keys are issued and rotated; verification is never touched by it."
    )
    signing_algorithm: str = _setting(
        values.one_of("ES256", "EdDSA", "RS256", "HS256", "HS384", "HS512"),
        "ES256",
        "How tokens are signed; HS… cannot be verified offline, because services would need the secret.",
    )
    token_form: str = _setting(
        values.one_of("jwt", "opaque"), "jwt", "What a new key looks like: a signed JWT, or an opaque km_… string."
    )
    secret_bytes: int = _setting(values.whole(32, 64), "32", "Random bytes in the secret that a token wraps.")
    secret_check: str = _setting(
        values.one_of("bound", "stateless"),
        "bound",
        "Online checks compare the wrapped secret's hash (bound), or trust signature and claims alone (stateless).",
    )
    audit_level: str = _setting(
        values.one_of("basic", "detailed", "verbose"), "detailed", "How much an audit event carries."
    )
    clock_leeway_seconds: int = _setting(
        values.whole(0, 60), "30", "How far the clocks of services may differ when dates in a token are judged."
    )
    session_idle_minutes: int = _setting(values.whole(5, 1440), "60", "A sign-in ends after this long without a click.")
    session_hours: int = _setting(values.whole(1, 168), "12", "A sign-in ends after this long in any case.")
    reauth_minutes: int = _setting(
        values.whole(0, 1440),
        "15",
        "Who signed in longer ago gives the password again before a secret is shown or people are changed; 0: never.",
    )
    forge_url: str | None = _setting(
        values.forge, "", "Address of a policy file on your forge, with {commit}, {path} and {line} to fill in."
    )
    forge_kind: str | None = _setting(
        values.forge_kind, "", "The forge that calls /api/v1/policy/hook: github, gitlab or gitea; empty: none."
    )
    forge_webhook_secret: str | None = _setting(
        values.hook_secret, "", "The secret of that webhook; for GitLab the signing token (whsec_…).", secret=True
    )
    policy_pull_url: str | None = _setting(
        values.repository, "", "Repository that the clock fetches policy from; empty: a deploy applies it.", secret=True
    )
    policy_pull_ref: str = _setting(values.branch, "main", "The branch of it that counts.")
    policy_pull_path: str = _setting(values.folder_in_repository, "policies", "The policy folder in it; . is its top.")
    policy_pull_seconds: int = _setting(values.whole(10, 86_400), "120", "How often the clock fetches, in seconds.")
    policy_pull_cache: Path = _setting(
        values.path, "", "Where the fetched history is kept; when empty, beside the SQLite database, or in var/."
    )
    policy_pull_signers: Path = _setting(
        values.path, "", "SSH keys, in the form of ssh-keygen's ALLOWED SIGNERS, one of which must have signed the tip."
    )
    policy_pull_gpg_home: Path = _setting(
        values.path, "", "A GnuPG folder, one of whose keys must have signed the tip of the branch."
    )
    policy_plan_owners: bool = _setting(
        values.flag, "false", "Whether pull-request jobs may ask who owns the keys that a plan names."
    )
    log_format: str = _setting(values.one_of("text", "json"), "text", "How log lines are written.")


def variables() -> dict[str, Field[Any]]:
    """Return every setting by the name of its variable, in the order of the documentation."""
    return {f"KEYMGR_{item.name.upper()}": item for item in fields(Settings)}


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check all settings; None means the process environment. Raises `BadSettings` with every problem."""
    problems: list[str] = []
    found = gather(os.environ if environ is None else environ, problems)
    known = variables()
    for name, item in known.items():
        if item.metadata["secret"]:
            secret_from_file(found, name, problems)
    name_unknown(found, known, problems)
    chosen = {item.name: _read(name, item, found, problems) for name, item in known.items()}
    if not problems:
        _fill_in(chosen)
        problems.extend(_demo_problems(chosen))
        problems.extend(_forge_problems(chosen))
    if problems:
        raise BadSettings(tuple(problems))
    return Settings(**chosen)


def _read(name: str, item: Field[Any], found: Mapping[str, str], problems: list[str]) -> Any:  # noqa: ANN401 - each setting has its own type.
    """Return the setting's value; a missing or bad one is a problem, which never repeats a secret, and None."""
    text = found.get(name, "").strip() or item.metadata["default"]
    if text is None:
        if not any(problem.startswith(f"{name}_FILE") for problem in problems):
            problems.append(f"{name} is not set: {item.metadata['description']} `keymgr init` writes a first env file.")
        return None
    try:
        return item.metadata["read"](text)
    except ValueError as error:
        shown = "" if item.metadata["secret"] else f" {text!r}"
        problems.append(f"{name}{shown} {error}.")
        return None


def _fill_in(chosen: dict[str, Any]) -> None:
    """Derive what was left empty from its neighbours."""
    database_url = chosen["database_url"]
    folder = Path(database_url.removeprefix("sqlite:///")).parent if database_url.startswith("sqlite") else Path("var")
    for name, file in (("counters", "keymgr-counters"), ("policy_pull_cache", "keymgr-policy.git")):
        if chosen[name] == Path():
            chosen[name] = folder / file
    if not chosen["allowed_hosts"]:
        host = urlsplit(chosen["public_url"]).hostname
        chosen["allowed_hosts"] = ("localhost", "127.0.0.1", "[::1]") if host in LOOPBACK_HOSTS else (host,)


def _demo_problems(chosen: Mapping[str, Any]) -> list[str]:
    """Say what would let people beyond this machine reach sample people with known passwords."""
    if not chosen["demo"]:
        return []
    rules = (
        ("KEYMGR_BIND", _is_loopback(chosen["bind"].rpartition(":")[0]), "127.0.0.1:8000"),
        ("KEYMGR_PUBLIC_URL", _is_loopback(urlsplit(chosen["public_url"]).hostname or ""), "http://127.0.0.1:8000"),
        ("KEYMGR_TRUSTED_PROXIES", not chosen["trusted_proxies"], "nothing"),
    )
    return [
        f"{name} must stay on this machine while KEYMGR_DEMO is on, because everybody knows the demo's passwords; "
        f"set it to {mend}, or turn KEYMGR_DEMO off."
        for name, is_kept_here, mend in rules
        if not is_kept_here
    ]


def _forge_problems(chosen: Mapping[str, Any]) -> list[str]:
    """Say what is missing for the forge to call: which one it is, what it proves that with, and something to fetch."""
    kind, secret = chosen["forge_kind"], chosen["forge_webhook_secret"]
    if (kind is None) != (secret is None):
        missing = "KEYMGR_FORGE_KIND" if kind is None else "KEYMGR_FORGE_WEBHOOK_SECRET"
        return [f"{missing} is not set; the forge may call only when both are: which one it is, and the secret."]
    if kind is not None and chosen["policy_pull_url"] is None:
        return ["KEYMGR_FORGE_KIND needs KEYMGR_POLICY_PULL_URL; a webhook only makes the clock fetch sooner."]
    if secret is not None and secret.startswith("whsec_") and kind != "gitlab":
        return ["KEYMGR_FORGE_WEBHOOK_SECRET is a signing token of GitLab, and KEYMGR_FORGE_KIND another forge."]
    return []


def _is_loopback(host: str) -> bool:
    bare = host.strip("[]")
    if bare == "localhost":
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False
