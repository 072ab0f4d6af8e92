// Drives the shop window as its visitors do. Needs ETALASE_SHOP and ETALASE_OTHER_SHOP, which tests/storefront/run prepares; with
// ETALASE_SHOTS a folder for a picture of each page as a phone and a desk see it.
const assert = require("node:assert/strict");
const { readFileSync, readdirSync } = require("node:fs");
const { join } = require("node:path");
const puppeteer = require("puppeteer-core");

const shop = process.env.ETALASE_SHOP;
const site = join(__dirname, "../../deploy/storefront");
const phone = { width: 390, height: 844, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const desk = { width: 1280, height: 900 };
const product = "/product.html?sme=kreasi-limbah-tangerang&handle=tas-belanja-dari-limbah-plastik";
const pages = { list: "/", search: "/?q=keripik", product, exhibition: "/exhibition.html?slug=demo-pameran" };
const others = { sme: "/sme.html?handle=dodol-cisadane", exhibitions: "/exhibitions.html" };

// What a first visit may cost, in bytes on the wire, photos included; and what the page's own HTML, CSS and modules may weigh.
const budget = { list: 180_000, search: 130_000, product: 60_000, exhibition: 150_000 };
const weight = 40_000;

let browser;
const tests = [];
const test = (name, run) => tests.push([name, run]);

// A visitor with an empty cache. What a page must never do is kept in `faults`.
async function visit(path, { viewport = phone, base = shop, prepare } = {}) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  await page.setViewport(viewport);
  page.faults = [];
  page.languages = [];
  page.on("console", (message) => ["error", "warn"].includes(message.type()) && page.faults.push(message.text()));
  page.on("pageerror", (error) => page.faults.push(error.message));
  page.on("requestfailed", (request) => request.failure().errorText === "net::ERR_ABORTED" || page.faults.push(`${request.url()}: ${request.failure().errorText}`));
  page.on("response", (response) => response.status() < 400 || page.faults.push(`${response.url()}: ${response.status()}`));
  page.on("request", (request) => request.url().includes("/v1/") && request.resourceType() === "fetch" && page.languages.push(request.headers()["accept-language"]));
  await page.evaluateOnNewDocument(() => {
    window.seen = { lcp: 0, cls: 0, violations: [] };
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => ((seen.lcp = entry.startTime), (seen.what = entry.element?.localName)))).observe({ type: "largest-contentful-paint", buffered: true });
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => (seen.cls += entry.hadRecentInput ? 0 : entry.value))).observe({ type: "layout-shift", buffered: true });
    addEventListener("securitypolicyviolation", (event) => seen.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  await prepare?.(page);
  await page.goto(base + path, { waitUntil: "networkidle0" });
  return page;
}

async function leave(page) {
  page.faults.push(...(await page.evaluate(() => seen.violations)));
  assert.deepEqual(page.faults, []);
  await page.browserContext().close();
}

const titles = (page) => page.$$eval(".card h3", (all) => all.map((one) => one.textContent));
const text = (page, selector) => page.$eval(selector, (one) => one.textContent.trim());
const settled = (page) => page.waitForNetworkIdle({ idleTime: 400 });
const until = (page, what, ...values) => page.waitForFunction(what, { timeout: 10_000 }, ...values);
const loaded = (page) => until(page, () => !document.querySelector("[aria-busy=true]"));

