// All exhibitions: what is to come first.
import { get } from "./api.js";
import { exhibitionAddress, h, head, show } from "./page.js";
import { t } from "./texts.js";

const today = new Date().toLocaleDateString("sv");
const past = ({ status, dates }) => ["completed", "archived", "cancelled"].includes(status) || (dates.ends_on ?? "9999") < today;

const entry = (one) => h("li", null, h("article", { class: "event" },
  h("p", { class: "dates" }, one.dates_label),
  h("h3", null, h("a", { href: exhibitionAddress(one.slug) }, one.title)),
  h("p", { class: "soft" }, [one.venue?.name, one.city].filter(Boolean).join(", ")),
  (one.status === "cancelled" || !past(one)) && h("p", { class: "tag" }, t(`status_${one.status}`))));

head({ title: t("exhibitions"), description: t("exhibitions_more"), address: "exhibitions.html" });
show(document.getElementById("list"), async () => {
  const { data } = await get("exhibitions");
  const group = (title, some) => some.length > 0 && h("section", null, h("h2", null, t(title)), h("ul", { class: `events ${title}` }, some.map(entry)));
  if (!data.length) return [h("p", { class: "empty" }, t("no_exhibitions"))];
  return [group("current", data.filter((one) => !past(one))), group("past", data.filter(past))];
});
