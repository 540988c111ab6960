"""Each kind by itself: formats of many countries, and what only looks like them."""

import pytest

from floe.privacy.detector import Detector

FOUND = {
    "phone": [
        "+44 20 7183 8750 keeps calling me",
        "0049 30 1234567",
        "ring me at 555.867.5309",
        "it is (555) 867-5309 ext 12",
        "Mon numéro est le 06 12 34 56 78",
        "Mi número de teléfono es 612 345 678",
        "Meine Telefonnummer ist 0221/9876543",
        "my number is 9123 4567",
        "Block 374 780 163 please",
        "the old one was 451 5986",
        "call 98765 43210",
    ],
    "e-mail": ["write to jane.kessler@posteo.de", "bob@corp.local", "j dot smith at gmail dot com"],
    "IP address": [
        "server at 84.23.119.77 is down",
        "ping 2a02:810d:8c0::42:8329",
        "00:1A:2B:3C:4D:5E",
    ],
    "address": [
        "send it to 221 Elm Grove, Apartment 4",
        "1600 amphitheatre parkway",
        "Ich wohne in der Lindenallee 14",
        "Goethestr. 7a",
        "J'habite au 12 rue de la République",
        "Vivo en Calle Mayor 25",
        "Via Garibaldi 18",
        "Rua Augusta, 1508",
        "ul. Marszałkowska 12",
        "Storgatan 5",
        "Keizersgracht 174",
        "Mannerheimintie 22",
        "Rákóczi út 12",
        "ул. Ленина 15",
        "Carrera 7 # 71-21",
        "P.O. Box 287",
        "Postfach 10 20 30",
        "PSC 1437, Box 3833",
        "the party is at Prinsjord 14",
    ],
    "postcode": [
        "my postcode is SW9 8HQ",
        "zip code: 90210",
        "Springfield, IL 62704",
        "K1A 0B1",
        "1017 AB Amsterdam",
        "D-10115 Berlin",
        "CEP 01310-100",
        "PLZ 8001",
    ],
    "card number": [
        "four five three nine, one four eight eight, zero three four three, six four six seven",
        "4111 1111 1111 1111",
        "my amex 378282246310005",
        "my card 1234567890123456",
    ],
    "bank account": [
        "DE89 3704 0044 0532 0130 00",
        "gb82west12345698765432",
        "iban NL91ABNA0417164300",
    ],
    "social security number": ["123-45-6789"],
    "licence number": [
        "Driver licence: D1234-56789-01234",
        "my driver's license number is 6940579",
    ],
    "licence plate": ["plate M-KX 4471 got a ticket", "my car's plate is HH AB 123"],
    "passport number": ["passport no. X1234567 expires in May"],
    "identity number": [
        "meu CPF é 123.456.789-09",
        "codice fiscale RSSMRA85T10A562S",
        "Meine Steuer-ID ist 12 345 678 901",
        "DNI 12345678Z",
        "aadhaar 2345 6789 0123",
        "personnummer 850709-9805",
    ],
    "account number": [
        "my account number is 12345678",
        "member number 88231907",
        "sort code 41-12-83 acc 90124477",
        "send it to 41-12-83 a/c 90124477",
    ],
    "birth date": [
        "DOB: 03/14/1987",
        "geboren am 3. Mai 1990",
        "née le 12/03/1975",
        "my birthday is June 5",
    ],
    "health": [
        "my therapist says I should journal more",
        "My son has ADHD, how do I help him?",
        "Is it normal that my blood pressure is 150/95?",
        "I'm diabetic and nobody knows",
        "Ich habe Krebs",
        "mein Hausarzt ist im Urlaub",
    ],
    "belief": ["I am a practising Catholic"],
    "politics": ["I voted for the greens"],
    "origin": ["my immigration status is pending"],
    "legal matter": ["I am on probation"],
    "password": [
        "password: hunter2",
        "The password for the wifi is Sommer2024!",
        "ssh to 203.0.113.47, root pw is still hunter-Moose-44",
        "the pw for 203.0.113.47 is hunter-Moose-44",
        "pw for 203.0.113.47: hunter-Moose-44",
        "wifi password on 192.0.2.10 is blaubeerkuchen-7-Sahne",
        "new pw hunter-Moose-44 pls remember",
        "password hunter-Moose-44 at db.example.com",
        "the door code is 555-0142",
        "my password is 01632960123",
        "PIN 4321, so pin is 4321",
        "the code to the safe: 31-07-22",
        'pin = "9 3 1 7"',
        "ssh key passphrase: correct horse battery staple",
    ],
    "API key": [
        "AKIA" + "ZQ3DNN7KWLVT5M2R",
        "the key is sk-proj-abc123DEF456ghi789JKL012mno345PQR678",
        "xK9vQ2mZ7pLr4TnB8sWd",
    ],
    "private key": [
        "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"
    ],
}

