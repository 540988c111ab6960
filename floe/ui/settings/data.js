// All data at once: backups, encryption at rest, "Delete all my data".
"use strict";

/** The app closes and opens again at the same address: wait for that, then draw everything anew. */
floe.waitForReopening = () => {
  const began = Date.now();
  let closed = false;
  const poll = async () => {
    try {
      const answer = await fetch(location.pathname, { cache: "no-store" });
      if (answer.ok && (closed || Date.now() - began > 60_000)) return location.reload();
    } catch {
      closed = true;
    }
    setTimeout(poll, 300);
  };
  poll();
};

floe.ownData = (part) => {
  const { element, trigger } = part;
  const said = floe.el("p", { role: "status" });
  const folder = floe.el("code");
  const backups = floe.el("p");
  const list = floe.el("ul", { className: "plain-list backups", "aria-label": "Backups" });
  /** @type {Record<string, string>} */
  const kinds = { daily: "made by itself", migration: "from before an update", manual: "by you" };
  const drawBackups = floe.lines(list, (/** @type {BackupValue} */ each) =>
    floe.el(
      "li",
      {},
      floe.el("b", {}, floe.moment(each.at)),
      floe.el("span", {}, `${kinds[each.kind] ?? each.kind} · ${floe.bytes(each.size)}`),
      floe.ask(
        floe.press("Restore"),
        "Replace all chats and adapters with it? The present ones are kept in the data folder.",
        "Restore it",
        () => trigger("restore", { name: each.name }),
      ),
    ),
  );
  const drop = floe.ask(
    floe.press("Delete backups", null, "", "bin"),
    "Delete all backups for good?",
    "Delete backups",
    () => trigger("drop"),
  );
  const state = floe.el("p");
  const about = floe.el("p");
  const lost = floe.el("p");
  /** @type {EncryptionAsked["kind"]} */
  let kind = "keyring";
  /** @type {(label: string) => [HTMLInputElement, HTMLElement]} */
  const secret = (label) => {
    const input = floe.el("input", { type: "password", autocomplete: "new-password" });
    return [input, floe.field(label, input)];
  };
  const [first, firstField] = secret("Passphrase");
  const [again, againField] = secret("Once more");
  const typed = floe.el("div", { className: "pair" }, firstField, againField);
  const where = floe.choice(
    "Where the key is kept",
    [
      ["keyring", "in this system's keyring"],
      ["passphrase", "nowhere: Floe asks for a passphrase when it starts"],
    ],
    (value) => {
      kind = value;
      where.set(value, true); // nobody else says what it is
      typed.hidden = value !== "passphrase";
    },
  );
  where.set("keyring");
  typed.hidden = true;
  const encrypt = floe.ask(
    floe.press("Encrypt everything", null, "", "lock"),
    "Encrypt chats, adapters and backups now?",
    "Encrypt",
    () => {
      trigger("encrypt", { kind, passphrase: first.value, again: again.value });
      first.value = again.value = "";
    },
  );
  const decrypt = floe.ask(
    floe.press("Stop encrypting"),
    "Remove the encryption from everything?",
    "Decrypt",
    () => trigger("decrypt"),
  );
  const turnOn = floe.el("div", { className: "turn-on" }, where, typed, lost, encrypt);
  const question = floe.el("p");
  const erase = floe.ask(
    floe.press("Delete all my data", null, "danger", "bin"),
    "This cannot be undone.",
    "Delete everything",
    () => trigger("erase"),
  );
  const row = (/** @type {Child[]} */ ...children) =>
    floe.el("div", { className: "row" }, ...children);
  element.append(
    floe.sheet(
      "Data folder",
      floe.el("p", {}, "Chats, adapters, backups and the log lie here, and nowhere else:"),
      row(
        folder,
        floe.copyButton("Copy the path", () => folder.textContent ?? ""),
      ),
    ),
    floe.sheet(
      "Backups",
      said,
      backups,
      list,
      row(
        floe.press("Back up now", () => trigger("backup"), "", "save"),
        drop,
      ),
    ),
    floe.sheet("Encryption on this device's disk", state, about, turnOn, decrypt),
    floe.sheet("Delete all my data", question, erase),
  );
  floe.onChange(part, (value) => {
    said.textContent = value.sentence;
    folder.textContent = value.folder;
    drawBackups(value.backups);
    const bytes = value.backups.reduce((sum, { size }) => sum + size, 0);
    const count = value.backups.length;
    const kept = count
      ? `${count === 1 ? "1 backup" : `${count} backups`}, ${floe.bytes(bytes)}.`
      : "There is no backup yet; one is made once a day.";
    backups.textContent =
      `${kept} A chat that you delete stays in the backups from before it: three daily ones, for a ` +
      `month those from before an update, and yours, unless you delete them too. ${value.problem}`;
    const on = value.encryption !== "off";
    state.textContent = on
      ? `On. The key is ${value.encryption === "keyring" ? "in this system's keyring" : "made of your passphrase"}.`
      : value.missing ||
        "Off. The files in the data folder are not encrypted; only your own account can read them.";
    about.textContent = value.protects;
    lost.textContent = value.lost;
    turnOn.hidden = on || Boolean(value.missing);
    decrypt.hidden = !on;
    question.textContent = value.question;
    if (value.closing) floe.waitForReopening();
  });
};
