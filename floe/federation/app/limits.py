"""Limits on the work that a member does for a group, whatever its host asks for.

The page shows it before one joins; `validation` holds rounds to it. Knows nothing of Flower.
"""

from dataclasses import dataclass
from typing import Final

from floe.units import format_bytes, format_duration

TOO_LARGE: Final = "more than this device takes"


@dataclass(frozen=True, slots=True)
class MemberLimits:
    """Pairs are the least and the most that is taken part in.

    `epochs` and `seconds` (of wall clock, training stops then) are of one round; `learning_rate`
    is the recipe's, for rank 16. `message_bytes`: of what one message brings; `rounds`: in a run,
    `rounds_a_day`: in a day (UTC). `norm`: Frobenius norm of an expert over all modules; the
    weights it is added to have a few hundred.
    """

    epochs: tuple[int, int] = (1, 5)
    learning_rate: float = 0.02
    layers: tuple[int, int] = (1, 256)
    sequence_length: tuple[int, int] = (16, 1024)
    batch_tokens: tuple[int, int] = (16, 1024)
    seconds: float = 1800.0
    message_bytes: int = 256 * 10**6
    rounds: int = 1000
    rounds_a_day: int = 30
    experts: int = 64
    rank: int = 64
    norm: float = 10_000.0

    @property
    def sentence(self) -> str:
        """Sentence that the page shows before one joins."""
        return (
            f"Whatever the host asks for: in a round this device trains for at most "
            f"{format_duration(self.seconds)} and {self.epochs[1]} epochs, at a learning rate of "
            f"at most {self.learning_rate:g}, in steps of at most {self.batch_tokens[1]:,} tokens; "
            f"it takes in at most {format_bytes(self.message_bytes)} at a time, and takes part in "
            f"at most {self.rounds_a_day} rounds a day. A round that asks for more is refused, and "
            "you are told here."
        )


LIMITS: Final = MemberLimits()
