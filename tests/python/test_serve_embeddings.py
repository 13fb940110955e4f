# SPDX-License-Identifier: Apache-2.0
"""Embeddings: held to the hidden states behind transformers' logits, and asked for by the real clients."""

import base64
import json

import numpy as np
import ollama
import openai
import pytest

from conftest import ROOT
from serving import AUTH, ServeProcess
from test_logits_golden import TOLERANCE, Golden

NAME = "llama-gqa"


@pytest.fixture(scope="module", params=["mean", "last"])
def tiny(request, program, tiny_models):
    with ServeProcess(program.path, "-m", tiny_models / NAME, "--pooling", request.param, "--cache-type-k", "f32", "--cache-type-v", "f32") as server:
        server.pooling = request.param
        yield server


@pytest.fixture(scope="module")
def small(chat):
    return openai.OpenAI(base_url=chat.url + "/v1", api_key="x", max_retries=0)


def output_matrix(path):
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    tensors = json.loads(raw[8:8 + size])
    tensor = tensors.get("lm_head.weight", tensors.get("model.embed_tokens.weight"))
    begin, end = tensor["data_offsets"]
    assert tensor["dtype"] == "F32"
    return np.frombuffer(raw[8 + size + begin:8 + size + end], np.float32).reshape(tensor["shape"])


def test_times_the_output_matrix_it_is_the_logits(tiny, tiny_models):
    golden = Golden(ROOT / "tests" / "golden" / f"logits_{NAME}.bin")
    output = output_matrix(tiny_models / NAME / "model.safetensors")
    prompt = golden.prompt.tolist()

    def embedding(tokens):
        status, answer = tiny.ask("/embedding", {"input": tokens, "embd_normalize": -1})
        assert status == 200, answer
        return np.array(answer[0]["embedding"][0], np.float32)
    if tiny.pooling == "last":
        for row, position in enumerate(golden.positions):
            found = output @ embedding(prompt[:position + 1])
            assert np.abs(found - golden.logits[row]).max() < TOLERANCE
    elif list(golden.positions) == list(range(len(prompt))):
        assert np.abs(output @ embedding(prompt) - golden.logits.mean(axis=0)).max() < TOLERANCE


def test_one_for_each_token(program, tiny_models):
    arguments = ("-m", tiny_models / NAME, "--cache-type-k", "f32", "--cache-type-v", "f32")
    tokens = list(range(3, 23))
    with ServeProcess(program.path, *arguments, "--pooling", "none") as server:
        status, answer = server.ask("/embeddings", {"input": [tokens, tokens[:5]]})
        assert status == 200
        each, short = (np.array(one["embedding"]) for one in answer)
        assert len(each) == 20 and np.allclose(each[:5], short)
        for path, field in (("/v1/embeddings", "input"), ("/api/embed", "input"), ("/api/embeddings", "prompt")):
            assert server.ask(path, {field: tokens})[0] in {400, 501}
        assert server.ask("/embeddings", {"input": tokens, "dimensions": 4})[0] == 400
    with ServeProcess(program.path, *arguments, "--pooling", "mean") as server:
        mean = server.ask("/embeddings", {"input": tokens, "embd_normalize": -1})[1][0]["embedding"][0]
    assert np.allclose(each.mean(axis=0), mean, atol=1e-5)


def test_openais_client(small, chat):
    texts = ["A cat sits on the mat.", "A kitten lies on the rug.", "Interest rates rose again."]
    answer = small.embeddings.create(model="text-embedding-3-small", input=texts)  # asks for base64 by itself
    vectors = np.array([one.embedding for one in answer.data])
    assert [one.index for one in answer.data] == [0, 1, 2] and answer.usage.prompt_tokens == answer.usage.total_tokens > 15
    assert vectors.shape == (3, 576) and np.allclose((vectors ** 2).sum(axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    plain = small.embeddings.create(model="x", input=texts[0], encoding_format="float").data[0].embedding
    assert np.allclose(plain, vectors[0], atol=1e-6)
    tokens = chat.ask("/tokenize", {"content": texts[0], "add_special": True})[1]["tokens"]
    assert small.embeddings.create(model="x", input=tokens, encoding_format="float").data[0].embedding == plain
    short = np.array(small.embeddings.create(model="x", input=texts[0], dimensions=64, encoding_format="float").data[0].embedding)
    assert np.allclose(short, vectors[0][:64] / np.linalg.norm(vectors[0][:64]), atol=1e-5)
    raw = chat.ask("/v1/embeddings", {"input": texts[0], "encoding_format": "base64"})[1]["data"][0]["embedding"]
    assert np.allclose(np.frombuffer(base64.b64decode(raw, validate=True), "<f4"), plain)


def test_ollamas_client(small, chat):
    client = ollama.Client(host=chat.url)
    answer = client.embed(model="nomic-embed-text", input=["Hello there.", "Good bye."])
    same = small.embeddings.create(model="x", input=["Hello there.", "Good bye."], encoding_format="float")
    assert np.allclose(answer.embeddings, [one.embedding for one in same.data], atol=1e-6) and answer.prompt_eval_count == same.usage.prompt_tokens
    old = np.array(client.embeddings(model="x", prompt="Hello there.").embedding)
    assert np.allclose(old / np.linalg.norm(old), answer.embeddings[0], atol=1e-5)
    assert len(client.embed(model="x", input="word " * 6000).embeddings) == 1  # cut to the context
    short = client.embed(model="x", input="word " * 100, options={"num_ctx": 8, "temperature": 1})
    assert short.prompt_eval_count == 8
    assert chat.ask("/api/embed", {"input": "x", "truncation": False})[0] == 400
    with pytest.raises(ollama.ResponseError, match="context"):
        client.embed(model="x", input="word " * 6000, truncate=False)


@pytest.mark.parametrize("fields, param", [
    ({}, "input"), ({"input": ""}, "input"), ({"input": []}, "input"), ({"input": [1, -1]}, "input"), ({"input": {"a": 1}}, "prompt_string"),
    ({"input": "x", "encoding_format": "int8"}, "encoding_format"), ({"input": "x", "dimensions": 577}, "dimensions"), ({"input": "x", "dimensions": 0}, "dimensions"),
    ({"input": "x", "embd_normalize": 1}, "embd_normalize"), ({"input": "x", "stop": ["y"]}, "stop"), ({"input": ["x"] * 2049}, "input"), ({"input": "x " * 5000}, None),
])
def test_bad_requests_name_the_field(chat, fields, param):
    status, answer = chat.ask("/v1/embeddings", fields)
    assert status == 400, answer
    assert param is None or param in answer["error"]["message"] + str(answer["error"]["param"])


def test_beside_answers_nothing_changes(stories):
    body = {"prompt": "Once upon a time", "max_tokens": 40, "temperature": 0}
    alone = stories.ask("/v1/completions", body, headers=AUTH)[1]["choices"][0]["text"]
    vector = stories.ask("/v1/embeddings", {"input": "The cat sat. " * 20}, headers=AUTH)[1]["data"]
    connection = stories.start_post("/v1/completions", body)
    for _ in range(5):
        assert stories.ask("/v1/embeddings", {"input": "The cat sat. " * 20}, headers=AUTH)[1]["data"] == vector
    connection.close()
    assert stories.ask("/v1/completions", body, headers=AUTH)[1]["choices"][0]["text"] == alone
