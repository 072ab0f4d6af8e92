// What a front-end developer does first with the generated client; stops at the first answer that is not as documented.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import createClient from "openapi-fetch";
import { Webhook } from "standardwebhooks";
import type { components, paths } from "./client/schema.js";

type Schemas = components["schemas"];
type Answer<T> = { data?: T; error?: Schemas["Problem"]; response: Response };

const [baseUrl, password] = process.argv.slice(2);
assert(baseUrl && password, "usage: smoke <address of the service> <password of the demo accounts>");

/** What was answered, or an end that says why not. */
function good<T>(what: string, { data, error, response }: Answer<T>): T {
    assert(data !== undefined, `${what}: ${response.status} ${JSON.stringify(error)}`);
    return data;
}

/** The problem that was answered instead. */
function refused<T>(what: string, { error, response }: Answer<T>, status: number, code: string): Schemas["Problem"] {
    assert(error, `${what}: ${response.status} instead of a problem`);
    assert.deepEqual([response.status, error.status, error.code], [status, status, code], `${what}: another problem`);
    return error;
}

function version<T>(what: string, { response }: Answer<T>): string {
    const etag = response.headers.get("ETag");
    assert(etag, `${what}: without an ETag`);
    return etag;
}

async function browse(limit: number): Promise<Schemas["FoundCard"][]> {
    const cards: Schemas["FoundCard"][] = [];
    let cursor: string | undefined;
    do {
        const answer = await visitor.GET("/v1/storefront/products", {
            params: { query: { category: ["keripik"], sort: "price", limit, cursor } },
        });
        const { data, page } = good("a page of products", answer);
        assert(data.length <= limit, `${data.length} products on a page of ${limit}`);
        cards.push(...data);
        cursor = page.next_cursor ?? undefined;
    } while (cursor);
    return cards;
}

const visitor = createClient<paths>({ baseUrl });

const cards = await browse(3);
const ids = cards.map((card) => card.id);
assert(cards.length > 3, "the demo data have more than a page of keripik");
assert.equal(new Set(ids).size, ids.length, "a product is on two pages");
assert.deepEqual(ids, (await browse(100)).map((card) => card.id), "pages of 3 and of 100 hold other products");
assert(cards.every((card) => card.category.slug === "keripik"), "the filter let other categories pass");
const prices = cards.map((card) => card.price.amount_minor);
assert.deepEqual(prices, [...prices].sort((a, b) => a - b), "not in the order of prices");

const path = { product_id: cards[0]?.id ?? "" };
const page = good("a product page", await visitor.GET("/v1/storefront/products/{product_id}", { params: { path } }));
assert.equal(page.title, cards[0]?.title, "the page and the list have two titles");
const english = await visitor.GET("/v1/storefront/products/{product_id}", { params: { path, header: { "Accept-Language": "en" } } });
assert.notEqual(good("a product page in English", english).title, page.title, "the English title is the Indonesian one");
const rendition = page.images[0]?.renditions.find(({ format }) => format === "webp");
assert(rendition, "the product has no photo in WebP");
const picture = await fetch(new URL(rendition.url, baseUrl));
assert.equal((await picture.arrayBuffer()).byteLength, rendition.bytes, "the rendition is of another length");

const { data: exhibitions } = good("exhibitions", await visitor.GET("/v1/storefront/exhibitions"));
const slug = exhibitions.find((exhibition) => exhibition.status === "lineup_published")?.slug;
assert(slug, "no exhibition has a published line-up");
const exhibition = good("an exhibition", await visitor.GET("/v1/storefront/exhibitions/{slug}", { params: { path: { slug } } }));
assert(exhibition.lineup_is_public && exhibition.dates_label, "the exhibition does not say when, or that its line-up is public");
const lineup = good("a line-up", await visitor.GET("/v1/storefront/exhibitions/{slug}/lineup", { params: { path: { slug } } }));
assert(lineup.data.length > 0 && lineup.data.every((item) => item.product.title), "the line-up is empty");

