# SPDX-License-Identifier: Apache-2.0
"""Constrained decoding against the package jsonschema: random tokens always end in a document that validates, and documents that
validate are accepted."""

import json
import random
import re
import subprocess

import jsonschema
import pytest

VOCABULARIES = ["smollm2", "llama-spm"]
SCHEMAS = 60


class Driver:
    def __init__(self, build, vocabulary):
        self.process = subprocess.Popen([build / "constrained_samples", vocabulary], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module", params=VOCABULARIES)
def driver(request, build):
    if request.param == "smollm2":
        path = request.getfixturevalue("smollm2")
    else:
        path = request.getfixturevalue("data") / "tokenizers" / f"ggml-vocab-{request.param}.gguf"
    driver = Driver(build, path)
    yield driver
    driver.process.stdin.close()
    assert driver.process.wait(10) == 0


# Random schemas, each with a function that makes documents of it -----------------------------------------------------------

NAMES = ["name", "id", "na", "n", "tags", "größe", "a b", "x\"y", "back\\slash", "value", "日本", "🙂", "", "kind", "id2"]
TEXTS = ["", "a", "ab", "Hello, world", "quote\"", "back\\slash", "naïve", "日本語", "🙂🙃", "tab\tline\n", "\u0001", "/", "null", "1", "\u007f\u2028"]
PATTERNS = [("^[a-z]{2,5}$", ["ab", "hello"]), (r"^\d{4}-\d{2}-\d{2}$", ["2024-02-29"]), ("a+b", ["xaab", "ab\n"]), (r"^\S+@\S+\.[a-z]+$", ["é@x.org"]),
            ("^(red|green|blue)?$", ["", "red"]), (r"[^\w]", ["-", "a b"]), (r"^[^\s\d]+x?$", ["été"]), ("^.{3}$", ["日本語", "a\tb"]),
            ("^[🙂-🙃]*$", ["🙂🙃"]), ("", ["", "anything"]), ("d$", ["the end"]), (r"^\u00e9|\x41", ["élan", "xA"])]


def simple_value(rng, depth=2):
    kinds = [lambda: None, lambda: rng.random() < 0.5, lambda: rng.randrange(-1000, 1000), lambda: rng.choice([0.5, -1.25e-7, 3.0, 1e16, 0.1]), lambda: rng.choice(TEXTS)]
    if depth:
        kinds += [lambda: [simple_value(rng, depth - 1) for _ in range(rng.randrange(3))],
                  lambda: {name: simple_value(rng, depth - 1) for name in rng.sample(NAMES, rng.randrange(3))}]
    return rng.choice(kinds)()


def integer_schema(rng):
    low, high = sorted(rng.choice([rng.randrange(-20, 20), rng.randrange(-10**6, 10**6), rng.randrange(-10**15, 10**15)]) for _ in range(2))
    step = rng.choice([1, 1, 3, 7, 10, 250])
    first, last = -(-low // step) * step, high // step * step
    if first > last:
        low, high, step, first, last = low, low + 5, 1, low, low + 5
    schema = {"type": "integer"}
    if rng.random() < 0.7:
        schema |= rng.choice([{"minimum": low}, {"exclusiveMinimum": low - 1}, {"minimum": low - 0.5}])
    if rng.random() < 0.7:
        schema |= rng.choice([{"maximum": high}, {"exclusiveMaximum": high + 1}, {"maximum": high + 0.5}])
    if step > 1:
        schema["multipleOf"] = step
    return schema, lambda r: r.choice([first, last, first + (last - first) // step // 2 * step])


def number_schema(rng):
    low, high = sorted(round(rng.uniform(-1, 1) * 10 ** rng.randrange(-6, 8), 9) + 0.0 for _ in range(2))
    high = high if high > low else low + 1
    schema = {"type": "number"}
    schema |= rng.choice([{}, {"minimum": low}, {"minimum": low, "maximum": high}, {"exclusiveMinimum": low, "exclusiveMaximum": high}, {"maximum": high, "minimum": low}])
    values = [x + 0.0 for x in ((low + high) / 2, low + (high - low) / 4, low, high, round(high, 3), float(int(low) + 1)) if "e" not in repr(x) and len(re.sub(r"\D", "", repr(x))) <= 15]
    if not values:
        schema, values = {"type": "number"}, [1.5, -2e-9, 10**19]
    return schema, lambda r: r.choice(values)


def string_schema(rng):
    choice = rng.random()
    if choice < 0.3:
        low = rng.randrange(4)
        schema = {"type": "string", "minLength": low, "maxLength": low + rng.randrange(12), "title": "a text", "format": "colour"}
        fits = [t for t in TEXTS if schema["minLength"] <= len(t) <= schema["maxLength"]] or ["🙂" * low]
        return schema, lambda r: r.choice(fits)
    if choice < 0.7:
        pattern, examples = rng.choice(PATTERNS)
        schema = {"type": "string", "pattern": pattern}
        longest = max(map(len, examples))
        if rng.random() < 0.3:
            schema["maxLength"] = longest + 2
        return schema, lambda r: r.choice(examples)
    return {"type": "string"}, lambda r: r.choice(TEXTS)


def enum_schema(rng):
    values = [simple_value(rng, rng.choice([0, 0, 1])) for _ in range(rng.randrange(1, 6))]
    return ({"const": values[0]} if len(values) == 1 else {"enum": values}), lambda r: r.choice(values)


def array_schema(rng, depth):
    first = [any_schema(rng, depth - 1) for _ in range(rng.choice([0, 0, 1, 2]))]
    rest = any_schema(rng, depth - 1)
    low = rng.randrange(3)
    high = low + rng.randrange(4)
    schema = {"type": "array", "minItems": low, "items": rest[0]}
    if rng.random() < 0.6:
        schema["maxItems"] = high
    if first:
        schema["prefixItems"] = [s for s, _ in first]
    return schema, lambda r: [(first[i][1] if i < len(first) else rest[1])(r) for i in range(r.randint(low, high))]


def object_schema(rng, depth):
    names = rng.sample(NAMES, rng.randrange(5))
    properties = {name: any_schema(rng, depth - 1) for name in names}
    required = [name for name in names if rng.random() < 0.5]
    schema = {"type": "object", "properties": {name: s for name, (s, _) in properties.items()}, "required": rng.sample(required, len(required))}
    kind = rng.choice(["none", "any", "schema"])
    further = (True, simple_value) if kind == "any" else any_schema(rng, depth - 1)
    if kind == "none":
        schema["additionalProperties"] = False
    elif kind == "schema":
        schema["additionalProperties"] = further[0]

    def make(r):
        document = {name: make_one(r) for name, (_, make_one) in properties.items() if name in required or r.random() < 0.6}
        if kind != "none":
            for name in r.sample([n for n in NAMES + ["more", "x"] if n not in names], r.randrange(3)):
                document[name] = further[1](r)
        return document

    return schema, make


def union_schema(rng, depth):
    if rng.random() < 0.5:
        some = [any_schema(rng, depth - 1) for _ in range(rng.randrange(1, 4))]
        return {"anyOf": [s for s, _ in some]}, lambda r: r.choice(some)[1](r)
    kinds = [object_schema(rng, depth - 1) for _ in range(rng.randrange(1, 4))]
    kinds = [({**s, "properties": {"type": {"const": str(i)}, **s["properties"]}, "required": ["type", *s["required"]]}, m) for i, (s, m) in enumerate(kinds)]
    return {"oneOf": [s for s, _ in kinds]}, lambda r: (lambda i: {"type": str(i), **kinds[i][1](r)})(r.randrange(len(kinds)))


def merged_schema(rng, depth):
    schema, make = object_schema(rng, depth)
    schema["additionalProperties"] = True
    if "extra" in schema["properties"]:
        return schema, make
    return ({"allOf": [{"properties": schema["properties"], "required": schema["required"]}, {"properties": {"extra": {"type": "integer"}}, "required": ["extra"]}], "type": "object"},
            lambda r: {k: v for k, v in make(r).items() if k in schema["properties"]} | {"extra": r.randrange(100)})


def any_schema(rng, depth):
    makers = [integer_schema, number_schema, string_schema, string_schema, enum_schema,
              lambda r: ({"type": "boolean"}, lambda q: q.random() < 0.5), lambda r: ({"type": ["null", "integer"]}, lambda q: q.choice([None, 3]))]
    if depth > 0:
        makers += [lambda r: array_schema(r, depth), lambda r: object_schema(r, depth), lambda r: union_schema(r, depth), lambda r: merged_schema(r, depth),
                   lambda r: ({} if r.random() < 0.5 else True, simple_value)]
    return rng.choice(makers)(rng)


def recursive_schema(rng):
    """A tree whose nodes carry a value of a random schema."""
    value, make_value = any_schema(rng, 1)
    schema = {"$defs": {"node": {"type": "object", "properties": {"value": value, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2},
                                                                 "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
                                "required": ["value", "next"], "additionalProperties": False}}, "$ref": "#/$defs/node"}

    def make(r, depth=4):
        node = {"value": make_value(r)}
        if r.random() < 0.5:
            node["children"] = [make(r, depth - 2) for _ in range(r.randrange(3))] if depth > 1 else []
        return node | {"next": make(r, depth - 1) if depth and r.random() < 0.6 else None}

    return schema, make


def cases(name):
    rng = random.Random(name)
    for number in range(SCHEMAS):
        schema, make = recursive_schema(rng) if number % 10 == 9 else rng.choice([object_schema, union_schema, array_schema, any_schema])(rng, 3)
        yield number, rng, schema, make


def strict_loads(text):
    """JSON without repeated names, and without what only Python reads."""
    def pairs(items):
        assert len(dict(items)) == len(items), "a name comes twice"
        return dict(items)

    return json.loads(text, object_pairs_hook=pairs, parse_constant=lambda name: pytest.fail(name))


def test_random_tokens_give_valid_documents(driver):
    documents = 0
    for number, _, schema, _ in cases("samples"):
        validator = jsonschema.Draft202012Validator(schema)
        validator.check_schema(schema)
        answer = driver.ask(schema=schema, samples=6, seed=number, limit=60, hints="abdA-@.02")
        assert "error" not in answer, (schema, answer)
        for text in answer["texts"]:
            validator.validate(strict_loads(text))
            documents += 1
    assert documents == 6 * SCHEMAS


def test_any_object(driver):
    answer = driver.ask(samples=40, seed=1, limit=100)
    assert all(isinstance(strict_loads(text), dict) for text in answer["texts"])
    assert len(set(answer["texts"])) > 15 and max(map(len, answer["texts"])) > 200


def test_valid_documents_are_accepted(driver):
    accepted = 0
    for number, rng, schema, make in cases("documents"):
        validator = jsonschema.Draft202012Validator(schema)
        documents = [make(rng) for _ in range(6)]
        documents = [document for document in documents if validator.is_valid(document)]
        texts = [json.dumps(document, **style) for document in documents
                 for style in ({"separators": (",", ":")}, {}, {"indent": 2, "ensure_ascii": False}, {"indent": "\t"})]
        answer = driver.ask(schema=schema, documents=texts)
        assert "error" not in answer, (schema, answer)
        for text, at in zip(texts, answer["accepted"]):
            assert at == -1, (schema, text, text.encode()[at:])
            accepted += 1
    assert accepted > 15 * SCHEMAS


def test_altered_documents_are_accepted_only_if_valid(driver):
    refused = 0
    for number, rng, schema, make in cases("altered"):
        validator = jsonschema.Draft202012Validator(schema)
        texts = []
        for _ in range(12):
            text = json.dumps(make(rng))
            at = rng.randrange(len(text) + 1)
            texts.append(text[:at] + rng.choice(["", "", "1", "-", "\"", "}", "]", "a", ",", "{}", "null", ".5", "\\", "e9", "\u00e9", ": 1, \"name\""]) + text[at + rng.randrange(3):])
        for text, at in zip(texts, driver.ask(schema=schema, documents=texts)["accepted"]):
            refused += at != -1
            if at == -1:
                validator.validate(strict_loads(text))
    assert refused > 4 * SCHEMAS


REFUSED = [
    ({"$ref": "#"}, "the schema at #"),
    ({"type": "object", "properties": {"a": {"unevaluatedItems": {"type": "string"}}}}, "#/properties/a"),
    ({"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}}, "refers back to itself"),
    ({"$defs": {"a": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}, "no value"),
    ({"type": "object", "properties": {"a": False}, "required": ["a"]}, "no value"),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "no integer"),
    ({"oneOf": [{"items": {"minimum": 1}}, {"items": {"maximum": 1}}]}, "alternatives 0 and 1"),
    ({"type": "string", "pattern": "(?=a)b"}, "at byte"),
    ({"type": "string", "pattern": "(a|b)*a(a|b){30}"}, "too large"),
    ({"type": "string", "pattern": "((x{1000}){1000}){1000}"}, "too large"),
    ({"type": "number", "multipleOf": 0.01}, "whole numbers"),
    ({"type": "integer", "minimum": 5, "maximum": 4}, "no value"),
    ({"$ref": "https://example.com/schema"}, "must point into this schema"),
    ({"$ref": "#/$defs/none"}, "points to nothing"),
    ({"type": "strnig"}, "\"type\" must be"),
    ({"allOf": [{"anyOf": [{"properties": {f"p{i}{j}": {}}} for j in range(10)]} for i in range(10)]}, "alternatives"),
    (3, "must be an object"),
    ({"enum": []}, "no value"),
    ({"uniqueItems": True}, "uniqueItems"),
]


@pytest.mark.parametrize("schema,words", REFUSED)
def test_what_cannot_be_honoured_is_refused(driver, schema, words):
    answer = driver.ask(schema=schema)
    assert words in answer.get("error", ""), answer


def test_numbers_at_the_limits(driver):
    for low, high in [(0, 0), (9, 10), (-1, 0), (99, 101), (-2**63, -2**63 + 1), (2**63 - 2, 2**63 - 1), (10**9, 10**9)]:
        schema = {"type": "integer", "minimum": low, "maximum": high}
        numbers = range(low - 2, high + 3)
        accepted = driver.ask(schema=schema, documents=[str(n) for n in numbers])["accepted"]
        assert [at == -1 for at in accepted] == [low <= n <= high for n in numbers]
    below_one = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    accepted = driver.ask(schema=below_one, documents=["0", "1", "0.0", "0.5", "1.0", "0.999999999999999", "-0", "0.000000000000001", "00.5"])["accepted"]
    assert [at == -1 for at in accepted] == [False, False, False, True, False, True, False, True, False]


def test_nullable_is_openapis(driver):
    schema = {"type": "string", "nullable": True, "maxLength": 1}
    assert [at == -1 for at in driver.ask(schema=schema, documents=["null", "\"a\"", "1"])["accepted"]] == [True, True, False]


def test_hostile_schemas_take_bounded_time(driver):
    deep = "x"
    schemas = [
        {"type": "string", "maxLength": 10**9, "minLength": 3},
        {"type": "array", "items": {"type": "integer"}, "minItems": 0, "maxItems": 10**9},
        {"enum": [f"value {i}" for i in range(50000)]},
        {"type": "object", "properties": {f"p{i}": {"type": "integer"} for i in range(900)}},
        {"$defs": {f"a{i}": {"$ref": f"#/$defs/a{i + 1}"} for i in range(900)} | {"a900": {"type": "null"}}, "$ref": "#/$defs/a0"},
        {"anyOf": [{"type": "array", "items": {"$ref": "#"}} for _ in range(100)]},
        {"anyOf": [{"type": "string", "pattern": f"^.*{i}.*$"} for i in range(100)]},
        {"enum": ["x" * 10**6]},
        {"type": "string", "description": "x" * (1 << 20)},
    ]
    for _ in range(150):
        deep = {"items": deep}
    schemas.append(deep)
    for schema in schemas:
        answer = driver.ask(schema=schema, samples=2, limit=20, seed=3)
        for text in answer.get("texts", []):
            jsonschema.validate(strict_loads(text), schema)
        assert "texts" in answer or len(answer["error"]) > 20
