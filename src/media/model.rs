//! What a photo is to its users, and what may be uploaded.

use etalase_pictures::{Encoding, brand, is_heic, judge::Quality};
use poem_openapi::{Enum, Object};
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    fault::{Say, say},
    values::Localized,
};

/// Uploads are at most this long: 20 MiB.
pub const MOST_BYTES: u64 = 20 * 1024 * 1024;
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum MediaStatus {
    Processing,
    Ready,
    Failed,
    Deleting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Webp,
    Jpeg,
}

impl From<Encoding> for Format {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Webp => Self::Webp,
            Encoding::Jpeg => Self::Jpeg,
        }
    }
}

impl Format {
    pub fn extension(self) -> &'static str {
        match self {
            Self::Webp => "webp",
            Self::Jpeg => "jpg",
        }
    }

    pub fn mime(self) -> &'static str {
        match self {
            Self::Webp => "image/webp",
            Self::Jpeg => "image/jpeg",
        }
    }
}

/// An object that the bucket has to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObject {
    pub key: String,
    pub content_type: String,
    pub bytes: u64,
    /// First digits of its SHA-256: all 64 for originals, 32 for renditions.
    pub digest: String,
}

/// The format of the rendition that can be kept under `key`, which is made of the id of its photo and half the digest of its
/// content; `None` where no rendition can be.
pub fn rendition_format(key: &str) -> Option<Format> {
    let is_digits = |text: &str| text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let (photo, name) = key.strip_prefix("img/")?.split_once('/')?;
    let (digest, extension) = name.split_once('.')?;
    let format = [Format::Webp, Format::Jpeg].into_iter().find(|format| format.extension() == extension)?;
    (is_digits(photo) && is_digits(digest)).then_some(format)
}

