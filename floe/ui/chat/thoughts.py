"""What a model thought before it answered, folded away above the answer."""

from collections.abc import Callable, Sequence

from floe.llama.thinking import split_thinking


def fold_thought(text: str, render: Callable[[str], Sequence[str]]) -> list[str]:
    """Return the HTML of an answer, one string a block; a thought is one block, and closed."""
    thought, answer = split_thinking(text)
    if not thought:
        return list(render(text))
    inner = "".join(render(thought))
    folded = f'<details class="thought"><summary>Thought</summary>{inner}</details>'
    return [folded, *render(answer)]
