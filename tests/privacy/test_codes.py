"""Codes that open something or point to one booking, and codes that everybody may have."""

import pytest

from floe.privacy.detection.codes import find_codes
from floe.privacy.detection.normalise import normalise

OPENS = [
    ("Reset code is 448201 but the page says expired", "448201"),
    ("my 2FA code 733 920 doesn't work anymore", "733 920"),
    ("your one-time code: 8841-2206", "8841-2206"),
    ("the PIN is 0937", "0937"),
    ("pin 1987 for the sim", "1987"),
    ("gate code 4471# for the guests", "4471#"),
    ("tell the plumber: gate 4471#", "4471#"),
    ("the lockbox is 2685", "2685"),
    ("Keypad next to the garage, 5-5-0-2", "5-5-0-2"),
    ("the code she mailed us is 731805", "731805"),
    ("i got a code 58213 from the bank, do i tell them", "58213"),
    ("the code is 7714, then turn the handle", "7714"),
    ("Enter 55130 to unlock, then pull", "55130"),
    ("G-710 335 is your Google verification code", "G-710 335"),
    ("alarm 6620 then OK", "6620"),
    ("backup codes are b7k2q9xx, m4w8t1zz", "b7k2q9xx"),
    ("code for the bike lock 3-17-29", "3-17-29"),
    ("combination of the padlock, 8-4-31", "8-4-31"),
    ("pin=4821 does not work", "4821"),
    ("the PIN after the reset 4821", "4821"),
    ("Mein Entsperrcode ist 7741", "7741"),
    ("PUK 83920174", "83920174"),
    ("Der Code zur Wohnung lautet 2290B", "2290B"),
    ("le code du portail est 71A04", "71A04"),
    ("j'ai reçu un code par sms, c'est le code 440 913", "440 913"),
    ("el código de verificación es 39017", "39017"),
    ("il codice del bancomat è 6014", "6014"),
    ("o código do portão é 8830", "8830"),
    ("de toegangscode is 4718", "4718"),
    ("kod do bramy 3390", "3390"),
    ("код от двери: 4719", "4719"),
    ("doğrulama kodu 660142", "660142"),
    ("验证码是 603812", "603812"),
    ("暗証番号は 7746", "7746"),
    ("현관 비밀번호는 3307", "3307"),
    ("رمز التحقق 550214", "550214"),
    ("our hotspot is Blaubeere!77", "Blaubeere!77"),
    ("our wifi password is blaubeerkuchenrezept", "blaubeerkuchenrezept"),
    ("Das WLAN-Passwort lautet tannenzapfenmus.", "tannenzapfenmus"),
    ("la contraseña del wifi es gatoazulado", "gatoazulado"),
    (
        "recovery words: cabin lemon rotate prize gloom shiver",
        "cabin lemon rotate prize gloom shiver",
    ),
    ("my seed: lemon, ribbon, guitar, wool", "lemon, ribbon, guitar, wool"),
    ("les mots de récupération sont lune pomme cheval brique", "lune pomme cheval brique"),
    ("reservation KX7T2M", "KX7T2M"),
    ("PNR WQZTRB for friday", "WQZTRB"),
    ("tracking 1Z999AA10123456784", "1Z999AA10123456784"),
    ("Sendungsnummer 00340434161094042557", "00340434161094042557"),
    ("numéro de suivi 6A01234567891", "6A01234567891"),
    ("Invoice 2024-0917 for Gudrun Petersen is overdue", "2024-0917"),
    ("my order 40391827 has not come", "40391827"),
    ("Rechnungsnummer RE-20193 an Frau Gudrun Petersen", "RE-20193"),
]


@pytest.mark.parametrize(("text", "value"), OPENS)
def test_a_secret_word_beside_a_value_is_found(text: str, value: str) -> None:
    plain = normalise(text).text
    assert value in {plain[sign.start : sign.end] for sign in find_codes(plain)}


EVERYBODYS = [
    "The HTTP status code is 404",
    "area code 212 is in New York",
    "postal code 90210 in the show",
    "the exit code is 137, why?",
    "code 128 barcode",
    "Python code is 20 lines long",
    "my Java code is 2000 lines",
    "my error code is 80070005",
    "The dishwasher shows error code E24",
    "country code 0043",
    "Use promo code SAVE2024 for a discount",
    "a 6 digit verification code expires after 300 seconds",
    "the OTP is 6 digits, make it 8",
    "a PIN of 4 digits has 10000 combinations",
    "the pin code must have 4 digits",
    "pin 13 of the Arduino",
    "building code section 1011",
    "penal code 187",
    "ICD-10 code F32.1",
    "le code postal est 69001",
    "le code erreur est 4043",
    "der Fehlercode lautet 5021",
    "the colour code is 008080",
    "In the video game the safe code is 0451",
    "the airport code is VIE",
    "security code review in 2024",
    "wifi is 802.11ac at 5GHz",
    "wifi is WPA2",
    "my wifi is terrible",
    "my password is incorrect",
    "the password is case-sensitive",
    "my password is unencrypted, is that bad?",
    "Recovery words are important, write them down",
    "seed words are used to restore the wallet",
    "order 66",
    "My team closed ticket FLOE-2041",
    "case 12 of the exercise",
    "reservation for 4 people",
    "tracking 3 parcels at once",
    "the tracking of 1000000 objects",
    "confirmation bias since 1979",
    "invoice 2024-0001 is a sample",
    "How do I rotate a security code 3 times?",
    "the entry of 1984 players",
    "zip code 10115",
    "What is tan 135?",
    "the combination of 300 mg ibuprofen and 500 mg paracetamol",
    "the house of 1920 has two floors",
]


@pytest.mark.parametrize("text", EVERYBODYS)
def test_a_code_that_everybody_may_have_is_left_alone(text: str) -> None:
    assert list(find_codes(normalise(text).text)) == []