/// A photo with all that an `<img srcset>` needs.
#[derive(Debug, Clone, Object, Serialize)]
pub struct Photo {
    pub id: Uuid,
    pub status: MediaStatus,
    /// Why processing failed.
    pub failure: Option<String>,
    /// Upright, in pixels; known once ready.
    pub width: Option<i64>,
    pub height: Option<i64>,
    /// ThumbHash, base64.
    pub placeholder: Option<String>,
    /// `#rrggbb`.
    pub dominant_color: Option<String>,
    pub renditions: Vec<Rendition>,
    /// What would make it a better photo; never a reason to refuse it.
    pub advice: Vec<Advice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum AdviceCode {
    TooSmall,
    TooDark,
    Blurred,
}

/// A hint to the photographer, with the number it rests on (row E9).
#[derive(Debug, Clone, Object, Serialize)]
pub struct Advice {
    pub code: AdviceCode,
    /// Longest side in pixels, brightness in percent, or variance of the Laplacian.
    pub measured: i64,
    /// What would be enough, in the same unit.
    pub wanted: i64,
    pub message: Localized,
}

/// Longest side that looks sharp on a phone and in a printed catalogue, in pixels.
const WANTED_SIDE: i64 = 1200;
/// Below this mean luma, in percent, goods are hard to see.
const WANTED_BRIGHTNESS: i64 = 20;
/// Photographs measure 35 to 270; blurred by two of 960 pixels they fall below 12.
const WANTED_SHARPNESS: i64 = 12;

/// What there is to say of a photo of this size and these measures.
pub fn advise(width: i64, height: i64, quality: Quality) -> Vec<Advice> {
    let side = width.max(height);
    let Quality { brightness_percent: light, sharpness } = quality;
    let too_small = (
        AdviceCode::TooSmall,
        side,
        WANTED_SIDE,
        [
            format!(
                "Foto hanya {width} × {height} piksel. Ambil ulang dari jarak lebih dekat atau kirim berkas aslinya, sedikitnya {WANTED_SIDE} piksel pada sisi panjang."
            ),
            format!(
                "The photo has only {width} × {height} pixels. Take it again from nearer or send the original file, at least {WANTED_SIDE} pixels on the long side."
            ),
        ],
    );
    let too_dark = (
        AdviceCode::TooDark,
        light,
        WANTED_BRIGHTNESS,
        [
            format!("Foto gelap: terangnya {light} %. Ambil ulang di dekat jendela atau di luar ruangan, tanpa lampu kilat."),
            format!("The photo is dark: {light} % bright. Take it again near a window or outside, without flash."),
        ],
    );
    let blurred = (
        AdviceCode::Blurred,
        sharpness,
        WANTED_SHARPNESS,
        [
            format!(
                "Foto tampak buram (ketajaman {sharpness}, sebaiknya {WANTED_SHARPNESS}). Pegang ponsel dengan dua tangan dan sentuh produk di layar agar fokus."
            ),
            format!(
                "The photo looks blurred (sharpness {sharpness}, better {WANTED_SHARPNESS}). Hold the phone with both hands and touch the product on the screen to focus."
            ),
        ],
    );
    let all = [too_small, too_dark, blurred].into_iter().filter(|(_, measured, wanted, _)| measured < wanted);
    all.map(|(code, measured, wanted, [id, en])| Advice { code, measured, wanted, message: Localized { id, en: Some(en) } }).collect()
}

/// A photo of another SME that looks nearly the same.
#[derive(Debug, Clone, Object)]
pub struct SimilarPhoto {
    /// The photo asked about.
    pub media_id: Uuid,
    pub other_media_id: Uuid,
    pub other_sme_id: Uuid,
    pub other_brand_name: String,
    /// The very same file.
    pub is_identical: bool,
    /// Bits of 64 in which the perceptual hashes differ: 0 to 3 are always found, up to 8 mostly.
    pub distance: u32,
}

impl Photo {
    pub fn is_ready(&self) -> bool {
        self.status == MediaStatus::Ready
    }
}

/// One size of a photo in one format.
#[derive(Debug, Clone, Object, Serialize, Deserialize)]
pub struct Rendition {
    pub format: Format,
    pub width: i64,
    pub height: i64,
    pub bytes: i64,
    /// Relative to the API's address; never changes its content.
    pub url: String,
}

/// A photo on a product.
#[derive(Debug, Clone, Object, Serialize)]
pub struct AttachedPhoto {
    pub id: Uuid,
    pub position: i64,
    pub is_primary: bool,
    /// Focal point in basis points from the left and top edge.
    pub focal_x_bp: i64,
    pub focal_y_bp: i64,
    pub alt: Localized,
    pub photo: Photo,
}

/// A photo to be attached.
#[derive(Debug, Clone, Object, Serialize, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewAttachment {
    pub media_id: Uuid,
    /// What the photo shows, for those who can't see it.
    pub alt: Localized,
    #[serde(default)]
    #[oai(default)]
    pub is_primary: bool,
}

/// A JSON Merge Patch of an attached photo.
#[derive(Debug, Default, Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields, default)]
pub struct AttachmentPatch {
    #[oai(validator(minimum(value = "0"), maximum(value = "1000")))]
    pub position: Option<i64>,
    /// `true` makes it the primary one.
    pub is_primary: Option<bool>,
    #[oai(validator(minimum(value = "0"), maximum(value = "10000")))]
    pub focal_x_bp: Option<i64>,
    #[oai(validator(minimum(value = "0"), maximum(value = "10000")))]
    pub focal_y_bp: Option<i64>,
    pub alt: Option<Localized>,
}

