"""Places in a sentence where whoever stands is somebody one deals with, whatever lists say.

"Did you get the code from …?", "change the booking from … to …": what is in such a place is called,
paid, invited or waited for. Knows words alone, neither names nor the classifier.
"""

from functools import lru_cache
from typing import Final

import regex

_TIMEOUT: Final = 1.0
_BEFORE: Final = 70
"""Characters before a place that are looked at."""
_AFTER: Final = 50
_THING: Final = (
    r"(?:codes?|keys?|answers?|reply|replies|messages?|msgs?|texts?|calls?|e-?mails?|mails?|letters?|notes?|news|word|money|cash|deposit|rent|invoices?|bills?"
    r"|quotes?|estimates?|presents?|gifts?|parcels?|package|photos?|pictures?|pics|documents?|papers|form|forms|contract|file|files|number|address|recipe|money"
    r"|drill|ladder|bike|car|van|jacket|book|books|money|card|tickets?|signature|approval|feedback|permission|voicemail|postcard|anything|something)"
)
_FROM: Final = regex.compile(
    rf"\b(?:did|do|have|has|had|i|we|you|she|he|they|still|just|never|please)\b[^.?!\n]{{0,30}}\b(?:get|got|gotten|hear|heard|hears|receive[ds]?|borrow(?:ed)?|collect(?:ed)?|pick(?:ed)? up|find|found|see|saw|need|want|wait(?:ing)? for|expect(?:ing)?|took|take)\s"
    rf"(?:(?:back|anything|something|nothing|much|word|news|from)\s)?(?:(?:the|a|an|any|your|my|our|that|those|his|her|another|some)\s)?(?:[\p{{Ll}}'-]+\s){{0,2}}?from\s\Z"
    rf"|(?:\A|[.?!:;,\n]\s*)(?:(?:a|the|another|new|missed|urgent|got|any)\s){{0,2}}{_THING}\sfrom\s\Z",
    regex.I,
)
"""What somebody got, and from whom."""
_HANDS: Final = regex.compile(
    r"(?:\A|[.?!:;,\n]\s*|\b(?:to|please|pls|and|then|i|we|i'll|we'll|i've|i'd|can you|could you|did you|have you|you|should i|must|don't|never)\s)"
    r"(?:give|gave|given|hand|handed|lend|lent|send|sent|show|showed|sell|sold|owe|owed|pay|paid|return|returned|bring|brought|pass|passed|forward|assign|assigned|offer|promised?|introduce)\s"
    r"(?:(?:the|a|an|my|our|your|this|that|it|them|all|both|some|his|her|me|us|this|these|those)\s?)(?:[\p{Ll}'-]+\s){0,3}?to\s\Z",
    regex.I,
)
"""What somebody hands over, and to whom."""
_BID: Final = r"(?:tell|ask|text|ring|remind|invite|thank|warn|message|notify|congratulate|pay|e-?mail|phone|call|forgive|lend|owe|charge|refund)"
_TO_DO: Final = regex.compile(
    rf"(?:\A|[.!?:;,\n-]\s*|\b(?:to|please|pls|and|then|i'll|we'll|i must|i should|should i|did you|did they|have you|can you|could you|can we|we should|i have to|i need to|don't|never|remember to|remind me to|forgot to)\s)"
    rf"{_BID}\s\Z",
    regex.I,
)
"""What is to be done, or was, to somebody."""
_DONE_TO: Final = regex.compile(
    r"\b(?:i|we|she|he|they|i've|we've|i'd|i'm|who|nobody|already|just)\s(?:(?:just|never|already|finally|have|had)\s)?"
    r"(?:told|asked|texted|rang|called|phoned|emailed|messaged|invited|thanked|paid|owe|owes|owed|lent|promised|kissed|ghosted|blocked|unfriended|hired|fired|sacked|babysat|overheard)\s\Z",
    regex.I,
)
_TEXT: Final = """
    adidas airbnb aldi alexa asana asos audi bosch boeing canva chatgpt costco decathlon deliveroo dell depop discord dropbox dyson
    ebay etsy evernote facetime figma fiverr garmin gmail google hinge hulu huawei icloud ikea instacart instagram klarna
    lego lidl linkedin lufthansa lyft medium miro monzo netflix nike nintendo notion onedrive paypal peloton photoshop
    pinterest playstation quora reddit revolut ryanair samsung shein shopify siri skype slack snapchat sony spotify
    steam stripe telegram temu tesco tesla tiktok tinder trello twitch twitter uber udemy ups venmo vinted vimeo
    vodafone walmart whatsapp wikipedia xbox xiaomi youtube zalando zoom
"""
_FIRMS: Final = frozenset(_TEXT.split())
"""Firms and services from which one gets mail, and that send and charge as people do."""
_NOT_AFTER: Final = regex.compile(
    r"\s(?:Street|Road|Avenue|Lane|Airport|Station|Hotel|Bank|Park|Museum|University|College|School|Hospital|Church|Council|Award|Prize)\b"
)
_BOOKING: Final = regex.compile(
    r"\b(?:reservation|booking|ticket|tickets|appointment|table|room|flight|shift|shifts|slot|order|account|invoice|contract|lease|tenancy|seat|name|names|surname|signature|policy|registration|entry|badge)\b"
    r"[^.?!\n]{0,30}?\b(?:from|to|under|for|of|into|over to)\s(?:the\sname\s(?:of\s)?)?(?:(?P<first>\p{Lu}[\p{L}'-]+(?:\s\p{Lu}[\p{L}'-]+)?)\sto\s)?\Z"
)
_CHANGES: Final = regex.compile(
    r"\b(?:change|move|transfer|switch|rename|swap|correct|put|rebook|reassign|reissue|update|alter|ändern|umbuchen)\b",
    regex.I,
)
_UNDER_NAME: Final = regex.compile(
    r"\b(?:(?:under|in|on|to) the|(?:under|in|on|with|to) (?:his|her|my|our|their)) (?:[\p{Ll}]+ )?name(?: of)?:? \Z|\b(?:booked|reserved|registered|made out|billed|addressed) (?:under|for|to|by|in) \Z",
    regex.I,
)
_WORKS: Final = regex.compile(
    r"\b(?:movie|film|song|album|book|novel|band|game|play|series|brand|company|product|character|poem|language|word)\b",
    regex.I,
)
_WHETHER: Final = regex.compile(
    r"(?:\A|[.?!:;,\n]\s*|\b(?:so|and|but|hey|hi)\s)(?:did|has|have|is|was|does|do|will|would|can|could|when (?:is|does|did|will|can)|why (?:is|does|did|has|won't|didn't|doesn't)|where (?:is|did|does)"
    r"|what (?:did|does|time (?:did|does|is))|how (?:did|is|was))\s(?:(?:mr|mrs|ms|miss|dr|herr|frau)\.?\s)?\Z",
    regex.I,
)
_DOES: Final = regex.compile(
    r"\s(?:really\s|already\s|actually\s|even\s|still\s|ever\s|last\s)?(?:pay(?=\W*\Z)|(?:transfer|wire|return|deliver|drop off|hand in|submit|collect)(?:r?ed)? (?:the|my|our|his|her|it|you|me)|call(?:ed|ing)?(?: (?:you|me|us|back))|text(?:ed)?(?: (?:you|me|us|back))?|repl(?:y|ied)|answer(?:ed)?(?: (?:you|me|us))|sign(?:ed)? (?:it|the (?:form|lease|contract|papers?)|off)"
    r"|pay(?:ing)?(?: (?:you|me|us|the|for|back|her|his))|paid(?: (?:you|me|us|yet|the rent|for))?|pick(?:ed)? up (?:the|your|my|our|his|her)|r\.?s\.?v\.?p\w*|get (?:home|back|here|your|my|our)|say (?:yes|no|she|he|when|if|anything)|sen[dt] (?:you|me|us|it|the)"
    r"|coming (?:on|to|over|back|along|tonight|tomorrow|too|with|for|at|or)|come (?:over|by|along|home|back|with|on)|bring(?:ing)? (?:the|her|his|a|my|our)|mad at|angry with|okay with|ok with|upset with|mention(?:ed)?(?: (?:it|me|us|the))|told? (?:you|me|us)|ask(?:ed)? (?:you|me|us|for|about)"
    r"|know (?:about|that) (?:it|us|me|you|the|my|our|i|we)|mind if|shift\b|text you|like me|hate me|love me|still (?:live|want|have|need|coming|awake|here|mad|angry)s?|want(?:s)? (?:me|us|the|to (?:come|see|talk|meet|go))|(?:leave|put|park|hide|buy|find|take|get) (?:the|her|his|my|our|your)\b|here (?:yet|already)|home (?:yet|already)|ready (?:yet|for)|finish(?:ed)? (?:the|her|his|it|yet)|(?:back|off|in|out) (?:today|tomorrow|on|yet|at|tonight|next)|feeling)",
    regex.I,
)
"""What one asks of somebody whom one waits for."""
_FAMILY: Final = regex.compile(
    r"\b(?:(?:write|reply|talk|talked|speak|spoke|go|went|drive|drove|apologi[sz]e|moved?|walk|explain|say) (?:back )?(?:to|over to)|invite[ds]?|inviting|tell|told|ask(?:ed)?|visit(?:ed|ing)?|thank(?:ed)?|babysit(?:ting)?(?: for)?|dinner (?:with|at)|neighbou?rs|house of|next door to|text(?:ed)?|call(?:ed)?|rent(?:ed|ing)? (?:from|to)|lent)(?:,)? the \Z",
    regex.I,
)


