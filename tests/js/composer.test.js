"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { openPage, partOf } = require("./page.js");

const SCRIPTS = [
  "addresses.js",
  "forms.js",
  "chat/figures.js",
  "cloud/cloud.js",
  "chat/conversations.js",
  "chat/comparison.js",
];
const { window, floe } = openPage(...SCRIPTS, "chat/attach.js", "chat/advanced.js");
const settled = () => new Promise((done) => window.setTimeout(done, 20));
const place = () => window.document.body.appendChild(window.document.createElement("div"));

test("the name of a folder that is gone is kept nowhere in the browser", () => {
  const part = partOf(window);
  floe.conversations(part);
  const row = { id: 1, title: "one", when: "Today", pinned: false, archived: false };
  part.send({ open: null, rows: [{ ...row, folder: "My divorce" }] });
  part.element.querySelector(".folder").click();
  assert.equal(floe.recall("folder.My divorce"), "closed");
  part.send({ open: null, rows: [{ ...row, id: 2, folder: "My divorce" }] });
  assert.equal(floe.recall("folder.My divorce"), "closed");
  part.send({ open: null, rows: [] }); // all has been deleted
  assert.equal(floe.recall("folder.My divorce"), null);
});

test("a file is for the chat in which it was taken, whatever is opened while it is read", async () => {
  const part = { ...partOf(window), element: place() };
  floe.attach(part);
  floe.chat = 7;
  const input = part.element.querySelector("input");
  const file = new window.File(["text"], "a.txt");
  Object.defineProperty(input, "files", { value: [file], configurable: true });
  Object.defineProperty(input, "value", { value: "", configurable: true, writable: true });
  input.onchange();
  floe.chat = 8;
  for (let i = 0; i < 100 && !part.triggered.length; i += 1) await settled();
  const [[name, asked]] = part.triggered;
  assert.deepEqual([name, asked.name, asked.chat], ["read", "a.txt", 7]);
});

test("what is sent while a file is read waits for it, and is not sent without it", async () => {
  const part = { ...partOf(window), element: place() };
  floe.attach(part);
  floe.chat = 3;
  const pressed = [];
  const send = place();
  send.id = "send";
  send.onclick = () => pressed.push("send");
  const box = place();
  box.id = "prompt";
  const text = box.appendChild(window.document.createElement("textarea"));
  const said = part.element.querySelector(".attach-state");
  const input = part.element.querySelector("input");
  Object.defineProperty(input, "value", { value: "", configurable: true, writable: true });
  const take = async (...names) => {
    const files = names.map((name) => new window.File(["text"], name));
    Object.defineProperty(input, "files", { value: files, configurable: true });
    const before = part.triggered.length;
    input.onchange();
    for (let i = 0; i < 100 && part.triggered.length === before; i += 1) await settled();
  };
  let serial = 0;
  const told = (read, problem = "") => {
    serial += 1;
    part.send({ serial, read, files: [], problem });
  };
  const enter = () => {
    const event = new window.KeyboardEvent("keydown", {
      key: "Enter",
      bubbles: true,
      cancelable: true,
    });
    text.dispatchEvent(event);
    return event.defaultPrevented;
  };

  await take("a.txt", "b.txt");
  send.click();
  assert.deepEqual(pressed, []);
  assert.match(said.textContent, /Reading a.txt … Your message is sent with it/);
  told(0); // the chat was drawn anew meanwhile: nothing has been read by that
  told(1, "a.txt is empty.");
  for (let i = 0; i < 100 && part.triggered.length < 2; i += 1) await settled();
  assert.match(said.textContent, /Reading b.txt …$/);
  told(2);
  assert.deepEqual([pressed, said.textContent], [[], "a.txt is empty."]); // not without it

  await take("c.txt");
  assert.equal(enter(), true);
  told(3);
  assert.deepEqual([pressed, said.textContent], [["send"], ""]);
  assert.equal(enter(), false);

  await take("d.txt");
  send.click();
  floe.chat = 4; // another chat has been opened: its message waits for nothing, and is not sent
  told(4);
  assert.deepEqual(pressed, ["send"]);
  send.remove();
  box.remove();
});

