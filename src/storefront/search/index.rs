//! The public catalogue in memory: words, facets and orders. Both databases are asked for rows only, so that both give the
//! same answers.
//!
//! A product is a document; its number never changes. A product that changes becomes a new document, the old one is dead.

use std::{
    cell::RefCell,
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
    ops::{Bound, Range, RangeInclusive},
};

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use sea_orm::{ActiveEnum, Iterable};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    bits::Bits,
    entry::Entry,
    facets::{Facet, Filters, PRICE_BANDS, Shown, Surroundings},
    query::{Wanted, Way},
    words::{known_forms, words},
};
use crate::{
    catalogue::model::Origin,
    storefront::model::Sort,
    values::{Language, Localized, fold, handle_from},
};

/// Places in which a word of a product stands. What it is worth depends on them: a name is worth more than a tag, and a
/// tag more than a text.
const NAME: u8 = 4;
const TAG: u8 = 2;
const TEXT: u8 = 1;
const fn worth(places: u8) -> u32 {
    match places {
        NAME.. => 100,
        TAG.. => 40,
        _ => 15,
    }
}
/// Each further word that a product has takes precedence over how well it has the others.
const PER_WORD: u32 = 1 << 20;
/// While fewer products than this have all words, those with fewer words are shown behind them, down to half of the words.
const ENOUGH: usize = 10;
/// How many words of a search, the first ones, are looked for with a typo.
const MOST_GUESSES: usize = 2;
/// Added to the score of a name that says nothing but the words of the search.
const WHOLE_NAME: u32 = 40;

/// A row of the read model, as the index takes it.
pub struct IndexRow {
    pub product_id: Uuid,
    /// Catalogue version of its last change.
    pub version: i64,
    pub listed: Option<Listed>,
}

/// What is known of a listed product; absent if it has left.
pub struct Listed {
    pub sme_handle: String,
    pub category_path: String,
    pub regency_code: String,
    pub price_minor: i64,
    pub published_at: DateTime<Utc>,
    pub title_sort: String,
    pub search_text: String,
}

/// A word that occurs, and where.
#[derive(Default)]
struct Term {
    /// Documents with the places of the word in them.
    postings: Vec<(u32, u8)>,
    /// How many names contain it as it is written; for completions.
    in_names: u32,
}

/// The terms that match a word, and how well, in per cent.
type Terms<'a> = Vec<(&'a Term, u32)>;

/// What looking a document up costs, in postings that are read one after another.
const STEPS: usize = 16;

/// What is known of a document while the words are gone through.
#[derive(Clone, Copy, Default)]
struct Mark {
    /// Sum over the words before.
    sum: u32,
    /// Best match of the word at hand; 0 if the document does not have it.
    best: u16,
    /// How many words it has, in any place and in its name. The top bit of the latter says "this word".
    have: u8,
    in_name: u8,
}

thread_local! {
    /// One mark per document, all zero between searches: a search costs what it finds, not what there is.
    static MARKS: RefCell<Vec<Mark>> = const { RefCell::new(Vec::new()) };
}

impl Mark {
    /// Notes that the word at hand was found in these places, and how well.
    fn take(&mut self, well: u32, places: u8) {
        self.best = self.best.max((well * worth(places)) as u16);
        if places & NAME != 0 {
            self.in_name |= 1 << 7;
        }
    }

    /// Goes on to the next word; returns whether the document has this one.
    fn end_word(&mut self) -> bool {
        let has = self.best > 0;
        self.have += u8::from(has);
        self.sum += u32::from(std::mem::take(&mut self.best));
        self.in_name = (self.in_name & 0x7f) + (self.in_name >> 7);
        has
    }

    /// The score of the document, whose name has this many words.
    fn score(self, name_length: u8) -> u32 {
        let in_name = u32::from(self.in_name.min(name_length));
        self.sum + PER_WORD * u32::from(self.have) + 100 * WHOLE_NAME * in_name / u32::from(name_length)
    }
}

/// How many of the words a product has to have, if `with[n]` products have n of them.
fn needed(with: &[usize]) -> u8 {
    let words = with.len() - 1;
    let mut found = 0;
    let mut needed = words;
    while needed > words.div_ceil(2) && found + with[needed] < ENOUGH {
        found += with[needed];
        needed -= 1;
    }
    // If none has half of the words: as many as any product has.
    while needed > 1 && found + with[needed] == 0 {
        needed -= 1;
    }
    needed as u8
}

/// Where a document stands in postings, or would: found in ever longer strides, since it is near the last one looked for.
fn position_of(postings: &[(u32, u8)], document: u32) -> usize {
    let mut stride = 1;
    while stride < postings.len() && postings[stride].0 < document {
        stride *= 2;
    }
    let (from, to) = (stride / 2, postings.len().min(stride + 1));
    from + postings[from..to].partition_point(|(known, _)| *known < document)
}

/// Names, each with a number.
#[derive(Default)]
struct Numbered {
    names: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32>,
}

impl Numbered {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.push(name.into());
        self.numbers.insert(name.into(), number);
        number
    }
}

/// A brand under its handle.
struct Brand {
    name: String,
    folded: String,
    /// How many of its products are listed.
    products: u32,
}

#[derive(Default)]
pub struct Index {
    /// Tells documents of this index from those of the one before, which had the same numbers.
    pub generation: u64,
    by_id: HashMap<Uuid, u32>,
    ids: Vec<Uuid>,
    alive: Bits,
    /// Microseconds since 1970.
    published: Vec<i64>,
    price: Vec<i64>,
    title: Vec<Box<str>>,
    category: Vec<u32>,
    region: Vec<u32>,
    sme: Vec<u32>,
    /// A bit for each origin.
    origins: Vec<u8>,
    in_stock: Bits,
    /// Last day of the halal certificate, in days since year 0; `i32::MIN` where there is none.
    halal_until: Vec<i32>,
    /// Words in the name.
    name_length: Vec<u8>,
    terms: BTreeMap<Box<str>, Term>,
    /// By handle: label and documents.
    wastes: BTreeMap<String, (Localized, Vec<u32>)>,
    /// By name and value: how it is shown, and documents.
    attributes: BTreeMap<String, BTreeMap<String, (Localized, Vec<u32>)>>,
    categories: Numbered,
    regions: Numbered,
    smes: Numbered,
    brands: Vec<Brand>,
    newest: Vec<u32>,
    cheapest: Vec<u32>,
    titled: Vec<u32>,
}

