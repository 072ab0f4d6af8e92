// The list: its whole state is in the address, so that it can be shared and the back button works.
import { get } from "./api.js";
import { cards, failure, h, head } from "./page.js";
import { suggest } from "./suggest.js";
import { lang, t } from "./texts.js";

const shown = ["category", "price", "region", "material_origin", "waste_stream", "halal", "exhibition", "in_stock"];
const filters = ["q", "sort", "sme", "price_min", "price_max", ...shown.filter((name) => name !== "price")];
const size = matchMedia("(max-width: 40em)").matches ? 12 : 24;
const [input, panel, form, done, sort, chips, list, more, count] =
  ["q", "filters", "facets", "done", "sort", "chips", "products", "more", "count"].map((id) => document.getElementById(id));

let facets = {};
let cursor = null;
let pages = 1;
let turn = new AbortController();

const asked = () => new URLSearchParams([...new URLSearchParams(location.search)].filter(([name, value]) => filters.includes(name) && value));
const range = (params) => (params.has("price_min") || params.has("price_max") ? `${params.get("price_min") ?? 0}-${params.get("price_max") ?? ""}` : null);

// One page of the list, the first of them with facets.
const read = (params, limit, after, signal) => get("products", [...params, ["limit", limit], after ? ["cursor", after] : ["facets", shown]], signal);

// Shows what the address says.
async function load() {
  turn.abort();
  turn = new AbortController();
  const params = asked();
  const { pages: wanted = 1, y } = history.state ?? {};
  sorts(params);
  list.setAttribute("aria-busy", "true");
  try {
    const answer = await read(params, Math.min(size * wanted, 100), null, turn.signal);
    pages = wanted;
    facets = answer.facets;
    cursor = answer.page.next_cursor;
    list.replaceChildren(...cards(answer.data));
    const total = answer.page.total_estimate;
    count.textContent = done.textContent = total ? t("count", total) : t("none");
    if (!total) list.append(h("li", { class: "empty" }, h("p", null, t("none_more"))));
    more.hidden = !cursor;
    choices(params);
    chosen(params);
    const [q, category] = [params.get("q"), params.get("category")];
    const title = [q, category && label("category", category)].filter(Boolean).join(", ");
    head({ title, address: category ? `./?${new URLSearchParams({ category })}` : "./", unlisted: q });
    if (y !== undefined) scrollTo(0, y);
  } catch (error) {
    if (error.name === "AbortError") return;
    console.info(error);
    list.replaceChildren(h("li", { class: "empty" }, failure(error)));
    more.hidden = true;
  }
  list.removeAttribute("aria-busy");
}

// Goes to another choice.
function go(params, replace) {
  for (const [name, value] of [...params]) if (!value) params.delete(name);
  const address = String(params) ? `?${params}` : location.pathname;
  if (replace) history.replaceState({}, "", address);
  else {
    keep();
    history.pushState({}, "", address);
  }
  load();
}

const keep = () => history.replaceState({ pages, y: scrollY }, "");
const label = (name, value) => facets[name]?.find((one) => one.value === value)?.label ?? value;

function sorts(params) {
  const orders = [...(params.has("q") ? ["relevance"] : []), "-published_at", "price", "-price", "title"];
  sort.replaceChildren(...orders.map((value) => h("option", { value, selected: params.get("sort") === value }, t(`sort_${value}`))));
}

