//! The demo data: of 2017 it states only what is known, so that unknown days stay unknown; what is invented is marked
//! as demo. It is made by the same use cases as everything else, photos included.

use std::{collections::BTreeMap, time::Duration};

use chrono::{Datelike, Days, NaiveDate, Utc};
use image::{Rgb, RgbImage};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    app::App,
    catalogue::{
        self,
        attributes::{
            self,
            model::{AttributeChoice, AttributeDefinition, AttributeKind},
        },
        model::{ContentUnit, ListingEvent, ListingStatus, NetContent, NewMaterial, NewProduct, NewVariant, Origin, Storage},
        service::Decision,
    },
    exhibitions::{
        self,
        model::{DatePrecision, Dates, ExhibitionEvent, Venue},
        plan::{
            self,
            model::{Batch, Booth, Hall},
        },
        service::{NewItem, Profile, Source},
    },
    fault::{Fault, Outcome},
    identity::{
        policy,
        service::{NewUser, prepare_user, random_password},
        store::{self as people, AgencyRow, Target},
    },
    media::{
        self,
        model::{MediaStatus, NewAttachment},
        service::Received,
    },
    mentoring::{self, Programme, WubGroup},
    platform::database::sql,
    sme::{self, model::SmeEvent, service::Registration},
    values::hex,
    values::{Language, Localized, MoneyInput, handle_from},
    work::Work,
};

/// A demo account; the password is known only to the start that made it.
pub struct Account {
    pub email: &'static str,
    pub password: Option<String>,
}

const ACCOUNTS: [(&str, &str); 4] = [
    ("owner@demo.example", "Pemilik Demo"),
    ("officer@demo.example", "Petugas Demo"),
    ("coordinator@demo.example", "Koordinator Demo"),
    ("admin@demo.example", "Admin Demo"),
];

const PRESS: &str = "forwatnews.com, 2017-10-04";
const BRIEF: &str = "project brief; not verified";

/// Name, and the number of its WUB group if it is in one.
const SMES: [(&str, Option<usize>); 12] = [
    ("Dodol Cisadane", None),
    ("Keripik Tempe Barokah", Some(3)),
    ("Singkong Renyah", Some(2)),
    ("Kreasi Limbah Tangerang", None),
    ("Kebaya Benteng", Some(0)),
    ("Seragam Jaya", Some(0)),
    ("Tempe Murni", Some(3)),
    ("Kue Basah Ibu Dapur", None),
    ("Lampu Logam Kita", None),
    ("Tas Perca Mandiri", Some(0)),
    ("Roti Kering Lestari", None),
    ("Anyaman Bambu Serpong", None),
];

struct Item {
    sme: usize,
    category: &'static str,
    id: &'static str,
    en: &'static str,
    /// Rupiah; the other variants follow.
    price: i64,
    /// Grams for food; the Indonesian and English waste source for crafts.
    content: Content,
}

