// Suggestions below a search field, as an ARIA combobox.
import { get } from "./api.js";
import { h, marked, productAddress, smeAddress } from "./page.js";
import { t } from "./texts.js";

// The page that shows what is at an address of the API.
function page(address) {
  const [, kind, rest] = /\/v1\/storefront\/(products\/by-handle|products|smes)([/?].*)$/.exec(address ?? "") ?? [];
  const parts = rest?.slice(1).split("/").map(decodeURIComponent);
  if (kind === "products" && rest[0] === "?") return `./${rest}`;
  if (kind === "products") return `product.html?id=${parts[0]}`;
  if (kind === "smes") return smeAddress(parts[0]);
  return kind && productAddress({ sme: { handle: parts[0] }, handle: parts[1] });
}

// `search` is called with words that were chosen; other suggestions are pages.
export function suggest(input, search) {
  const list = h("ul", { id: "suggestions", role: "listbox", "aria-label": t("suggestions"), hidden: true });
  let options = [];
  let at = -1;
  let turn = new AbortController();
  let pause;
  for (const [name, value] of [["role", "combobox"], ["aria-controls", list.id], ["aria-autocomplete", "list"], ["aria-expanded", "false"]]) input.setAttribute(name, value);
  input.after(list);

  function close() {
    clearTimeout(pause);
    turn.abort();
    options = [];
    offer();
  }

  function offer() {
    at = -1;
    list.replaceChildren(...options.map(({ kind, text, highlight }, n) =>
      h("li", { role: "option", id: `s-${n}`, mousedown: (event) => event.preventDefault(), click: () => choose(n) },
        h("span", null, highlight ? marked(highlight) : text), kind !== "words" && h("small", null, t(`kind_${kind}`)))));
    list.hidden = !options.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    input.removeAttribute("aria-activedescendant");
  }

  function choose(n) {
    const { text, address } = options[n];
    const to = page(address);
    close();
    if (to) location.assign(to);
    else search(text);
  }

  function move(to) {
    at = (to + options.length) % options.length;
    [...list.children].forEach((option, n) => option.setAttribute("aria-selected", String(n === at)));
    input.setAttribute("aria-activedescendant", `s-${at}`);
    list.children[at].scrollIntoView({ block: "nearest" });
  }

  async function ask() {
    turn.abort();
    turn = new AbortController();
    try {
      options = (await get("suggest", { q: input.value.trim(), limit: 8 }, turn.signal)).data;
      offer();
    } catch (error) {
      if (error.name !== "AbortError") console.info(error);
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(pause);
    if (input.value.trim().length < 2) close();
    else pause = setTimeout(ask, 120);
  });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && options.length) event.preventDefault();
    if (event.key === "Escape" || (event.key === "Enter" && at < 0)) return close();
    if (!options.length) return;
    if (event.key === "ArrowDown") move(at + 1);
    else if (event.key === "ArrowUp") move(at < 0 ? -1 : at - 1);
    else if (event.key === "Enter") choose(at);
    else return;
    event.preventDefault();
  });
}
