# SPDX-License-Identifier: Apache-2.0
"""The requests of mixed_load.py in other protocols, and what comes back in one form that can be compared."""

import json

CHAT = ["anthropic", "responses", "ollama_chat", "ollama_generate"]
PATHS = {"native": "/completion", "embeddings": "/v1/embeddings", "rerank": "/rerank", "anthropic": "/v1/messages", "responses": "/v1/responses", "ollama_chat": "/api/chat", "ollama_generate": "/api/generate"}
# OpenAI's words for why an answer ended.
REASONS = {"limit": "length", "eos": "stop", "word": "stop", "max_tokens": "length", "end_turn": "stop", "stop_sequence": "stop", "completed": "stop", "incomplete": "length",
           "stop": "stop", "length": "length"}


def translate(protocol: str, body: dict, text: str) -> dict:
    """A body of OpenAI's completions for this text, as that protocol writes it."""
    fields = {name: value for name, value in body.items() if name not in {"prompt", "messages", "logprobs", "top_logprobs", "max_tokens", "response_format"}}
    if protocol == "embeddings":
        return {"input": text, "encoding_format": "base64"}  # bit for bit
    if protocol == "rerank":
        words = text.split(" ")
        return {"query": " ".join(words[-8:]), "documents": [" ".join(words[i:i + 60]) for i in range(0, len(words), 60)][:20]}
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    most = body["max_tokens"]
    if protocol == "native":
        return fields | {"prompt": text, "n_predict": most, "n_probs": 3} | ({"json_schema": schema} if schema else {})
    messages = [{"role": "user", "content": text}]
    if protocol == "anthropic":
        return fields | {"messages": messages, "max_tokens": most} | ({"output_format": {"type": "json_schema", "schema": schema}} if schema else {})
    if protocol == "responses":
        return fields | {"input": text, "max_output_tokens": most} | ({"text": {"format": {"type": "json_schema", "name": "s", "schema": schema}}} if schema else {})
    fields["options"] = {name: fields.pop(name) for name in ("temperature", "seed", "repeat_penalty") if name in fields} | {"num_predict": most}
    fields |= {"format": schema} if schema else {}
    return fields | ({"messages": messages} if protocol == "ollama_chat" else {"prompt": text})


def parts_of(protocol: str, raw: str, streamed: bool) -> list[dict]:
    if not streamed:
        return [json.loads(raw)]
    if protocol.startswith("ollama"):
        return [json.loads(line) for line in raw.splitlines() if line.strip()]
    return [json.loads(line[6:]) for line in raw.splitlines() if line.startswith("data: ")]


def read(protocol: str, raw: str, streamed: bool) -> dict:
    """Text, tokens with logprobs, reason and error of a whole answer or of a stream."""
    answer = {"text": "", "logprobs": [], "finish_reason": None, "error": None, "chosen": None, "message": None}
    for part in parts_of(protocol, raw, streamed):
        failure = part.get("error")
        if failure or part.get("type") == "error":
            failure = failure or part
            answer["message"] = failure if isinstance(failure, str) else failure.get("message")
            answer["error"] = "error" if isinstance(failure, str) else failure.get("code") or failure.get("type")
            continue
        READERS[protocol](part, answer)
    if not answer["error"] and not answer["finish_reason"]:
        answer["error"] = "the answer has no end"
    return answer


def note(answer: dict, part: dict, reason: str | None):
    answer["finish_reason"] = REASONS.get(reason, reason) or answer["finish_reason"]
    answer["chosen"] = (part.get("lazy") or {}).get("plan", {}).get("chosen") or answer["chosen"]


def read_native(part: dict, answer: dict):
    answer["text"] += part.get("content", "")
    answer["logprobs"] += [[token["token"], token["logprob"], [[other["token"], other["logprob"]] for other in token["top_logprobs"]]]
                           for token in part.get("completion_probabilities", [])]
    note(answer, part, part.get("stop_type") if part.get("stop") else None)


def read_anthropic(part: dict, answer: dict):
    if part["type"] == "message":
        answer["text"] += "".join(block.get("text", "") for block in part["content"])
        note(answer, part, part["stop_reason"])
    elif part["type"] == "content_block_delta":
        answer["text"] += part["delta"].get("text", "")
    elif part["type"] == "message_delta":
        note(answer, part, part["delta"]["stop_reason"])


def read_responses(part: dict, answer: dict):
    if part.get("object") == "response":
        answer["text"] += "".join(piece["text"] for item in part["output"] if item["type"] == "message" for piece in item["content"])
        note(answer, part, part["status"])
    elif part["type"] == "response.output_text.delta":
        answer["text"] += part["delta"]
    elif part["type"] in {"response.completed", "response.incomplete"}:
        note(answer, part, part["response"]["status"])


def read_ollama(part: dict, answer: dict):
    answer["text"] += part["message"]["content"] if "message" in part else part.get("response", "")
    note(answer, part, part.get("done_reason"))


def read_embeddings(part: dict, answer: dict):
    answer["text"] = "".join(one["embedding"] for one in part["data"])
    note(answer, part, "length")


def read_rerank(part: dict, answer: dict):
    answer["text"] = json.dumps(part["results"])  # places and scores, bit for bit
    note(answer, part, "length")


READERS = {"rerank": read_rerank, "native": read_native, "embeddings": read_embeddings, "anthropic": read_anthropic, "responses": read_responses, "ollama_chat": read_ollama, "ollama_generate": read_ollama}
