// One SME and its products: sme.html?handle=….
import { get } from "./api.js";
import { cards, h, head, show, smeAddress } from "./page.js";
import { contacts, demo, paragraphs } from "./parts.js";
import { t } from "./texts.js";

const handle = new URLSearchParams(location.search).get("handle") ?? "";

show(document.getElementById("main"), async () => {
  const read = (cursor) => get("products", { sme: handle, limit: 24, ...(cursor && { cursor }) });
  const [sme, products] = await Promise.all([get(`smes/${encodeURIComponent(handle)}`), read()]);
  head({ title: sme.name, description: sme.story, address: smeAddress(sme.handle), unlisted: sme.is_demo });
  const list = h("ul", { class: "grid" }, cards(products.data));
  let cursor = products.page.next_cursor;
  const more = h("button", { click: async () => {
    const answer = await read(cursor);
    const added = cards(answer.data, list.children.length);
    list.append(...added);
    added[0]?.querySelector("a").focus({ preventScroll: true });
    cursor = answer.page.next_cursor;
    more.hidden = !cursor;
  } }, t("more"));
  more.hidden = !cursor;
  const degrees = sme.location && [sme.location.latitude_e6 / 1e6, sme.location.longitude_e6 / 1e6];
  return [
    h("header", { class: "intro" },
      h("h1", null, sme.name),
      sme.founded_year && h("p", { class: "soft" }, t("since", sme.founded_year)),
      h("div", { class: "lead" }, paragraphs(sme.story)),
      demo(sme.is_demo),
      contacts(sme),
      degrees && h("p", null, h("a", { rel: "noopener", href: `https://www.openstreetmap.org/?mlat=${degrees[0]}&mlon=${degrees[1]}#map=17/${degrees.join("/")}` }, t("on_map")))),
    h("section", null, h("h2", null, t("products")), list, h("p", { class: "more" }, more)),
  ];
});
