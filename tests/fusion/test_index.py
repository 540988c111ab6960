"""The index of a vocabulary against a look at every token."""

from hypothesis import given, settings
from hypothesis import strategies as st

from floe.fusion.index import TokenIndex
from tests.fusion.fakes import spaced_index
from tests.fusion.strategies import texts, vocabularies
from tests.tiers import examples


@settings(max_examples=examples(200), deadline=None)
@given(vocabularies, texts, texts)
def test_two_texts_that_no_token_joins_are_spelled_apart(
    vocabulary: list[bytes], text: bytes, more: bytes
) -> None:
    index = TokenIndex([b"", *{*vocabulary, b"a", b"b", b"c"}], [0])
    joins = [piece for piece in index.pieces if text[-1:] + more[:1] in piece]
    assert bool(index.joining_bytes(text)[more[0]]) == bool(joins)
    if not joins:
        assert index.spell(text + more) == index.spell(text) + index.spell(more)


@settings(max_examples=examples(200), deadline=None)
@given(vocabularies, texts)
def test_rivals_are_all_other_tokens_that_may_come_first(
    vocabulary: list[bytes], text: bytes
) -> None:
    index = TokenIndex([b"", *vocabulary], [0])
    related = {
        i for i, p in enumerate(index.pieces) if p and (p.startswith(text) or text.startswith(p))
    }
    assert set(index.rivals(text).tolist()) == related - {index.first(text)}


@settings(max_examples=examples(200), deadline=None)
@given(vocabularies, st.data())
def test_extensions_equal_a_look_at_every_token(
    vocabulary: list[bytes], data: st.DataObject
) -> None:
    pieces = [b"", *vocabulary, b"\xff", b"\xff\xff", b"d\xff\xff"]
    token = data.draw(st.integers(1, len(pieces) - 1))
    ids = TokenIndex(pieces, [0]).extensions(token)
    text = pieces[token]
    longer = {i for i, p in enumerate(pieces) if p.startswith(text) and p != text}
    assert set(ids.tolist()) == longer


def test_spelling_takes_the_longest_token_first_without_a_tokenizer() -> None:
    index = TokenIndex([b"", b"a", b"ab", b"abc", b"d"], [0])
    assert index.spell(b"abc") == (3,)
    assert index.spell(b"abdabc") == (2, 4, 3)
    assert index.spell(b"abx") == ()
    assert index.spell(b"") == ()


def test_spelling_is_the_tokenizers_and_goes_on_after_what_is_written() -> None:
    index = TokenIndex([b"", b"a", b"ab", b"b"], [0], lambda text: [1, 3] if text == b"ab" else [1])
    assert index.spell(b"ab") == (1, 3)
    assert index.spell_after(b"ab", b"", ()) == (2,), "one vocabulary: the token itself"
    assert index.spell_after(b"ab", b"a", (b"a",)) == (3,)
    assert index.spell_after(b"ab", b"b", (b"b",)) == ()
    assert index.spell_after(b"ab", b"a", (b"x",)) == ()
    assert index.spell_after(b"ab", b"a", None) == (3,)


def test_white_space_is_asked_of_the_tokenizer_what_may_follow_it() -> None:
    index = spaced_index()
    assert index.spell_pieces(b"\n\nF") == (b"\n", b"\n", b"F")
    assert index.spell_pieces(b"\n\n1") == (b"\n\n", b"1")
    joining = index.joining_bytes(b".\n\n")
    assert [bool(joining[byte]) for byte in b"Fz`\n1"] == [True, True, True, True, False]
    assert joining["é".encode()[0]]
    assert index.joining_bytes(b".\n")[ord("\n")], "one token"
    assert not index.joining_bytes(b".\n")[ord("F")]