CASES = [(kind, text) for kind, texts in FOUND.items() for text in texts]


@pytest.mark.parametrize(("kind", "text"), CASES)
def test_a_format_is_recognised(detector: Detector, kind: str, text: str) -> None:
    assert kind in detector.examine(text).kinds


NOT_FOUND = {
    "phone": [
        "call 555-0134",
        "2024-03-15 12:30",
        "ISBN 978-3-16-148410-0",
        "the occupation (1942-1945)",
        "rose to 1 250 000",
        "2 4 8 16 32 64 128",
        "3.14159265",
    ],
    "e-mail": ["user@example.com", "write to noreply@github.com", "name@your-company.com"],
    "IP address": [
        "ping 203.0.113.77",
        "ssh 192.168.1.14",
        "2001:db8::ff00:42:8329",
        "curl 127.0.0.1",
        "mask 255.255.255.0",
        "version 10.0.19045.3803",
        "std::vector::iterator",
    ],
    "address": [
        "Route 66 runs to Santa Monica",
        "5 ways to cook eggs",
        "10 km from the street",
        "a 30 minute walk down the road",
        "Spring 2024",
        "I moved to Hamburg in March 2020",
        "World War 2",
        "Chapter 12 is boring",
    ],
    "postcode": ["2024 AD", "1080 HD", "USB 3"],
    "card number": ["1234567890123456 is a long number", "3.1415926535897932"],
    "identity number": ["the nation has 50000 people"],
    "account number": ["my account since 2024"],
    "birth date": ["the meeting is on 12 March 2025"],
    "health": [
        "What are the symptoms of diabetes?",
        "Is cancer hereditary?",
        "he wrote a book about cancer",
    ],
    "belief": ["What do Buddhists believe?"],
    "password": [
        "my password is wrong",
        "why is root pw not working on 203.0.113.47?",
        "password step-by-step-2 guide",
        "which pw manager is best, KeePassXC-2-beta or Bitwarden?",
        "Passwords should be long",
        "password = input()",
        "The secret is to stir",
        "my locker is 24 inches wide",
    ],
    "API key": [
        "antidisestablishmentarianism",
        "https://docs.python.org/3/library/re.html#re.compile",
        "commit 3f2a9c1e8b7d6a5f4e3d2c1b0a9f8e7d6c5b4a39",
        "550e8400-e29b-41d4-a716-446655440000",
    ],
}


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in NOT_FOUND.items() for text in texts]
)
def test_what_only_looks_like_it_is_left_alone(detector: Detector, kind: str, text: str) -> None:
    assert kind not in detector.examine(text).kinds


def test_a_private_key_is_marked_from_its_first_line_to_its_last(detector: Detector) -> None:
    text = FOUND["private key"][0]
    assert [(span.start, span.end) for span in detector.examine(text).spans] == [(0, len(text))]


def test_a_name_is_marked_without_its_ending(detector: Detector) -> None:
    text = "Tell me what Katharina's brother likes"
    names = [text[s.start : s.end] for s in detector.examine(text).spans if s.kind == "name"]
    assert names == ["Katharina"]
