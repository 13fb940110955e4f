# SPDX-License-Identifier: Apache-2.0
"""Schemas that rule things out, against the package jsonschema: of all small documents exactly the valid ones are accepted, and
random tokens end in valid ones."""

import itertools
import json
import random

import jsonschema
import pytest

from test_json_constraint import Driver, strict_loads

ABSENT = object()
CHOICES = {"a": [ABSENT, 0, 1, 2, "s"], "b": [ABSENT, "x", "y", "xy"], "c": [ABSENT, True, False], "d": [ABSENT, None, 7]}
DOCUMENTS = [{name: value for name, value in zip(CHOICES, values) if value is not ABSENT} for values in itertools.product(*CHOICES.values())]


@pytest.fixture(scope="module")
def driver(build, smollm2):
    driver = Driver(build, smollm2)
    yield driver
    driver.process.stdin.close()
    assert driver.process.wait(10) == 0


def leaf(rng):
    return rng.choice([
        {"required": [rng.choice("abcd")]}, {"required": rng.sample("abcd", 2)}, {"properties": {"a": {"const": 1}}}, {"properties": {"a": {"type": "integer"}}},
        {"properties": {"a": {"enum": [0, 2, "s"]}}}, {"properties": {"a": {"minimum": 1}}, "required": ["a"]}, {"properties": {"b": {"pattern": "x"}}},
        {"properties": {"b": {"enum": ["x", "z"]}}, "required": ["b"]}, {"properties": {"b": {"minLength": 2}}}, {"properties": {"c": {"const": True}}},
        {"properties": {"d": {"type": "null"}}}, {"minProperties": rng.randrange(4)}, {"maxProperties": rng.randrange(1, 4)}, {"type": "object"}, True,
        {"properties": {"c": False}}, {"patternProperties": {"[bd]": {"enum": ["x", 7]}}}, {"patternProperties": {"^[a-c]$": {"type": ["integer", "string"]}, "a": {"minimum": 1}}},
        {"patternProperties": {"d": {"type": "integer"}}, "additionalProperties": {"not": {"type": "boolean"}}}, {"propertyNames": {"pattern": "[a-c]"}},
        {"propertyNames": {"anyOf": [{"enum": ["a", "d"]}, {"const": "b"}]}}, {"propertyNames": {"not": {"const": "d"}, "maxLength": 3}}])


def rule(rng, depth):
    if depth == 0:
        return leaf(rng)
    some = [rule(rng, depth - 1) for _ in range(rng.randrange(1, 4))]
    return rng.choice([
        lambda: {"not": some[0]}, lambda: {"anyOf": some}, lambda: {"allOf": some}, lambda: {"oneOf": some},
        lambda: {"if": some[0], "then": some[-1]}, lambda: {"if": some[0], "then": some[-1], "else": leaf(rng)}, lambda: {"if": some[0], "else": some[-1]},
        lambda: {"dependentRequired": {rng.choice("abcd"): rng.sample("abcd", 2)}}, lambda: {"dependentSchemas": {rng.choice("abcd"): some[0]}},
        lambda: leaf(rng)])()


def schemas(count, seed):
    rng = random.Random(seed)
    for _ in range(count):
        schema = {"type": "object", "properties": {"a": {"type": ["integer", "string"]}, "b": {"type": "string"}, "c": {"type": "boolean"}, "d": {"type": ["null", "integer"]}},
                  "additionalProperties": rng.random() < 0.3}
        if rng.random() < 0.3:
            schema["additionalProperties"] = rng.choice([{"type": "null"}, {"type": "integer", "minimum": 8}])
        if rng.random() < 0.3:
            del schema["properties"]["d"]  # it comes last in any case
        yield schema | {"allOf": [rule(rng, rng.randrange(1, 4)) for _ in range(rng.randrange(1, 3))]}


def test_exactly_the_valid_documents_are_accepted(driver):
    texts = [json.dumps(document, separators=(",", ":")) for document in DOCUMENTS]
    compiled = accepted = 0
    for schema in schemas(200, "documents"):
        validator = jsonschema.Draft202012Validator(schema)
        valid = [validator.is_valid(document) for document in DOCUMENTS]
        answer = driver.ask(schema=schema, documents=texts)
        if "error" in answer:
            refused = any(words in answer["error"] for words in ("alternatives", "where it is ruled out", "few names"))
            assert refused or "no value" in answer["error"] and not any(valid), (schema, answer)
            continue
        compiled += 1
        for text, at, right in zip(texts, answer["accepted"], valid):
            assert (at == -1) == right, (schema, text, right)
            accepted += right
    assert compiled > 100 and accepted > 1000


def test_names_come_once_and_leave_room_for_others(driver):
    few = {"type": "object", "patternProperties": {"^[ab]$": {"type": "null"}}, "additionalProperties": False}
    texts = ["{}", '{"a":null}', '{"b":null,"a":null}', '{"a":null,"a":null}', '{"c":null}', '{"a":null,"b":null,"c":null}']
    assert [at == -1 for at in driver.ask(schema=few, documents=texts)["accepted"]] == [True, True, True, False, False, False]
    tails = {"type": "object", "patternProperties": {"^(x|y.*)$": {"type": "integer"}}, "additionalProperties": False}
    texts = ['{"x":1,"y":2,"yx":3}', '{"x":1,"x":2}', '{"z":1}']
    assert [at == -1 for at in driver.ask(schema=tails, documents=texts)["accepted"]] == [True, False, False]
    for schema in (few, tails):
        for text in driver.ask(schema=schema, samples=20, seed=1, limit=60, hints="abxy\"")["texts"]:
            jsonschema.validate(strict_loads(text), schema)


