// The strip above the chat: the state of the cloud, the figures of the answer, light and dark.
"use strict";

/** @type {((kind: CloudValue["kind"]) => void)[]} */
const onCloudKind = [];
/** @type {CloudValue["kind"]} */
let cloudKind = "cloud";
floe.onCloudKind = (act) => {
  onCloudKind.push(act);
  act(cloudKind);
};

floe.cloud = ({ element, props, watch }) => {
  const menu = floe.button("menu", "Conversations", floe.toggleDrawer);
  menu.id = "open-drawer";
  menu.setAttribute("aria-controls", "drawer");
  const sentence = floe.el("span", { className: "sentence" });
  const short = floe.el("span", { className: "short" }); // where there is no room for a sentence
  const opener = floe.el("button", { type: "button", id: "open-cloud", onclick: floe.toggleCloud });
  opener.setAttribute("aria-controls", "panel");
  opener.setAttribute("aria-expanded", "false");
  opener.append(floe.el("i", { className: "dot" }), sentence, short, floe.icon("sliders"));
  const state = floe.el("p", { role: "status" }, opener);
  element.append(menu, state);
  const draw = () => {
    if (!props.value) return;
    if (cloudKind !== props.value.kind) {
      cloudKind = props.value.kind;
      for (const act of onCloudKind) act(cloudKind);
    }
    const there = cloudKind === "stand-in" ? "Stand-in" : "Cloud on";
    short.textContent =
      cloudKind === "off" ? "Cloud off" : props.value.usable ? there : "Not ready";
    if (sentence.textContent === props.value.sentence) return;
    sentence.textContent = props.value.sentence;
    opener.title = `${props.value.sentence} Press to choose, test and limit it.`;
    state.classList.toggle("usable", props.value.usable);
  };
  watch("value", draw);
  draw();
};

floe.figures = ({ element, props, watch }) => {
  const list = floe.el("dl");
  element.append(list, floe.button("half", "Light or dark", floe.switchTheme));
  floe.showFigures = (figures) => {
    const rows = (figures || []).map(({ name, value, hint }) =>
      floe.el("div", { title: hint }, floe.el("dt", {}, name), floe.el("dd", {}, value)),
    );
    list.replaceChildren(...rows);
  };
  watch("value", () => floe.showFigures(props.value));
  floe.showFigures(props.value);
};
