//! The public side over HTTP. Nothing here needs or takes a token.

use std::collections::{BTreeMap, HashMap};

use poem::{
    IntoResponse, Response,
    http::{StatusCode, header},
};
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    types::ToJSON,
};
use uuid::Uuid;

use super::{
    answer::{Feed, Public, PublicFile, Rendered, Visit, whole},
    browse, feeds,
    model::{
        Card, CategoryNode, Changes, Completion, Contact, ExhibitionRef, ItemPlace, ProductList, ProductPage, ProductParts, PublicBooth,
        PublicExhibition, PublicLineupItem, PublicSme, Region, Sort,
    },
    parts::Parts,
    search::{
        facets::{Filters, HalalFilter},
        query::parse,
    },
    store::{self, Address, CategoryRow, SmeRow},
    syndication,
};
use crate::{
    app::App,
    catalogue::model::Origin,
    exhibitions::{
        self,
        call::api::Call,
        model::{ExhibitionStatus, zone_label},
        plan::{self, model::PlanKind},
        store::entity::Model as ExhibitionRow,
    },
    fault::{Fault, INVALID_PARAMETER, Outcome, say},
    http::{
        Page, Tag, cursor,
        reply::{Calendar, JsonLd, NdJson, PageInfo, Rss, Svg, Xml, page_limit},
    },
    platform::database::Connection,
    sme::model::Location,
    values::{Language, Money},
};

pub struct StorefrontApi;

#[OpenApi(tag = "Tag::Storefront")]
impl StorefrontApi {
    /// Browse products
    ///
    /// Published products of verified SMEs. Values of one filter are alternatives, different filters add up. With `facets`,
    /// each value of a facet comes with how many products it would leave under all other filters.
    #[oai(path = "/v1/storefront/products", method = "get", operation_id = "browse_products")]
    #[allow(clippy::too_many_arguments)]
    async fn products(
        &self,
        visit: Visit,
        /// Words in Indonesian or English, in any form; synonyms count, and in longer words one slip. Products with
        /// all words come first; where they are few, those with at least half of them follow. The last one may be a beginning.
        q: Query<Option<String>>,
        /// Slug of a category; those below it are included.
        category: Query<Vec<String>>,
        /// Slug of an exhibition with a public line-up.
        exhibition: Query<Vec<String>>,
        /// Batch of an exhibition, once its booth plan is published.
        batch: Query<Vec<Uuid>>,
        /// Code of a booth, such as `A1`, once the plan is published.
        booth: Query<Vec<String>>,
        /// WUB group of the SME.
        wub: Query<Vec<Uuid>>,
        /// Kemendagri code of a regency, such as `36.71`.
        region: Query<Vec<String>>,
        /// Handle of an SME.
        sme: Query<Vec<String>>,
        /// The least that the cheapest variant costs, in rupiah.
        price_min: Query<Option<i64>>,
        /// The most that the cheapest variant costs, in rupiah.
        price_max: Query<Option<i64>>,
        /// Where a material comes from.
        material_origin: Query<Vec<Origin>>,
        /// Waste that a material was taken from, as the facet of that name gives it.
        waste_stream: Query<Vec<String>>,
        halal: Query<Option<HalalFilter>>,
        /// Only what can be ordered now.
        in_stock: Query<Option<bool>>,
        /// An attribute and its value, such as `taste:hot`, or a range of a whole number, such as `length_mm:100..200`.
        attribute: Query<Vec<String>>,
        /// Facets to be counted, separated by commas, such as `category,price`; `attributes` for all attributes of what is found.
        #[oai(validator(pattern = "^[a-z_]+(,[a-z_]+)*$"))]
        facets: Query<Option<String>>,
        /// What products are to have beyond a card, separated by commas: `description`, `variants`, `materials`, `images`,
        /// `shelf_life_days`, `storage`, `ingredients`, `allergens`, `attributes`. The more, the smaller the page may be.
        #[oai(validator(pattern = "^[a-z_]+(,[a-z_]+)*$"))]
        include: Query<Option<String>>,
        sort: Query<Option<Sort>>,
        limit: Query<Option<u32>>,
        cursor: Query<Option<String>>,
    ) -> poem::Result<Public<ProductList>> {
        let listing = browse::Listing {
            words: q.0.as_deref().map(parse).unwrap_or_default(),
            filters: Filters {
                categories: category.0,
                regions: region.0,
                smes: sme.0,
                price_min: price_min.0,
                price_max: price_max.0,
                origins: material_origin.0,
                wastes: waste_stream.0,
                is_halal: halal.0.is_some(),
                is_in_stock: in_stock.0.unwrap_or_default(),
                exhibitions: exhibition.0,
                batches: batch.0,
                booths: booth.0,
                wubs: wub.0,
                attributes: browse::attributes(&attribute)?,
            },
            facets: facets.0.as_deref().map(browse::facets).transpose()?.unwrap_or_default(),
            parts: include.0.as_deref().map(Parts::with).transpose()?,
            sort: sort.0.unwrap_or_default(),
            limit: page_limit(limit.0),
            cursor: cursor.0,
            language: visit.language,
            address: visit.address_without("cursor"),
        };
        listing.check()?;
        Ok(visit.answer(|app| async move { browse::list(&app, &listing).await }).await?)
    }

