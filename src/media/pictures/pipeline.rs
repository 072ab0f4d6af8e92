//! From the bytes of a phone photo to renditions: decode, scale, convert to sRGB, turn upright, encode. Nothing but pixels passes, so no metadata can.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use image::{DynamicImage, RgbImage, metadata::Orientation};
use moxcms::{ColorProfile, Layout, TransformOptions};
use serde::{Deserialize, Serialize};
use webpx::Unstoppable;

use crate::{
    Encoding, WIDTHS,
    decode::{Decoded, Refusal, decode},
    judge::{self, Look},
    scaling::resize,
};

/// At this and the effort below, SSIM is that of quality 78 at full effort; see tests/load/images.
const WEBP_QUALITY: f32 = 80.0;
/// libwebp's effort: 4, its default, takes 2.3 times as long for 5 % fewer bytes at no higher SSIM.
const WEBP_METHOD: u8 = 2;
const JPEG_QUALITY: u8 = 80;

/// One encoded size.
#[derive(Serialize, Deserialize)]
pub struct Encoded {
    pub format: Encoding,
    pub width: u32,
    pub height: u32,
    /// Travels beside the rest, see the service's isolation.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// All that is made of a photo.
#[derive(Serialize, Deserialize)]
pub struct Processed {
    pub width: u32,
    pub height: u32,
    pub look: Look,
    pub renditions: Vec<Encoded>,
}

/// Makes every rendition, encoding on up to `threads` threads. Takes up to seconds of processor time: call it on
/// a blocking thread. Scaling works on the encoded values, as browsers and libvips do: linear light would cost
/// twice the memory and change photos from what their owners see elsewhere.
pub fn process(bytes: &[u8], threads: usize) -> Result<Processed, Refusal> {
    let Decoded { image: mut photo, orientation, profile } = decode(bytes)?;
    let turned = matches!(orientation, Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH);
    let (width, height) = if turned { (photo.height(), photo.width()) } else { (photo.width(), photo.height()) };
    let widths = rungs(width);
    let largest = widths.last().copied().unwrap_or(width);
    // Scaling comes first, so that colours and orientation are worked on at two megapixels instead of twelve.
    let size = scaled(width, height, largest);
    photo = resize(&photo, if turned { (size.1, size.0) } else { size });
    if let Some(profile) = profile {
        to_srgb(&mut photo, &profile);
    }
    photo.apply_orientation(orientation);
    let mut levels = vec![photo];
    for rung in widths.iter().rev().skip(1) {
        levels.extend(levels.last().map(|above| resize(above, scaled(width, height, *rung))));
    }
    let look = judge::look(&levels).ok_or(Refusal::Damaged)?;
    Ok(Processed { width, height, look, renditions: encode(&levels, threads)? })
}

/// Every level in both formats, the costly ones first, so that no thread is left with a long one at the end. AVIF would
/// save 39 % of the bytes at equal SSIM, but more than double the processor time of a photo and need cmake and nasm to
/// build (libaom at its fastest; the Rust encoders are slower).
fn encode(levels: &[DynamicImage], threads: usize) -> Result<Vec<Encoded>, Refusal> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(level) = levels.get(index / 2) else { break };
            let encoded = if index.is_multiple_of(2) { webp(level) } else { jpeg(level) };
            // Nothing can panic while the lock is held.
            if let Ok(mut done) = done.lock() {
                done.push((index, encoded));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let mut done = done.into_inner().map_err(|_| Refusal::Damaged)?;
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, encoded)| encoded).collect()
}

/// The widths below the photo's own, and its own where that is below the widest.
fn rungs(width: u32) -> Vec<u32> {
    let mut widths: Vec<u32> = WIDTHS.into_iter().filter(|rung| *rung <= width).collect();
    if width < WIDTHS[WIDTHS.len() - 1] && !widths.contains(&width) {
        widths.push(width);
    }
    widths
}

/// The size at `to` pixels wide, never without height.
fn scaled(width: u32, height: u32, to: u32) -> (u32, u32) {
    let exact = (u64::from(height) * u64::from(to) + u64::from(width) / 2) / u64::from(width.max(1));
    (to, u32::try_from(exact).unwrap_or(u32::MAX).max(1))
}

/// Converts in place; a profile that nothing can be made of is ignored, as browsers do.
fn to_srgb(image: &mut DynamicImage, profile: &ColorProfile) {
    let srgb = ColorProfile::new_srgb();
    let layout = if image.color().has_alpha() { Layout::Rgba } else { Layout::Rgb };
    let Ok(transform) = profile.create_transform_8bit(layout, &srgb, layout, TransformOptions::default()) else { return };
    let pixels = match image {
        DynamicImage::ImageRgb8(pixels) => pixels.as_flat_samples_mut().samples,
        DynamicImage::ImageRgba8(pixels) => pixels.as_flat_samples_mut().samples,
        _ => return,
    };
    let source = pixels.to_vec();
    let _ = transform.transform(&source, pixels);
}

fn webp(image: &DynamicImage) -> Result<Encoded, Refusal> {
    let (width, height) = (image.width(), image.height());
    let config = webpx::EncoderConfig::new().quality(WEBP_QUALITY).method(WEBP_METHOD);
    let encoded = match image {
        DynamicImage::ImageRgba8(pixels) => webpx::Encoder::new_rgba(pixels, width, height).config(config).encode(Unstoppable),
        DynamicImage::ImageRgb8(pixels) => webpx::Encoder::new_rgb(pixels, width, height).config(config).encode(Unstoppable),
        _ => return Err(Refusal::Damaged),
    };
    let bytes = encoded.map_err(|_| Refusal::Damaged)?;
    Ok(Encoded { format: Encoding::Webp, width, height, bytes })
}

fn jpeg(image: &DynamicImage) -> Result<Encoded, Refusal> {
    let flat = on_white(image);
    let (width, height) = flat.dimensions();
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, JPEG_QUALITY);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    // Baseline with the standard tables: progressive files are a tenth larger here, and tables made for a flat picture save
    // 1 % but are misread by zune-jpeg 0.5.15, which some clients decode with.
    let side = |side: u32| u16::try_from(side).map_err(|_| Refusal::TooManyPixels);
    encoder.encode(&flat, side(width)?, side(height)?, jpeg_encoder::ColorType::Rgb).map_err(|_| Refusal::Damaged)?;
    Ok(Encoded { format: Encoding::Jpeg, width, height, bytes })
}

/// JPEG has no transparency: what is see-through becomes white.
fn on_white(image: &DynamicImage) -> RgbImage {
    let DynamicImage::ImageRgba8(pixels) = image else { return image.to_rgb8() };
    let mut flat = RgbImage::new(pixels.width(), pixels.height());
    for (to, from) in flat.pixels_mut().zip(pixels.pixels()) {
        let alpha = u32::from(from[3]);
        let mix = |channel: usize| ((u32::from(from[channel]) * alpha + 255 * (255 - alpha) + 127) / 255).min(255) as u8;
        *to = image::Rgb([mix(0), mix(1), mix(2)]);
    }
    flat
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_rendition_is_never_wider_than_the_photo_and_never_without_height(width in 1_u32..20_000, height in 1_u32..20_000) {
            for rung in rungs(width) {
                let (w, h) = scaled(width, height, rung);
                prop_assert!(w <= width && h >= 1 && h <= height.max(1));
            }
            prop_assert!(!rungs(width).is_empty());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), kind in 0_usize..4) {
            let magic: [&[u8]; 4] = [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBP"];
            let _ = process(&[magic[kind], &bytes].concat(), 2);
        }
    }
}
