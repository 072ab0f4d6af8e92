// What the pages of products, SMEs and exhibitions share.
import { h } from "./page.js";
import { t } from "./texts.js";

// Names and values, without those that are absent.
export function facts(...pairs) {
  return h("dl", { class: "facts" }, pairs.filter((pair) => pair?.[1]).map(([name, ...value]) => [h("dt", null, name), h("dd", null, ...value)]).flat());
}

export const demo = (is) => is && h("p", { class: "notice" }, t("demo"));
export const paragraphs = (text) => (text ?? "").split(/\n+/).filter(Boolean).map((line) => h("p", null, line));

// Contacts and profiles as links, as far as their addresses are of a known kind.
export function contacts(sme, hello = "") {
  const web = (value) => (/^https?:\/\//i.test(value) ? value : null);
  const digits = (value) => value.replace(/[^\d+]/g, "");
  const address = {
    phone: (value) => `tel:${digits(value)}`,
    whatsapp: (value) => web(value) ?? `https://wa.me/${digits(value).replace(/^\+/, "").replace(/^0/, "62")}?text=${encodeURIComponent(hello)}`,
    email: (value) => `mailto:${value}`,
    website: web,
  };
  const all = [...sme.contacts.map(({ kind, value }) => [kind, t(`contact_${kind}`), value]),
    ...Object.entries(sme.socials).map(([network, value]) => ["website", network, value])];
  return all.length > 0 && h("ul", { class: "contacts", "aria-label": t("contact") }, all.map(([kind, name, value]) => {
    const href = address[kind]?.(value);
    return h("li", null, h("span", { class: "soft" }, `${name} `), href ? h("a", { href, rel: "nofollow noopener" }, value.replace(/^https?:\/\//, "")) : value);
  }));
}
