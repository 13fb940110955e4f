# SPDX-License-Identifier: Apache-2.0
"""lazyllm on Ray Serve: one replica a node, and a conversation goes to the replica that has read its document.

    pip install "$(ls dist/lazyllm_engine-*.whl)[ray]"         the wheel of python/README.md
    ray start --head                                         and on the other machines: ray start --address HOST:6379
    LAZYLLM_MODEL=/models/model.gguf LAZYLLM_REPLICAS=2 serve run examples.ray_serve:application

    curl http://127.0.0.1:8000/ -d '{"messages": [{"role": "user", "content": "..."}], "max_tokens": 64}'

The answer's header X-Lazyllm-Affinity names what it was about; a client sends it back with its next request, as to `lazyllm serve` behind
a proxy. The routing is Ray Serve's own (model multiplexing): what it calls a model is here a text. It tells
its routers who holds what after a moment, so a question that follows at once may meet another replica. Answers come whole; streams are for a proxy.
"""

import asyncio
import hashlib
import json
import os
import urllib.error
import urllib.request

from lazyllm_engine import Server
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

HEADER = "X-Lazyllm-Affinity"
CORES = int(os.environ.get("LAZYLLM_CORES", "1"))  # of each replica


def affinity_of(messages: list) -> str:
    """Everything up to the first message of a user: later turns come behind it."""
    head = []
    for message in messages:
        head.append(str(message["content"])[:2048])
        if message["role"] == "user":
            break
    return hashlib.sha256(json.dumps(head).encode()).hexdigest()[:16]


@serve.deployment(num_replicas=int(os.environ.get("LAZYLLM_REPLICAS", "1")), max_replicas_per_node=1, ray_actor_options={"num_cpus": CORES})
class Reader:
    """A server of lazyllm on the replica's node."""

    def __init__(self, path: str, **flags):
        self.server = Server(path, threads=CORES, **flags)

    # Ray Serve sends a request to a replica that holds its "model"; here that is the text it is about, and what the server's cache holds of it is the server's affair.
    @serve.multiplexed(max_num_models_per_replica=1000)
    async def text(self, affinity: str) -> str:
        return affinity

    def ask(self, body: bytes) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(self.server.base_url + "/chat/completions", body) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    async def __call__(self, body: bytes) -> tuple[int, bytes, str]:
        await self.text(serve.get_multiplexed_model_id())
        return *await asyncio.to_thread(self.ask, body), serve.get_replica_context().replica_id.unique_id


@serve.deployment(ray_actor_options={"num_cpus": 0})
class Front:
    """Turns HTTP into calls, and says to Ray Serve what a request is about."""

    def __init__(self, reader):
        self.reader = reader

    async def __call__(self, request: Request) -> Response:
        body = await request.body()
        try:
            affinity = request.headers.get(HEADER) or affinity_of(json.loads(body)["messages"])
        except (ValueError, KeyError, TypeError):
            return Response('{"error": {"message": "the body is JSON with messages, each with role and content"}}', 400, media_type="application/json")
        status, answer, replica = await self.reader.options(multiplexed_model_id=affinity).remote(body)
        return Response(answer, status, {HEADER: affinity, "X-Replica": replica}, "application/json")


def build(flags: dict) -> serve.Application:
    """For `serve run examples.ray_serve:build model=PATH prune=balanced`; all but the model are flags of `lazyllm serve`."""
    more = {name: value for name, value in flags.items() if name != "model"}
    return Front.bind(Reader.bind(flags["model"], **more))


application = build({"model": os.environ["LAZYLLM_MODEL"]}) if "LAZYLLM_MODEL" in os.environ else None
