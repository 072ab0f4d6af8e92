//! The parts whose cost a visitor or an owner feels: cursors, search words, the image pipeline.

use std::{hint::black_box, io::Cursor};

use criterion::{Criterion, criterion_group, criterion_main};
use etalase::{http::cursor, storefront::search::query};
use etalase_pictures::pipeline;

/// A picture of twelve megapixels, drawn here, as the JPEG a phone would send.
fn twelve_megapixels() -> Vec<u8> {
    let picture = image::RgbImage::from_fn(4032, 3024, |x, y| image::Rgb([(x / 16) as u8, (y / 12) as u8, ((x * y) % 251) as u8]));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Jpeg).expect("encoded");
    bytes.into_inner()
}

fn benches(criterion: &mut Criterion) {
    let sealed = cursor::seal(b"secret", "filter", &(1, "position")).expect("sealed");
    criterion.bench_function("open a cursor", |b| b.iter(|| cursor::open::<(i64, String)>(b"secret", "filter", black_box(&sealed))));
    criterion.bench_function("words of a query", |b| b.iter(|| query::parse(black_box("Kripik témpe oleh-oleh Solo"))));
    let photo = twelve_megapixels();
    let mut slow = criterion.benchmark_group("photo");
    slow.sample_size(10);
    slow.bench_function("ten renditions of 12 megapixels, one thread", |b| b.iter(|| pipeline::process(black_box(&photo), 1).is_ok()));
    slow.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
