// The privacy view: what stays here and why, the person's own words, what was sent.
"use strict";

floe.privacyRules = (part) => {
  const { element, trigger } = part;
  /** @type {(name: PrivacyAsked["name"]) => (value: string) => void} */
  const tell = (name) => (value) => trigger("set", { name, value });
  const state = floe.el("p", { role: "status" });
  const policy = floe.choice(
    "Where the cloud takes part, a private message",
    [
      ["local only", "stays on this device"],
      ["pseudonyms", "is sent with pseudonyms"],
    ],
    tell("policy"),
  );
  const meaning = floe.el("small");
  policy.append(meaning);
  /** @type {[string, Choice][]} */
  const kinds = ["names", "contact", "numbers", "special matters", "money", "work", "place"].map(
    (group) => {
      const choice = floe.choice(
        group,
        [
          ["keep", "stay here"],
          ["pseudonym", "pseudonym"],
          ["allow", "may be sent"],
        ],
        (value) => tell("treatment")(`${group}=${value}`),
      );
      return [group, choice];
    },
  );
  const taught = floe.el("p");
  const forget = floe.press("Undo what was learnt", () => tell("forget")(""));
  /** @type {(name: PrivacyAsked["name"], placeholder: string) => TypedField} */
  const area = (name, placeholder) =>
    floe.whenTyped(floe.el("textarea", { rows: 4, placeholder }), tell(name));
  const fields = {
    own_words: area("own_words", "Anna Weber\nProject Bluebird"),
    about_me: area("about_me", "I live in Bern and teach physics."),
    personal_context: area("personal_context", "On Thursdays I have choir practice."),
  };
  fields.own_words.spellcheck = false;
  element.append(
    floe.heading(
      "Privacy",
      "Every message is looked at on this device before anything is sent. What is private stays here.",
    ),
    floe.sheet(
      "What stays here",
      state,
      policy,
      floe.el(
        "p",
        {},
        "The check reads English best, and 23 other languages word by word, from German and Spanish to Turkish, Russian, Arabic, Hindi, Korean and Chinese. Finnish, Thai and others it reads badly: such a message stays here, and you are asked. It can miss a few words in a language that it does not know.",
      ),
    ),
    floe.sheet(
      "By kind",
      floe.el("p", {}, "Passwords, keys and your own words always stay here."),
      floe.el("div", { className: "pair" }, ...kinds.map(([, choice]) => choice)),
      taught,
      forget,
    ),
    floe.sheet(
      "In your own words",
      floe.el(
        "div",
        { className: "pair three" },
        floe.field(
          "Always private",
          fields.own_words,
          "Names, contacts and projects, one per line.",
        ),
        floe.field(
          "About you",
          fields.about_me,
          "Who you are. Read with every question on this device, never sent.",
        ),
        floe.field(
          "Good to know",
          fields.personal_context,
          "What holds for now, such as plans: read with every question, too. More goes into Notes below.",
        ),
      ),
    ),
  );
  floe.onChange(part, (value) => {
    state.textContent = value.detector;
    policy.set(value.policy);
    for (const [group, choice] of kinds) choice.set(value.treatments[group]);
    taught.textContent = `Unsure messages that you called not private: ${value.lessons}; private: ${value.confirmations}.`;
    forget.hidden = !value.lessons && !value.confirmations;
    meaning.textContent =
      value.policy === "local only"
        ? "The model on this device answers alone; no connection is opened."
        : "The cloud sees PERSON_1 in place of a name; the model on this device sees the name.";
    fields.own_words.put(value.own_words);
    fields.about_me.put(value.about_me);
    fields.personal_context.put(value.personal_context);
  });
};

