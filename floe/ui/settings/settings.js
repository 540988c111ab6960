// What holds for the whole of Floe: appearance, keys, where else things are set, the API, versions.
"use strict";

floe.appearance = ({ element, trigger }) => {
  const theme = floe.choice(
    "Light or dark",
    [
      ["system", "As the system has it"],
      ["light", "Light"],
      ["dark", "Dark"],
    ],
    (value) => floe.chooseTheme(value),
  );
  const read = () => theme.set(floe.recall("theme") ?? "system", true);
  document.addEventListener("floe:theme", read);
  read();
  /** @type {(text: string, act: () => void) => HTMLElement} */
  const lead = (text, act) => floe.press(text, act);
  const inChat = (/** @type {() => void} */ act) => () => {
    floe.setView("chat");
    act();
  };
  const places = floe.el(
    "div",
    { className: "row" },
    lead(
      "How tokens are picked",
      inChat(() => {
        const drawer = floe.find("#advanced details");
        if (drawer instanceof HTMLDetailsElement) drawer.open = true;
        drawer?.querySelector("summary")?.focus();
      }),
    ),
    lead(
      "The cloud and its limits",
      inChat(() => floe.setCloud(true)),
    ),
    lead("The model on this device", () => floe.setView("models")),
    lead("What stays here", () => floe.setView("privacy")),
    lead("What is learnt", () => floe.setView("personalise")),
  );
  element.append(
    floe.heading("Settings", "What holds for all of Floe on this device."),
    floe.sheet("Appearance", theme),
    floe.sheet(
      "Answers",
      floe.el("p", {}, "Who answers and the weight stay as you last set them, also for new chats."),
      places,
    ),
    floe.sheet(
      "Chats from elsewhere",
      floe.el(
        "p",
        {},
        "Chats of ChatGPT, Claude, Open WebUI, LM Studio and others can be brought in, and yours " +
          "taken out.",
      ),
      floe.el(
        "div",
        { className: "row" },
        lead("Import or export chats", () => floe.setView("personalise")),
      ),
    ),
    floe.sheet("Keyboard", floe.shortcutList()),
    floe.sheet(
      "First steps",
      floe.el("p", {}, "What stays here, which cloud, and four questions to try."),
      floe.el(
        "div",
        { className: "row" },
        floe.press("Show them again", () => {
          trigger("again");
          floe.setView("chat");
          floe.openChat?.(null);
        }),
      ),
    ),
  );
};

/** Speed, share and cost of past answers, one plot at a time; who was asked how often. */
floe.pastFigures = (part) => {
  const place = floe.el("div");
  const about = floe.el("p");
  const rows = floe.el("tbody");
  const head = floe.el(
    "tr",
    {},
    ...["Asked", "Model", "Requests", "Size"].map((each) => floe.el("th", { scope: "col" }, each)),
  );
  const table = floe.el(
    "table",
    { className: "counts" },
    floe.el("caption", {}, "Who was asked, and how often"),
    floe.el("thead", {}, head),
    rows,
  );
  const sheet = floe.sheet("Figures over time", about, place, table);
  part.element.append(sheet);
  /** @type {Map<string, ReturnType<typeof floe.chart>>} */
  const charts = new Map();
  /** @type {string | null} */
  let chosen = null;
  floe.onChange(part, (value) => {
    about.textContent = value.answers
      ? `The newest ${value.answers} answers, the oldest first.`
      : "There are no answers yet.";
    const show = () => {
      const plot = value.plots.find(({ name }) => name === chosen) ?? value.plots[0];
      const chart = charts.get(plot.name) ?? floe.chart("answer", plot.unit);
      charts.set(plot.name, chart);
      holder.replaceChildren(chart);
      chart.update(plot.series);
      choice.set(plot.name);
    };
    const choice = floe.select(
      "Figure",
      value.plots.map(({ name }) => [name, name]),
      (name) => {
        chosen = name;
        show();
      },
    );
    const holder = floe.el("div");
    place.replaceChildren(choice, holder);
    place.hidden = !value.answers;
    if (value.answers) show();
    table.hidden = !value.requests.length;
    rows.replaceChildren(
      ...value.requests.map(([endpoint, model, count, size]) =>
        floe.el(
          "tr",
          {},
          ...[endpoint, model, String(count), floe.bytes(size)].map((cell) =>
            floe.el("td", {}, cell),
          ),
        ),
      ),
    );
  });
};

/** The endpoint for other programs; its key comes only when a person asks for it. */
floe.api = (part) => {
  const { element, server, trigger } = part;
  const toggle = floe.toggle("Answer programs on this device", (on) => trigger("switch", { on }));
  const address = floe.el("code");
  const secret = floe.el("code", { tabIndex: 0 });
  secret.setAttribute("aria-label", "The key");
  const hide = () => {
    secret.textContent = "••••••••";
    show.hidden = false;
  };
  const key = async () => (await server.key("")) ?? "";
  const show = floe.press("Show", async () => {
    secret.textContent = await key();
    show.hidden = true;
  });
  const renew = floe.ask(
    floe.press("New key"),
    "Programs that use the present key are refused from then on.",
    "Make a new key",
    () => {
      hide();
      trigger("renew");
    },
  );
  const row = (/** @type {Child[]} */ ...children) =>
    floe.el("div", { className: "row" }, ...children);
  const details = floe.el(
    "div",
    { className: "served" },
    floe.el("p", {}, "Address for any program that speaks the OpenAI protocol:"),
    row(
      address,
      floe.copyButton("Copy the address", () => address.textContent ?? ""),
    ),
    floe.el("p", {}, "Key:"),
    row(secret, show, floe.copyButton("Copy the key", key), renew),
    floe.el(
      "p",
      {},
      "Models: floe (both, with the automatic weight), floe-local (this device alone), floe-cloud. " +
        "What is private stays here for them too, and what is sent is listed under Privacy.",
    ),
  );
  element.append(
    floe.sheet(
      "API for other programs",
      floe.el("p", {}, "It listens on this device alone, and asks each program for a key."),
      toggle,
      details,
    ),
  );
  document.addEventListener("floe:view", hide);
  hide();
  details.hidden = true;
  floe.onChange(part, (value) => {
    toggle.set(Boolean(value.address));
    address.textContent = value.address;
    details.hidden = !value.address;
  });
};

floe.licences = (part) => {
  const version = floe.el("p");
  const build = floe.el("p");
  const rows = floe.el("tbody");
  const head = floe.el(
    "tr",
    {},
    ...["Package", "Version", "Licence"].map((each) => floe.el("th", { scope: "col" }, each)),
  );
  const table = floe.el("table", {}, floe.el("thead", {}, head), rows);
  const opener = floe.el("summary", {}, floe.chevron(), "Packages and their licences");
  const scroll = floe.el("div", { className: "scroll", tabIndex: 0, role: "group" }, table);
  scroll.setAttribute("aria-label", "Packages and their licences");
  part.element.append(
    floe.sheet(
      "About",
      version,
      build,
      floe.el("details", {}, opener, scroll),
      floe.el("p", {}, "The licence of each model stands beside it under Models."),
    ),
  );
  floe.onChange(part, (value) => {
    version.textContent = `Floe ${value.version}, under the Apache License 2.0, on Python ${value.python}.`;
    build.textContent = value.build;
    rows.replaceChildren(
      ...value.packages.map((each) =>
        floe.el("tr", {}, ...each.map((cell) => floe.el("td", {}, cell))),
      ),
    );
  });
};
