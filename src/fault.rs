//! What can go wrong, in the words of the people who use Etalase.
//!
//! A [`Fault`] is made by rules and use cases; `http::problem` turns it into RFC 9457. Every kind has
//! a stable code, a status class and a title in both languages.

use std::borrow::Cow;

use sea_orm::{DbErr, RuntimeErr};
use serde_json::Value;

/// A sentence in both languages of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Say {
    pub id: Cow<'static, str>,
    pub en: Cow<'static, str>,
}

/// A [`Say`] from two fixed or built sentences, Indonesian first.
pub fn say(id: impl Into<Cow<'static, str>>, en: impl Into<Cow<'static, str>>) -> Say {
    Say { id: id.into(), en: en.into() }
}

/// A kind of fault: stable code, HTTP status, title.
#[derive(Debug)]
pub struct Kind {
    pub code: &'static str,
    pub status: u16,
    pub id: &'static str,
    pub en: &'static str,
}

macro_rules! kinds {
    ($($name:ident $status:literal $code:literal $id:literal $en:literal;)*) => {
        $(pub const $name: Kind = Kind { code: $code, status: $status, id: $id, en: $en };)*
        /// Every kind there is, for the documentation of `type` URIs.
        pub const KINDS: &[&Kind] = &[$(&$name),*];
    };
}

kinds! {
    MALFORMED 400 "malformed" "Permintaan tidak dapat dibaca" "The request can't be read";
    UNKNOWN_PARAMETER 400 "unknown_parameter" "Parameter tidak dikenal" "Unknown parameter";
    INVALID_PARAMETER 400 "invalid_parameter" "Parameter tidak sah" "Invalid parameter";
    BAD_CURSOR 400 "bad_cursor" "Kursor tidak sah" "Invalid cursor";
    UNAUTHENTICATED 401 "unauthenticated" "Perlu masuk dahulu" "Sign in first";
    BAD_CREDENTIALS 401 "bad_credentials" "Surel atau kata sandi salah" "Wrong e-mail or password";
    CODE_REQUIRED 401 "code_required" "Perlu kode dari aplikasi autentikator" "A code from the authenticator app is needed";
    BAD_CODE 401 "bad_code" "Kode salah atau sudah dipakai" "The code is wrong or was used already";
    FORBIDDEN 403 "forbidden" "Tidak diizinkan" "Not allowed";
    SECOND_FACTOR 403 "second_factor_required" "Aktifkan faktor kedua dahulu" "Set up a second factor first";
    CONFIRMATION_REQUIRED 403 "confirmation_required" "Buktikan dahulu bahwa ini Anda" "Prove first that it is you";
    NOT_FOUND 404 "not_found" "Tidak ditemukan" "Not found";
    METHOD_NOT_ALLOWED 405 "method_not_allowed" "Metode tidak didukung" "Method not allowed";
    TOO_SLOW 408 "too_slow" "Isi permintaan tidak sampai pada waktunya" "The body did not arrive in time";
    INVALID_TRANSITION 409 "invalid_transition" "Langkah tidak sah dari keadaan ini" "Not possible from this state";
    CONFLICT 409 "conflict" "Bentrok dengan data yang ada" "Conflicts with what exists";
    IDEMPOTENCY_RUNNING 409 "idempotency_key_in_use" "Permintaan yang sama masih berjalan" "The same request is still running";
    STALE 412 "precondition_failed" "Data sudah diubah orang lain" "Changed by someone else meanwhile";
    TOO_LARGE 413 "too_large" "Terlalu besar" "Too large";
    UNSUPPORTED_MEDIA 415 "unsupported_media_type" "Jenis isi tidak didukung" "Unsupported content type";
    INVALID 422 "validation_failed" "Isian belum benar" "Some fields need attention";
    IDEMPOTENCY_MISMATCH 422 "idempotency_key_reused" "Kunci idempotensi dipakai untuk isi lain" "Idempotency key reused with another body";
    IF_MATCH_REQUIRED 428 "precondition_required" "If-Match wajib ada" "If-Match is required";
    THROTTLED 429 "too_many_requests" "Terlalu banyak percobaan" "Too many attempts";
    INTERNAL 500 "internal" "Kesalahan di pihak kami" "A fault on our side";
    UNAVAILABLE 503 "unavailable" "Layanan sementara tidak tersedia" "Temporarily unavailable";
}

