"""What a person's name is there for: an exercise, a look-up, a work that one reads or hears.

Three questions are asked of a text, by words alone: is it an exercise on a sentence or a case, does
it look something up of which books and screens tell, and does it, what it says of reading and
watching aside, speak of the speaker, of theirs or of these days? Knows neither the classifier nor
the verdict.
"""

from collections.abc import Sequence
from typing import Final

import regex

from floe.privacy.detection.affairs import is_for_work
from floe.privacy.detection.courtesy import core
from floe.privacy.detection.fame import is_famous
from floe.privacy.detection.genres import Genre
from floe.privacy.detection.german import is_german
from floe.privacy.detection.names import Name, is_public
from floe.privacy.detection.nobody import (
    is_brand,
    is_in_office,
    is_nobodys,
    is_of_same_pair,
    is_specimen,
)
from floe.privacy.detection.on_file import find_on_file
from floe.privacy.detection.statements import asks, deals_with_somebody, is_written_to, sets_task
from floe.privacy.detection.ties import has_tie
from floe.privacy.detection.vocabulary import listed
from floe.privacy.detection.world import (
    DRAFTS,
    ENGLISH,
    HIDDEN,
    ME,
    NAMED_SO,
    names_matter,
)
from floe.privacy.places import Places

_TIMEOUT: Final = 1.0
_SENTENCE: Final = 200
"""Characters of a sentence in a textbook, at most; longer ones are messages."""
_FIRST: Final = listed("first_person")
_KIN: Final = listed("kin")
_WORD: Final = regex.compile(r"[\p{L}\p{M}']+")
_OF_OTHERS: Final = regex.compile(r"(?:'s|s'|\b(?:his|her|their)) (?:[\p{Ll}-]+ )?[\p{Ll}-]+")
"""Somebody's kin who is named or known: "Napoleon's wife"."""
_OWN_KIN: Final = regex.compile(r"\b(?i:my|our)\s(?P<kin>\p{Ll}+)(?P<x>\s\p{Lu}\p{Ll}+)?")
"""The speaker's kin, by name: "my landlord Piotr"."""
_ROLES: Final = regex.compile(
    r"\b(?i:professor|coach|chef|doctor) (?=\p{Lu}|(?:an?|the)\b)|\b(?i:baby) (?i:names?|powder|food|products?|clothes)\b"
)
"""Words for kin and the like that are a title, a deed or a ware: "coach a team"."""
_REPORTED: Final = regex.compile(
    r"\b(?:reported|indirect|direct) (?:speech|discourse|question)|indirekte rede|discours indirect|estilo indirecto",
    regex.I,
)
_QUOTED: Final = regex.compile(r"[\"“„][^\"”“]{0,160}[\"”“]")
_ALTERNATIVES: Final = regex.compile(r"\((?:[^()/]{1,20}/)+[^()/]{1,20}\)|_{2,}")
"""Forms of which one is to be chosen: "(I/me)"."""
_JOKE: Final = regex.compile(r"\W*(?:explain|interpret)\s(?:the|this)\s", regex.I)
_TEMPLATE: Final = regex.compile(
    r"\W*(?:please |can you |could you )?(?:write|create|draft|give me|make|generate|show me|compose|prepare|need)\b[^:.\n]{0,50}\b(?:templates?|samples?|boilerplate|specimen|dummy|placeholder)\b",
    regex.I,
)
"""A form to be filled in later, in which the names are anybody's."""
_HE_OR_SHE: Final = regex.compile(r"\b(?:he|she|his|her|him|hers)(?:'\p{L}+)?\b", regex.I)
_RECENT: Final = regex.compile(
    r"\b(?:yesterday|today|tonight|tomorrow|last (?:night|week|month|weekend)|this (?:morning|week|afternoon|evening|month)|next (?:week|month)|(?:on|since|until|till|by) (?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)|asap)\b",
    regex.I,
)
_ON_LANGUAGE: Final = regex.compile(
    r"\W*(?:(?:please|can you|could you|bitte|grammar(?: exercise| question)?|exercise|english|esl)[:,]?\s)*"
    r"(?:(?P<form>(?:conjugate|conjugue|decline|conjuga|konjugiere|coniuga)\b)|(?:translate|correct|fix|proofread|rewrite|rephrase|reword|paraphrase|change|turn|put|convert|make|rearrange|reorder|unscramble|combine|join|complete|fill|classify|identify|find|spot|underline|parse|diagram|extract|expand|extend|elaborate|shorten|lengthen|simplify|punctuate|analy[sz]e|transform|replace|continue|finish|choose|select|sort|order|alphabeti[sz]e|(?:explain|interpret) (?:the|this) (?:joke|pun|idiom|saying|headline)"
    r"|traduis|traduisez|mets|mettez|accorde|traduce|traduci|pon|traduz|passe|übersetze?|korrigiere?|bestimme?|setze?|bilde|corrige[zr]?|correggi|vertaal|verbeter|zet|przetłumacz|popraw|odmień|переведи(?:те)?|исправь(?:те)?|çevir|översätt)\b(?![^:.!?\n\"“«„]{0,70}\b(?:my(?! (?:grammar|english|spelling|sentence|punctuation|french|german|spanish)\b)|our|mein\w*|mon|ma|mi|mia)\b)[^:.!?\n\"“«„]{0,70}(?:\s?:|(?=[\"“«„]))"
    r"|(?P<form>which (?:of these |of the following )?(?:sentences?|forms?|words?|is|one)\b[^.!?\n]{0,30}\b(?:is |are )?(?:correct|right|grammatical\w*)\b[^?\n]{0,20}\?)"
    r"|(?P<form>(?:how (?:do|would|can|should) (?:you|i|we|one) say|¿?cómo se dice|wie sagt man|comment (?:dit-on|dire)|come si dice|como se diz|hoe zeg je|jak powiedzieć|hvordan siger man)\s(?=[\"“«„'‘][^?]*[\"”»“'’]\s(?:in|en|auf|em|op|po|på)\s))"
    r"|(?P<form>(?:is it|which is (?:right|correct|better)[:,]?|should (?:it|i) (?:be|say|write))\s(?=[\"“‘'].{1,60}[\"”’']\sor\s[\"“‘']))"
    r"|read the (?:text|passage|story|sentences?|paragraph)\b[^.:\n]{0,30}[.:]"
    r"|(?P<form>in (?:the|this) sentence|in the phrase|what part of speech|what (?:is|are) the (?:subject|verb|object|indirect object|direct object|adverbs?|tense|predicate)s?\b)"
    r"|how (?:do|can|would|should) (?:you|i|we|one) (?:say|write|spell|pronounce|translate)\b"
    r"|(?:use|write|give me|make|form)\b[^.:\n]{0,50}\b(?:sentences?|examples?)\b[^.:\n]{0,30}\b(?:with|using|about|containing|from|called|the words?|dative|accusative|tense|subjunctive|gerund)\b)",
    regex.I,
)
"""A task on words or on a sentence that follows, in the languages that most learn. `form`: on forms
alone, so that "I" is one of them."""
_SPOKEN_TO: Final = regex.compile(
    r"\b(?:you|your|please|sorry|thanks?|hi|hello|hey|dear|regards|greetings|asap|love,|monday|tuesday|wednesday|thursday|friday|saturday|sunday|boss|client|hospital|doctor|fired|pregnant|divorc\w+"
    r"|dismiss\w*|terminat\w+|stole[n]?|call(?:ed)? me|du|dir|dich|sie|ihnen|hallo|liebe[rs]?|bitte|danke|sehr geehrte\w*|tu|te|vous|toi|bonjour|salut|cher|chère|merci|usted|hola|gracias|querid[oa]|estimad[oa]|ciao|grazie|car[oa])\b",
    regex.I,
)
"""A sentence with one of these is a message, or a matter."""
_CASE: Final = regex.compile(
    r"\W*(?:an?\s|the\s)?(?:(?:legal|law|ethics|ethical|moral|medical|nursing|business|hypothetical|thought|clinical|logic|maths?|bar exam|exam|philosophy|statistics|accounting|physics|training)\s(?:exercise|question|case|problem|scenario|class|dilemma|exam|puzzle|experiment|case study|riddle)|case study|psychology test|ethics class|exercise|scenario|riddle|puzzle|hypothetical(?:ly)?|thought experiment|word problem|quiz|trolley problem|exam|(?:a )?case for (?:my|our|an?|the) (?:\p{Ll}+ )?(?:seminar|class|course|exam|tutorial|lecture))\b[^:\n]{0,40}[:,]\s"
    r"|.{0,60}\b(?:fictional|fictitious|hypothetical|imaginary|made-up|mock|simulated) (?:patient|client|case|person|character|interview|company|dialogue|conversation|user|customer|employee|letter|email|profile|scenario|trial|debate)\b"
    r"|.{0,90}\bfor (?:my|our|an?|the|their) (?:(?:business|beginners'?|evening|online) )?(?:english|french|language|german|spanish|language|drama|creative writing|esl|hr|customer service|sales|writing|history|literature)(?: and \w+)? (?:class|lesson|course|training|workshop|students|pupils|learners|test|exam|homework)\b"
    r"|.{0,60}\bin (?:a|the) (?:sitcom|soap opera|telenovela|cartoon|comic|musical|western)\b",
    regex.I | regex.S,
)
"""Whom such a case names was made up for it."""
_INVENTS: Final = regex.compile(
    r"\W*(?i:(?:please |can you |could you )*(?:write|create|compose|tell|make up|generate|invent|imagine|give|draft))\b[^.!?\n]{0,60}\b(?:about|of|by|where|in which|starring|featuring|between)\s(?:an?|two|three|some)\s(?:[\p{Ll}-]+\s){1,4}(?:named|called)\s\p{Lu}"
)
"""Something to be made up about somebody who is given a name for it: "a limerick about a guy named"."""
_FOR_CHILDREN: Final = regex.compile(
    r"\bfor (?:my|our) (?:kids?|children|sons?|daughters?|class|students|pupils|grand(?:kids?|children)|nieces?|nephews?|toddlers?)\b",
    regex.I,
)
_SUPPOSES: Final = regex.compile(
    r"\W*(?i:if|suppose|assume|let's say|given that|imagine)\s\p{Lu}\p{Ll}+\s(?:is|was|has|beats?|runs?|weighs|can|lives|likes|finishes|finished|sits|stands|always|never|beat)\b[^?]{5,250}\b(?:taller|older|faster|younger|heavier|shorter|slower|bigger|smaller|smarter|stronger|ahead|behind|left of|right of|between|next to|beats?|truth|liars?|always lies|how many|how old|who is|which of)\b[^?]{0,120}\?"
    r"|\W*\p{Lu}\p{Ll}+ (?:says|claims|said)(?: that)? \p{Lu}\p{Ll}+ (?:lies|is lying|tells the truth|is a (?:liar|knave|knight))\b.{5,250}\b(?:truth|lies|lying|liars?|knights?|knaves?)\b[^?]{0,60}\?",
)
"""A puzzle about who is what beside whom."""
_OF_ANSWER: Final = regex.compile(
    r"\n\s*\n?\s*(?:make sure|your (?:answer|response|entire|whole)|use|do not|don't|italicize|highlight|include|end|wrap|answer|the (?:answer|response|whole|entire)|please (?:use|include|make|end|wrap|add|write|give|keep)|there should|at the end|separate|refrain)\b",
    regex.I,
)
_PLACEHOLDER: Final = regex.compile(
    r"\b(?:john|jane|joe) (?:doe|bloggs|q\.? public)\b|\b(?:max|erika) mustermann\b", regex.I
)
_WORK_WORD: Final = r"(?:books?|novels?|poems?|poetry|plays?|films?|movies?|series|shows?|anime|manga|songs?|albums?|music|paintings?|art|work|works|sculptures?|photos|photographs|symphon(?:y|ies)|operas?|essays?|stories|games?|writings?|voice|style|concertos?|ballets?|lyrics|records|plays|autobiography|biography|memoirs?|documentar(?:y|ies)|exhibition)"
_CONSUMES: Final = regex.compile(
    rf"(?:\A|[.!?;,\n]\s*|\b(?:and|but|so)\s)(?:(?:i|we)(?:'m|'re|'ve| am| are| have| was| were)?|my (?:class|school|teacher|professor|book club|course|daughter|son|kids?|wife|husband|girlfriend|boyfriend)(?: is| are| has)?)\s(?:(?:just|recently|currently|now|finally|been|also|still|both|all|really)\s)*"
    rf"(?:(?:finished|started|begun|began|done|am|are|enjoyed|enjoy|love|hate)\s)?(?:reading|read|re-?reading|watching|watched|re-?watching|binge-?watching|listening to|listened to|studying|studied)\s"
    rf"(?![^.!?\n]{{0,40}}'s (?!{_WORK_WORD}\b)\p{{Ll}})(?!(?:(?:the|an?|some|her|his|their|this|that|all)\s)?(?:\p{{Ll}}+\s)?(?:letters?|messages?|texts?|e-?mails?|mails?|diary|diaries|files?|notes?|chats?|records?|statements?|reviews?|applications?|cvs?)\b)(?=(?:\p{{Ll}}[\p{{Ll}}-]*\s){{0,6}}?[\p{{Lu}}\"“])[^.!?\n]{{1,80}}"
    rf"|(?:i|we)\s(?:really\s|just\s|also\s)?(?:love|like|liked|adore|enjoy|enjoyed|prefer|hate|dislike|admire|saw|visited|heard|discovered)\s(?:(?:an?|the|all|some|most)\s)?(?:\p{{Ll}}+\s){{0,2}}?{_WORK_WORD}\s(?:of|by|from|with)\s\p{{Lu}}[^.!?\n]{{1,60}}"
    rf"|(?:i'm|im|i am|we are|we're|i've been|my (?:son|daughter|dad|mum|mom|wife|husband) is)\s(?:an?\s)?(?:(?:big|huge|great|new|long-?time|lifelong)\s)?fans? of (?!my\b|our\b)[^.!?\n]{{1,60}}"
    rf"|(?:my|our)\s(?:all-time\s)?favou?rite\s(?:\p{{Ll}}+\s){{0,2}}(?:players?|athletes?|footballers?|drivers?|act(?:or|ress)|authors?|writers?|novelists?|poets?|singers?|rappers?|bands?|artists?|painters?|composers?|pianists?|guitarists?|directors?|philosophers?|scientists?|comedians?|presidents?|characters?|hero(?:ine)?|villains?|chefs?|saints?|designers?|youtubers?|streamers?|{_WORK_WORD})\s(?:is|are|was)\s\p{{Lu}}[^.!?\n]{{1,50}}"
    rf"|(?:i|we)(?:'m|'re| am| are)?\s(?:\p{{Ll}}+\s){{0,3}}?(?:doing|do|have|give|hold|write|writing|preparing|prepare|working on|making)\s(?:to\s(?:give|hold|do|write|make)\s)?(?:an?|the|my|our)\s(?:\p{{Ll}}+\s)?(?:project|essay|talk|presentation|report|paper|speech|assignment|poster|podcast|quiz|book report|novel|play|musical|thesis)\s(?:on|about)\s(?![^.!?\n]{{0,40}}'s (?!{_WORK_WORD}\b)\p{{Ll}})(?!my\b|our\b)[^.!?\n]{{1,70}}"
    rf"|(?:my|our)\s(?:class|school|teacher|professor|course)\s(?:has\s)?(?:asked|told|wants|asks|tells)\s(?:us|me)\sto\s(?:compare|write about|read|study|research|discuss|describe)\s(?![^.!?\n]{{0,40}}'s (?!{_WORK_WORD}\b)\p{{Ll}})(?!my\b|our\b)[^.!?\n]{{1,70}}",
    regex.I,
)
"""What people say of themselves that is of a work: "I'm reading …", "a fan of …", "a talk on …"."""
_SPEECH_ACT: Final = regex.compile(
    r"\b(?:erzähl|erklär|nenn|gib|empfiehl|zeig|schreib|sag|beschreib)e? (?:mir|uns)\b|\b(?:raconte|dis|donne|explique|montre|recommande|cite|parle)[- ](?:moi|nous)\b|\b(?:opowiedz|powiedz|napisz|podaj|wyjaśnij|poleć) (?:mi|nam)\b|\b(?:vertel|geef|noem|schrijf|leg) (?:me|mij|ons)\b|\b(?:расскажи|объясни|напиши|назови|посоветуй) (?:мне|нам)\b|\b(?:me (?:conte|explique|diga|dê|recomende)|fale-me|conte-me)\b"
    r"|\b(?:my|our) (?:\p{Ll}+ )?(?:regex|code|script|query|function|program|app|server|pod|container|loop|test|class|table|dataframe|formula|config|build|pipeline|component|array|list)\b"
    r"|\bfor (?:my|our) (?:\p{L}+ ){0,2}(?:class|lesson|course|training|students|pupils|homework|workshop|seminar|tutorial|exam|essay|assignment|lecture)\b|\bat the (?:doctor|dentist|vet|hairdresser|baker|butcher)'s\b|"
    r"\b(?:where|how|what|which \w+) (?:do|should|can|could|must|would) (?:i|we) (?:start|begin|read|watch|listen to|include|know|see|say|learn|mention|call|expect|order|try|visit|avoid|look for|write|think|take away)\b"
    r"|\b(?:help|let) (?:me|us) (?:to )?(?:understand|know|find|compare|remember)\b|\bi (?:wonder|was wondering|keep (?:confusing|mixing up|forgetting)|don't (?:understand|get|know)|can't remember|forgot)\b|\b(?:should|could|can|may) (?:i|we)\b",
    regex.I,
)
"""How a question of the world is put by somebody who asks for themselves."""
_GENERAL: Final = regex.compile(
    r"\W*(?:can you |could you |please )*(?:tell (?:me|us)|explain|describe|summari[sz]e|who|what|what's|which|when|where|how|why|was|were|is|did|does|has|compare|list|name|give|recommend|suggest|write|sing|speak|quote|translate|discuss|outline|analy[sz]e"
    r"|was|wer|wann|warum|welche[rsnm]?|empfiehl|empfehle|erzähl\w*|erklär\w*|beschreibe?|nenne|vergleiche?|fasse|qui|que|quel\w*|recommande|cite|qu'|quand|pourquoi|comment|raconte|explique|résume|décris|compare|quién|qué|cuál\w*|cuándo|cómo|dónde|cuénta\w*|recomi[eé]nda\w*|explica|resume|describe|chi|che|cosa|quando|perché|come|raccont\w*|spieg\w*|riassumi|descrivi|consiglia\w*|suggerisci|sugira|recomende|quem|o que|qual|conte|wie|wanneer|waarom|hoe|vertel|leg|beschrijf|kto|co|kiedy|dlaczego|jak|opowiedz|wyjaśnij|opisz|poleć|кто|что|когда|почему|как|расскажи|объясни|опиши|посоветуй)\b",
    regex.I,
)
_OF_PLACE: Final = regex.compile(
    r"\s(?:weather|climate|airport|population|time ?zone|beaches|nightlife|tourism|hotels|flights)\b"
    r"|\s(?:part of|in|a member of)\s(?:the\s)?(?:EU|UN|NATO|Schengen|Commonwealth|European Union|United Nations)\b",
    regex.I,
)
"""After a place: "Lorraine weather in May", "Is San Marino in the EU?"."""
_OF_CULTURE: Final = regex.compile(
    r"\s(?:cuisine|cooking|food|dish(?:es)?|recipes?|literature|architecture|grammar|alphabet|language|poetry|painting|folklore|mythology|dynasty|empire|era|period|revolution|monarchy|chant|calendar|mountains|coast|coffee|wine|tea|pottery|opera|cup|prize|award|theorem|paradox|equation|effect|principle|conjecture|algorithm|distribution|method|law|laws|theory|test|scale|brothers|sisters|administration|doctrine|era)\b"
)
"""A word before one of these is of a people or of a thing, rather than of a person."""
_INTIMATE: Final = regex.compile(
    r"\b(?:baby|babies|kids|drinks?|drank|stole[n]?|owes?|owed|hit|hits|beats? (?:me|her|him|us|up|them)|useless|quit|bull(?:y|ies|ied|ying)|custody|prison|jail|flat ?mates?|room ?mates?|evict\w*|expel\w+|suspended|reported (?!speech|question)|rent|(?:can't|cannot|couldn't) (?:pay|afford)|smells?|stinks|grades?|(?:his|her|'s|blood|test|lab) results|fail(?:s|ed)|hides?|live long|clinic|rehab|breakdown|sick leave|expecting|passed out|on drugs|left (?:his|her) (?:wife|husband|family)|has left|went missing|wanted by|applied|applicants?|salary|earns?|complain\w*|allegations?|accus\w+|bruise\w*|lies|lied|lying|cheat\w*|kiss\w*|dating|in love|broke up|left (?:her|him|me|us)"
    r"|(?:phone|mobile|house|account|room|card) numbers?|address of|'s address|(?:where|which|what) [^.?!\n]{0,20}\b(?:do|does) [^.?!\n]{0,40}\b(?:lives?|works?|go to|hang out|study|park)|password|behaviou?r|wants? (?:me|us)|fault)\b",
    regex.I,
)
"""What is told of those whom one knows, or asked about where to find them."""
_MATTER_ABROAD: Final = regex.compile(
    r"\b(?:krebs|tumor|krank(?:enhaus|geschrieben|heit\w*)|klinik|psych\w*|depress\w*|verlassen|getrennt|trenn\w+|scheid\w+|geschieden|schwanger\w*|fehlgeburt|abgetrieben|verloren hat|gekündigt|kündig\w+|gefeuert|entlass\w+|gefängnis|knast|polizei|anzeige|trinkt|säuft|betrunken|drogen|betrüg\w+|betrog\w+|fremd|schläg\w*|geschlagen|schuld\w*|schwul|lesbisch|verhaftet|gestohlen|klaut|stiehlt|geklaut|pleite|insolv\w+|gehalt|lohn|asyl|abgeschoben|gestorben|selbstmord"
    r"|cancer|tumeur|maladie|malade depuis|hôpital|clinique|dépress\w+|divorc\w*|sépar\w+|quitté\w*|enceinte|fausse couche|avort\w+|viré\w*|licenci\w+|prison|police|boit|boire trop|ivre|alcool\w*|drogue\w*|trompe\w*|frapp\w+|bat sa|dettes?|doit de l'argent|homosexuel\w*|gay|lesbienne|arrêté\w*|volé\w*|vole|salaire|agress\w+|suicid\w+|décéd\w+|mort\w* hier"
    r"|cáncer|enferm(?:edad|o desde)|clínica|depresión|divorci\w+|separad\w+|dejó a|embarazad\w+|aborto|abort\w+|despid\w+|despedid\w+|cárcel|prisión|policía|bebe|borrach\w+|alcohol\w*|droga\w*|engaña\w*|pega|golpe\w*|deudas?|debe dinero|lesbiana|arrestad\w+|rob(?:a|ó|ado)|sueldo|murió|suicid\w+|vih|sida"
    r"|cancro|tumore|ospedale|ictus|depression\w*|divorzi\w+|separat[oai]|lasciato|incinta|aborto|licenziat\w+|prigione|carcere|polizia|beve|ubriac\w+|droga\w*|tradisc\w*|tradit[oai]|picchia\w*|debiti|deve dei soldi|perso il|arrestat\w+|rubat\w*|ruba|stipendio|mort[oa]"
    r"|kanker|ziekenhuis|kliniek|opgenomen|gescheiden|scheid\w+|zwanger|miskraam|ontslagen|gevangenis|politie|drinkt|dronken|verslaafd\w*|bedrieg\w*|slaat|schuld\w*|gearresteerd|gestolen|salaris|overleden"
    r"|rak(?:a|iem)?|szpital\w*|depresj\w+|rozw\w+|ciąż\w+|poroni\w+|aborcj\w+|zwolni\w+|więzieni\w+|policj\w+|pije|pijan\w*|zdradz\w+|bije|dług\w*|gej\w*|aresztowan\w*|ukrad\w+|kradnie|zarabia|zmarł\w*|zawał\w*"
    r"|câncer|hospital|grávida|demitid\w+|prisão|polícia|bêbad\w+|traiu|trai|traindo|bate|dívidas?|preso|presa|roub\w+|salário|morreu"
    r"|рак\w{0,2}|больни\w+|депресс\w+|развод\w*|развел\w*|беременн\w+|аборт\w*|увол\w+|тюрьм\w+|полици\w+|пьёт|пьет|пьян\w*|изменя\w+|бьёт|бьет|долг\w*|гей|арест\w+|украл\w*|зарплат\w*|умер\w*|бросил\w*)\b",
    regex.I,
)
"""The same, and private matters, in other languages."""
_DEALS: Final = r"(?:tell|ask|reply|write|text|message|e-?mail|mail|call|say|talk|speak|answer|respond|get|buy|give|send|lend|pay|forgive|dump|date|marry|fire|evict|block|confront|invite|help|convince|persuade|thank|apologi[sz]e|break|trust|meet|stop|make|let|report|sue|leave|avoid|ignore|treat|handle|deal|approach|comfort|congratulate|remind|warn|explain|live|work|move|sleep|go|think|feel|bring|owe)"
_ASKS_FOR_SELF: Final = regex.compile(
    rf"\b(?:i|we)\s(?:\p{{Ll}}+\s){{0,2}}?{_DEALS}\b(?:\s[\p{{Ll}}']+){{0,5}}\s\Z", regex.I
)
"""Before the name of whom somebody means to deal with: "should I forgive …"."""
_BIDS_FOR_SELF: Final = regex.compile(
    r"\b(?:write|reply|text|message|e-?mail|mail|(?<!'s )(?:letter|note|card)|speak|talk|say|apologi[sz]e|explain)(?:\s(?:back|it|this|that|sorry|no|yes|goodbye|an?|letter|mail|message|note|text|card)){0,3}\sto\s\Z|\b(?:tell|remind|invite|warn|thank|congratulate|ask)\s\Z",
    regex.I,
)
_FROM_NEAR: Final = regex.compile(
    r"\s(?:from|in|at|of)\s(?:(?:the|my|our)\s)?(?:accounting|accounts|hr|it|sales|finance|marketing|payroll|procurement|logistics|legal|reception|support|engineering|work|upstairs|downstairs|next door|down the (?:hall|road|street)|across the (?:hall|road|street)|office|class|gym|church|choir|day ?care|kindergarten|number \d|flat \d|unit \d|room \d|apartment|building|team|night shift|warehouse|front desk)\b",
)
"""Where those are whom one meets: "… from accounting"."""
_PROGRAM: Final = regex.compile(
    r"\b(?:function|method|class|regex|regular expression|query|where name|select|insert into|filter|sql|json|python|java|javascript|typescript|django|react|array|variable|strings?|constructor|unit tests?|test case|mock|dictionary|dict|api|html|css|excel|formula|cell|column|c\+\+|rust|golang|php|ruby|pandas|dataframe|git|xml|yaml|csv|jest|pytest)\b",
    regex.I,
)
_AS_WORD: Final = regex.compile(
    r"(?:\b(?:go(?:es)? (?:well |nicely )?with|rhymes? with|acrostic (?:for|of|with)|nicknames? for|the (?:first |last )?names?|names? (?:such as|like|of|with)|(?:place|shop|bakery|cafe|café|bar|restaurant|boat|ship|band|brand|company|store|salon|studio|app|product|character|dragon|robot|town|village|kingdom|planet) (?:named|called)|e\.g\.|for example|for instance|such as|(?:in|im|à la|al|nello|no|w|в) (?:the )?(?:style|manner|manière|estilo|stile|stijl|stylu|stil|стиле)(?: (?:of|de|di|van|von))?)[,:]?\s(?:mr\.? and mrs\.?\s)?[\"'“]?)\Z",
    regex.I,
)
"""After this a name is spoken of as a word, or as an example."""
_SAYS: Final = regex.compile(
    r"\s(?!and\b|or\b|in\b|is (?:pronounced|spelled|spelt)\b)\p{Ll}{2,}(?:s|ed|id)\b"
)
_MADE: Final = 60
_MADE_BY: Final = regex.compile(
    r"\b(?:(?:films?|movies?|series|plays?|scenes?)\s(?:with|starring|featuring)\s\Z|(?:films?|movies?|books?|novels?|songs?|albums?|games?|paintings?|poems?)\b[^.!?\n]{0,40}\bby\s\Z)|\b(?:novels?|films?|movies?|songs?|albums?|music|paintings?|sculptures?|symphon(?:y|ies)|operas?|concertos?|ballets?|lyrics|filme|werke?|opern?|bücher|romane?|lieder|gedichte|bilder|gemälde|stücke|livres?|romans?|œuvres?|oeuvres?|tableaux|chansons?|poèmes?|pièces|películas|libros?|novelas?|obras?|cuadros?|canciones|poemas?|pelis|libri|opere|quadri|canzoni|poesie|romanzi|filmes|livros?|músicas?|boeken|schilderijen|films|książki|filmy|utwory|obrazy|фильмы|книги|романы|стихи|картины)\s(?:of|by|von|de|d'|di|da|do|del|van|av)?\s?\Z",
    regex.I,
)
"""Before who made a work: "films by"."""
_DEED: Final = regex.compile(
    r"(?:'s)?\s(?:ever |also |really |once |originally )?(?:"
    r"(?:win|won|compete|medal) [^?.!\n]{0,40}\b(?:medals?|olympics?|prize|award|oscar|grammy|championships?|world cup|tour de france|title|grand slam|election)\b"
    r"|(?:write|wrote|compose[sd]?|paint(?:ed)?|direct(?:ed)?|star(?:red)?|publish(?:ed)?|sculpt(?:ed)?|choreograph(?:ed)?|illustrate[sd]?|translate[sd]?) (?:in |the |an? |any )?(?:\p{Lu}\p{Ll}|novels?|books?|poems?|films?|movies?|operas?|symphon\w+|songs?|plays?|murals?|portraits?|ballets?|music\b)"
    r"|(?:coach|manage|captain|play(?:ed)?) (?:for |in |at |with )?(?:an? |the )?(?:premier league|bundesliga|la liga|serie a|nba|nfl|mlb|nhl|national team|\p{Lu}[\p{L}]+ (?:United|City|Rovers|FC|Wanderers|Philharmonic|Orchestra|League))"
    r"|(?:invent|discover|found|design|patent|conquer|explore|pioneer)(?:ed)? (?:the|an?) \p{Ll}"
    r")",
    regex.I,
)
"""Deeds of which books tell, in a question: "ever coach a Premier League team"."""
_AT_PLACE: Final = regex.compile(r"\b(?:at|in|near)\s\Z")
"""Before a place: "at Kitty Hawk"."""
_PARTICLE: Final = regex.compile(r"\A(?:von|van|de|di|da|del|du)\s")
_DATA: Final = regex.compile(
    r"\b(?:example|sample|test|dummy|mock) (?:data|input|rows?|records?|values?)\b", regex.I
)
"""Before the names with which a program is tried."""
_LITERAL: Final = regex.compile(r"[\"'`“]\s?\Z")
_LITERAL_END: Final = regex.compile(r"\s?[\"'`”]")
_TWO: Final = regex.compile(r"\p{L}+ (?:y|e|i|и|och) \p{L}+")
_TITLED: Final = regex.compile(
    r"\b(?:mr|mrs|ms|miss|dr|prof|lord|lady|sir|herrn?|frau)\b\.?\s?\Z", regex.I
)
_YOURS: Final = regex.compile(
    r"\byour (?:full |first |last )?(?:name|address|number|phone|birthday|date of birth|e-?mail|job|age|password|account)\b",
    regex.I,
)
"""A question to somebody, whose answer may stand beside it."""
_PRIVATELY: Final = regex.compile(
    r"'s (?:(?:new|first|last|home|private) )?(?:baby|babies|(?:phone |mobile |cell )?number|home address|address|salary|wages|diagnosis|biopsy|test results|drinking|password|pin|divorce|affair|bruises|rent|sick leave|criminal record|medication|surgery|pregnancy|ex|school|shift|performance)\b"
    r"|\s(?:live|work|park|hang out|go to school|get out of (?:prison|jail|hospital|rehab)|get off work|come out of (?:prison|jail|hospital|rehab))\b(?=[^.!\n]{0,20}\?)"
)
"""What is asked of those whom one knows, right after their name."""
_BESIDE: Final = 80
"""Characters between a person and what is kept of them, at most."""
_SAMPLE: Final = regex.compile(r"\b(?:example|sample|dummy|template|fake|made-up)\b", regex.I)
_NOW: Final = regex.compile(r"\b(?:where|when|which \p{Ll}+) (?:do|does|will|is|can) \Z", regex.I)


