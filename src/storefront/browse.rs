//! Lists of products: search, filters, facets, suggestions, and the log of changes.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write, sync::Arc};

use chrono::NaiveDate;
use poem_openapi::types::ToJSON;
use sea_orm::ActiveEnum;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{
    answer::{Rendered, whole},
    model::{Change, ChangeKind, Changes, ChangesPage, Completion, CompletionKind, Highlight, ProductPageInfo, Sort},
    parts::Parts,
    search::{
        facets::{ATTRIBUTES, Facet, FacetValue, Filters, Surroundings, Wish, origin_label, price_label},
        index::{Found, Hits, Index, Position},
        query::{Wanted, Way, escaped, highlight, parse},
        words::words,
    },
    store,
};
use crate::{
    app::App,
    catalogue::model::Origin,
    exhibitions::onsite::model::today,
    fault::{Fault, INVALID_PARAMETER, Outcome, say},
    http::cursor,
    values::{Language, fold},
};

/// Products from which on counting and guessing take longer than handing a thread's other requests to another thread.
const LARGE: usize = 20_000;

/// Halal certificates end with the day in this zone.
pub const ZONE: &str = "Asia/Jakarta";

/// A query for a list of products.
pub struct Listing {
    pub words: Vec<Wanted>,
    pub filters: Filters,
    pub facets: Asking,
    /// More than a card, if that is asked for.
    pub parts: Option<Parts>,
    pub sort: Sort,
    pub limit: u32,
    pub cursor: Option<String>,
    pub language: Language,
    /// Address of the list without its cursor.
    pub address: String,
}

impl Listing {
    pub fn check(&self) -> Outcome<()> {
        let filters = &self.filters;
        let lists = [&filters.categories, &filters.regions, &filters.exhibitions, &filters.booths, &filters.smes, &filters.wastes];
        let wishes: usize = filters.attributes.values().map(Vec::len).sum();
        let others = [wishes, filters.batches.len(), filters.wubs.len()];
        if lists.into_iter().map(Vec::len).chain(others).any(|values| values > 50) {
            return Err(Fault::new(&INVALID_PARAMETER).detail(say("Paling banyak 50 nilai.", "At most 50 values.")));
        }
        if let Some(parts) = &self.parts {
            parts.check_cost(self.limit)?;
        }
        if filters.price_min.unwrap_or(0) < 0 || filters.price_max.unwrap_or(0) < 0 {
            return Err(Fault::new(&INVALID_PARAMETER).detail(say("Harga tidak boleh negatif.", "A price can't be negative.")));
        }
        Ok(())
    }

    /// What a cursor is bound to.
    fn filter(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(|word| word.written.as_str()).collect();
        json!([words, self.filters, self.sort]).to_string()
    }
}

/// Facets that are asked for.
#[derive(Default)]
pub struct Asking {
    facets: Vec<Facet>,
    /// All attributes that the products found have.
    has_attributes: bool,
}

impl Asking {
    fn is_empty(&self) -> bool {
        self.facets.is_empty() && !self.has_attributes
    }
}

/// The facets named in a list with commas; one that is named again is still counted once.
pub fn facets(names: &str) -> Outcome<Asking> {
    let known = |name: &str| Facet::ALL.into_iter().find(|facet| facet.name() == name);
    let unknown = |name: &str| {
        let all = format!("{}, {ATTRIBUTES}", Facet::ALL.map(|facet| facet.name()).join(", "));
        Fault::new(&INVALID_PARAMETER)
            .detail(say(format!("Tidak ada faset `{name}`; ada {all}."), format!("There is no facet `{name}`; there are {all}.")))
    };
    let others = names.split(',').filter(|name| *name != ATTRIBUTES);
    let mut facets: Vec<Facet> = Vec::new();
    for name in others {
        let facet = known(name).ok_or_else(|| unknown(name))?;
        if !facets.contains(&facet) {
            facets.push(facet);
        }
    }
    Ok(Asking { facets, has_attributes: names.split(',').any(|name| name == ATTRIBUTES) })
}

/// Filters such as `taste:hot` and `length_mm:100..200`.
pub fn attributes(given: &[String]) -> Outcome<BTreeMap<String, Vec<Wish>>> {
    let mut wishes: BTreeMap<String, Vec<Wish>> = BTreeMap::new();
    for text in given {
        let (name, value) = text
            .split_once(':')
            .ok_or_else(|| Fault::new(&INVALID_PARAMETER).detail(say("Tulis attribute sebagai nama:nilai.", "Write attribute as name:value.")))?;
        wishes.entry(name.to_owned()).or_default().push(Wish::read(value));
    }
    Ok(wishes)
}