fn origin_bit(origin: Origin) -> u8 {
    1 << origin as u8
}

/// Where a page ended: how the words were looked for, and the last product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Position {
    pub ways: Vec<Way>,
    /// How many of the words a product has to have.
    pub needed: u8,
    pub last: Last,
}

/// The keys of the last product, as they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Last {
    Relevance(u32, i64, Uuid),
    Newest(i64, Uuid),
    Price(i64, Uuid),
    Title(String, Uuid),
}

/// How a query was understood, and what it found.
pub struct Found<'a> {
    index: &'a Index,
    pub ways: Vec<Way>,
    pub needed: u8,
    /// Those that have the words, whatever the filters, with their scores; `None` if nothing was typed.
    worded: Option<Vec<(u32, u32)>>,
    filters: Vec<(Facet, Filter)>,
}

/// What a filter leaves.
enum Filter {
    Set(Bits),
    /// In minor units. Tested when it is needed: no set of so many prices is worth keeping.
    Price(RangeInclusive<i64>),
}

/// A price filter that leaves fewer than this part of all products is better made a set than looked at on the way.
const FEW: usize = 16;

impl Found<'_> {
    /// All documents that match; for a facet, under the other filters only.
    fn answers(&self, without: Option<&Facet>) -> Bits {
        let mut answers = match &self.worded {
            Some(worded) => Bits::with(worded.iter().map(|(document, _)| *document as usize)),
            None => self.index.alive.clone(),
        };
        for (_, filter) in self.filters.iter().filter(|(facet, _)| Some(facet) != without) {
            match filter {
                Filter::Set(set) => answers.keep(set),
                Filter::Price(range) => self.index.keep_priced(&mut answers, range),
            }
        }
        answers
    }

    /// Whether one document, which has the words, passes the filters.
    fn passes(&self, document: u32) -> bool {
        self.filters.iter().all(|(_, filter)| match filter {
            Filter::Set(set) => set.contains(document as usize),
            Filter::Price(range) => range.contains(&self.index.price[document as usize]),
        })
    }

    /// How many products match, if that is known without looking at each.
    fn known_count(&self) -> Option<usize> {
        match (&self.worded, self.filters.as_slice()) {
            (Some(worded), []) => Some(worded.len()),
            (None, []) => Some(self.index.len()),
            (None, [(_, Filter::Price(range))]) => Some(self.index.priced(range).len()),
            _ => None,
        }
    }

    /// How many products match.
    pub fn count(&self) -> usize {
        self.known_count().unwrap_or_else(|| match &self.worded {
            Some(worded) => worded.iter().filter(|(document, _)| self.passes(*document)).count(),
            None => self.answers(None).count(),
        })
    }
}

/// A product as of one change: generation of the index, and number in it.
pub type Document = (u64, u32);

/// A page of products with their documents, and where it ended if there are more.
pub struct Hits {
    pub products: Vec<(Document, Uuid)>,
    pub more: Option<Position>,
}

impl Index {
    /// An empty index.
    pub fn of_generation(generation: u64) -> Self {
        Self { generation, ..Self::default() }
    }

    /// Adds all rows; they are in no order before [`Self::put_in_order`].
    pub fn fill(&mut self, rows: impl IntoIterator<Item = IndexRow>) {
        for row in rows {
            if let Some(listed) = row.listed {
                self.add(row.product_id, &listed);
            }
        }
    }

    /// Puts the documents that were added into their orders.
    pub fn put_in_order(&mut self) {
        let all: Vec<u32> = self.alive.iter().map(|document| document as u32).collect();
        let (mut newest, mut cheapest, mut titled) = (all.clone(), all.clone(), all);
        newest.sort_unstable_by_key(|d| Reverse(self.newest_key(*d)));
        cheapest.sort_unstable_by_key(|d| self.price_key(*d));
        titled.sort_unstable_by(|a, b| self.title_key(*a).cmp(&self.title_key(*b)));
        (self.newest, self.cheapest, self.titled) = (newest, cheapest, titled);
    }

    /// Takes up one change.
    pub fn apply(&mut self, row: IndexRow) {
        self.remove(row.product_id);
        let Some(listed) = row.listed else { return };
        let document = self.add(row.product_id, &listed);
        let [newest, cheapest, titled] = self.places(document);
        self.newest.insert(newest, document);
        self.cheapest.insert(cheapest, document);
        self.titled.insert(titled, document);
    }

