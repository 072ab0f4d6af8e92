//! The whole catalogue for other programs: NDJSON, Google Merchant, and a sitemap, streamed page by page, so that
//! 250,000 products take no more memory than 100.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    browse::ZONE,
    feeds::for_a_page,
    model::{CategoryRef, Image, PublicAttribute, SmeRef},
    offer::{self, Making, Offer},
    store::{self, FeedRow, ListedDetail, Shape},
};
use crate::{
    app::App,
    catalogue::model::StockPolicy,
    exhibitions::onsite::model::today,
    fault::{Fault, Outcome},
    media::model::Format,
    values::{
        Language, Money,
        xml::{self, elements},
    },
};

/// Rows that are read at a time: few, since every reader that does not read holds a page or two.
const PAGE: i64 = 100;
/// Addresses that a sitemap may hold (sitemaps.org).
pub const SITEMAP_ADDRESSES: i64 = 50_000;
/// Characters that a title and a description may have (Google Merchant Center, product data specification).
const MOST_OF_TITLE: usize = 150;
const MOST_OF_DESCRIPTION: usize = 5000;

type Chunk = Result<Bytes, std::io::Error>;

fn broken(fault: Fault) -> std::io::Error {
    std::io::Error::other(fault)
}

/// `head`, then every listed product after `after` up to `most`, rendered by `render`, then `tail`.
fn pages(
    app: App,
    (shape, language): (Shape, &'static str),
    (after, most): (Uuid, i64),
    (head, tail): (Bytes, Bytes),
    render: impl Fn(&FeedRow, &mut Vec<u8>) -> Result<(), Fault> + Send + Sync + Clone + 'static,
) -> impl Stream<Item = Chunk> + Send + 'static {
    let body = stream::try_unfold((after, most), move |(after, left)| {
        let (app, render) = (app.clone(), render.clone());
        async move {
            if left <= 0 {
                return Ok(None);
            }
            let rows = store::feed_of(app.database.reader(), shape, language, after, PAGE.min(left)).await.map_err(broken)?;
            let Some(last) = rows.last().map(|row| row.product_id) else { return Ok(None) };
            let mut bytes = Vec::new();
            for row in &rows {
                render(row, &mut bytes).map_err(broken)?;
            }
            Ok(Some((Bytes::from(bytes), (last, left - rows.len() as i64))))
        }
    });
    stream::iter([Ok(head)]).chain(body).chain(stream::iter([Ok(tail)]))
}

/// One JSON card per line.
pub fn ndjson(app: App, language: &'static str) -> impl Stream<Item = Chunk> + Send + 'static {
    pages(app, (Shape::Card, language), (Uuid::nil(), i64::MAX), (Bytes::new(), Bytes::new()), |row, out| {
        out.extend_from_slice(row.json.as_bytes());
        out.push(b'\n');
        Ok(())
    })
}

/// Where a product is shown: by the address in the settings, or as this service answers it.
fn product_page(app: &App, sme: &str, handle: &str) -> String {
    match &app.config.product_page_url {
        Some(template) => template.replace("{sme}", sme).replace("{handle}", handle),
        None => format!("{}/v1/storefront/products/by-handle/{sme}/{handle}", app.config.public_url()),
    }
}

/// What the `Product` of schema.org takes from everything that a product has.
#[derive(Deserialize)]
struct Described {
    id: Uuid,
    title: String,
    summary: String,
    description: String,
    sme: SmeRef,
    category: CategoryRef,
    made_to_order: bool,
    lead_time_days: Option<i64>,
    image: Option<Image>,
    images: Vec<Image>,
    variants: Vec<Sold>,
    #[serde(default)]
    attributes: Vec<PublicAttribute>,
}

/// What the `Product` of schema.org takes from a variant.
#[derive(Deserialize)]
struct Sold {
    sku: Option<String>,
    gtin: Option<String>,
    price: Money,
    stock_policy: StockPolicy,
    on_hand: i64,
    weight_g: Option<i64>,
}

impl Described {
    fn of(json: &str) -> Outcome<Self> {
        serde_json::from_str(json).map_err(Fault::internal)
    }

    fn availability(&self, variant: &Sold) -> offer::Availability {
        let making = Making { to_order: self.made_to_order, lead_time_days: self.lead_time_days };
        offer::availability(variant.stock_policy, variant.on_hand, making)
    }

    fn offer<'a>(&self, variant: &'a Sold) -> Offer<'a> {
        Offer { price: &variant.price, availability: self.availability(variant), gtin: variant.gtin.as_deref() }
    }

    /// Everything that is said of it, or in short where that is all.
    fn text(&self) -> &str {
        if self.description.is_empty() { &self.summary } else { &self.description }
    }
}