test("the files: small, one frame, both languages, nothing inline, nothing parsed as HTML", () => {
  const read = (name) => readFileSync(join(site, name), "utf8");
  const texts = read("js/texts.js");
  const frames = new Set();
  for (const name of readdirSync(site).filter((name) => name.endsWith(".html"))) {
    const html = read(name);
    const own = [...html.matchAll(/(?:href|src)="((?:js\/)?[\w]+\.(?:css|js))"/g)].map(([, file]) => file);
    const bytes = [name, ...new Set(own)].map((file) => Buffer.byteLength(read(file))).reduce((a, b) => a + b);
    assert.ok(bytes < weight, `${name} and its parts are ${bytes} bytes`);
    assert.ok(!/<style|style=|<script>|\son\w+=/.test(html), `${name} has something inline`);
    for (const [, module] of html.matchAll(/type="module" src="js\/(\w+)\.js"/g)) {
      for (const [, needed] of read(`js/${module}.js`).matchAll(/from "\.\/(\w+\.js)"/g)) assert.ok(own.includes(`js/${needed}`), `${name} does not preload ${needed}`);
    }
    for (const [, names, said] of html.matchAll(/data-t="([^"]+)"[^>]*>([^<]*)/g)) {
      for (const part of names.split(" ")) {
        const key = part.split(":").at(-1);
        const pair = new RegExp(`^  ${key}: \\["([^"]*)", "[^"]+"\\],$`, "m").exec(texts);
        assert.ok(pair, `${name}: there is no text ${key} in two languages`);
        const attribute = part.includes(":") && new RegExp(`${part.split(":")[0]}="([^"]*)"[^<]*${part}|${part}[^<]*${part.split(":")[0]}="([^"]*)"`).exec(html);
        assert.equal(attribute ? (attribute[1] ?? attribute[2]) : said, pair[1], `${name}: ${key}`);
      }
    }
    frames.add(html.replace(/<title>.*?<\/title>|<meta name="description".*|<(link|script)[^>]*js\/.*|\n<main[^]*<\/main>| aria-current="page"/g, "").replace(/\n+/g, "\n"));
  }
  assert.equal(frames.size, 1, "pages have different frames");
  for (const name of readdirSync(join(site, "js"))) {
    const js = read(`js/${name}`);
    assert.ok(!/innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|DOMParser/.test(js), name);
    for (const [, key] of js.matchAll(/\bt\("(\w+)"/g)) assert.match(texts, new RegExp(`^  ${key}: `, "m"), `${name}: there is no text ${key}`);
  }
});

test("what pages cost", async () => {
  const rows = [];
  for (const [name, path] of Object.entries(pages)) {
    let bytes = 0;
    let requests = 0;
    const page = await visit(path, {
      prepare: async (page) => {
        const client = await page.createCDPSession();
        await client.send("Network.enable");
        client.on("Network.loadingFinished", ({ encodedDataLength }) => ((bytes += encodedDataLength), (requests += 1)));
        await page.emulateCPUThrottling(4);
        await page.emulateNetworkConditions({ download: 1.6e6 / 8, upload: 0.75e6 / 8, latency: 150 });
      },
    });
    await loaded(page);
    await settled(page);
    const { lcp, what } = await page.evaluate(() => seen);
    const first = { bytes, requests };
    // Photos further down, too, come into space that was kept for them.
    for (let n = 0; n < 6; n += 1) await page.evaluate(() => scrollBy(0, 600)).then(() => settled(page));
    const { cls } = await page.evaluate(() => seen);
    rows.push({ page: name, "LCP ms": Math.round(lcp), of: what, CLS: cls.toFixed(4), bytes: first.bytes, "of at most": budget[name], requests: first.requests });
    assert.ok(cls < 0.1, `${name}: CLS ${cls}`);
    assert.ok(first.bytes < budget[name], `${name}: ${first.bytes} bytes`);
    await leave(page);
  }
  console.table(rows);
});

test("the list shows products", async () => {
  const page = await visit("/");
  assert.equal((await titles(page)).length, 12);
  assert.equal(await page.title(), "Etalase");
  assert.equal(await page.$$eval(".card img", (all) => all.filter((one) => one.loading !== "lazy").length), 1);
  assert.equal(await page.$eval(".card img", (one) => one.fetchPriority), "high");
  await leave(page);
});

test("a search narrows the list while it is typed, is in the address, and the back button takes it back", async () => {
  const page = await visit("/");
  await page.type("#q", "dodol", { delay: 30 });
  await until(page, () => location.search === "?q=dodol");
  await settled(page);
  assert.equal((await titles(page)).length, 5);
  assert.ok((await titles(page)).every((title) => /dodol/i.test(title)));
  assert.match(await page.title(), /^dodol –/);
  assert.ok((await page.$$eval(".card mark", (all) => all.map((one) => one.textContent))).some((word) => /dodol/i.test(word)), "nothing is highlighted");
  await page.goBack();
  await settled(page);
  assert.equal(new URL(page.url()).search, "");
  assert.equal((await titles(page)).length, 12);
  assert.equal(await page.$eval("#q", (one) => one.value), "");
  await leave(page);
});

