"""A real endpoint in the cloud's place: it is tested before anything is measured along a text."""

from argparse import Namespace

import pytest

from floe.errors import CloudError
from floe.evaluate.reading import CloudAnswer
from floe.evaluate.writers import opened_cloud
from floe.records import ChatMessage
from tests.cloud.quirky import MODEL, Quirks, QuirkyServer

COUNTED = CloudAnswer(0, (ChatMessage("user", "Count to ten."),), "one, two, three")


def test_an_endpoint_that_begins_anew_is_not_measured_along_a_text() -> None:
    with QuirkyServer(Quirks(continues="none")) as server:
        options = Namespace(live=server.url, cloud_model=MODEL, max_requests=9)
        with pytest.raises(CloudError, match="cannot continue an answer"), opened_cloud(options):
            pass


def test_an_endpoint_is_asked_in_the_way_in_which_it_goes_on() -> None:
    with QuirkyServer(Quirks(continues="continue_final_message")) as server:
        options = Namespace(live=server.url, cloud_model=MODEL, max_requests=9)
        with opened_cloud(options) as cloud:
            row = cloud.read(COUNTED).row(b"one, two")
    assert row is not None
    assert row.text_bytes.startswith(b",")


def test_an_endpoint_is_not_asked_about_what_is_private() -> None:
    private = ChatMessage("user", "I was diagnosed with bipolar disorder last spring.")
    with QuirkyServer(Quirks(continues="continue_final_message")) as server:
        options = Namespace(live=server.url, cloud_model=MODEL, max_requests=9)
        with opened_cloud(options) as cloud:
            assert cloud.fits(COUNTED)
            assert not cloud.fits(CloudAnswer(0, (private,), "I am sorry."))
            assert not cloud.fits(CloudAnswer(0, COUNTED.context, private.content))
            chat = (private, ChatMessage("assistant", "I see."), *COUNTED.context)
            assert not cloud.fits(CloudAnswer(0, chat, COUNTED.text))
