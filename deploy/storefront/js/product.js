// One product: product.html?sme=…&handle=…, or ?id=….
import { get } from "./api.js";
import { exhibitionAddress, h, head, picture, price, productAddress, show, smeAddress } from "./page.js";
import { contacts, demo, facts, paragraphs } from "./parts.js";
import { lang, t } from "./texts.js";

const asked = new URLSearchParams(location.search);
const [id, handle] = [asked.get("id"), asked.get("handle")].map((part) => part && encodeURIComponent(part));
const main = document.getElementById("main");

const variantName = ({ options, net_content: content }) => {
  const names = Object.values(options);
  const net = content && `${content.value} ${content.unit}`;
  return [...names, ...(net && !names.includes(net) ? [net] : [])].join(", ");
};

const variantNotes = ({ moq, order_multiple: multiple, stock_policy: policy, on_hand: stock }) => [
  moq > 1 && t("moq", moq),
  multiple > 1 && t("multiple", multiple),
  policy === "track" && t("stock", stock),
  policy === "made_to_order" && t("made_to_order"),
].filter(Boolean).join(" · ");

const variant = (one) => h("li", null, h("span", null, variantName(one), h("small", null, variantNotes(one))), h("b", null, one.price.display));

function material({ name, origin, mass_share_bp: share, verification, waste_source: source, grams_diverted_per_unit: grams }) {
  const text = (localized) => localized[lang] ?? localized.id;
  const bar = h("i", null);
  bar.style.width = `${share / 100}%`;
  const notes = [t(`origin_${origin}`), source && t("waste_source", text(source)), grams && t("diverted", grams), t(`checked_${verification}`)];
  return h("li", null,
    h("span", null, h("span", null, text(name)), h("b", null, `${(share / 100).toLocaleString(lang)}%`)),
    h("span", { class: "share" }, bar),
    h("small", null, notes.filter(Boolean).join(" · ")));
}

function offer({ price: { value, currency }, stock_policy: policy, on_hand: stock, sku, gtin }) {
  const state = { track: stock > 0 ? "InStock" : "OutOfStock", made_to_order: "MadeToOrder", untracked: "InStock" }[policy];
  return { "@type": "Offer", price: value, priceCurrency: currency, availability: `https://schema.org/${state}`, ...(sku && { sku }), ...(gtin && { gtin }) };
}

function structured(product, url) {
  const largest = (image) => image.renditions.filter(({ format }) => format === "jpeg").at(-1)?.url;
  return {
    "@context": "https://schema.org",
    "@type": "Product",
    name: product.title,
    description: product.summary,
    url,
    image: product.images.map(largest).filter(Boolean).map((path) => new URL(window.etalase.api + path, location.href).href),
    brand: { "@type": "Brand", name: product.sme.name },
    category: product.category.name,
    material: product.materials.map(({ name }) => name[lang] ?? name.id),
    offers: product.variants.map(offer),
  };
}

show(main, async () => {
  const seller = (handle) => get(`smes/${encodeURIComponent(handle)}`).catch(() => null);
  const [product, early] = await Promise.all(id
    ? [get(`products/${id}`)]
    : [get(`products/by-handle/${encodeURIComponent(asked.get("sme"))}/${handle}`), seller(asked.get("sme"))]);
  const sme = early ?? (await seller(product.sme.handle));
  const { title, summary, category } = product;
  const address = productAddress(product);
  const url = new URL(address, location.href).href;
  head({ title, description: summary, address, data: structured(product, url), unlisted: product.sme.is_demo });
  const photos = product.images.length ? product.images : [product.image];
  const allergens = product.allergens && (product.allergens.join(", ") || (product.ingredients && t("no_allergens")));
  return [
    h("nav", { class: "crumbs", "aria-label": t("here") },
      h("a", { href: "./" }, t("products")), " / ", h("a", { href: `./?${new URLSearchParams({ category: category.slug })}` }, category.name)),
    h("article", { class: "product" },
      h("div", { class: "photos", ...(photos.length > 1 && { tabindex: 0, role: "group", "aria-label": t("photos") }) },
        photos.map((image, n) => picture(image, "(min-width: 72em) 38rem, (min-width: 56em) 52vw, 94vw", n === 0))),
      h("div", { class: "told" },
        h("h1", null, title),
        h("p", { class: "price" }, price(product)),
        h("p", { class: "lead" }, summary),
        demo(product.sme.is_demo),
        (product.variants.length > 1 || product.variants.some((one) => one.net_content || variantNotes(one))) &&
          [h("h2", null, t("variants")), h("ul", { class: "rows" }, product.variants.map(variant))],
        h("section", { class: "panel" },
          h("h2", null, t("seller")),
          h("p", { class: "name" }, product.sme.name),
          sme?.story && h("p", { class: "soft clamp" }, sme.story),
          h("p", null, h("a", { href: smeAddress(product.sme.handle) }, t("more_of"))),
          sme && contacts(sme, t("hello", title) + url))),
      h("div", { class: "rest" },
        h("section", null, h("h2", null, t("details")), paragraphs(product.description === summary ? "" : product.description), facts(
          [t("ingredients"), product.ingredients],
          [t("allergens"), allergens],
          [t("shelf_life"), product.shelf_life_days && t("days", product.shelf_life_days)],
          [t("storage"), product.storage && t(`storage_${product.storage}`)],
          [t("lead_time"), product.lead_time_days && t("days", product.lead_time_days) + (product.made_to_order ? `, ${t("made_to_order")}` : "")],
        )),
        product.materials.length > 0 && h("section", null, h("h2", null, t("materials")), h("ul", { class: "materials" }, product.materials.map(material))),
        product.exhibitions.length > 0 && h("section", null, h("h2", null, t("shown_at")),
          h("ul", { class: "links" }, product.exhibitions.map(({ slug, title }) => h("li", null, h("a", { href: exhibitionAddress(slug) }, title))))))),
  ];
});