enum Content {
    Food { grams: i64, days: i64, ingredients: (&'static str, &'static str), allergen: Option<&'static str> },
    Waste { material: (&'static str, &'static str), source: (&'static str, &'static str), share_bp: i64, grams: i64 },
    Plain { material: (&'static str, &'static str) },
}

const fn food(
    sme: usize,
    category: &'static str,
    id: &'static str,
    en: &'static str,
    price: i64,
    grams: i64,
    days: i64,
    ingredients: (&'static str, &'static str),
    allergen: Option<&'static str>,
) -> Item {
    Item { sme, category, id, en, price, content: Content::Food { grams, days, ingredients, allergen } }
}

const fn craft(
    sme: usize,
    id: &'static str,
    en: &'static str,
    price: i64,
    material: (&'static str, &'static str),
    source: (&'static str, &'static str),
    share_bp: i64,
    grams: i64,
) -> Item {
    Item { sme, category: "suvenir-limbah", id, en, price, content: Content::Waste { material, source, share_bp, grams } }
}

const fn plain(sme: usize, category: &'static str, id: &'static str, en: &'static str, price: i64, material: (&'static str, &'static str)) -> Item {
    Item { sme, category, id, en, price, content: Content::Plain { material } }
}

const DODOL: (&str, &str) = ("Tepung ketan, gula aren, santan", "Glutinous rice flour, palm sugar, coconut milk");
const TEMPE: (&str, &str) = ("Kedelai, ragi tempe, minyak, garam", "Soybeans, tempe starter, oil, salt");
const CASSAVA: (&str, &str) = ("Singkong, minyak, garam", "Cassava, oil, salt");
const FLOUR: (&str, &str) = ("Tepung beras, gula, santan", "Rice flour, sugar, coconut milk");
const WHEAT: (&str, &str) = ("Tepung terigu, gula, mentega", "Wheat flour, sugar, butter");
const METAL: (&str, &str) = ("Potongan logam", "Metal offcuts");
const METAL_FROM: (&str, &str) = ("Bengkel pres lokal", "Local press shops");
const PLASTIC: (&str, &str) = ("Potongan plastik", "Plastic offcuts");
const PLASTIC_FROM: (&str, &str) = ("Pabrik kemasan", "Packaging factories");
const TEXTILE: (&str, &str) = ("Kain perca", "Fabric offcuts");
const TEXTILE_FROM: (&str, &str) = ("Konveksi", "Garment workshops");
const COTTON: (&str, &str) = ("Katun", "Cotton");
const BAMBOO: (&str, &str) = ("Bambu", "Bamboo");

const ITEMS: [Item; 40] = [
    food(0, "dodol", "Kue dodol original", "Original dodol", 25_000, 250, 60, DODOL, None),
    food(0, "dodol", "Kue dodol durian", "Durian dodol", 32_000, 250, 45, DODOL, None),
    food(0, "dodol", "Kue dodol ketan hitam", "Black glutinous rice dodol", 28_000, 250, 60, DODOL, None),
    food(0, "dodol", "Dodol wijen", "Sesame dodol", 29_000, 250, 60, DODOL, Some("wijen")),
    food(0, "dodol", "Dodol kacang", "Peanut dodol", 29_000, 250, 60, DODOL, Some("kacang tanah")),
    food(1, "keripik", "Keripik tempe original", "Original tempe chips", 15_000, 150, 90, TEMPE, Some("kedelai")),
    food(1, "keripik", "Keripik tempe pedas", "Spicy tempe chips", 16_000, 150, 90, TEMPE, Some("kedelai")),
    food(1, "keripik", "Keripik tempe daun jeruk", "Lime leaf tempe chips", 16_500, 150, 90, TEMPE, Some("kedelai")),
    food(1, "keripik", "Keripik tempe keju", "Cheese tempe chips", 17_500, 150, 90, TEMPE, Some("kedelai, susu")),
    food(2, "keripik", "Keripik singkong asin", "Salted cassava chips", 12_000, 200, 120, CASSAVA, None),
    food(2, "keripik", "Keripik singkong balado", "Balado cassava chips", 13_500, 200, 120, CASSAVA, None),
    food(2, "keripik", "Keripik singkong keju", "Cheese cassava chips", 14_500, 200, 120, CASSAVA, Some("susu")),
    food(2, "keripik", "Keripik singkong gula aren", "Palm sugar cassava chips", 14_000, 200, 120, CASSAVA, None),
    craft(3, "Tas belanja dari limbah plastik", "Shopping bag from plastic offcuts", 85_000, PLASTIC, PLASTIC_FROM, 8500, 320),
    craft(3, "Dompet dari kemasan bekas", "Wallet from used packaging", 45_000, PLASTIC, PLASTIC_FROM, 7000, 90),
    craft(3, "Gantungan kunci limbah logam", "Key ring from metal offcuts", 15_000, METAL, METAL_FROM, 9500, 40),
    craft(3, "Tempat pena limbah logam", "Pen holder from metal offcuts", 55_000, METAL, METAL_FROM, 9000, 260),
    craft(3, "Miniatur becak limbah logam", "Becak miniature from metal offcuts", 120_000, METAL, METAL_FROM, 9500, 450),
    plain(4, "pakaian", "Kebaya encim bordir", "Embroidered encim kebaya", 385_000, COTTON),
    plain(4, "pakaian", "Kebaya kutu baru", "Kutu baru kebaya", 325_000, COTTON),
    plain(4, "pakaian", "Selendang benteng", "Benteng shawl", 145_000, COTTON),
    plain(5, "pakaian", "Seragam sekolah dasar", "Primary school uniform", 110_000, COTTON),
    plain(5, "pakaian", "Kemeja kerja lapangan", "Field work shirt", 165_000, COTTON),
    plain(5, "pakaian", "Rompi panitia", "Crew vest", 95_000, COTTON),
    food(6, "tempe", "Tempe kedelai daun pisang", "Soybean tempe in banana leaf", 9_000, 400, 3, TEMPE, Some("kedelai")),
    food(6, "tempe", "Tempe kedelai papan", "Soybean tempe slab", 11_000, 500, 3, TEMPE, Some("kedelai")),
    food(7, "kue-basah", "Kue lapis beras", "Layered rice cake", 30_000, 600, 2, FLOUR, None),
    food(7, "kue-basah", "Wajik gula aren", "Palm sugar wajik", 28_000, 500, 4, FLOUR, None),
    food(7, "kue-basah", "Talam ubi", "Sweet potato talam", 27_000, 500, 2, FLOUR, None),
    craft(8, "Lampu meja potongan logam", "Table lamp from metal offcuts", 275_000, METAL, METAL_FROM, 8000, 1200),
    craft(8, "Lampu gantung potongan logam", "Pendant lamp from metal offcuts", 345_000, METAL, METAL_FROM, 7500, 1500),
    craft(8, "Lampu tidur potongan plastik", "Night lamp from plastic offcuts", 135_000, PLASTIC, PLASTIC_FROM, 7000, 300),
    craft(9, "Tas perca batik", "Patchwork batik bag", 125_000, TEXTILE, TEXTILE_FROM, 8000, 220),
    craft(9, "Tas ransel perca denim", "Patchwork denim backpack", 185_000, TEXTILE, TEXTILE_FROM, 7500, 480),
    craft(9, "Sarung bantal perca", "Patchwork cushion cover", 65_000, TEXTILE, TEXTILE_FROM, 9000, 180),
    food(10, "roti-kue-kering", "Nastar nanas", "Pineapple nastar", 65_000, 400, 60, WHEAT, Some("gluten, susu, telur")),
    food(10, "roti-kue-kering", "Kastengel keju", "Cheese kaasstengels", 72_000, 400, 60, WHEAT, Some("gluten, susu, telur")),
    food(10, "roti-kue-kering", "Bagelen panggang", "Toasted bagelen", 22_000, 300, 60, WHEAT, Some("gluten, susu")),
    plain(11, "anyaman", "Keranjang anyaman bambu", "Plaited bamboo basket", 78_000, BAMBOO),
    plain(11, "anyaman", "Tampah anyaman bambu", "Plaited bamboo tray", 52_000, BAMBOO),
];

/// Seeds once. What a killed start left half done, the next one completes.
pub async fn seed(app: &App) -> anyhow::Result<Vec<Account>> {
    let accounts = people_and_places(app).await?;
    if fact(app, "demo_seeded").await?.is_none() {
        let officer = user(app, "officer@demo.example").await?;
        define_attributes(app).await?;
        for index in 0..ITEMS.len() {
            draft_with_photo(app, index, officer).await?;
        }
        for index in 0..ITEMS.len() {
            publish(app, index, officer).await?;
        }
        future_lineup(app).await?;
    }
    Ok(accounts)
}

/// What two categories ask of their products; made up, like the products.
async fn define_attributes(app: &App) -> Outcome<()> {
    let label = |(id, en): (&str, &str)| Localized::new(id, en);
    let define = |name: &str, named, kind, choices: &[(&str, &str, &str)]| AttributeDefinition {
        name: name.to_owned(),
        label: label(named),
        kind,
        choices: choices.iter().map(|(value, id, en)| AttributeChoice { value: (*value).to_owned(), label: label((id, en)) }).collect(),
        minimum: None,
        maximum: None,
        unit: None,
        required: false,
    };
    let level = define("heat", ("Tingkat pedas", "Heat"), AttributeKind::Integer, &[]);
    let chips =
        [define("taste", ("Rasa", "Taste"), AttributeKind::Choice, TASTES), AttributeDefinition { minimum: Some(0), maximum: Some(5), ..level }];
    let sizes = [("s", "S", "S"), ("m", "M", "M"), ("l", "L", "L"), ("xl", "XL", "XL")];
    let garments = [define("sizes", ("Ukuran", "Sizes"), AttributeKind::Several, &sizes)];
    let admin = user(app, "admin@demo.example").await?;
    let work = Work::begin(app, "demo").await?;
    for (category, definitions) in [("keripik", chips.as_slice()), ("pakaian", &garments)] {
        let found = catalogue::store::category_by_slug(work.db(), category).await?.ok_or_else(Fault::not_found)?;
        // A first start that was cut off goes on where it was.
        if attributes::store::newest(work.db(), found.id).await? == 0 {
            attributes::service::define(&work, &policy::system(admin), category, definitions).await?;
        }
    }
    work.commit().await
}

/// value, Indonesian, English; the Indonesian word is looked for in the title.
const TASTES: &[(&str, &str, &str)] = &[
    ("original", "Original", "Original"),
    ("hot", "Pedas", "Hot"),
    ("lime_leaf", "Daun jeruk", "Lime leaf"),
    ("cheese", "Keju", "Cheese"),
    ("salty", "Asin", "Salty"),
    ("balado", "Balado", "Balado"),
    ("palm_sugar", "Gula aren", "Palm sugar"),
];

/// What a product says of itself by what its category asks.
fn stated(item: &Item) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    if item.category == "keripik" {
        let heat = if item.id.ends_with("pedas") { 4 } else { i64::from(item.id.ends_with("balado")) * 3 };
        values.insert("heat".to_owned(), heat.into());
        if let Some((taste, ..)) = TASTES.iter().find(|(_, id, _)| item.id.ends_with(&id.to_lowercase())) {
            values.insert("taste".to_owned(), (*taste).into());
        }
    }
    if item.category == "pakaian" {
        values.insert("sizes".to_owned(), json!(["s", "m", "l", "xl"]));
    }
    values
}

