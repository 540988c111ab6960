"use strict";

const assert = require("node:assert/strict");
const { beforeEach, test } = require("node:test");
const { lay, openPage, partOf } = require("./page.js");

let window;
let floe;
let part;
let asked;

/** Message n of a conversation, which answers message n - 1. */
const row = (id, changes = {}) => ({
  id,
  role: id % 2 ? "user" : "assistant",
  blocks: [`<p>message ${id}</p>`],
  attachments: [],
  siblings: [id],
  live: false,
  unfinished: false,
  notices: [],
  rating: 0,
  rewritten: false,
  chip: null,
  memory: 0,
  route: "",
  reason: "",
  summary: "",
  ...changes,
});

const rows = (first, end) => Array.from({ length: end - first }, (_, i) => row(first + i + 1));

const view = (first, end, changes = {}) => ({
  conversation: 1,
  leaf: 100,
  generation: 1,
  first,
  total: 100,
  rows: rows(first, end),
  focus: null,
  flash: false,
  calm: false,
  model: "small",
  ...changes,
});

/** A row is 50 pixels high here; `grown` is by how much the last one is higher. */
const HEIGHT = 50;
let grown;

const layOut = () => {
  const list = window.document.querySelector(".rows");
  lay(log(), { clientHeight: 500 });
  Object.defineProperty(log(), "scrollHeight", {
    get: () => HEIGHT * list.children.length + grown,
  });
  window.Element.prototype.getBoundingClientRect = function () {
    return { top: HEIGHT * [...list.children].indexOf(this) - log().scrollTop };
  };
};

const log = () => window.document.querySelector(".log");
const shown = () =>
  [...window.document.querySelectorAll(".message-text")].map((node) => node.textContent);
const settle = () => new Promise((done) => setTimeout(done, 5));

beforeEach(() => {
  ({ window, floe } = openPage(
    "forms.js",
    "addresses.js",
    "chat/figures.js",
    "chat/tokens.js",
    "chat/prose_tokens.js",
    "chat/links.js",
    "chat/message.js",
    "chat/thread.js",
  ));
  asked = [];
  part = partOf(window, {
    window: async (request) => {
      asked.push([...request]);
      return { rows: rows(request[2], Math.min(request[3], 100)) };
    },
    text: async (id) => `text of ${id}`,
    tokens: async () => ({ rows: [], live: false }),
  });
  floe.remember("tokens", "closed");
  floe.thread(part);
  floe.live({ ...part, watch() {} });
  grown = 0;
  layOut();
});

test("an empty conversation welcomes", () => {
  part.send(view(0, 0, { conversation: null, leaf: null, total: 0 }));
  assert.match(window.document.querySelector(".welcome").textContent, /small on this device/);
});

test("the welcome names who answers as the cloud is set", () => {
  const cloud = { ...partOf(window), element: floe.el("div") };
  floe.cloud(cloud);
  part.send(view(0, 0, { conversation: null, leaf: null, total: 0 }));
  const said = () => window.document.querySelector(".welcome").textContent;
  cloud.send({ sentence: "off", usable: false, kind: "off" });
  assert.match(said(), /small on this device answers alone: the cloud is off/);
  assert.doesNotMatch(said(), /Side by side|together|slider/);
  cloud.send({ sentence: "here", usable: true, kind: "stand-in" });
  assert.match(
    said(),
    /stands in for the cloud.*Both run on this device.*the stand-in each answer/,
  );
  cloud.send({ sentence: "there", usable: true, kind: "cloud" });
  assert.match(said(), /this device and the cloud write.*both and the cloud each answer/);
});

test("a window is drawn in order and its end is in view", () => {
  part.send(view(60, 100));
  assert.deepEqual(shown().length, 40);
  assert.equal(shown()[0], "message 61");
  assert.equal(log().scrollTop, 1500);
});

test("scrolled near its beginning, the rows before it are fetched and put there", async () => {
  part.send(view(60, 100));
  log().scrollTop = 10;
  log().dispatchEvent(new window.Event("scroll"));
  await settle();
  assert.deepEqual(asked, [[1, 100, 20, 60]]);
  assert.equal(shown().length, 80);
  assert.equal(shown()[0], "message 21");
  assert.equal(shown().at(-1), "message 100");
  assert.equal(log().scrollTop, 10 + 40 * HEIGHT); // what was looked at stays where it was
});

test("rows of a branch that is no longer in view are not put in", async () => {
  let answer;
  part.server.window = () =>
    new Promise((done) => {
      answer = done;
    });
  part.send(view(60, 100));
  log().scrollTop = 10;
  log().dispatchEvent(new window.Event("scroll"));
  part.send(view(0, 2, { conversation: 2, leaf: 2, total: 2, generation: 2 }));
  answer({ rows: rows(20, 60) });
  await settle();
  assert.deepEqual(shown(), ["message 1", "message 2"]);
});

