// An item of the list of texts that are not saved.
import { wholeText } from "./drafts.js";

// detail: what follows the change. actions: { name of a button: what it does }.
export function listItem(draft, detail, actions) {
  const typed = wholeText(draft);
  const change = typed ? `“${draft.before}” → “${typed}”` : `Remove “${draft.before}”`;
  const item = document.createElement("li");
  item.append(`${change}${detail}`);
  for (const [name, act] of Object.entries(actions)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => act(draft));
    item.append(" ", button);
  }
  return item;
}
