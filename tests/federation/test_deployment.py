"""A real group on loopback: SuperLink with TLS, SuperNodes that prove who they are, real rounds."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import pytest

import floe
from floe.adapters.architecture import read_architecture
from floe.adapters.export import read_gguf
from floe.adapters.registry import Adapters, model_sha256
from floe.adapters.router import experts_in_use
from floe.errors import FederationError
from floe.federation import flower_environment
from floe.federation.app.recipe import Recipe
from floe.federation.group.history import Federation, History
from floe.federation.group.host import (
    admit_command,
    prepare,
    run_command,
    run_outcome,
    superlink_command,
    write_app_folder,
)
from floe.federation.group.membership import (
    GroupSettings,
    Membership,
    check_address,
    check_certificate,
    device_key,
)
from floe.federation.group.supernode import SHUTDOWN_SECONDS
from floe.privacy.consent import Consent, give_consent
from floe.store import Store
from tests.ports import lasting_port
from tests.training.tiny import write_tiny

ROOT = Path(floe.__file__).parents[1]
RANKS = (2, 4, 3)
# For who will never answer; the others are niced, and load torch for the first time.
ROUND_TIMEOUT = 40.0
CHATS = [
    ("How do I boil an egg?", "Seven minutes in simmering water."),
    ("What is seven times eight?", "Fifty-six."),
    ("Where do swallows go in winter?", "Far south, across the sea."),
    ("Name a sharp tool.", "A chisel, if it is looked after."),
]
TINY = Recipe(modules=("q_proj", "v_proj"), layers=2, sequence_length=128)


class Process:
    """A program in a process group of its own, which ends with the test."""

    def __init__(self, command: list[str], home: Path, log: Path, folder: Path = ROOT) -> None:
        self.log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=flower_environment(home) | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait(self, seconds: float) -> int:
        return self._process.wait(seconds)

    def said(self) -> str:
        return self.log.read_text(errors="replace")


class Member:
    """A device with a few chats of its own, and its membership."""

    def __init__(self, folder: Path, base: Path, rank: int, group: "Group") -> None:
        self.folder = folder
        self.store = Store(folder / "floe.db")
        self.history = History(self.store)
        self.membership = Membership(self.store, folder)
        for question, answer in CHATS:
            chat = self.store.create_conversation()
            asked = self.store.add_message(chat.id, None, "user", question)
            self.store.add_message(chat.id, asked.id, "assistant", answer)
        with self.store.writing() as db:
            db.execute("UPDATE messages SET private = '[]'")
        give_consent(self.store, Consent(train=True, federate=True))
        self.settings = GroupSettings(
            address=group.address,
            certificate=str(group.certificate),
            key=str(device_key(folder / "flower")[0]),
            base=str(base),
            base_sha256=model_sha256(self.store, base),
            rank=rank,
            name=f"rank {rank}",
        )

    @property
    def sentence(self) -> str:
        return self.federation.sentence

    def log(self) -> str:
        return (self.folder / "flower" / "node.log").read_text(errors="replace")

    @property
    def federation(self) -> Federation:
        found = self.membership.current()
        assert found is not None
        return found


class Group:
    """The host: certificates, and a SuperLink once it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.home = folder
        self.port = lasting_port()
        self.address = f"127.0.0.1:{self.port}"
        self.certificate = prepare(folder / "flower", "127.0.0.1", self.port)
        self._superlink: Process | None = None

    @property
    def superlink(self) -> Process:
        if self._superlink is None:
            command = superlink_command(self.home / "flower", "127.0.0.1", self.port)
            self._superlink = Process(command, self.home, self.home / "superlink.log")
        return self._superlink

    def end(self) -> None:
        if self._superlink is not None:
            self._superlink.kill()
            self._superlink = None

    @cached_property
    def app(self) -> Path:
        """The app alone, as a host sends it: Flower reads all that lies in its folder."""
        return write_app_folder(self.home / "app")

    def run(self, config: Mapping[str, Any], log: str) -> Process:
        """Start rounds; what is said of them goes to this file of the host's folder."""
        return Process(run_command(self.app, config), self.home, self.home / log)

    def admit(self, member: Member) -> Process:
        key = member.folder / "device.pub"
        key.write_text(member.membership.public_key())
        return Process(admit_command(key), self.home, member.folder / "admit.log")