def _is_exercise(text: str, names: Sequence[Name]) -> bool:
    """Return whether a text is an exercise: on a textbook's sentence, or a case made up for one.

    The sentence names people by first names, or by a title and a name; nobody speaks in it of
    themselves or of theirs, nobody is spoken to, and it is of no private matter.
    """
    said = text[slice(*core(text))]
    if _CASE.match(said, timeout=_TIMEOUT) or _PLACEHOLDER.search(said) or _is_form(text, names):
        return not _is_lived(said, names)
    if _INVENTS.match(said, timeout=_TIMEOUT) or _SUPPOSES.match(said, timeout=_TIMEOUT):
        told = _FOR_CHILDREN.sub(" ", ME.sub(" ", _QUOTED.sub(" ", said)))
        return _FIRST.isdisjoint(_words(told))
    task = _ON_LANGUAGE.match(said, timeout=_TIMEOUT)
    if task is None or is_for_work(said) or len(_given(said, task.end())) > _SENTENCE:
        return False
    sentence = _ALTERNATIVES.sub(" ", _given(said, task.end()))
    if _JOKE.match(said):
        sentence = _QUOTED.sub(" ", sentence)
    if _REPORTED.search(said[: task.end()]):
        sentence = _QUOTED.sub(" ", sentence)
    if _tells_matter(sentence) or HIDDEN.search(sentence):
        return False
    if not _FIRST.isdisjoint(_words(sentence)) or _SPOKEN_TO.search(sentence):
        return False
    return not any(name.form == "full" and not _is_plain(text, name) for name in names)