/// A page of products: the index says which, one statement reads their cards.
pub async fn list(app: &App, listing: &Listing) -> Outcome<Rendered> {
    let filter = listing.filter();
    let went_on: Option<Position> = listing.cursor.as_deref().map(|text| cursor::open(&app.cursor_secret, &filter, text)).transpose()?;
    let needs_around = listing.filters.is_at_exhibition() || !listing.filters.wubs.is_empty() || !listing.facets.is_empty();
    let around = if needs_around { app.catalogue.around(app).await? } else { Arc::default() };
    let today = today(ZONE);
    let limit = listing.limit as usize;
    let question = |index: &Index| {
        let found = index.find(&listing.words, &listing.filters, &around, went_on.as_ref(), today);
        let hits = index.page(&found, listing.sort, went_on.as_ref().map(|position| &position.last), limit);
        let count = |facet: &Facet| (facet.name().into_owned(), facet_values(index, &found, facet, &around, listing.language, today));
        let mut facets: BTreeMap<String, Vec<FacetValue>> = listing.facets.facets.iter().map(count).collect();
        if listing.facets.has_attributes {
            let all = index.attribute_names().map(|name| count(&Facet::Attribute(name.clone())));
            facets.extend(all.filter(|(_, values)| !values.is_empty()).take(MOST_VALUES));
        }
        Asked { total: found.count(), hits, facets, ways: found.ways }
    };
    // Counting everything, and guessing what was meant, take milliseconds: others are answered meanwhile.
    let answer = app.catalogue.ask(app, |index| {
        let takes_long = index.len() > LARGE && (!listing.facets.is_empty() || index.has_to_guess(&listing.words));
        if takes_long { tokio::task::block_in_place(|| question(index)) } else { question(index) }
    });
    let Asked { total, hits, facets, ways } = answer.await?;
    let cards = match &listing.parts {
        None => app.catalogue.cards(app, &hits.products, listing.language).await?,
        Some(parts) => with_parts(app, &hits.products.iter().map(|(_, id)| *id).collect::<Vec<_>>(), parts, listing.language).await?,
    };
    let next = hits.more.map(|position| cursor::seal(&app.cursor_secret, &filter, &position)).transpose()?;
    let mut json = String::from("{\"data\":[");
    for (number, (_, card)) in cards.iter().enumerate() {
        if number > 0 {
            json.push(',');
        }
        if listing.words.is_empty() {
            json.push_str(card);
        } else {
            let shown: Shown = serde_json::from_str(card).map_err(Fault::internal)?;
            let mark = |text: &str| highlight(text, &listing.words, &ways, listing.language);
            let highlight = Highlight { title: mark(&shown.title), summary: mark(&shown.summary) };
            let _ = write!(json, "{},\"highlight\":{}}}", card.strip_suffix('}').unwrap_or_default(), highlight.to_json_string());
        }
    }
    let page = ProductPageInfo { next_cursor: next.clone(), limit: listing.limit, total_estimate: total as i64 };
    let _ = write!(json, "],\"page\":{}", page.to_json_string());
    if !listing.facets.is_empty() {
        let _ = write!(json, ",\"facets\":{}", facets.to_json_string());
    }
    json.push('}');
    let join = if listing.address.contains('?') { '&' } else { '?' };
    Ok(Rendered { json, next: next.map(|next| format!("{}{join}cursor={next}", listing.address)) })
}

/// Products in the order given, as far as they are listed, cut to parts; by one statement.
async fn with_parts(app: &App, products: &[Uuid], parts: &Parts, language: Language) -> Outcome<Vec<(Uuid, Arc<str>)>> {
    let (reader, tag) = (app.database.reader(), language.tag());
    let mut all = if parts.has_more() { store::details(reader, products, tag).await? } else { store::cards(reader, products, tag).await? };
    let listed = products.iter().filter_map(|id| Some((*id, all.remove(id)?)));
    listed.map(|(id, json)| Ok((id, parts.cut(&json)?.into()))).collect()
}

/// Parts of products by their ids, in that order; those that are not listed are left out.
pub async fn parts_of(app: &App, products: &[Uuid], parts: &Parts, language: Language) -> Outcome<Rendered> {
    let cut = with_parts(app, products, parts, language).await?;
    Ok(whole(format!("[{}]", cut.iter().map(|(_, json)| &**json).collect::<Vec<_>>().join(","))))
}

/// The parts of a card in which what was found is marked.
#[derive(Deserialize)]
struct Shown<'a> {
    #[serde(borrow)]
    title: Cow<'a, str>,
    #[serde(borrow)]
    summary: Cow<'a, str>,
}

/// What the index answered.
struct Asked {
    total: usize,
    hits: Hits,
    facets: BTreeMap<String, Vec<FacetValue>>,
    ways: Vec<Way>,
}

/// Most values of a facet that are shown.
const MOST_VALUES: usize = 50;

