"""Health, belief, politics, origin, love life and trouble with the law, once tied to a person.

The fields are those of article 9 and 10 of the General Data Protection Regulation. The word for
an illness alone says nothing of anybody: it counts beside 'I', 'my', or somebody's relative.
"""

# ruff: noqa: RUF001 (letters of other languages are meant)

import regex

from floe.privacy.recognizers import Rule, RuleRecognizer, compiled

_RELATIVE = (
    r"(?: wife | husband | partner | girlfriend | boyfriend | spouse | fianc[ée]e? | ex"
    r" | mother | father | mum | mom | dad | parents? | son | daughter | child(?:ren)?"
    r" | kids? | baby"
    r" | brother | sister | siblings? | grand(?:mother|father|ma|pa|son|daughter|parents)"
    r" | aunt | uncle | cousin | niece | nephew | friend | boss | colleague | co-?worker"
    r" | neighbou?r"
    r" | roommate | flatmate | patient | client | student | employee | teammate | in-laws?"
    r" | (?:mother|father|brother|sister)-in-law | stepson | stepdaughter | twins? | bf | gf )"
)
_TIED = rf"(?: (?: my | our ) \s (?: \w+ \s )? {_RELATIVE} (?: 's )? )"
_SOMEBODY = rf"(?: i | i'm | i've | i'd | we | we're | we've | he | she | he's | she's | {_TIED} )"
_OWN = rf"(?: my | our | his | her | {_TIED} )"

