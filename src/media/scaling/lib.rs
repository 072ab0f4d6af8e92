//! Scaling of photos. The resampler is generic code, compiled with whoever calls it; in a crate of its own it is optimised
//! in debug builds too, where it would otherwise take twenty times as long, without optimising everything else.

use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::DynamicImage;

/// Scales with Lanczos; alpha is taken into account.
pub fn resize(image: &DynamicImage, (width, height): (u32, u32)) -> DynamicImage {
    if (image.width(), image.height()) == (width, height) {
        return image.clone();
    }
    let mut target = DynamicImage::new(width, height, image.color());
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    // Both images have the same pixel type and no empty side, which are the only reasons to fail.
    let _ = Resizer::new().resize(image, &mut target, &options);
    target
}
