"""Keys, tokens and passwords: the rules of `detect-secrets`, and passwords told in a sentence.

Uses the rules alone, never their `analyze_line`: that would ask the issuer whether a key is real.
"""

import re
from collections.abc import Iterable, Iterator

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector
from detect_secrets.plugins.high_entropy_strings import (
    Base64HighEntropyString,
    HexHighEntropyString,
)
from detect_secrets.plugins.ip_public import IPPublicDetector
from detect_secrets.plugins.keyword import CONFIG_DENYLIST_REGEX_TO_GROUP, KeywordDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector

from floe.privacy.detection.rules import Sign, compiled

_KEY, _PRIVATE, _PASSWORD = "API key", "private key", "password"

_TOLD = compiled(
    r"""
    \b (?: pass \s? word | passwd | pass \s? phrase | pass \s? code | pwd | psw | pw | pass
      | pin (?: \s? code )? | passwort | kennwort | mot \s de \s passe | mdp
      | contrase[ñn]a | senha | wachtwoord | (?: security | access | verification | door | alarm
        | gate | login | auth\w* | 2fa | recovery ) \s codes? | cvv | cvc | otp
      | (?: api | access | secret | auth | bearer | session | refresh | wifi | wi-fi | license
        | licence | product ) [\s_-]? (?: key | token | secret ) | login | credentials | secret
        | token )
    (?: \s (?: for | to | of | on | zu | für | von | pour | de
      | para ) \s (?: [\w.'-]+ \s ){0,4}? (?: [\w.'-]+ (?= \s? [:=] ) )? )? \s*
    (?: \b (?: is | was | are | to | as | ist | lautet | war | est | es | é
      | será ) \s (?: now \s | still \s | jetzt \s )? | [:=]+ ) \s*
    ["'`“‘]? (?P<x> [^\s"'`”’<>]{3,80} )
    """
)
_HYPHENED = compiled(
    r"""
    \b (?: pass \s? word | passwd | pass \s? code | pass \s? phrase | pwd | psw | pw | passwort | kennwort
      | mot \s de \s passe | mdp | contrase[ñn]a | senha | wachtwoord )
    \s ["'`“‘]?
    (?P<x> (?= \S* (?-i: [a-z] ) ) (?= \S* \d ) (?= \S* (?-i: [A-Z] ) | \S* \d \S* \d ) [\w!@\#$%&*+]+ (?: - [\w!@\#$%&*+]+ ){2,} )
    """
)
"""Words and a number with hyphens, straight after the word for it."""
_KEY_BLOCK = compiled(
    r"-----BEGIN\ [A-Z\ ]*PRIVATE\ KEY(?:\ BLOCK)?----- [\s\S]*? (?: -----END[^-\n]*----- | \Z )"
)
_WORDS = re.compile(
    r"(?:(?:on|in|the|a|an|not|no|too|very|my|wrong|incorrect|correct|weak|strong|safe|secure"
    r"|hashed|expired|required|invalid|stored|encrypted|case[- ]sensitive"
    r"|important|missing|needed|used|set|sent|reset|forgotten|lost|known|valid|unknown"
    r"|something|what|how|why|that|this|it|being|changed|default|empty|none|null|true"
    r"|false|still|always|never|only|also|just|to|for|of|and|or|when|where|if|str|string"
    r"|kaputt|falsch|richtig|zu|nicht)\b)",
    re.I,
)
_TOKEN = re.compile(r"[A-Za-z0-9+/_=.\-]{16,}")
_PLACEHOLDER = re.compile(
    r"(?:x{3,}|\*{3,}|\.{3}|<.*>|\$\{?\w+\}?|your[-_ ]?\w*|example|changeme|placeholder"
    r"|os\.environ.*|getenv.*|process\.env.*|input\(.*|None|\w+\(.*)",
    re.I,
)
_DIGEST = re.compile(
    r"\b(?:commit|sha-?\d*|hash|md5|checksum|digest|revision|rev)\b[\s:=\"']*\Z", re.I
)
_CAMEL_OR_PATH = re.compile(r"(?:[A-Za-z]+[-_./])*[A-Za-z]+|[A-Z]?[a-z]+(?:[A-Z][a-z]+)+\d{0,3}")


