// One exhibition with its map and what is on show: exhibition.html?slug=….
import { base, get } from "./api.js";
import { card, exhibitionAddress, h, head, show, smeAddress } from "./page.js";
import { demo, facts, paragraphs } from "./parts.js";
import { lang, t } from "./texts.js";

const slug = encodeURIComponent(new URLSearchParams(location.search).get("slug") ?? "");
const at = `exhibitions/${slug}`;
const day = (date) => new Date(`${date}T00:00Z`).toLocaleDateString(lang, { weekday: "long", day: "numeric", month: "long", timeZone: "UTC" });

// The map of each batch of days, and below it the same as a list.
function plan(exhibition, booths) {
  const batches = [...new Map(booths.map(({ batch }) => [batch?.id, batch])).values()];
  return h("section", null, h("h2", null, t("map")), batches.map((batch) => {
    const query = batch ? { batch_id: batch.id } : {};
    // As a blob, since <img> would ask for it in the browser's language.
    const img = h("img", { alt: t("map_of", exhibition.title), width: 1350, height: 900 });
    get(`${at}/plan.svg`, query).then((svg) => (img.src = URL.createObjectURL(svg)), console.info);
    return [
      batches.length > 1 && h("h3", null, `${batch.name}: ${day(batch.starts_on)} – ${day(batch.ends_on)}`),
      h("div", { class: "map", tabindex: 0, role: "group", "aria-label": t("map") }, img),
      h("p", null, h("a", { href: `${base}/v1/storefront/${at}/plan.svg?${new URLSearchParams(query)}` }, t("open_map"))),
      h("details", { class: "stands" }, h("summary", null, t("stands")), h("ul", null, booths.filter((one) => one.batch?.id === batch?.id).map(({ booth, brand_name: name, sme_handle: handle }) =>
        h("li", null, h("b", null, booth), " ", h("a", { href: smeAddress(handle) }, name))))),
    ];
  }).flat());
}

function item({ product, places, exhibition_price: special, is_sample: sample }, n) {
  const codes = [...new Set(places.map(({ booth }) => booth))];
  return card(product, {
    first: n === 0,
    cost: special && [special.display, h("small", null, ` ${t("show_price")}`)],
    more: [codes.length > 0 && h("p", { class: "tag quiet" }, t("stand", codes.join(", "))), sample && h("p", { class: "soft" }, t("sample"))],
  });
}

const rest = h("div", { "aria-busy": true });

// What is on show and where, once the exhibition itself is there to be read.
const fill = (exhibition, over) => show(rest, async () => {
  const lineup = exhibition.lineup_is_public ? await get(`${at}/lineup`) : { data: [] };
  // A plan that is published shows in the places of what is on show.
  const booths = lineup.data.some(({ places }) => places.length) ? await get(`${at}/booths`) : { data: [] };
  return [
    booths.data.length > 0 && plan(exhibition, booths.data),
    h("section", null, h("h2", null, t(over ? "lineup_past" : "lineup")),
      lineup.data.length ? h("ul", { class: "grid" }, lineup.data.map(item)) : h("p", { class: "soft" }, t("no_lineup"))),
  ];
});

show(document.getElementById("main"), async () => {
  const exhibition = await get(at);
  const { title, description, venue, city, status, dates, dates_label: label, is_demo: unlisted } = exhibition;
  const over = status === "completed" || status === "archived";
  const dated = dates.precision === "day" && !over && status !== "cancelled";
  const about = { title, description, address: exhibitionAddress(exhibition.slug), unlisted };
  const url = head(about);
  get(`${at}/event.jsonld`).then((event) => head({ ...about, data: { ...event, "@id": url, url } }), console.info);
  fill(exhibition, over);
  return [
    h("nav", { class: "crumbs", "aria-label": t("here") }, h("a", { href: "exhibitions.html" }, t("exhibitions"))),
    h("header", { class: "intro" },
      h("p", { class: "dates" }, label),
      h("h1", null, title),
      h("p", null, h("span", { class: "tag" }, t(over ? "status_completed" : `status_${status}`)), exhibition.status_reason && ` ${exhibition.status_reason}`),
      h("div", { class: "lead" }, paragraphs(description)),
      demo(unlisted),
      exhibition.source_status === "unverified" && h("p", { class: "notice" }, t("unverified")),
      facts(
        [t("when"), label, dated && [" · ", h("a", { href: `${base}/v1/storefront/${at}/calendar.ics` }, t("calendar"))]],
        [t("where"), [venue?.name, venue?.address, city].filter(Boolean).join(", ")],
        [t("hours"), exhibition.opening_hours.length > 0 && h("ul", null, exhibition.opening_hours.map(({ day: date, opens, closes }) =>
          h("li", null, `${day(date)}: ${opens}–${closes} ${exhibition.time_zone_label}`)))],
      )),
    rest,
  ];
});