    /// Read parts of many products
    ///
    /// Those with the ids given, in that order, and of each no more than is asked for: such as prices and stock of what lies
    /// in a basket. What is not public is left out. One statement, whatever their number.
    #[oai(path = "/v1/storefront/products/parts", method = "get", operation_id = "get_product_parts")]
    async fn parts(
        &self,
        visit: Visit,
        /// At most 100, separated by commas.
        #[oai(validator(pattern = "^[0-9a-fA-F-]{36}(,[0-9a-fA-F-]{36}){0,99}$"))]
        ids: Query<String>,
        /// Parts of a product, separated by commas, such as `title,price,variants`; the id comes with them.
        #[oai(validator(pattern = "^[a-z_]+(,[a-z_]+)*$"))]
        fields: Query<String>,
    ) -> poem::Result<Public<Vec<ProductParts>>> {
        let is_no_id = |_| Fault::new(&INVALID_PARAMETER).detail(say("ids berisi yang bukan UUID.", "ids holds what is no UUID."));
        let wanted: Vec<Uuid> = ids.split(',').map(str::parse).collect::<Result<_, _>>().map_err(is_no_id)?;
        let parts = Parts::only(&fields)?;
        parts.check_cost(wanted.len() as u32)?;
        let language = visit.language;
        Ok(visit.answer(|app| async move { browse::parts_of(&app, &wanted, &parts, language).await }).await?)
    }

    /// Complete what is typed
    ///
    /// Words that complete it, categories, SMEs and products, the likeliest first.
    #[oai(path = "/v1/storefront/suggest", method = "get", operation_id = "suggest")]
    async fn suggest(
        &self,
        visit: Visit,
        /// What is typed so far.
        q: Query<String>,
        limit: Query<Option<u32>>,
    ) -> poem::Result<Public<Page<Completion>>> {
        let (limit, language) = (limit.0.unwrap_or(8).clamp(1, 20), visit.language);
        let public = visit.answer(|app| async move {
            let suggestions = browse::suggest(&app, &q, limit, language).await?;
            Ok(whole(Page::whole(suggestions, limit).to_json_string()))
        });
        Ok(public.await?)
    }

    /// Follow the catalogue
    ///
    /// What entered, changed and left the public catalogue, in order, each product once with its newest state. A client that
    /// keeps asking with the cursor of the answer before ends with exactly what is public. Without a cursor the log begins
    /// with all that is listed. A cursor from before a restored backup is refused (400, `bad_cursor`): begin again.
    #[oai(path = "/v1/changes", method = "get", operation_id = "follow_changes")]
    async fn changes(&self, visit: Visit, cursor: Query<Option<String>>, limit: Query<Option<u32>>) -> poem::Result<Public<Changes>> {
        let (limit, language) = (page_limit(limit.0), visit.language);
        Ok(visit.answer(|app| async move { browse::changes(&app, cursor.0.as_deref(), limit, language).await }).await?)
    }

