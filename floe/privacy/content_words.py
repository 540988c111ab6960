"""Words that carry meaning, as memory finds texts by them and the guard compares texts by them.

Knows strings alone.
"""

import re
from typing import Final

from floe.store.text import clean, segment

_WORD: Final = re.compile(r"\w+")

_TEXT: Final = """
    a about above after again all also always am an and another any anyone anything are as at be
    because been before being below between both but by can cannot could d did do does doing done
    down during each either else ever every everyone everything few for from further get gets give
    go goes going got had has have having he hello her here hers herself hey hi him himself his
    how i if in into is it its itself just know let ll m make many me mean might mine more
    most much must my myself need no nor not now of off ok okay on once one only or other our ours
    ourselves out over own please re remember remind s same say shall she should so some someone
    something such t tell than thank thanks that the their theirs them themselves then there these
    they thing things this those through to too under until up us ve very want was we well were
    what when where whether which while who whom whose why will with without would yes yet you
    your yours yourself aber alle als auch auf aus bei bin bis bist das dass dein dem den der des
    die dir doch du ein eine einem einen einer er es für hat habe haben ich ihm ihr im ist ja kann
    kein keine man mein meine meinem meinen meiner mich mir mit nach nicht noch nur oder sein
    seine sich sie sind und uns unser unsere vom von war wann welche welcher welches wem wen wer
    wie wir wo zu zum zur au aux avec ce ces cette dans de elle en est et eu il ils je la le les
    leur leurs lui ma mais mes moi mon ne nos notre nous ou où par pas pour quand que quel quelle
    qui quoi sa se ses sont suis sur ta te tes toi ton tu un une vos votre vous y al como con
    cual cuando del donde el ella esta este las lo los mi mis mío nuestra nuestro o para pero por
    quién soy su sus tus una yo
"""
_FUNCTION_WORDS: Final = frozenset(_TEXT.split())
"""Words that stand in any text, in four languages: they find nothing and give nothing away. Without
the French "son", which is somebody in English."""


def content_words(text: str) -> list[str]:
    """Return the words that carry meaning, in order, each once, in lower case."""
    words = _WORD.findall(segment(clean(text)).casefold())
    return list(dict.fromkeys(word for word in words if word not in _FUNCTION_WORDS))
