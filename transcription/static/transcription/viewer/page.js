// The elements that several modules of the viewer use.

export const byId = (id) => document.getElementById(id);

export const text = byId("text");
export const player = document.querySelector("#viewer .player");
// Without a recording this is an empty player, which plays nothing.
export const audio = player.querySelector("audio") ?? document.createElement("audio");

export function showStatus(sentence) {
  byId("count").textContent = sentence;
}

export function isInView(element) {
  const { top, bottom } = element.getBoundingClientRect();
  const isSticky = getComputedStyle(player).position === "sticky";
  return top >= (isSticky ? player.getBoundingClientRect().bottom : 0) && bottom <= innerHeight;
}
