"""Flower's ClientApp of a device; the work is in `participant`.

What fails on the way becomes an error message to the group's host: `FloeError`s are sentences
without the person's data.
"""

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from floe.federation.app.participant import Participant, participant

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train on this device's own rows."""
    return Message(_of(context).train(message.content), reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Take over and measure the expert of this device's cluster."""
    return Message(_of(context).evaluate(message.content), reply_to=message)


@app.query("closing")
def closing(message: Message, context: Context) -> Message:
    """Take over all experts after the last round."""
    return Message(_of(context).close(message.content), reply_to=message)


def _of(context: Context) -> Participant:
    return participant(context.node_id, context.node_config, context.state)