_ILLNESS = (
    r"(?: diabet\w+ | cancer\w* | tumou?r\w* | leuk[a]?emia | lymphoma | melanoma | hiv"
    r" | aids | hepatitis | herpes | chlamydia | syphilis | gonorrh\w+ | std | sti"
    r" | depress\w+ | anxiety | anxious"
    r" | panic \s attacks? | bipolar | schizo\w+ | psychosis | ptsd | adhd | add | autis\w+"
    r" | asperger\w* | ocd | anorexi\w+ | bulimi\w+ | eating \s disorder | suicid\w+"
    r" | self[- ]harm\w* | alcoholi\w+ | addict\w+"
    r" | asthma\w* | epilep\w+ | seizures? | stroke | heart \s (?: attack | disease"
    r" | failure | condition ) | arrhythmia | hypertension | high \s blood \s pressure"
    r" | cholesterol | angina | dementia | alzheimer'?s?"
    r" | parkinson'?s? | multiple \s sclerosis | als | lupus | arthritis | fibromyalgia"
    r" | crohn'?s? | colitis | ibs | celiac | migraines? | thyroid | endometriosis | pcos"
    r" | infertil\w+ | miscarr\w+ | abortion"
    r" | pregnan\w+ | menopause | covid\w* | pneumonia | tuberculosis | allerg\w+"
    r" | insomnia | sleep \s apnoea | kidney \s (?: stones? | disease | failure )"
    r" | dialysis | ulcers? | gout | eczema | psoriasis | rash"
    r" | broken \s (?: leg | arm | wrist | hip | bone | ankle ) | slipped \s disc"
    r" | herniated | concussion | disab\w+ | wheelchair | dyslexi\w+ | burn-?out"
    r" | overdose\w* | relapse\w* | in \s remission | terminal(?:ly)? \s ill )"
)
_CARE = (
    r"(?: doctors? | gp | physician | therapists? | therapy | psychiatrist | psychologist"
    r" | psychotherap\w+ | counsell?or | oncologist | cardiologist | dermatologist"
    r" | gyna?ecologist | urologist | neurologist"
    r" | dentist | surgeon | surgery | operation | midwife | nurse | clinic"
    r" | hospital (?:i[sz]ation)? | diagnos[ie]s | prognosis | symptoms | illness | disease"
    r" | condition | medication | medicines? | meds | prescriptions?"
    r" | antidepressants? | insulin | chemo (?:therapy)? | radiotherapy | biopsy | mri"
    r" | ct \s scan | x-?ray | ultrasound | mammogram | colonoscopy | blood \s (?: tests?"
    r" | pressure | sugar | work | results | type ) | lab \s results"
    r" | (?: test | scan | biopsy | medical | lab ) \s (?: results? | reports? | records?"
    r" | history | tests? | files? ) | health | mental \s health | medical \s \w+"
    r" | sick \s (?: leave | note ) | periods? | pain | rehab | vaccin\w+ )"
)
_SUFFERING = (
    r"(?: have | has | had | having | 've | got | get | suffer\w* | diagnosed | treated"
    r" | tested | living | struggl\w+ | recover\w+ | fighting | battling | died | dying"
    r" | sick | ill | am | 'm | is | 's | was | were | been | being"
    r" | feel | feeling | taking | on | developed | caught )"
)
_TOPIC = (
    r"(?! (?: about | essay | paper | article | research\w* | question | exam | presentation"
    r" | study | studying | writing | reading | book | documentary | talk ) \b )"
)
_SUFFERED = compiled(
    rf"(?<! \w ) {_SOMEBODY} \s+ (?: {_TOPIC} [\w'-]+ \s+ ){{0,3}}? {_SUFFERING} \s+ (?:"
    rf" {_TOPIC} [\w'-]+ \s+ ){{0,4}}? (?P<x> {_ILLNESS} ) (?! \w )"
)
_I_AM_ILL = compiled(
    rf"(?<! \w ) (?: i'?m | i'?ve | he's | she's | we're | we've"
    rf" | {_TIED} 's ) \s+ (?: (?: not | so | very | really | currently | also | just | a"
    rf" | an | quite | getting | feeling | living \s with | suffering \s from"
    rf" | struggling \s with | dealing \s with | recovering \s from | fighting | taking"
    rf" | on | been | had | got | having | being | treated | diagnosed | with | for | always"
    rf" | still | \w+ly | \d+ | weeks | months ) \s+ ){{0,4}} (?P<x> {_ILLNESS} ) (?! \w )"
)
_OWN_CARE = compiled(
    rf"(?<! \w ) {_OWN} \s+ (?: (?! own \b ) [\w'’-]+ \s+ ){{0,2}}? (?P<x> {_ILLNESS}"
    rf" | {_CARE} ) (?! \w )"
)
_TREATED = compiled(
    rf"(?<! \w ) {_SOMEBODY} \b (?: \s"
    rf" | ' ) (?: [\w'-]+ \s ){{0,3}}? (?P<x> (?: diagnosed \s with | diagnosed"
    rf" | hospitali[sz]ed | tested \s (?: positive | negative ) | prescribed"
    rf" | in \s (?: the \s )? (?: hospital | rehab | therapy | intensive \s care | a \s coma )"
    r" | on \s (?: \w+ \s )? (?: medication | meds | antidepressants | insulin | chemo"
    r" | sick \s leave ) | (?: had | having | need | needs | scheduled \s for"
    r" | going \s to \s have ) \s (?: an? \s )? (?: \w+ \s )? (?: surgery | operation"
    r" | biopsy | mri | abortion | chemo\w* )"
    r" | suicidal | kill (?:ing)? \s myself | cut(?:ting)? \s myself"
    r" | see(?:ing)? \s a \s (?: therapist | psychiatrist | psychologist | oncologist"
    r" | cardiologist ) ) ) (?! \w )"
)
_PATIENT = compiled(
    r"(?P<x> \b \d{1,3} [\s-]* (?: year s? [\s-]* old | y\.?/?o\.? | yo"
    r" | yrs? ) \b [^.?!\n]{0,40}? \b (?: complain\w+ | present(?:s|ed|ing) \s with"
    r" | diagnosed | suffer\w+ | admitted | treated | history \s of"
    r" | with \s (?: a \s )? (?: pain | fever | chest ) ) )"
)
_BODY = compiled(
    r"(?<! \w ) (?: i \s (?: have | 've | 've \s got | had | am \s having | feel ) | i've"
    r" | i'm \s having | he \s has"
    r" | she \s has ) \b (?: \s [\w'-]+ ){0,4}? \s (?P<x> (?: chest | stomach | back"
    r" | abdominal | severe | sharp ) \s pains? | fever | headaches?"
    r" | blood \s in \s my \s \w+ | lump | numbness | nausea )"
)
_OTHER_TONGUES = compiled(
    r"""
    (?<! \w ) (?P<x>
      (?: ich \s habe | ich \s leide \s an | bei \s mir \s wurde | ich \s bin
        | mein\w* \s \w+ \s hat ) \s (?: \w+ \s ){0,3}? (?: krebs | diabetes | depression\w*
        | depressiv | hiv | schwanger | krank | asthma | epilepsie | angstst\w+ | diagnostiziert
        | krankgeschrieben | bluthochdruck )
      | mein\w* \s (?: \w+ \s )? (?: arzt | [äa]rztin | hausarzt | haus[äa]rztin | therapeut\w*
        | psychiater\w* | diagnose | befund\w* | blutwerte | medikamente? | krankheit
        | krankenakte | testergebnisse? | krankschreibung | schwangerschaft | operation )
      | (?: j'ai | je \s suis | je \s souffre \s d\w*
        | on \s m'a \s diagnostiqu[ée] ) \s (?: [\w'] + \s ){0,3}? (?: cancer | diab[èe]te
        | diab[ée]tique | d[ée]pressi\w+ | d[ée]prim[ée]e? | enceinte | malade | vih | asthm\w+ )
      | m(?:on|a|es) \s (?: m[ée]decin | psy\w* | th[ée]rapeute | traitement | grossesse
        | maladie | diagnostic | ordonnance
        | r[ée]sultats \s (?:d'analyses?|m[ée]dicaux|d'examens?) | m[ée]dicaments? )
      | (?: tengo | padezco | sufro | estoy | me \s diagnosticaron
        | me \s han \s diagnosticado ) \s (?: \w+ \s ){0,2}? (?: c[áa]ncer | diabetes
        | depresi[óo]n | deprimid[oa] | embarazada | enferm[oa] | vih | ansiedad | asma )
      | mis? \s (?: m[ée]dic[oa] | doctora? | terapeuta | psiquiatra | psic[óo]log[oa]
        | diagn[óo]stico | resultados \s m[ée]dicos | an[áa]lisis | medicaci[óo]n | enfermedad
        | embarazo )
      | (?: il \s mio | la \s mia | i \s miei ) \s (?: medico | dottore | terapeuta | diagnosi
        | malattia | gravidanza | psicologo | farmaci )
      | mijn \s (?: huisarts | dokter | therapeut | diagnose | ziekte | medicatie )
    ) (?! \w )
    """
)

