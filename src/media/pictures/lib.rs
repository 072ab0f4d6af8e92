//! From the bytes of a photo to its renditions, and what a photo looks like in numbers. Pure functions of bytes and pixels,
//! in a crate of their own: decoders and resamplers are generic code, which is optimised here in debug builds too, where it
//! would otherwise take twenty times as long, and is not compiled again with every change of the service.

pub mod decode;
mod jpeg;
pub mod judge;
pub mod pipeline;
mod png;
pub mod scaling;

use serde::{Deserialize, Serialize};

/// More pixels than any phone makes in its usual mode; checked before decoding.
pub const MOST_PIXELS: u64 = 50_000_000;
/// Longest side in pixels.
pub const MOST_SIDE: u32 = 16_384;
/// Larger profiles of colours are not believed.
const MOST_PROFILE_BYTES: usize = 4 * 1024 * 1024;
/// Widths of the renditions; never wider than the photo itself.
pub const WIDTHS: [u32; 5] = [320, 640, 960, 1280, 1920];

/// How a rendition is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    Webp,
    Jpeg,
}

/// Brands of HEIC (ISO/IEC 23008-12, 10.2 and annex B).
pub fn is_heic(head: &[u8]) -> bool {
    matches!(brand(head), Some(b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1"))
}

/// The major brand of an ISO base media file (ISO/IEC 14496-12, 4.3).
pub fn brand(head: &[u8]) -> Option<&[u8; 4]> {
    if head.get(4..8) == Some(b"ftyp") { head.get(8..12)?.try_into().ok() } else { None }
}