/// One field that needs attention; `pointer` is a JSON Pointer (RFC 6901) into the body.
#[derive(Debug, Clone)]
pub struct FieldFault {
    pub pointer: String,
    pub code: &'static str,
    pub message: Say,
}

/// A [`FieldFault`].
pub fn field(pointer: impl Into<String>, code: &'static str, message: Say) -> FieldFault {
    FieldFault { pointer: pointer.into(), code, message }
}

#[derive(Debug, thiserror::Error)]
#[error("{}: {}", _0.kind.code, self.why())]
pub struct Fault(Box<FaultParts>);

/// What a [`Fault`] says. Boxed, because most results are fine and should stay small.
#[derive(Debug)]
pub struct FaultParts {
    pub kind: &'static Kind,
    pub detail: Option<Say>,
    pub fields: Vec<FieldFault>,
    /// Further members of the problem document, such as `allowed`.
    pub members: Vec<(&'static str, Value)>,
    pub retry_after_seconds: Option<u64>,
    /// For the log only, never for the client.
    pub cause: Option<anyhow::Error>,
}

impl std::ops::Deref for Fault {
    type Target = FaultParts;
    fn deref(&self) -> &FaultParts {
        &self.0
    }
}

pub type Outcome<T> = Result<T, Fault>;

impl Fault {
    /// The cause, or else what a client is told, for logs and the command line.
    fn why(&self) -> String {
        match (&self.0.cause, &self.0.detail) {
            (Some(cause), _) => format!("{cause:#}"),
            (None, Some(detail)) => detail.en.to_string(),
            (None, None) => format!("{} {:?}", self.0.kind.en, self.0.fields),
        }
    }

    pub fn new(kind: &'static Kind) -> Self {
        let (fields, members) = (Vec::new(), Vec::new());
        Self(Box::new(FaultParts { kind, detail: None, fields, members, retry_after_seconds: None, cause: None }))
    }

    /// What does not exist and what the caller may not know to exist get the same answer.
    pub fn not_found() -> Self {
        Self::new(&NOT_FOUND)
    }

    /// Fields that need attention.
    pub fn invalid(fields: Vec<FieldFault>) -> Self {
        let mut fault = Self::new(&INVALID);
        fault.0.fields = fields;
        fault
    }

    /// One field that needs attention.
    pub fn invalid_field(pointer: &str, code: &'static str, message: Say) -> Self {
        Self::invalid(vec![field(pointer, code, message)])
    }

    /// The request contradicts the present state; `code` says how.
    pub fn conflict(code: &'static str, detail: Say) -> Self {
        Self::new(&CONFLICT).with("reason", code.into()).detail(detail)
    }

    pub fn internal(cause: impl Into<anyhow::Error>) -> Self {
        Self::new(&INTERNAL).caused_by(cause)
    }

    /// A part the service depends on is out of reach; worth another try.
    pub fn unavailable(cause: impl Into<anyhow::Error>) -> Self {
        Self::new(&UNAVAILABLE).retry_after(5).caused_by(cause)
    }

    #[must_use]
    pub fn detail(mut self, detail: Say) -> Self {
        self.0.detail = Some(detail);
        self
    }

    /// Names a field or parameter that the fault is about.
    #[must_use]
    pub fn at(mut self, field: FieldFault) -> Self {
        self.0.fields.push(field);
        self
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: Value) -> Self {
        self.0.members.push((name, value));
        self
    }

    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<anyhow::Error>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }
}