/// The value of a fact of the service, such as that the demo was seeded.
async fn fact(app: &App, name: &str) -> Outcome<Option<String>> {
    let reader = app.database.reader();
    let row = reader.query_one_raw(sql(reader, "select value from service_facts where name = ?", [name.into()])).await?;
    Ok(row.map(|row| row.try_get("", "value")).transpose()?)
}

async fn note_fact(work: &Work, name: &str) -> Outcome<()> {
    let text = "insert into service_facts (name, value) values (?, 'yes')";
    work.db().execute_raw(sql(work.db(), text, [name.into()])).await?;
    Ok(())
}

async fn user(app: &App, email: &str) -> Outcome<Uuid> {
    let user = people::user_by_email(app.database.reader(), email).await?;
    Ok(user.ok_or_else(Fault::not_found)?.id)
}

/// One transaction: accounts, agency, Bimtek, groups, SMEs, exhibitions.
async fn people_and_places(app: &App) -> Outcome<Vec<Account>> {
    if fact(app, "demo_people").await?.is_some() {
        return Ok(ACCOUNTS.map(|(email, _)| Account { email, password: None }).into());
    }
    let work = Work::begin(app, "demo").await?;
    let mut accounts = Vec::new();
    let mut ids = Vec::new();
    for (email, name) in ACCOUNTS {
        let password = app.config.demo_password.clone().unwrap_or_else(random_password);
        let is_operator = email.starts_with("admin");
        let new = NewUser { email: email.into(), display_name: name.into(), password: password.clone(), locale: Language::Id, is_operator };
        ids.push(people::insert_user(work.db(), prepare_user(new).await?).await?);
        accounts.push(Account { email, password: Some(password) });
    }
    let agency = AgencyRow {
        id: Uuid::now_v7(),
        name: "Disperindag Kota Tangerang (demo)".into(),
        kind: "city_office".into(),
        regency_code: Some("36.71".into()),
        time_zone: "Asia/Jakarta".into(),
    };
    people::insert_agency(work.db(), &agency).await?;
    let staff = [(ids[1], "officer"), (ids[2], "coordinator"), (ids[3], "head")];
    for (user, role) in staff {
        people::add_member(work.db(), Target::Agency(agency.id), user, role).await?;
    }
    let groups = mentoring_of_2017(&work, agency.id).await?;
    for (name, group) in &SMES {
        let registration = Registration {
            agency_id: agency.id,
            brand_name: (*name).into(),
            legal_name: None,
            handle: None,
            story: Localized::new(
                &format!("{name} adalah usaha contoh (demo) binaan dinas. Nama dan produknya dibuat untuk peragaan."),
                &format!("{name} is an example business (demo) mentored by the office. Name and products were made up for demonstration."),
            ),
            regency_code: "36.71".into(),
            is_demo: true,
        };
        let sme = sme::service::register(&work, &policy::system(ids[0]), registration).await?;
        let sme = sme::service::review(&work, &policy::system(ids[1]), sme, SmeEvent::Verify, None).await?;
        if let Some(group) = group {
            mentoring::join_group(work.db(), groups[*group], sme.id).await?;
        }
    }
    exhibitions_of_2017(&work, agency.id, ids[2]).await?;
    future_exhibition(&work, agency.id, ids[2]).await?;
    note_fact(&work, "demo_people").await?;
    work.commit().await?;
    Ok(accounts)
}