class Secrets:
    """Line by line, because the rules are written for lines of source code."""

    def __init__(self) -> None:
        classes: Iterable[type[BasePlugin]] = get_mapping_from_secret_type_to_class().values()
        special = (IPPublicDetector, KeywordDetector)
        self._rules: list[BasePlugin] = [
            rule()
            for rule in classes
            if issubclass(rule, RegexBasedDetector) and rule not in special
        ]
        self._keyword = KeywordDetector()
        self._base64 = Base64HighEntropyString(limit=4.0)
        self._hex = HexHighEntropyString(limit=3.0)

    def find(self, text: str) -> Iterator[Sign]:
        """Yield what should open nobody else's door."""
        for kind, start, end in self._found(text):
            yield Sign(start, end, kind, 0.9)

    def _found(self, text: str) -> Iterator[tuple[str, int, int]]:
        offset = 0
        for line in text.splitlines(keepends=True):
            for kind, secret in self._in_line(line):
                start = line.find(secret)
                if start >= 0:
                    yield kind, offset + start, offset + start + len(secret)
            offset += len(line)
        for match in _KEY_BLOCK.finditer(text, timeout=1.0):
            yield _PRIVATE, match.start(), match.end()
        for match in _TOLD.finditer(text, timeout=1.0):
            if _may_be_password(match["x"], match[0]):
                yield _PASSWORD, match.start("x"), match.end("x")
        for match in _HYPHENED.finditer(text, timeout=1.0):
            yield _PASSWORD, match.start("x"), match.end("x")

    def _in_line(self, line: str) -> Iterator[tuple[str, str]]:
        for rule in self._rules:
            kind = _PRIVATE if isinstance(rule, PrivateKeyDetector) else _KEY
            for secret in rule.analyze_string(line):
                yield kind, secret
        for secret in self._keyword.analyze_string(line):
            if not _PLACEHOLDER.fullmatch(secret):
                yield _PASSWORD, secret
        for secret in self._keyword.analyze_string(line, CONFIG_DENYLIST_REGEX_TO_GROUP):
            if " " not in secret.strip() and _looks_random(secret):
                yield _PASSWORD, secret
        for match in _TOKEN.finditer(line):
            if self._is_high_entropy(match[0]) and not _DIGEST.search(line, 0, match.start()):
                yield _KEY, match[0]

    def _is_high_entropy(self, token: str) -> bool:
        """Letters and digits mixed as chance does, not a path, a name, a link or a UUID's kin."""
        token = token.strip(".-_=/")
        digits = sum(map(str.isdigit, token))
        if len(token) < 16 or digits < 2 or digits == len(token) or "//" in token:
            return False
        if _CAMEL_OR_PATH.fullmatch(token) or re.search(r"\.\w{2,4}(?:/|$)", token):
            return False
        if re.fullmatch(r"[0-9a-fA-F]{16,}", token):
            # Digests, commit ids and object ids stand for nobody and open nothing.
            return False
        longest = max(map(len, re.split(r"[-_./+=]", token)))
        mixed = bool(re.search(r"\d[A-Za-z]+\d|[A-Za-z]\d+[A-Za-z]", token))
        limit = self._base64.entropy_limit if len(token) >= 24 else 3.6
        return longest >= 16 and mixed and self._base64.calculate_shannon_entropy(token) > limit


def _looks_random(secret: str) -> bool:
    return bool(re.search(r"[\d!@#$%^&*]", secret)) and not _PLACEHOLDER.fullmatch(secret)


def _may_be_password(value: str, told: str) -> bool:
    """After a colon or 'is': anything but the next word of a sentence."""
    value = value.rstrip(".,;!?)")
    if len(value) < 3 or _PLACEHOLDER.fullmatch(value) or _WORDS.fullmatch(value):
        return False
    if _looks_random(value):
        return True
    quoted = bool(re.search(r"[\"'`“‘]\S+\Z", told))
    named = bool(re.match(r"pass|pwd|psw|pw|kennwort|mot|mdp|contra|senha|wacht", told, re.I))
    return named and (quoted or not value.islower() or ":" in told or "=" in told)
