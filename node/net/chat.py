"""A client of an OpenAI-compatible API: one question of one turn to POST /chat/completions.

Source: the API's published reference (platform.openai.com/docs/api-reference/chat), as llama.cpp, Ollama and vLLM
serve it, too. The key goes into the Authorization field and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node.base.errors import RemoteProtocolError
from node.net.web_service import WebService

MAX_ANSWER = 64 << 10  # octets
MAX_TOKENS = 200
MAX_REASONING_TOKENS = 2000

Dialect = Literal["classic", "reasoning"]


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore")
    content: str | None = None


class _Choice(BaseModel):
    model_config = ConfigDict(extra="ignore")
    message: _Message
    finish_reason: str | None = None


class _Completion(BaseModel):
    model_config = ConfigDict(extra="ignore")
    choices: Annotated[list[_Choice], Field(min_length=1, max_length=1)]


@dataclass(frozen=True, slots=True)
class ChatClient:
    """Asks one model at one endpoint. The caller sets the deadline."""

    service: WebService
    model: str
    dialect: Dialect

    @classmethod
    @asynccontextmanager
    async def open(cls, endpoint: str, model: str, dialect: Dialect, key: str = "") -> AsyncIterator[ChatClient]:
        """A client; nothing is asked yet.

        Args:
            endpoint: address without /chat/completions.
            key: API key, "" where none is wanted.
        """
        fields = [(b"Authorization", f"Bearer {key}".encode())] if key else []
        async with WebService.open(endpoint, "the language model", fields) as service:
            yield cls(service, model, dialect)

    async def complete(self, system: str, user: str, schema: dict[str, Any]) -> str:
        """The model's answer to one message, which it was asked to give in the form of a JSON schema.

        Raises:
            Temporary: it cannot be reached, or refuses.
            RemoteProtocolError: it answers something else than a complete text.
        """
        body = {
            "model": self.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "judgement", "strict": True, "schema": schema},
            },
            "stream": False,
            **_limits(self.dialect),
        }
        fields = [(b"Content-Type", b"application/json")]
        answer = await self.service.post("/chat/completions", json.dumps(body).encode(), fields, MAX_ANSWER)
        try:
            choice = _Completion.model_validate_json(answer).choices[0]
        except ValidationError as error:
            raise RemoteProtocolError(f"the model's answer is no completion: {error.error_count()} faults") from None
        if choice.finish_reason != "stop" or not choice.message.content:
            raise RemoteProtocolError("the model's answer is not whole")
        return choice.message.content

    async def models(self) -> bytes:
        """The list of models, as the endpoint gives it: shows that it is there and takes the key.

        Raises:
            Temporary, RemoteProtocolError: it is not, or does not.
        """
        return await self.service.get("/models", MAX_ANSWER * 16)


def _limits(dialect: Dialect) -> dict[str, Any]:
    if dialect == "reasoning":
        return {"max_completion_tokens": MAX_REASONING_TOKENS}
    return {"max_tokens": MAX_TOKENS, "temperature": 0}
