"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { openPage, partOf } = require("./page.js");

const SCRIPTS = ["forms.js", "cloud/cloud.js", "chat/conversations.js", "chat/comparison.js"];
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

test("an example that is asked side by side is not what stands in the box", () => {
  const part = { ...partOf(window), element: place() };
  floe.compare(part);
  floe.askSideBySide("Why?");
  const [[name, asked]] = part.triggered;
  assert.deepEqual([name, asked.text, asked.by, asked.typed], ["ask", "Why?", "mode", false]);
});