const nothing = await visitor.GET("/v1/storefront/products/{product_id}", { params: { path: { product_id: randomUUID() } } });
assert(refused("a product that is not there", nothing, 404, "not_found").title, "a problem without a title");

const signedIn = good("sign-in", await visitor.POST("/v1/auth/sign-in", { body: { email: "owner@demo.example", password } }));
const owner = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${signedIn.token}` } });
const me = good("me", await owner.GET("/v1/me"));
assert.equal(me.email, "owner@demo.example", "signed in as somebody else");
const sme_id = me.smes[0]?.sme_id;
assert(sme_id, "the demo owner has no SME");

const draft = {
    params: { header: { "Idempotency-Key": randomUUID() } },
    body: {
        sme_id,
        category: "suvenir-limbah",
        title: { id: "Lampu meja dari klien TypeScript", en: "Table lamp from the TypeScript client" },
        description: { id: "Untuk dihapus." },
        variants: [{ price: { value: "150000" } }],
    },
};
const first = await owner.POST("/v1/products", draft);
const product = good("a draft", first);
assert.equal(product.status, "draft", "a new product is no draft");
assert.equal(product.variants[0]?.price.amount_minor, 15_000_000, "the price is another");
assert.equal(good("the draft again", await owner.POST("/v1/products", draft)).id, product.id, "the same key made a second product");

const stale = version("a draft", first);
const edit = (etag: string) =>
    owner.PATCH("/v1/products/{product_id}", {
        params: { path: { product_id: product.id }, header: { "If-Match": etag } },
        body: { description: null, lead_time_days: 5 },
    });
const edited = await edit(stale);
const after = good("an edit", edited);
assert.deepEqual([after.lead_time_days, after.description ?? null], [5, null], "the edit changed something else");
assert.notEqual(version("an edit", edited), stale, "the edit left the ETag as it was");
refused("an edit with a stale ETag", await edit(stale), 412, "precondition_failed");

const own = good("the SME's products", await owner.GET("/v1/products", { params: { query: { sme_id, limit: 100 } } }));
assert(own.data.some(({ id, status }) => id === product.id && status === "draft"), "the draft is not in the list");
const shown = own.data.find(({ status }) => status === "published");
assert(shown, "the demo owner has published nothing");
const listing = good("a product", await owner.GET("/v1/products/{product_id}", { params: { path: { product_id: shown.id } } }));
const media_id = listing.images[0]?.photo.id;
assert(media_id, "the product has no photo");
const photo = good("a photo", await owner.GET("/v1/media/{media_id}", { params: { path: { media_id } } }));
assert(photo.status === "ready" && photo.renditions.length > 0, "the photo is not ready");

// A server of ours is told, and the library that Standard Webhooks publishes believes what it is told.
const server = createServer().listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`;
const hook = good("a webhook endpoint", await owner.POST("/v1/webhook-endpoints", { body: { sme_id, url, events: ["product.changed"] } }));
assert(hook.secret, "the endpoint has no secret");
const told = once(server, "request") as Promise<[IncomingMessage, { end: () => void }]>;
const endpoint = { params: { path: { endpoint_id: hook.id } } };
good("a test", await owner.POST("/v1/webhook-endpoints/{endpoint_id}/test", endpoint));
const [request, response] = await told;
const payload = await text(request);
response.end();
const headers = Object.fromEntries(["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) => [name, String(request.headers[name])]));
const library = new Webhook(hook.secret);
assert.equal((library.verify(payload, headers) as { type: string }).type, "ping", "another event");
assert.throws(() => library.verify(payload.replace("ping", "pong"), headers), "a message that was changed is believed");
const removed = await owner.DELETE("/v1/webhook-endpoints/{endpoint_id}", endpoint);
assert.equal(removed.response.status, 204, "the endpoint stays");
server.close();
server.closeAllConnections();

console.log(`typescript: ${cards.length} products in pages, ${lineup.data.length} in the line-up, one draft made once and edited once, one webhook verified`);
