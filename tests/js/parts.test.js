"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { openPage, partOf } = require("./page.js");

const SCRIPTS = [
  "forms.js",
  "cloud/cloud.js",
  "chat/tokens.js",
  "chat/links.js",
  "chat/message.js",
];
const { window, floe } = openPage(...SCRIPTS, "personalise/chart.js", "personalise/personal.js");

test("of many chats to learn from the first are drawn, so that the plan is in reach", () => {
  const part = partOf(window);
  floe.learning(part);
  const chats = Array.from({ length: 3000 }, (_, i) => ({
    id: i + 1,
    title: `Chat ${i + 1}`,
    chosen: true,
    facts: "",
  }));
  const value = { consent: true, sentence: "", with_private: false, private: "", without: [] };
  part.send({ ...value, chats, imports: [], examples: [] });
  const lines = () => part.element.querySelectorAll(".chats > li").length;
  assert.equal(lines(), 30);
  const all = Array.from(part.element.querySelectorAll("button"), (each) => each).find(
    (each) => each.textContent === "Show all 3,000 chats",
  );
  all.click();
  assert.equal(lines(), 3000);
  assert.equal(all.hidden, true);
  part.send({ ...value, chats: chats.slice(1), imports: [], examples: [] });
  assert.equal(lines(), 2999); // what was asked for stays
});

const words = (nodes) =>
  Array.from(nodes, (each) =>
    typeof each === "string" ? each : `[${each.firstChild.textContent}]`,
  );

test("marks count characters, not halves of them", () => {
  const text = "a😀b Anna 👩‍👧 Bern";
  const start = [...text].indexOf("A");
  const marked = floe.highlighted(text, [[start, start + 4, "name"]]);
  assert.deepEqual(words(marked), ["a😀b ", "[Anna]", " 👩‍👧 Bern"]);
});

test("marks that touch and marks at both ends lose no character", () => {
  const marked = floe.highlighted("😀😀xy", [
    [0, 1, "a"],
    [1, 2, "b"],
    [3, 4, "c"],
  ]);
  assert.deepEqual(words(marked), ["", "[😀]", "", "[😀]", "x", "[y]", ""]);
});

const warning = (href, said) => floe.warnOfLink(new URL(href), said);

test("a link that says where it leads is not warned of", () => {
  assert.equal(warning("https://example.org/a", "https://example.org"), "");
  assert.equal(warning("https://www.example.org/", "example.org"), "");
  assert.equal(warning("https://example.org/", "the manual"), "");
});

test("a link that says another host is warned of", () => {
  assert.match(warning("https://evil.test/", "see example.org"), /says example\.org.*evil\.test/);
});

test("what stands before the @ is warned of before all else", () => {
  assert.match(warning("https://example.org@evil.test/", "example.org"), /leads to evil\.test/);
});

test("letters that look like others, plain http and mail are warned of", () => {
  assert.match(warning("https://xn--pple-43d.com/", "apple"), /look like others/);
  assert.match(warning("http://example.org/", "here"), /not encrypted/);
  assert.match(warning("mailto:a@example.org", "write"), /mail program/);
});

test("the share of the cloud decides where a token leans", () => {
  const lean = (...row) => {
    const node = floe.el("i");
    floe.paint(node, ...row);
    return [node.style.getPropertyValue("--lean"), node.style.getPropertyValue("--side")];
  };
  assert.deepEqual(lean("cloud", 0.9, 0.1), ["1", "var(--cloud)"]);
  assert.deepEqual(lean("fused", 0.25, 0.75), ["0.5", "var(--cloud)"]);
  assert.deepEqual(lean("fused", 0, 0), ["0", "var(--local)"]);
  assert.deepEqual(lean("late", 0.9, null), ["1", "var(--local)"]);
});

test("probabilities are short, and an unknown one is a dash", () => {
  assert.deepEqual([null, 0, 0.001, 0.0999, 0.5, 1].map(floe.percent), [
    "–",
    "0 %",
    "0.1 %",
    "10.0 %",
    "50 %",
    "100 %",
  ]);
});

test("ticks are round and lie within the range", () => {
  const read = ({ ticks, digits }) => [Array.from(ticks), digits];
  assert.deepEqual(read(floe.ticks(0, 1, 4)), [[0, 0.5, 1], 1]);
  assert.deepEqual(read(floe.ticks(0, 8, 4)), [[0, 2, 4, 6, 8], 0]);
});

test("of blocks that were there, only those that changed are drawn anew", () => {
  const { text } = floe.messageRow("assistant");
  floe.showBlocks(text, ["<p>one</p>", "<p>two</p>"]);
  const first = text.children[0];
  floe.showBlocks(text, ["<p>one</p>", "<p>two three</p>", "<p>four</p>"]);
  assert.equal(text.children[0], first);
  assert.equal(text.textContent, "onetwo threefour");
});

test("a curve of the device, of both or of the cloud has the colour of its tokens", () => {
  const of = (side, number) => floe.curve({ name: "", points: [], dots: false, side }, number);
  assert.deepEqual({ ...of("cloud", 0) }, { class: "line-cloud", dash: floe.dashes[2] });
  assert.deepEqual({ ...of("local", 2) }, { class: "line-local", dash: floe.dashes[0] });
  assert.deepEqual({ ...of(undefined, 9) }, { class: "line-1", dash: floe.dashes[1] });
});

test("a part is drawn again only when its value has changed", () => {
  const part = partOf(window);
  const drawn = [];
  floe.onChange(part, (value) => drawn.push(value.n));
  assert.ok(part.element.classList.contains("undrawn")); // nobody knows yet what there is to press
  part.send({ n: 1 });
  assert.ok(!part.element.classList.contains("undrawn"));
  part.send({ n: 1 });
  part.send({ n: 2 });
  assert.deepEqual(drawn, [1, 2]);
});

test("a reply that was read before what is shown is left out", () => {
  const part = partOf(window);
  const drawn = [];
  floe.onChange(part, (value) => drawn.push(value.n));
  part.send({ sequence: 7, n: 1 });
  part.send({ sequence: 9, n: 3 });
  part.send({ sequence: 8, n: 2 }); // overtaken
  part.send({ sequence: 10, n: 3 }); // nothing has changed
  part.send({ n: 4 }); // drawn by what waits its turn
  part.send({ sequence: 8, n: 2 });
  part.send({ sequence: 11, n: 5 });
  assert.deepEqual(drawn, [1, 3, 4, 5]);
});

test("lines that have not changed stay the same elements, in the new order", () => {
  const list = floe.el("ul");
  const draw = floe.lines(list, (row) => floe.el("li", {}, row.name));
  draw([{ name: "a" }, { name: "b" }]);
  const [a, b] = list.children;
  draw([{ name: "b" }, { name: "c" }, { name: "a" }]);
  assert.deepEqual(
    [...list.children].map((node) => node.textContent),
    ["b", "c", "a"],
  );
  assert.equal(list.children[0], b);
  assert.equal(list.children[2], a);
});

test("what was just chosen stands until the server had time to hear of it", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const page = openPage("forms.js");
  page.window.setTimeout = setTimeout;
  page.window.clearTimeout = clearTimeout;
  const shown = [];
  const steady = page.floe.steady((value) => shown.push(value));
  steady.set("old");
  steady.hold();
  steady.set("old answer");
  assert.deepEqual(shown, ["old"]);
  t.mock.timers.tick(2500);
  assert.deepEqual(shown, ["old", "old answer"]);
});
