"""What every policy document has: apiVersion, kind, metadata and spec."""

from typing import Literal

from pydantic import Field

from keymgr.policy.fields import Line, Listed, Name, Part, Prose

API_VERSION = "keymgr/v1"


class UnownedMetadata(Part):
    """Who a document is; the only kind that may do without an owner is a test."""

    name: Name = Field(description="The name of the object; together with its kind it is its identity.")
    owner: Name | None = Field(default=None, description="The team that answers for the object.")
    previously: Listed[Name] = Field(default=(), description="Former names, so that a rename is not a removal.")
    protect: bool = Field(default=False, description="Whether changing or removing the object needs a ChangeAck.")
    labels: dict[Name, Line] = Field(default_factory=dict, description="Free key and value pairs for people.")
    annotations: dict[Name, Prose] = Field(default_factory=dict, description="Free text under keys, for tools.")
    description: Prose | None = Field(default=None, description="What the object is for, in words.")


class Metadata(UnownedMetadata):
    """Who a document is and who answers for it."""

    owner: Name = Field(description="The team that answers for the object.")


class PolicyDocument(Part):
    """The frame of every document; each kind adds its `kind`, its `metadata` and its `spec`."""

    api_version: Literal["keymgr/v1"] = Field(alias="apiVersion", description="The version of this schema.")