test("far more rows than can be seen are let go", async () => {
  part.server.window = async ([, , first, end]) => ({ rows: rows(first, Math.min(end, 1000)) });
  part.send(view(0, 40, { total: 1000, leaf: 1000 }));
  log().dispatchEvent(new window.Event("scroll"));
  await settle();
  assert.ok(shown().length <= floe.mostRows);
  assert.equal(shown()[0], "message 81");
  assert.equal(shown().at(-1), "message 280");
  const numbers = shown().map((text) => Number(text.split(" ")[1]));
  assert.deepEqual(
    numbers,
    Array.from(numbers, (_, i) => numbers[0] + i),
  );
});

test("another version of a message keeps the rows before it and drops those after it", () => {
  part.send(view(60, 100));
  const kept = window.document.querySelector(".message-row");
  const other = [...rows(61, 90), row(201, { blocks: ["<p>anew</p>"] })];
  part.send(view(61, 0, { rows: other, leaf: 201, total: 91, generation: 2 }));
  assert.equal(shown()[0], "message 61");
  assert.equal(window.document.querySelector(".message-row"), kept);
  assert.equal(shown().at(-1), "anew");
  assert.equal(shown().length, 31);
});

// Frames of a running answer

const frame = (generation, text, id = 100) => ({
  generation,
  row: row(id, { blocks: [`<p>${text}</p>`], live: true }),
  figures: [],
});

test("a frame replaces the text of the last row alone", () => {
  part.send(view(60, 100));
  const before = window.document.querySelectorAll(".message-row")[0].firstElementChild;
  floe.showFrame(frame(1, "one two"));
  assert.equal(shown().at(-1), "one two");
  assert.equal(window.document.querySelectorAll(".message-row")[0].firstElementChild, before);
});

test("a frame of an older or a newer view changes nothing", () => {
  part.send(view(60, 100, { generation: 3 }));
  const before = window.document.body.innerHTML;
  for (const generation of [0, 2, 4]) floe.showFrame(frame(generation, "late"));
  assert.equal(window.document.body.innerHTML, before);
});

test("a frame of a message that is not the last changes nothing", () => {
  part.send(view(60, 100));
  const before = window.document.body.innerHTML;
  floe.showFrame(frame(1, "elsewhere", 98));
  assert.equal(window.document.body.innerHTML, before);
});

/** All orders of a list. */
const orders = (list) =>
  list.length < 2
    ? [list]
    : list.flatMap((each, i) => orders(list.toSpliced(i, 1)).map((rest) => [each, ...rest]));

test("frames that come late, reordered and repeated end in the same page", () => {
  const late = [frame(1, "one"), frame(1, "one two"), frame(1, "one two"), frame(2, "other")];
  const end = view(60, 100, { generation: 3 });
  part.send(end);
  const expected = window.document.body.innerHTML;
  for (const order of orders(late)) {
    part.send(view(60, 100, { generation: 1 }));
    floe.showFrame(order[0]);
    floe.showFrame(order[0]);
    part.send({ ...end });
    for (const each of order) floe.showFrame(each);
    assert.equal(window.document.body.innerHTML, expected);
  }
});

// What the person means by scrolling

const wheel = (deltaY) => log().dispatchEvent(new window.WheelEvent("wheel", { deltaY }));

test("who turns the wheel upwards is not taken to the end again", () => {
  part.send(view(60, 100));
  wheel(-10);
  grown = 400;
  floe.showFrame(frame(1, "more"));
  assert.equal(log().scrollTop, 1500);
});

test("who stays at the end follows it, and so does who turns the wheel downwards", () => {
  part.send(view(60, 100));
  wheel(10);
  grown = 400;
  floe.showFrame(frame(1, "more"));
  assert.equal(log().scrollTop, 1900);
});

test("who scrolls back to the end follows it again", () => {
  part.send(view(60, 100));
  wheel(-10);
  log().scrollTop = 1200;
  log().dispatchEvent(new window.Event("scroll"));
  log().scrollTop = 1500;
  log().dispatchEvent(new window.Event("scroll"));
  grown = 400;
  floe.showFrame(frame(1, "more"));
  assert.equal(log().scrollTop, 1900);
});

test("keys that lead upwards turn away, others do not", () => {
  for (const [key, top] of [
    ["PageUp", 1500],
    ["ArrowUp", 1500],
    ["Home", 1500],
    ["a", 1900],
  ]) {
    grown = 0;
    part.send(view(0, 2, { conversation: 2, leaf: 2, total: 2 }));
    part.send(view(60, 100));
    log().scrollTop = 1500;
    log().dispatchEvent(new window.Event("scroll"));
    log().dispatchEvent(new window.KeyboardEvent("keydown", { key, bubbles: true }));
    grown = 400;
    floe.showFrame(frame(1, `after ${key}`));
    assert.equal(log().scrollTop, top, key);
  }
});

test("an example goes into the box, to be changed or sent", () => {
  const box = window.document.createElement("textarea");
  const frame = floe.el("div", { id: "prompt" }, box);
  window.document.body.append(frame);
  let typed = 0;
  box.addEventListener("input", () => (typed += 1));
  part.send(view(0, 0, { conversation: null, leaf: null, total: 0, rows: [] }));
  const examples = window.document.querySelectorAll(".welcome li > button:first-child");
  assert.equal(examples.length, floe.examples.length);
  examples[3].click();
  assert.equal(box.value, floe.examples[3][1]);
  assert.equal(typed, 1);
  assert.equal(window.document.activeElement, box);
});
