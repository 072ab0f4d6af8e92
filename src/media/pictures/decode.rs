//! Reading what phones and attackers send: limits first, pixels second.

use std::{borrow::Cow, io::Cursor};

use image::{DynamicImage, ImageDecoder, ImageReader, Limits, metadata::Orientation};
use moxcms::{ColorProfile, DataColorSpace};
use serde::{Deserialize, Serialize};

#[cfg(feature = "heic")]
use crate::is_heic;
use crate::{MOST_PIXELS, MOST_PROFILE_BYTES, MOST_SIDE, jpeg, png};

/// Memory that decoding one photo may take.
const MOST_MEMORY: u64 = 512 * 1024 * 1024;
/// Memory that reading the head of a photo may take.
const MOST_MEMORY_OF_HEAD: u64 = 4 * 1024 * 1024;

/// Why a photo can't be used, as stored in `failure_code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    NotAnImage,
    TooManyPixels,
    Damaged,
}

impl Refusal {
    pub fn code(self) -> &'static str {
        match self {
            Self::NotAnImage => "not_an_image",
            Self::TooManyPixels => "too_many_pixels",
            Self::Damaged => "damaged",
        }
    }
}

/// Pixels, eight bits a channel, as stored: not turned, in the colours of `profile`.
pub struct Decoded {
    pub image: DynamicImage,
    pub orientation: Orientation,
    /// sRGB if absent.
    pub profile: Option<ColorProfile>,
}

/// Reads only the header: the pixel limits hold before anything is decoded.
pub fn probe(bytes: &[u8]) -> Result<(u32, u32), Refusal> {
    #[cfg(feature = "heic")]
    if is_heic(bytes) {
        return heic::probe(bytes);
    }
    let (width, height) = decoder(&shown(bytes), MOST_MEMORY_OF_HEAD)?.dimensions();
    if width > MOST_SIDE || height > MOST_SIDE || u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(Refusal::TooManyPixels);
    }
    if width == 0 || height == 0 { Err(Refusal::Damaged) } else { Ok((width, height)) }
}

/// What of a file a decoder gets to see: nothing that it would inflate without need.
fn shown(bytes: &[u8]) -> Cow<'_, [u8]> {
    if is_png(bytes) { png::pixels(bytes) } else { Cow::Borrowed(bytes) }
}

fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x89PNG\r\n\x1a\n")
}

fn decoder(bytes: &[u8], memory: u64) -> Result<impl ImageDecoder + '_, Refusal> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_| Refusal::NotAnImage)?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(memory);
    reader.limits(limits);
    if reader.format().is_none() {
        return Err(Refusal::NotAnImage);
    }
    reader.into_decoder().map_err(|error| match error {
        image::ImageError::Limits(_) => Refusal::TooManyPixels,
        _ => Refusal::Damaged,
    })
}

/// Decodes within the limits. Takes up to seconds and hundreds of megabytes: call it in a process that may die.
pub fn decode(bytes: &[u8]) -> Result<Decoded, Refusal> {
    probe(bytes)?;
    #[cfg(feature = "heic")]
    if is_heic(bytes) {
        return heic::decode(bytes);
    }
    // Decoders fill what is missing with grey; such a picture is refused instead.
    let picture = if bytes.starts_with(b"\xff\xd8") { jpeg::whole(bytes).ok_or(Refusal::Damaged)?.into() } else { shown(bytes) };
    let mut decoder = decoder(&picture, MOST_MEMORY)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let has_color = decoder.color_type().has_color();
    let profile = if is_png(bytes) { png::colours(bytes) } else { decoder.icc_profile().ok().flatten().and_then(|profile| believable(&profile)) };
    let image = DynamicImage::from_decoder(decoder).map_err(|_| Refusal::Damaged)?;
    Ok(Decoded { image: eight_bit(image), orientation, profile: profile.and_then(|profile| for_rgb(profile, has_color)) })
}

fn believable(profile: &[u8]) -> Option<ColorProfile> {
    if profile.len() > MOST_PROFILE_BYTES { None } else { ColorProfile::new_from_slice(profile).ok() }
}

/// A profile for pixels that are RGB now. One of grey pixels is about their curve alone; others than these are ignored, as
/// browsers do.
fn for_rgb(profile: ColorProfile, has_color: bool) -> Option<ColorProfile> {
    match profile.color_space {
        DataColorSpace::Rgb => Some(profile),
        DataColorSpace::Gray if !has_color => {
            let curve = Some(profile.gray_trc?);
            let mut grey = ColorProfile::new_srgb();
            grey.cicp = None;
            (grey.red_trc, grey.green_trc, grey.blue_trc) = (curve.clone(), curve.clone(), curve);
            Some(grey)
        }
        _ => None,
    }
}

fn eight_bit(image: DynamicImage) -> DynamicImage {
    if image.color().has_alpha() { DynamicImage::ImageRgba8(image.into_rgba8()) } else { DynamicImage::ImageRgb8(image.into_rgb8()) }
}

/// HEIC, which iPhones send.
#[cfg(feature = "heic")]
mod heic {
    use image::{DynamicImage, RgbImage, RgbaImage, metadata::Orientation};
    use moxcms::ColorProfile;

    use super::{Decoded, Refusal, believable, for_rgb};

    /// The decoder holds planes of 32 bits: more pixels would not fit the worker's memory.
    const MOST_PIXELS: u64 = 26_000_000;
    /// `nclx` code of the primaries of Display P3 (ITU-T H.273, table 2).
    const DISPLAY_P3: u16 = 12;

    pub fn probe(bytes: &[u8]) -> Result<(u32, u32), Refusal> {
        let info = heic_decoder::probe(bytes).map_err(|_| Refusal::Damaged)?;
        // What is decoded is the coded size, whatever is cropped from it later.
        let pixels = (info.coded_width as u64).saturating_mul(info.coded_height as u64);
        if pixels > MOST_PIXELS {
            return Err(Refusal::TooManyPixels);
        }
        let side = |side: usize| u32::try_from(side).map_err(|_| Refusal::TooManyPixels);
        if info.width == 0 || info.height == 0 { Err(Refusal::Damaged) } else { Ok((side(info.width)?, side(info.height)?)) }
    }

    /// Upright already: the container says how, and the decoder turns.
    pub fn decode(bytes: &[u8]) -> Result<Decoded, Refusal> {
        let mut decoded = heic_decoder::decode(bytes).map_err(|_| Refusal::Damaged)?;
        let labelled = decoded.color_info.is_some_and(|info| info.color_primaries == DISPLAY_P3);
        let profile = match decoded.metadata.icc_profile.take() {
            Some(profile) => believable(&profile).and_then(|profile| for_rgb(profile, true)),
            None => labelled.then(ColorProfile::new_display_p3),
        };
        let (width, height) = (decoded.width as u32, decoded.height as u32);
        let image = if decoded.alpha.is_some() {
            let pixels = decoded.to_rgba8().map_err(|_| Refusal::Damaged)?;
            RgbaImage::from_raw(width, height, pixels.data).map(DynamicImage::ImageRgba8)
        } else {
            let pixels = decoded.to_rgb8().map_err(|_| Refusal::Damaged)?;
            RgbImage::from_raw(width, height, pixels.data).map(DynamicImage::ImageRgb8)
        };
        let image = image.ok_or(Refusal::Damaged)?;
        Ok(Decoded { image, orientation: Orientation::NoTransforms, profile })
    }
}