def _given(said: str, start: int) -> str:
    """Return the sentence that a task is on, without what is said after it of the answer."""
    found = _OF_ANSWER.search(said, start, timeout=_TIMEOUT)
    return said[start : found.start() if found else len(said)]


def _is_on_forms(text: str) -> bool:
    """Return whether a task is on the forms of a short sentence: whoever speaks in it is a form."""
    said = text[slice(*core(text))]
    task = _ON_LANGUAGE.match(said, timeout=_TIMEOUT)
    if task is None or not task["form"] or len(said) > _SENTENCE:
        return False
    if any(found["kin"].lower() in _KIN and found["x"] for found in _OWN_KIN.finditer(said)):
        return False
    return not names_matter(said) and HIDDEN.search(said) is None


def _is_form(text: str, names: Sequence[Name]) -> bool:
    """Return whether a form is to be written, of no private matter and of nobody by a full name."""
    said = text[slice(*core(text))]
    if _TEMPLATE.match(said) is None or _tells_matter(said):
        return False
    return all(name.form != "full" or _is_titled(text, name) for name in names)


def _is_puzzle(text: str) -> bool:
    """Return whether a text supposes who is what beside whom, and asks for what follows."""
    said = text[slice(*core(text))]
    return _SUPPOSES.match(said, timeout=_TIMEOUT) is not None and _FIRST.isdisjoint(_words(said))


