"""The schema of policy documents: described everywhere, plain enough for editors, and kind to people who misspell."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import ErrorDetails

from keymgr.policy.characters import look_alikes
from keymgr.policy.documents import KINDS
from keymgr.policy.durations import BadDurationError, parse_duration, write_duration
from keymgr.policy.faults import Fault, fault_of
from keymgr.policy.load import Loaded, load
from keymgr.policy.problems import nearest

HERE = Path(__file__).parent
DRAFT_07 = {
    *("$defs", "$ref", "additionalProperties", "anyOf", "const", "default", "description", "enum", "examples", "items"),
    *("maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum", "pattern", "patternProperties"),
    *("properties", "propertyNames", "required", "title", "type"),
}


def schemas(value: object) -> Iterator[dict[str, Any]]:
    """Yield every schema inside a JSON Schema."""
    if isinstance(value, list):
        for each in value:
            yield from schemas(each)
    if isinstance(value, dict):
        yield value
        for word, inner in value.items():
            named = word in {"properties", "patternProperties", "$defs"}
            yield from schemas(
                list(inner.values()) if named else inner if word not in {"default", "examples"} else None
            )


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_every_kind_has_a_description_that_is_a_sentence(kind: str) -> None:
    for schema in schemas(KINDS[kind].model_json_schema()):
        for name, field in schema.get("properties", {}).items():
            assert field.get("description", "").endswith("."), f"{kind}: {name}"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_schema_that_editors_of_draft_07_understand(kind: str) -> None:
    for schema in schemas(KINDS[kind].model_json_schema()):
        assert set(schema) <= DRAFT_07
        assert isinstance(schema.get("items", {}), dict)
        if schema.get("type") == "object" and "properties" in schema:
            assert schema["additionalProperties"] is False
        if "$ref" in schema and len(schema) > 1:
            assert set(schema) <= {"$ref", "description", "default"}


def test_kinds_are_named_as_in_the_documents() -> None:
    for kind, model in KINDS.items():
        assert model.model_json_schema()["properties"]["kind"]["const"] == kind
        assert issubclass(model, BaseModel)


def told(text: str) -> list[str]:
    found = load({"a.yaml": text.encode()})
    assert not isinstance(found, Loaded)
    return [str(each) for each in found]


def team(metadata: str = "{name: extra, owner: payments}", spec: str = "{members: [ana]}") -> str:
    return f"apiVersion: keymgr/v1\nkind: Team\nmetadata: {metadata}\nspec: {spec}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (team(spec="{member: [ana]}"), 'unknown field "member" (did you mean "members"?)'),
        (team(spec="{x: 1}"), 'unknown field "x" (valid here: idp_groups, members, title)'),
        (team().replace("Team", "Taem"), 'there is no kind "Taem" (did you mean "Team"?)'),
        (team().replace("v1", "v1alpha1"), 'there is no apiVersion "keymgr/v1alpha1" (did you mean "keymgr/v1"?)'),
        (team().replace("Team", "NO"), 'YAML readers disagree about what NO means without quotes (write "NO")'),
        (team("{name: NO, owner: payments}"), 'disagree about what NO means without quotes (write "NO")'),
        (team("{name: 42, owner: payments}"), '"name" must be text, not a number (write "42" in quotes)'),
        (team("{name: true, owner: payments}"), '"name" must be text, not true or false (write "true" in quotes)'),
        (team("{name: [a], owner: payments}"), '"name" must be text, not a list (write one text)'),
        (team("{name: p\u0430y, owner: b}"), '"p\u0430y": "\u0430" is U+0430 CYRILLIC SMALL LETTER A, not a plain'),
        (team("{owner: payments}"), '"name" is missing (add it)'),
        (team("{name: Extra, owner: b}"), "(use a-z, 0-9 and -, at most 63, starting with a letter or digit)"),
        (team(spec="{members: [ana, 3]}"), 'this entry must be text, not a number (write "3" in quotes)'),
        (team(spec="{members: ana}"), '"members" must be a list, not text (write the values in [ ])'),
        (team(spec="{members: [{}]}"), "this entry must be text, not a mapping"),
        (team(spec="[]"), '"spec" must be a mapping, not a list (write fields with values)'),
        (team("{name: a, owner: b, labels: {A: c}}"), 'the key cannot be written "A"'),
        (team("{name: a, owner: b, protect: 1}"), '"protect" must be true or false, not a number'),
        (team(spec="{title: '" + "x" * 500 + "'}"), '"title" is too long, at most 200 are allowed (shorten it)'),
        (team(spec='{members: ["' + "X" * 5000 + '"]}'), "X…"),
    ],
)
def test_a_message_names_the_thing_and_says_what_to_write(text: str, message: str) -> None:
    found = told(text)
    assert len(found) == 1
    assert message in found[0]


def test_an_unknown_field_deep_inside_is_compared_with_the_fields_of_its_own_place() -> None:
    text = (HERE / "example" / "base" / "tests" / "payments_test.yaml").read_text()
    for wrong, right in (("ttl: 30d", "tll: 30d"), ("status: active}\n    requests", "statos: active}\n    requests")):
        assert any("did you mean" in each for each in told(text.replace(wrong, right))), right
    policy_set = (HERE / "example" / "base" / "policyset.yaml").read_text()
    assert any('did you mean "percent"?' in each for each in told(policy_set.replace("percent: 10", "precent: 10")))
    rules = (HERE / "example" / "base" / "rules" / "payments.yaml").read_text()
    assert any('did you mean "per"?' in each for each in told(rules.replace(", per: 10s", ", pre: 10s")))


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("90m", 5400), ("72h", 259_200), ("90d", 7_776_000), ("2w", 1_209_600)]
)
def test_a_length_of_time_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds
    assert parse_duration(write_duration(seconds)) == seconds


@pytest.mark.parametrize(
    "text", ["", "0d", "-1d", "1", "d", "1 d", "1D", "1y", "1M", "1.5h", "٣d", "9999999999s", "522w", "1d "]
)
def test_anything_else_is_not_a_length_of_time(text: str) -> None:
    with pytest.raises(BadDurationError) as caught:
        parse_duration(text)
    assert caught.value.remedy


def test_a_length_of_time_is_written_in_the_largest_unit_that_fits() -> None:
    assert [write_duration(seconds) for seconds in (1, 60, 5400, 7200, 86_400, 90_000)] == [
        *("1s", "1m", "90m", "2h", "1d", "25h"),
    ]


def test_the_nearest_word_is_named_or_else_all_of_them() -> None:
    assert nearest("Prd", ["prod", "dev"]) == 'did you mean "prod"?'
    assert nearest("xyz", ["prod", "dev"]) == "valid here: dev, prod"
    assert nearest("xyz", []) == "nothing of this kind is declared"


def test_plain_letters_look_like_nothing_else() -> None:
    assert look_alikes("charges:read") is None
    assert look_alikes("ch\u0430rges") == '"\u0430" is U+0430 CYRILLIC SMALL LETTER A, not a plain letter'


def test_a_fault_that_has_no_words_of_its_own_still_has_a_place_and_a_remedy() -> None:
    error = ErrorDetails(type="new_in_pydantic", loc=("spec", 0), msg="Something new", input=3)
    assert fault_of(KINDS["Team"], error) == Fault(
        "E206", ("spec", 0), "this entry cannot be a number", "see docs/policy.md for what does"
    )


def test_documents_keep_plain_data_that_json_can_carry() -> None:
    loaded = load({"a.yaml": team("{name: extra, owner: payments, protect: true, previously: [old]}").encode()})
    assert isinstance(loaded, Loaded)
    data = loaded.documents[0].data
    assert json.loads(json.dumps(data)) == data
    assert data["metadata"] == {"name": "extra", "owner": "payments", "protect": True, "previously": ["old"]}