_WITH_ME: Final = regex.compile(
    r"\s(?:and|&|und|et|y|e|i|en)\s(?:I|me|ich|moi|yo|io|eu|ja|ik)\b(?! (?:am|is) )"
)
"""Beside the speaker: "… and I met"."""


def has_tie(text: str, start: int, end: int) -> bool:
    """Return whether what stands from start to end is dealt with: told, paid, waited for.

    Raises TimeoutError.
    """
    before = text[max(0, start - _BEFORE) : start]
    after = text[end : end + _AFTER]
    if _NOT_AFTER.match(after) or text[start:end].lower() in _FIRMS:
        return False
    if any(
        pattern.search(before, timeout=_TIMEOUT)
        for pattern in (_FROM, _HANDS, _TO_DO, _DONE_TO, _UNDER_NAME)
    ):
        return not _is_of_works(text)
    if _WITH_ME.match(after):
        return True
    if _WHETHER.search(before) and _DOES.match(after):
        return not _is_of_works(text)
    booked = _BOOKING.search(before, timeout=_TIMEOUT)
    if booked is not None and _CHANGES.search(text):
        follows = regex.match(r"\sto\s\p{Lu}", after) is not None
        return follows or booked["first"] is not None
    return False


@lru_cache(maxsize=4)
def _is_of_works(text: str) -> bool:
    """Return whether a film, a firm or the like is in a text; remembered, as each name asks."""
    return _WORKS.search(text) is not None


def is_family(text: str, start: int) -> bool:
    """Return whether "write to the" or the like stands before a name with a plural s."""
    return _FAMILY.search(text[max(0, start - 40) : start]) is not None
