//! The whole catalogue for other programs (row H9): NDJSON, Google Merchant, and a sitemap, streamed page by page, so that
//! 250,000 products take no more memory than 500.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use quick_xml::{Writer, events::BytesText};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    feeds::for_a_page,
    model::{Card, CategoryRef, Image, PublicAttribute, SmeRef},
    search::entry::Entry,
    store::{self, FeedRow, ListedDetail},
};
use crate::{
    app::App,
    catalogue::model::StockPolicy,
    fault::{Fault, Outcome},
    media::model::Format,
    values::{Language, Money},
};

/// Rows that are read at a time.
const PAGE: i64 = 500;
/// Addresses that a sitemap may hold (sitemaps.org).
pub const SITEMAP_ADDRESSES: i64 = 50_000;

type Chunk = Result<Bytes, std::io::Error>;

fn broken(fault: Fault) -> std::io::Error {
    std::io::Error::other(fault)
}

/// `head`, then every listed product after `after` up to `most`, rendered by `render`, then `tail`.
fn pages(
    app: App,
    language: &'static str,
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
            let rows = store::feed(app.database.reader(), language, after, PAGE.min(left)).await.map_err(broken)?;
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

fn card(row: &FeedRow) -> Result<Card, Fault> {
    serde_json::from_str(&row.card).map_err(Fault::internal)
}

/// One JSON card a line.
pub fn ndjson(app: App, language: &'static str) -> impl Stream<Item = Chunk> + Send + 'static {
    pages(app, language, (Uuid::nil(), i64::MAX), (Bytes::new(), Bytes::new()), |row, out| {
        out.extend_from_slice(row.card.as_bytes());
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
    images: Vec<Image>,
    variants: Vec<Sold>,
    #[serde(default)]
    attributes: Vec<PublicAttribute>,
}

/// A variant in the same.
#[derive(Deserialize)]
struct Sold {
    sku: Option<String>,
    gtin: Option<String>,
    price: Money,
    stock_policy: StockPolicy,
    on_hand: i64,
    weight_g: Option<i64>,
}

/// The `Product` of schema.org: an offer for each variant, IDR without decimals, availability by its stock policy.
pub fn json_ld(app: &App, found: &ListedDetail, language: Language) -> Outcome<String> {
    let product: Described = serde_json::from_str(&found.detail).map_err(Fault::internal)?;
    let address = product_page(app, &found.sme_handle, &found.handle);
    let images: Vec<String> = product.images.iter().filter_map(picture).map(|image| absolute(app, image)).collect();
    let availability = |variant: &Sold| match variant.stock_policy {
        StockPolicy::Track if variant.on_hand <= 0 && product.made_to_order => "MadeToOrder",
        StockPolicy::Track if variant.on_hand <= 0 => "OutOfStock",
        StockPolicy::MadeToOrder => "MadeToOrder",
        StockPolicy::Track | StockPolicy::Untracked => "InStock",
    };
    let offer = |variant: &Sold| {
        json!({
            "@type": "Offer",
            "url": address,
            "sku": variant.sku,
            "gtin": variant.gtin,
            "price": variant.price.amount_minor / 100,
            "priceCurrency": variant.price.currency,
            "availability": format!("https://schema.org/{}", availability(variant)),
            "itemCondition": "https://schema.org/NewCondition",
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
        "description": if product.description.is_empty() { &product.summary } else { &product.description },
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

/// Elements with text in them. What XML can't hold (XML 1.0, 2.2) becomes a space.
pub fn elements(writer: &mut Writer<&mut Vec<u8>>, pairs: &[(&str, &str)]) -> Result<(), Fault> {
    for (name, text) in pairs {
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        writer.create_element(*name).write_text_content(BytesText::new(&text)).map_err(Fault::internal)?;
    }
    Ok(())
}

/// The feed of Google Merchant Center: RSS 2.0 with its namespace, prices without decimals.
pub fn merchant(app: App, language: &'static str) -> impl Stream<Item = Chunk> + Send + 'static {
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\" xmlns:g=\"http://base.google.com/ns/1.0\"><channel><title>Etalase</title>\
                <link>";
    let rest = "</link><description>Produk IKM</description>\n";
    let head = format!("{head}{}{rest}", quick_xml::escape::escape(app.config.public_url()));
    let renderer = app.clone();
    pages(app, language, (Uuid::nil(), i64::MAX), (Bytes::from(head), Bytes::from_static(b"</channel></rss>\n")), move |row, out| {
        let card = card(row)?;
        let image = card.image.as_ref().and_then(picture).map(|address| absolute(&renderer, address)).unwrap_or_default();
        let price = format!("{} {}", card.price.amount_minor / 100, card.price.currency);
        let availability = match (Entry::from_row(&row.search_text).in_stock, card.made_to_order) {
            (false, _) => "out_of_stock",
            (true, true) => "backorder",
            (true, false) => "in_stock",
        };
        let (id, link) = (card.id.to_string(), product_page(&renderer, &row.sme_handle, &row.handle));
        out.extend_from_slice(b"<item>");
        let pairs = [
            ("g:id", id.as_str()),
            ("g:title", &card.title),
            ("g:description", &card.summary),
            ("g:link", &link),
            ("g:image_link", &image),
            ("g:price", &price),
            ("g:availability", availability),
            ("g:condition", "new"),
            ("g:brand", &card.sme.name),
            ("g:product_type", &card.category.name),
            ("g:identifier_exists", "no"),
        ];
        let kept: Vec<_> = pairs.into_iter().filter(|(_, text)| !text.is_empty()).collect();
        elements(&mut Writer::new(out), &kept)?;
        out.extend_from_slice(b"</item>\n");
        Ok(())
    })
}

/// Addresses of the products after one of them, at most as many as a sitemap may hold.
pub fn sitemap(app: App, after: Uuid) -> impl Stream<Item = Chunk> + Send + 'static {
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n";
    let renderer = app.clone();
    pages(app, "id", (after, SITEMAP_ADDRESSES), (Bytes::from_static(head.as_bytes()), Bytes::from_static(b"</urlset>\n")), move |row, out| {
        let (link, day) = (product_page(&renderer, &row.sme_handle, &row.handle), row.published_at.format("%Y-%m-%d").to_string());
        out.extend_from_slice(b"<url>");
        elements(&mut Writer::new(out), &[("loc", &link), ("lastmod", &day)])?;
        out.extend_from_slice(b"</url>\n");
        Ok(())
    })
}

/// The index of sitemaps that begin after each of `starts`.
pub fn sitemap_index(app: &App, starts: &[Uuid]) -> Result<String, Fault> {
    let mut out =
        Vec::from(&b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<sitemapindex xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n"[..]);
    for start in starts {
        let address = format!("{}/v1/storefront/feeds/sitemap-products.xml?after={start}", app.config.public_url());
        out.extend_from_slice(b"<sitemap>");
        elements(&mut Writer::new(&mut out), &[("loc", &address)])?;
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
    pub at: chrono::DateTime<chrono::Utc>,
}

/// RSS 2.0.
pub fn rss(title: &str, link: &str, items: &[Item]) -> Result<String, Fault> {
    let mut out = Vec::from(&b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\"><channel>"[..]);
    elements(&mut Writer::new(&mut out), &[("title", title), ("link", link), ("description", title)])?;
    for item in items {
        out.extend_from_slice(b"\n<item>");
        let at = item.at.to_rfc2822();
        let pairs =
            [("title", item.title.as_str()), ("link", &item.link), ("guid", &item.link), ("description", &item.description), ("pubDate", &at)];
        elements(&mut Writer::new(&mut out), &pairs)?;
        out.extend_from_slice(b"</item>");
    }
    out.extend_from_slice(b"\n</channel></rss>\n");
    String::from_utf8(out).map_err(Fault::internal)
}
