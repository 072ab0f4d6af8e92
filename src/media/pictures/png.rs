//! What a PNG says beside its pixels: its colours, and what of it a decoder has to see (PNG, third edition).

use std::borrow::Cow;

use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, ColorPrimaries, ColorProfile, MatrixCoefficients, ToneReprCurve, TransferCharacteristics, XyY,
};

use crate::MOST_PROFILE_BYTES;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Longer notes of a camera are left out.
const MOST_EXIF_BYTES: usize = 1024 * 1024;
/// A gamma is stated in parts of this size.
const ONE: u32 = 100_000;
/// Exponents that screens, scanners and programs have; others are mistakes.
const GAMMAS: std::ops::RangeInclusive<u32> = ONE / 10..=ONE * 5;
/// What programs write that mean sRGB: 1/2.2, within three percent.
const GAMMAS_OF_SRGB: std::ops::RangeInclusive<u32> = 44_000..=46_900;

/// One chunk: its kind, what it holds, and all of its bytes.
struct Chunk<'a> {
    kind: &'a [u8],
    body: &'a [u8],
    whole: &'a [u8],
}

/// The chunks in order, up to the first that is not all there, or the last.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut rest = bytes.strip_prefix(SIGNATURE).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, kind) = rest.get(..8)?.split_at(4);
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        let (whole, after) = rest.split_at_checked(length.checked_add(12)?)?;
        rest = if kind == b"IEND" { &[] } else { after };
        Some(Chunk { kind, body: &whole[8..8 + length], whole })
    })
}

/// The same picture without the chunks that a decoder would inflate or keep in vain: texts, profiles, animation. What is
/// critical stays, known or not, and so do transparency and orientation.
pub fn pixels(bytes: &[u8]) -> Cow<'_, [u8]> {
    let stays = |chunk: &Chunk<'_>| {
        let is_critical = chunk.kind[0].is_ascii_uppercase();
        is_critical || chunk.kind == b"tRNS" || (chunk.kind == b"eXIf" && chunk.body.len() <= MOST_EXIF_BYTES)
    };
    let (mut all, mut kept) = (SIGNATURE.len(), SIGNATURE.len());
    for chunk in chunks(bytes) {
        all += chunk.whole.len();
        kept += if stays(&chunk) { chunk.whole.len() } else { 0 };
    }
    if kept == all {
        return Cow::Borrowed(bytes);
    }
    // Where the last pixels were cut off, it is the decoder that says whether enough of them are there.
    let cut = bytes.get(all..).filter(|rest| rest.get(4..8) == Some(b"IDAT")).unwrap_or_default();
    let mut pixels = Vec::with_capacity(kept + cut.len());
    pixels.extend_from_slice(SIGNATURE);
    chunks(bytes).filter(stays).for_each(|chunk| pixels.extend_from_slice(chunk.whole));
    pixels.extend_from_slice(cut);
    Cow::Owned(pixels)
}

/// What is said of colours, each where it was said first.
#[derive(Default)]
struct Stated<'a> {
    cicp: Option<&'a [u8]>,
    iccp: Option<&'a [u8]>,
    srgb: Option<&'a [u8]>,
    gama: Option<&'a [u8]>,
    chrm: Option<&'a [u8]>,
}

/// The colours of the pixels, as browsers find them: code points take precedence over a profile, a profile over sRGB,
/// and sRGB over gamma and chromaticities. What can't be understood counts as not said; `None` is sRGB.
pub fn colours(bytes: &[u8]) -> Option<ColorProfile> {
    let mut stated = Stated::default();
    for chunk in chunks(bytes).take_while(|chunk| chunk.kind != b"IDAT") {
        let place = match chunk.kind {
            b"cICP" => &mut stated.cicp,
            b"iCCP" => &mut stated.iccp,
            b"sRGB" => &mut stated.srgb,
            b"gAMA" => &mut stated.gama,
            b"cHRM" => &mut stated.chrm,
            _ => continue,
        };
        place.get_or_insert(chunk.body);
    }
    if let Some(coded) = stated.cicp.and_then(coded) {
        return coded;
    }
    if let Some(profile) = stated.iccp.and_then(embedded) {
        return Some(profile);
    }
    if stated.srgb.is_some_and(|intent| matches!(intent, [0..=3])) {
        return None;
    }
    measured(stated.gama?, stated.chrm)
}

