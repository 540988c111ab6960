"""Signs that a text is of the world and of nobody's life: general questions, exercises, history.

By words alone; whatever speaks of the speaker, of kin or of something hidden is none of them. Knows
neither the classifier nor what follows.
"""

from typing import Final

import regex

_TIMEOUT: Final = 1.0
ME: Final = regex.compile(
    r"\b(?:tell|give|show|write|list|provide|help|find|get|build|make|teach|explain to|recommend|suggest) (?:me|us)\b|\b(?:can|could|do|should|may|would) i\b|\bhow (?:do|can|should|would) i\b|\bi (?:want|need|would like|'d like) (?:you )?to\b",
    regex.I,
)
"""What whoever asks says, and nothing of themselves."""
_TEXT: Final = """
    a about after again all already also always am an and another any anymore anything are as asked at
    be because been before being below between both but by came can cannot come could day days did do
    does doing done down each even ever every few find first for from get gets getting give go goes
    going gone good got great had has have having he her here hers him his how if into is it its just
    keep kept know last least left let like long look looks lot made make many may maybe me means might
    more most much must need needs never new next no nobody nor not now of off ok old on once one only
    or other out over own please put quite really said same say says see seem seems she should since so
    some someone something soon still such sure take taking tell than that the their them then there
    these they thing things think this those though three through till time to today told tomorrow too
    took tried try trying turn turned two under until up us use used using very want wants was way week
    weeks well went were what when where whether which while who whom whose why will with without wont
    work working worried worry would write year years yes yesterday yet you your yours
    dont doesnt didnt cant couldnt wouldnt isnt wasnt arent havent hasnt hes shes theyre thats whats
    theres youre
"""
SMALL_WORDS: Final = frozenset(_TEXT.split())
"""Words that stand in any sentence: of no matter by themselves."""
_MATTER: Final = regex.compile(
    r"\b(?:\p{L}{3,}(?:itis|osis|emia|aemia|oma|algia|opathy|phobia|ectomy|plegia|rrhea)|\p{L}{4,}(?:pram|azepam|oxetine|statin|prazole|mycin|cillin|tidine|olol|sartan|parin|mab|tinib|traline|zapine|apine|phine|codone|done)"
    r"|asthma|eczema|cancer|tumou?rs?|chemo|biops\w+|cyst|lump|diabet\w+|insulin|epilep\w+|seizures?|stroke|hiv|aids|herpes|std|sti|hepatitis|lupus|crohns?|celiac|adhd|autis\w+|bipolar|schizo\w+|ptsd|ocd|depress\w+|anxiety|panic|voices|suicid\w+"
    r"|self-?harm\w*|overdos\w+|dose|pills|meds|medication|prescri\w+|therap\w+|psych\w*|rehab|sober|relaps\w*|addict\w*|alcohol\w*|drunk|drinking|cocaine|heroin|meth|weed|fentanyl|vomit\w*|throwing up|bleed\w*|blood|pee|urine|stool|period|pregnan\w*"
    r"|miscarr\w+|abort\w*|ivf|embryos?|fertil\w+|infertil\w+|menopaus\w+|erect\w+|libido|sex|sexual\w*|orgasm|condom|affair|cheat\w*|divorc\w*|separat\w+|custody|mistress|gay|lesbian|bisexual|queer|trans|transgender|asexual|closet\w*|escort|porn\w*"
    r"|pray\w*|allah|jesus|god|church|mosque|synagogue|temple|imam|rabbi|priest|pastor|bapti[sz]\w+|convert\w*|quran|koran|bible|ramadan|sabbath|kosher|halal|hijab|muslim|christian|catholic|jew|jewish|hindu|sikh|buddhist|mormon|atheist|witnesses"
    r"|vot(?:e|ed|ing)|party member|communist|socialist|fascist|campaign|donat\w+|protest\w*|union|activis\w+|visa|asylum|refugee|undocumented|deport\w*|overstay\w*|immigra\w+|citizenship|green card|papers|border"
    r"|arrest\w*|jail|prison|probation|parole|convict\w*|charged|court|lawsuit|sue[sd]?|suing|police|stole|steal\w*|shoplift\w*|fraud|assault\w*|rap(?:e|ed|ist)|abus\w+|molest\w*|stalk\w*|harass\w*|restraining|dui|evict\w*|custodial|warrant|bail"
    r"|debts?|owe[sd]?|bankrupt\w*|salary|wages?|income|pension|mortgage|overdraft|savings|gambl\w+|benefits|welfare|taxes|loan|foreclos\w+|unemploy\w+|laid off|lay off|layoffs?|fired|sacked|redundan\w*|merger|acquisition|tender|investors?|revenue|margins?|unannounced|confidential"
    r"|shelter|alone|empty house|adopted|foster|orphan\w*|died|funeral|dying|dementia|alzheimer\w*|hospice|hospital|surgery|surgeon|operation|diagnos\w+|symptoms?|tested positive|positive test|scan|mri|miscarriage|weight|anorexi\w+|bulimi\w+|binge\w*|purg\w+"
    r"|cut myself|cutting myself|sle(?:ep|pt|eping) with|for money|cd4|psa|a1c|hba1c|tsh|bmi|cholesterol|glucose|blood pressure|viral load|cps|social (?:services|workers?)|bailiffs?|hit me|hits me|touched me|beat me|beats me|afraid of|scared of|ashamed|guilty|secretly|nobody knows|never told)\b",
    regex.I,
)
"""Words of a private matter. Where one of them is, the frames around it count as before."""


def names_matter(text: str) -> bool:
    """Return whether a word of health, love, faith, law, money or the like is in an English text."""
    return _MATTER.search(text, timeout=_TIMEOUT) is not None