def _is_plain(text: str, name: Name) -> bool:
    """Return whether a full name is a title and one word, two first names, or somebody famous."""
    whole = _of(text, name)
    return _is_titled(text, name) or _TWO.fullmatch(whole) is not None or is_famous(whole)


def _is_titled(text: str, name: Name) -> bool:
    """Return whether a name is a title and one word: "Mrs. Green"."""
    before = text[max(0, name.start - 6) : name.start]
    return " " not in _of(text, name) and _TITLED.search(before) is not None


def frame_of(text: str, names: Sequence[Name], genre: Genre) -> Genre:
    """Return `exercise`, `work` or `look-up` if a text without a genre is one of them.

    None is whatever tells a private matter of somebody who is not public, or deals with them.
    """
    if genre or _is_on_forms(text) or _is_puzzle(text):
        return genre or "exercise"
    if _concerns_somebody(text, names):
        return ""
    if _is_exercise(text, names):
        return "exercise"
    return _looks_up(text, names)


def _looks_up(text: str, names: Sequence[Name]) -> Genre:
    """Return whether a text asks of the world, and nothing in it is of anybody's life.

    `work`: of what its speaker reads, watches or hears. It opens as questions and tasks do, or says
    what its speaker reads, hears or has to give a talk on; that aside, neither the speaker nor kin
    nor somebody dealt with nor these days are in it.
    """
    said = text[slice(*core(text))]
    consumed = _CONSUMES.search(said, timeout=_TIMEOUT) is not None
    if not consumed and not _asks_or_consumes(said):
        return ""
    people = any(name.form in ("full", "given", "small") for name in names)
    if people and not ENGLISH.search(said):
        return ""  # Too little is known of how a matter is told in other languages.
    if _YOURS.search(said) or _is_lived(said, names, somebody=not consumed):
        return ""
    return "work" if consumed else "look-up"


