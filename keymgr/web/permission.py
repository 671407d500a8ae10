"""Pages that are not for everybody: who lacks the permission gets a page that names it and who can grant it."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import abort

from keymgr.policy.model import InForce, PortalPermission
from keymgr.policy.wording import all_of
from keymgr.web.visiting import in_force, visitor

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


def needs(permission: PortalPermission) -> Callable[[Callable[Arguments, Answer]], Callable[Arguments, Answer]]:
    """Let only people with this permission through to a page; put it below the route."""

    def guard(view: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
        @wraps(view)
        def guarded(*arguments: Arguments.args, **named: Arguments.kwargs) -> Answer:
            if permission not in visitor().portal:
                abort(403, lacking(permission, in_force()))
            return view(*arguments, **named)

        return guarded

    return guard


def lacking(permission: PortalPermission, opened: InForce | None) -> str:
    """Say which permission is missing, which roles carry it and where they are written, and how to come by it."""
    first = f"Only people with the portal permission “{permission}” may open this page."
    roles = (
        []
        if opened is None
        else [
            f"{role.name} ({role.source.file}:{role.source.line})"
            for role in opened.policy.roles.values()
            if permission in role.portal
        ]
    )
    if not roles:
        return (
            f"{first} No role of the policy in force carries it; the first administrator can put one into the policy."
        )
    carry = f"the role {roles[0]} carries" if len(roles) == 1 else f"the roles {all_of(roles)} carry"
    return f"{first} In the policy, {carry} it: ask for it by a pull request there, or ask an administrator."