/// Rules that the database holds by name, and how a person is told that one was broken.
const HELD_BY_DATABASE: &[(&[&str], &str, &str, &str)] = &[
    (&["users_email", "users.email"], "email_taken", "Surel ini sudah terdaftar.", "This e-mail is already registered."),
    (&["smes_handle", "smes.handle", "sme_handle_remembered"], "handle_taken", "Handle ini sudah dipakai.", "This handle is taken."),
    (&["products_handle", "products.handle"], "handle_taken", "Handle ini sudah dipakai produk lain.", "Another product has this handle."),
    (&["product_variants_sku", "product_variants.sku"], "sku_taken", "SKU ini sudah dipakai.", "This SKU is taken."),
    (
        &["product_variants_options_read", "product_variants.options_read"],
        "options_taken",
        "Varian lain sudah punya pilihan ini.",
        "Another variant has these options.",
    ),
    (&["product_variants_gtin", "product_variants.gtin"], "gtin_taken", "GTIN ini sudah dipakai.", "This GTIN is taken."),
    (&["exhibitions_slug_key", "exhibitions.slug"], "slug_taken", "Slug ini sudah dipakai.", "This slug is taken."),
    (
        &["price_tiers_fall"],
        "price_tiers_fall",
        "Harga grosir harus lebih rendah dari harga satuan; ubah dahulu.",
        "Wholesale prices have to be lower than the price of one; change them first.",
    ),
    (&["agency_keeps_a_head"], "last_head", "Dinas harus punya sedikitnya satu kepala.", "An agency keeps at least one head."),
    (&["sme_keeps_an_owner"], "last_owner", "IKM harus punya sedikitnya satu pemilik.", "An SME keeps at least one owner."),
    (&["material_shares_over_100"], "material_shares_over_100", "Jumlah porsi bahan melebihi 100 %.", "Material shares add up to more than 100 %."),
    (&["media_assets_once", "media_assets.sha256"], "already_uploaded", "Foto ini baru saja diunggah.", "This photo was uploaded just now."),
    (&["media_in_use"], "media_in_use", "Foto masih dipakai produk.", "A product still uses this photo."),
    (
        &["product_images_product_id_asset_id_key", "product_images.asset_id"],
        "already_attached",
        "Foto sudah terpasang.",
        "The photo is already attached.",
    ),
    (
        &["lineup_takes_published"],
        "not_published",
        "Hanya produk yang sudah terbit dapat masuk line-up.",
        "Only a published product can join a line-up.",
    ),
    (&["lineup_takes_confirmed"], "not_confirmed", "IKM belum menjadi peserta pameran ini.", "The SME is not an exhibitor here."),
    (&["lineup_frozen"], "lineup_frozen", "Line-up sudah dibekukan.", "The line-up is frozen."),
    (
        &["lineup_items_application_id_variant_id_key", "lineup_items.variant_id"],
        "already_in_lineup",
        "Varian sudah ada di line-up.",
        "The variant is already in the line-up.",
    ),
    (&["booth_slot_once", "booth_assignments.slot_no"], "booth_slot_taken", "Slot stan sudah ditempati.", "The booth slot is taken."),
    (
        &["one_place_per_batch", "booth_assignments.application_id"],
        "already_placed",
        "Sudah punya stan di gelombang ini.",
        "Has a booth in this batch already.",
    ),
    (&["booth_for_accepted"], "not_accepted", "Hanya peserta yang diterima.", "Only for accepted applicants."),
    (&["applications_stay"], "applications_stay", "Pendaftaran tetap milik IKM dan pamerannya.", "An application stays with its SME and exhibition."),
    (&["lineup_items_stay"], "lineup_items_stay", "Item line-up tetap milik variannya.", "A line-up item stays with its variant."),
    (&["booth_not_blocked"], "booth_blocked", "Stan ini tidak dipakai.", "This booth is not in use."),
    (&["batches_apart"], "batches_overlap", "Gelombang bertumpang tindih.", "Batches overlap."),
    (&["booths_exhibition_id_code_key", "booths.code"], "code_taken", "Kode stan sudah ada.", "There is a booth with this code."),
    (&["halls_exhibition_id_name_key", "halls.name"], "name_taken", "Nama aula sudah ada.", "There is a hall with this name."),
    (
        &["exhibition_batches_exhibition_id_name_key", "exhibition_batches.name"],
        "name_taken",
        "Nama gelombang sudah ada.",
        "There is a batch with this name.",
    ),
    (&["decides_on_own_sme"], "conflict_of_interest", "Tidak ada yang memutuskan tentang IKM-nya sendiri.", "Nobody decides on an SME of their own."),
    (
        &["reviewer_has_conflict"],
        "reviewer_has_conflict",
        "Penilai adalah anggota atau pembina IKM ini.",
        "The reviewer belongs to this SME or mentors it.",
    ),
    (&["check_in_for_confirmed"], "not_confirmed", "Hanya peserta yang dikonfirmasi.", "Only for confirmed exhibitors."),
    (&["report_by_exhibitor"], "not_an_exhibitor", "Hanya peserta, pada hari pameran.", "Only by exhibitors, for days of the exhibition."),
    (&["exhibition_is_full"], "exhibition_is_full", "Tempat pameran tidak cukup.", "There are not so many places."),
    (&["application_products_own"], "not_own_product", "Hanya produk sendiri.", "Only products of the SME itself."),
    (
        &["legal_documents_once", "legal_documents.number"],
        "already_verified",
        "Nomor ini sudah diverifikasi untuk dokumen lain.",
        "Another document with this number is verified.",
    ),
    (
        &["applications_exhibition_id_sme_id_key", "applications.sme_id"],
        "already_applied",
        "IKM sudah terdaftar di pameran ini.",
        "The SME is already in this exhibition.",
    ),
    (
        &["invitations_open", "invitations.email"],
        "already_invited",
        "Undangan untuk surel ini masih terbuka.",
        "An invitation to this e-mail is still open.",
    ),
    (
        &["agency_members_pkey", "agency_members.role", "sme_memberships_pkey", "sme_memberships.user_id"],
        "already_member",
        "Orang ini sudah menjadi anggota.",
        "This person is already a member.",
    ),
];

