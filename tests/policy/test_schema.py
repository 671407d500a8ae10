"""JSON Schemas for editors: valid draft-07, true to the loader, never stricter, and committed as they are made."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from keymgr.policy.documents import KINDS, Document
from keymgr.policy.durations import DURATION
from keymgr.policy.facts import FACTS
from keymgr.policy.mentions import Noun, mentions
from keymgr.policy.schema import COMBINED, combined_schema, schema_files, schema_of
from keymgr.policy.schema_names import Names, names_of
from tests.policy.folders import ROOT, documents_in, documents_of, policy_of

SETS = [ROOT / "policies", *(ROOT / "tests/policy/example" / name for name in ("base", "pull-request"))]
FILES = schema_files()
VALIDATORS = {kind: Draft7Validator(schema_of(kind)) for kind in KINDS}
ANY = Draft7Validator(combined_schema())
KEYWORDS_OF_2019_AND_LATER = {"$defs", "prefixItems", "unevaluatedProperties", "dependentSchemas", "$anchor"}
EVERYTHING = """\
apiVersion: keymgr/v1
kind: ChangeAck
metadata: {name: an-ack, owner: security, labels: {a: b}, annotations: {note: why}, description: d, protect: true}
spec: {guard: admin_changed, max: 1, base: "sha256:fa71a6954b69", expires_at: "2026-03-08T00:00:00Z", reason: x}
---
apiVersion: keymgr/v1
kind: IssuanceRule
metadata: {name: a-rule, owner: security, previously: [old-rule]}
spec:
  subjects: {roles: [developer]}
  grants: {service: shipping, environments: [dev], scopes: ["parcels:read"]}
  limits: {token: jwt, allowed_cidrs: {within: ["10.0.0.0/8"]}}
  approval: none
  conditions:
    - {fact: scope.risk, at_most: medium}
    - {fact: owner.kind, in: [user, service_account]}
    - {fact: key.ttl, at_most: 30d}
    - {fact: key.last_used_days, at_least: 3}
    - {fact: issuance.mfa, equals: true}
    - {fact: issuance.ticket, matches: "CHG-[0-9]+"}
    - {fact: owner.teams, not_in: [shipping]}
---
apiVersion: keymgr/v1
kind: PolicyTest
metadata: {name: odd}
spec:
  now: "2026-03-01T09:00:00Z"
  fixtures:
    owners: {ben.b_c: {kind: user}}
    requests: {none: {service: "?", environment: "?", scopes: [], facts: {owner.teams: [a], key.last_used_days: 3}}}
  cases:
    - {name: a case, owner: ben.b_c, request: none, with: {cidrs: []}, expect: {decision: deny, reason: UNKNOWN_NAME}}
"""


def plain_documents() -> Iterator[dict[str, Any]]:
    for folder in SETS:
        yield from (document.data for document in documents_of(folder))
    yield from (document.data for document in documents_in({"all.yaml": EVERYTHING}))


def objects(schema: object) -> Iterator[dict[str, Any]]:
    """Yield every part of a schema that describes an object a person writes."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