test("a file whose answer is lost holds the message only until the person decides", async () => {
  const part = { ...partOf(window), element: place() };
  floe.attachPatience = 60;
  floe.attach(part);
  floe.chat = 5;
  const pressed = [];
  const send = place();
  send.id = "send";
  send.onclick = () => pressed.push("send");
  const input = part.element.querySelector("input");
  Object.defineProperty(input, "value", { value: "", configurable: true, writable: true });
  const files = [new window.File(["text"], "a.txt")];
  Object.defineProperty(input, "files", { value: files, configurable: true });
  const said = part.element.querySelector(".attach-state");
  const ways = part.element.querySelector(".attach-ways");
  const [again, leave] = ways.querySelectorAll("button");
  const until = async (holds) => {
    for (let i = 0; i < 100 && !holds(); i += 1) await settled();
    assert.ok(holds());
  };

  input.onchange();
  send.click();
  await until(() => !ways.hidden);
  const waits = "a.txt has still not been read. Your message waits for it, in the box.";
  assert.deepEqual([said.textContent, pressed, part.triggered.length], [waits, [], 1]);
  again.click();
  assert.equal(ways.hidden, true);
  await until(() => part.triggered.length === 2);
  assert.equal(part.triggered[1][1].number, part.triggered[0][1].number);
  await until(() => !ways.hidden);
  leave.click();
  assert.deepEqual([said.textContent, ways.hidden], ["a.txt was left out.", true]);
  assert.deepEqual(pressed, []); // the person sends it, or takes another file
  send.click();
  assert.deepEqual(pressed, ["send"]);

  input.onchange(); // and one that is slow, not lost, goes with the message as soon as it is there
  send.click();
  await until(() => !ways.hidden);
  part.send({ serial: 9, read: 2, files: [], problem: "" });
  assert.deepEqual([pressed, said.textContent], [["send", "send"], ""]);
  assert.equal(ways.hidden, true);
  floe.attachPatience = 30_000;
  send.remove();
});

test("what needs a cloud is not offered while it is off", () => {
  const part = { ...partOf(window), element: place() };
  floe.compare(part);
  const cloud = { ...partOf(window), element: place() };
  floe.cloud(cloud);
  const [all, weights, learnt] = ["This device, both", "Two weights", "Without and with"].map(
    (name) =>
      [...part.element.querySelectorAll("button")].find((b) => b.textContent.startsWith(name)),
  );
  const state = () => [all, weights, learnt].map((button) => button.disabled);
  const told = () => !part.element.querySelector("p[hidden]");
  cloud.send({ sentence: "It is off.", usable: false, kind: "off" });
  assert.deepEqual([state(), told()], [[true, true, false], true]);
  cloud.send({ sentence: "It is there.", usable: true, kind: "cloud" });
  assert.deepEqual([state(), told()], [[false, false, false], false]);
});

test("of a table that was copied with a picture of it the text is pasted", () => {
  const part = { ...partOf(window), element: place() };
  floe.attach(part);
  const box = place();
  box.id = "prompt";
  const paste = (types) => {
    const event = new window.Event("paste", { bubbles: true, cancelable: true });
    event.clipboardData = { types, files: [new window.File(["x"], "image.png")] };
    box.dispatchEvent(event);
    return event.defaultPrevented;
  };
  assert.equal(paste(["text/plain", "text/html", "Files"]), false);
  assert.equal(paste(["Files"]), true);
  box.remove();
});

test("a system prompt is told with the chat in which it was typed", () => {
  const told = [];
  const sheet = floe.promptSheet((...event) => told.push(event));
  window.document.body.append(sheet);
  const box = sheet.querySelector("textarea");
  floe.chat = 7;
  box.value = "Be brief.";
  box.dispatchEvent(new window.Event("input"));
  floe.chat = null;
  box.dispatchEvent(new window.Event("blur"));
  assert.equal(JSON.stringify(told), '[["tell",{"chat":7,"text":"Be brief."}]]');
});

test("what the settings of the drawer are for stays as it was chosen", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const page = openPage(...SCRIPTS, "chat/attach.js", "chat/advanced.js");
  page.window.setTimeout = setTimeout;
  page.window.clearTimeout = clearTimeout;
  const part = partOf(page.window);
  page.floe.advanced(part);
  const [all, here] = part.element.querySelectorAll("input[type=radio]");
  here.checked = true;
  here.onchange();
  t.mock.timers.tick(5000);
  assert.deepEqual([all.checked, here.checked], [false, true]);
});