async fn mentoring_of_2017(work: &Work, agency: Uuid) -> Outcome<Vec<Uuid>> {
    let day = |day| NaiveDate::from_ymd_opt(2017, 10, day).unwrap_or_default();
    let bimtek = Programme {
        id: Uuid::now_v7(),
        title: Localized::new(
            "Bimtek Penumbuhan dan Pengembangan Wirausaha Industri Kecil dan Menengah",
            "Technical guidance on starting and growing small and medium industry businesses",
        ),
        organiser: "Kementerian Perindustrian, Ditjen IKM".into(),
        venue: Some("Hotel Grand Serpong, Kota Tangerang".into()),
        starts_on: day(4),
        ends_on: day(8),
        time_zone: "Asia/Jakarta".into(),
        quota: Some(120),
        source: PRESS.into(),
        source_status: "verified".into(),
    };
    mentoring::insert_programme(work.db(), agency, &bimtek).await?;
    let mut ids = Vec::new();
    for (id, en, focus) in [
        ("WUB Pakaian Jadi", "WUB Garments", "garments"),
        ("WUB Service AC", "WUB AC service", "ac_service"),
        ("WUB Keripik", "WUB Chips", "chips"),
        ("WUB Tempe", "WUB Tempe", "tempe"),
    ] {
        let group = WubGroup {
            id: Uuid::now_v7(),
            name: Localized::new(id, en),
            focus: focus.into(),
            members: 0,
            source: PRESS.into(),
            source_status: "verified".into(),
        };
        mentoring::insert_group(work.db(), agency, &group).await?;
        ids.push(group.id);
    }
    Ok(ids)
}