    /// Read a product
    #[oai(path = "/v1/storefront/products/:product_id", method = "get", operation_id = "get_public_product")]
    async fn product(&self, visit: Visit, product_id: Path<Uuid>) -> poem::Result<Public<ProductPage>> {
        let language = visit.language;
        let public = visit.answer(|app| async move {
            let reader = app.database.reader();
            let found = store::detail(reader, Address::Id(*product_id), language.tag()).await?.ok_or_else(Fault::not_found)?;
            product_page(reader, found, language).await
        });
        Ok(public.await?)
    }

    /// A product as structured data
    ///
    /// `Product` of schema.org as JSON-LD, with an offer for each variant, to be put into a page.
    #[oai(path = "/v1/storefront/products/:product_id/product.jsonld", method = "get", operation_id = "get_product_data")]
    async fn product_data(&self, visit: Visit, product_id: Path<Uuid>) -> poem::Result<PublicFile<JsonLd>> {
        let language = visit.language;
        let public = visit.answer(|app| async move {
            let found = store::detail(app.database.reader(), Address::Id(*product_id), language.tag()).await?.ok_or_else(Fault::not_found)?;
            Ok(whole(syndication::json_ld(&app, &found, language)?))
        });
        Ok(PublicFile::new(public.await?))
    }

    /// Read a product by its address
    ///
    /// An old handle answers 308 with the address it has now.
    #[oai(path = "/v1/storefront/products/by-handle/:sme/:handle", method = "get", operation_id = "get_public_product_by_handle")]
    async fn product_by_handle(&self, visit: Visit, sme: Path<String>, handle: Path<String>) -> poem::Result<Public<ProductPage>> {
        let (language, app) = (visit.language, visit.app.clone());
        let found = store::detail(app.database.reader(), Address::Handles(&sme, &handle), language.tag()).await?.ok_or_else(Fault::not_found)?;
        if (&found.sme_handle, &found.handle) != (&sme.0, &handle.0) {
            return Err(moved(&format!("/v1/storefront/products/by-handle/{}/{}", found.sme_handle, found.handle)));
        }
        Ok(visit.answer(|app| async move { product_page(app.database.reader(), found, language).await }).await?)
    }

    /// Browse SMEs
    ///
    /// Verified ones.
    #[oai(path = "/v1/storefront/smes", method = "get", operation_id = "browse_smes")]
    async fn smes(&self, visit: Visit, limit: Query<Option<u32>>, cursor: Query<Option<String>>) -> poem::Result<Public<Page<PublicSme>>> {
        let (limit, language) = (page_limit(limit.0), visit.language);
        let after: Option<Uuid> = cursor.0.map(|cursor| cursor::open(&visit.app.cursor_secret, "smes", &cursor)).transpose()?;
        let public = visit.answer(|app| async move {
            let mut rows = store::smes(app.database.reader(), after.unwrap_or_default(), limit + 1).await?;
            let more = rows.len() > limit as usize;
            rows.truncate(limit as usize);
            let next_cursor = match rows.last().filter(|_| more) {
                Some(last) => Some(cursor::seal(&app.cursor_secret, "smes", &last.id)?),
                None => None,
            };
            let data = rows.into_iter().map(|row| public_sme(row, language)).collect();
            Ok(whole(Page { data, page: PageInfo { next_cursor, limit } }.to_json_string()))
        });
        Ok(public.await?)
    }

    /// Read an SME
    ///
    /// An old handle answers 308.
    #[oai(path = "/v1/storefront/smes/:handle", method = "get", operation_id = "get_public_sme")]
    async fn sme(&self, visit: Visit, handle: Path<String>) -> poem::Result<Public<PublicSme>> {
        let (language, app) = (visit.language, visit.app.clone());
        let row = store::sme(app.database.reader(), &handle).await?.ok_or_else(Fault::not_found)?;
        if row.handle != handle.0 {
            return Err(moved(&format!("/v1/storefront/smes/{}", row.handle)));
        }
        Ok(visit.answer(|_| async move { Ok(whole(public_sme(row, language).to_json_string())) }).await?)
    }

