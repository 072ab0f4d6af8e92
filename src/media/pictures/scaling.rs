//! Scaling of photos.

use std::borrow::Cow;

use fast_image_resize::{
    FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::{U8x3, U8x4},
};
use image::{DynamicImage, RgbImage, RgbaImage};

/// Scales with Lanczos; alpha is taken into account. The result has eight bits a channel, in colour.
pub fn resize(image: &DynamicImage, (width, height): (u32, u32)) -> DynamicImage {
    if (image.width(), image.height()) == (width, height) {
        return image.clone();
    }
    if let DynamicImage::ImageRgba8(pixels) = image {
        let mut target = RgbaImage::new(width, height);
        scale::<U8x4>((pixels, pixels.dimensions()), (&mut target, (width, height)));
        return target.into();
    }
    let (pixels, mut target) = (image.as_rgb8().map_or_else(|| Cow::Owned(image.to_rgb8()), Cow::Borrowed), RgbImage::new(width, height));
    scale::<U8x3>((&pixels, pixels.dimensions()), (&mut target, (width, height)));
    target.into()
}

/// The resampler for one kind of pixel: left to choose by itself, it is compiled for all twelve that it knows.
fn scale<P: PixelTrait>((from, from_size): (&[u8], (u32, u32)), (to, to_size): (&mut [u8], (u32, u32))) {
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    let views = TypedImageRef::<P>::from_buffer(from_size.0, from_size.1, from).ok().zip(TypedImage::from_buffer(to_size.0, to_size.1, to).ok());
    // Both buffers have the length of their size, and no side is empty, which are the only reasons to fail.
    if let Some((from, mut to)) = views {
        let _ = Resizer::new().resize_typed(&from, &mut to, &options);
    }
}