/// The three real exhibitions. Nothing is invented: no line-up, no figures, no day that is not known.
async fn exhibitions_of_2017(work: &Work, agency: Uuid, by: Uuid) -> Outcome<()> {
    let unknown = Dates { starts_on: None, ends_on: None, precision: DatePrecision::Unknown };
    let december =
        Dates { starts_on: NaiveDate::from_ymd_opt(2017, 12, 1), ends_on: NaiveDate::from_ymd_opt(2017, 12, 31), precision: DatePrecision::Month };
    let held = Localized::new(
        "IKM binaan tampil di sini sebelum 4 Oktober 2017. Nama, tanggal dan tempat pameran tidak diketahui.",
        "Mentored SMEs showed here before 4 October 2017. Name, dates and venue of the exhibition are unknown.",
    );
    let planned = Localized::new(
        "Direncanakan Desember 2017; hari, tempat dan hasilnya tidak diketahui.",
        "Planned for December 2017; day, venue and outcome are unknown.",
    );
    for (slug, city, province, zone, dates, description, was_held) in [
        ("pontianak-2017", "Pontianak", "ID-KB", "Asia/Pontianak", &unknown, &held, true),
        ("bali-2017", "Bali", "ID-BA", "Asia/Makassar", &unknown, &held, true),
        ("solo-2017", "Surakarta (Solo)", "ID-JT", "Asia/Jakarta", &december, &planned, false),
    ] {
        let profile = Profile {
            slug: Some(slug.into()),
            title: Localized::new(&format!("Pameran {city} 2017"), &format!("{city} exhibition 2017")),
            description: Some(description.clone()),
            city: city.into(),
            province_code: province.into(),
            venue: None,
            opening_hours: Vec::new(),
            dates: dates.clone(),
            time_zone: zone.into(),
        };
        let source = Source { text: Some(BRIEF.into()), status: Some("unverified".into()), is_demo: false };
        let exhibition = exhibitions::service::create(work, &policy::system(by), agency, profile, source).await?;
        let exhibition = exhibitions::service::step(work, &policy::system(by), exhibition, ExhibitionEvent::Announce, None).await?;
        if was_held {
            exhibitions::service::step(work, &policy::system(by), exhibition, ExhibitionEvent::Complete, None).await?;
        }
    }
    Ok(())
}