def keywords(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            yield key
            yield from keywords(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from keywords(value)


def errors(document: dict[str, Any]) -> list[str]:
    alone = [error.message for error in VALIDATORS[document["kind"]].iter_errors(document)]
    assert bool(alone) is bool(list(ANY.iter_errors(document)))
    return alone


@pytest.mark.parametrize("name", FILES)
def test_each_schema_is_draft_07_and_says_so(name: str) -> None:
    Draft7Validator.check_schema(FILES[name])
    assert FILES[name]["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert not KEYWORDS_OF_2019_AND_LATER & set(keywords(FILES[name]))


@pytest.mark.parametrize("name", FILES)
def test_each_object_is_closed_and_each_field_described(name: str) -> None:
    parts = list(objects({**FILES[name], "type": "array"} if name == f"{COMBINED}.json" else FILES[name]))
    assert parts
    for part in parts:
        assert part["additionalProperties"] is False
        for field, schema in part.get("properties", {}).items():
            assert schema.get("description"), field


@pytest.mark.parametrize("name", FILES)
def test_every_reference_leads_somewhere_and_stands_alone(name: str) -> None:
    def references(value: object) -> Iterator[dict[str, Any]]:
        if isinstance(value, dict):
            if "$ref" in value:
                yield value
            for inner in value.values():
                yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    for reference in references(FILES[name]):
        assert list(reference) == ["$ref"]
        assert reference["$ref"].removeprefix("#/definitions/") in FILES[name]["definitions"]


def test_lengths_of_time_facts_and_choices_are_spelled_out() -> None:
    parts = FILES["issuancerule.json"]["definitions"]
    assert parts["LimitsPart"]["properties"]["max_ttl"]["pattern"] == DURATION
    assert "90d" in parts["LimitsPart"]["properties"]["max_ttl"]["examples"]
    assert parts["ConditionPart"]["properties"]["fact"]["enum"] == list(FACTS)
    assert (
        FILES["approvalpolicy.json"]["definitions"]["ApprovalPolicySpec"]["properties"]["request_ttl"]["default"]
        == "3d"
    )


def test_every_shipped_and_example_document_fits() -> None:
    documents = list(plain_documents())
    assert {document["kind"] for document in documents} == set(KINDS)
    for document in documents:
        assert errors(document) == [], document["metadata"]["name"]


def test_every_document_fits_as_an_editor_reads_it() -> None:
    for folder in SETS:
        for path in folder.rglob("*.yaml"):
            for document in yaml.safe_load_all(path.read_text()):
                assert errors(document) == [], path


def test_an_unknown_field_anywhere_does_not_fit() -> None:
    def with_a_stray_field(value: object) -> Iterator[None]:
        if isinstance(value, dict):
            value["stray.field"] = "x"
            yield None
            del value["stray.field"]
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for inner in list(inside):
            yield from with_a_stray_field(inner)

    tried = 0
    for document in plain_documents():
        for _ in with_a_stray_field(document):
            # A name with a dot in it is a name of a person: the owners of a test's fixtures.
            assert errors(document) or "stray.field" in document["spec"].get("fixtures", {}).get("owners", {})
            tried += 1
    assert tried > 500


@pytest.mark.parametrize(
    "condition",
    [
        {"fact": "owner.mood", "equals": "good"},
        {"fact": "owner.kind"},
        {"fact": "owner.kind", "equals": "user", "in": ["user"]},
        {"fact": "owner.kind", "at_most": "user"},
        {"fact": "owner.kind", "equals": "robot"},
        {"fact": "scope.risk", "in": ["low", "awful"]},
        {"equals": "user"},
    ],
)
def test_a_condition_that_makes_no_sense_does_not_fit(condition: dict[str, Any]) -> None:
    (rule,) = [each.data for each in documents_in({"all.yaml": EVERYTHING}) if each.kind == "IssuanceRule"]
    rule["spec"]["conditions"] = [condition]
    assert errors(rule)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("Teem", {}),
        ("Role", {"spec": {}}),
        ("Team", {"metadata": {"name": "Payments", "owner": "a"}, "spec": {}}),
        ("Team", {"metadata": {"name": "a", "owner": "a"}, "spec": {"title": None}}),
    ],
)
def test_a_document_of_another_shape_does_not_fit(kind: str, data: dict[str, Any]) -> None:
    document = {"apiVersion": "keymgr/v1", "kind": kind, **data}
    assert list(ANY.iter_errors(document))
    if kind in KINDS:
        assert errors(document)


@pytest.mark.parametrize("folder", SETS, ids=lambda folder: folder.name)
def test_with_names_a_set_still_fits_and_no_other_name_does(folder: Path) -> None:
    documents = documents_of(folder)
    names = names_of(documents)
    validators = {kind: Draft7Validator(schema_of(kind, names)) for kind in KINDS}
    policy_of(documents)
    for document in documents:
        assert not list(validators[document.kind].iter_errors(document.data)), document.source
        for changed in with_each_name_misspelt(document):
            assert list(validators[document.kind].iter_errors(changed)), document.source


def with_each_name_misspelt(document: Document) -> Iterator[dict[str, Any]]:
    """Yield the document once for each name it mentions, with that name misspelt; fixtures are a test's own names."""
    model = KINDS[document.kind].model_validate_json(json.dumps(document.data))
    for mention in mentions(model):
        if mention.noun in (Noun.FIXTURE_OWNER, Noun.FIXTURE_REQUEST):
            continue
        changed = json.loads(json.dumps(document.data))
        place = changed
        for step in mention.path[:-1]:
            place = place[step]
        place[mention.path[-1]] = "zz:misspelt" if mention.noun is Noun.SCOPE else "zz-misspelt"
        yield changed


def test_what_a_set_does_not_declare_stays_open_but_for_the_words_of_the_language() -> None:
    assert schema_of("Role", Names({})) == schema_of("Role")
    rule = schema_of("IssuanceRule", Names({}))["definitions"]
    assert rule["IssuanceRuleSpec"]["properties"]["approval"]["enum"] == ["none"]
    assert rule["GrantsPart"]["properties"]["scopes"]["items"]["enum"] == ["*"]
    assert "enum" not in rule["GrantsPart"]["properties"]["service"]


def test_the_committed_schemas_are_the_ones_the_models_make() -> None:
    committed = {path.name: json.loads(path.read_text()) for path in (ROOT / "docs/schemas/v1").iterdir()}
    assert committed == FILES, "run: keymgr policy schema export docs/schemas/v1"
