//! Reference data: the category tree and classification codes (KBLI of 2020 and of 2025, BPS Regulation 7/2025), each
//! with how well it is verified, and which of them an SME carries.

use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
};
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::{
    app::App,
    catalogue::store::{self, category},
    fault::{Fault, Outcome, say},
    http::{Body, Member, Page, Reply, Tag, Work, Write},
    identity::policy::{self, EditSme, ReadSme},
    platform::database::{Connection, sql},
    sme,
    values::Localized,
};

pub struct ReferenceApi;

/// Parent, slug, Indonesian and English name, whether it is food, default code of KBLI 2020.
type Category = (&'static str, &'static str, &'static str, &'static str, bool, Option<&'static str>);

const CATEGORIES: &[Category] = &[
    ("", "makanan", "Makanan", "Food", true, None),
    ("makanan", "dodol", "Dodol", "Dodol", true, Some("10796")),
    ("makanan", "kue-basah", "Kue basah", "Wet cakes", true, Some("10792")),
    ("makanan", "roti-kue-kering", "Roti dan kue kering", "Bakery", true, Some("10710")),
    ("makanan", "tempe", "Tempe", "Tempe", true, Some("10391")),
    ("makanan", "tahu", "Tahu", "Tofu", true, Some("10392")),
    ("makanan", "keripik", "Keripik dan kerupuk", "Chips and crackers", true, Some("10794")),
    ("makanan", "makanan-lain", "Makanan lain", "Other food", true, Some("10799")),
    ("", "pakaian", "Pakaian jadi", "Garments", false, Some("14111")),
    ("", "kerajinan", "Kerajinan", "Crafts", false, Some("32903")),
    ("kerajinan", "anyaman", "Anyaman", "Plaited ware", false, Some("16291")),
    ("kerajinan", "ukiran", "Ukiran kayu", "Wood carving", false, Some("16293")),
    ("kerajinan", "suvenir-limbah", "Suvenir dari limbah", "Souvenirs from waste", false, Some("32903")),
];

/// Version, code, Indonesian and English title, how well it is verified.
const KBLI: &[(&str, &str, &str, &str, &str)] = &[
    ("2020", "10796", "Industri Dodol", "Dodol", "secondary"),
    ("2025", "10796", "Industri Dodol", "Dodol", "secondary"),
    ("2020", "10792", "Industri Kue Basah", "Wet cakes", "secondary"),
    ("2025", "10792", "Industri Kue Basah", "Wet cakes", "secondary"),
    ("2020", "10710", "Industri Produk Roti dan Kue", "Bread and cakes", "secondary"),
    ("2025", "10710", "Industri Produk Bakeri", "Bakery products", "secondary"),
    ("2020", "10391", "Industri Tempe Kedelai", "Soybean tempe", "secondary"),
    ("2025", "10307", "Pembuatan Tempe Kedelai", "Soybean tempe", "secondary"),
    ("2020", "10392", "Industri Tahu Kedelai", "Soybean tofu", "secondary"),
    ("2025", "10308", "Pembuatan Tahu Kedelai", "Soybean tofu", "secondary"),
    ("2020", "10793", "Industri Makanan dari Kedelai dan Kacang Lainnya", "Food of soy and other beans", "secondary"),
    ("2025", "10793", "Produk Makanan dari Kelapa", "Food of coconut", "secondary"),
    ("2020", "10794", "Industri Kerupuk, Keripik, Peyek", "Crackers and chips", "secondary"),
    ("2025", "10794", "Industri Kerupuk, Keripik, Peyek", "Crackers and chips", "secondary"),
    ("2020", "10799", "Industri Produk Makanan Lainnya", "Other food", "secondary"),
    ("2020", "14111", "Industri Pakaian Jadi dari Tekstil", "Garments of textile", "secondary"),
    ("2020", "14112", "Industri Pakaian Jadi dari Kulit", "Garments of leather", "secondary"),
    ("2020", "16291", "Industri Anyaman dari Rotan dan Bambu", "Plaiting of rattan and bamboo", "secondary"),
    ("2025", "16291", "Industri Anyaman dari Rotan dan Bambu", "Plaiting of rattan and bamboo", "secondary"),
    ("2020", "16292", "Industri Anyaman dari Tanaman Lain", "Plaiting of other plants", "secondary"),
    ("2025", "16292", "Industri Anyaman dari Tanaman Lain", "Plaiting of other plants", "secondary"),
    ("2020", "16293", "Industri Kerajinan Ukiran dari Kayu Bukan Mebeller", "Wood carving, not furniture", "secondary"),
    ("2025", "16293", "Industri Kerajinan Ukiran dari Kayu Bukan Furnitur", "Wood carving, not furniture", "secondary"),
    ("2020", "32903", "Industri Kerajinan YTDL", "Other crafts", "secondary"),
    ("2020", "95220", "Reparasi Peralatan Rumah Tangga", "Repair of household appliances", "secondary"),
    ("2025", "95220", "Reparasi Peralatan Rumah Tangga", "Repair of household appliances", "secondary"),
    ("2020", "43224", "Instalasi Pendingin dan Ventilasi Udara", "Cooling and ventilation", "secondary"),
];

/// Code of 2020, code of 2025, relation.
const CROSSWALK: &[(&str, &str, &str)] = &[
    ("10796", "10796", "same"),
    ("10792", "10792", "same"),
    ("10710", "10710", "same"),
    ("10391", "10307", "moved"),
    ("10392", "10308", "moved"),
    ("10793", "10793", "changed_meaning"),
    ("10794", "10794", "same"),
    ("16291", "16291", "same"),
    ("16292", "16292", "same"),
    ("16293", "16293", "same"),
    ("95220", "95220", "same"),
];

/// Puts the reference data in, once.
pub async fn seed(app: &App) -> Outcome<()> {
    let work = Work::begin(app, "reference").await?;
    if !store::categories(work.db()).await?.is_empty() {
        return Ok(());
    }
    let mut rows: Vec<category::Model> = Vec::new();
    for (position, (parent, slug, id, en, is_food, kbli)) in CATEGORIES.iter().enumerate() {
        let parent = rows.iter().find(|row| row.slug == *parent);
        let row = category::Model {
            id: Uuid::now_v7(),
            parent_id: parent.map(|row| row.id),
            slug: (*slug).to_owned(),
            path: parent.map_or_else(|| (*slug).to_owned(), |row| format!("{}/{slug}", row.path)),
            name: Localized::new(id, en),
            is_food: i64::from(*is_food),
            default_kbli: kbli.map(str::to_owned),
            position: position as i64,
        };
        store::insert_category(work.db(), row.clone()).await?;
        rows.push(row);
    }
    for (version, code, id, en, verified) in KBLI {
        let text = "insert into classification_codes (scheme, version, code, title, verified) values ('KBLI', ?, ?, ?, ?)";
        let values = [(*version).into(), (*code).into(), json!(Localized::new(id, en)).into(), (*verified).into()];
        work.db().execute_raw(sql(work.db(), text, values)).await?;
    }
    for (from, to, relation) in CROSSWALK {
        let text = "insert into classification_crosswalks (scheme, from_version, from_code, to_version, to_code, relation) values ('KBLI', '2020', ?, '2025', ?, ?)";
        work.db().execute_raw(sql(work.db(), text, [(*from).into(), (*to).into(), (*relation).into()])).await?;
    }
    work.touch_catalogue();
    work.commit().await
}

/// A code of a classification, with where it went.
#[derive(Object, FromQueryResult)]
pub struct Classification {
    /// `KBLI` or `HS`.
    pub scheme: String,
    pub version: String,
    pub code: String,
    pub title: Localized,
    /// `verified`, `secondary` (not from the regulation itself) or `unverified`.
    pub verified: String,
    /// The code of the next version, where it is known.
    pub next_code: Option<String>,
    /// `same`, `moved` or `changed_meaning`: the same digits may mean something else.
    pub next_relation: Option<String>,
}

/// A code that an SME carries.
#[derive(Object, Deserialize, FromQueryResult)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct SmeClassification {
    #[oai(validator(max_length = 20))]
    pub scheme: String,
    #[oai(validator(max_length = 20))]
    pub version: String,
    #[oai(validator(max_length = 20))]
    pub code: String,
    /// 1 for the main trade, 0 for others.
    #[serde(default)]
    #[oai(default)]
    #[oai(validator(minimum(value = "0"), maximum(value = "1")))]
    pub is_primary: i64,
}

