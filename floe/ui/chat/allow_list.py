"""The elements that a message may consist of: the second wall behind the renderer.

The renderer writes no other element, attribute or class than these, so on its output this
changes nothing. Should it ever be wrong, what it let through ends here: nothing that loads,
submits, runs, or is placed. There is no `href` and no `src`: a link is text that the page asks
about before it opens anything.
"""

import re
from typing import Final
from urllib.parse import urlsplit

import nh3

from floe.ui.chat.highlighting import CLASSES

MAX_ADDRESS: Final = 4_000
"""Characters of a link's address."""

_BAD_IN_ADDRESS: Final = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\\<>\"'`]")

_MATHML_TAGS: Final = (
    "math merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms "
    "mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover menclose"
)
_PROSE_TAGS: Final = (
    "p br hr h3 h4 h5 h6 blockquote ul ol li em strong s code pre a span div figure figcaption "
    "table thead tbody tr th td"
)
MATHML: Final = frozenset(_MATHML_TAGS.split())
TAGS: Final = MATHML.union(_PROSE_TAGS.split())

_FLAGS: Final = ("accent", "accentunder", "displaystyle", "fence", "separator", "stretchy")
_FLAG_VALUES: Final = {name: {"true", "false"} for name in (*_FLAGS, "symmetric", "largeop")}
_MATH_VALUES: Final = _FLAG_VALUES | {
    "form": {"prefix", "infix", "postfix"},
    "scriptlevel": {"0", "1", "2", "+1"},
    "mathvariant": {"normal"},
}
_REGION: Final = {"tabindex": {"0"}, "role": {"region"}}
_DIRECTED: Final = {"dir": {"auto"}}
VALUES: Final[dict[str, dict[str, set[str]]]] = {
    **dict.fromkeys(("p", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "table"), _DIRECTED),
    **dict.fromkeys(MATHML, _MATH_VALUES),
    "math": _MATH_VALUES | {"display": {"block"}},
    "menclose": {"notation": {"box", "updiagonalstrike", "downdiagonalstrike"}},
    "pre": _REGION,
    "div": _REGION,
    "a": {"tabindex": {"0"}, "role": {"link"}},
    "span": {"role": {"img"}},
}
"""Attributes of which only these values are let through."""

CLASS_NAMES: Final[dict[str, set[str]]] = {
    "a": {"link", "image"},
    "div": {"scroll", "formula"},
    "figure": {"code"},
    "pre": {"plain"},
    "li": {"task"},
    "span": {*CLASSES, "control", "box", "done"},
    "th": {"middle", "end"},
    "td": {"middle", "end"},
    "mtd": {"start", "middle", "end"},
}

_CHECKED: Final = {
    ("a", "data-href"),
    ("ol", "start"),
    ("mspace", "width"),
    ("mo", "lspace"),
    ("mo", "rspace"),
    ("mo", "minsize"),
    ("mo", "maxsize"),
    ("mfrac", "linethickness"),
}
_LENGTH: Final = re.compile(r"(\d{0,2}(?:\.\d{1,12})?)(?:em|ex)?")
_LABELLED: Final = ("pre", "div", "span")


def is_safe_address(address: str) -> bool:
    """Return whether an address may be offered: `http`, `https` with a host, `mailto`; short."""
    if len(address) > MAX_ADDRESS or _BAD_IN_ADDRESS.search(address):
        return False
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    if parts.scheme == "mailto":
        return bool(parts.path)
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _check(tag: str, name: str, value: str) -> str | None:
    if (tag, name) not in _CHECKED:
        return value
    if name == "data-href":
        return value if is_safe_address(value) else None
    if name == "start":
        return value if re.fullmatch(r"\d{1,9}", value) else None
    # No formula pushes anything far away, and nothing backwards.
    return value if _LENGTH.fullmatch(value) else None


def _attributes() -> dict[str, set[str]]:
    names: dict[str, set[str]] = {tag: {"aria-label"} for tag in _LABELLED}
    names["span"].add("title")
    for tag, name in _CHECKED:
        names.setdefault(tag, set()).add(name)
    return names


ATTRIBUTES: Final = _attributes()
"""Attributes beside those in `VALUES`, and `class`."""

_CLEANER: Final = nh3.Cleaner(
    tags=set(TAGS),
    attributes=ATTRIBUTES,
    tag_attribute_values=VALUES,
    allowed_classes=CLASS_NAMES,
    attribute_filter=_check,
    clean_content_tags={"script", "style"},
    generic_attribute_prefixes=set(),
    url_schemes=set(),
    link_rel=None,
    strip_comments=True,
)


def clean_html(html: str) -> str:
    """Return `html` without whatever is not on the list."""
    return _CLEANER.clean(html)
