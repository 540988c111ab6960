"""Which record each drawn part takes, which events it triggers and which functions it may call.

`floe.NAME` in the scripts draws the part of that name. `records.d.ts`, which the scripts are
checked against, is made from this table; a test holds the page as it is laid out against it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from floe.kept_records import RowId
from floe.ui import page_events as events
from floe.ui import page_values as values
from floe.ui.chat.comparison import ComparisonValue
from floe.ui.chat.thread import Frame, ThreadRows, ThreadWindow
from floe.ui.models.models_values import ModelChipValue, ModelsValue


@dataclass(frozen=True, slots=True)
class DrawnPart:
    """The border of one part.

    Attributes:
        value: type of what Python sends.
        events: record that comes with each event; None: the event alone.
        server: argument and answer of each function that the browser calls by itself.
    """

    value: Any = None
    events: Mapping[str, Any] = field(default_factory=dict)
    server: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)


DRAWN_PARTS: Final[dict[str, DrawnPart]] = {
    "views": DrawnPart(events={"go": events.ViewAsked}),
    "save": DrawnPart(str),
    "noticed": DrawnPart(int, {"follow": None}),
    "notice": DrawnPart(str),
    "conversations": DrawnPart(
        values.ConversationListValue,
        {
            "new": None,
            "open": events.PlaceAsked,
            "rename": events.TitleAsked,
            "delete": events.ItemsAsked,
            "mark": events.MarkAsked,
            "move": events.MoveAsked,
        },
        {
            "search": (events.ShortText, values.SearchValue),
            "chats": (events.ListLength, values.ConversationListValue),
        },
    ),
    "undo": DrawnPart(values.UndoValue, {"undo": events.ItemAsked}),
    "cloud": DrawnPart(values.CloudValue),
    "figures": DrawnPart(list[values.FigureValue]),
    "about": DrawnPart(
        values.AboutValue,
        {
            "keep": events.SwitchAsked,
            "allow": events.ConsentAsked,
            "export": events.ChatFileAsked,
        },
    ),
    "thread": DrawnPart(
        ThreadRows,
        {
            "edit": events.TextAsked,
            "regenerate": events.ItemAsked,
            "resume": events.ItemAsked,
            "take": events.AlternativeAsked,
            "branch": events.ItemAsked,
            "release": events.ItemAsked,
            "confirm": events.ItemAsked,
            "rate": events.RatingAsked,
            "rewrite": events.TextAsked,
            "forget": events.ItemAsked,
            "remove": events.ItemAsked,
            "compare": events.ItemAsked,
        },
        {
            "memory": (RowId, list[values.MemoryUseValue]),
            "tokens": (events.TokensAsked, values.TokenPage),
            "text": (RowId, str),
            "window": (events.ThreadAsked, ThreadWindow),
        },
    ),
    "live": DrawnPart(Frame),
    "comparison": DrawnPart(ComparisonValue, {"choose": events.ItemAsked, "close": None}),
    "drafts": DrawnPart(values.SavedDraftValue, {"keep": events.DraftAsked}),
    "compare": DrawnPart(events={"ask": events.ComparedAsked}),
    "attach": DrawnPart(
        values.WaitingFilesValue, {"read": events.AttachAsked, "drop": events.ItemAsked}
    ),
    "context": DrawnPart(values.ContextValue),
    "auto": DrawnPart(values.AutoWeightValue, {"set": events.SwitchAsked}),
    "advanced": DrawnPart(
        values.AdvancedValue,
        {
            "set": events.SamplingAsked,
            "reset": events.ScopeAsked,
            "tell": events.SystemPromptAsked,
            "save": events.PresetAsked,
            "drop": events.PresetNameAsked,
        },
    ),
    "panelHead": DrawnPart(),
    "hint": DrawnPart(values.HintValue),
    "where": DrawnPart(str),
    "trial": DrawnPart(values.EndpointTestValue),
    "inUse": DrawnPart(values.CloudInUseValue),
    "modelChip": DrawnPart(ModelChipValue),
    "models": DrawnPart(
        ModelsValue,
        {
            "use": events.ModelAsked,
            "fetch": events.ModelAsked,
            "pause": None,
            "resume": None,
            "cancel": None,
            "drop": events.ModelAsked,
            "search": events.ModelAsked,
        },
    ),
    "privacyRules": DrawnPart(values.PrivacyRulesValue, {"set": events.PrivacyAsked}),
    "memory": DrawnPart(
        values.MemoryValue,
        {
            "switch": events.SwitchAsked,
            "notes": events.NotesAsked,
            "folder": events.FolderAsked,
            "read": None,
        },
    ),
    "consent": DrawnPart(values.ConsentValue, {"allow": events.ConsentAsked}),
    "sentLog": DrawnPart(
        values.SentClearedValue,
        {"clear": None, "export": events.QueryAsked},
        {"sent": (events.SentAsked, values.SentPage), "body": (RowId, str)},
    ),
    "ownData": DrawnPart(
        values.OwnDataValue,
        {
            "backup": None,
            "restore": events.BackupAsked,
            "drop": None,
            "encrypt": events.EncryptionAsked,
            "decrypt": None,
            "erase": None,
        },
    ),
    "appearance": DrawnPart(events={"again": None}),
    "api": DrawnPart(
        values.ApiValue,
        {"switch": events.SwitchAsked, "renew": None},
        {"key": (events.ShortText, str)},
    ),
    "pastFigures": DrawnPart(values.PastFiguresValue),
    "licences": DrawnPart(values.LicencesValue),
    "firstRun": DrawnPart(values.FirstRunValue, {"done": None}),
    "learning": DrawnPart(
        values.LearningValue,
        {
            "allow": events.ConsentAsked,
            "choose": events.ItemSwitchAsked,
            "leave": events.RowAsked,
            "privately": events.SwitchAsked,
            "bring": events.FileAsked,
            "undo": events.ImportAsked,
            "swap": events.ItemAsked,
            "example": events.ExampleAsked,
            "export": None,
        },
        {"rows": (RowId, list[values.LearningAnswerValue])},
    ),
    "plan": DrawnPart(
        values.PlanValue,
        {"limit": events.LimitAsked, "begin": None, "allow": events.ConsentAsked},
    ),
    "run": DrawnPart(
        values.RunValue | values.NoRunValue,
        {"cancel": None, "resume": None, "compare": events.QuestionAsked},
    ),
    "ownWeight": DrawnPart(values.OwnWeightValue, {"set": events.SwitchAsked, "fit": None}),
    "adapters": DrawnPart(
        values.AdapterListValue,
        {
            "bring": events.AdapterPathAsked,
            "rename": events.NameAsked,
            "switch": events.ItemSwitchAsked,
            "strengthen": events.ScaleAsked,
            "export": events.KindAsked,
            "delete": events.ItemAsked,
        },
    ),
    "group": DrawnPart(
        values.GroupValue,
        {"allow": events.ConsentAsked, "join": events.GroupAsked, "leave": None},
    ),
    "rounds": DrawnPart(values.RoundsValue),
    "simulation": DrawnPart(values.SimulationValue, {"start": None, "stop": None}),
    "experts": DrawnPart(values.ExpertListValue, {"switch": events.ItemSwitchAsked}),
}