/// The `Product` of schema.org: an offer for each variant, IDR without decimals, availability by its stock policy.
pub fn json_ld(app: &App, found: &ListedDetail, language: Language) -> Outcome<String> {
    let product = Described::of(&found.detail)?;
    let address = product_page(app, &found.sme_handle, &found.handle);
    let images: Vec<String> = product.images.iter().filter_map(picture).map(|image| absolute(app, image)).collect();
    let today = today(ZONE);
    let offer = |variant: &Sold| {
        let availability = product.availability(variant);
        json!({
            "@type": "Offer",
            "url": address,
            "sku": variant.sku,
            "gtin": variant.gtin,
            "price": offer::rupiah(&variant.price),
            "priceCurrency": variant.price.currency,
            "availability": format!("https://schema.org/{}", availability.in_schema_org()),
            "availabilityStarts": availability.starts(today),
            "itemCondition": offer::CONDITION_IN_SCHEMA_ORG,
            "weight": variant.weight_g.map(|grams| json!({ "@type": "QuantitativeValue", "value": grams, "unitCode": "GRM" })),
            "seller": { "@type": "Organization", "name": product.sme.name },
        })
    };
    let property = |stated: &PublicAttribute| json!({ "@type": "PropertyValue", "name": stated.label, "value": stated.shown });
    let data = json!({
        "@context": "https://schema.org",
        "@type": "Product",
        "@id": address,
        "url": address,
        "productID": product.id,
        "name": product.title,
        "description": product.text(),
        "inLanguage": language.tag(),
        "category": product.category.name,
        "brand": { "@type": "Brand", "name": product.sme.name },
        "image": images,
        "additionalProperty": product.attributes.iter().map(property).collect::<Vec<_>>(),
        "offers": product.variants.iter().map(offer).collect::<Vec<_>>(),
    });
    Ok(for_a_page(data))
}

fn absolute(app: &App, address: &str) -> String {
    if address.starts_with('/') { format!("{}{address}", app.config.public_url()) } else { address.to_owned() }
}

/// The widest JPEG, which every reader of feeds knows.
fn picture(image: &Image) -> Option<&str> {
    let jpegs = image.renditions.iter().filter(|rendition| rendition.format == Format::Jpeg);
    jpegs.max_by_key(|rendition| rendition.width).or(image.renditions.last()).map(|rendition| rendition.url.as_str())
}