test("suggestions complete what is typed, by keyboard", async () => {
  const page = await visit("/", { viewport: desk });
  await page.type("#q", "ke", { delay: 30 });
  await until(page, () => document.querySelector("#q").ariaExpanded === "true");
  await settled(page);
  await page.keyboard.press("ArrowDown");
  const id = await page.$eval("#q", (one) => one.getAttribute("aria-activedescendant"));
  const words = await text(page, `#${id} > span`);
  assert.match(words, /^ke/i);
  await page.keyboard.press("Enter");
  await until(page, (words) => new URLSearchParams(location.search).get("q") === words, words);
  await settled(page);
  assert.ok((await titles(page)).length > 0);
  assert.equal(await page.$eval("#q", (one) => one.ariaExpanded), "false");
  await page.keyboard.type(" ");
  await page.keyboard.press("Backspace");
  await until(page, () => document.querySelector("#q").ariaExpanded === "true");
  const at = await page.$$eval("#suggestions small", (all) => all.findIndex((one) => one.textContent === "Produk"));
  await Promise.all([page.waitForNavigation(), page.evaluate((n) => document.querySelectorAll("#suggestions li:has(small)")[n].click(), at)]);
  await loaded(page);
  assert.match(page.url(), /product\.html\?/);
  assert.ok(await text(page, "h1"));
  await leave(page);
});

test("a facet narrows the list and is in the address; chips and the back button undo it", async () => {
  const page = await visit("/");
  await page.click("#filters summary");
  const count = Number(await text(page, "label:has(#f-category-keripik) small"));
  await page.click("#f-category-keripik");
  await until(page, () => location.search === "?category=keripik");
  await settled(page);
  assert.equal((await titles(page)).length, count);
  assert.equal(await page.evaluate(() => document.activeElement.id), "f-category-keripik");
  assert.equal(await text(page, "#count"), `${count} produk`);
  const prices = await page.$$("input[name=price]");
  // A band is called by its bounds in rupiah.
  const bands = await page.$$eval("label:has([name=price]:not([value='']))", (all) => all.map((one) => [one.firstChild.value, one.children[1].textContent]));
  for (const [value, label] of bands) assert.ok(label.replaceAll(".", "").match(/\d+/g).every((amount) => value.split("-").includes(amount)), `${value} is called ${label}`);
  await prices.at(1).click();
  await until(page, () => location.search.includes("price_m"));
  await settled(page);
  assert.equal((await page.$$(".chips button")).length, 3);
  await page.goBack();
  await settled(page);
  assert.equal(new URL(page.url()).search, "?category=keripik");
  assert.equal((await titles(page)).length, count);
  await page.click("#done");
  await page.click(".chips button");
  await settled(page);
  assert.equal(new URL(page.url()).search, "");
  assert.equal((await titles(page)).length, 12);
  // An address that was shared says the same.
  await page.goto(`${shop}/?category=keripik&category=dodol&sort=price`, { waitUntil: "networkidle0" });
  assert.equal((await page.$$("#facets input[type=checkbox]:checked")).length, 2);
  assert.equal(await page.$eval("#sort", (one) => one.value), "price");
  const amounts = await page.$$eval(".card .price", (all) => all.map((one) => Number(one.textContent.replace(/\D/g, ""))));
  assert.deepEqual(amounts, [...amounts].sort((a, b) => a - b));
  await leave(page);
});

test("load more appends without duplicates, and the list is as long as it was on coming back", async () => {
  const page = await visit("/");
  for (let n = 1; await page.$eval("#more", (one) => !one.hidden); n += 1) {
    await page.click("#more");
    await until(page, (n) => document.querySelectorAll(".card").length > n * 12, n);
    await settled(page);
  }
  const all = await page.$$eval(".card h3 a", (all) => all.map((one) => one.href));
  assert.equal(all.length, 40);
  assert.equal(new Set(all).size, 40);
  const link = await page.$(".card:nth-child(37) a");
  await link.scrollIntoView();
  await Promise.all([page.waitForNavigation(), link.evaluate((one) => one.click())]);
  await loaded(page);
  await page.goBack();
  await loaded(page);
  await until(page, () => document.querySelectorAll(".card").length === 40 && scrollY > 1000);
  await leave(page);
});