/// An invented exhibition, marked as demo, that can show what the three real ones can't.
async fn future_exhibition(work: &Work, agency: Uuid, by: Uuid) -> Outcome<()> {
    let starts_on = Utc::now().date_naive() + Days::new(60);
    let year = starts_on.year();
    let profile = Profile {
        slug: Some("demo-pameran".into()),
        title: Localized::new(&format!("Pameran Produk IKM {year} (demo)"), &format!("SME products exhibition {year} (demo)")),
        description: Some(Localized::new("Pameran contoh untuk peragaan.", "An example exhibition for demonstration.")),
        city: "Tangerang".into(),
        province_code: "ID-BT".into(),
        venue: Some(Venue { name: "Gedung contoh (demo)".into(), address: None, halls: vec!["A".into()] }),
        opening_hours: Vec::new(),
        dates: Dates { starts_on: Some(starts_on), ends_on: Some(starts_on + Days::new(4)), precision: DatePrecision::Day },
        time_zone: "Asia/Jakarta".into(),
    };
    let source = Source { is_demo: true, ..Source::default() };
    let mut exhibition = exhibitions::service::create(work, &policy::system(by), agency, profile, source).await?;
    for event in [ExhibitionEvent::Announce, ExhibitionEvent::Open, ExhibitionEvent::Close, ExhibitionEvent::PublishLineup] {
        exhibition = exhibitions::service::step(work, &policy::system(by), exhibition, event, None).await?;
    }
    let owners = "select id from smes where is_demo = 1 order by id limit 10";
    for row in work.db().query_all_raw(sql(work.db(), owners, [])).await? {
        exhibitions::service::add_exhibitor(work, &policy::system(by), &exhibition, row.try_get("", "id")?, None).await?;
    }
    future_plan(work, &exhibition, by).await
}

/// Two rows of booths with an aisle, given out by the automatic suggestion.
async fn future_plan(work: &Work, exhibition: &exhibitions::store::entity::Model, by: Uuid) -> Outcome<()> {
    let permit = policy::system(by);
    let hall = Hall { id: Uuid::now_v7(), name: "Aula A (demo)".into(), width_mm: 24_000, depth_mm: 13_000 };
    let hall = plan::service::add_hall(work, &permit, exhibition, hall).await?;
    let booth = |index: i64| Booth {
        id: Uuid::now_v7(),
        hall_id: hall.id,
        code: format!("A-{:02}", index + 1),
        class: if index % 6 == 0 || index % 6 == 5 { "corner" } else { "standard" }.into(),
        x_mm: 2_000 + index % 6 * 3_400,
        y_mm: 1_000 + index / 6 * 8_000,
        width_mm: 3_000,
        depth_mm: 3_000,
        power_w: 450,
        fee_minor: 0,
        is_blocked: 0,
        slots: 1,
    };
    plan::service::add_booths(work, &permit, exhibition, (0..12).map(booth).collect()).await?;
    if let (Some(starts_on), Some(ends_on)) = (exhibition.starts_on, exhibition.ends_on) {
        let batch = Batch { id: Uuid::now_v7(), name: "Semua hari".into(), starts_on, ends_on };
        plan::service::add_batch(work, &permit, exhibition, batch).await?;
        plan::service::suggest(work, &permit, exhibition, None).await?;
        plan::service::publish(work, &permit, exhibition).await?;
    }
    Ok(())
}

async fn find(app: &App, index: usize) -> Outcome<(Uuid, Option<catalogue::store::product::Model>)> {
    let item = &ITEMS[index];
    let reader = app.database.reader();
    let text = "select id from smes where handle = ?";
    let row = reader.query_one_raw(sql(reader, text, [handle_from(SMES[item.sme].0, "ikm").into()])).await?;
    let sme: Uuid = row.ok_or_else(Fault::not_found)?.try_get("", "id")?;
    let wanted = catalogue::store::ProductsOf { sme, status: None, after: None, limit: 100 };
    let products = catalogue::store::of_sme(reader, wanted).await?;
    Ok((sme, products.into_iter().find(|product| product.handle == handle_from(item.id, "produk"))))
}

