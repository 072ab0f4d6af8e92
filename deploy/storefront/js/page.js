// What all pages share: making elements, photos, cards, and the frame around them. Nothing here or elsewhere parses HTML.
import { base } from "./api.js";
import { lang, t } from "./texts.js";

// An element; children that are null or false are left out, texts become text nodes.
export function h(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child || child === 0));
  return element;
}

// The API's highlights: escaped text in which only <mark> is an element.
export function marked(html) {
  const characters = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'", "#x27": "'" };
  const plain = (text) => text.replace(/&(amp|lt|gt|quot|#39|#x27);/g, (_, name) => characters[name]);
  return html.split(/<mark>(.*?)<\/mark>/s).map((part, n) => (n % 2 ? h("mark", null, plain(part)) : plain(part)));
}

// A photo in every format that is offered, in the space that it will take, over its main colour.
export function picture(image, sizes, first) {
  if (!image) return h("div", { class: "photo" });
  const of = (format) => image.renditions.filter((one) => one.format === format);
  const set = (format) => of(format).map(({ url, width }) => `${base}${url} ${width}w`).join(", ");
  const [fallback, ...better] = ["jpeg", "avif", "webp"].filter((format) => of(format).length);
  const img = h("img", {
    alt: image.alt,
    width: image.width,
    height: image.height,
    decoding: "async",
    loading: first ? null : "lazy",
    fetchpriority: first ? "high" : null,
    sizes,
    srcset: fallback && set(fallback),
    src: fallback && base + of(fallback).at(-1).url,
  });
  img.style.objectPosition = `${image.focal_x_bp / 100}% ${image.focal_y_bp / 100}%`;
  const photo = h("picture", { class: "photo" }, better.map((format) => h("source", { type: `image/${format}`, sizes, srcset: set(format) })), img);
  photo.style.backgroundColor = image.dominant_color;
  return photo;
}

export const productAddress = ({ sme, handle }) => `product.html?${new URLSearchParams({ sme: sme.handle, handle })}`;
export const smeAddress = (handle) => `sme.html?${new URLSearchParams({ handle })}`;
export const exhibitionAddress = (slug) => `exhibition.html?${new URLSearchParams({ slug })}`;

export const price = (product) => [product.price_is_from && h("small", null, `${t("from")} `), product.price.display];

// A product in a list. `more` is shown below its price; `first` is the one whose photo is waited for.
export function card(product, { first, more, cost } = {}) {
  const { title, summary } = product.highlight ?? {};
  return h("li", { class: "card" },
    picture(product.image, "(min-width: 64em) 15rem, (min-width: 40em) 30vw, 46vw", first),
    h("h3", null, h("a", { href: productAddress(product) }, title ? marked(title) : product.title)),
    h("p", { class: "soft" }, product.sme.name),
    h("p", { class: "price" }, cost ?? price(product)),
    !title?.includes("<mark>") && summary?.includes("<mark>") && h("p", { class: "soft" }, marked(summary)),
    product.material_origins?.some((origin) => origin.startsWith("upcycled")) && h("p", { class: "tag" }, t("upcycled")),
    more);
}

export const cards = (products, start = 0) => products.map((product, n) => card(product, { first: start + n === 0 }));

// Structured data is no code, but a strict policy (Trusted Types) counts its element among the scripts.
const trusted = (window.trustedTypes ?? { createPolicy: (_, rules) => rules }).createPolicy("structured-data", { createScript: (json) => json });

// Title, description, canonical address, the other language, and structured data.
export function head({ title, description, address, data, unlisted }) {
  const site = document.querySelector(".brand").textContent;
  document.title = title ? `${title} – ${site}` : site;
  if (description) document.querySelector("meta[name=description]").content = description;
  const url = new URL(address, location.href);
  const localized = (language) => {
    const here = new URL(url);
    if (language === "en") here.searchParams.set("lang", "en");
    return here.href;
  };
  document.querySelectorAll("[data-head]").forEach((element) => element.remove());
  document.head.append(
    h("link", { rel: "canonical", href: localized(lang), "data-head": true }),
    ...["id", "en"].map((hreflang) => h("link", { rel: "alternate", hreflang, href: localized(hreflang), "data-head": true })),
    ...(unlisted ? [h("meta", { name: "robots", content: "noindex", "data-head": true })] : []),
  );
  if (data) {
    const script = h("script", { type: "application/ld+json", "data-head": true });
    script.textContent = trusted.createScript(JSON.stringify(data));
    document.head.append(script);
  }
  return localized(lang);
}

// What takes the place of what could not be shown.
export function failure(error) {
  const missing = error.status === 404 || error.status === 400;
  if (missing) head({ title: t("gone"), address: location.href, unlisted: true });
  return h("div", { class: "empty", role: "alert" }, h("p", null, t(missing ? "gone" : "failed")),
    missing ? h("a", { class: "button", href: "./" }, t("home")) : h("button", { click: () => location.reload() }, t("again")));
}

// Fills a page by what `make` answers.
export async function show(place, make) {
  try {
    place.replaceChildren(...(await make()).flat().filter(Boolean));
  } catch (error) {
    console.info(error);
    place.replaceChildren(failure(error));
  }
  place.removeAttribute("aria-busy");
}

// The frame, which the HTML has in Indonesian.
if (lang === "en") {
  for (const element of document.querySelectorAll("[data-t]")) {
    for (const part of element.dataset.t.split(" ")) {
      const [name, attribute] = part.split(":").reverse();
      if (attribute) element.setAttribute(attribute, t(name));
      else element.textContent = t(name);
    }
  }
}
document.documentElement.classList.add("ready");

const other = document.querySelector("[data-lang]");
const language = lang === "en" ? "id" : "en";
if (language === "id") other.replaceChildren("ID", h("span", { class: "unseen" }, " Bahasa Indonesia"));
other.lang = other.hreflang = language;
other.addEventListener("click", (event) => {
  event.preventDefault();
  const here = new URL(location.href);
  here.searchParams.set("lang", language);
  location.replace(here);
});
