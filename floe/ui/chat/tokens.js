// The tokens of one answer, coloured by who carried them, with what could have stood there.
"use strict";

floe.sources = {
  local: "this device",
  fused: "both",
  cloud: "cloud",
  late: "this device, the cloud was late",
  offline: "this device, the cloud failed",
};

floe.percent = (p) => {
  if (p === null) return "–";
  const hundred = p * 100;
  return `${hundred < 10 && hundred > 0 ? hundred.toFixed(1) : hundred.toFixed(0)} %`;
};

/** Spaces and line ends that can be seen, for a token that stands alone. */
floe.visible = (text) =>
  text.replace(/ /g, "·").replace(/\n/g, "↵").replace(/\t/g, "⇥").replace(/\r/g, "␍");

/** Colour a token: orange for this device, blue for the cloud, and green between them for both,
    leaning to the side that gave the token the greater probability. */
floe.paint = (node, source, local, cloud) => {
  const both = (local ?? 0) + (cloud ?? 0);
  const shared = both > 0 ? (cloud ?? 0) / both : 0.5;
  const cloudPart = source === "cloud" ? 1 : source === "fused" ? shared : 0;
  const lean = 2 * cloudPart - 1;
  node.style.setProperty("--lean", String(Math.abs(lean)));
  const side = lean > 0 ? "cloud" : "local";
  node.style.setProperty("--side", `var(--${side})`);
  node.style.setProperty("--side-tint", `var(--tint-${side})`);
};

floe.legend = () => {
  /** @type {(source: TokenSource, text: string) => HTMLElement} */
  const entry = (source, text) => {
    const swatch = floe.el("i", { className: `floe-token ${source}` });
    floe.paint(swatch, source);
    return floe.el("span", {}, swatch, text);
  };
  const scale = floe.el("span", {}, floe.el("i", { className: "scale" }), "both: device → cloud");
  return floe.el(
    "div",
    { className: "legend" },
    entry("local", "this device"),
    scale,
    entry("cloud", "cloud"),
    entry("late", "cloud late"),
    entry("offline", "cloud failed"),
  );
};

// One card for all tokens: it follows the pointer, the keyboard or the finger.

floe.card = floe.el("div", { id: "token-card", role: "tooltip", hidden: true });

floe.card.setAttribute("aria-live", "polite");

{
  /** Tokens after which nothing can go on: the end, and pieces of a character. */
  const SPECIAL = /[\u2039\ufffd]/;

  /** @type {{ from: HTMLElement | null } | null} The card stays, and its tokens can be chosen. */
  let pinned = null;

  floe.showCard = (place, row, take, from = null) => {
    if (pinned && !take) return;
    pinned = take ? { from } : null;
    const [text, , bytes, source, weight, local, cloud, fused, at, alternatives] = row;
    const head = floe.el(
      "header",
      {},
      floe.el("b", {}, floe.visible(text)),
      bytes ? floe.el("code", {}, bytes) : "",
      floe.el("span", {}, floe.sources[source]),
    );
    /** @type {[string, number | null, number | null, number | null, number][]} */
    const rows = alternatives.map((each, number) => [...each, number]);
    const name = bytes || text;
    if (!rows.some(([other]) => other === name)) rows.unshift([name, local, cloud, fused, -1]);
    /** @type {(p: number | null, kind: string) => HTMLElement} */
    const cell = (p, kind) => {
      const node = floe.el("td", { className: kind }, floe.percent(p));
      node.style.setProperty("--p", String(p ?? 0));
      return node;
    };
    const choose = (/** @type {string} */ other, /** @type {number} */ number) => {
      if (!take || other === name || SPECIAL.test(other)) return floe.visible(other);
      const button = floe.el("button", { type: "button" }, floe.visible(other));
      button.title = "Go on from this token";
      button.setAttribute("aria-label", `Go on from ${floe.visible(other)}`);
      button.onclick = () => {
        floe.closeCard();
        take(number);
      };
      return button;
    };
    const body = rows.map(([other, p_local, p_cloud, p_fused, number]) =>
      floe.el(
        "tr",
        { className: other === name ? "chosen" : "" },
        floe.el("th", { scope: "row" }, choose(other, number)),
        cell(p_local, "local"),
        cell(p_cloud, "cloud"),
        cell(p_fused, "fused"),
      ),
    );
    const titles = ["token", "device", "cloud", "fused"].map((title) =>
      floe.el("th", { scope: "col" }, title),
    );
    const table = floe.el(
      "table",
      {},
      floe.el("thead", {}, floe.el("tr", {}, ...titles)),
      floe.el("tbody", {}, ...body),
    );
    const foot = floe.el(
      "footer",
      {},
      `weight of this device ${weight.toFixed(2)} · after ${(at / 1000).toFixed(2)} s`,
    );
    const some = take && body.some((line) => line.querySelector("button"));
    const hint = floe.el(
      "p",
      {},
      "Press a token to go on from there: a new version beside this one.",
    );
    floe.card.replaceChildren(head, table, foot, ...(some ? [hint] : []));
    floe.card.classList.toggle("pinned", Boolean(take));
    floe.card.setAttribute("role", take ? "dialog" : "tooltip");
    floe.card.setAttribute("aria-label", "What could have stood here");
    document.body.append(floe.card);
    floe.card.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = floe.card;
    const left = Math.max(8, Math.min(place.left, innerWidth - width - 8));
    const above = place.top - height - 8;
    floe.card.style.left = `${left}px`;
    floe.card.style.top = `${above >= 8 ? above : Math.min(place.bottom + 8, innerHeight - height - 8)}px`;
  };

  floe.hideCard = () => {
    if (!pinned) floe.card.hidden = true;
  };

  floe.closeCard = (back = false) => {
    if (back && floe.card.contains(document.activeElement)) pinned?.from?.focus();
    pinned = null;
    floe.card.hidden = true;
  };
}