/// Code points of ITU-T H.273, as far as they are those of still pictures; inside is `None` for sRGB itself.
#[expect(clippy::option_option, reason = "unknown, sRGB, and another profile are three things")]
fn coded(body: &[u8]) -> Option<Option<ColorProfile>> {
    // Pixels are RGB from black to white; PNG knows no other matrix, and the narrow range is for films.
    let [primaries, transfer, 0, 1] = *body else { return None };
    let transfer_characteristics = match transfer {
        1 => TransferCharacteristics::Bt709,
        6 => TransferCharacteristics::Bt601,
        8 => TransferCharacteristics::Linear,
        13 => TransferCharacteristics::Srgb,
        14 => TransferCharacteristics::Bt202010bit,
        15 => TransferCharacteristics::Bt202012bit,
        // High dynamic range needs a screen to be mapped to.
        _ => return None,
    };
    let color_primaries = match primaries {
        1 if transfer == 13 => return Some(None),
        1 => CicpColorPrimaries::Bt709,
        5 => CicpColorPrimaries::Bt470Bg,
        6 => CicpColorPrimaries::Bt601,
        9 => CicpColorPrimaries::Bt2020,
        12 => CicpColorPrimaries::Smpte432,
        _ => return None,
    };
    let code = CicpProfile { color_primaries, transfer_characteristics, matrix_coefficients: MatrixCoefficients::Identity, full_range: true };
    let profile = ColorProfile::new_from_cicp(code);
    profile.red_trc.is_some().then_some(Some(profile))
}

/// The profile inside, unless it inflates to more than anybody needs.
fn embedded(body: &[u8]) -> Option<ColorProfile> {
    let name = body.iter().take(80).position(|byte| *byte == 0)?;
    let [0, deflated @ ..] = body.get(name + 1..)? else { return None };
    let profile = fdeflate::decompress_to_vec_bounded(deflated, MOST_PROFILE_BYTES).ok()?;
    ColorProfile::new_from_slice(&profile).ok()
}

/// Gamma, and chromaticities where they make sense.
fn measured(gamma: &[u8], chromaticities: Option<&[u8]>) -> Option<ColorProfile> {
    let gamma = u32::from_be_bytes(gamma.try_into().ok()?);
    if !GAMMAS.contains(&gamma) {
        return None;
    }
    let chromaticities = chromaticities.and_then(Chromaticities::of).filter(|stated| !stated.are_of_srgb());
    if chromaticities.is_none() && GAMMAS_OF_SRGB.contains(&gamma) {
        return None;
    }
    let mut profile = ColorProfile::new_srgb();
    // Its code points would take precedence over the curves.
    profile.cicp = None;
    let curve = ToneReprCurve::Parametric(vec![(f64::from(ONE) / f64::from(gamma)) as f32]);
    profile.red_trc = Some(curve.clone());
    profile.green_trc = Some(curve.clone());
    profile.blue_trc = Some(curve);
    if let Some(stated) = chromaticities {
        stated.put_into(&mut profile);
    }
    Some(profile)
}

/// White, red, green and blue in the plane of CIE 1931.
struct Chromaticities([(f64, f64); 4]);

impl Chromaticities {
    const OF_SRGB: [(f64, f64); 4] = [(0.3127, 0.3290), (0.64, 0.33), (0.30, 0.60), (0.15, 0.06)];

