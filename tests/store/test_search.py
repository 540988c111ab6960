"""Search in any script, for any text."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from floe.store import Store
from floe.store.text import segment
from tests.store.chats import chat


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Sorting a list in Python", "python"),
        ("Sorting a list in Python", "list sort"),
        ("Ein Mädchen aß Crème brûlée", "madchen creme brul"),
        ("I don't know foo.bar(x)", "don't foo.bar"),
        ("C++ and C#", "c++"),
        ("我在东京图书馆看书", "图书"),
        ("我在东京图书馆看书", "馆"),
        ("Pythonで検索する", "python 検索"),
        ("서울에서 만나요", "서울"),
        ("ภาษาไทยสวยงาม", "ไทย"),
        ("a\x00b zero", "zero"),
    ],
)
def test_search_finds(store: Store, text: str, query: str) -> None:
    _, answer = chat(store, "?", text)
    chat(store, "?", "nothing of the kind, 別の話")
    assert [hit.message_id for hit in store.search(query)] == [answer.id]


@pytest.mark.parametrize("query", ["sort apple", "orting", "京東", "图馆", "NOT sorting", "NEAR"])
def test_search_does_not_find(store: Store, query: str) -> None:
    chat(store, "?", "sorting a list 东京图书馆 東京")
    assert store.search(query) == []


def test_search_shows_the_place_on_one_plain_line(store: Store) -> None:
    filler = "filler text\n" * 40
    _, answer = chat(store, "Title here", f"{filler}the <b>needle</b> 在东京图书馆\nend {filler}")
    for query in ("needle", "东京"):
        (hit,) = store.search(query)
        assert hit.message_id == answer.id
        assert hit.title == "Title here"
        assert "the <b>needle</b> 在东京图书馆 end" in hit.snippet
        assert hit.snippet.startswith("…")
        assert len(hit.snippet) < 300


def test_search_looks_at_titles_first_and_follows_a_rename(store: Store) -> None:
    first, _ = chat(store, "alpha", "beta")
    chat(store, "gamma", "alpha alpha alpha")
    conversation_id = first.conversation_id
    assert store.search("alpha")[0].message_id is None
    assert len(store.search("alpha")) == 3
    assert len(store.search("alpha", limit=2)) == 2
    store.rename_conversation(conversation_id, "旅行 delta")
    (hit,) = store.search("delt")
    assert (hit.conversation_id, hit.message_id) == (conversation_id, None)
    assert hit.snippet == hit.title == "旅行 delta"
    assert len(store.search("旅")) == 1
    assert None not in [hit.message_id for hit in store.search("alpha")]


def test_search_leaves_out_system_prompts_and_finds_other_branches(store: Store) -> None:
    conversation = store.create_conversation("t")
    store.add_message(conversation.id, None, "system", "prompt word")
    left = store.add_message(conversation.id, None, "user", "hidden word")
    store.add_message(conversation.id, None, "user", "in view")
    assert [hit.message_id for hit in store.search("word")] == [left.id]


@pytest.mark.parametrize("query", ["", "  \n", '"', '""', "*", "- + ( ) : ^", "\0", "…"])
def test_a_query_without_words_finds_nothing(store: Store, query: str) -> None:
    chat(store, 'anything * " - at all')
    assert store.search(query) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(query=st.text() | st.text("\"'*^:(){}+-AND ORNEAR东é\0\x1f", max_size=30))
def test_any_text_is_a_query(store: Store, query: str) -> None:
    if not store.conversations():
        chat(store, "AND OR NOT NEAR 东京")
    assert store.search(query) is not None


@given(text=st.text() | st.text("a東京ไ한 \n"))
def test_segmenting_only_adds_separators(text: str) -> None:
    assert segment(text).replace("\x1f", "") == text.replace("\x1f", "")
