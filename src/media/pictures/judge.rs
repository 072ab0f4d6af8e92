//! What a photo looks like, in numbers: a placeholder, its mean colour, whether it is dark or blurred, and a
//! fingerprint by which a copy is recognised.

use base64::{Engine, prelude::BASE64_STANDARD};
use image::{DynamicImage, GrayImage};
use image_hasher::{HashAlg, HasherConfig};
use serde::{Deserialize, Serialize};

use crate::scaling::resize;

/// Sharpness is measured at this width at most, as a visitor sees it, so that pixel counts don't matter.
const SHARPNESS_WIDTH: u32 = 960;
/// Below this spread of grey values there is nothing to recognise a photo by.
const LEAST_SPREAD: f64 = 6.0;

/// Measures of a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quality {
    /// Mean luma in percent of white.
    pub brightness_percent: i64,
    /// Variance of the Laplacian of luma, at most 960 pixels wide; a blurred photo has little.
    pub sharpness: i64,
}

/// All that is seen at a glance.
#[derive(Debug, Serialize, Deserialize)]
pub struct Look {
    /// ThumbHash, base64.
    pub placeholder: String,
    /// `#rrggbb`.
    pub dominant_color: String,
    pub quality: Quality,
    /// Perceptual hash; none of a picture that is nearly all one grey.
    pub fingerprint: Option<u64>,
}

/// Looks at a photo through its sizes, the widest first.
pub fn look(levels: &[DynamicImage]) -> Option<Look> {
    let smallest = levels.last()?;
    let view = levels.iter().find(|level| level.width() <= SHARPNESS_WIDTH).unwrap_or(smallest);
    let luma = view.to_luma8();
    let (placeholder, dominant_color) = glance(smallest);
    let (mean, spread) = mean_and_spread(luma.iter().map(|value| f64::from(*value)));
    let quality = Quality { brightness_percent: (mean / 2.55).round() as i64, sharpness: sharpness(&luma).round() as i64 };
    let fingerprint = (spread >= LEAST_SPREAD).then(|| fingerprint(smallest));
    Some(Look { placeholder, dominant_color, quality, fingerprint })
}

/// ThumbHash and mean colour, from a view of at most 100 pixels a side.
fn glance(image: &DynamicImage) -> (String, String) {
    let longest = image.width().max(image.height()).max(1);
    let side = |side: u32| (side * 100 / longest.max(100)).clamp(1, 100);
    let small = resize(image, (side(image.width()), side(image.height()))).to_rgba8();
    let hash = thumbhash::rgba_to_thumb_hash(small.width() as usize, small.height() as usize, small.as_raw());
    let count = u64::from(small.width()) * u64::from(small.height());
    let mean = |channel: usize| small.pixels().map(|pixel| u64::from(pixel[channel])).sum::<u64>() / count.max(1);
    (BASE64_STANDARD.encode(hash), format!("#{:02x}{:02x}{:02x}", mean(0), mean(1), mean(2)))
}

fn mean_and_spread(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        sum += value;
        squares += value * value;
    }
    let mean = sum / f64::max(count, 1.0);
    (mean, (squares / f64::max(count, 1.0) - mean * mean).max(0.0).sqrt())
}

/// Variance of the Laplacian (Pech-Pacheco et al., 2000, "Diatom autofocusing in brightfield microscopy").
fn sharpness(luma: &GrayImage) -> f64 {
    let width = luma.width() as usize;
    let rows: Vec<&[u8]> = luma.as_raw().chunks_exact(width.max(1)).collect();
    let laplacian = rows.windows(3).flat_map(|rows| {
        let [above, here, below] = [rows[0], rows[1], rows[2]];
        (1..width.saturating_sub(1)).map(move |x| {
            let around = [above[x], below[x], here[x - 1], here[x + 1]].map(i32::from).iter().sum::<i32>();
            f64::from(around - 4 * i32::from(here[x]))
        })
    });
    let (_, spread) = mean_and_spread(laplacian);
    spread * spread
}

/// 64 bits of the lowest frequencies: scaling, recompressing and brightening change few of them.
fn fingerprint(image: &DynamicImage) -> u64 {
    let config = HasherConfig::with_bytes_type::<[u8; 8]>().hash_size(8, 8).hash_alg(HashAlg::Median).preproc_dct();
    u64::from_be_bytes(config.to_hasher().hash_image(&image.to_luma8()).into_inner())
}
