from pathlib import Path

from floe.chat.drafts import Drafts
from floe.store import Store


def test_a_draft_is_found_again_where_it_was_begun(tmp_path: Path) -> None:
    with Store(tmp_path / "floe.db") as store:
        drafts = Drafts(store)
        drafts.keep(None, "begun in a new one")
        drafts.keep(7, "begun in the seventh")
        assert (drafts.text(None), drafts.text(7), drafts.text(8)) == (
            "begun in a new one",
            "begun in the seventh",
            "",
        )
        assert Drafts(store).text(7) == ""  # keys change memory alone
        drafts.save()
        assert Drafts(store).text(7) == "begun in the seventh"
        drafts.keep(7, "  ")
        drafts.save()
        assert store.setting("drafts", {}) == {"new": "begun in a new one"}


def test_only_the_newest_drafts_are_kept_and_a_broken_setting_is_none(tmp_path: Path) -> None:
    with Store(tmp_path / "floe.db") as store:
        store.set_setting("drafts", {"7": 3})
        drafts = Drafts(store)
        for number in range(1, 302):
            drafts.keep(number, f"draft {number}")
        assert drafts.text(101) == ""
        assert drafts.text(102) == "draft 102"
        drafts.save()
        assert len(store.setting("drafts", {})) == 200