/// Creates the draft, uploads its drawn photo the way a phone would, and attaches it.
async fn draft_with_photo(app: &App, index: usize, by: Uuid) -> anyhow::Result<()> {
    let (sme, existing) = find(app, index).await?;
    let product = if let Some(product) = existing {
        product
    } else {
        let work = Work::begin(app, "demo").await?;
        let listing = catalogue::service::create(&work, &policy::system(by), new_product(sme, &ITEMS[index])).await?;
        work.commit().await?;
        listing.product
    };
    if product.status != ListingStatus::Draft || !media::service::attached(app.database.reader(), product.id).await?.is_empty() {
        return Ok(());
    }
    let file = tempfile::Builder::new().suffix(".jpg").tempfile_in(app.config.data_dir.join("spool"))?;
    tokio::task::block_in_place(|| draw(index).save(file.path()))?;
    let bytes = std::fs::read(file.path())?;
    let received = Received { file: file.path(), bytes: bytes.len() as u64, sha256: hex(&Sha256::digest(&bytes)), sme, request_id: "seed" };
    let mime = media::service::check(app, file.path()).await?;
    let stored = media::service::put(app, &received).await?;
    let work = Work::begin(app, "demo").await?;
    let photo = media::service::record(&work, &policy::system(by), &received, &stored, mime).await?;
    let item = &ITEMS[index];
    let alt = Localized::new(&format!("Gambar contoh: {}", item.id), &format!("Example drawing: {}", item.en));
    let image = NewAttachment { media_id: photo.id, alt, is_primary: true };
    catalogue::service::attach_image(&work, &policy::system(by), product, image).await?;
    work.commit().await?;
    Ok(())
}

fn new_product(sme_id: Uuid, item: &Item) -> NewProduct {
    let price = |rupiah: i64| MoneyInput { value: Some(rupiah.to_string()), ..MoneyInput::default() };
    let variant = |label: &str, rupiah, grams: Option<i64>| NewVariant {
        options: [("ukuran".to_owned(), label.to_owned())].into(),
        price: price(rupiah),
        net_content: grams.map(|value| NetContent { value, unit: ContentUnit::G }),
        weight_g: grams.map(|grams| grams + 50),
        ..NewVariant::default()
    };
    let mut product = NewProduct {
        sme_id,
        category: item.category.into(),
        title: Localized::new(item.id, item.en),
        handle: None,
        summary: Some(Localized::new(&format!("{} buatan IKM contoh (demo).", item.id), &format!("{}, made by an example SME (demo).", item.en))),
        description: Some(Localized::new(
            &format!("{} untuk peragaan Etalase. Data ini dibuat, bukan tawaran.", item.id),
            &format!("{} to demonstrate Etalase. These data are made up, not an offer.", item.en),
        )),
        made_to_order: false,
        lead_time_days: Some(7),
        shelf_life_days: None,
        storage: None,
        ingredients: None,
        allergens: None,
        attributes: stated(item),
        variants: vec![variant("standar", item.price, None)],
        materials: Vec::new(),
    };
    let material = |(id, en): (&str, &str), origin, share| NewMaterial {
        name: Localized::new(id, en),
        origin,
        waste_source: None,
        mass_share_bp: share,
        grams_diverted_per_unit: None,
    };
    match item.content {
        Content::Food { grams, days, ingredients, allergen } => {
            product.shelf_life_days = Some(days);
            product.storage = Some(if days < 7 { Storage::Chilled } else { Storage::Ambient });
            product.ingredients = Some(Localized::new(ingredients.0, ingredients.1));
            product.allergens = Some(allergen.into_iter().flat_map(|list| list.split(", ")).map(str::to_owned).collect());
            product.variants = vec![
                variant(&format!("{grams} g"), item.price, Some(grams)),
                variant(&format!("{} g", grams * 2), item.price * 19 / 10 / 100 * 100, Some(grams * 2)),
            ];
        }
        Content::Waste { material: name, source, share_bp, grams } => {
            product.materials = vec![
                NewMaterial {
                    waste_source: Some(Localized::new(source.0, source.1)),
                    grams_diverted_per_unit: Some(grams),
                    ..material(name, Origin::UpcycledIndustrial, share_bp)
                },
                material(("Bahan pelengkap", "Fittings"), Origin::Virgin, 10_000 - share_bp),
            ];
        }
        Content::Plain { material: name } => {
            let origin = if item.category == "anyaman" { Origin::Natural } else { Origin::Virgin };
            product.made_to_order = true;
            product.materials = vec![material(name, origin, 10_000)];
        }
    }
    product
}

