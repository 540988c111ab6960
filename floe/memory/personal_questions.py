"""Questions that nobody can answer but by what the person has told: "Which newspaper do I read?".

Knows strings alone. Narrower than `question_forms.asks_for_told_fact`, since the program answers
these itself where nothing was told: what one does in general ("When do I prune my roses?"), what
everybody knows ("What is our sun made of?") and what is to be done are left to a model.
"""

import re
from typing import Final

from floe.memory.question_forms import (
    asks_for_told_fact,
    language_of_question,
    without_reminder,
)

_PEOPLE: Final = (
    r"(?:mothers?|mum|mom|fathers?|dad|parents|step\w+|grand\w+|sisters?|brothers?|siblings|twins?"
    r"|sons?|daughters?|kids|children|aunts?|uncles?|cousins?|niece|nephew|wife|husband|partner"
    r"|fianc\w+|girlfriend|boyfriend|god\w+|friends?|penfriend|neighbou?rs?|boss|colleagues?"
    r"|flatmates?|roommate|lodger|landlord|landlady|teacher|team|class|choir|band|club|family)"
)
_OURS: Final = (
    rf"(?:{_PEOPLE}|dogs?|cats?|pets?|puppy|kitten|rabbit|hamster|parrot|goldfish|tortoise|hens?|horses?|pony"
    r"|house|flat|home|garden|kitchen|bathroom|car|boat|cabin|caravan|campervan|sofa|heating|wifi"
    r"|internet|rent|mortgage|insurance|alarm|garage|wedding|silver|anniversary|honeymoon|holidays?"
    r"|vacation|trip|cleaner|plumber|dentist|doctor|vet|accountant|lawyer|babysitter)"
)
_ENGLISH: Final = re.compile(
    r"\W*(?:(?:and|so|on|in|at|by|of|since|until|from|for|to|with)\s+)*(?:"
    # What is my …, which size are my …, what is the name of our …, what is my … called
    r"(?:who|whose|what|when|where|(?:which|whose|what)\s+\w+|how\s+(?:old|long|tall|big|much))"
    r"(?:\s+(?:is|are|was|were)|['\u2019]s)"
    r"\s+(?:the\s+(?:names?|code|number|password|colou?r|address|age|breed|price|date)\s+of\s+)?"
    rf"(?:my\s+[\w'\u2019-]+|our\s+{_OURS}\b)(?:['\u2019]s)?"
    r"(?:\s+(?!(?:in|on|for|if|when|to|allowed|not)\b)[\w'\u2019-]+){0,2}"
    r"(?:\s+(?:with|at|of)\s+(?:the|my|our)\s+[\w'\u2019-]+)?(?:\s+(?:in|at|with|from))?"
    r"|how\s+(?:tall|old|heavy)\s+am\s+i"
    r"|(?:what|which\s+\w+|who)\s+am\s+i\s+(?:allergic|afraid|scared|called|studying|learning"
    r"|reading|married|saving)(?:\s+(?:to|of|for))?"
    # Where does my brother work, when does my contract end
    r"|(?:what|when|where|who|(?:which|whose|what)\s+\w+|how\s+(?:old|long|tall|often|many\s+\w+))"
    rf"\s+(?:do|does|did|has)\s+(?:my|our)\s+{_PEOPLE}(?:['\u2019]s\s+\w+)?\s"
    r"(?!have\s+to\b)[^?,]*"
    r"|(?:when|how\s+much|which\s+day)\s+(?:do|does|did)\s+my\s+\w+(?:\s+\w+)?\s+(?:cost"
    r"|expire|end|start|begin|leave|arrive|run\s+out|finish|come)"
    # Where did I go to school, which newspaper do I read, where was I born
    r"|(?:who|what|when|where|(?:which|whose|what)\s+\w+|how\s+(?:much|long|old|often|many\s+\w+))"
    r"\s+(?:did|was)\s+i\s+(?!(?:do|just|say|ask|tell|mention|write|type|mean|deserve|get)\b)"
    r"[^?,]*"
    r"|(?:when|where|who|what|(?:which|whose|what)\s+\w+|how\s+(?:much|many\s+\w+))\s+did\s+we\s+"
    r"(?:buy|paint|plant|pay|meet|marry|get\s+married|move|order|book|rent|sell|hire|name|choose)"
    r"(?:\s+(?-i:[a-z])\w*)*"
    r"|(?:who|what|where|(?:which|whose|what)\s+\w+(?:\s+\w+)?|how\s+(?:much|many\s+\w+))\s+do\s+"
    r"(?:i\s+(?:(?:usually|still|always)\s+)?(?:live|work|like|love|prefer|drive|wear|teach|play"
    r"|sing|speak|hate|dislike|read|listen|watch|subscribe|support|earn|study|own|collect|sleep"
    r"|sit|share|owe|bank|train|swim|weigh|keep|have"
    r"|pay\s+for\s+my)|we\s+(?:live|own|have(?=\s*\W*$)))"
    r"(?:\s+(?!(?:a|an|if|when|so)\b)(?-i:[a-z])\w*){0,4}"
    rf"|who\s+\w+s\s+(?:my\s+\w+|our\s+{_PEOPLE})"
    r")\s*[?.!]*\s*",
    re.IGNORECASE,
)
"""Asks for a fact of the person's life, and not for what is to be done or what is known."""
_KNOWN_OTHERWISE: Final = re.compile(
    r"\d|favou?rite\b.*\b(?:born|died?|made|released|live|married)|years\s*\W*$"
    r"|\b(?:why|about|normal|average|typical|teeth|made|in\s+\w+\s+years|generations?"
    r"|mean(?:s|ing)?|wrong|supposed|need|best|better|good|worth|tax(?:es)?|happen\w*"
    r"|chances|odds|doing|looking|seeing|missing|thinks?|thinking|trying|become|next step|humans?"
    r"|people|calories|nearest|closest|able to|dream(?:s|ing)?|lifespan|pressure|valid|vaccin\w*"
    r"|invented|discovered|founded|released|reset|how do i|made of|written|planet|continent|century"
    r"|who am i|what am i|where am i)\b(?!\s+(?:afraid|allergic|called|studying|learning|named"
    r"|scared|insured))|\b(?:does|do|did)\s+(?:my|our)\s+(?:favou?rite|baby|toddler|dogs?|cats?"
    r"|puppy|kitten|food"
    r"|plants?|hair|nails?|eyes?|back|head)\b"
    r"|\b(?:my|our)\s+(?:(?:own|first|last|next|present|current)\s+)?(?:planet|sun|moon|stars?"
    r"|galaxy|universe|solar|earth|world|climate|weather|country|nation|national|president|prime"
    r"|king|queen|government|constitution|species|ancestors|atmosphere|oceans?|society|economy"
    r"|language|time|era|ip|browser|cache|clipboard|downloads?|screen|desktop|terminal|keyboard"
    r"|mouse|cursor|cpu|gpu|ram|disk|hard|server|database|code|script|function|program|app|query"
    r"|loop|array|variable|list|string|files?|repo\w*|branch|commit|build|docker|container|essay"
    r"|text|sentence|paragraph|argument|equation|answer|question|choices?|ideas?|horoscope|bmi"
    r"|thyroid|pancreas|bladder|tonsils|ribs?|spine|muscles?|nerves?|liver|kidneys?|spleen|appendix"
    r"|hearts?|lungs?|brains?|stomach|blood|bones?|skin|body"
    r"|bodies|mind|soul|lives|life|purpose|destiny|problem|options?|rights|mistakes?|errors?|bug"
    r"|nearest|closest|best)\b(?!\s+(?:group|teacher|class|course|friend|man|partner|insurance|sign"
    r"|type))",
    re.IGNORECASE,
)
"""Known to everybody, to the device, or to nobody."""
_ELSEWHERE: Final = {
    "de": r"(?:wie\s+(?:heiß(?:t|en)|hieß|alt\s+(?:ist|sind|war))|wer\s+(?:ist|sind|war)"
    r"|wann\s+(?:ist|hat|war|wurde)|wo\s+(?:wohnt|arbeitet|lebt)|woher\s+kommt"
    r"|welche\w*\s+\w+\s+(?:hat|spielt|mag))\s+(?:mein|unser)\w*\s+\w+(?:\s+\w+)?"
    r"|(?:was\s+(?:vertrage|mag)|wo\s+(?:wohne|arbeite)|wie\s+(?:alt|groß)\s+bin)\s+ich"
    r"(?:\s+nicht)?",
    "fr": r"(?:comment\s+s.appelle(?:nt)?|qu(?:i|and)\s+est|où\s+(?:habite|travaille|vit)"
    r"|où\s+est\s+née?|quel\s+âge\s+a|de\s+quelle\s+couleur\s+est)\s+(?:mon|ma|mes|notre|nos)"
    r"\s+\w+(?:\s+\w+)?",
    "es": r"(?:c[óo]mo\s+se\s+llaman?|qui[ée]n\s+es|cu[áa]ndo\s+(?:es|nació|cumple)"
    r"|d[óo]nde\s+(?:vive|trabaja|nació)|cu[áa]ntos\s+años\s+tiene|de\s+qué\s+color\s+es)"
    r"\s+(?:mi|nuestr[oa])s?\s+\w+(?:\s+\w+)?",
}


def asks_what_is_so(question: str) -> bool:
    """Return whether a question can only be answered by what the person has told of themselves."""
    if not asks_for_told_fact(question):
        return False
    language = language_of_question(question)
    if language:
        form = rf"\W*(?:{_ELSEWHERE[language]})\W*"
        return re.fullmatch(form, question, re.IGNORECASE) is not None
    asked, of_mine = without_reminder(question)
    is_form = of_mine or _ENGLISH.fullmatch(asked) is not None
    return is_form and _KNOWN_OTHERWISE.search(asked) is None