test("a product has its photo in sizes and formats, text for it, options, seller, materials, exhibitions and structured data", async () => {
  const page = await visit(product);
  const img = await page.$eval(".product img", (one) => ({ srcset: one.srcset, sizes: one.sizes, alt: one.alt, width: one.width, height: one.height, priority: one.fetchPriority, lazy: one.loading, shown: one.currentSrc }));
  assert.match(img.srcset, /\.jpg 320w, .*\.jpg 1280w/);
  assert.ok(img.alt && img.sizes && img.width && img.height);
  assert.deepEqual([img.priority, img.lazy], ["high", "auto"]);
  assert.match(img.shown, /\.(webp|avif)$/);
  assert.match(await text(page, ".told .price"), /^Rp85\.000$/);
  assert.match(await text(page, ".panel .name"), /Kreasi Limbah Tangerang/);
  assert.match(await text(page, ".materials"), /85%.*limbah industri/s);
  assert.equal(await page.$eval(".rest .links a", (one) => one.getAttribute("href")), "exhibition.html?slug=demo-pameran");
  assert.match(await page.title(), /^Tas belanja dari limbah plastik – /);
  assert.equal(await page.$eval("link[rel=canonical]", (one) => one.href), shop + product);
  const data = JSON.parse(await text(page, "script[type='application/ld+json']"));
  assert.equal(data["@type"], "Product");
  assert.deepEqual([data.offers[0].price, data.offers[0].priceCurrency], ["85000.00", "IDR"]);
  assert.equal((await fetch(data.image[0])).status, 200);
  await page.goto(`${shop}/product.html?sme=singkong-renyah&handle=keripik-singkong-balado`, { waitUntil: "networkidle0" });
  assert.equal((await page.$$(".rows li")).length, 2);
  // The sitemap of the service names these pages.
  const index = await (await fetch(`${shop}/v1/storefront/feeds/sitemap-products.xml`)).text();
  const [, address] = /<loc>([^<]+)<\/loc>/.exec(index);
  await page.goto(address.replaceAll("&amp;", "&"), { waitUntil: "networkidle0" });
  assert.match(page.url(), /product\.html/);
  assert.ok(await text(page, "h1"));
  await leave(page);
});

test("what is gone says so", async () => {
  const page = await visit("/product.html?sme=nobody&handle=nothing");
  assert.match(await text(page, "[role=alert]"), /tidak ada/);
  assert.equal(await page.$eval("meta[name=robots]", (one) => one.content), "noindex");
  assert.ok(page.faults.every((fault) => /404/.test(fault)));
  await page.browserContext().close();
});

test("the language changes labels and what the API is asked for, and is remembered", async () => {
  const page = await visit("/");
  assert.equal(await text(page, "nav a"), "Produk");
  assert.ok(page.languages.length > 0 && page.languages.every((language) => language === "id"));
  page.languages.length = 0;
  await Promise.all([page.waitForNavigation({ waitUntil: "networkidle0" }), page.click("[data-lang]")]);
  assert.equal(await text(page, "nav a"), "Products");
  assert.equal(await page.$eval("html", (one) => one.lang), "en");
  assert.equal(await page.$eval("#q", (one) => one.placeholder), "Chips, kebaya, weaving…");
  assert.ok(page.languages.length > 0 && page.languages.every((language) => language === "en"));
  await page.goto(shop + product, { waitUntil: "networkidle0" });
  assert.equal(await text(page, ".panel h2"), "Made by");
  assert.match(await page.$eval("link[rel=canonical]", (one) => one.href), /lang=en$/);
  assert.equal((await page.$$("link[rel=alternate][hreflang]")).length, 2);
  await leave(page);
});

test("exhibitions: the coming ones first; each with its dates, calendar, map, booths and what is on show", async () => {
  // The demo's exhibition is always some weeks ahead.
  const { dates_label: dates } = await (await fetch(`${shop}/v1/storefront/exhibitions/demo-pameran`)).json();
  assert.match(dates, /^\d+.* 20\d\d$/);
  const page = await visit("/exhibitions.html");
  assert.ok((await text(page, ".current .event")).includes(dates));
  assert.equal((await page.$$("#list section:nth-child(2) .event")).length, 3);
  await Promise.all([page.waitForNavigation({ waitUntil: "networkidle0" }), page.click(".current a")]);
  assert.equal((await titles(page)).length, 20);
  assert.match(await text(page, ".card .tag"), /Stan A-\d+/);
  await until(page, () => document.querySelector(".map img")?.naturalWidth > 0);
  assert.match(await page.$eval(".map img", (one) => one.alt), /^Denah /);
  await page.click(".stands summary");
  assert.equal((await page.$$(".stands li")).length, 10);
  assert.ok((await text(page, ".dates")).includes(dates));
  const calendar = await fetch(await page.$eval(".facts a", (one) => one.href));
  assert.match(await calendar.text(), /^BEGIN:VCALENDAR/);
  const data = JSON.parse(await text(page, "script[type='application/ld+json']"));
  assert.deepEqual([data["@type"], data.url], ["ExhibitionEvent", `${shop}/exhibition.html?slug=demo-pameran`]);
  // What is not known is not shown.
  await page.goto(`${shop}/exhibition.html?slug=solo-2017`, { waitUntil: "networkidle0" });
  assert.equal(await page.$(".map"), null);
  await leave(page);
});

