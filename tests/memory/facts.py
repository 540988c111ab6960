"""Facts that a made-up person told once, and questions about them in other words.

`DEVELOPMENT` is what the search was tuned on; `REPORTED` was written when that was over, and its
figures are from there. Each is (what
was said in an old chat, the question of a new one, a word that a right answer holds).
"""

from typing import Final

DEVELOPMENT: Final = (
    (
        "My sister's name is Ilvara, she is two years older than me.",
        "What is my sister called?",
        "Ilvara",
    ),
    (
        "I keep the spare key under the blue flowerpot.",
        "Where did I hide my spare key?",
        "flowerpot",
    ),
    ("Our dog Bramble is a four year old beagle.", "What breed is my dog?", "beagle"),
    (
        "I can't eat peanuts, they make my throat swell.",
        "Which food am I not allowed to eat?",
        "peanut",
    ),
    ("I work as a nurse at the Larkfield clinic.", "What is my job?", "nurse"),
    (
        "We moved to Tollbridge in the spring of 2019.",
        "Since when do I live in Tollbridge?",
        "2019",
    ),
    ("The wifi at home is called GreenHeron.", "What's the name of my home network?", "GreenHeron"),
    ("My car is a silver Octavia from 2012.", "What car do I drive?", "Octavia"),
    (
        "I have choir practice every Thursday evening.",
        "On which day do I sing in the choir?",
        "Thursday",
    ),
    ("My favourite colour is dark green.", "What colour do I like best?", "green"),
    (
        "My boss is called Dagmar Holt, she is strict but fair.",
        "Who is my manager at work?",
        "Dagmar",
    ),
    (
        "I learnt the cello for nine years as a child.",
        "Which instrument did I play when I was young?",
        "cello",
    ),
    ("My mother was born in Trieste.", "Where does my mum come from?", "Trieste"),
    (
        "The landlord wants the rent of 840 euros on the third of each month.",
        "How much rent do I pay?",
        "840",
    ),
    (
        "For my birthday in June I would like a telescope.",
        "What present did I wish for?",
        "telescope",
    ),
    ("I wear shoes of size 43.", "What is my shoe size?", "43"),
    ("Our holiday this year will be in Galway.", "Where are we going on vacation?", "Galway"),
    ("My dentist is Dr. Pelletier in Mill Street.", "Who is my dentist?", "Pelletier"),
    ("I named my sailing boat Kittiwake.", "What is the name of my boat?", "Kittiwake"),
    ("My son Jory starts school in September.", "When does my son go to school?", "September"),
    (
        "My brother Corwin moved to Oslo for his work.",
        "Which city does my brother live in?",
        "Oslo",
    ),
    (
        "I store the passports in the drawer of the hall table.",
        "Where are our passports?",
        "drawer",
    ),
    ("Our cat Pepperoni is afraid of thunder.", "What is my cat afraid of?", "thunder"),
    ("I am allergic to penicillin.", "Which medicine must I not take?", "penicillin"),
    ("I teach geography at a school in Fernhill.", "Which subject do I teach?", "geography"),
    ("I have been married to Odile since 2004.", "What is my wife's name?", "Odile"),
    ("The alarm code of the shop is 7731.", "What's the code for the alarm?", "7731"),
    ("I ride a red Peugeot bicycle to work.", "What bike do I have?", "Peugeot"),
    ("Every Tuesday I go swimming at seven.", "When do I go for a swim?", "Tuesday"),
    ("My favourite author is Halldor Laxness.", "Whose books do I like most?", "Laxness"),
    ("My daughter Wren wants to become a pilot.", "What does my daughter want to be?", "pilot"),
    (
        "I used to play the oboe in the school orchestra.",
        "What did I play in the orchestra?",
        "oboe",
    ),
    (
        "My grandfather was a blacksmith in Varna.",
        "What was my grandpa's profession?",
        "blacksmith",
    ),
    ("My phone contract ends on 14 March.", "When does my phone contract end?", "14 March"),
    (
        "For the living room I ordered a yellow sofa.",
        "What colour is the couch I bought?",
        "yellow",
    ),
    ("I am 182 centimetres tall.", "How tall am I?", "182"),
    ("Our wedding was in a lighthouse near Brest.", "Where did we get married?", "lighthouse"),
    ("My neighbour Mr. Okonjo has a key to my flat.", "Which neighbour has my key?", "Okonjo"),
    (
        "The password hint for the old laptop is my first teacher, Miss Abendroth.",
        "Who was my first teacher?",
        "Abendroth",
    ),
    ("Our plumber is called Ruben Castellane.", "What is the plumber's name?", "Castellane"),
)
REPORTED: Final = (
    ("My best friend Leopold makes violins.", "What does my best friend make?", "violin"),
    (
        "I was in hospital for my appendix in 2016.",
        "In which year was my appendix taken out?",
        "2016",
    ),
    ("The gym I go to is called Ironworks.", "Which gym do I go to?", "Ironworks"),
    ("Our son's teacher is Mrs. Quillfeather.", "Who teaches our son?", "Quillfeather"),
    ("I owe my cousin Ansel 300 dollars.", "How much money do I owe Ansel?", "300"),
    ("I always take the 7:40 train to Norwick.", "Which train do I usually take?", "7:40"),
    ("My aunt Philippa lives on a farm with goats.", "What animals does my aunt have?", "goat"),
    ("I drink my coffee with oat milk and no sugar.", "How do I take my coffee?", "oat"),
    (
        "My insurance is with a company named Harbourlight.",
        "Who am I insured with?",
        "Harbourlight",
    ),
    ("I am writing a novel about a beekeeper.", "What is my novel about?", "beekeeper"),
    ("We planted an apricot tree behind the shed.", "What tree did we plant?", "apricot"),
    ("I broke my left wrist while skating.", "Which wrist did I break?", "left"),
    ("My nephew Caspian collects old stamps.", "What does my nephew collect?", "stamp"),
    ("I moved here from Ljubljana.", "Which city did I move here from?", "Ljubljana"),
    ("My guitar teacher costs 35 euros an hour.", "What do I pay for guitar lessons?", "35"),
    ("The meeting with my lawyer is on Friday at ten.", "When do I meet my lawyer?", "Friday"),
    ("I grew up in a village called Saltmarsh.", "Where did I spend my childhood?", "Saltmarsh"),
    ("My favourite dish is mushroom risotto.", "What meal do I like most?", "risotto"),
    ("I keep bees, four hives at the moment.", "How many hives do I have?", "four"),
    ("My flatmate is Zuzana, she studies law.", "Who do I share my flat with?", "Zuzana"),
)