def asks_after_somebody(text: str, names: Sequence[Name]) -> bool:
    """Return whether something private is asked of a person who is not public, by name."""
    found_on_file = [] if _SAMPLE.search(text) else find_on_file(text)
    on_file = Places((start - _BESIDE, end + _BESIDE) for start, end in found_on_file)
    for name in names:
        if name.form not in ("full", "given") or is_famous(_of(text, name)):
            continue
        if on_file.touch(name.start, name.end):
            return True
        found = _PRIVATELY.match(text, name.end)
        if found is None:
            continue
        if found[0].startswith("'s") or _NOW.search(text[max(0, name.start - 30) : name.start]):
            return True
    return False


def _asks_or_consumes(said: str) -> bool:
    """Return whether a text opens as questions and tasks do, or says what is read or heard."""
    if sets_task(said) or DRAFTS.match(said) or _GENERAL.match(said):
        return True
    return asks(said) or _CONSUMES.search(said, timeout=_TIMEOUT) is not None


def recognise(text: str, names: Sequence[Name]) -> list[Name]:
    """Return names as they are meant: world-famous persons as public, words of a culture not at all.

    Only where nothing of the speaker's life is in the text, and nobody is dealt with.
    """
    names = [
        name
        for name in names
        if not _OF_PLACE.match(text, name.end)
        and not is_specimen(_of(text, name))
        and not is_of_same_pair(text, name)
    ]
    names = _without_office(text, _without_brands(text, names))
    if all(name.form == "public" for name in names):
        return names
    said = text[slice(*core(text))]
    if _PROGRAM.search(text) and _FIRST.isdisjoint(_words(_SPEECH_ACT.sub(" ", ME.sub(" ", said)))):
        sample = _DATA.search(text)
        data = sample.end() if sample else len(text)
        names = [n for n in names if n.start < data and not _is_literal(text, n)]
    if _is_lived(said, names) or _concerns_somebody(text, names, famous=True):
        return [*names]
    asked = _asks_or_consumes(said)
    kept = []
    for name in names:
        if is_nobodys(text, name, opening=said):
            continue
        if _OF_CULTURE.match(text, name.end) and " " not in _of(text, name):
            continue
        if _AS_WORD.search(text[max(0, name.start - 40) : name.start]) and not _SAYS.match(
            text, name.end
        ):
            continue
        if asked and name.form == "full" and _is_place(text, name):
            continue
        person = _PARTICLE.sub("", _of(text, name))
        known = is_famous(person) or is_public(person)
        made = _MADE_BY.search(text[max(0, name.start - _MADE) : name.start]) is not None
        deed = name.form == "full" and _DEED.match(text, name.end) is not None
        famous = asked and name.form in ("full", "given") and (known or made or deed)
        kept.append(Name(name.start, name.end, "public") if famous else name)
    return kept