floe.consent = (part) => {
  const { element, trigger } = part;
  const sheet = floe.sheet(
    "What your chats may be used for",
    floe.el("p", {}, "This holds for all chats. You can change it for a single chat in its menu."),
  );
  const pair = floe.el("div", { className: "pair" });
  sheet.append(pair);
  /** @type {[ConsentAsked["use"], string][]} */
  const labels = [
    ["train", "Train your own adapter, on this device"],
    ["federate", "Share what was learnt, never the chats, with a group you join"],
  ];
  const uses = labels.map(([use, label]) => {
    const choice = floe.choice(
      label,
      [
        ["yes", "Yes"],
        ["no", "No"],
      ],
      (value) => trigger("allow", { use, allowed: value === "yes" }),
    );
    pair.append(choice);
    return { use, choice };
  });
  element.append(sheet);
  floe.onChange(part, (value) => {
    for (const { use, choice } of uses) {
      choice.set(value[use] === null ? "" : value[use] ? "yes" : "no");
    }
  });
};

/** Every request word for word: read in pages from the server while this view is open. */
floe.sentLog = ({ element, trigger, server, watch }) => {
  const search = floe.el("input", { type: "search", placeholder: "Search what was sent" });
  search.setAttribute("aria-label", "Search what was sent");
  const list = floe.el("ul", { className: "plain-list sent" });
  const more = floe.press("Show more", () => read(true), "more");
  const total = floe.el("p", { role: "status" });
  const clear = floe.ask(
    floe.press("Clear", null, "", "bin"),
    "Delete this list for good?",
    "Delete",
    () => trigger("clear"),
  );
  const save = floe.press("Export", () => trigger("export", { query: search.value }), "", "save");
  const sheet = floe.sheet(
    "What was sent",
    floe.el("div", { className: "row" }, floe.field("", search), save, clear),
    total,
    list,
    more,
  );
  element.append(sheet);
  /** @type {SentRequestValue[]} */
  let shown = [];
  let asked = 0;

  const line = (/** @type {SentRequestValue} */ each) => {
    const body = floe.el("pre", { tabIndex: 0 });
    const details = floe.el("details");
    const facts = [each.model, each.purpose, floe.bytes(each.size)].filter(Boolean).join(" · ");
    details.append(
      floe.el(
        "summary",
        {},
        floe.chevron(),
        floe.el("b", {}, floe.moment(each.at)),
        floe.el("span", { className: "where" }, each.endpoint),
        floe.el("span", { className: "facts" }, facts),
        ...(each.words ? [floe.el("span", { className: "words", dir: "auto" }, each.words)] : []),
      ),
      body,
    );
    details.ontoggle = async () => {
      if (details.open && !body.textContent) body.textContent = (await server.body(each.id)) ?? "";
    };
    return floe.el("li", {}, details);
  };

  const read = async (further = false) => {
    const number = ++asked;
    const before = further ? shown[shown.length - 1].id : 0;
    const page = await server.sent([search.value.trim(), before]);
    if (number !== asked || !page) return; // no page: the app closes its files at the moment
    const ids = (/** @type {SentRequestValue[]} */ rows) => rows.map((row) => row.id).join();
    const newest = ids(shown.slice(0, page.rows.length));
    const same = !further && page.rows.length > 0 && ids(page.rows) === newest;
    if (!same) {
      shown = further ? [...shown, ...page.rows] : page.rows;
      if (further) list.append(...page.rows.map(line));
      else list.replaceChildren(...page.rows.map(line));
    }
    more.hidden = shown.length >= page.found;
    save.disabled = !page.found;
    const requests = page.found === 1 ? "1 request" : `${page.found} requests`;
    const none = search.value.trim()
      ? "Nothing of that kind was sent."
      : "Nothing has been sent yet.";
    total.textContent = page.found ? `${requests}, ${floe.bytes(page.size)}, newest first.` : none;
  };

  const here = () => document.documentElement.dataset.view === "privacy" && !document.hidden;
  search.oninput = () => read();
  watch("value", () => read());
  document.addEventListener("floe:view", () => here() && read());
  setInterval(() => here() && read(), 3000);
  if (here()) read();
};