// The facets as a form, its focus kept.
function choices(params) {
  const focus = document.activeElement?.id;
  const open = [...form.querySelectorAll("details[open]")].map((details) => details.dataset.of);
  const option = (name, type) => ({ value, label, count }) => {
    const checked = name === "price" ? (range(params) ?? "") === value : params.getAll(name).includes(value);
    return h("label", null, h("input", { type, name, value, checked, id: `f-${name}-${value}` }), h("span", null, label), h("small", null, count?.toLocaleString(lang)));
  };
  form.replaceChildren(...shown.map((name) => {
    const values = (facets[name] ?? []).filter(({ value, count }) => count > 0 || params.getAll(name).includes(value) || range(params) === value);
    // What has no name yet, only a code, is no choice for people.
    if (values.every(({ value, label }) => value === label)) return "";
    const options = (name === "price" ? [{ value: "", label: t("all") }, ...values] : values).map(option(name, name === "price" ? "radio" : "checkbox"));
    const rest = options.splice(options.length > 9 ? 7 : 9);
    return h("fieldset", null, h("legend", null, t(`facet_${name}`)), options,
      rest.length > 0 && h("details", { "data-of": name, open: open.includes(name) }, h("summary", null, t("others", rest.length)), rest));
  }));
  if (focus?.startsWith("f-")) document.getElementById(focus)?.focus();
}

// What is chosen, each with a way to undo it.
function chosen(params) {
  const names = [...new Set(params.keys())].filter((name) => name !== "q" && name !== "sort" && !name.startsWith("price_"));
  const all = names.flatMap((name) => params.getAll(name).map((value) => [name, value]));
  if (range(params)) all.push(["price", range(params)]);
  const chip = ([name, value]) => {
    const text = label(name, value);
    const undo = () => go(new URLSearchParams([...params].filter(([one, is]) => (name === "price" ? !one.startsWith("price_") : one !== name || is !== value))));
    return h("li", null, h("button", { click: undo, "aria-label": t("without", text) }, text));
  };
  const clear = () => go(new URLSearchParams([...params].filter(([name]) => name === "q" || name === "sort")));
  chips.replaceChildren(...all.map(chip), ...(all.length > 1 ? [h("li", null, h("button", { class: "plain", click: clear }, t("clear")))] : []));
  document.getElementById("chosen").textContent = all.length || "";
}

form.addEventListener("change", () => {
  const offered = new Set([...form.elements].map(({ name }) => name));
  const params = new URLSearchParams([...asked()].filter(([name]) => !offered.has(name) && !(offered.has("price") && name.startsWith("price_"))));
  for (const [name, value] of new FormData(form)) {
    const [min, max] = value.split("-");
    if (name !== "price") params.append(name, value);
    else if (value) {
      if (min !== "0") params.set("price_min", min);
      if (max) params.set("price_max", max);
    }
  }
  go(params);
});

done.addEventListener("click", () => {
  panel.open = false;
  panel.querySelector("summary").focus();
});

sort.addEventListener("change", () => {
  const params = asked();
  params.set("sort", sort.selectedIndex ? sort.value : "");
  go(params);
});

more.addEventListener("click", async () => {
  more.disabled = true;
  try {
    const answer = await read(asked(), size, cursor, turn.signal);
    const added = cards(answer.data, list.children.length);
    list.append(...added);
    added[0]?.querySelector("a").focus({ preventScroll: true });
    cursor = answer.page.next_cursor;
    more.hidden = !cursor;
    pages += 1;
    keep();
  } catch (error) {
    if (error.name !== "AbortError") more.after(failure(error));
  }
  more.disabled = false;
});

// While words are typed the list follows; the first of them can be taken back by the back button.
const search = (q, typing) => {
  const params = asked();
  const before = params.get("q") ?? "";
  if (q.trim() === before) return;
  params.set("q", q.trim());
  if (params.get("sort") === "relevance") params.delete("sort");
  go(params, typing && before);
};
let pause;
input.addEventListener("input", () => {
  clearTimeout(pause);
  pause = setTimeout(search, 250, input.value, true);
});
document.getElementById("search").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(pause);
  search(input.value);
});
suggest(input, (words) => {
  clearTimeout(pause);
  input.value = words;
  search(words);
});

history.scrollRestoration = "manual";
const restore = () => {
  input.value = asked().get("q") ?? "";
  load();
};
addEventListener("popstate", restore);
addEventListener("pagehide", keep);
const wide = matchMedia("(min-width: 64em)");
const unfold = () => (panel.open = wide.matches);
wide.addEventListener("change", unfold);
unfold();
restore();