/// All codes of an SME, in place of those it had.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct SmeClassifications {
    #[oai(validator(max_items = 20))]
    pub codes: Vec<SmeClassification>,
}

async fn of_sme(connection: &Connection, sme: Uuid) -> Outcome<Reply<Page<SmeClassification>>> {
    let text = "select scheme, version, code, is_primary from sme_classifications where sme_id = ? order by is_primary desc, version, code";
    let rows = connection.query_all_raw(sql(connection, text, [sme.into()])).await?;
    let data = rows.iter().map(|row| SmeClassification::from_query_result(row, "")).collect::<Result<_, _>>()?;
    Ok(Reply::new(&Page::whole(data, 100)))
}

#[OpenApi(tag = "Tag::Smes")]
impl ReferenceApi {
    /// Classification codes
    ///
    /// Of every version, since the same digits may mean different things.
    #[oai(path = "/v1/classifications", method = "get", operation_id = "list_classifications")]
    async fn classifications(&self, app: Data<&App>, _member: Member, version: Query<Option<String>>) -> poem::Result<Reply<Page<Classification>>> {
        let reader = app.database.reader();
        let text = "select c.scheme, c.version, c.code, c.title, c.verified, x.to_code as next_code, x.relation as next_relation \
                    from classification_codes c left join classification_crosswalks x \
                    on x.scheme = c.scheme and x.from_version = c.version and x.from_code = c.code \
                    where ? = '' or c.version = ? order by c.code, c.version limit 5000";
        let version = version.0.unwrap_or_default();
        let rows = reader.query_all_raw(sql(reader, text, [version.clone().into(), version.into()])).await.map_err(Fault::from)?;
        let data = rows.iter().map(|row| Classification::from_query_result(row, "")).collect::<Result<_, _>>().map_err(Fault::from)?;
        Ok(Reply::new(&Page::whole(data, 5000)))
    }

