// The federate view: join or leave a group, a simulation, the rounds as they come, the experts.
"use strict";

/** Where devices stand, coloured by cluster and named; near means alike. */
floe.scatter = () => {
  const SIZE = { width: 360, height: 260, edge: 26 };
  const svg = floe.svg("svg", {
    role: "img",
    viewBox: `0 0 ${SIZE.width} ${SIZE.height}`,
    width: SIZE.width,
    height: SIZE.height,
    "aria-label": "Devices and their clusters: none yet",
  });
  const node = floe.el("figure", { className: "chart scatter" }, svg);
  /** @type {((x: number, y: number) => SVGElement)[]} */
  const shapes = [
    (x, y) => floe.svg("circle", { cx: x, cy: y, r: 6 }),
    (x, y) => floe.svg("path", { d: `M${x - 6} ${y - 6}h12v12h-12z` }),
    (x, y) => floe.svg("path", { d: `M${x} ${y - 7}l7 12h-14z` }),
    (x, y) => floe.svg("path", { d: `M${x} ${y - 8}l8 8l-8 8l-8-8z` }),
  ];
  const range = (/** @type {number[]} */ values) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return (/** @type {number} */ value) => (high > low ? (value - low) / (high - low) : 0.5);
  };
  const update = (/** @type {PositionValue[]} */ points) => {
    node.hidden = !points.length;
    if (!points.length) return;
    const across = range(points.map((point) => point.x));
    const up = range(points.map((point) => point.y));
    const marks = points.map((point) => {
      const x = SIZE.edge + across(point.x) * (SIZE.width - 2 * SIZE.edge);
      const y = SIZE.height - SIZE.edge - up(point.y) * (SIZE.height - 2 * SIZE.edge);
      const group = floe.svg("g", { class: `dot line-${point.group % 8}` });
      const left = x > SIZE.width * 0.7;
      group.append(
        shapes[point.group % shapes.length](x, y),
        floe.svg(
          "text",
          { x: x + (left ? -10 : 10), y: y + 4, "text-anchor": left ? "end" : "start" },
          point.name,
        ),
      );
      return group;
    });
    svg.replaceChildren(...marks);
    const words = points.map((point) => `${point.name} in ${point.cluster}`);
    svg.setAttribute("aria-label", `Devices and their clusters: ${words.join(", ")}`);
  };
  return Object.assign(node, { update });
};

floe.rounds = (part) => {
  const { element } = part;
  const title = floe.el("p", { role: "status", className: "state" });
  const chart = floe.chart("round", "loss");
  const scatter = floe.scatter();
  const figures = floe.el("dl", { className: "figures" });
  const promise = floe.el("p");
  const table = floe.el("table");
  const scroll = floe.el("div", { className: "scroll" }, table);
  const history = floe.el("details", {});
  history.append(floe.el("summary", {}, floe.chevron(), "Round by round"), scroll);
  const sheet = floe.sheet(
    "Rounds",
    title,
    figures,
    floe.el("div", { className: "pair wide" }, chart, scatter),
    promise,
    history,
  );
  element.append(sheet);
  /** @type {(tag: "th" | "td", values: string[]) => HTMLElement[]} */
  const cells = (tag, values) => values.map((value) => floe.el(tag, {}, value));
  floe.onChange(part, (value) => {
    sheet.hidden = !value.sentence;
    if (sheet.hidden) return;
    sheet.head.children[0].textContent = value.title;
    title.textContent = value.sentence;
    title.classList.toggle("working", value.running);
    figures.replaceChildren(
      ...value.figures.map(({ name, value: text }) =>
        floe.el("div", {}, floe.el("dt", {}, name), floe.el("dd", {}, text)),
      ),
    );
    chart.hidden = !value.series.length;
    chart.update(value.series);
    scatter.update(value.positions);
    promise.textContent = value.promise;
    history.hidden = !value.rounds.length;
    table.replaceChildren(
      floe.el("thead", {}, floe.el("tr", {}, ...cells("th", value.columns))),
      floe.el("tbody", {}, ...value.rounds.map((row) => floe.el("tr", {}, ...cells("td", row)))),
    );
  });
};

