// The strip above the chat: the state of the cloud, the figures of the answer, light and dark.
"use strict";

floe.cloud = ({ element, props, watch }) => {
  const menu = floe.button("menu", "Conversations", floe.toggleDrawer);
  menu.id = "open-drawer";
  menu.setAttribute("aria-controls", "drawer");
  const sentence = floe.el("span", { className: "sentence" });
  const state = floe.el("p", { role: "status" }, floe.el("i", { className: "dot" }), sentence);
  element.append(menu, state);
  const draw = () => {
    if (!props.value || sentence.textContent === props.value.sentence) return;
    sentence.textContent = props.value.sentence;
    state.title = props.value.sentence;
    state.classList.toggle("usable", props.value.usable);
  };
  watch("value", draw);
  draw();
};

floe.figures = ({ element, props, watch }) => {
  const list = floe.el("dl");
  element.append(list, floe.button("half", "Light or dark", floe.switchTheme));
  const draw = () => {
    const rows = (props.value || []).map(([name, value]) =>
      floe.el("div", {}, floe.el("dt", {}, name), floe.el("dd", {}, value)),
    );
    list.replaceChildren(...rows);
  };
  watch("value", draw);
  draw();
};