test("an SME shows its products", async () => {
  const page = await visit(others.sme);
  assert.equal(await text(page, "h1"), "Dodol Cisadane");
  assert.equal((await titles(page)).length, 5);
  await leave(page);
});

test("the keyboard reaches the first product, and a visible focus shows where it is", async () => {
  const page = await visit("/");
  let steps = 0;
  do {
    await page.keyboard.press("Tab");
    steps += 1;
    const ring = await page.evaluate(() => {
      const at = document.activeElement;
      const shown = (element) => getComputedStyle(element).outlineStyle !== "none" && parseFloat(getComputedStyle(element).outlineWidth) >= 2;
      return shown(at) || shown(at.closest(".card, .search") ?? at);
    });
    assert.ok(ring, `no focus is seen after ${steps} steps`);
  } while (steps < 15 && !(await page.evaluate(() => document.activeElement.closest(".card"))));
  assert.ok(steps < 15, "the first product is too far");
  await Promise.all([page.waitForNavigation({ waitUntil: "networkidle0" }), page.keyboard.press("Enter")]);
  assert.match(page.url(), /product\.html/);
  await leave(page);
});

test("highlights are text, whatever they hold", async () => {
  const page = await visit("/");
  const made = await page.evaluate(async () => {
    const { h, marked } = await import("/js/page.js");
    const p = h("p", null, marked("&lt;b&gt; &amp;amp; <mark>ke&#39;r</mark>ipik<img src=x onerror=alert(1)><mark>&quot;a</mark>"));
    return [p.textContent, [...p.children].map((one) => `${one.localName}:${one.textContent}`)];
  });
  assert.deepEqual(made, ["<b> &amp; ke'ripik<img src=x onerror=alert(1)>\"a", ["mark:ke'r", 'mark:"a']]);
  await leave(page);
});

test("accessible by axe (WCAG 2.2 A and AA), in both languages, at 360 and 1280 pixels, and nothing sticks out", async () => {
  const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
  for (const [name, path] of Object.entries({ ...pages, ...others })) {
    for (const viewport of [{ ...phone, width: 360 }, desk]) {
      for (const lang of ["id", "en"]) {
        const page = await visit(`${path}${path.includes("?") ? "&" : "?"}lang=${lang}`, { viewport });
        await loaded(page);
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
        assert.deepEqual(violations.map(({ id, nodes }) => `${name} ${viewport.width} ${id}: ${nodes[0].html}`), []);
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), viewport.width, `${name} at ${viewport.width}`);
        await leave(page);
      }
    }
  }
});

test("nothing moves for those who don't want it", async () => {
  const page = await visit("/", { viewport: desk, prepare: (page) => page.emulateMediaFeatures([{ name: "prefers-reduced-motion", value: "reduce" }]) });
  assert.equal(await page.$eval(".card img", (one) => getComputedStyle(one).transitionDuration), "0s");
  await leave(page);
});

test("the API may have another address", async () => {
  const page = await visit("/", { base: process.env.ETALASE_OTHER_SHOP });
  assert.equal((await titles(page)).length, 12);
  await until(page, () => document.querySelector(".card img").naturalWidth > 0);
  await page.goto(`${process.env.ETALASE_OTHER_SHOP}/exhibition.html?slug=demo-pameran`, { waitUntil: "networkidle0" });
  await until(page, () => document.querySelector(".map img")?.naturalWidth > 0);
  await leave(page);
});

(async () => {
  browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
  let failed = 0;
  const only = process.argv[2];
  for (const [name, run] of tests.filter(([name]) => !only || name.includes(only))) {
    try {
      await run();
      console.log(`ok      ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}\n${error.stack}`);
    }
  }
  if (process.env.ETALASE_SHOTS) {
    for (const [name, path] of Object.entries({ ...pages, ...others })) {
      for (const viewport of [phone, desk]) {
        const page = await visit(path, { viewport });
        await page.screenshot({ path: join(process.env.ETALASE_SHOTS, `${name}-${viewport.width}.png`) });
        await page.browserContext().close();
      }
    }
  }
  await browser.close();
  console.log(`${tests.length - failed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
})();
