"""The API's switch: on, off, on again at the next start, and a key that can be replaced."""

import pytest

from floe.errors import FloeError
from floe.jobs.api_switch import ApiSwitch
from floe.store import Store


class Endpoint:
    """What a start of Floe would open."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.address = "http://127.0.0.1:1/v1"
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Keys:
    """The key of a data folder."""

    def __init__(self) -> None:
        self.count = 1

    def __call__(self, new: bool) -> str:
        self.count += new
        return f"key {self.count}"


def test_it_is_off_until_switched_on_and_on_again_at_the_next_start(store: Store) -> None:
    opened: list[Endpoint] = []

    def open_endpoint(key: str) -> Endpoint:
        opened.append(Endpoint(key))
        return opened[-1]

    first = ApiSwitch(store)
    with pytest.raises(FloeError, match="has no API"):
        first.switch(True)
    first.connect(open_endpoint, Keys())
    assert (first.address, first.key, opened) == ("", "", [])
    first.switch(True)
    first.switch(True)
    assert (first.address, first.key, len(opened)) == ("http://127.0.0.1:1/v1", "key 1", 1)
    first.renew_key()
    assert opened[0].closed
    assert (opened[1].key, first.key) == ("key 2", "key 2")
    first.close()
    assert opened[1].closed
    assert first.address == ""
    with pytest.raises(FloeError):
        first.switch(True)  # by a page that has not been closed yet
    assert len(opened) == 2

    second = ApiSwitch(store)
    second.connect(open_endpoint, Keys())
    assert second.address
    second.switch(False)
    assert opened[2].closed
    third = ApiSwitch(store)
    third.connect(open_endpoint, Keys())
    assert third.address == ""


def test_a_port_that_is_taken_at_the_start_is_told_and_no_obstacle(store: Store) -> None:
    store.set_setting("api", True)

    def refuse(_: str) -> Endpoint:
        raise FloeError("Port 7861 cannot be used.")

    switch = ApiSwitch(store)
    switch.connect(refuse, Keys())
    assert switch.problem == "Port 7861 cannot be used."
    assert switch.address == ""
    with pytest.raises(FloeError):
        switch.switch(True)
