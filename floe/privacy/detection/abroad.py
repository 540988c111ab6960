"""What is no person's name in other languages than English: nouns, opening words, what quizzes ask of.

German writes every noun with a capital; a question word at the head of a sentence has one, too; and
who wrote, painted or invented something, or in which year it was, is asked of the world. Knows
words and names, neither the classifier nor the verdict.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import regex

from floe.privacy.detection.courtesy import core
from floe.privacy.detection.german import is_german, is_noun
from floe.privacy.detection.names import Name, lexicon
from floe.privacy.detection.rules import Sign
from floe.privacy.detection.vocabulary import listed

_TIMEOUT: Final = 1.0
_FAINT: Final = 0.3
_NAMED: Final = 0.6
_LONGEST: Final = 160
"""Characters of a question of general knowledge, at most."""
_WORD: Final = regex.compile(r"[\p{L}\p{M}']+")
_FIRST: Final = listed("first_person")
_KIN: Final = listed("kin")
_OPENS: Final = regex.compile(r"(?:\A|[.!?:\n\"(¿¡«„“]\s*)\Z")
_TEXT: Final = """
    erstelle erkläre empfiehl schlage nenne fasse zeige beschreibe vergleiche berechne formuliere
    welche welcher welches wer wie wann warum woran worauf womit brauche kann hilft
    qui que quel quelle quels quelles quand comment pourquoi combien donne explique écris corrige
    quién quiénes qué cuál cuáles cuándo cómo dónde cuánto cuántos dame explícame escribe resume
    chi che quale quali quando come dove perché quanto dammi spiegami scrivi cosa
    quem qual quais onde quanto explique escreva resuma
    wat welke hoe waarom waar wanneer wie geef leg schrijf
    kto co jaki jaka jakie jakich który która które kiedy gdzie ile dlaczego jak podaj wyjaśnij napisz
    кто что какой какая какое какие когда где сколько почему как дай объясни напиши
    kim ne nasıl hangi kaç nerede neden niçin açıkla yaz
    hvem hvad hvilken hvilket hvilke hvordan hvorfor hvor hvornår forklar skriv giv
    vem vad vilken vilket vilka hur varför var när förklara