    /// Classification of an SME
    #[oai(path = "/v1/smes/:sme_id/classifications", method = "get", operation_id = "list_sme_classifications")]
    async fn list(&self, app: Data<&App>, member: Member, sme_id: Path<Uuid>) -> poem::Result<Reply<Page<SmeClassification>>> {
        let reader = app.database.reader();
        policy::permit::<ReadSme>(&member, &sme::store::scope(reader, *sme_id).await?)?;
        Ok(of_sme(reader, *sme_id).await?)
    }

    /// Classify an SME
    ///
    /// Replaces all its codes; at most one is the primary.
    #[oai(path = "/v1/smes/:sme_id/classifications", method = "post", operation_id = "classify_sme")]
    async fn classify(
        &self,
        member: Member,
        write: Write,
        sme_id: Path<Uuid>,
        body: Body<SmeClassifications>,
    ) -> poem::Result<Reply<Page<SmeClassification>>> {
        let work = write.begin(&member, body.bytes()).await?;
        let permit = policy::permit::<EditSme>(&member, &sme::store::scope(work.db(), *sme_id).await?)?;
        let new = body.read()?;
        if new.codes.iter().filter(|code| code.is_primary == 1).count() > 1 || new.codes.len() > 100 {
            return Err(
                Fault::invalid_field("/codes", "one_primary", say("Satu kode utama, paling banyak 100.", "One primary code, at most 100.")).into()
            );
        }
        replace(&work, *sme_id, &new.codes).await?;
        work.audit(&permit, "classify", "sme", *sme_id, json!({ "codes": new.codes.len() }), None).await?;
        let reply = of_sme(work.db(), *sme_id).await?;
        work.finish(reply).await
    }
}

async fn replace(work: &Work, sme: Uuid, codes: &[SmeClassification]) -> Outcome<()> {
    work.db().execute_raw(sql(work.db(), "delete from sme_classifications where sme_id = ?", [sme.into()])).await?;
    for (index, code) in codes.iter().enumerate() {
        if codes[..index].iter().any(|known| (&known.scheme, &known.version, &known.code) == (&code.scheme, &code.version, &code.code)) {
            return Err(Fault::invalid_field(&format!("/codes/{index}"), "twice", say("Kode ganda.", "The code is named twice.")));
        }
        let text = "insert into sme_classifications (sme_id, scheme, version, code, is_primary) \
                    select ?, scheme, version, code, cast(? as bigint) from classification_codes where scheme = ? and version = ? and code = ?";
        let values =
            [sme.into(), i64::from(code.is_primary == 1).into(), code.scheme.clone().into(), code.version.clone().into(), code.code.clone().into()];
        if work.db().execute_raw(sql(work.db(), text, values)).await?.rows_affected() == 0 {
            return Err(Fault::invalid_field(&format!("/codes/{index}"), "unknown", say("Kode tidak dikenal.", "No such code.")));
        }
    }
    Ok(())
}
