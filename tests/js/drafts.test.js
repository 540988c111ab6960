"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { openPage, partOf } = require("./page.js");

const rests = (window) => new Promise((done) => window.setTimeout(done, 1300));

const open = () => {
  const { window, floe } = openPage("addresses.js", "chat/drafts.js");
  const part = partOf(window);
  floe.drafts(part);
  floe.chat = 7;
  part.element.id = "prompt";
  const box = part.element.appendChild(window.document.createElement("textarea"));
  const type = (text) => {
    box.value = text;
    box.dispatchEvent(new window.Event("input", { bubbles: true }));
  };
  return { window, floe, part, type };
};

test("what is typed is kept in the tab until the app has saved it", async () => {
  const { window, floe, part, type } = open();
  type("My sister");
  type("My sister is");
  assert.deepEqual(JSON.parse(floe.unsavedDraft()), { chat: 7, text: "My sister is" });
  await rests(window);
  assert.deepEqual(
    part.triggered.map(([, each]) => [each.text, each.number, each.save]),
    [
      ["My sister is", 1, false],
      ["My sister is", 2, true],
    ],
  );
  part.send({ number: 1 });
  assert.notEqual(floe.unsavedDraft(), ""); // only told, not saved
  part.send({ number: 2 });
  assert.equal(window.sessionStorage.length + window.localStorage.length, 0);
});

test("what is typed while the answer to an earlier save is on its way stays", async () => {
  const { window, floe, part, type } = open();
  type("one");
  await rests(window);
  type("one two");
  part.send({ number: 2 });
  assert.equal(JSON.parse(floe.unsavedDraft()).text, "one two");
  await rests(window);
  part.send({ number: 4 });
  assert.equal(floe.unsavedDraft(), "");
});

test("a page that opens again tells it, and forgets it once it is there", () => {
  const { floe, part, window } = open();
  window.sessionStorage.setItem(floe.draftCopy, '{"chat":null,"text":"typed meanwhile"}');
  assert.equal(floe.unsavedDraft(), '{"chat":null,"text":"typed meanwhile"}');
  part.send({ number: 0 });
  assert.equal(floe.unsavedDraft(), "");
});
