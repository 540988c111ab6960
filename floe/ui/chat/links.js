// A link in a message opens nothing by itself: it shows where it leads, and asks.
"use strict";

floe.linkCard = floe.el("div", {
  id: "link-card",
  role: "dialog",
  "aria-label": "Link",
  hidden: true,
});
floe.linkShown = null;

/** The address as the browser itself reads it, or null where it may not be opened. */
floe.readAddress = (text) => {
  const url = URL.parse(text);
  return url && ["http:", "https:", "mailto:"].includes(url.protocol) ? url : null;
};

/** What somebody should know before they open it. */
floe.warnOfLink = (url, words) => {
  if (url.protocol === "mailto:") return "This starts a mail in your mail program.";
  if (url.username || url.password)
    return `What stands before the @ is no part of the address: it leads to ${url.host}.`;
  if (/(^|\.)xn--/.test(url.hostname)) {
    return "This address has letters that may look like others; here it is spelt in plain ones.";
  }
  const said = /(?:https?:\/\/)?((?:[\p{L}\p{N}-]+\.)+\p{L}{2,})/u.exec(words);
  if (
    said &&
    said[1].toLowerCase() !== url.hostname &&
    `www.${said[1].toLowerCase()}` !== url.hostname
  ) {
    return `The text says ${said[1]}; the link leads to ${url.host}.`;
  }
  return url.protocol === "http:" ? "The way there is not encrypted." : "";
};

floe.showLink = (link) => {
  const url = floe.readAddress(link.dataset.href ?? "");
  if (!url) return;
  floe.linkShown = link;
  const open = floe.el(
    "a",
    { className: "press primary" },
    url.protocol === "mailto:" ? "Write" : "Open",
  );
  open.href = url.href;
  open.target = "_blank";
  open.rel = "noopener noreferrer";
  open.referrerPolicy = "no-referrer";
  open.onclick = () => setTimeout(floe.hideLink, 0);
  const copy = floe.press("Copy", async () => {
    await navigator.clipboard.writeText(url.href);
    copy.replaceChildren("Copied");
  });
  const warning = floe.warnOfLink(url, link.textContent);
  floe.linkCard.replaceChildren(
    floe.el("b", {}, url.host || url.pathname),
    floe.el("code", {}, url.href),
    ...(warning ? [floe.el("p", {}, warning)] : []),
    floe.el("div", { className: "row" }, open, copy),
  );
  document.body.append(floe.linkCard);
  floe.linkCard.hidden = false;
  const place = link.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = floe.linkCard;
  const left = Math.max(8, Math.min(place.left, innerWidth - width - 8));
  const below = place.bottom + 6;
  const top = below + height < innerHeight ? below : Math.max(8, place.top - height - 6);
  Object.assign(floe.linkCard.style, { left: `${left}px`, top: `${top}px` });
  open.focus({ preventScroll: true });
};

floe.hideLink = () => {
  if (floe.linkCard.hidden) return;
  const held = floe.linkCard.contains(document.activeElement);
  floe.linkCard.hidden = true;
  if (held && floe.linkShown?.isConnected) floe.linkShown.focus({ preventScroll: true });
  floe.linkShown = null;
};

/** Links inside `node`, by pointer and by keyboard. */
floe.askBeforeLinks = (node) => {
  const at = (/** @type {Event} */ event) => floe.closest(event, "a[data-href]");
  node.addEventListener("click", (event) => {
    const link = at(event);
    if (link) floe.showLink(link);
  });
  node.addEventListener("keydown", (event) => {
    const link = at(event);
    if (!link || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    floe.showLink(link);
  });
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") floe.hideLink();
});
document.addEventListener("pointerdown", (event) => {
  if (!floe.closest(event, "#link-card")) floe.hideLink();
});
document.addEventListener("wheel", floe.hideLink, { passive: true });