/// What the first bytes say a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    /// A photo that is taken, with its media type.
    Image(&'static str),
    /// A kind of image that is refused, with its name.
    Refused(&'static str),
    Unknown,
}

/// Looks at content only; names and content types lie.
pub fn sniff(head: &[u8]) -> Sniffed {
    match head {
        _ if head.starts_with(b"\xff\xd8\xff") => Sniffed::Image("image/jpeg"),
        _ if head.starts_with(b"\x89PNG\r\n\x1a\n") => Sniffed::Image("image/png"),
        _ if head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a") => Sniffed::Image("image/gif"),
        _ if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP".as_slice()) => Sniffed::Image("image/webp"),
        _ if matches!(brand(head), Some(b"avif" | b"avis")) => Sniffed::Refused("AVIF"),
        _ if is_heic(head) && cfg!(feature = "heic") => Sniffed::Image("image/heic"),
        _ if is_heic(head) => Sniffed::Refused("HEIC"),
        _ if looks_like_svg(head) => Sniffed::Refused("SVG"),
        _ => Sniffed::Unknown,
    }
}

/// The media type in a content type: lower case, without parameters (RFC 9110, 8.3.1).
pub fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// What a content type announces.
pub fn media_type(content_type: &str) -> Sniffed {
    match essence(content_type).as_str() {
        "image/jpeg" => Sniffed::Image("image/jpeg"),
        "image/png" => Sniffed::Image("image/png"),
        "image/webp" => Sniffed::Image("image/webp"),
        "image/gif" => Sniffed::Image("image/gif"),
        "image/heic" | "image/heif" if cfg!(feature = "heic") => Sniffed::Image("image/heic"),
        "image/heic" | "image/heif" => Sniffed::Refused("HEIC"),
        "image/avif" => Sniffed::Refused("AVIF"),
        "image/svg+xml" => Sniffed::Refused("SVG"),
        _ => Sniffed::Unknown,
    }
}

fn looks_like_svg(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    text.trim_start_matches('\u{feff}').trim_start().starts_with('<') && text.contains("<svg")
}

/// How a person is told to send a refused kind of image.
pub fn advice(kind: &str) -> Say {
    match kind {
        "HEIC" => say(
            "Foto HEIC belum didukung. Di iPhone: Pengaturan › Kamera › Format › Paling Kompatibel, atau kirim sebagai JPEG.",
            "HEIC photos are not supported. On an iPhone: Settings › Camera › Formats › Most Compatible, or send a JPEG.",
        ),
        "AVIF" => say("AVIF belum didukung; simpan sebagai JPEG.", "AVIF is not supported; save it as JPEG."),
        "SVG" => say("SVG tidak diterima; kirim foto JPEG atau PNG.", "SVG is not accepted; send a JPEG or PNG photo."),
        _ => say("Kirim foto JPEG, PNG, WebP, GIF, atau HEIC.", "Send a JPEG, PNG, WebP, GIF or HEIC photo."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_content_decides_what_a_file_is() {
        assert_eq!(sniff(b"\xff\xd8\xff\xe0"), Sniffed::Image("image/jpeg"));
        let heic = if cfg!(feature = "heic") { Sniffed::Image("image/heic") } else { Sniffed::Refused("HEIC") };
        assert_eq!(sniff(b"\0\0\0\x18ftypheic"), heic);
        assert_eq!(sniff(b"\0\0\0\x18ftypisom"), Sniffed::Unknown, "a video");
        assert_eq!(sniff(b"\0\0\0\x18ftypavif"), Sniffed::Refused("AVIF"));
        assert_eq!(sniff(b"<?xml version='1.0'?><svg/>"), Sniffed::Refused("SVG"));
        assert_eq!(sniff(b"just text"), Sniffed::Unknown);
    }

    #[test]
    fn a_media_type_is_the_same_in_any_case_and_with_parameters() {
        for content_type in ["image/jpeg", "IMAGE/JPEG", "image/jpeg; charset=x", " Image/Jpeg ;q=1"] {
            assert_eq!((media_type(content_type), essence(content_type).as_str()), (Sniffed::Image("image/jpeg"), "image/jpeg"), "{content_type}");
        }
        for content_type in ["", ";", "image/jpeg, image/png", "image/jp\u{e9}g"] {
            assert_eq!(media_type(content_type), Sniffed::Unknown, "{content_type}");
        }
    }

    #[test]
    fn only_a_key_as_renditions_have_it_is_one() {
        let digits = "0123456789abcdef".repeat(2);
        assert_eq!(rendition_format(&format!("img/{digits}/{digits}.webp")), Some(Format::Webp));
        assert_eq!(rendition_format(&format!("img/{digits}/{digits}.jpg")), Some(Format::Jpeg));
        let upper = digits.to_uppercase();
        for key in [
            String::new(),
            "img/".into(),
            format!("img//{digits}.jpg"),
            format!("img/{digits}/{digits}.jpg/"),
            format!("img/{digits}/{digits}"),
            format!("img/{digits}/{digits}.png"),
            format!("img/{upper}/{digits}.jpg"),
            format!("img/../{digits}.jpg"),
            format!("originals/{digits}/{digits}.jpg"),
            format!("img/{}", "a".repeat(255)),
        ] {
            assert_eq!(rendition_format(&key), None, "{key}");
        }
    }
}