"""
_OPENING: Final = frozenset(_TEXT.split())
"""Question words, and what is bidden most: the first word of a sentence, which has a capital for it."""
_ABOUT_HERE: Final = regex.compile(
    r"\b(?:mein\w*|unser\w*|mich|mir|uns|wir|er|sie|ihm|ihr\w*|hat|hatte|herrn?|frau|du|dir|dich)\b",
    regex.I,
)
"""With one of these, a German word that is a surname too may be somebody."""
_MADE: Final = (
    r"(?:schrieb|malte|komponierte|erfand|entdeckte|gründete|erbaute|baute|drehte|sang|spielte|gewann|entwarf|dichtete|vertonte|übersetzte"
    r"|hat (?:[^?]{1,60})\s(?:geschrieben|gemalt|komponiert|erfunden|entdeckt|gegründet|erbaut|gebaut|gedreht|gesungen|gewonnen|entworfen)"
    r"|a (?:écrit|peint|composé|inventé|découvert|fondé|construit|réalisé|chanté|gagné|remporté|dessiné|sculpté)|(?:joue|chante|interprète|jouait|chantait)"
    r"|(?:escribió|pintó|compuso|inventó|descubrió|fundó|construyó|dirigió|cantó|grabó|ganó|diseñó|esculpió|protagonizó|interpretó|canta)"
    r"|ha (?:scritto|dipinto|composto|inventato|scoperto|fondato|costruito|diretto|cantato|vinto|progettato|scolpito|interpretato)|(?:scrisse|dipinse|compose|inventò|scoprì|fondò|diresse|cantava|canta|vinse|interpreta)"
    r"|(?:escreveu|pintou|compôs|inventou|descobriu|fundou|construiu|dirigiu|cantou|gravou|ganhou|venceu|marcou|esculpiu|interpretou)"
    r"|(?:schreef|schilderde|componeerde|vond|ontdekte|stichtte|bouwde|regisseerde|zong|won|ontwierp|heeft (?:[^?]{1,60})\s(?:geschreven|geschilderd|gecomponeerd|uitgevonden|ontdekt|gebouwd|geregisseerd|gewonnen))"
    r"|(?:napisał|namalował|skomponował|wynalazł|odkrył|założył|zbudował|wyreżyserował|zaśpiewał|śpiewa|wygrał|zagrał|zdobył|zaprojektował)a?"
    r"|(?:написал|нарисовал|сочинил|изобр[её]л|открыл|основал|построил|снял|сыграл|спел|по[её]т|выиграл|создал)а?|изобрела"
    r"|(?:skrev|malede|komponerede|opfandt|opdagede|grundlagde|byggede|instruerede|sang|vandt|tegnede|målade|komponerade|uppfann|upptäckte|regisserade|sjöng|vann))"
)
_NOT_WITH: Final = r"(?!\s(?:mit|auf|in|bei|avec|con|com|met|med|z|с|со)\b)"
_LETTER: Final = regex.compile(
    r"\b(?:brief|mail|e-?mail|nachricht|tagebuch|zettel|lettre|message|courriel|carta|correo|mensaje|lettera|messaggio|diario|mensagem|bericht|dagboek|list|wiadomość|письмо|сообщение|дневник|brev|besked|mektup|mektubu|mesaj|mesajı)\b",
    regex.I,
)
"""Who wrote one is asked of those whom one knows."""
_WHO: Final = r"(?:wer|qui|qui est-ce qui|quién|quiénes|chi|quem|wie|kto|кто|hvem|vem)"
_WHICH: Final = r"(?:welche[rs]?|quel(?:le)?|qué|cuál|quale?|que|qual|welke|jaki|jaka|który|która|какой|какая|hvilken|hvilket|vilken|vilket)\s\p{Ll}+"
_WHO_MADE: Final = regex.compile(rf"(?:{_WHO}|{_WHICH})\s{_MADE}(?!\p{{L}}){_NOT_WITH}", regex.I)
_WHO_MADE_LAST: Final = regex.compile(
    r".{2,100}\skim(?:in)?\s(?:yazdı|yaptı|icat etti|buldu|besteledi|yönetti|keşfetti|kurdu|söyledi|çizdi|eseridir|eseri)\W*\Z",
    regex.I,
)
"""The same in Turkish, where the verb comes last."""
_WHICH_YEAR: Final = regex.compile(
    r"(?:in welchem (?:jahr|jahrhundert|land)|en quelle année|(?:dans|en) quel (?:siècle|pays)|(?:en|de) qué (?:año|siglo|país)|(?:in|di) (?:che|quale) (?:anno|secolo|paese)|em que (?:ano|século|país)|in welk (?:jaar|land)|in welke eeuw|w którym (?:roku|wieku|kraju)|в каком (?:году|веке)|в какой стране|(?:i )?hvilket år|i hvilket (?:år|land)|vilket år|i vilket (?:år|land))(?!\p{L})",
    regex.I,
)
_WHAT_IS: Final = regex.compile(
    r"(?:(?:was|wie|welche[rs]?) (?:ist|war|heißt|hieß) (?:der|die|das)|quel(?:le)? (?:est|était) (?:le|la)|cuál (?:es|era|fue) (?:el|la)|qual è (?:il|la|lo)|qual'è (?:il|la)|qual (?:é|foi) [ao]|(?:wat|welke) (?:is|was) (?:de|het)|jak(?:a|i|ie) (?:jest|był[ao]?)|как(?:ая|ой|ое)(?: была?)?|hvad (?:er|hedder)|vad heter)\s"
    r"(?:\p{Ll}+\s){0,3}?(?:hauptstadt|komponist|autor|regisseur|fluss|berg|capitale|fleuve|montagne|capital|río|monte|montaña|fiume|rio|montanha|hoofdstad|rivier|berg|stolica|rzeka|góra|столица|река|гора|hovedstaden|huvudstaden)\w{0,3}(?!\p{L})",
    regex.I,
)
_WORK: Final = regex.compile(
    r"(?:(?:der|die|das|dem|den)\s)?(?:handlung|inhalt|zusammenfassung)\s(?:von|des romans|des films|des buches)\s\Z"
    r"|(?:l'intrigue|l'histoire|(?:le )?résumé)\s(?:de|du|des)\s\Z|(?:la trama|el argumento|el resumen)\s(?:de|del)\s\Z|(?:la trama|il riassunto)\s(?:di|del|dei)\s\Z"
    r"|(?:o enredo|a trama|o resumo)\s(?:de|do|da)\s\Z|(?:het verhaal|de samenvatting|de plot)\svan\s\Z|(?:fabułę|treść|streszczenie)\s\Z|(?:сюжет|содержание)\s(?:романа\s|фильма\s|книги\s)?\Z",
    regex.I,
)
"""Before a title: the plot of it."""
_OF_SOMEBODY: Final = regex.compile(
    r"(?:bin\s)?(?P<x>\p{Lu}[\p{L}-]+)(?:\s(?P<noun>\p{Lu}\p{Ll}+))?"
)
_PARTICLE: Final = regex.compile(r"(?:von|van|de|di|do|da)\s")


_KIN_TOLD: Final = regex.compile(
    r"我(?:们)?的?(?:妻子|老婆|太太|丈夫|老公|儿子|女儿|孩子|妈妈|妈|爸爸|爸|母亲|父亲|父母|姐姐|妹妹|哥哥|弟弟|男朋友|女朋友|男友|女友|前夫|前妻|奶奶|爷爷|外婆|外公|室友|同事|老板|邻居)"
    r"[^。！？!?\n]{0,20}?(?P<x>[乳肺肝胃肠血]?腺?癌|怀孕|流产|堕胎|离婚|出轨|抑郁|自杀|自残|艾滋|被抓|被捕|坐牢|吸毒|酗酒|家暴|打我|打人|打架|欠|赌博|被开除|被裁|失业|痴呆|精神病|住院)"
    r"|(?<![\p{Han}])(?:妻|夫|息子|娘|母|父|兄|弟|姉|妹|彼氏|彼女|祖母|祖父|旦那|嫁|上司|同僚)(?:の[\p{Han}々\p{Hiragana}]{1,4}?)?[がはに]"
    r"[^。！？!?\n]{0,20}?(?P<x>乳?がん|癌|妊娠|流産|中絶|離婚|浮気|不倫|うつ|自殺|逮捕|捕ま|麻薬|薬物|万引き|借金|アルコール|暴力|殴|認知症|クビ|入院)"
    r"|(?:우리|제|내)\s?(?:아내|남편|아들|딸|엄마|아빠|어머니|아버지|여동생|남동생|누나|형|오빠|언니|남자친구|여자친구)[가이은는의]"
    r"[^.!?\n]{0,20}?(?P<x>[유폐간위대]?방?암(?=[에이을 ])|임신|유산|낙태|이혼|바람|우울증|자살|체포|마약|빚|알코올|폭력|치매|해고|입원)"
    r"|我(?:们)?(?:刚刚?|已经|又|可能|好像|去年|今年|上个月|是不是|是否|会不会|有没有|真的){0,2}(?P<x>怀孕|流产|堕胎|离婚|出轨|(?:得|患|有)了?(?:抑郁|\p{Han}?癌|艾滋)|被(?:开除|裁|捕)|失业|吸毒|酗酒|自残|想自杀)"
    r"|(?:私|僕|俺)(?:は|が|も)?[^。！？!?\n]{0,8}?(?P<x>妊娠|流産|中絶|離婚|不倫|うつ病|逮捕|クビ)(?:し|に|さ|と|を|で)",
    regex.V1,
)
"""What befell the speaker or their own people, in languages of whose private texts little was learnt."""


_KIN_NAMED: Final = regex.compile(
    r"(?:妻子|老婆|太太|丈夫|老公|儿子|女儿|姐姐|妹妹|哥哥|弟弟|男朋友|女朋友|男友|女友|前夫|前妻|室友|同事)(?P<x>(?=[王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许])\p{Han}{2,3}?)(?=[得怀被离跑说因患有是在的了出吸欠打住失流自酗])"
    r"|(?:妻|夫|息子|娘|母|父|兄|弟|姉|妹|彼氏|彼女|同僚|上司)の(?P<x>\p{Han}{1,3}[子美郎太介樹翔香奈恵里男雄夫])(?=[がはにとをの])"
)
"""Names right after kin, in a text that tells what befell them."""


def told_of_kin(text: str) -> Iterator[Sign]:
    """Yield what is told of the speaker's own people in Chinese, Japanese and Korean."""
    told = [*_KIN_TOLD.finditer(text, timeout=_TIMEOUT)]
    for found in told:
        yield Sign(found.start("x"), found.end("x"), "family", _FAINT)
    for name in _KIN_NAMED.finditer(text, timeout=_TIMEOUT) if told else ():
        yield Sign(name.start("x"), name.end("x"), "name", _NAMED)


