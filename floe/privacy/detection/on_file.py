"""What practices, firms, landlords, schools and offices keep of a person, and no book tells.

Fines, debts, wages, custody, wards and the like in the languages of western Europe. Knows words
and names, not the classifier.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import regex

from floe.privacy.detection.fame import is_famous
from floe.privacy.detection.names import Name
from floe.privacy.places import Places

_TIMEOUT: Final = 1.0
_ENGLISH: Final = (
    r"sick (?:days?|notes?|pay|leave)|(?:which|what|whose) ward (?:is|was|did)|on (?:which|what) ward|medications?|meds|prescri(?:bed|ptions?)|dosages?|allerg(?:y|ic|ies)|blood (?:type|group|pressure|sugar|work|count)|hba1c|cholesterol|x-?rays?|mri|vaccinat(?:ed|ions?)|discharged|next of kin|emergency contact|(?:maternity|paternity|parental|annual|unpaid|compassionate) leave|dialysis|chemo\w*"
    r"|(?:which|what) (?:clinic|hospital|hospice|care home|nursing home|rehab|prison|jail|refuge|school|nursery|class|flat|shift) (?:is|are|does|do)|(?:drug|paternity|pregnancy) test"
    r"|who (?:looks? after|cares? for|pays? for)|salaries|wages|pay ?(?:slips?|checks?|roll|rise)|bonus(?:es)?|overtime|absences|absent (?:on|since|today|for)|attendance record|appraisals?|performance reviews?|disciplinary|probation\w*|notice period|personnel file|time ?sheets?|redundan(?:t|cy)|references? check"
    r"|debts?|arrears|overdue|invoices?|outstanding (?:balance|amount|payments?)|mortgages?|overdrafts?|credit (?:score|card|limit|rating)|bank (?:accounts?|details)|(?:which|what) bank|tax returns?|behind on|(?:owes?|pays?|paid|refund\w*|returned) (?:[\p{Ll}]+ ){0,2}(?:deposits?|rent|bills?|fees?|fines?|invoices?)|tenan(?:ts?|cy)"
    r"|(?:parking |speeding |library )?fines|parking tickets?|penalty points|child support|alimony|court dates?|out on bail|(?:arrest )?warrant (?:out )?for"
    r"|custody|parole|restraining order|criminal records?|(?:which|what) (?:lawyer|solicitor|attorney|judge|social worker|therapist|gp|midwife)|insurance (?:claim|number|policy)|visas?|residence permit|work permit|passport number|asylum (?:claim|application|case)|report cards?|detention|exam marks|school bus|special needs"
    r"|how much (?:does|did|do|is|will) [^?.!\n]{3,40} (?:earn|owe|owed|make|weigh|pay|paying|drink|paid)|(?:tell|told|said|say|spoke|talk(?:ed)?) (?:to )?the police|where [^?.!\n]{3,30} (?:works|lives|parks|studies)|will [^?.!\n]{3,40} be in (?:prison|jail)|insolven(?:t|cy)|bankruptcy|complaints? (?:against|about)"
    r"|(?:which|who|one|two|some|any|all|none|each) of (?:my|our) (?:pupils|students|patients|clients|tenants|employees|staff|residents|trainees|interns|colleagues|neighbou?rs|players)"
)
_GERMAN: Final = (
    r"schulden|schuldet|bußgelder?|strafzettel|mahnungen|abmahnung(?:en)?|fehltage|krank(?:geschrieben|gemeldet|meldung(?:en)?)|gehalt|lohn|verdient|unterhalt|sorgerecht|vorbestraft|vorstrafen|miet(?:e|schulden|rückstände?)|rechnung(?:en)?|medikamente?|blutwerte|klinik|krankenhaus"
    r"|psychiater\w*|therapeut(?:en|in)?|schulnoten|aufenthaltstitel|asylantrag|bewährung|gefängnis|in haft|insolvent|insolvenz\w*|gepfändet|kontostand|schwanger|welche schule besucht"
)
_FRENCH: Final = r"dettes?|amendes?|arriérés|loyer|salaire|combien (?:gagne|doit|touche|paie)|arrêt maladie|jours d'absence|avertissements|médicaments|hospitalisée?|quelle clinique|à la clinique|hôpital|garde (?:des|de ses|de leurs) enfants|pension alimentaire|casier judiciaire|en prison|impayée?s?|bulletin scolaire|titre de séjour|enceinte"
_SPANISH: Final = r"multas?|deudas?|sueldo|salario|cuánto (?:gana|debe|cobra|paga)|alquiler|de baja|medicación|medicamentos|qué hospital|hospitalizad[oa]|ingresad[oa]|clínica|custodia|pensión alimenticia|antecedentes penales|cárcel|embarazada"
_DUTCH: Final = r"schulden|boetes?|salaris|(?:het|zijn|haar) loon|hoeveel (?:verdient|betaalt|krijgt)|huur|ziek(?:gemeld|teverlof)|medicijnen|medicatie|ziekenhuis|kliniek|voogdij|alimentatie|strafblad|gevangenis|zwanger"
_NORDIC: Final = r"gæld|skylder|bøder|hvor meget (?:tjener|skylder|betaler|får)|husleje|sygemeldt|sygefravær|medicin|hvilket hospital|indlagt|forældremyndighed\w*|børnebidrag|straffeattest|fængsel|gravid|gjeld|bøter|hvor mye (?:tjener|skylder)|husleie|sykmeldt|fengsel|hur mycket (?:tjänar|skyldar)|hyra|sjukskriven|vårdnad\w*|fängelse"
_ITALIAN: Final = r"debiti|multe|stipendio|quanto (?:guadagna|deve|paga)|affitto|in malattia|farmaci|ospedale|clinica|affidamento|incinta|carcere"
_PORTUGUESE: Final = (
    r"dívidas|salário|quanto (?:ganha|deve|paga)|aluguel|que hospital|remédios|grávida"
)
_MOVED: Final = (
    r"(?:wo (?:wohnt|lebt|arbeitet)|où (?:habite|vit|travaille)|dónde (?:vive|trabaja)|waar (?:woont|werkt)|hvor (?:bor|arbejder|jobber)|var (?:bor|jobbar)|dove (?:abita|vive|lavora)|onde (?:mora|trabalha)|where (?:does|do))"
    r"(?=[^?\n]{3,40}\b(?:jetzt|inzwischen|maintenant|ahora|nu|nå|adesso|ora|agora|now|these days)\b)"
)
"""Where somebody is to be found at present. No word above is an English one, too."""
_ON_FILE: Final = regex.compile(
    rf"\b(?:{_ENGLISH}|{_GERMAN}|{_FRENCH}|{_SPANISH}|{_DUTCH}|{_NORDIC}|{_ITALIAN}|{_PORTUGUESE}|{_MOVED})(?!\w)",
    regex.I,
)
_PRIVATELY: Final = regex.compile(
    r"'s (?:(?:new|first|last|home|private) )?(?:baby|babies|(?:phone |mobile |cell )?number|home address|address|salary|wages|diagnosis|biopsy|test results|drinking|password|pin|divorce|affair|bruises|rent|sick leave|criminal record|medication|surgery|pregnancy|ex|school|shift|performance)\b"
    r"|\s(?:live|work|park|hang out|go to school|get out of (?:prison|jail|hospital|rehab)|get off work|come out of (?:prison|jail|hospital|rehab))\b(?=[^.!\n]{0,20}\?)"
)
"""What is asked of those whom one knows, right after their name."""
_LIVES: Final = regex.compile(
    r"(?:wo (?:wohnt|lebt|arbeitet)|où (?:habite|vit|travaille)|dónde (?:vive|trabaja)|waar (?:woont|werkt)|hvor (?:bor|arbejder)|var (?:bor|jobbar)|dove (?:abita|vive|lavora)|onde (?:mora|vive|trabalha)|gdzie (?:mieszka|pracuje))\s\Z",
    regex.I,
)
"""Before a name: where somebody is to be found, in other languages than English."""
_BESIDE: Final = 80
"""Characters between a person and what is kept of them, at most."""
_SAMPLE: Final = regex.compile(r"\b(?:example|sample|dummy|template|fake|made-up)\b", regex.I)
_NOW: Final = regex.compile(r"\b(?:where|when|which \p{Ll}+) (?:do|does|will|is|can) \Z", regex.I)


def _find_on_file(text: str) -> Iterator[tuple[int, int]]:
    """Yield where a text speaks of what is on somebody's file; raises TimeoutError."""
    for found in _ON_FILE.finditer(text, timeout=_TIMEOUT):
        yield found.span()


def asks_after_somebody(text: str, names: Sequence[Name]) -> bool:
    """Return whether something private is asked of a person who is not public, by name."""
    found_on_file = [] if _SAMPLE.search(text) else _find_on_file(text)
    on_file = Places((start - _BESIDE, end + _BESIDE) for start, end in found_on_file)
    for name in names:
        if name.form not in ("full", "given") or is_famous(text[name.start : name.end]):
            continue
        if on_file.touch(name.start, name.end):
            return True
        if name.form == "full" and _LIVES.search(text[max(0, name.start - 30) : name.start]):
            return True
        found = _PRIVATELY.match(text, name.end)
        if found is None:
            continue
        if found[0].startswith("'s") or _NOW.search(text[max(0, name.start - 30) : name.start]):
            return True
    return False