    /// Category tree
    ///
    /// With how many products are on show in each and below.
    #[oai(path = "/v1/storefront/categories", method = "get", operation_id = "list_categories")]
    async fn categories(&self, visit: Visit) -> poem::Result<Public<Vec<CategoryNode>>> {
        let language = visit.language;
        Ok(visit.answer(|app| async move { Ok(whole(tree(store::categories(app.database.reader()).await?, language).to_json_string())) }).await?)
    }

    /// Regions
    ///
    /// Regencies that products on show come from.
    #[oai(path = "/v1/storefront/regions", method = "get", operation_id = "list_regions")]
    async fn regions(&self, visit: Visit) -> poem::Result<Public<Vec<Region>>> {
        let public = visit.answer(|app| async move {
            let rows = store::regions(app.database.reader()).await?.into_iter();
            let regions: Vec<Region> = rows.map(|row| Region { code: row.regency_code, products: row.products }).collect();
            Ok(whole(regions.to_json_string()))
        });
        Ok(public.await?)
    }

    /// Exhibitions
    ///
    /// All that are announced or were held, the newest first.
    #[oai(path = "/v1/storefront/exhibitions", method = "get", operation_id = "browse_exhibitions")]
    async fn exhibitions(&self, visit: Visit) -> poem::Result<Public<Page<PublicExhibition>>> {
        let language = visit.language;
        let public = visit.answer(|app| async move {
            let rows = exhibitions::store::public(app.database.reader()).await?;
            let data = rows.into_iter().map(|row| public_exhibition(row, language)).collect();
            Ok(whole(Page::whole(data, 500).to_json_string()))
        });
        Ok(public.await?)
    }

    /// Read an exhibition
    #[oai(path = "/v1/storefront/exhibitions/:slug", method = "get", operation_id = "get_public_exhibition")]
    async fn exhibition(&self, visit: Visit, slug: Path<String>) -> poem::Result<Public<PublicExhibition>> {
        let language = visit.language;
        let public = visit.answer(|app| async move {
            let row = exhibitions::store::public_by_slug(app.database.reader(), &slug).await?;
            Ok(whole(public_exhibition(row, language).to_json_string()))
        });
        Ok(public.await?)
    }

    /// Line-up of an exhibition
    ///
    /// The products on show, once the line-up is published. Never a product that left the catalogue since.
    #[oai(path = "/v1/storefront/exhibitions/:slug/lineup", method = "get", operation_id = "get_public_lineup")]
    async fn lineup(&self, visit: Visit, slug: Path<String>) -> poem::Result<Public<Page<PublicLineupItem>>> {
        let (language, read_in) = (visit.tag(), visit.language);
        let public = visit.answer(|app| async move {
            let reader = app.database.reader();
            let exhibition = exhibitions::store::public_by_slug(reader, &slug).await?;
            if !lineup_is_public(exhibition.status) {
                return Err(Fault::not_found());
            }
            let rows = exhibitions::store::public_lineup(reader, &slug, &format!("card_{language}")).await?;
            let mut places: HashMap<Uuid, Vec<ItemPlace>> = HashMap::new();
            if plan::store::version(reader, exhibition.id).await?.published_at.is_some() {
                for place in plan::store::assignments(reader, exhibition.id, PlanKind::Live).await? {
                    let at = ItemPlace { booth: place.booth_code, batch_id: place.batch_id };
                    places.entry(place.application_id).or_default().push(at);
                }
            }
            let item = |row: exhibitions::store::PublicItem| {
                let mut product: Card = serde_json::from_str(&row.card).map_err(Fault::internal)?;
                // A frozen line-up is a record, whatever the product is called by now.
                if let Some(title) = &row.frozen_title {
                    title.in_language(read_in).clone_into(&mut product.title);
                }
                if let Some(name) = row.frozen_brand_name {
                    product.sme.name = name;
                }
                Ok(PublicLineupItem {
                    id: row.id,
                    product,
                    price: Money::idr(row.price_minor),
                    exhibition_price: row.exhibition_price_minor.map(Money::idr),
                    units_planned: row.units_planned,
                    is_sample: row.is_sample == 1,
                    places: places.get(&row.lead_id).cloned().unwrap_or_default(),
                })
            };
            let data = rows.into_iter().map(item).collect::<Outcome<Vec<_>>>()?;
            Ok(whole(Page::whole(data, 5000).to_json_string()))
        });
        Ok(public.await?)
    }