def without_words(text: str, names: Sequence[Name]) -> list[Name]:
    """Return names without German nouns, question words at the head of a sentence, and titles.

    A word on a list of first names stays a name, and so does a surname where somebody may be meant.
    Raises TimeoutError.
    """
    german = is_german(text)
    if german:
        names = [_without_noun(text, name) for name in names]
    somebody = german and _ABOUT_HERE.search(text) is not None
    return [
        name
        for name in names
        if not (
            _is_opening(text, name)
            or _is_title(text, name)
            or (german and _is_german_noun(text, name, somebody=somebody))
        )
    ]


def asks_of_world(text: str) -> bool:
    """Return whether one short question asks who made something, when it was, or what is largest.

    Neither the speaker nor kin is in it.
    """
    if len(text) > _LONGEST:
        return False
    said = text[slice(*core(text))].strip(" ¿?？\"'»«„“”").replace(" ", " ")
    if regex.search(r"[.!?]\s", said) or _LETTER.search(said):
        return False
    if not (
        _WHO_MADE.match(said, timeout=_TIMEOUT)
        or _WHICH_YEAR.match(said)
        or _WHAT_IS.match(said, timeout=_TIMEOUT)
        or _WHO_MADE_LAST.match(said, timeout=_TIMEOUT)
    ):
        return False
    words = {word.lower() for word in _WORD.findall(said)}
    return words.isdisjoint(_FIRST) and words.isdisjoint(_KIN)