def _without_brands(text: str, names: list[Name]) -> list[Name]:
    """Return names without those of firms, unless one is dealt with or the text is of a matter."""
    brands = [name for name in names if is_brand(text, name)]
    if not brands or _tells_matter(text) or any(has_tie(text, n.start, n.end) for n in brands):
        return names
    # "Ben" is "I" in Turkish.
    named = {word for name in brands for word in _words(_of(text, name))}
    told = _SPEECH_ACT.sub(" ", ME.sub(" ", text))
    if not _FIRST.isdisjoint(_words(told) - named) or _HE_OR_SHE.search(text):
        return names
    return [name for name in names if name not in brands]


def _without_office(text: str, names: list[Name]) -> list[Name]:
    """Return names with those in a public office as public, unless the text is of a private matter.

    Which day it was on is news; what the speaker has to do with it is none.
    """
    held = [
        name.form in ("full", "given", "unknown") and is_in_office(text, name) for name in names
    ]
    if not any(held) or not _FIRST.isdisjoint(_words(ME.sub(" ", text))):
        return names
    if _concerns_somebody(text, names):
        return names
    return [
        Name(name.start, name.end, "public") if office else name
        for name, office in zip(names, held, strict=True)
    ]


def _concerns_somebody(text: str, names: Sequence[Name], *, famous: bool = False) -> bool:
    """Return whether a text tells or asks a private matter of somebody, or how to deal with them.

    famous: the world-famous are somebody only if they are dealt with.
    """
    people = [name for name in names if name.form not in ("public", "unknown")]
    if not people:
        return False
    if is_written_to(text, people) or deals_with_somebody(text, people):
        return True
    if asks_after_somebody(text, people) or any(is_met(text, name) for name in people):
        return True
    if famous and all(is_famous(_of(text, name)) for name in people):
        return False
    rest = text
    for name in reversed(people):  # Christian is no faith here.
        rest = rest[: name.start] + " " + rest[name.end :]
    return _tells_matter(_ROLES.sub(" ", _FOR_CHILDREN.sub(" ", rest)))