    /// Whether so many documents are dead that a new index is worth its time.
    pub fn is_worn(&self) -> bool {
        let dead = self.ids.len() - self.by_id.len();
        dead > 10_000 && dead > self.by_id.len()
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Where prices of a range stand in the order of prices.
    fn priced(&self, range: &RangeInclusive<i64>) -> Range<usize> {
        let below = |price: i64| self.cheapest.partition_point(|d| self.price[*d as usize] < price);
        let from = below(*range.start());
        from..below(range.end().saturating_add(1)).max(from)
    }

    /// Keeps documents with prices of a range, by those within it or those outside, whichever are fewer.
    fn keep_priced(&self, documents: &mut Bits, range: &RangeInclusive<i64>) {
        let priced = self.priced(range);
        if priced.len() < self.cheapest.len() / 2 {
            documents.keep(&Bits::with(self.cheapest[priced].iter().map(|document| *document as usize)));
        } else {
            let outside = self.cheapest[..priced.start].iter().chain(&self.cheapest[priced.end..]);
            outside.for_each(|document| documents.remove(*document as usize));
        }
    }

    fn newest_key(&self, document: u32) -> (i64, Uuid) {
        (self.published[document as usize], self.ids[document as usize])
    }

    fn price_key(&self, document: u32) -> (i64, Uuid) {
        (self.price[document as usize], self.ids[document as usize])
    }

    fn title_key(&self, document: u32) -> (&str, Uuid) {
        (&self.title[document as usize], self.ids[document as usize])
    }

    fn remove(&mut self, product: Uuid) {
        let Some(document) = self.by_id.remove(&product) else { return };
        self.alive.remove(document as usize);
        self.brands[self.sme[document as usize] as usize].products -= 1;
        let [newest, cheapest, titled] = self.places(document);
        self.newest.remove(newest);
        self.cheapest.remove(cheapest);
        self.titled.remove(titled);
    }

    /// Where a document stands, or has to stand, in each order.
    fn places(&self, document: u32) -> [usize; 3] {
        [
            self.newest.partition_point(|d| self.newest_key(*d) > self.newest_key(document)),
            self.cheapest.partition_point(|d| self.price_key(*d) < self.price_key(document)),
            self.titled.partition_point(|d| self.title_key(*d) < self.title_key(document)),
        ]
    }

    /// A new document, not in the orders yet.
    fn add(&mut self, product: Uuid, listed: &Listed) -> u32 {
        let document = self.ids.len() as u32;
        let entry = Entry::from_row(&listed.search_text);
        self.by_id.insert(product, document);
        self.ids.push(product);
        self.alive.insert(document as usize);
        self.published.push(listed.published_at.timestamp_micros());
        self.price.push(listed.price_minor);
        self.title.push(listed.title_sort.as_str().into());
        self.category.push(self.categories.number(&listed.category_path));
        self.region.push(self.regions.number(&listed.regency_code));
        let sme = self.smes.number(&listed.sme_handle);
        let products = self.brands.get(sme as usize).map_or(0, |known| known.products) + 1;
        let brand = Brand { folded: fold(&entry.brand), name: entry.brand.clone(), products };
        match self.brands.get_mut(sme as usize) {
            Some(known) => *known = brand,
            None => self.brands.push(brand),
        }
        self.sme.push(sme);
        self.origins.push(entry.origins.iter().fold(0, |bits, origin| bits | origin_bit(*origin)));
        if entry.in_stock {
            self.in_stock.insert(document as usize);
        }
        self.halal_until.push(entry.halal.map_or(i32::MIN, |halal| halal.until.map_or(i32::MAX, |day| day.num_days_from_ce())));
        for waste in &entry.wastes {
            let (_, documents) = self.wastes.entry(handle_from(&waste.id, "limbah")).or_insert_with(|| (waste.clone(), Vec::new()));
            if documents.last() != Some(&document) {
                documents.push(document);
            }
        }
        for stated in &entry.attributes {
            let values = self.attributes.entry(stated.name.clone()).or_default();
            let (shown, documents) = values.entry(stated.value.clone()).or_default();
            // A value is shown as it was named last.
            shown.clone_from(&stated.shown);
            documents.push(document);
        }
        self.add_words(document, &entry);
        document
    }

    fn add_words(&mut self, document: u32, entry: &Entry) {
        let mut found: BTreeMap<Box<str>, u8> = BTreeMap::new();
        let brand = [Localized { id: entry.brand.clone(), en: None }];
        let mut name_length = 0_usize;
        for (texts, place) in [(entry.name.as_slice(), NAME), (&entry.tags, TAG), (&brand, TAG), (&entry.text, TEXT)] {
            for text in texts {
                for (text, language) in [(Some(&text.id), Language::Id), (text.en.as_ref(), Language::En)] {
                    let Some(text) = text else { continue };
                    let words = words(text);
                    if place == NAME {
                        name_length = name_length.max(words.len());
                    }
                    for word in words {
                        for (at, form) in known_forms(&word.written, language).iter().enumerate() {
                            let known = found.entry(form.clone()).or_default();
                            // The written form comes first; a name counts once a product for completions.
                            if at == 0 && place == NAME && *known & NAME == 0 {
                                self.terms.entry(form.clone()).or_default().in_names += 1;
                            }
                            *known |= place;
                        }
                    }
                }
            }
        }
        for (form, places) in found {
            self.terms.entry(form).or_default().postings.push((document, places));
        }
        self.name_length.push(name_length.clamp(1, 255) as u8);
    }

    /// How each word is looked for. A typo is looked for among all terms there are, so only [`MOST_GUESSES`] words may
    /// have one.
    fn understand_all(&self, wanted: &[Wanted]) -> Vec<(Way, Terms<'_>)> {
        let mut guesses = MOST_GUESSES;
        let understand = |wanted| {
            let understood = self.understand(wanted, guesses > 0);
            guesses -= usize::from(guesses > 0 && matches!(understood.0, Way::Slip | Way::Nowhere));
            understood
        };
        wanted.iter().map(understand).collect()
    }

    /// How a word is looked for, in the first way that finds any product, with the terms that match it.
    fn understand(&self, wanted: &Wanted, may_guess: bool) -> (Way, Terms<'_>) {
        let is_alive = |(term, _): &(&Term, u32)| term.postings.iter().any(|(document, _)| self.alive.contains(*document as usize));
        let ways = [Some(Way::Word), Some(Way::Beginning), may_guess.then_some(Way::Slip)];
        let mut tried = ways.into_iter().flatten().map(|way| (way, self.terms_for(wanted, way)));
        tried.find(|(_, terms)| terms.iter().any(is_alive)).unwrap_or((Way::Nowhere, Vec::new()))
    }

    /// Whether a word is neither there nor the beginning of one that is.
    pub fn has_to_guess(&self, wanted: &[Wanted]) -> bool {
        wanted.iter().any(|wanted| [Way::Word, Way::Beginning].into_iter().all(|way| self.terms_for(wanted, way).is_empty()))
    }

    /// The terms that match a word.
    fn terms_for(&self, wanted: &Wanted, way: Way) -> Terms<'_> {
        fn rated<'a>(found: impl Iterator<Item = (impl AsRef<str>, &'a Term)>, wanted: &Wanted, way: Way) -> Terms<'a> {
            found.map(|(form, term)| (term, wanted.answered_by(form.as_ref(), way))).filter(|(_, well)| *well > 0).collect()
        }
        let known = |form: &String| self.terms.get_key_value(form.as_str());
        match way {
            Way::Word => rated(wanted.forms.iter().filter_map(known), wanted, way),
            Way::Beginning if wanted.may_be_a_beginning() => {
                let from = self.terms.range::<str, _>((Bound::Included(wanted.written.as_str()), Bound::Unbounded));
                let begun = from.take_while(|(form, _)| form.starts_with(wanted.written.as_str()));
                let others = wanted.forms.iter().filter(|form| !form.starts_with(wanted.written.as_str()));
                rated(begun.chain(others.filter_map(known)), wanted, way)
            }
            Way::Slip if wanted.may_slip() => rated(self.terms.iter().filter(|(form, _)| wanted.may_be_near(form)), wanted, way),
            _ => Vec::new(),
        }
    }

    /// What matches the words and the filters. `went_on` is the position at which the page before ended.
    pub fn find(&self, wanted: &[Wanted], filters: &Filters, around: &Surroundings, went_on: Option<&Position>, today: NaiveDate) -> Found<'_> {
        let filters = self.filter_sets(filters, around, today);
        if wanted.is_empty() {
            return Found { index: self, ways: Vec::new(), needed: 0, worded: None, filters };
        }
        let (ways, terms): (Vec<Way>, Vec<Terms>) = match went_on {
            Some(position) => wanted.iter().zip(&position.ways).map(|(wanted, way)| (*way, self.terms_for(wanted, *way))).unzip(),
            None => self.understand_all(wanted).into_iter().unzip(),
        };
        let all = wanted.len() as u8;
        let rarest = Self::rarest(&terms).filter(|_| went_on.is_none_or(|position| position.needed == all));
        let (needed, worded) = match rarest.map(|rarest| self.with_all(&terms, rarest)) {
            Some(worded) if went_on.is_some() || worded.len() >= ENOUGH => (all, worded),
            _ => self.with_any(&terms, |with| went_on.map_or_else(|| needed(with), |position| position.needed)),
        };
        Found { index: self, ways, needed, worded: Some(worded), filters }
    }

    /// The rarest word, if looking up what has it among the others costs less than going through all.
    fn rarest(terms: &[Terms]) -> Option<usize> {
        let size = |terms: &Terms| terms.iter().map(|(term, _)| term.postings.len()).sum::<usize>();
        let rarest = (0..terms.len()).min_by_key(|number| size(&terms[*number]))?;
        let others = || terms.iter().enumerate().filter(|(number, _)| *number != rarest).map(|(_, terms)| terms);
        let to_look_up = size(&terms[rarest]) * others().map(Vec::len).sum::<usize>();
        (to_look_up * STEPS <= others().map(size).sum()).then_some(rarest)
    }

    /// Documents that have all words, looked for among those that have the rarest, with their scores.
    fn with_all(&self, terms: &[Terms], rarest: usize) -> Vec<(u32, u32)> {
        let mut marked = self.go_through(&terms[rarest..=rarest], |marks, touched| {
            touched.into_iter().map(|document| (document, marks[document as usize])).collect::<Vec<(u32, Mark)>>()
        });
        marked.sort_unstable_by_key(|(document, _)| *document);
        for terms in terms.iter().enumerate().filter(|(number, _)| *number != rarest).map(|(_, terms)| terms) {
            for (term, well) in terms {
                let mut left = term.postings.as_slice();
                for (document, mark) in &mut marked {
                    left = &left[position_of(left, *document)..];
                    if let Some((_, places)) = left.first().filter(|(found, _)| found == document) {
                        mark.take(*well, *places);
                    }
                }
            }
            marked.retain_mut(|(_, mark)| mark.end_word());
        }
        marked.into_iter().map(|(document, mark)| (document, self.score(document, mark))).collect()
    }

    /// Documents that have as many of the words as they need to; `needed` is told how many documents have how many
    /// words.
    fn with_any(&self, terms: &[Terms], needed: impl FnOnce(&[usize]) -> u8) -> (u8, Vec<(u32, u32)>) {
        self.go_through(terms, |marks, touched| {
            let mut with = vec![0_usize; terms.len() + 1];
            for document in &touched {
                with[usize::from(marks[*document as usize].have)] += 1;
            }
            let needed = needed(&with);
            let answering = touched.into_iter().filter(|document| marks[*document as usize].have >= needed);
            (needed, answering.map(|document| (document, self.score(document, marks[document as usize]))).collect())
        })
    }

    fn score(&self, document: u32, mark: Mark) -> u32 {
        mark.score(self.name_length[document as usize])
    }

    /// Marks every document that has any of the words, and hands the marks out with the numbers of those that are listed.
    fn go_through<T>(&self, terms: &[Terms], then: impl FnOnce(&[Mark], Vec<u32>) -> T) -> T {
        let mut marks = MARKS.take();
        marks.resize(self.ids.len(), Mark::default());
        let (mut touched, mut of_word) = (Vec::new(), Vec::new());
        for terms in terms {
            for (term, well) in terms {
                for (document, places) in &term.postings {
                    let mark = &mut marks[*document as usize];
                    if mark.best == 0 {
                        of_word.push(*document);
                    }
                    mark.take(*well, *places);
                }
            }
            for document in of_word.drain(..) {
                let mark = &mut marks[document as usize];
                if mark.have == 0 {
                    touched.push(document);
                }
                mark.end_word();
            }
        }
        let listed = touched.iter().copied().filter(|document| self.alive.contains(*document as usize)).collect();
        let result = then(&marks, listed);
        for document in touched {
            marks[document as usize] = Mark::default();
        }
        MARKS.set(marks);
        result
    }

    fn filter_sets(&self, filters: &Filters, around: &Surroundings, today: NaiveDate) -> Vec<(Facet, Filter)> {
        let size = self.ids.len();
        let mut sets = Vec::new();
        let mut add = |facet, is_asked: bool, set: &dyn Fn() -> Bits| {
            if is_asked {
                sets.push((facet, Filter::Set(set())));
            }
        };
        let numbers =
            |numbered: &Numbered, is_meant: &dyn Fn(&str) -> bool| -> Vec<bool> { numbered.names.iter().map(|name| is_meant(name)).collect() };
        add(Facet::Category, !filters.categories.is_empty(), &|| {
            let meant = numbers(&self.categories, &|path| path.split('/').any(|slug| filters.categories.iter().any(|asked| asked == slug)));
            Bits::of(size, |document| meant[self.category[document] as usize])
        });
        add(Facet::Region, !filters.regions.is_empty(), &|| {
            let meant = numbers(&self.regions, &|code| filters.regions.iter().any(|asked| asked == code));
            Bits::of(size, |document| meant[self.region[document] as usize])
        });
        add(Facet::Sme, !filters.smes.is_empty(), &|| {
            let meant = numbers(&self.smes, &|handle| filters.smes.iter().any(|asked| asked == handle));
            Bits::of(size, |document| meant[self.sme[document] as usize])
        });
        let origins = filters.origins.iter().fold(0, |bits, origin| bits | origin_bit(*origin));
        add(Facet::MaterialOrigin, origins != 0, &|| Bits::of(size, |document| self.origins[document] & origins != 0));
        add(Facet::WasteStream, !filters.wastes.is_empty(), &|| {
            let documents = filters.wastes.iter().filter_map(|waste| self.wastes.get(waste)).flat_map(|(_, documents)| documents);
            Bits::with(documents.map(|document| *document as usize))
        });
        add(Facet::Halal, filters.is_halal, &|| Bits::of(size, |document| self.is_halal(document, today)));
        add(Facet::InStock, filters.is_in_stock, &|| self.in_stock.clone());
        add(Facet::Exhibition, filters.is_at_exhibition(), &|| {
            let is_meant = |shown: &&Shown| filters.exhibitions.is_empty() || filters.exhibitions.contains(&shown.slug);
            let products = around.exhibitions.iter().filter(is_meant).flat_map(|shown| shown.at(&filters.batches, &filters.booths));
            Bits::with(products.filter_map(|product| self.by_id.get(product)).map(|document| *document as usize))
        });
        add(Facet::Wub, !filters.wubs.is_empty(), &|| {
            let mut meant = vec![false; self.smes.names.len()];
            let groups = around.wubs.iter().filter(|wub| filters.wubs.contains(&wub.id));
            groups.flat_map(|wub| &wub.smes).filter_map(|handle| self.smes.numbers.get(handle.as_str())).for_each(|sme| meant[*sme as usize] = true);
            Bits::of(size, |document| meant[self.sme[document] as usize])
        });
        for (name, wishes) in &filters.attributes {
            let meant = self.attributes.get(name).into_iter().flatten().filter(|(value, _)| wishes.iter().any(|wish| wish.holds(value)));
            let documents = meant.flat_map(|(_, (_, documents))| documents);
            sets.push((Facet::Attribute(name.clone()), Filter::Set(Bits::with(documents.map(|document| *document as usize)))));
        }
        if filters.price_min.is_some() || filters.price_max.is_some() {
            let least = filters.price_min.map_or(i64::MIN, |rupiah| rupiah.saturating_mul(100));
            let most = filters.price_max.map_or(i64::MAX, |rupiah| rupiah.saturating_mul(100).saturating_add(99));
            sets.push((Facet::Price, Filter::Price(least..=most)));
        }
        sets
    }

    fn is_halal(&self, document: usize, today: NaiveDate) -> bool {
        self.halal_until[document] >= today.num_days_from_ce()
    }

    /// A page of what was found, after `after`.
    pub fn page(&self, found: &Found, sort: Sort, after: Option<&Last>, limit: usize) -> Hits {
        if let (Sort::Relevance, Some(worded)) = (sort, &found.worded) {
            let best = self.most_relevant(found, worded, after, limit + 1);
            let shown = &best[..best.len().min(limit)];
            let last = shown.last().filter(|_| best.len() > limit);
            let last = last.map(|(score, document)| Last::Relevance(*score, self.published[*document as usize], self.ids[*document as usize]));
            return self.hits(found, shown.iter().map(|(_, document)| *document), last);
        }
        // In the order of prices those of a range stand together.
        let cheapest = match (&found.worded, found.filters.as_slice()) {
            (None, [(_, Filter::Price(range))]) => self.priced(range),
            _ => 0..self.cheapest.len(),
        };
        // If most products match, the first of them are come upon soon; no need to look at all.
        let is_by_price = matches!(sort, Sort::Cheapest | Sort::Dearest);
        let is_known = |count: usize| (is_by_price && count == cheapest.len()) || count * FEW > self.len();
        let is_broad = found.worded.is_none() && found.known_count().is_some_and(is_known);
        let answers = if is_broad { None } else { Some(found.answers(None)) };
        let holds = |document: &u32| answers.as_ref().map_or_else(|| found.passes(*document), |answers| answers.contains(*document as usize));
        let take = |order: &mut dyn Iterator<Item = u32>| order.filter(holds).take(limit + 1).collect::<Vec<u32>>();
        let documents = match sort {
            Sort::Relevance | Sort::Newest => {
                let from = match after {
                    Some(Last::Newest(at, id)) => self.newest.partition_point(|d| self.newest_key(*d) >= (*at, *id)),
                    _ => 0,
                };
                take(&mut self.newest[from..].iter().copied())
            }
            Sort::Cheapest => {
                let from = match after {
                    Some(Last::Price(price, id)) => self.cheapest.partition_point(|d| self.price_key(*d) <= (*price, *id)),
                    _ => 0,
                };
                take(&mut self.cheapest[from.clamp(cheapest.start, cheapest.end)..cheapest.end].iter().copied())
            }
            Sort::Dearest => {
                let to = match after {
                    Some(Last::Price(price, id)) => self.cheapest.partition_point(|d| self.price_key(*d) < (*price, *id)),
                    _ => self.cheapest.len(),
                };
                take(&mut self.cheapest[cheapest.start..to.clamp(cheapest.start, cheapest.end)].iter().rev().copied())
            }
            Sort::Title => {
                let from = match after {
                    Some(Last::Title(title, id)) => self.titled.partition_point(|d| self.title_key(*d) <= (title, *id)),
                    _ => 0,
                };
                take(&mut self.titled[from..].iter().copied())
            }
        };
        let shown = &documents[..documents.len().min(limit)];
        let last = shown.last().filter(|_| documents.len() > limit).map(|document| {
            let at = *document as usize;
            match sort {
                Sort::Relevance | Sort::Newest => Last::Newest(self.published[at], self.ids[at]),
                Sort::Cheapest | Sort::Dearest => Last::Price(self.price[at], self.ids[at]),
                Sort::Title => Last::Title(self.title[at].to_string(), self.ids[at]),
            }
        });
        self.hits(found, shown.iter().copied(), last)
    }

    fn hits(&self, found: &Found, documents: impl Iterator<Item = u32>, last: Option<Last>) -> Hits {
        Hits {
            products: documents.map(|document| ((self.generation, document), self.ids[document as usize])).collect(),
            more: last.map(|last| Position { ways: found.ways.clone(), needed: found.needed, last }),
        }
    }

    /// The best by score, then the newest.
    fn most_relevant(&self, found: &Found, worded: &[(u32, u32)], after: Option<&Last>, limit: usize) -> Vec<(u32, u32)> {
        let after = match after {
            Some(Last::Relevance(score, at, id)) => Some((*score, *at, *id)),
            _ => None,
        };
        let mut best = BinaryHeap::with_capacity(limit + 1);
        // What a document has to be better than.
        let mut least = (0, i64::MIN, Uuid::nil());
        for (document, score) in worded.iter().filter(|(_, score)| after.is_none_or(|(last, ..)| *score <= last)) {
            if *score < least.0 || !found.passes(*document) {
                continue;
            }
            let key = (*score, self.published[*document as usize], self.ids[*document as usize]);
            if key > least && after.is_none_or(|after| key < after) {
                best.push(Reverse((key, *document)));
                if best.len() > limit {
                    best.pop();
                    least = best.peek().map_or(least, |Reverse((key, _))| *key);
                }
            }
        }
        best.into_sorted_vec().into_iter().map(|Reverse(((score, ..), document))| (score, document)).collect()
    }

    /// Values of a facet with how many products each has under the other filters, the most first.
    pub fn facet(&self, found: &Found, facet: &Facet, around: &Surroundings, today: NaiveDate) -> Vec<(String, usize)> {
        let answers = found.answers(Some(facet));
        let by_number = |numbers: &[u32], numbered: &Numbered| {
            let mut counts = vec![0_usize; numbered.names.len()];
            answers.iter().for_each(|document| counts[numbers[document] as usize] += 1);
            numbered.names.iter().zip(counts).map(|(name, count)| (name.to_string(), count)).collect::<Vec<_>>()
        };
        let of = |documents: &mut dyn Iterator<Item = usize>| documents.filter(|document| answers.contains(*document)).count();
        let mut values: Vec<(String, usize)> = match facet {
            Facet::Category => {
                let mut counts: BTreeMap<String, usize> = BTreeMap::new();
                for (path, count) in by_number(&self.category, &self.categories) {
                    path.split('/').for_each(|slug| *counts.entry(slug.to_owned()).or_default() += count);
                }
                counts.into_iter().collect()
            }
            Facet::Region => by_number(&self.region, &self.regions),
            Facet::Sme => by_number(&self.sme, &self.smes),
            Facet::Price => {
                PRICE_BANDS.iter().map(|band| (band.value(), of(&mut answers.iter().filter(|d| band.holds(self.price[*d] / 100))))).collect()
            }
            Facet::MaterialOrigin => {
                let count = |origin: Origin| of(&mut answers.iter().filter(|d| self.origins[*d] & origin_bit(origin) != 0));
                Origin::iter().map(|origin| (origin.to_value(), count(origin))).collect()
            }
            Facet::WasteStream => {
                self.wastes.iter().map(|(name, (_, documents))| (name.clone(), of(&mut documents.iter().map(|d| *d as usize)))).collect()
            }
            Facet::Halal => vec![("certified".to_owned(), of(&mut answers.iter().filter(|d| self.is_halal(*d, today))))],
            Facet::InStock => vec![("true".to_owned(), of(&mut self.in_stock.iter()))],
            Facet::Attribute(name) => {
                let values = self.attributes.get(name).into_iter().flatten();
                values.map(|(value, (_, documents))| (value.clone(), of(&mut documents.iter().map(|d| *d as usize)))).collect()
            }
            Facet::Wub => {
                let of_sme: HashMap<String, usize> = by_number(&self.sme, &self.smes).into_iter().collect();
                let count = |smes: &[String]| smes.iter().filter_map(|handle| of_sme.get(handle)).sum();
                around.wubs.iter().map(|wub| (wub.id.to_string(), count(&wub.smes))).collect()
            }
            Facet::Exhibition => {
                let count = |products: &[Uuid]| of(&mut products.iter().filter_map(|id| self.by_id.get(id)).map(|d| *d as usize));
                around.exhibitions.iter().map(|shown| (shown.slug.clone(), count(&shown.products))).collect()
            }
        };
        values.retain(|(_, count)| *count > 0);
        if *facet != Facet::Price {
            values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        }
        values
    }

    /// Names of the attributes that listed products have.
    pub fn attribute_names(&self) -> impl Iterator<Item = &String> {
        self.attributes.keys()
    }

    /// How a value of an attribute is shown.
    pub fn attribute_label(&self, name: &str, value: &str) -> Option<&Localized> {
        self.attributes.get(name)?.get(value).map(|(shown, _)| shown)
    }

    /// What a waste stream is called.
    pub fn waste_label(&self, handle: &str) -> Option<&Localized> {
        self.wastes.get(handle).map(|(label, _)| label)
    }

    /// What an SME is called.
    pub fn brand(&self, handle: &str) -> Option<&str> {
        self.smes.numbers.get(handle).map(|number| self.brands[*number as usize].name.as_str())
    }

    /// SMEs with a listed product, one word of whose brand begins so: handle and brand.
    pub fn brands_beginning(&self, with: &str, limit: usize) -> Vec<(String, String)> {
        let is_meant =
            |brand: &Brand| brand.folded.starts_with(with) || brand.folded.split(|c: char| !c.is_alphanumeric()).any(|word| word.starts_with(with));
        let meant = self.brands.iter().enumerate().filter(|(_, brand)| is_meant(brand));
        let alive = meant.filter(|(_, brand)| brand.products > 0);
        alive.take(limit).map(|(number, brand)| (self.smes.names[number].to_string(), brand.name.clone())).collect()
    }

    /// Words of names that begin so and occur with what `before` found, the commonest first.
    pub fn completions(&self, with: &str, before: &Found, limit: usize) -> Vec<String> {
        let answers = before.answers(None);
        let from = self.terms.range::<str, _>((Bound::Included(with), Bound::Unbounded));
        let begun = from.take_while(|(form, _)| form.starts_with(with)).filter(|(_, term)| term.in_names > 0);
        let count =
            |term: &Term| term.postings.iter().filter(|(document, places)| *places & NAME != 0 && answers.contains(*document as usize)).count();
        let mut counted: Vec<_> = begun.map(|(form, term)| (count(term), form)).filter(|(count, _)| *count > 0).collect();
        counted.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        counted.into_iter().take(limit).map(|(_, form)| form.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::storefront::search::query::parse;

    const DAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();

    fn row(product: u8, title: &str, price: i64) -> IndexRow {
        let name = Localized { id: title.to_owned(), en: None };
        let search_text = serde_json::to_string(&Entry { name: vec![name], ..Entry::default() }).expect("JSON");
        let listed = Listed {
            sme_handle: "sme".into(),
            category_path: "makanan/keripik".into(),
            regency_code: "36.71".into(),
            price_minor: price,
            published_at: DateTime::from_timestamp(i64::from(product) * 7 % 5, 0).expect("a time"),
            title_sort: fold(title),
            search_text,
        };
        IndexRow { product_id: Uuid::from_u128(product.into()), version: 1, listed: Some(listed) }
    }

    fn gone(product: u8) -> IndexRow {
        IndexRow { product_id: Uuid::from_u128(product.into()), version: 1, listed: None }
    }

    /// Titles of all that is found, page by page, with `between` done after each page.
    fn pages(index: &mut Index, typed: &str, sort: Sort, size: usize, mut between: impl FnMut(&mut Index, usize)) -> Vec<Uuid> {
        let (wanted, filters, around) = (parse(typed), Filters::default(), Surroundings::default());
        let (mut all, mut position) = (Vec::new(), None);
        for page in 0.. {
            let found = index.find(&wanted, &filters, &around, position.as_ref(), DAY);
            let hits = index.page(&found, sort, position.as_ref().map(|position| &position.last), size);
            all.extend(hits.products.into_iter().map(|(_, id)| id));
            position = hits.more;
            if position.is_none() {
                break;
            }
            between(index, page);
        }
        all
    }

    const TITLES: [&str; 6] =
        ["Keripik tempe", "Keripik singkong pedas", "Dodol durian", "Kripik pisang", "Tempe mendoan", "Paket keripik dan dodol"];
    const SORTS: [Sort; 5] = [Sort::Relevance, Sort::Newest, Sort::Cheapest, Sort::Dearest, Sort::Title];

    proptest! {
        #[test]
        fn no_product_comes_twice_and_none_is_missed_that_was_there_throughout(
            first in vec((0_u8..40, 0_usize..6, 0_i64..4), 1..40),
            later in vec((0_u8..80, 0_usize..6, 0_i64..4, any::<bool>()), 0..40),
            typed in prop::sample::select(vec!["", "keripik", "keripk", "ker", "tempe keripik", "dodol"]),
            sort in prop::sample::select(SORTS.to_vec()),
            size in 1_usize..6,
        ) {
            let mut index = Index::default();
            let before: BTreeMap<u8, (usize, i64)> = first.iter().map(|(product, title, price)| (*product, (*title, *price))).collect();
            index.fill(before.iter().map(|(product, (title, price))| row(*product, TITLES[*title], *price)));
            index.put_in_order();
            let once = pages(&mut index, typed, sort, 1000, |_, _| {});
            let changed: BTreeSet<u8> = later.iter().map(|(product, ..)| *product).collect();
            let mut changes = later.into_iter();
            let seen = pages(&mut index, typed, sort, size, |index, _| {
                for (product, title, price, leaves) in changes.by_ref().take(3) {
                    index.apply(if leaves { gone(product) } else { row(product, TITLES[title], price) });
                }
            });
            // A product that changes may move; of the others each comes once.
            let steady = |ids: &[Uuid]| ids.iter().copied().filter(|id| !changed.contains(&(id.as_u128() as u8))).collect::<Vec<_>>();
            prop_assert_eq!(steady(&seen), steady(&once));
        }

        #[test]
        fn what_has_all_words_is_found_by_the_rarest_as_it_is_by_going_through_all(
            products in vec((0_u8..60, 0_usize..6), 1..60),
            typed in prop::sample::select(vec!["tempe keripik", "keripik dodol", "paket kripik dodol", "keripk pedas", "durian dodol"]),
        ) {
            let mut index = Index::default();
            for (product, title) in &products {
                index.apply(row(*product, TITLES[*title], 1));
            }
            let terms: Vec<Terms> = parse(typed).iter().map(|wanted| index.understand(wanted, true).1).collect();
            let all = terms.len() as u8;
            let by_all: BTreeMap<u32, u32> = index.with_any(&terms, |_| all).1.into_iter().collect();
            for rarest in 0..terms.len() {
                prop_assert_eq!(&index.with_all(&terms, rarest).into_iter().collect::<BTreeMap<_, _>>(), &by_all);
            }
        }

        #[test]
        fn strides_find_what_a_look_at_each_finds(postings in prop::collection::btree_set(0_u32..200, 0..60), document in 0_u32..210) {
            let postings: Vec<(u32, u8)> = postings.into_iter().map(|document| (document, 1)).collect();
            prop_assert_eq!(position_of(&postings, document), postings.iter().take_while(|(known, _)| *known < document).count());
        }

        #[test]
        fn a_price_filter_leaves_what_costs_so_much_in_every_order(
            products in vec((0_u8..60, 0_usize..6, 0_i64..30), 1..60),
            bounds in (prop::option::of(0_i64..30), prop::option::of(0_i64..30)),
            typed in prop::sample::select(vec!["", "keripik"]),
            size in 1_usize..7,
        ) {
            let mut index = Index::default();
            let products: BTreeMap<u8, (usize, i64)> = products.into_iter().map(|(product, title, price)| (product, (title, price))).collect();
            for (product, (title, price)) in &products {
                index.apply(row(*product, TITLES[*title], *price * 100));
            }
            let filters = Filters { price_min: bounds.0, price_max: bounds.1, ..Filters::default() };
            let all = pages(&mut index, typed, Sort::Newest, 1000, |_, _| {});
            let fits = |id: &Uuid| {
                let price = products[&(id.as_u128() as u8)].1;
                bounds.0.is_none_or(|least| price >= least) && bounds.1.is_none_or(|most| price <= most)
            };
            let expected: BTreeSet<Uuid> = all.into_iter().filter(fits).collect();
            for sort in SORTS {
                let (mut found_ids, mut position) = (Vec::new(), None);
                loop {
                    let found = index.find(&parse(typed), &filters, &Surroundings::default(), position.as_ref(), DAY);
                    prop_assert_eq!(found.count(), expected.len());
                    let hits = index.page(&found, sort, position.as_ref().map(|position| &position.last), size);
                    found_ids.extend(hits.products.into_iter().map(|(_, id)| id));
                    position = hits.more;
                    if position.is_none() {
                        break;
                    }
                }
                prop_assert_eq!(found_ids.len(), expected.len());
                prop_assert_eq!(&found_ids.into_iter().collect::<BTreeSet<_>>(), &expected);
            }
        }

        #[test]
        fn an_index_that_took_up_changes_is_one_that_was_filled_anew(changes in vec((0_u8..20, 0_usize..6, 0_i64..4, any::<bool>()), 0..60)) {
            let (mut followed, mut state) = (Index::default(), BTreeMap::new());
            for (product, title, price, leaves) in changes {
                if leaves {
                    state.remove(&product);
                    followed.apply(gone(product));
                } else {
                    state.insert(product, (title, price));
                    followed.apply(row(product, TITLES[title], price));
                }
            }
            let mut fresh = Index::default();
            fresh.fill(state.iter().map(|(product, (title, price))| row(*product, TITLES[*title], *price)));
            fresh.put_in_order();
            prop_assert_eq!(followed.len(), state.len());
            for typed in ["", "keripik", "tempe kripik", "dodl", "dodil"] {
                for sort in SORTS {
                    prop_assert_eq!(pages(&mut followed, typed, sort, 3, |_, _| {}), pages(&mut fresh, typed, sort, 50, |_, _| {}), "{} {:?}", typed, sort);
                }
            }
        }
    }

    #[test]
    fn names_go_before_tags_before_text_and_shorter_names_before_longer_ones() {
        let mut index = Index::default();
        let text = |text: &str| vec![Localized { id: text.to_owned(), en: None }];
        let entries = [
            (1, Entry { name: text("Kue kering"), text: text("dengan tempe"), ..Entry::default() }),
            (2, Entry { name: text("Kue basah"), tags: text("tempe"), ..Entry::default() }),
            (3, Entry { name: text("Paket oleh-oleh tempe dan dodol"), ..Entry::default() }),
            (4, Entry { name: text("Tempe"), ..Entry::default() }),
        ];
        for (product, entry) in entries {
            let mut row = row(product, "x", 1);
            if let Some(listed) = &mut row.listed {
                listed.search_text = serde_json::to_string(&entry).expect("JSON");
            }
            index.apply(row);
        }
        let order: Vec<u128> = pages(&mut index, "tempe", Sort::Relevance, 10, |_, _| {}).iter().map(Uuid::as_u128).collect();
        assert_eq!(order, [4, 3, 2, 1]);
    }
}