/** Let the keyboard choose in a card that stays. */
floe.enterCard = () => floe.find("button", floe.card)?.focus();

floe.card.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const buttons = [...floe.card.querySelectorAll("button")];
  const at = buttons.findIndex((each) => each.matches(":focus"));
  buttons[Math.max(0, Math.min(at + step, buttons.length - 1))]?.focus();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") floe.closeCard(true);
});
document.addEventListener("pointerdown", (event) => {
  if (!floe.closest(event, "#token-card, .message-text, .tokens")) floe.closeCard();
});
document.addEventListener("scroll", () => floe.hideCard(), true);
document.addEventListener("floe:view", () => floe.closeCard());

/** Rows known so far, by message: an answer is fetched once, however often it is shown. */
floe.rows = new Map();

/**
 * The legend of one answer's colours, and its tokens one by one, folded away; it asks for rows
 * until the answer is complete or it is taken away, and tells of them by `came`.
 */
floe.tokenPanel = (conversation, message, fetchRows, came, take) => {
  const text = floe.el("div", {
    className: "tokens",
    role: "group",
    "aria-label": "Tokens of this answer; arrow keys go from one to the next",
  });
  const fold = floe.el(
    "details",
    { open: !floe.colours },
    floe.el("summary", {}, floe.chevron(), "Token by token"),
    text,
  );
  const panel = floe.el("section", { className: "token-panel" }, floe.legend(), fold);
  const known = floe.rows.get(message) ?? [];
  floe.rows.set(message, known);
  /** @type {HTMLElement[]} */
  const nodes = [];
  /** @type {HTMLElement | null} */
  let group = null;

  /** @type {(row: TokenValue, number: number) => void} */
  const add = (row, number) => {
    const [shown, part, , source, , local, cloud, fused] = row;
    const node = floe.el("span", { className: `floe-token ${source}`, tabIndex: number ? -1 : 0 });
    floe.paint(node, source, local, cloud);
    node.dataset.number = String(number);
    node.textContent = shown.replace(/\n/g, "↵\n");
    node.setAttribute("role", "button");
    node.setAttribute(
      "aria-label",
      `${floe.visible(shown)}: ${floe.sources[source]}, device ${floe.percent(local)},` +
        ` cloud ${floe.percent(cloud)}, fused ${floe.percent(fused)}`,
    );
    if (part) {
      group ??= text.appendChild(floe.el("span", { className: "character" }));
      group.append(node);
      if (part === 2)
        group = null; // this token completes the character
      else node.classList.add("bytes");
    } else {
      group = null;
      text.append(node);
    }
    nodes.push(node);
  };

  const at = (/** @type {Event} */ event) => floe.closest(event, ".floe-token");
  const show = (/** @type {Event} */ event) => {
    const node = at(event);
    if (!node) return;
    floe.showCard(node.getBoundingClientRect(), known[Number(node.dataset.number)]);
    node.setAttribute("aria-describedby", "token-card");
  };
  text.addEventListener("pointerover", show);
  text.addEventListener("focusin", show);
  const pin = (/** @type {Event} */ event) => {
    const node = at(event);
    const number = Number(node?.dataset.number);
    const row = node && known[number];
    if (!row || !(node instanceof HTMLElement)) return;
    floe.showCard(node.getBoundingClientRect(), row, (other) => take(number, other), node);
  };
  text.addEventListener("click", pin);
  text.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") floe.hideCard();
  });
  text.addEventListener("focusout", floe.hideCard);
  text.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const node = at(event);
    if (node && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      pin(event);
      floe.enterCard();
    }
    if (!step || !node) return;
    event.preventDefault();
    const next = nodes[Number(node.dataset.number) + step];
    if (!next) return;
    node.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });

  known.forEach(add);

  const pull = async () => {
    if (!panel.isConnected) return;
    const reply = await fetchRows([conversation ?? 0, message, known.length]);
    if (!panel.isConnected) return;
    if (!reply) {
      setTimeout(pull, 2000); // Floe itself has ended; it may come back
      return;
    }
    const { rows, live } = reply;
    const follows = text.scrollTop + text.clientHeight > text.scrollHeight - 40;
    for (const row of rows) {
      add(row, known.length);
      known.push(row);
    }
    panel.classList.toggle("none", !known.length && !live);
    came();
    if (rows.length && follows && live) text.scrollTop = text.scrollHeight;
    if (live) setTimeout(pull, 300);
  };
  queueMicrotask(pull);
  return panel;
};