/// The feed of Google Merchant Center: RSS 2.0 with its namespace, prices without decimals. An item is a product, told by its leading
/// offer.
pub fn merchant(app: App, language: &'static str) -> impl Stream<Item = Chunk> + Send + 'static {
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\" xmlns:g=\"http://base.google.com/ns/1.0\"><channel><title>Etalase</title>\
                <link>";
    let rest = "</link><description>Produk IKM</description>\n";
    let head = format!("{head}{}{rest}", xml::text(&app.config.public_url()));
    let renderer = app.clone();
    let frame = (Bytes::from(head), Bytes::from_static(b"</channel></rss>\n"));
    pages(app, (Shape::Detail, language), (Uuid::nil(), i64::MAX), frame, move |row, out| {
        let product = Described::of(&row.json)?;
        let image = product.image.as_ref().and_then(picture).map(|address| absolute(&renderer, address)).unwrap_or_default();
        let offers: Vec<Offer> = product.variants.iter().map(|variant| product.offer(variant)).collect();
        let Some(leading) = offer::leading(&offers) else { return Ok(()) };
        let price = format!("{} {}", offer::rupiah(leading.price), leading.price.currency);
        let from = leading.availability.starts(today(ZONE)).unwrap_or_default();
        let (gtin, exists) = match offer::identifier(&leading, &offers) {
            offer::Identifier::Gtin(gtin) => (gtin, ""),
            offer::Identifier::OfAnotherVariant => ("", ""),
            offer::Identifier::None => ("", "no"),
        };
        let (id, link) = (product.id.to_string(), product_page(&renderer, &row.sme_handle, &row.handle));
        out.extend_from_slice(b"<item>");
        let pairs = [
            ("g:id", id.as_str()),
            ("g:title", cut(&product.title, MOST_OF_TITLE)),
            ("g:description", cut(product.text(), MOST_OF_DESCRIPTION)),
            ("g:link", &link),
            ("g:image_link", &image),
            ("g:price", &price),
            ("g:availability", leading.availability.in_merchant_center()),
            ("g:availability_date", &from),
            ("g:condition", offer::CONDITION_IN_MERCHANT_CENTER),
            ("g:brand", &product.sme.name),
            ("g:gtin", gtin),
            ("g:identifier_exists", exists),
            ("g:product_type", &product.category.name),
        ];
        let kept: Vec<_> = pairs.into_iter().filter(|(_, text)| !text.is_empty()).collect();
        elements(out, &kept);
        out.extend_from_slice(b"</item>\n");
        Ok(())
    })
}

/// The first `most` characters of a text.
fn cut(text: &str, most: usize) -> &str {
    let end = text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
    text[..end].trim_end()
}

/// Addresses of the products after one of them, at most as many as a sitemap may hold.
pub fn sitemap(app: App, after: Uuid) -> impl Stream<Item = Chunk> + Send + 'static {
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n";
    let renderer = app.clone();
    pages(
        app,
        (Shape::Card, "id"),
        (after, SITEMAP_ADDRESSES),
        (Bytes::from_static(head.as_bytes()), Bytes::from_static(b"</urlset>\n")),
        move |row, out| {
            let (link, day) = (product_page(&renderer, &row.sme_handle, &row.handle), row.changed_at.format("%Y-%m-%d").to_string());
            out.extend_from_slice(b"<url>");
            elements(out, &[("loc", &link), ("lastmod", &day)]);
            out.extend_from_slice(b"</url>\n");
            Ok(())
        },
    )
}

/// The index of sitemaps that begin after each of `starts`.
pub fn sitemap_index(app: &App, starts: &[Uuid]) -> Result<String, Fault> {
    let mut out =
        Vec::from(&b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<sitemapindex xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n"[..]);
    for start in starts {
        let address = format!("{}/v1/storefront/feeds/sitemap-products.xml?after={start}", app.config.public_url());
        out.extend_from_slice(b"<sitemap>");
        elements(&mut out, &[("loc", &address)]);
        out.extend_from_slice(b"</sitemap>\n");
    }
    out.extend_from_slice(b"</sitemapindex>\n");
    String::from_utf8(out).map_err(Fault::internal)
}

/// One item of an RSS feed.
pub struct Item {
    pub title: String,
    pub link: String,
    pub description: String,
    /// When it was published, and when it last changed.
    pub at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
}

/// RSS 2.0, with the time of an item's last change as Atom says it (RFC 4287, 4.2.15): RSS itself has one for the whole only.
pub fn rss(title: &str, link: &str, items: &[Item]) -> Result<String, Fault> {
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\" xmlns:atom=\"http://www.w3.org/2005/Atom\"><channel>";
    let mut out = Vec::from(head);
    elements(&mut out, &[("title", title), ("link", link), ("description", title)]);
    if let Some(changed_at) = items.iter().map(|item| item.changed_at).max() {
        elements(&mut out, &[("lastBuildDate", &changed_at.to_rfc2822())]);
    }
    for item in items {
        out.extend_from_slice(b"\n<item>");
        let (at, changed_at) = (item.at.to_rfc2822(), item.changed_at.to_rfc3339_opts(SecondsFormat::Secs, true));
        let pairs = [
            ("title", item.title.as_str()),
            ("link", &item.link),
            ("guid", &item.link),
            ("description", &item.description),
            ("pubDate", &at),
            ("atom:updated", &changed_at),
        ];
        elements(&mut out, &pairs);
        out.extend_from_slice(b"</item>");
    }
    out.extend_from_slice(b"\n</channel></rss>\n");
    String::from_utf8(out).map_err(Fault::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("Dodol é", 7), "Dodol é");
        assert_eq!(cut("ééé", 2), "éé");
        assert_eq!(cut("satu dua", 5), "satu");
    }
}
