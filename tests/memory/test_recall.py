"""A fact that was told once in an old chat and is found is in the answer, with a model of 0.5B."""

from pathlib import Path
from typing import cast

from floe.chat.assistant import Assistant
from floe.chat.turn import TurnOptions
from floe.chats.jsonl import import_chats
from floe.cloud.link import CloudLink
from floe.config import OFF, Settings
from floe.llama.runtime import LlamaModel
from floe.privacy.detector import Detector
from floe.records import Sampling
from floe.resources import EXAMPLES
from floe.store import Store
from tests.memory.facts import REPORTED
from tests.memory.test_prompt import _Kept

FACTS = REPORTED[::2]
"""Half of them: all twenty are measured in docs/method.md."""


def ask_for(
    model: LlamaModel, detector: Detector, folder: Path, facts: tuple[tuple[str, str, str], ...]
) -> tuple[int, int]:
    """Tell each fact in a chat of its own among chats of another person, and ask in a new one.

    Returns:
        How many memory found, and how many were in the answer.
    """
    settings = Settings.load(cloud=OFF, data_dir=folder)
    store = Store(settings.database)
    link = CloudLink(settings, store)
    assistant = Assistant(settings, store, cast(LlamaModel, _Kept(model)), link, detector)
    try:
        import_chats(store, EXAMPLES / "kitchen.jsonl")
        for told, _, _ in facts:
            said = store.add_message(None, None, "user", told)
            store.add_message(said.conversation_id, said.id, "assistant", "I see.")
        assistant.memory.update(lambda: False)
        found = right = 0
        for told, question, word in facts:
            sampling = Sampling(temperature=0.0, max_tokens=40)
            turn = assistant.ask(None, question, TurnOptions("local", 1.0, sampling))
            assert turn.wait(120)
            found += told in [each.text for each in turn.memory]
            right += word.casefold() in turn.view().text.casefold()
        return found, right
    finally:
        assistant.close()


def test_what_memory_finds_is_in_nine_of_ten_answers(
    qwen: LlamaModel, detector: Detector, tmp_path: Path
) -> None:
    found, right = ask_for(qwen, detector, tmp_path, FACTS)
    assert found >= 9
    assert right >= 0.9 * found