    /// Points that can be: a triangle of some size with white inside.
    fn of(body: &[u8]) -> Option<Self> {
        let numbers: Vec<f64> =
            body.chunks_exact(4).map(|number| f64::from(u32::from_be_bytes([number[0], number[1], number[2], number[3]]))).collect();
        let points: Vec<_> = numbers.chunks_exact(2).map(|point| (point[0] / f64::from(ONE), point[1] / f64::from(ONE))).collect();
        let points = <[(f64, f64); 4]>::try_from(points).ok()?;
        let [white, red, green, blue] = points;
        let side = |from: (f64, f64), to: (f64, f64), point: (f64, f64)| (to.0 - from.0) * (point.1 - from.1) - (to.1 - from.1) * (point.0 - from.0);
        let is_point = |(x, y): &(f64, f64)| *x >= 0.0 && *y > 0.0 && x + y <= 1.001;
        let turns = [side(red, green, white), side(green, blue, white), side(blue, red, white)];
        let holds_white = turns.iter().all(|turn| *turn > 0.001) || turns.iter().all(|turn| *turn < -0.001);
        (body.len() == 32 && points.iter().all(is_point) && holds_white).then_some(Self(points))
    }

    fn are_of_srgb(&self) -> bool {
        self.0.iter().zip(Self::OF_SRGB).all(|((x, y), (wanted_x, wanted_y))| (x - wanted_x).abs() < 0.005 && (y - wanted_y).abs() < 0.005)
    }

    fn put_into(&self, profile: &mut ColorProfile) {
        let [white, red, green, blue] = self.0;
        let point = |(x, y): (f64, f64)| Chromaticity::new(x as f32, y as f32);
        let primaries = ColorPrimaries { red: point(red), green: point(green), blue: point(blue) };
        profile.update_rgb_colorimetry(XyY::new(white.0, white.1, 1.0), primaries);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode::{self, Refusal},
        pipeline,
    };

    /// The kinds of pixels that PNG knows, by number and depth.
    const GREY: (u8, u8) = (0, 8);
    const GREY_16: (u8, u8) = (0, 16);
    const GREY_ALPHA: (u8, u8) = (4, 8);
    const RGB: (u8, u8) = (2, 8);
    const RGB_16: (u8, u8) = (2, 16);
    const RGBA: (u8, u8) = (6, 8);
    const PALETTE: (u8, u8) = (3, 8);
    const KINDS: [(u8, u8); 7] = [GREY, GREY_16, GREY_ALPHA, RGB, RGB_16, RGBA, PALETTE];