    /// Calendar of an exhibition
    ///
    /// iCalendar with its time zone: one event for each session where the opening hours are known. What was cancelled, or
    /// postponed to days that are not known yet, stays in it as cancelled. 404 where the days were never known.
    #[oai(path = "/v1/storefront/exhibitions/:slug/calendar.ics", method = "get", operation_id = "get_exhibition_calendar")]
    async fn calendar(&self, visit: Visit, slug: Path<String>) -> poem::Result<PublicFile<Calendar>> {
        let language = visit.language;
        let public = visit.answer(|app| async move {
            let exhibition = exhibitions::store::public_by_slug(app.database.reader(), &slug).await?;
            let address = page_address(&app, &exhibition);
            Ok(whole(feeds::calendar(&exhibition, &address, language).ok_or_else(Fault::not_found)?))
        });
        Ok(PublicFile::new(public.await?))
    }

    /// An exhibition as structured data
    ///
    /// `ExhibitionEvent` of schema.org as JSON-LD, to be put into a page.
    #[oai(path = "/v1/storefront/exhibitions/:slug/event.jsonld", method = "get", operation_id = "get_exhibition_event")]
    async fn event(&self, visit: Visit, slug: Path<String>) -> poem::Result<PublicFile<JsonLd>> {
        let language = visit.language;
        let public = visit.answer(|app| async move {
            let reader = app.database.reader();
            let exhibition = exhibitions::store::public_by_slug(reader, &slug).await?;
            let organiser = exhibitions::store::organiser(reader, exhibition.agency_id).await?;
            Ok(whole(feeds::for_a_page(feeds::json_ld(&exhibition, &organiser, &page_address(&app, &exhibition), language))))
        });
        Ok(PublicFile::new(public.await?))
    }

    /// All products as NDJSON
    ///
    /// One card a line, in the order of their ids.
    #[oai(path = "/v1/storefront/feeds/products.ndjson", method = "get", operation_id = "get_products_feed")]
    async fn ndjson(&self, visit: Visit) -> Feed<NdJson> {
        visit.stream(syndication::ndjson)
    }

    /// All products for Google Merchant Center
    ///
    /// RSS 2.0 with its namespace; prices in rupiah without decimals.
    #[oai(path = "/v1/storefront/feeds/google-merchant.xml", method = "get", operation_id = "get_merchant_feed")]
    async fn merchant(&self, visit: Visit) -> Feed<Xml> {
        visit.stream(syndication::merchant)
    }

    /// Index of the sitemaps
    #[oai(path = "/v1/storefront/feeds/sitemap.xml", method = "get", operation_id = "get_sitemap_index")]
    async fn sitemaps(&self, visit: Visit) -> poem::Result<PublicFile<Xml>> {
        let public = visit.answer(|app| async move {
            let starts = store::page_starts(app.database.reader(), syndication::SITEMAP_ADDRESSES).await?;
            Ok(whole(syndication::sitemap_index(&app, &starts)?))
        });
        Ok(PublicFile::new(public.await?))
    }

    /// Sitemap of products
    ///
    /// At most 50,000 addresses, of the products after `after`; the index names them all.
    #[oai(path = "/v1/storefront/feeds/sitemap-products.xml", method = "get", operation_id = "get_products_sitemap")]
    async fn sitemap(&self, visit: Visit, after: Query<Option<Uuid>>) -> Feed<Xml> {
        visit.stream(|app, _| syndication::sitemap(app, after.0.unwrap_or_default()))
    }