floe.experts = (part) => {
  const list = floe.el("ul", { className: "plain-list experts" });
  const sheet = floe.sheet(
    "Experts",
    floe.el(
      "p",
      {},
      "Adapters that came from a group. Each question goes to those that fit it best.",
    ),
    list,
  );
  part.element.append(sheet);
  const draw = floe.lines(list, (/** @type {ExpertValue} */ each) => {
    const use = floe.toggle("In use", (on) => part.trigger("switch", { id: each.id, on }));
    use.set(each.in_use);
    const prompts = each.samples.map((sample) => floe.el("li", {}, sample));
    return floe.el(
      "li",
      {},
      floe.el("div", { className: "row between" }, floe.el("b", {}, each.name), use),
      floe.el("p", {}, each.facts),
      floe.el("ul", { className: "samples" }, ...prompts),
    );
  });
  floe.onChange(part, (value) => {
    sheet.hidden = !value.rows.length;
    draw(value.rows);
  });
};

floe.group = (part) => {
  const { element, trigger } = part;
  const card = floe.consentCard(
    "May a group learn from what your chats have taught this device?",
    "Only adapters are sent, never chats. You can change this for a single chat in its menu.",
    (allowed) => trigger("allow", { use: "federate", allowed }),
  );
  const state = floe.el("p", { role: "status", className: "state" });
  const address = floe.el("input", {
    placeholder: "192.168.1.20:8000",
    autocomplete: "off",
    spellcheck: false,
  });
  let picked = { text: "", name: "" };
  const file = floe.el("span", { className: "faint" });
  const pick = floe.press("Choose file", () =>
    floe.pickText(".pem,.crt,.cer", (text, name) => {
      picked = { text, name };
      file.textContent = name;
    }),
  );
  const certificate = floe.el("div", { className: "field" });
  certificate.append(
    floe.el("span", {}, "The group's certificate"),
    floe.el("div", { className: "row" }, pick, file),
    floe.el("small", {}, "The PEM file that the group's host gave you."),
  );
  /** @type {Choice} */
  const privacy = floe.choice(
    "What the group is told of your topics",
    [
      ["nothing", "Nothing"],
      ["roughly", "Roughly"],
      ["exactly", "Exactly"],
    ],
    (value) => {
      level = value;
      privacy.set(value, true);
    },
  );
  privacy.append(
    floe.el(
      "small",
      {},
      "One point that says what your prompts are about, for the router; roughly: with noise added.",
    ),
  );
  /** @type {GroupAsked["level"]} */
  let level = "roughly";
  privacy.set(level);
  const limits = floe.el("p", { className: "faint" });
  const key = floe.el("pre", { tabIndex: 0 });
  const keys = floe.el("details");
  keys.append(
    floe.el("summary", {}, floe.chevron(), "This device's public key, for the group's host"),
    key,
  );
  const join = floe.press(
    "Join",
    () =>
      trigger("join", {
        address: address.value.trim(),
        certificate: picked.text,
        level,
      }),
    "primary",
  );
  const form = floe.el(
    "div",
    { className: "form-lines" },
    floe.el(
      "div",
      { className: "pair" },
      floe.field("The group's address", address, "Host and port of its SuperLink."),
      certificate,
    ),
    privacy,
    limits,
    keys,
    floe.el("div", { className: "row" }, join),
  );
  const leave = floe.ask(
    floe.press("Leave the group"),
    "What you have sent stays with the group. Leave it?",
    "Leave",
    () => trigger("leave"),
  );
  element.append(
    floe.heading(
      "Federate",
      "Share adapters with a small group, not chats. Each device trains on its own; the group's host " +
        "joins what fits together into experts, one for each kind of task.",
    ),
    card,
    floe.sheet("A group", state, form, leave),
  );
  floe.onChange(part, (value) => {
    card.hidden = value.consent !== null;
    state.hidden = !value.sentence;
    state.textContent = value.sentence;
    state.classList.toggle("working", value.running);
    form.hidden = value.running;
    leave.hidden = !value.running;
    if (!address.value) address.value = value.address;
    if (!picked.name) file.textContent = value.certificate ? "as last time" : "";
    limits.textContent = value.limits;
    key.textContent = value.public_key;
  });
};

floe.simulation = (part) => {
  const start = floe.press("Simulate", () => part.trigger("start"), "primary");
  const stop = floe.press("Stop", () => part.trigger("stop"));
  const sheet = floe.sheet(
    "Without a group",
    floe.el(
      "p",
      {},
      "Watch eight devices of different power learn four kinds of task and form groups by task. " +
        "They are all on this device; nothing is sent.",
    ),
    floe.el("div", { className: "row" }, start, stop),
  );
  part.element.append(sheet);
  floe.onChange(part, (value) => {
    start.hidden = value.running;
    stop.hidden = !value.running;
  });
};
