"""A thought is folded away above its answer, and what a person writes is left as it is."""

from floe.ui.chat.markdown import render_blocks
from floe.ui.chat.thoughts import fold_thought


def test_a_thought_is_one_closed_block_above_the_answer() -> None:
    folded, answer = fold_thought("<think>\nTwo *and* two\n</think>\n\n**4**", render_blocks)
    assert folded.startswith('<details class="thought"><summary>Thought</summary>')
    assert "<em>and</em>" in folded
    assert "open" not in folded.partition(">")[0]
    assert "<strong>4</strong>" in answer
    assert fold_thought("**4**", render_blocks) == list(render_blocks("**4**"))


def test_a_thought_that_is_still_written_is_folded_and_clean() -> None:
    (folded,) = fold_thought("<think><script>alert(1)</script></details><b>x", render_blocks)
    assert "<script" not in folded
    assert folded.count("</details>") == 1