    /// Exhibitions as RSS
    ///
    /// All that are announced or were held, the newest first.
    #[oai(path = "/v1/storefront/feeds/exhibitions.rss", method = "get", operation_id = "get_exhibitions_feed")]
    async fn rss(&self, visit: Visit) -> poem::Result<PublicFile<Rss>> {
        let language = visit.language;
        let public = visit.answer(|app| async move {
            let rows = exhibitions::store::public(app.database.reader()).await?;
            let items: Vec<syndication::Item> = rows.iter().map(|row| feeds::news(row, page_address(&app, row), language)).collect();
            let title = if language == Language::En { "Exhibitions" } else { "Pameran" };
            Ok(whole(syndication::rss(title, &app.config.public_url(), &items)?))
        });
        Ok(PublicFile::new(public.await?))
    }

    /// The call of an exhibition
    ///
    /// How to take part: times, places, documents, questions.
    #[oai(path = "/v1/storefront/exhibitions/:slug/call", method = "get", operation_id = "get_public_call")]
    async fn call(&self, visit: Visit, slug: Path<String>) -> poem::Result<Public<Call>> {
        let public = visit.answer(|app| async move {
            let exhibition = exhibitions::store::public_by_slug(app.database.reader(), &slug).await?;
            Ok(whole(exhibitions::call::api::read(app.database.reader(), &exhibition).await?.to_json_string()))
        });
        Ok(public.await?)
    }

    /// Who stands where at an exhibition
    ///
    /// Once plan and line-up are published; the list that the picture shows.
    #[oai(path = "/v1/storefront/exhibitions/:slug/booths", method = "get", operation_id = "list_public_booths")]
    async fn booths(&self, visit: Visit, slug: Path<String>) -> poem::Result<Public<Page<PublicBooth>>> {
        let public = visit.answer(|app| async move {
            let reader = app.database.reader();
            let exhibition = with_public_plan(reader, &slug).await?;
            let batches = plan::store::batches(reader, exhibition.id).await?;
            let rows = plan::store::assignments(reader, exhibition.id, PlanKind::Live).await?.into_iter();
            let booth = |row: plan::store::Assignment| {
                let batch = batches.iter().find(|batch| batch.id == row.batch_id).cloned()?;
                Some(PublicBooth { booth: row.booth_code, slot: row.slot_no, batch, brand_name: row.brand_name, sme_handle: row.handle })
            };
            Ok(whole(Page::whole(rows.filter_map(booth).collect(), 20_000).to_json_string()))
        });
        Ok(public.await?)
    }

    /// Map of an exhibition
    ///
    /// SVG in millimetres, once plan and line-up are published; of the first batch unless another is named.
    #[oai(path = "/v1/storefront/exhibitions/:slug/plan.svg", method = "get", operation_id = "draw_public_plan")]
    async fn map(&self, visit: Visit, slug: Path<String>, batch_id: Query<Option<Uuid>>) -> poem::Result<PublicFile<Svg>> {
        let language = visit.language;
        let public = visit.answer(|app| async move {
            let reader = app.database.reader();
            let exhibition = with_public_plan(reader, &slug).await?;
            Ok(whole(plan::api::draw(reader, &exhibition, PlanKind::Live, batch_id.0, language).await?))
        });
        Ok(PublicFile::new(public.await?))
    }
}

/// An exhibition whose plan is published with its line-up.
async fn with_public_plan(reader: &Connection, slug: &str) -> Outcome<ExhibitionRow> {
    let exhibition = exhibitions::store::public_by_slug(reader, slug).await?;
    let published = plan::store::version(reader, exhibition.id).await?.published_at;
    if lineup_is_public(exhibition.status) && published.is_some() { Ok(exhibition) } else { Err(Fault::not_found()) }
}

/// Where the public finds an exhibition.
fn page_address(app: &App, exhibition: &ExhibitionRow) -> String {
    format!("{}/v1/storefront/exhibitions/{}", app.config.public_url(), exhibition.slug)
}