/// A drawing of overlapping discs on a soft ground; drawn here, so free of anybody's rights.
fn draw(index: usize) -> RgbImage {
    let mut rng = StdRng::seed_from_u64(index as u64);
    let (width, height) = (1280_u32, 960_u32);
    let ground: [u8; 3] = [rng.random_range(200..245), rng.random_range(200..245), rng.random_range(190..235)];
    let mut picture = RgbImage::from_pixel(width, height, Rgb(ground));
    for _ in 0..14 {
        let (cx, cy): (i64, i64) = (rng.random_range(150..1130), rng.random_range(150..810));
        let radius: i64 = rng.random_range(60..210);
        let colour: [u8; 3] = [rng.random_range(90..230), rng.random_range(50..180), rng.random_range(30..140)];
        for y in (cy - radius).max(0)..(cy + radius).min(i64::from(height)) {
            for x in (cx - radius).max(0)..(cx + radius).min(i64::from(width)) {
                let distance = (x - cx).pow(2) + (y - cy).pow(2);
                if distance < radius * radius {
                    let shade = 255 - (distance * 70 / (radius * radius)) as u32;
                    let lit = colour.map(|channel| (u32::from(channel) * shade / 255) as u8);
                    picture.put_pixel(x as u32, y as u32, Rgb(lit));
                }
            }
        }
    }
    picture
}

/// Waits for the photo, submits and approves.
async fn publish(app: &App, index: usize, by: Uuid) -> anyhow::Result<()> {
    let (_, product) = find(app, index).await?;
    let Some(product) = product.filter(|product| matches!(product.status, ListingStatus::Draft | ListingStatus::Submitted)) else { return Ok(()) };
    for attempt in 0.. {
        let images = media::service::attached(app.database.reader(), product.id).await?;
        match images.first().map(|image| image.photo.status) {
            Some(MediaStatus::Ready) => break,
            Some(MediaStatus::Processing) if attempt < 600 => tokio::time::sleep(Duration::from_millis(50)).await,
            other => anyhow::bail!("demo photo of {}: {other:?}", product.handle),
        }
    }
    let work = Work::begin(app, "demo").await?;
    let mut product = catalogue::store::by_id(work.db(), product.id).await?;
    if product.status == ListingStatus::Draft {
        product = catalogue::service::step(&work, &policy::system(by), product, ListingEvent::Submit).await?.product;
    }
    catalogue::service::decide(&work, &policy::system(by), product, ListingEvent::Approve, Decision::default()).await?;
    work.commit().await?;
    Ok(())
}

/// Links the first product of each exhibitor, and notes that the demo is complete.
async fn future_lineup(app: &App) -> anyhow::Result<()> {
    let by = user(app, "owner@demo.example").await?;
    let work = Work::begin(app, "demo").await?;
    let exhibition = exhibitions::store::public_by_slug(work.db(), "demo-pameran").await?;
    for exhibitor in exhibitions::store::exhibitors(work.db(), exhibition.id).await? {
        let products = catalogue::store::published_of(work.db(), exhibitor.sme_id).await?;
        for (position, product) in products.into_iter().take(2).enumerate() {
            let Some(variant) = catalogue::store::variants(work.db(), product).await?.into_iter().next() else { continue };
            let price = MoneyInput { amount_minor: Some(variant.price_minor * 9 / 10 / 10_000 * 10_000), ..MoneyInput::default() };
            let item =
                NewItem { variant_id: variant.id, units_planned: 50, exhibition_price: Some(price), is_sample: false, position: position as i64 };
            exhibitions::service::add_item(&work, &policy::system(by), &exhibition, exhibitor.sme_id, item).await?;
        }
    }
    note_fact(&work, "demo_seeded").await?;
    work.commit().await?;
    Ok(())
}
