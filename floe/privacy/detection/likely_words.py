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
    chemistry geography history pe rehab esq jehovah jehova santa
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
    stepfather stepmother stepson stepdaughter stepkid godmother godfather goddaughter godson
    granddaughter grandson grandkid grandchild bff wifey fella lodger landlady cellmate sibling
    cleaner gardener nanny plumber builder electrician handyman driver tutor trainer caretaker
    receptionist secretary apprentice trainee azubi kjæreste kjæresten kæresten
    ex-husband ex-wife ex-boyfriend ex-girlfriend ex sponsor childminder
    kumpel mitbewohner mitbewohnerin cousine exfreund exfreundin verlobter verlobte schwager
    schwägerin enkel enkelin neffe nichte schwiegermutter schwiegervater
    coloc mec meuf beau-père belle-mère belle-soeur belle-sœur beau-frère petite-fille petit-fils
    nièce neveu compañero compañera suegra suegro cuñado cuñada nieto nieta sobrino sobrina novio
    novia suocera suocero cognato cognata nipote cugino cugina compagno compagna coinquilino
    coinquilina schoonmoeder schoonvader zwager schoonzus zoontje dochtertje kleindochter
    kleinzoon sogra sogro cunhado cunhada netinho sobrinho sobrinha colega svärmor svärfar
    svigermor svigerfar kusin kusine sønn sjefen chefen läraren læreren kollegan flickvän pojkvän
    teściowa teść szwagier szwagierka wnuk wnuczka kuzyn kuzynka
"""
_RANKS_TEXT: Final = """
    sgt sergeant captain cpt cpl corporal major colonel general lieutenant lt rev reverend fr
    pastor imam rabbi vicar bishop mayor president prime minister headmaster headteacher
    principal manager director chief head officer inspector constable pc pani pan señora doña
    thx ta bye pls plz feb sept oct nov dec aug hva hvem hvor hvordan hvorfor hvad vad vem hur
    varför hoe waarom wanneer warum wann qué cómo quién cuándo dónde quand comment pourquoi où
    cosa perché kto gdzie kiedy dlaczego jak quem
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

_NO_PERSONS_TEXT: Final = """
    school work police court church society google life management customer customers staff
    company bank insurance hospital clinic council government team support security reception
    accounting accounts payroll marketing sales finance business money rent time food water pain
    nothing everything something anything half most rest part news family parents kids girls boys
    women men somebody anybody students workers everybody army college uni university prison
    jail heaven nature science research evidence history today yesterday tomorrow tonight
    payment sex love therapy counselling medication treatment chemo surgery drugs alcohol
    cancer dinner lunch breakfast christmas summer's winter's nursery daycare kindergarten gym
    post traffic weather gossip rumour question answer total date reason amount status days
    notes comments phone email address age class team dept department role position salary
    present absent late paid unpaid owing due sick ill fine good bad yes no maybe none friend
    friends teacher teachers doctor doctors nurse nurses lawyer boss neighbours neighbors
    daycare wedding funeral party house flat car dog cat job cousin's body heart brain hand
    head leg arm knee back face hair eyes mind soul temper voice name phone ex's
    problem situation issue mom's mum's stuff guy guys bloke lady woman girl boy man child baby
    toddler teen teenager doc docs guests witness pupil patient client tenant landlord colleague coworker manager
"""
_SHORT_WORDS_TEXT: Final = """
    and but for nor yet the who how why what when just only even ever also been were are was is
    has had have does did do can may will let got get goes went gone came come saw see sees say
    says said ask asks told tell lies lied live live lost left last next else too two one ten six
    six big old new sad mad bad ill sick high low shy rude lazy mean nice kind good fine okay ok
    back away here home over down up out off on in at by to of as if so or an no not now then
    than that this they them their she he him his her hers its it we us our you your my me i a
    dog cat car job boy girl man men baby kid kids mum mom dad ex son bed room rent cash debt
    flat text call mail note talk chat fell fall cry hit hits beat beats bit bite eats ate eat
    drank drink runs ran run sits sat sit won't wont cant died dies die dead die gave give took
    take made make has keep kept pays paid pay owes owe quit quit sold sell sent send met meet
    knew know like love hate want need use used uses once soon much many more most some any all
    both each same such very well day week year time life work wife name age lump test
    still never always really maybe likes loves hates needs wants works lives plays
"""
_ABROAD_TEXT: Final = """
    der die das er sie es ist hat war und aber nicht auch immer nie schon jetzt nur noch wieder
    macht kann will soll muss mit von zu aus aux le la les il elle est a et mais ne pas qui que se
    de du au en un une el ella es no y pero ya siempre nunca con por que lo un una il lo lei lui e
    ha non ma che si di da con se een het hij zij ze heeft had maar niet ook altijd nooit met van
    is was er den det han hun hon og och är har har ikke inte men ej som på med
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
NOT_SMALL_BESIDE: Final = NOT_SMALL - {"ben", "mia", "mina"}
"""The same beside a name, where what is "I" or "my" in another language is one, too."""
NO_INITIALS: Final = frozenset(_INITIALS_TEXT.split())
"""Letters with full stops, without them, that are nobody's initials."""
ACRONYMS: Final = frozenset(_ACRONYMS_TEXT.split())
"""Capitals that are nobody's initials."""
NO_PERSONS: Final = frozenset(_NO_PERSONS_TEXT.split())
"""What speaks, belongs to somebody or heads a column, and is nobody."""
SHORT_WORDS: Final = frozenset(_SHORT_WORDS_TEXT.split())
"""Short words of English that follow a word for kin: "my mum cant", "my ex hits"."""
ABROAD: Final = frozenset(_ABROAD_TEXT.split())
"""Words of other languages that follow a word for kin: "meine mutter hat"."""