async fn product_page(reader: &Connection, found: store::ListedDetail, language: Language) -> Outcome<Rendered> {
    let shown = store::shown_at(reader, found.product_id).await?.into_iter();
    let exhibitions: Vec<ExhibitionRef> =
        shown.map(|row| ExhibitionRef { title: row.title.in_language(language).to_owned(), slug: row.slug }).collect();
    let detail = found.detail.strip_suffix('}').unwrap_or_default();
    Ok(whole(format!("{detail},\"exhibitions\":{}}}", exhibitions.to_json_string())))
}

/// 308 Permanent Redirect, in place of an answer.
fn moved(location: &str) -> poem::Error {
    let response: Response = StatusCode::PERMANENT_REDIRECT
        .with_header(header::LOCATION, location)
        .with_header(header::CACHE_CONTROL, "public, max-age=300")
        .into_response();
    poem::Error::from_response(response)
}

fn public_sme(row: SmeRow, language: Language) -> PublicSme {
    let public: Vec<String> = serde_json::from_value(row.public_contacts).unwrap_or_default();
    let is_public = |kind: &str| public.iter().any(|name| name == kind);
    let contacts = [("street", row.street), ("phone", row.phone), ("whatsapp", row.whatsapp), ("email", row.email), ("website", row.website)];
    let shown = contacts.into_iter().filter(|(kind, _)| is_public(kind));
    let location = Location::from_columns(row.latitude_e6, row.longitude_e6);
    let socials: BTreeMap<String, String> = serde_json::from_value(row.socials).unwrap_or_default();
    PublicSme {
        contacts: shown.filter_map(|(kind, value)| Some(Contact { kind: kind.into(), value: value? })).collect(),
        location: location.filter(|_| is_public("location")),
        socials: if is_public("socials") { socials } else { BTreeMap::new() },
        id: row.id,
        handle: row.handle,
        name: row.brand_name,
        story: row.story.in_language(language).to_owned(),
        region: row.regency_code,
        founded_year: row.founded_year,
        is_demo: row.is_demo == 1,
    }
}

/// Rows with parents before children, as a tree.
fn tree(rows: Vec<CategoryRow>, language: Language) -> Vec<CategoryNode> {
    fn place(nodes: &mut Vec<CategoryNode>, parents: &[&str], node: CategoryNode) {
        match parents {
            [] => nodes.push(node),
            [first, rest @ ..] => {
                if let Some(parent) = nodes.iter_mut().find(|parent| parent.slug == *first) {
                    place(&mut parent.children, rest, node);
                }
            }
        }
    }
    let mut roots = Vec::new();
    for row in rows {
        let parents: Vec<&str> = row.path.split('/').collect();
        let name = row.name.in_language(language).to_owned();
        place(&mut roots, &parents[..parents.len() - 1], CategoryNode { slug: row.slug.clone(), name, products: row.products, children: Vec::new() });
    }
    roots
}

fn lineup_is_public(status: ExhibitionStatus) -> bool {
    use ExhibitionStatus::{Archived, Completed, LineupPublished, Ongoing};
    matches!(status, LineupPublished | Ongoing | Completed | Archived)
}

fn public_exhibition(row: ExhibitionRow, language: Language) -> PublicExhibition {
    let dates = exhibitions::service::dates_of(&row);
    // Those of days that no longer hold are kept for when new ones are known.
    let opening_hours = if dates.starts_on.is_some() { exhibitions::service::hours_shown(&row) } else { Vec::new() };
    PublicExhibition {
        dates_label: dates.label(language),
        dates,
        time_zone_label: zone_label(&row.time_zone).to_owned(),
        lineup_is_public: lineup_is_public(row.status),
        id: row.id,
        slug: row.slug,
        title: row.title.in_language(language).to_owned(),
        description: row.description.map(|text| text.in_language(language).to_owned()),
        city: row.city,
        province_code: row.province_code,
        venue: row.venue.and_then(|venue| serde_json::from_value(venue).ok()),
        opening_hours,
        time_zone: row.time_zone,
        status: row.status,
        status_reason: row.status_reason,
        is_demo: row.is_demo == 1,
        source_status: row.source_status,
    }
}
