"""Hand-sized models: random weights, 259 byte tokens, in GGUF files that llama.cpp serves."""

from pathlib import Path

import gguf
import numpy as np

LAYERS, HIDDEN, HEADS, KV_HEADS, INTERMEDIATE = 4, 32, 4, 2, 48
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_tiny(path: Path, kind: str = "llama", seed: int = 0, template: str = TEMPLATE) -> Path:
    """A random model of `kind` ("llama" or "qwen2")."""
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(str(path), kind)
    writer.add_block_count(LAYERS)
    writer.add_context_length(1024)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INTERMEDIATE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    add_vocabulary(writer, template)

    def add(name: str, *shape: int, scale: float = 0.15) -> None:
        values = random.normal(scale=scale, size=shape).astype(np.float32)
        writer.add_tensor(name, values + 1 if "norm" in name else values)

    keys = HIDDEN // HEADS * KV_HEADS
    add("token_embd.weight", 259, HIDDEN, scale=0.5)
    add("output_norm.weight", HIDDEN)
    for i in range(LAYERS):
        at = f"blk.{i}"
        for norm in ("attn_norm", "ffn_norm"):
            add(f"{at}.{norm}.weight", HIDDEN)
        for part, rows in (("q", HIDDEN), ("k", keys), ("v", keys)):
            add(f"{at}.attn_{part}.weight", rows, HIDDEN)
            if kind == "qwen2":
                add(f"{at}.attn_{part}.bias", rows)
        add(f"{at}.attn_output.weight", HIDDEN, HIDDEN)
        for part in ("gate", "up"):
            add(f"{at}.ffn_{part}.weight", INTERMEDIATE, HIDDEN)
        add(f"{at}.ffn_down.weight", HIDDEN, INTERMEDIATE)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def add_vocabulary(writer: gguf.GGUFWriter, template: str = TEMPLATE) -> None:
    """Name a token for each byte and three marks, as GPT-2 spells them."""
    tokens = [*byte_letters(), "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * 256 + [gguf.TokenType.CONTROL] * 3)
    # llama.cpp wants some; this one joins two control characters that no text has.
    writer.add_token_merges([f"{tokens[0]} {tokens[1]}"])
    writer.add_bos_token_id(257)
    writer.add_eos_token_id(258)
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)


def byte_letters() -> list[str]:
    """GPT-2's spelling of the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    odd = [byte for byte in range(256) if byte not in plain]
    return [chr(byte if byte in plain else 256 + odd.index(byte)) for byte in range(256)]
