"""`/v1/embeddings`: texts as vectors of the base model's own embedding space, made on this device.

The space in which experts are chosen for a prompt, see `floe.adapters.router`: the mean of the
token embeddings, frequent tokens counting less, straightened by public prompts.
"""

import base64
import threading
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, Field, model_validator

from floe.adapters.router import PromptSpace, Vector
from floe.api.chat_request import MODELS
from floe.chat.assistant import Assistant
from floe.cloud.protocol.wire import ApiError
from floe.errors import PromptError

_MOST_TEXTS: Final = 2048


class EmbeddingRequest(BaseModel):
    """Body of a request to `/v1/embeddings`."""

    model: str
    input: str | list[str] = Field(min_length=1)
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_text(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        given = {name: value for name, value in data.items() if value is not None}
        texts = given.get("input")
        if isinstance(texts, list) and not all(isinstance(text, str) for text in texts):
            raise ValueError("Floe embeds texts, not token ids.")
        return given

    @property
    def texts(self) -> list[str]:
        """Texts that are to be embedded."""
        return [self.input] if isinstance(self.input, str) else self.input


class Embedder:
    """Embeds texts for the model in use; its table is read at the first question.

    Any thread may ask.
    """

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._lock = threading.Lock()
        self._space: tuple[Path, PromptSpace] | None = None

    def answer(self, asked: EmbeddingRequest) -> dict[str, Any]:
        """Return the body of the answer.

        Raises:
            ApiError: it cannot be done as asked.
            ModelError: the model's file has no table of token embeddings.
        """
        if MODELS.get(asked.model) in (None, "cloud"):
            raise ApiError(
                404,
                f"Floe makes no embeddings with the model {asked.model!r}; ask 'floe-local', which "
                "makes them on this device.",
                param="model",
                code="model_not_found",
            )
        if len(asked.texts) > _MOST_TEXTS:
            raise ApiError(400, f"Floe embeds at most {_MOST_TEXTS} texts at once.", param="input")
        vectors, tokens = self._embed(asked.texts)
        if asked.dimensions not in (None, len(vectors[0])):
            raise ApiError(
                400, f"Embeddings of this model have {len(vectors[0])} numbers.", param="dimensions"
            )
        data = [
            {"object": "embedding", "index": place, "embedding": _spell(vector, asked)}
            for place, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "model": asked.model, "data": data, "usage": usage}

    def _embed(self, texts: list[str]) -> tuple[list[Vector], int]:
        """Return the texts' vectors, and how many tokens they have."""
        tokenize = self._assistant.tokenize
        with self._lock:
            path = self._assistant.model.path
            if self._space is None or self._space[0] != path:
                self._space = path, PromptSpace(path, tokenize)
            space = self._space[1]
        try:
            vectors = [space.embed(text) for text in texts]
        except PromptError as error:
            raise ApiError(400, str(error), param="input") from error
        return vectors, sum(len(tokenize(text.encode())) for text in texts)


def _spell(vector: Vector, asked: EmbeddingRequest) -> list[float] | str:
    if asked.encoding_format == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    numbers: list[float] = vector.tolist()
    return numbers