test("an example asked side by side, once its chat is in view, is not what stands in the box", async () => {
  const part = { ...partOf(window), element: place() };
  floe.compare(part);
  floe.chat = 7;
  floe.awaitChat(null);
  floe.askSideBySide("Why?");
  await settled();
  assert.deepEqual(part.triggered, []);
  floe.nameChat(null);
  await settled();
  const [[name, asked]] = part.triggered;
  assert.deepEqual([name, asked.text, asked.by, asked.typed], ["ask", "Why?", "mode", false]);
});

test("of many chats the older ones are a press away, and stay in the list", async () => {
  const all = Array.from({ length: 2600 }, (_, i) => ({
    id: i + 1,
    title: `Chat ${i + 1}`,
    when: "Earlier",
    pinned: false,
    archived: false,
    folder: "",
  }));
  const asked = [];
  const listed = (length) => ({
    open: null,
    rows: all.slice(0, length),
    more: Math.max(0, all.length - length),
  });
  const chats = async (length) => {
    asked.push(length);
    return listed(length);
  };
  const part = { ...partOf(window, { chats }), element: place() };
  floe.conversations(part);
  part.send(listed(200));
  const titles = () => Array.from(part.element.querySelectorAll("li"), (li) => li.textContent);
  const more = () => part.element.querySelector(".more-chats");
  assert.equal(titles().length, 200);
  assert.match(part.element.textContent, /Not in the list: 2,400 more/);
  for (const count of [1200, 2200, 2600]) {
    more().click();
    await settled();
    assert.equal(titles().length, count);
  }
  assert.equal(more(), null);
  assert.equal(window.document.activeElement.textContent, "Chat 2201"); // the first that came
  assert.deepEqual(asked, [1200, 2200, 3200]);
  all.splice(2598, 1); // Chat 2599 has been deleted
  part.send(listed(200));
  await settled();
  assert.deepEqual(titles().slice(-2), ["Chat 2598", "Chat 2600"]);
});

test("a title that is being typed outlives a list that changes meanwhile", () => {
  const part = { ...partOf(window), element: place() };
  floe.conversations(part);
  const row = { id: 1, title: "one", when: "Today", pinned: false, archived: false, folder: "" };
  part.send({ open: 1, rows: [row], more: 0 });
  part.element.querySelector(".more").click();
  part.element.querySelector('[aria-label="Rename “one”"]').click();
  const input = part.element.querySelector('[aria-label="New title"]');
  input.value = "My ti";
  part.send({ open: 1, rows: [{ ...row, id: 2, title: "two" }, row], more: 0 });
  assert.equal(part.element.querySelector('[aria-label="New title"]'), input);
  input.value = "My title";
  input.onkeydown({ key: "Enter", isComposing: false });
  assert.equal(JSON.stringify(part.triggered), '[["rename",{"id":1,"title":"My title"}]]');
  assert.equal(part.element.querySelectorAll("li").length, 2); // what came meanwhile is drawn now
});

test("where more is found than is shown, the list says so", async () => {
  const hits = Array.from({ length: 40 }, (_, id) => ({
    id,
    messages: [],
    title: "x",
    snippet: "",
  }));
  let value = { hits, more: true };
  const part = { ...partOf(window, { search: async () => value }), element: place() };
  floe.conversations(part);
  part.send({ open: null, rows: [], more: 0 });
  const box = part.element.querySelector("input");
  const find = async () => {
    box.value = "x";
    box.oninput();
    await settled();
    return part.element.querySelector("nav").textContent;
  };
  assert.match(await find(), /The 40 best are shown\./);
  value = { hits, more: false };
  assert.doesNotMatch(await find(), /best are shown/);
  value = { hits: [], more: false };
  assert.match(await find(), /Nothing found\./);
});

test("a title that reads from right to left is cut off at its end", () => {
  const part = { ...partOf(window), element: place() };
  floe.conversations(part);
  const row = { id: 1, title: "اكتب جملة قصيرة", when: "Today", pinned: false, archived: false };
  part.send({ open: 1, rows: [row] });
  assert.equal(part.element.querySelector("li .title").dir, "auto");
});
