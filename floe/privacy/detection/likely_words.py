"""Words by which `likely_names` tells a person from a word of the language.

What has a capital and is nobody's name, whom one calls kin, and the shorthand of hasty writing.
"""

from typing import Final

from floe.privacy.detection.vocabulary import listed
from floe.privacy.detection.world import SMALL_WORDS

_GREETINGS_TEXT: Final = """
    dear hi hey hello regards yours sincerely love cheers thanks thank best kind warm wishes
    kisses hugs xoxo sorry subject re fwd cc bcc ps note please draft from to date sent god lord
    jesus christ allah bible quran koran internet wifi covid english maths math physics biology
    chemistry geography history pe rehab esq
"""
_CALENDAR_TEXT: Final = """
    monday tuesday wednesday thursday friday saturday sunday january february march july september october november december christmas easter eid diwali hanukkah
    ramadan halloween thanksgiving passover
"""
_KIN_TEXT: Final = """
    mum mom mummy mommy mam ma dad daddy da gran granny grandma grandpa granddad grandad gramps
    nan nana nanny grandmother grandfather auntie aunty aunt uncle maman papa papi papy mamie
    mami mamá papá abuelo abuela nonno nonna zia zio tante tantine onkel oma opa mutti vati mor
    far mormor morfar farmor farfar bestemor avó avô vovó vovô tia tio tía tío babcia dziadek
    mama tata mamma pappa soeur sœur søster bror søn datter mann kone mari femme fils fille
    copain copine figlia figlio fidanzato fidanzata moglie marito hija hijo irmã irmão filha
    filho zus broer buurman vriend vriendin vriendje meisje dochter zoon sis bro step-dad
    step-mum stepdad stepmum stepmom stepsister stepbrother half-sister half-brother childminder
    babysitter carer bloke mate mates pal missus hubby fiance fiancé fiancée wife husband
    ami amie amigo amiga amico amica vän ven kompis kæreste kollega hans hennes hendes
"""
_RANKS_TEXT: Final = """
    sgt sergeant captain cpt cpl corporal major colonel general lieutenant lt rev reverend fr
    pastor imam rabbi vicar bishop mayor president prime minister headmaster headteacher
    principal manager director chief head officer inspector constable pc pani pan señora doña
    don hr fru herr herrn frau
"""
_ALSO_NAMES_TEXT: Final = """
    ma da don ami hans buddy mari tia bro sis pal mina mor far mate major constable
"""
_SHORTHAND_TEXT: Final = """
    am an as at be by bf gf i im id ill in is it me mine my no of off oh on or our ours so to u
    ur us we wanna gonna gotta pls plz thx tbh idk smth omg lol kinda dunno cos cause cuz coz ya
    yeah nah yep abt bday tmrw tonite rn ngl fam hun mum's someone everyone nobody anybody
    everybody people folks whoever whom whose both all none himself herself themselves myself
    yourself
"""
_INITIALS_TEXT: Final = """
    us uk un eu ps pps am pm uae usa bc ad ie eg ba ma dc zb pa
"""
_ACRONYMS_TEXT: Final = """
    HR IT GP TV UK US EU PC OK AI ID CV PE QA PR DM PM AM BF GF UN MD PHD MA BA CEO CFO CTO COO
    IVF HIV STD STI DUI ADHD OCD MRI CT ER ICU NHS VAT FAQ ASAP FYI IBS IUD PMS RSI SSN IRS HMO
    NDA MP FBI CIA DNA RE PS CC NB TBC TBD ETA DIY FAO ENT A&E XX XXX
"""

FIRST: Final = listed("first_person")
"""Words for the speaker, in many languages."""
ORGANISED: Final = listed("organised") | listed("organisations")
"""Words of which one makes a run of capitals a firm, a school or a street."""
KIN: Final = frozenset(_KIN_TEXT.split()) | listed("kin")
ALSO_NAMES: Final = frozenset(_ALSO_NAMES_TEXT.split())
"""Words for kin and ranks that are names, too, where they have a capital."""
_WITH_CAPITAL: Final = frozenset([*_GREETINGS_TEXT.split(), *_CALENDAR_TEXT.split()])
NEVER: Final = (
    _WITH_CAPITAL | KIN | frozenset(_RANKS_TEXT.split()) | listed("titles") | listed("never_names")
) - ALSO_NAMES
"""Words that are no name, capital or not."""
NOT_SMALL: Final = SMALL_WORDS | FIRST | NEVER | ALSO_NAMES | frozenset(_SHORTHAND_TEXT.split())
"""Words that are no name in small letters."""
NO_INITIALS: Final = frozenset(_INITIALS_TEXT.split())
"""Letters with full stops, without them, that are nobody's initials."""
ACRONYMS: Final = frozenset(_ACRONYMS_TEXT.split())
"""Capitals that are nobody's initials."""