impl From<DbErr> for Fault {
    fn from(error: DbErr) -> Self {
        let text = error.to_string();
        for (names, code, id, en) in HELD_BY_DATABASE {
            if names.iter().any(|name| text.contains(name)) {
                return Self::conflict(code, say(*id, *en));
            }
        }
        if let Some(fault) = broken_rule(&error) {
            tracing::warn!(%error, "a rule of the database that nothing had asked about before");
            return fault;
        }
        match error {
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => Self::unavailable(error),
            DbErr::Query(RuntimeErr::SqlxError(ref cause)) | DbErr::Exec(RuntimeErr::SqlxError(ref cause)) if is_outage(cause) => {
                Self::unavailable(error)
            }
            other => Self::internal(other),
        }
    }
}

/// The fault of a rule that the list above does not name: still the client's to mend, never a fault on our side. By SQLSTATE on
/// PostgreSQL, by extended result code on SQLite.
fn broken_rule(error: &DbErr) -> Option<Fault> {
    let (DbErr::Query(RuntimeErr::SqlxError(cause)) | DbErr::Exec(RuntimeErr::SqlxError(cause))) = error else { return None };
    let code = cause.as_database_error()?.code()?;
    match &*code {
        // Foreign key: something is named that is not there, or is still used.
        "23503" | "787" => Some(Fault::conflict(
            "unknown_reference",
            say("Menunjuk ke sesuatu yang tidak ada atau masih dipakai.", "Names something that is not there, or is still used."),
        )),
        // Unique.
        "23505" | "2067" | "1555" => Some(Fault::conflict("already_there", say("Sudah ada.", "It is there already."))),
        // A check, a number out of range, a text that can't be stored.
        "23514" | "22003" | "22001" | "22021" | "22P05" | "22008" | "275" => {
            Some(Fault::new(&INVALID).detail(say("Sebuah nilai di luar batasnya.", "A value is outside its bounds.")))
        }
        _ => None,
    }
}

/// The database is gone, full or shutting down, as opposed to a statement that is wrong.
fn is_outage(error: &sea_orm::sqlx::Error) -> bool {
    use sea_orm::sqlx::Error;
    match error {
        Error::Io(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed => true,
        // PostgreSQL 57P0x: shutting down; 53xxx: out of a resource; 40xxx: lost against another transaction; 57014, 55P03,
        // 25P03: took too long. SQLite, by its primary code: 5 busy, 10 I/O, 13 disk full, 14 can't open.
        Error::Database(cause) => cause.code().is_some_and(|code| {
            // PostgreSQL's codes have five characters, SQLite's fewer.
            let sqlite = code.parse::<i32>().ok().filter(|_| code.len() < 5).map(|code| code & 0xff);
            code.starts_with("57P0")
                || code.starts_with("53")
                || matches!(&*code, "40P01" | "40001" | "57014" | "55P03" | "25P03")
                || matches!(sqlite, Some(5 | 10 | 13 | 14))
        }),
        _ => false,
    }
}
