"""Figures over time are those of the answers that were kept."""

from pathlib import Path

from floe.privacy.sent import SentLog
from floe.records import AnswerStats, Mode, Route
from floe.store import Store
from floe.ui.settings.past_figures_view import past_figures


def answered(store: Store, route: Mode, stats: AnswerStats) -> None:
    question = store.add_message(None, None, "user", "Why?")
    answer = store.add_message(
        question.conversation_id, question.id, "assistant", "", route=Route(route, "")
    )
    store.finish_answer(answer.id, content="So.", status="complete", stats=stats, notices=())


def test_each_way_of_answering_has_a_curve_and_each_endpoint_a_line(tmp_path: Path) -> None:
    with Store(tmp_path / "floe.db") as store:
        log = SentLog(store)
        empty = past_figures(store, log)
        assert (empty["answers"], empty["requests"]) == (0, [])
        assert all(plot["series"] == [] for plot in empty["plots"])
        answered(store, "local", AnswerStats(tokens=10, seconds=2.0, first_token_ms=500.0))
        answered(store, "cloud", AnswerStats())  # it stayed empty
        answered(
            store,
            "fused",
            AnswerStats(
                tokens=8,
                seconds=4.0,
                cloud_tokens=6,
                cloud_requests=3,
                cloud_prompt_tokens=30,
                cloud_completion_tokens=12,
            ),
        )
        for model in ("small", "large", "large"):
            log.write("https://example.org/v1", model, "answer", b"{}", None)
        shown = past_figures(store, log)
    curves = {
        plot["name"]: [(each["name"], each["points"]) for each in plot["series"]]
        for plot in shown["plots"]
    }
    assert shown["answers"] == 2
    assert {each["side"] for plot in shown["plots"] for each in plot["series"]} == {"local", "both"}
    assert curves == {
        "Tokens a second": [("This device", [[1.0, 5.0]]), ("Both together", [[2.0, 2.0]])],
        "Time to the first token": [("This device", [[1.0, 0.5]])],
        "Share with the cloud": [("This device", [[1.0, 0.0]]), ("Both together", [[2.0, 75.0]])],
        "Cloud requests": [("This device", [[1.0, 0.0]]), ("Both together", [[2.0, 3.0]])],
        "Cloud tokens": [("This device", [[1.0, 0.0]]), ("Both together", [[2.0, 42.0]])],
    }
    assert shown["requests"] == [
        ("https://example.org/v1", "large", 2, 4),
        ("https://example.org/v1", "small", 1, 2),
    ]