def _is_german_noun(text: str, name: Name, *, somebody: bool) -> bool:
    word = text[name.start : name.end].lower()
    if name.form == "given" and (somebody or word in lexicon().given):
        return False
    return name.form in ("unknown", "given") and is_noun(word)


def _without_noun(text: str, name: Name) -> Name:
    """Return a name without the German verb before it and the noun after it: "bin Annas Tante"."""
    found = _OF_SOMEBODY.fullmatch(text, name.start, name.end)
    if found is None or name.form not in ("full", "given"):
        return name
    start, end = found.span("x")
    known = lexicon()
    if found["noun"]:
        noun = found["noun"].lower()
        genitive = found["x"].lower().removesuffix("s") in known.given and found["x"].endswith("s")
        plain = noun in known.ordinary or is_noun(noun)
        named = noun in known.given or (noun in known.family and not genitive)
        end = end if plain and not named else name.end
    if (start, end) == (name.start, name.end):
        return name
    return Name(start, end, "full" if " " in text[start:end] else "given")


def _is_opening(text: str, name: Name) -> bool:
    if name.form not in ("unknown", "given", "ambiguous"):
        return False
    word = text[name.start : name.end].lower()
    return word in _OPENING and _OPENS.search(text[max(0, name.start - 3) : name.start]) is not None


def _is_title(text: str, name: Name) -> bool:
    """Return whether a name, or what is left of it after a particle, is the title of a work."""
    particle = _PARTICLE.match(text, name.start)
    start = particle.end() if particle else name.start
    return _WORK.search(text[max(0, start - 40) : start]) is not None