_FAITH = (
    r"(?: christian | catholic | protestant | orthodox \s christian | muslim | jew | jewish"
    r" | hindu | buddhist | sikh | atheist | agnostic | mormon | jehovah'?s \s witness"
    r" | baptist | lutheran | evangelical | wiccan | bah[áa]'[íi] )"
)
_BELIEF = compiled(
    rf"(?<! \w ) (?P<x> (?: i \s am | i'm | we \s are | we're | {_TIED} \s is"
    rf" | my \s \w+ \s are | i \s was \s raised | ich \s bin | je \s suis"
    rf" | soy ) \s (?: a \s | an \s )? (?: \w+ \s )? {_FAITH} | (?: i | we"
    rf" | {_TIED} ) \s (?: converted \s to | left \s the ) \s (?: \w+ \s )? (?: islam"
    rf" | christianity | judaism | church | hinduism | buddhism ) | my \s (?: faith"
    rf" | religion | parish | imam | rabbi | mosque | synagogue | confession ) ) (?! \w )"
)
_POLITICS = compiled(
    rf"(?<! \w ) (?P<x> (?: i | we | {_TIED} ) \s (?: \w+ \s )? (?: voted | vote"
    rf" | campaigned | canvass\w* ) \s (?: for | against )"
    rf" | i'm \s a \s (?: \w+ \s )? (?: democrat | republican | socialist | communist"
    rf" | conservative | tory | marxist ) | i \s am \s a \s (?: \w+ \s )? (?: democrat"
    rf" | republican | socialist | communist | conservative | tory | marxist )"
    r" | (?: my | our ) \s (?: political \s \w+ | party \s (?: membership | card )"
    r" | trade \s union | union \s (?: membership | dues | rep\w* | card ) )"
    r" | i \s (?: am \s a \s member \s of | joined ) \s (?: the"
    r" | a ) \s (?: \w+ \s ){0,2} (?: party | union ) ) (?! \w )"
)
_LOVE = compiled(
    rf"(?<! \w ) (?P<x> (?: i \s am | i'm | {_TIED} \s (?: is | came \s out \s as )"
    rf" | i \s came \s out \s as | came \s out \s to \s my"
    rf" | coming \s out \s to \s my ) \s (?: a \s | \w+ \s )? (?: gay | lesbian | bi"
    rf" | bisexual | queer | trans | transgender | non-?binary | asexual | pansexual"
    rf" | closeted | parents | family | wife | husband )"
    rf" | (?: i | i'm | i've | we"
    rf" | {_TIED} ) \s (?: \w+ \s ){{0,3}}? (?: having \s an \s affair | had \s an \s affair"
    rf" | cheat(?:ed|ing) \s on \s (?: me | him | her | my \s \w+ ) | (?: sex"
    rf" | slept ) \s with ) | my \s (?: sex \s life | sexual\w* (?: \s \w+ )? | affair"
    rf" | divorce | erectile \s \w+ | transition ) | sleeping \s with \s my \s \w+ ) (?! \w )"
)
_ORIGIN = compiled(
    r"(?<! \w ) (?P<x> my \s (?: ethnicity | race | ethnic \s \w+ | skin \s colou?r"
    r" | immigration \s (?: status | case | papers ) | asylum \s \w+ | residence \s permit"
    r" | genetic \s \w+ | dna \s (?: test | results? ) | fingerprints? )"
    r" | i \s am \s undocumented | i'm \s undocumented ) (?! \w )"
)
_LEGAL = compiled(
    rf"(?<! \w ) (?P<x> my \s (?: criminal \s \w+ | conviction | probation | parole | arrest"
    rf" | court \s (?: case | date | hearing ) | custody \s \w+ | restraining \s order"
    rf" | lawsuit | trial | bankruptcy | dui )"
    rf" | (?: i | i've | we | {_TIED} ) \s (?: \w+ \s ){{0,2}}? (?: arrested | convicted"
    rf" | sentenced | (?: in | out \s of | went \s to | released \s from ) \s (?: prison"
    rf" | jail ) | charged \s with | on \s (?: probation | parole | bail ) | raped"
    rf" | assaulted | abused | molested | embezzl\w+ | stole \s from ) ) (?! \w )"
)


def _about_somebody(match: regex.Match[str]) -> bool:
    """Not what people say of nobody: 'he'/'she' in a riddle counts, 'my health potion' does not."""
    after = match.string[match.end() : match.end() + 12].lower()
    return not after.startswith((" bar", " potion", " insurance company"))


SENSITIVE = RuleRecognizer(
    "what is nobody else's business",
    [
        *(
            Rule("health", pattern, 0.7, _about_somebody)
            for pattern in (
                _SUFFERED,
                _I_AM_ILL,
                _OWN_CARE,
                _TREATED,
                _PATIENT,
                _BODY,
                _OTHER_TONGUES,
            )
        ),
        Rule("belief", _BELIEF, 0.7),
        Rule("politics", _POLITICS, 0.7),
        Rule("love life", _LOVE, 0.7),
        Rule("origin", _ORIGIN, 0.7),
        Rule("legal matter", _LEGAL, 0.7),
    ],
)
