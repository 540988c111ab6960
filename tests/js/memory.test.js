"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { openPage, partOf } = require("./page.js");

const { window, floe } = openPage("forms.js", "cloud/cloud.js", "memory/memory.js");

const USE = {
  id: 7,
  kind: "chat",
  source: "My family",
  text: "My sister is <b>Ilvara</b>.",
  at: 0,
};
const settled = () => new Promise((done) => window.setTimeout(done, 0));

test("the chip lists what was used as text, and forgets one when asked twice", async () => {
  const forgotten = [];
  const line = floe.memoryChip(
    1,
    async () => [USE],
    (id) => forgotten.push(id),
  );
  const chip = line.querySelector("button.chip");
  assert.match(chip.textContent, /used 1 of your notes/);
  chip.click();
  await settled();
  const list = line.querySelector("ul");
  assert.equal(list.hidden, false);
  assert.equal(list.querySelector("p").textContent, USE.text);
  assert.match(list.textContent, /My family/);
  list.querySelector("button.press").click();
  assert.deepEqual(forgotten, []);
  list.querySelector("button.danger").click();
  assert.deepEqual(forgotten, [7]);
  assert.match(list.textContent, /None of it is kept/);
});

test("an example of how the person writes is listed as one", async () => {
  const example = { ...USE, kind: "example", text: "Is it dry?\n\naye -- bone dry." };
  const line = floe.memoryChip(
    1,
    async () => [example],
    () => {},
  );
  line.querySelector("button.chip").click();
  await settled();
  assert.match(line.querySelector("ul").textContent, /how you write: My family/);
});

test("what was deleted since is said to be gone", async () => {
  const line = floe.memoryChip(
    2,
    async () => [],
    () => {},
  );
  assert.match(line.textContent, /used 2 of your notes/);
  line.querySelector("button.chip").click();
  await settled();
  assert.match(line.querySelector("ul").textContent, /forgotten or deleted since/);
});

test("the sheet shows the state and tells each choice", () => {
  const part = partOf(window);
  floe.memory(part);
  part.send({
    on: true,
    notes: "A note.",
    folder: "/home/me/notes",
    sentence: "3 passages at hand, on this device.",
    problems: ["a.pdf is damaged, or no PDF that can be read."],
  });
  const { element } = part;
  assert.match(element.textContent, /3 passages at hand/);
  assert.match(element.textContent, /a\.pdf is damaged/);
  assert.equal(element.querySelector("textarea").value, "A note.");
  element.querySelector("button.toggle").click();
  const folder = element.querySelector("input");
  folder.value = " /home/me/other ";
  [...element.querySelectorAll("button")]
    .find((each) => /this folder/.test(each.textContent))
    .click();
  // The page's objects have prototypes of their own.
  assert.deepEqual(JSON.parse(JSON.stringify(part.triggered)), [
    ["switch", { on: false }],
    ["folder", { folder: "/home/me/other" }],
  ]);
});