def until(what: Callable[[], Any], seconds: float = 400.0, every: float = 0.1) -> None:
    """Wait; long, because devices are niced, and get a twentieth of a core that others work on."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(every)


def told(rounds: Process, members: list[Member]) -> str:
    """Both sides of a round that went wrong."""
    return "\n".join([rounds.said(), *(member.log()[-4000:] for member in members)])


def listening(pid: int) -> set[str]:
    """Addresses that a process and its children listen on."""
    found = set()
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        for connection in process.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN:
                found.add(connection.laddr.ip)
    return found


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny.gguf")


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    folder = tmp_path / "host"
    folder.mkdir()
    made = Group(folder)
    yield made
    made.end()


@pytest.fixture
def members(tmp_path: Path, base: Path, group: Group) -> Iterator[list[Member]]:
    made = []
    for rank in RANKS:
        folder = tmp_path / f"member-{rank}"
        folder.mkdir()
        made.append(Member(folder, base, rank, group))
    yield made
    for member in made:
        member.membership.close()


def test_a_run_that_fails_on_the_host_is_told_from_one_that_completed(group: Group) -> None:
    until(lambda: "startup complete" in group.superlink.said())
    run = group.run({"rounds": 1, "noise-multiplier": 1.0, "clip-norm": 0.0}, "run.log")
    assert run.wait(120) == 0, run.said()
    assert "Noise needs a clip-norm" in run.said()
    environment = flower_environment(group.home) | {"PYTHONPATH": str(ROOT)}
    assert run_outcome(environment).startswith("finished:failed")


@pytest.mark.timeout(900)
def test_a_group_plays_its_round_without_the_member_that_sleeps(
    group: Group, members: list[Member], base: Path
) -> None:
    until(lambda: "startup complete" in group.superlink.said())
    admitted = [group.admit(member) for member in members]
    assert [each.wait(150) for each in admitted] == [0, 0, 0]
    pids = []
    for member in members:
        member.membership.join(member.settings)
        assert member.federation.pid is not None
        pids.append(member.federation.pid)
    until(lambda: all("waiting for the next round" in member.sentence for member in members))
    for pid in pids:
        assert listening(pid) == {"127.0.0.1"}

    # The third is told of its task, and sleeps before it has got it.
    config = {"base": str(base), "rounds": 1, "min-devices": 3, "round-timeout": ROUND_TIMEOUT}
    rounds = group.run(TINY.write() | config, "run.log")
    until(lambda: "Receiving:" in members[2].log(), every=0.001)
    os.killpg(pids[2], signal.SIGSTOP)
    assert rounds.wait(300) == 0, rounds.said()
    assert "Round 1 of 1: 2 of 3 devices" in rounds.said(), told(rounds, members)
    assert "no answer in time" in rounds.said()
    assert members[2].history.rounds(members[2].federation.id) == []
    assert Adapters(members[2].store, members[2].folder).all() == []

    # It answers in the next round, and what that one asks.
    os.killpg(pids[2], signal.SIGCONT)
    until(lambda: "is training" not in members[2].sentence)
    until(lambda: "waiting for the next round" in members[2].sentence)
    config["round-timeout"] = 400.0
    rounds = group.run(TINY.write() | config, "next.log")
    assert rounds.wait(450) == 0, rounds.said()
    assert "Round 1 of 1: 3 of 3 devices" in rounds.said(), told(rounds, members)
    assert members[2].federation.pid == pids[2]

    for member, rank in zip(members, RANKS, strict=True):
        report = member.history.rounds(member.federation.id)[-1]
        (line,) = report.clients
        assert line.rank == rank
        assert line.loss_expert is not None
        # Mostly one: the seeds of the devices come of Flower's random numbers, and now and then
        # two of three updates are so much alike that they count as a cluster. An expert has the
        # largest rank of its cluster's members, of which each device gets at most its own: alone
        # in a cluster, the device of rank 2 leaves one of rank 2 to the device of rank 4 as well.
        ranks = {cluster.label: min(cluster.rank, rank) for cluster in report.clusters}
        experts = Adapters(member.store, member.folder).all("expert")
        assert len(experts) == len(ranks) <= 2
        assert ranks[line.cluster] == rank
        for expert in experts:
            factors, alpha = read_gguf(expert.gguf, read_architecture(base))
            expected = ranks[expert.name.removeprefix("Expert ")]
            assert {a.shape[0] for a, _ in factors.values()} == {expected}
            assert alpha == expected == expert.rank
        placed = experts_in_use(member.store, member.settings.base_sha256)
        assert 1 <= len(placed) <= len(experts)
        assert any(len(each.samples) > 0 for each in placed)
        leftovers = [path for path in (member.folder / "flower").iterdir() if path.is_dir()]
        assert not [path for path in leftovers if path.name.startswith("expert-")]
    # The host's bundle of code was never unpacked here: a device runs its own.
    assert not (members[0].folder / "flower" / "apps").exists()

    os.killpg(pids[2], signal.SIGKILL)
    until(lambda: "unexpectedly" in members[2].sentence)
    group.end()
    until(lambda: "cannot be reached" in members[0].sentence)
    members[0].store.create_conversation("The app goes on")

    members[0].membership.leave()
    assert members[0].membership.current() is not None
    assert members[0].federation.status == "left"
    assert not psutil.pid_exists(pids[0])
    members[1].membership.close()
    assert members[1].federation.status == "running"
    resumed = members[1].membership.resume()
    assert resumed is not None
    assert resumed.id == members[1].federation.id


@pytest.mark.timeout(900)
def test_a_server_killed_in_mid_round_takes_up_again_with_the_same_members(
    group: Group, members: list[Member], base: Path
) -> None:
    until(lambda: "startup complete" in group.superlink.said())
    members = members[:2]
    assert [group.admit(member).wait(150) for member in members] == [0, 0]
    for member in members:
        member.membership.join(member.settings)
    until(lambda: all("waiting for the next round" in member.sentence for member in members))
    slow = members[1].federation.pid
    assert slow is not None
    # A SuperNode that ends once it was let in is started anew, in the same process.
    (supernode,) = psutil.Process(slow).children()
    supernode.terminate()
    until(lambda: "broke off" in members[1].sentence)
    until(lambda: "waiting for the next round" in members[1].sentence)
    assert members[1].federation.pid == slow
    assert psutil.Process(slow).nice() == 10
    # Whoever leaves takes leave, and is let in again at once.
    began = time.monotonic()
    members[0].membership.leave()
    took_leave = time.monotonic() - began < SHUTDOWN_SECONDS  # else it was ended before it could
    members[0].membership.join(members[0].settings)
    until(lambda: members[0].sentence != "Connecting to the group.")
    assert "waiting for the next round" in members[0].sentence or not took_leave
    until(lambda: "waiting for the next round" in members[0].sentence)
    # The second does not answer, so the round is under way for as long as it takes.
    os.killpg(slow, signal.SIGSTOP)
    config = {"base": str(base), "rounds": 1, "min-devices": 2, "round-timeout": 400.0}
    broken = group.run(TINY.write() | config, "broken.log")
    until(lambda: "is training" in members[0].sentence)
    group.end()
    os.killpg(slow, signal.SIGCONT)
    until(lambda: all("cannot be reached" in member.sentence for member in members))
    broken.kill()
    for member in members:
        assert Adapters(member.store, member.folder).all() == []
        member.store.create_conversation("The app goes on")

    # Nobody joins or is admitted again.
    until(lambda: "startup complete" in group.superlink.said())
    # A device that has often knocked in vain knocks ever less often.
    until(lambda: not any("cannot be reached" in member.sentence for member in members))
    # And one whose task of the first round is still to be had is busy with it before the second.
    rounds = group.run(TINY.write() | config, "run.log")
    assert rounds.wait(450) == 0, rounds.said()
    assert "Round 1 of 1: 2 of 2 devices" in rounds.said(), told(rounds, members)
    # A host that asks for more than the members do for a group is told so, and so are they.
    asked = {"local-epochs": 5000, "learning-rate": 1.0}
    greedy = group.run(TINY.write() | config | asked, "greedy.log")
    assert greedy.wait(450) == 0, greedy.said()
    assert "0 of 2 devices" in greedy.said(), told(greedy, members)
    assert "asks for epochs 5000" in greedy.said()
    for member in members:
        until(lambda member=member: "waiting for the next round" in member.sentence)  # type: ignore[misc]
        assert "this device takes part with at most 5 epochs a round" in member.sentence
        assert "asks for epochs 5000" in member.log()
    for member in members:
        assert len(Adapters(member.store, member.folder).all("expert")) == 1
        member.membership.leave()
        assert member.federation.status == "left"


def test_a_device_that_was_not_admitted_is_told_so(group: Group, members: list[Member]) -> None:
    until(lambda: "startup complete" in group.superlink.said())
    member = members[0]
    member.membership.join(member.settings)
    until(lambda: member.federation.status == "failed")
    assert "did not let this device in" in member.sentence


def test_nobody_joins_without_a_chat_that_may_be_shared(members: list[Member]) -> None:
    member = members[0]
    for given, reason in (
        (Consent(train=True, federate=False), "No conversation may be used for a group"),
        (Consent(train=None, federate=True), "No conversation may train"),
    ):
        give_consent(member.store, given)
        with pytest.raises(FederationError, match=reason):
            member.membership.join(member.settings)
    for chat in member.store.conversations():
        member.store.delete_conversation(chat.id)
    with pytest.raises(FederationError, match="There is no conversation yet"):
        member.membership.join(member.settings)
    assert member.membership.current() is None


def test_a_wrong_address_or_certificate_is_refused_with_a_sentence(
    tmp_path: Path, members: list[Member]
) -> None:
    for address in ("", "somewhere", "https://here:8000", "here:0", "here:99999", "a b:1"):
        with pytest.raises(FederationError, match="host and a port"):
            check_address(address)
    check_address("group.example:8000")
    check_address("[::1]:8000")
    with pytest.raises(FederationError, match="cannot be read"):
        check_certificate(tmp_path / "none.crt")
    wrong = tmp_path / "wrong.crt"
    wrong.write_text("no certificate")
    with pytest.raises(FederationError, match="no certificate"):
        members[0].membership.join(replace(members[0].settings, certificate=str(wrong)))


def test_the_key_of_a_device_stays_and_is_its_own(tmp_path: Path) -> None:
    path, public = device_key(tmp_path / "flower")
    assert device_key(tmp_path / "flower") == (path, public)
    assert public.startswith("ecdsa-sha2-nistp256 ")
    assert path.stat().st_mode & 0o077 == 0


def test_certificates_are_made_once(tmp_path: Path) -> None:
    prepare(tmp_path, "group.example")
    check_certificate(tmp_path / "host" / "ca.crt")
    assert (tmp_path / "host" / "server.key").stat().st_mode & 0o077 == 0
    with pytest.raises(FederationError, match="already"):
        prepare(tmp_path, "group.example")
    with pytest.raises(FederationError, match="neither"):
        prepare(tmp_path / "other", "no such näme")
