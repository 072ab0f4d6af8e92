//! What a photo is to its users, and what may be uploaded.

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
/// More pixels than any phone makes in its usual mode; checked before decoding.
pub const MOST_PIXELS: u64 = 50_000_000;
/// Longest side in pixels.
pub const MOST_SIDE: u32 = 16_384;
/// Widths of the renditions; never wider than the photo itself.
pub const WIDTHS: [u32; 5] = [320, 640, 960, 1280, 1920];

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

impl Format {
    pub fn extension(self) -> &'static str {
        match self {
            Self::Webp => "webp",
            Self::Jpeg => "jpg",
        }
    }
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
    pub is_primary: bool,
}

/// A JSON Merge Patch of an attached photo.
#[derive(Debug, Default, Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields, default)]
pub struct AttachmentPatch {
    pub position: Option<i64>,
    /// `true` makes it the primary one.
    pub is_primary: Option<bool>,
    pub focal_x_bp: Option<i64>,
    pub focal_y_bp: Option<i64>,
    pub alt: Option<Localized>,
}

/// What the first bytes say a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    Image(image::ImageFormat),
    /// A kind of image that is refused, with its name.
    Refused(&'static str),
    Unknown,
}

/// Looks at content only; names and content types lie.
pub fn sniff(head: &[u8]) -> Sniffed {
    use image::ImageFormat::{Gif, Jpeg, Png, WebP};
    let brand = head.get(4..8) == Some(b"ftyp".as_slice());
    match head {
        _ if head.starts_with(b"\xff\xd8\xff") => Sniffed::Image(Jpeg),
        _ if head.starts_with(b"\x89PNG\r\n\x1a\n") => Sniffed::Image(Png),
        _ if head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a") => Sniffed::Image(Gif),
        _ if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP".as_slice()) => Sniffed::Image(WebP),
        _ if brand && head.get(8..12).is_some_and(|b| matches!(b, b"avif" | b"avis")) => Sniffed::Refused("AVIF"),
        _ if brand => Sniffed::Refused("HEIC"),
        _ if looks_like_svg(head) => Sniffed::Refused("SVG"),
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
        _ => say("Kirim foto JPEG, PNG, WebP, atau GIF.", "Send a JPEG, PNG, WebP or GIF photo."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_content_decides_what_a_file_is() {
        assert_eq!(sniff(b"\xff\xd8\xff\xe0"), Sniffed::Image(image::ImageFormat::Jpeg));
        assert_eq!(sniff(b"\0\0\0\x18ftypheic"), Sniffed::Refused("HEIC"));
        assert_eq!(sniff(b"\0\0\0\x18ftypavif"), Sniffed::Refused("AVIF"));
        assert_eq!(sniff(b"<?xml version='1.0'?><svg/>"), Sniffed::Refused("SVG"));
        assert_eq!(sniff(b"just text"), Sniffed::Unknown);
    }
}