def test_random_tokens_end_in_valid_documents(driver):
    documents = 0
    for number, schema in enumerate(schemas(60, "samples")):
        answer = driver.ask(schema=schema, samples=4, seed=number, limit=60, hints="abcdxy\"012")
        for text in answer.get("texts", []):
            jsonschema.Draft202012Validator(schema).validate(strict_loads(text))
            documents += 1
    assert documents > 120


# --- arrays and numbers that other keywords count ---

ITEMS = [0, 1, 2, "x", True, None]
ARRAYS = [list(items) for length in range(4) for items in itertools.product(ITEMS, repeat=length)]


def array_schema(rng):
    """A schema of arrays, and whether it is expected to be written out."""
    schema = {"type": "array"}
    values = rng.sample(ITEMS, rng.randrange(1, 5))
    if rng.random() < 0.8:
        schema["items"] = rng.choice([{"enum": values}, {"type": "boolean"}, {"type": ["boolean", "null"]}, {"const": values[0]}, {"type": "integer", "minimum": 1}, {"enum": values, "type": ["integer", "string"]}])
    if rng.random() < 0.3:
        schema["prefixItems"] = [rng.choice([{"enum": values}, {"type": "integer"}, True, {"type": "boolean"}]) for _ in range(rng.randrange(1, 3))]
    if rng.random() < 0.5:
        schema["uniqueItems"] = rng.random() < 0.8
    if rng.random() < 0.5:
        schema["contains"] = rng.choice([{"enum": values[:2]}, {"type": "integer"}, {"const": 1}, {"minimum": 1, "type": "integer"}, True, {"type": "boolean"}])
        if rng.random() < 0.4:
            schema["minContains"] = rng.randrange(3)
        if rng.random() < 0.4:
            schema["maxContains"] = rng.randrange(3)
    if rng.random() < 0.4:
        schema["maxItems"] = rng.randrange(4)
    if rng.random() < 0.3:
        schema["minItems"] = rng.randrange(3)
    return schema if rng.random() < 0.7 else {"allOf": [schema, {"uniqueItems": True}]}


def test_arrays_are_accepted_only_if_they_are_valid(driver):
    rng = random.Random("arrays")
    texts = [json.dumps(array, separators=(",", ":")) for array in ARRAYS]
    compiled = accepted = valid_ones = 0
    for number in range(150):
        schema = array_schema(rng)
        validator = jsonschema.Draft202012Validator(schema)
        valid = [validator.is_valid(array) for array in ARRAYS]
        answer = driver.ask(schema=schema, documents=texts)
        if "error" in answer:
            known = ("few values", "arrangements", "up to 1", "together", "no value", "ruled out", "cannot be", "alternatives", "no integer may be one")
            assert any(words in answer["error"] for words in known), (schema, answer)
            assert "no value" not in answer["error"] or not any(valid), (schema, answer)
            continue
        compiled += 1
        # Those with several contained items that stand apart need not be taken: nothing wrong ever is.
        apart = schema.get("minContains", 0) > 1 or schema.get("allOf", [{}])[0].get("minContains", 0) > 1
        for text, at, right in zip(texts, answer["accepted"], valid):
            assert at != -1 or right, (schema, text)
            assert at == -1 or not right or apart, (schema, text)
            accepted += at == -1
            valid_ones += right
        for text in driver.ask(schema=schema, samples=3, seed=number, limit=40, hints="[],012xtrue\"")["texts"]:
            validator.validate(strict_loads(text))
    assert compiled > 60 and accepted > 2000 and accepted > 0.9 * valid_ones


def test_binary_fractions_are_what_jsonschema_takes(driver):
    rng = random.Random("fractions")
    numbers = sorted({round(rng.uniform(-6, 6) * 8) / 8 for _ in range(60)} | {rng.randrange(-40, 40) / 10 for _ in range(60)} | {0, 1.5, 1e15, 123456789012.125})
    texts = [repr(number) for number in numbers]
    for step in (0.5, 0.25, 0.125, 1.5, 2.5, 0.75, 3.125, 1000.5):
        for bounds in ({}, {"minimum": -2.3}, {"exclusiveMaximum": 3}, {"minimum": 0.1, "maximum": 4.4}):
            schema = {"type": "number", "multipleOf": step, **bounds}
            answer = driver.ask(schema=schema, documents=texts)
            if "error" in answer:
                assert "no value" in answer["error"] and step == 1000.5 and "minimum" in bounds, (schema, answer)
                continue
            for text, number, at in zip(texts, numbers, answer["accepted"]):
                right = jsonschema.Draft202012Validator(schema).is_valid(number)
                assert at != -1 or right, (schema, text)
                assert at == -1 or not right or "e" in text or len(text.strip("-0").replace(".", "")) > 15, (schema, text)
            for text in driver.ask(schema=schema, samples=5, seed=1, limit=20, hints="0123456789.-")["texts"]:
                jsonschema.Draft202012Validator(schema).validate(strict_loads(text))
