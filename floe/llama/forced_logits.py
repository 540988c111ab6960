"""The logits that a model gives along a text that was written already."""

from collections.abc import Iterator, Sequence

from floe.llama.runtime import MAX_BATCH, MAX_OUTPUTS, LlamaModel, Logits


def forced_logits(
    model: LlamaModel, prompt: Sequence[int], tokens: Sequence[int]
) -> Iterator[Logits]:
    """Return logits before each of `tokens` and after the last.

    Args:
        model: its cache is reused as far as it holds the prompt, and holds all at the end.
        prompt: at least one id.
        tokens: what follows it.

    Yields:
        float32 of shape (vocabulary,), each valid until the next is asked for.

    Raises:
        PromptError: both together are longer than the model's context.
    """
    text = [*prompt, *tokens]
    start = model.keep_prefix(prompt)
    at = len(prompt) - 1  # the position whose logits are wanted next
    while start < len(text):
        if start + MAX_BATCH <= at:
            model.evaluate(text[start : start + MAX_BATCH])
            start += MAX_BATCH
            continue
        stop = min(len(text), start + MAX_BATCH, at + MAX_OUTPUTS)
        yield from model.evaluate(text[start:stop], stop - at)
        start = at = stop
