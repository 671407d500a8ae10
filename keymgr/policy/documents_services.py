"""The documents that say what there is to hold a key for: `Service` and `ScopeBundle`."""

from typing import Literal

from pydantic import Field

from keymgr.policy.documents_base import Metadata, PolicyDocument
from keymgr.policy.fields import Line, Listed, Name, Part, Prose, ScopeName
from keymgr.policy.model import Risk


class ScopePart(Part):
    """One permission on the service."""

    name: ScopeName = Field(description="The permission, written as resource:action.")
    risk: Risk = Field(description="How much harm the scope can do.")
    description: Prose = Field(description="What the scope lets a key do, in words for the person who asks.")


class ServiceSpec(Part):
    """The environments and scopes of a service."""

    title: Line | None = Field(default=None, description="The name people read; the object's name when left out.")
    environments: Listed[Name] = Field(description="The environments of the set in which the service runs.")
    scopes: Listed[ScopePart] = Field(description="Every permission there is on the service.")


class ServiceDocument(PolicyDocument):
    """An API that accepts keys; its name is the audience of the tokens."""

    kind: Literal["Service"] = Field(description="Always Service.")
    metadata: Metadata = Field(description="Who the object is and who answers for it.")
    spec: ServiceSpec = Field(description="The environments and scopes of the service.")


class ScopeBundleSpec(Part):
    """Scopes of one service that are granted together."""

    service: Name = Field(description="The service whose scopes these are.")
    scopes: Listed[ScopeName] = Field(description="The scopes that a rule grants by naming the bundle.")


class ScopeBundleDocument(PolicyDocument):
    """A named list of scopes, so that several rules grant the same."""

    kind: Literal["ScopeBundle"] = Field(description="Always ScopeBundle.")
    metadata: Metadata = Field(description="Who the object is and who answers for it.")
    spec: ScopeBundleSpec = Field(description="The scopes of the bundle.")
