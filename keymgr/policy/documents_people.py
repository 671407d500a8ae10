"""The documents that say who people are: `Team` and `Role`."""

from typing import Literal

from pydantic import Field

from keymgr.policy.documents_base import Metadata, PolicyDocument
from keymgr.policy.fields import Line, Listed, Name, Part, PersonName
from keymgr.policy.model import PortalPermission


class TeamSpec(Part):
    """The people of a team."""

    title: Line | None = Field(default=None, description="The name people read; the object's name when left out.")
    members: Listed[PersonName] = Field(default=(), description="Sign-in names of the people in the team.")
    idp_groups: Listed[Line] = Field(
        default=(), description="Immutable ids of identity-provider groups whose people are in the team."
    )


class TeamDocument(PolicyDocument):
    """A group of people that owns objects, holds keys and approves requests."""

    kind: Literal["Team"] = Field(description="Always Team.")
    metadata: Metadata = Field(description="Who the object is and who answers for it.")
    spec: TeamSpec = Field(description="The people of the team.")


class RoleSpec(Part):
    """The people of a role and what it lets them do in the portal."""

    title: Line | None = Field(default=None, description="The name people read; the object's name when left out.")
    members: Listed[PersonName] = Field(default=(), description="Sign-in names of people who have the role.")
    teams: Listed[Name] = Field(default=(), description="Teams whose people all have the role.")
    idp_groups: Listed[Line] = Field(
        default=(), description="Immutable ids of identity-provider groups whose people have the role."
    )
    portal: Listed[PortalPermission] = Field(
        default=(), description="What the role lets a person do in the portal, beside asking for keys."
    )


class RoleDocument(PolicyDocument):
    """What a person is, bound by name, team or identity-provider group."""

    kind: Literal["Role"] = Field(description="Always Role.")
    metadata: Metadata = Field(description="Who the object is and who answers for it.")
    spec: RoleSpec = Field(description="The people of the role and its permissions.")