def _tells_matter(text: str) -> bool:
    """Return whether a word of a private matter is in a text, in the languages that are read best."""
    found = _INTIMATE.search(text, timeout=_TIMEOUT) or _MATTER_ABROAD.search(text)
    return found is not None or names_matter(text)


def is_met(text: str, name: Name) -> bool:
    """Return whether the speaker means to deal with a person, or says where they meet them."""
    before = text[max(0, name.start - 80) : name.start]
    meant = _ASKS_FOR_SELF.search(before, timeout=_TIMEOUT) or _BIDS_FOR_SELF.search(before)
    return meant is not None or _FROM_NEAR.match(text, name.end) is not None


def _is_place(text: str, name: Name) -> bool:
    """Return whether a name is where something is: "at Kitty Hawk", not "at Kitty Hawk's"."""
    before = text[max(0, name.start - 8) : name.start]
    return _AT_PLACE.search(before) is not None and text[name.end : name.end + 1] != "'"


def _is_literal(text: str, name: Name) -> bool:
    """Return whether a name stands alone between quotes, as a value does in a program."""
    opened = _LITERAL.search(text[max(0, name.start - 2) : name.start])
    return opened is not None and _LITERAL_END.match(text, name.end) is not None


def _is_lived(text: str, names: Sequence[Name], *, somebody: bool = False) -> bool:
    """Return whether the speaker, kin, somebody dealt with or these days are in a text.

    What is said of reading and hearing, and how one asks, is left out first. somebody: "he" and
    "she" count too.
    """
    plain = _SPEECH_ACT.sub(" ", ME.sub(" ", _CONSUMES.sub(". ", text, timeout=_TIMEOUT)))
    words = _words(plain) - ({"im"} if is_german(text) else set())  # "I'm" in haste, "in the" there
    if not words.isdisjoint(_FIRST) or _RECENT.search(plain) or HIDDEN.search(plain):
        return True
    others = _ROLES.sub(" ", _OF_OTHERS.sub(" ", plain))
    if not words.isdisjoint(_KIN) and not _words(others).isdisjoint(_KIN):
        return True
    if somebody and _HE_OR_SHE.search(plain):
        return True
    return any(has_tie(text, name.start, name.end) for name in names)


def _of(text: str, name: Name) -> str:
    return text[name.start : name.end]


def _words(text: str) -> set[str]:
    """Return words in small letters, "I'll" as "ill" but not the ill."""
    english = ENGLISH.search(text) is not None
    found = {
        w.lower() for w in _WORD.findall(text) if not (english and w.strip("'") in NAMED_SO)
    } - {"ill"}
    return {word.replace("'", "") for word in found}
