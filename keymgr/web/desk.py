"""What the browser's door is given when the house is joined: one frozen value, read from nowhere else."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from keymgr.keys.issuer import Issuer
from keymgr.keys.verify import Verifier
from keymgr.people.throttle import Throttle
from keymgr.policy.model import InForce, Network


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting as a page shows it; of a secret `value` tells only whether it is set."""

    name: str
    value: str
    default: str
    description: str
    secret: bool


@dataclass(frozen=True, slots=True)
class Installation:
    """What admins are told of this installation; nothing in it is secret.

    `policies` is the policy folder of this machine, `pulls` tells whether the clock fetches policy from a repository,
    `forge_kind` names the forge that may call, None for none.
    """

    settings: tuple[SettingLine, ...] = ()
    policies: Path = Path("policies")
    pulls: bool = False
    forge_kind: str | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """Settings and parts that pages need; `app.create_app` builds it and hands it to `web.register`.

    `in_force` reads the policy that decides now, None before anything was applied. `public_url` is the address people
    type (no trailing slash). `demo` shows the sample people and a banner. `forge_url` is a template with `{commit}`,
    `{path}` and `{line}` (`https://forge.example/acme/policy/blob/{commit}/{path}#L{line}`), None without a forge.
    `policy_folder` is the policy folder's path inside that repository. `verifier` answers "Test it now".
    A sign-in older than `reauth_seconds` is confirmed by password before something is revealed; 0 never asks.
    """

    issuer: Issuer
    in_force: Callable[[Session], InForce | None]
    throttle: Throttle
    verifier: Verifier
    public_url: str
    demo: bool
    trusted_proxies: tuple[Network, ...]
    session_idle_seconds: int
    session_absolute_seconds: int
    forge_url: str | None = None
    policy_folder: str = "policies"
    reauth_seconds: int = 15 * 60
    installation: Installation = Installation()
