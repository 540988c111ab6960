from floe.federation.app.round_report import ClientLine, ClusterLine, RoundReport
from floe.federation.group.history import Federation
from floe.ui.federate.rounds import rounds_value

GROUP = Federation(1, 0.0, None, "simulated", "running", {}, "Round 2 of 5.", None)


def report(number: int, labels: str, dropped: str = "") -> RoundReport:
    clients = tuple(
        ClientLine(f"c{i}", f"device {i}", 4, label, bytes_in=600_000, bytes_out=1_500_000)
        for i, label in enumerate(labels)
    )
    if dropped:
        clients = (*clients, ClientLine("bad", "device 9", 4, "", dropped=dropped))
    clusters = tuple(
        ClusterLine(label, (f"c{i}",), 4, 2.0 + i - number / 10) for i, label in enumerate(labels)
    )
    return RoundReport(number, 5, 0.0, 2.0, clients, clusters, positions=(("c0", 0.0, 1.0),))


def test_a_cluster_keeps_its_curve_when_another_appears_before_it() -> None:
    value = rounds_value("Rounds", GROUP, [report(1, "B"), report(2, "AB")])
    assert [(each["name"], each["points"]) for each in value["series"]] == [
        ("B", [[1.0, 1.9], [2.0, 2.8]]),
        ("A", [[2.0, 1.8]]),
    ]
    assert value["positions"] == [
        {"x": 0.0, "y": 1.0, "name": "device 0", "cluster": "A", "group": 1}
    ]


def test_who_was_left_out_is_told_with_the_reason() -> None:
    value = rounds_value("Rounds", GROUP, [report(1, "AB", "its update holds no numbers")])
    assert "device 9: its update holds no numbers" in value["rounds"][0]
    assert {"name": "bytes from the devices", "value": "1.2 MB", "hint": ""} in value["figures"]
    assert value["running"]


def test_before_the_first_round_there_is_only_a_sentence() -> None:
    value = rounds_value("Rounds", GROUP, [])
    assert (value["series"], value["rounds"], value["figures"]) == ([], [], [])
    assert value["sentence"] == "Round 2 of 5."