    fn chunk(kind: &[u8], body: &[u8]) -> Vec<u8> {
        let checked = [kind, body].concat();
        let step = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 });
        let sum = !checked.iter().fold(u32::MAX, step);
        [&(body.len() as u32).to_be_bytes(), checked.as_slice(), &sum.to_be_bytes()].concat()
    }

    /// Sixteen by sixteen pixels of one colour, with `chunks` before them.
    fn png((color, depth): (u8, u8), [red, green, blue]: [u8; 3], chunks: &[Vec<u8>]) -> Vec<u8> {
        let pixel = match (color, depth) {
            (0, 16) => vec![red, red],
            (0, _) => vec![red],
            (4, _) => vec![red, 255],
            (2, 16) => vec![red, red, green, green, blue, blue],
            (2, _) => vec![red, green, blue],
            (6, _) => vec![red, green, blue, 255],
            _ => vec![1],
        };
        let rows = [vec![0], pixel.repeat(16)].concat().repeat(16);
        let mut png = [SIGNATURE, &chunk(b"IHDR", &[0, 0, 0, 16, 0, 0, 0, 16, depth, color, 0, 0, 0])].concat();
        png.extend(chunks.concat());
        if color == 3 {
            png.extend(chunk(b"PLTE", &[0, 0, 0, red, green, blue]));
        }
        png.extend(chunk(b"IDAT", &fdeflate::compress_to_vec(&rows)));
        png.extend(chunk(b"IEND", b""));
        png
    }

    /// The colour that a visitor sees.
    fn seen(png: &[u8]) -> [u8; 3] {
        let colour = pipeline::process(png, 1).expect("it can be decoded").look.dominant_color;
        [1, 3, 5].map(|at| u8::from_str_radix(&colour[at..at + 2], 16).expect("hexadecimal"))
    }

    fn assert_seen(png: &[u8], wanted: [u8; 3], what: &str) {
        let seen = seen(png);
        assert!(seen.iter().zip(wanted).all(|(seen, wanted)| seen.abs_diff(wanted) <= 1), "{what}: {seen:?} is not {wanted:?}");
    }

    fn gama(gamma: u32) -> Vec<u8> {
        chunk(b"gAMA", &gamma.to_be_bytes())
    }

    fn chrm(points: [u32; 8]) -> Vec<u8> {
        chunk(b"cHRM", &points.map(u32::to_be_bytes).concat())
    }

    fn cicp(code: [u8; 4]) -> Vec<u8> {
        chunk(b"cICP", &code)
    }

    fn iccp(profile: &[u8]) -> Vec<u8> {
        chunk(b"iCCP", &[b"name\0\0".as_slice(), &fdeflate::compress_to_vec(profile)].concat())
    }

    const CHRM_OF_SRGB: [u32; 8] = [31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000];
    const CHRM_OF_P3: [u32; 8] = [31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000];
    const PLAIN: [u8; 3] = [120, 150, 90];
    // The same numbers in other colours, as sRGB: worked out apart from this crate, by the matrices of the primaries.
    const P3: [u8; 3] = [112, 151, 82];
    const P3_BY_GAMMA: [u8; 3] = [112, 152, 81];
    const ADOBE: [u8; 3] = [105, 151, 86];
    const BT2020: [u8; 3] = [99, 154, 80];
    const BT2020_BY_ITS_CURVE: [u8; 3] = [114, 164, 95];

    #[test]
    fn linear_light_is_shown_as_bright_as_it_is_whatever_the_pixels_are_made_of() {
        for kind in KINDS {
            assert_seen(&png(kind, [55; 3], &[gama(100_000)]), [128; 3], &format!("{kind:?}"));
        }
    }

    #[test]
    fn a_gamma_that_means_srgb_changes_nothing() {
        for gamma in [45_455, 45_000, 45_500] {
            assert_eq!(seen(&png(RGB, PLAIN, &[gama(gamma)])), PLAIN);
            assert_eq!(seen(&png(RGB, PLAIN, &[gama(gamma), chrm(CHRM_OF_SRGB)])), PLAIN);
        }
    }

    #[test]
    fn chromaticities_count_beside_a_gamma_only() {
        assert_seen(&png(RGB, PLAIN, &[gama(45_455), chrm(CHRM_OF_P3)]), P3_BY_GAMMA, "Display P3");
        assert_eq!(seen(&png(RGB, PLAIN, &[chrm(CHRM_OF_P3)])), PLAIN);
    }

    #[test]
    fn code_points_go_before_a_profile_a_profile_before_srgb_and_srgb_before_gamma() {
        let (linear, srgb) = (gama(100_000), chunk(b"sRGB", &[0]));
        let adobe = iccp(&ColorProfile::new_adobe_rgb().encode().expect("it can be written"));
        let p3 = cicp([12, 13, 0, 1]);
        assert_eq!(seen(&png(RGB, PLAIN, &[linear.clone(), srgb.clone()])), PLAIN);
        assert_seen(&png(RGB, PLAIN, &[srgb.clone(), linear.clone(), adobe.clone()]), ADOBE, "a profile");
        assert_seen(&png(RGB, PLAIN, &[adobe.clone(), srgb, linear.clone(), p3]), P3, "code points");
        assert_eq!(seen(&png(RGB, PLAIN, &[cicp([1, 13, 0, 1]), adobe, linear])), PLAIN);
    }

    #[test]
    fn code_points_of_still_pictures_are_known() {
        assert_seen(&png(RGB, [55; 3], &[cicp([1, 1, 0, 1])]), [70; 3], "BT.709");
        assert_seen(&png(RGB, PLAIN, &[cicp([9, 13, 0, 1])]), BT2020, "BT.2020 with the curve of sRGB");
        assert_seen(&png(RGB, PLAIN, &[cicp([9, 14, 0, 1])]), BT2020_BY_ITS_CURVE, "BT.2020");
        assert_seen(&png(RGBA, [55; 3], &[cicp([1, 8, 0, 1])]), [128; 3], "linear");
        // Unknown, high dynamic range, another matrix, narrow range, too short: what else is said counts.
        for code in [[77, 13, 0, 1].as_slice(), &[9, 16, 0, 1], &[1, 13, 9, 1], &[1, 13, 0, 0], &[1, 13, 0]] {
            assert_seen(&png(GREY, [55; 3], &[chunk(b"cICP", code), gama(100_000)]), [128; 3], &format!("{code:?}"));
        }
    }

    #[test]
    fn what_can_not_be_is_ignored() {
        for gamma in [0, 1, 9_999, 500_001, u32::MAX] {
            assert_eq!(seen(&png(RGB, PLAIN, &[gama(gamma)])), PLAIN, "{gamma}");
        }
        assert_eq!(seen(&png(RGB, PLAIN, &[chunk(b"gAMA", &[0, 1])])), PLAIN);
        let flat = [31_270, 32_900, 30_000, 30_000, 30_000, 30_000, 30_000, 30_000];
        let outside = [10_000, 80_000, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000];
        for points in [[0; 8], [u32::MAX; 8], flat, outside] {
            assert_seen(&png(GREY, [55; 3], &[gama(100_000), chrm(points)]), [128; 3], &format!("{points:?}"));
        }
        let nonsense = [
            chunk(b"iCCP", b"name\0\0no zlib"),
            chunk(b"iCCP", b"no end"),
            chunk(b"iCCP", b"name\0\x07x"),
            iccp(b"no profile"),
            chunk(b"sRGB", &[9]),
        ];
        for chunk in nonsense {
            assert_seen(&png(GREY, [55; 3], &[chunk, gama(100_000)]), [128; 3], "the gamma counts");
        }
        assert_eq!(seen(&png(RGB, PLAIN, &[gama(45_455), gama(100_000)])), PLAIN, "the first counts");
    }

    #[test]
    fn colours_after_the_pixels_are_too_late() {
        let mut late = png(GREY, [55; 3], &[]);
        let end = late.len() - 12;
        late.splice(end..end, gama(100_000));
        assert_eq!(seen(&late), [55; 3]);
    }

    #[test]
    fn a_profile_of_grey_is_for_grey_pixels() {
        let profile = iccp(&ColorProfile::new_gray_with_gamma(1.0).encode().expect("it can be written"));
        assert_seen(&png(GREY, [55; 3], std::slice::from_ref(&profile)), [128; 3], "grey");
        assert_eq!(seen(&png(RGB, PLAIN, &[profile])), PLAIN);
    }

    #[test]
    fn a_profile_larger_than_anybody_needs_is_not_inflated_and_the_picture_is_taken() {
        let large = iccp(&vec![0; 64 << 20]);
        assert!(large.len() < 1 << 20);
        assert_eq!(seen(&png(RGB, PLAIN, &[large])), PLAIN);
    }

    #[test]
    fn texts_and_animation_are_left_out_and_damage_stays_damage() {
        let text = chunk(b"tEXt", &[b"Comment\0".as_slice(), &vec![b'x'; 9 << 20]].concat());
        let animation = [chunk(b"acTL", &[0, 0, 0, 1, 0, 0, 0, 0]), chunk(b"fcTL", &[0; 26])].concat();
        let full = png(RGB, PLAIN, &[text, animation]);
        assert_eq!((decode::probe(&full), seen(&full)), (Ok((16, 16)), PLAIN));
        assert!(matches!(pixels(&png(RGB, PLAIN, &[])), Cow::Borrowed(_)));
        for end in [8, 20, 40, full.len() - 30] {
            assert_eq!(decode::decode(&full[..end]).err(), Some(Refusal::Damaged), "{end}");
        }
        let unknown = chunk(b"NEWS", b"critical");
        assert_eq!(decode::decode(&png(RGB, PLAIN, &[unknown])).err(), Some(Refusal::Damaged));
    }
}