fn facet_values(index: &Index, found: &Found, facet: &Facet, around: &Surroundings, language: Language, today: NaiveDate) -> Vec<FacetValue> {
    let label = |value: &str| -> String {
        let named = match facet {
            Facet::Category => around.categories.iter().find(|category| category.slug == value).map(|category| category.name.in_language(language)),
            Facet::Exhibition => around.exhibitions.iter().find(|shown| shown.slug == value).map(|shown| shown.title.in_language(language)),
            Facet::WasteStream => index.waste_label(value).map(|label| label.in_language(language)),
            Facet::Sme => index.brand(value),
            Facet::MaterialOrigin => Origin::try_from_value(&value.to_owned()).ok().map(|origin| origin_label(origin, language)),
            Facet::Price => return price_label(value),
            Facet::Halal => Some(if language == Language::En { "Halal certified" } else { "Bersertifikat halal" }),
            Facet::InStock => Some(if language == Language::En { "In stock" } else { "Tersedia" }),
            Facet::Attribute(name) => index.attribute_label(name, value).map(|label| label.in_language(language)),
            Facet::Wub => around.wubs.iter().find(|wub| wub.id.to_string() == value).map(|wub| wub.name.in_language(language)),
            Facet::Region => None,
        };
        named.unwrap_or(value).to_owned()
    };
    let values = index.facet(found, facet, around, today).into_iter().take(MOST_VALUES);
    values.map(|(value, count)| FacetValue { label: label(&value), value, count: count as i64 }).collect()
}

/// What may be meant by what is typed so far: completed words, categories, SMEs, products.
pub async fn suggest(app: &App, typed: &str, limit: u32, language: Language) -> Outcome<Vec<Completion>> {
    let wanted = parse(typed);
    let spoken = words(typed);
    let Some(last) = spoken.last() else { return Ok(Vec::new()) };
    let around = app.catalogue.around(app).await?;
    let today = today(ZONE);
    let answer = app.catalogue.ask(app, |index| {
        let none = Filters::default();
        let before = index.find(&wanted[..wanted.len() - 1], &none, &around, None, today);
        let completions = index.completions(&last.written, &before, 3);
        let found = index.find(&wanted, &none, &around, None, today);
        let hits = index.page(&found, Sort::Relevance, None, limit as usize);
        (completions, index.brands_beginning(&last.written, 2), hits.products, found.ways)
    });
    let (completions, brands, products, ways) = answer.await?;
    let beginning = typed[..last.at.start].to_owned();
    let mark = |text: &str| highlight(text, &wanted, &ways, language).unwrap_or_else(|| escaped(text));
    let mut suggestions: Vec<Completion> = Vec::new();
    for word in completions {
        let text = format!("{beginning}{word}");
        let highlight = format!("{}<mark>{}</mark>{}", escaped(&beginning), escaped(&last.written), escaped(&word[last.written.len()..]));
        suggestions.push(Completion { kind: CompletionKind::Words, text, highlight, address: None });
    }
    let is_begun = |name: &str| words(&fold(name)).iter().any(|word| word.written.starts_with(&last.written));
    for category in around.categories.iter().filter(|category| is_begun(category.name.in_language(language))).take(2) {
        let text = category.name.in_language(language).to_owned();
        let address = Some(format!("/v1/storefront/products?category={}", category.slug));
        suggestions.push(Completion { kind: CompletionKind::Category, highlight: mark(&text), text, address });
    }
    for (handle, brand) in brands {
        let address = Some(format!("/v1/storefront/smes/{handle}"));
        suggestions.push(Completion { kind: CompletionKind::Sme, highlight: mark(&brand), text: brand, address });
    }
    for (id, card) in app.catalogue.cards(app, &products, language).await? {
        let shown: Shown = serde_json::from_str(&card).map_err(Fault::internal)?;
        let address = Some(format!("/v1/storefront/products/{id}"));
        suggestions.push(Completion { kind: CompletionKind::Product, highlight: mark(&shown.title), text: shown.title.into_owned(), address });
    }
    suggestions.truncate(limit as usize);
    Ok(suggestions)
}

/// Where a client stands in the log of changes.
#[derive(Serialize, Deserialize)]
struct Followed(i64, Uuid);

/// What cursors of the log are bound to.
const CHANGES: &str = "changes";

/// The log of changes after a cursor; from the beginning, everything that is listed.
pub async fn changes(app: &App, after: Option<&str>, limit: u32, language: Language) -> Outcome<Rendered> {
    let Followed(version, product) = match after {
        Some(text) => cursor::open(&app.cursor_secret, CHANGES, text)?,
        None => Followed(0, Uuid::nil()),
    };
    let mut rows = store::changes(app.database.reader(), (version, product), limit + 1, language.tag()).await?;
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let reached = rows.last().map_or(Followed(version, product), |last| Followed(last.version, last.product_id));
    let changes = rows.into_iter().map(|row| {
        let kind = if row.card.is_some() { ChangeKind::Listed } else { ChangeKind::Removed };
        let product = row.card.as_deref().map(serde_json::from_str).transpose().map_err(Fault::internal)?;
        Ok(Change { product_id: row.product_id, kind, product })
    });
    let page = ChangesPage { next_cursor: cursor::seal(&app.cursor_secret, CHANGES, &reached)?, has_more, limit };
    Ok(whole(Changes { data: changes.collect::<Outcome<_>>()?, page }.to_json_string()))
}
