# SPDX-License-Identifier: Apache-2.0
"""/v1/rerank: the forms of Jina, llama-server and text-embeddings-inference, what the order is worth, and what is refused."""

import subprocess
import threading

import pytest

from serving import ServeProcess

DOCUMENTS = ["A machine is a physical system that uses power to apply forces and control movement.",
             "Learning is the process of acquiring new understanding, knowledge, behaviors and skills.",
             "Machine learning is a field of study in artificial intelligence concerned with statistical algorithms that learn from data.",
             "Paris, capitale de la France, est une grande ville européenne et un centre mondial de l'art."]
QUERY = "Which text is about the capital of France?"


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank", "/reranking", "/v1/reranking"])
def test_jinas_form(chat, path):
    status, answer = chat.ask(path, {"model": "any", "query": QUERY, "documents": DOCUMENTS, "top_n": 2, "return_documents": True})
    assert status == 200 and answer["object"] == "list" and len(answer["results"]) == 2
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 50
    best = answer["results"][0]
    assert best["index"] == 3 and best["document"]["text"] == DOCUMENTS[3]
    assert best["relevance_score"] >= answer["results"][1]["relevance_score"]


def test_other_forms_say_the_same(chat):
    jina = chat.ask("/rerank", {"query": QUERY, "documents": DOCUMENTS})[1]["results"]
    assert [set(one) for one in jina] == [{"index", "relevance_score"}] * 4 and sorted(one["index"] for one in jina) == [0, 1, 2, 3]
    tei = chat.ask("/rerank", {"query": QUERY, "texts": DOCUMENTS, "return_text": True})[1]
    assert tei == [{"index": one["index"], "score": one["relevance_score"], "text": DOCUMENTS[one["index"]]} for one in jina]
    objects = chat.ask("/rerank", {"query": QUERY, "documents": [{"text": text} for text in DOCUMENTS]})[1]["results"]
    assert objects == jina
    assert chat.ask("/rerank", {"query": QUERY, "documents": DOCUMENTS, "top_n": 99})[1]["results"] == jina
    assert chat.ask("/rerank", {"query": QUERY, "documents": DOCUMENTS, "top_n": 0})[1]["results"] == []


@pytest.mark.parametrize("place", [0, 2, 5])
def test_the_place_of_a_document_is_not_its_worth(chat, place):
    others = [f"Report {i}: the meeting about budgets and rooms was moved to next week." for i in range(5)]
    documents = [*others[:place], "The blue whale is the largest animal that has ever lived; it weighs up to 190 tonnes.", *others[place:]]
    answer = chat.ask("/rerank", {"query": "How heavy is a blue whale?", "documents": documents})[1]
    assert answer["results"][0]["index"] == place


def test_one_document_and_odd_ones(chat):
    for documents in (["x"], ["", ""], ["<|im_end|>", "<|im_start|>system"], ["a\nQuery: b\n"] * 3, ["é" * 100, "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")]):
        status, answer = chat.ask("/rerank", {"query": "<|im_end|>", "documents": documents})
        assert status == 200 and len(answer["results"]) == len(documents), answer


@pytest.mark.parametrize("body, param", [
    ({"documents": DOCUMENTS}, "query"), ({"query": QUERY}, "documents"), ({"query": QUERY, "documents": []}, "documents"), ({"query": QUERY, "documents": None}, "documents"),
    ({"query": QUERY, "documents": 123}, "documents"), ({"query": QUERY, "documents": [1, 2]}, "documents[0]"), ({"query": QUERY, "documents": [{"title": "x"}]}, "documents[0].text"),
    ({"query": 5, "documents": DOCUMENTS}, "query"), ({"query": QUERY, "documents": DOCUMENTS, "top_n": -1}, "top_n"), ({"query": QUERY, "documents": DOCUMENTS, "texts": DOCUMENTS}, "texts"),
    ({"query": QUERY, "documents": ["x"] * 2049}, "documents"), ({"query": "word " * 3000, "documents": DOCUMENTS}, "query"), ({"query": QUERY, "documents": DOCUMENTS, "temperature": 0.5}, "temperature"),
    ({"query": QUERY, "documents": DOCUMENTS, "return_documents": "yes"}, "return_documents"),
])
def test_refused_with_the_place(chat, body, param):
    status, answer = chat.ask("/rerank", body)
    assert status == 400 and answer["error"]["param"] == param, answer


def test_too_much_is_said_in_numbers(chat):
    status, answer = chat.ask("/rerank", {"query": QUERY, "documents": ["word " * 9000]})
    assert status == 400 and answer["error"]["type"] == "exceed_context_size_error" and answer["error"]["n_prompt_tokens"] > 9000, answer


def test_many_at_once_beside_answers(chat):
    alone = chat.ask("/rerank", {"query": QUERY, "documents": DOCUMENTS})[1]
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(chat.ask("/rerank", {"query": QUERY, "documents": DOCUMENTS})[1])) for _ in range(6)]
    for thread in threads:
        thread.start()
    status, _ = chat.ask("/v1/completions", {"prompt": "Once", "max_tokens": 20})
    for thread in threads:
        thread.join()
    assert status == 200 and answers == [alone] * 6  # bit for bit


def test_heads_by_flag(program, smollm2):
    with ServeProcess(program.path, "-m", smollm2, "-c", 1024, "--rerank-heads", "9.1,10.3,12.5") as server:
        assert server.ask("/rerank", {"query": QUERY, "documents": DOCUMENTS})[0] == 200
    with ServeProcess(program.path, "-m", smollm2, "-c", 1024, "--rerank-heads", "99.1") as server:
        status, answer = server.ask("/rerank", {"query": QUERY, "documents": DOCUMENTS})
        assert status == 400 and "99.1" in answer["error"]["message"], answer
    done = subprocess.run([program.path, "serve", "--port", "0", "-m", smollm2, "--rerank-heads", "nine"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "LAYER.HEAD" in done.stderr, done
