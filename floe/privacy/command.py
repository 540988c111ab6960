"""`floe private`: the gate's verdict on each line of a file, as one JSON object a line.

A line is `{"text": ...}` or `{"messages": [{"role", "content"}, ...]}`; the last message is judged
in its place, an assistant's last message as an answer. Sends nothing.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel

from floe.errors import DataError, FloeError
from floe.privacy import choices
from floe.privacy.choices import Policy
from floe.privacy.detector import Detector
from floe.privacy.gate import Gate
from floe.privacy.verdict import Verdict
from floe.records import ChatMessage, Message, Route
from floe.store import Store

_Role = Literal["system", "user", "assistant"]
_AS_ROLE: Final[Mapping[str, _Role]] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("assistant", "model", "gpt", "bot"), "assistant"),
}
"""Whoever else speaks (a tool, a human) is examined as a person is."""


class _Part(BaseModel):
    text: str | None = None


class _Said(BaseModel):
    role: str
    content: str | list[_Part | str] | None = None

    def as_message(self) -> ChatMessage:
        """Return it as plain text by one of three roles; a picture has no text."""
        parts = self.content if isinstance(self.content, list) else [self.content]
        texts = [part.text if isinstance(part, _Part) else part for part in parts]
        role = _AS_ROLE.get(self.role.lower(), "user")
        return ChatMessage(role, _sound("\n".join(text for text in texts if text)))


class _Row(BaseModel):
    text: str | None = None
    messages: list[_Said] | None = None

    def said(self) -> list[ChatMessage]:
        """Return the conversation, the message to judge last."""
        if self.text is not None:
            return [ChatMessage("user", _sound(self.text))]
        said = [each.as_message() for each in self.messages or ()]
        if said and all(each.role == "system" for each in said):
            # Nobody has asked anything yet: the instructions are what would leave.
            return [ChatMessage("user", "\n".join(each.content for each in said))]
        return said


def _sound(text: str) -> str:
    """Return a text without halves of characters, which JSON can escape and nobody can store."""
    return text.encode("utf-8", "replace").decode("utf-8")


class Judge:
    """The gate over lines that have nothing to do with each other."""

    def __init__(self, store: Store, detector: Detector, policy: Policy) -> None:
        self._store = store
        self._detector = detector
        self._gate = Gate(store, detector)
        self._policy: Policy = policy

    def judge(self, messages: Sequence[ChatMessage]) -> dict[str, object]:
        """Return what the gate says of the last message: `private`, `kinds`, `unsure`, `sent`."""
        conversation = self._store.create_conversation().id
        try:
            path = self._path(conversation, [m for m in messages if m.role != "system"])
            system = "\n".join(m.content for m in messages if m.role == "system")
            if path[-1].role == "assistant":
                return self._answer(path, system)
            return self._question(path, system)
        finally:
            self._store.delete_conversation(conversation)

    def _path(self, conversation: int, messages: Sequence[ChatMessage]) -> list[Message]:
        leaf: int | None = None
        for role, text in ((each.role, each.content) for each in messages):
            # An answer is a model's, as in a chat that is had here, and no words of the person.
            route = Route("fused", "") if role == "assistant" else None
            leaf = self._store.add_message(conversation, leaf, role, text, route=route).id
        if leaf is None:
            raise DataError("There is no message to judge.")
        return list(self._store.path_to(leaf))

    def _question(self, path: Sequence[Message], system: str) -> dict[str, object]:
        route = self._gate.closed("fused", local_only=False, path=path)
        sent: list[dict[str, str]] = []
        if route is None:
            passage = self._gate.examine(
                "fused",
                path,
                system,
                policy=self._policy,
                own_words=choices.own_words(self._store),
                treatments=choices.treatments(self._store) if self._policy_is_stored() else None,
            )
            route = passage.route
            sent = [{"role": m.role, "content": m.content} for m in passage.messages]
        spans = {kind for _, _, kind in route.spans}
        kinds = [kind for kind in self._store.message(path[-1].id).private or () if kind]
        kinds += sorted(spans - set(kinds))
        private = route.kind == "local" or bool(kinds)
        return {"private": private, "kinds": kinds, "unsure": route.unsure, "sent": sent}

    def _answer(self, path: Sequence[Message], system: str) -> dict[str, object]:
        passage = self._gate.examine(
            "fused",
            path[:-1] or path,
            system,
            policy=self._policy,
            own_words=choices.own_words(self._store),
        )
        answer = path[-1].content
        if passage.guard is not None and len(path) > 1:
            kinds = list(passage.guard.kinds_in(answer))
        else:
            kinds = list(_deciding(self._detector.examine_answer(answer)))
        sent = [{"role": m.role, "content": m.content} for m in passage.messages]
        if passage.guard is None or kinds:
            sent = []
        else:
            sent.append({"role": "assistant", "content": answer})
        return {"private": bool(kinds), "kinds": kinds, "unsure": False, "sent": sent}

    def _policy_is_stored(self) -> bool:
        return choices.policy(self._store) == self._policy


def _deciding(verdict: Verdict) -> tuple[str, ...]:
    return verdict.kinds


def read_lines(path: Path) -> list[list[ChatMessage]]:
    """Read the conversations of a file. Raises DataError."""
    rows = []
    try:
        # Not `splitlines`: a string in JSON may hold a line separator of Unicode as it stands.
        lines = path.read_text("utf-8-sig").split("\n")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeError as error:
        raise DataError(f"{path} cannot be read: it is no text in UTF-8.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            said = _Row.model_validate(json.loads(line)).said()
        except ValueError as error:  # of json and of pydantic
            raise DataError(
                f"Line {number} of {path} is neither a text nor messages with role and content."
            ) from error
        if not said:
            raise DataError(f"Line {number} of {path} holds no message.")
        rows.append(said)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge each line; 1 after an error that was explained."""
    parser = argparse.ArgumentParser(
        prog="floe private",
        description=__doc__,
        epilog="Example: floe private prompts.jsonl --policy pseudonyms",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE.jsonl")
    parser.add_argument("--policy", choices=("local only", "pseudonyms"), default="local only")
    parser.add_argument("--data-dir", type=Path, help="take own words and choices from here")
    parser.add_argument("--models-dir", type=Path, metavar="DIR", help="no model is needed")
    parser.add_argument("--json", action="store_true", help="always on: one object a line")
    given = parser.parse_args(arguments)
    try:
        rows = read_lines(given.file)
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder) / "floe.db")
            _take_choices(given.data_dir, store)
            choices.set_policy(store, given.policy)
            detector = Detector(choices.own_words(store))
            detector.learn_leniency(choices.leniency(store))
            detector.load()
            judge = Judge(store, detector, given.policy)
            for row in rows:
                print(json.dumps(judge.judge(row), ensure_ascii=False), flush=True)
            store.close()
    except FloeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _take_choices(data_dir: Path | None, store: Store) -> None:
    """Copy what the person has chosen; nothing of theirs is written to."""
    if data_dir is None or not (data_dir / "floe.db").exists():
        return
    with Store(data_dir / "floe.db") as own:
        choices.copy(own, store)
