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
  node.style.setProperty("--side", lean > 0 ? "var(--cloud)" : "var(--local)");
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

floe.showCard = (place, row) => {
  const [text, , bytes, source, weight, local, cloud, fused, at, alternatives] = row;
  const head = floe.el(
    "header",
    {},
    floe.el("b", {}, floe.visible(text)),
    bytes ? floe.el("code", {}, bytes) : "",
    floe.el("span", {}, floe.sources[source]),
  );
  const rows = alternatives.slice();
  const name = bytes || text;
  if (!rows.some(([other]) => other === name)) rows.unshift([name, local, cloud, fused]);
  /** @type {(p: number | null, kind: string) => HTMLElement} */
  const cell = (p, kind) => {
    const node = floe.el("td", { className: kind }, floe.percent(p));
    node.style.setProperty("--p", String(p ?? 0));
    return node;
  };
  const body = rows.map(([other, ...p]) =>
    floe.el(
      "tr",
      { className: other === name ? "chosen" : "" },
      floe.el("th", { scope: "row" }, floe.visible(other)),
      cell(p[0], "local"),
      cell(p[1], "cloud"),
      cell(p[2], "fused"),
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
  floe.card.replaceChildren(head, table, foot);
  document.body.append(floe.card);
  floe.card.hidden = false;
  const { offsetWidth: width, offsetHeight: height } = floe.card;
  const left = Math.max(8, Math.min(place.left, innerWidth - width - 8));
  const above = place.top - height - 8;
  floe.card.style.left = `${left}px`;
  floe.card.style.top = `${above >= 8 ? above : Math.min(place.bottom + 8, innerHeight - height - 8)}px`;
};

floe.hideCard = () => {
  floe.card.hidden = true;
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") floe.hideCard();
});
document.addEventListener("scroll", floe.hideCard, true);

/** Rows known so far, by message: an answer is fetched once, however often it is shown. */
floe.rows = new Map();

/**
 * The legend of one answer's colours, and its tokens one by one, folded away; it asks for rows
 * until the answer is complete or it is taken away, and tells of them by `came`.
 */
floe.tokenPanel = (conversation, message, fetchRows, came) => {
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
  text.addEventListener("click", show);
  text.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") floe.hideCard();
  });
  text.addEventListener("focusout", floe.hideCard);
  text.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const node = at(event);
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
