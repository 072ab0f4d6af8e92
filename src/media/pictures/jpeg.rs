//! Where a JPEG picture ends, and whether all of it is there (ITU-T T.81).
//!
//! Phones append films, gain maps, second pictures and notes to a picture, and decoders fill what is missing with grey, so
//! neither the end of the file nor what a decoder makes of it tells. The file is walked marker by marker instead, and the
//! codes of each scan are counted, without making pixels of them: a picture that was cut runs into what follows it, and
//! then there are too few, however the rest of the file looks.

use std::ops::Range;

use memchr::memchr;

use crate::MOST_PIXELS;

/// Most scans of a picture: no encoder makes more, and each may cost a pass over the whole picture.
const MOST_SCANS: usize = 100;
/// Coefficients of a block.
const COEFFICIENTS: usize = 64;
/// Stands for the lowest bit of a coefficient that no scan has brought yet.
const NOT_SENT: u8 = u8::MAX;
/// At most this many bytes left over at the end of a scan are padding.
const MOST_PADDING: usize = 8;

/// The picture alone, from its first marker to its own last one; `None` where part of it is missing.
pub fn whole(bytes: &[u8]) -> Option<&[u8]> {
    let walk = Walk { bytes, at: 2, dc: [const { None }; 4], ac: [const { None }; 4], interval: 0, frame: None, scans: 0, has_strays: false };
    bytes.starts_with(b"\xff\xd8").then(|| walk.end()).flatten().and_then(|end| bytes.get(..end))
}

/// What the next bits of the stream mean, looked up by the bits.
struct Codes {
    /// Sixteen bits lead to the length and the value of the code that they begin with; 0 where none does.
    one: Vec<u16>,
    /// Fewer lead to as many codes as they hold, in blocks that come all at once; most are short.
    several: Vec<Several>,
}

/// Bits that lead to several codes.
const SEVERAL: u32 = 12;

/// Codes together with the bits that follow each.
#[derive(Clone, Copy, Default)]
struct Several {
    bits: u8,
    coefficients: u8,
    /// The last of them says that nothing more comes in its block.
    ends: bool,
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    dc: [Option<Codes>; 4],
    ac: [Option<Codes>; 4],
    /// Units between restart markers; 0 where there are none.
    interval: usize,
    frame: Option<Frame>,
    scans: usize,
    /// Bytes that belong to no segment were passed over.
    has_strays: bool,
}

struct Frame {
    is_progressive: bool,
    /// Size of the picture, in units of all components together.
    units: usize,
    components: Vec<Component>,
}

struct Component {
    id: u8,
    /// Blocks of it in a unit of all components together.
    blocks_in_unit: usize,
    /// Blocks of it where it is alone in a scan.
    blocks: usize,
    /// The lowest bit that was sent of each coefficient.
    lowest: [u8; COEFFICIENTS],
    /// Coefficients of each block that are not zero, which a refining scan says more about; empty until one may follow.
    nonzero: Vec<u64>,
}

/// What a scan says of its components.
struct Scan {
    /// For each component its place in the frame, and its two tables.
    parts: Vec<(usize, usize, usize)>,
    band: Range<usize>,
    is_refining: bool,
    low: u8,
}

impl<'a> Walk<'a> {
    /// The first byte after the picture.
    fn end(mut self) -> Option<usize> {
        loop {
            match self.marker()? {
                0xd9 => return self.is_complete().then_some(self.at),
                // Another picture begins in the middle of this one.
                0xd8 => return None,
                0x01 | 0xd0..=0xd7 => {}
                marker => {
                    let body = self.segment()?;
                    match marker {
                        0xc0..=0xc2 => self.begin_frame(body, marker == 0xc2)?,
                        0xc4 => self.learn_codes(body)?,
                        // Lossless, hierarchical and arithmetic pictures: no decoder of ours reads them.
                        0xc3 | 0xc5..=0xc7 | 0xc9..=0xcf => return None,
                        0xdd => self.interval = number(self.bytes, body.start)?,
                        0xda => self.scan(body)?,
                        _ => {}
                    }
                }
            }
        }
    }

    /// Every component came, and what was sent bit by bit came to its end. A picture whose makers left out the finest bits
    /// is taken as well, unless something lies between its segments that does not belong there.
    fn is_complete(&self) -> bool {
        let is_there = |component: &Component| component.lowest[0] != NOT_SENT;
        let is_exact = |component: &Component| component.lowest.iter().all(|lowest| *lowest == 0);
        self.frame.as_ref().is_some_and(|frame| {
            frame.components.iter().all(|component| is_there(component) && (is_exact(component) || frame.is_progressive && !self.has_strays))
        })
    }

    /// Goes on to the next marker and past it.
    fn marker(&mut self) -> Option<u8> {
        loop {
            let strays = memchr(0xff, self.bytes.get(self.at..)?)?;
            self.has_strays |= strays > 0;
            self.at += strays;
            while self.bytes.get(self.at) == Some(&0xff) {
                self.at += 1;
            }
            let marker = *self.bytes.get(self.at)?;
            self.at += 1;
            if marker != 0 {
                return Some(marker);
            }
            self.has_strays = true;
        }
    }

    /// What the segment at hand holds; its length counts itself.
    fn segment(&mut self) -> Option<Range<usize>> {
        let length = number(self.bytes, self.at)?;
        let body = self.at + 2..self.at + length;
        (length >= 2 && body.end <= self.bytes.len()).then(|| {
            self.at = body.end;
            body
        })
    }

    fn begin_frame(&mut self, body: Range<usize>, is_progressive: bool) -> Option<()> {
        let body = self.bytes.get(body)?;
        let (height, width) = (number(body, 1)?, number(body, 3)?);
        let stated = body.get(6..6 + 3 * usize::from(*body.get(5)?))?.chunks_exact(3);
        let stated: Vec<_> = stated.map(|part| (part[0], usize::from(part[1] >> 4), usize::from(part[1] & 15))).collect();
        let widest = stated.iter().map(|(_, across, _)| *across).max()?;
        let tallest = stated.iter().map(|(_, _, down)| *down).max()?;
        let is_sound = stated.len() <= 4 && stated.iter().all(|(_, across, down)| (1..=4).contains(across) && (1..=4).contains(down));
        if self.frame.is_some() || !is_sound || width == 0 || height == 0 || (width * height) as u64 > MOST_PIXELS {
            return None;
        }
        let blocks = |side: usize, factor: usize, most: usize| (side * factor).div_ceil(most).div_ceil(8);
        let component = |(id, across, down): (u8, usize, usize)| Component {
            id,
            blocks_in_unit: across * down,
            blocks: blocks(width, across, widest) * blocks(height, down, tallest),
            lowest: [NOT_SENT; COEFFICIENTS],
            nonzero: Vec::new(),
        };
        let units = width.div_ceil(8 * widest) * height.div_ceil(8 * tallest);
        self.frame = Some(Frame { is_progressive, units, components: stated.into_iter().map(component).collect() });
        Some(())
    }

    fn learn_codes(&mut self, body: Range<usize>) -> Option<()> {
        let mut body = self.bytes.get(body)?;
        while let Some((head, rest)) = body.split_first() {
            let (counts, values) = rest.split_at_checked(16)?;
            let length = counts.iter().map(|count| usize::from(*count)).sum();
            let (values, rest) = values.split_at_checked(length)?;
            let tables = if head >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *tables.get_mut(usize::from(head & 15))? = Some(codes(counts, values)?);
            body = rest;
        }
        Some(())
    }

    /// Counts the codes of a scan; fails where it holds too few.
    fn scan(&mut self, head: Range<usize>) -> Option<()> {
        self.scans += 1;
        let head = self.bytes.get(head)?;
        let mut frame = self.frame.take()?;
        let scan = Scan::of(head, &frame).filter(|_| self.scans <= MOST_SCANS)?;
        let alone = <[_; 1]>::try_from(scan.parts.as_slice()).ok().map(|[(component, ..)]| component);
        let mut left = alone.map_or(frame.units, |component| frame.components[component].blocks);
        if let Some(component) = alone.map(|component| &mut frame.components[component])
            && frame.is_progressive
            && scan.band.start > 0
        {
            component.nonzero.resize(component.blocks, 0);
        }
        let knows_codes = self.knows_codes(&scan, frame.is_progressive);
        let mut done = 0;
        if knows_codes {
            loop {
                let mut bits = Bits::of(self.entropy()?);
                let units = if self.interval == 0 { left } else { left.min(self.interval) };
                self.units(&scan, &mut frame, alone.is_some(), done..done + units, &mut bits)?;
                // Codes that stand for many blocks would let foreign bytes end a scan early.
                if frame.is_progressive && bits.left_over() > 0 {
                    return None;
                }
                self.has_strays |= bits.left_over() > MOST_PADDING;
                (done, left) = (done + units, left - units);
                if left == 0 {
                    break;
                }
                // What was cut goes on with anything but the marker that has to be here.
                if !self.passes_restart() {
                    return None;
                }
            }
        } else {
            // Films of single pictures leave out the usual tables; nothing can be counted then.
            self.entropy()?;
            while self.passes_restart() {
                self.entropy()?;
            }
        }
        for (component, ..) in &scan.parts {
            frame.components[*component].lowest[scan.band.clone()].fill(scan.low);
        }
        self.frame = Some(frame);
        Some(())
    }

    /// The bytes of a scan up to the next marker.
    fn entropy(&mut self) -> Option<&'a [u8]> {
        let begin = self.at;
        loop {
            self.at += memchr(0xff, self.bytes.get(self.at..)?)?;
            match self.bytes.get(self.at + 1)? {
                0 => self.at += 2,
                0xff => self.at += 1,
                _ => {
                    // More than one before a marker fill up space.
                    let data = self.bytes.get(begin..self.at)?;
                    return data.get(..data.iter().rposition(|byte| *byte != 0xff).map_or(0, |last| last + 1));
                }
            }
        }
    }

    /// Goes past a restart marker, if one is here.
    fn passes_restart(&mut self) -> bool {
        let is_restart = matches!(self.bytes.get(self.at + 1), Some(0xd0..=0xd7));
        self.at += if is_restart { 2 } else { 0 };
        is_restart
    }

    /// Whether the tables that a scan names are there.
    fn knows_codes(&self, scan: &Scan, is_progressive: bool) -> bool {
        let needs_dc = scan.band.start == 0 && !scan.is_refining;
        let needs_ac = !is_progressive || scan.band.start > 0;
        let is_there = |tables: &[Option<Codes>; 4], index: usize| tables.get(index).is_some_and(Option::is_some);
        scan.parts.iter().all(|(_, dc, ac)| (!needs_dc || is_there(&self.dc, *dc)) && (!needs_ac || is_there(&self.ac, *ac)))
    }

    /// Reads the codes of some units.
    fn units(&self, scan: &Scan, frame: &mut Frame, is_alone: bool, units: Range<usize>, bits: &mut Bits<'_>) -> Option<()> {
        let &(first, _, ac) = scan.parts.first()?;
        if frame.is_progressive && scan.band.start > 0 {
            let codes = self.ac.get(ac)?.as_ref()?;
            let blocks = frame.components[first].nonzero.get_mut(units)?;
            return if scan.is_refining { refine(bits, codes, &scan.band, blocks) } else { bring(bits, codes, &scan.band, blocks) };
        }
        let mut tables = Vec::new();
        for (component, dc, ac) in &scan.parts {
            let blocks = if is_alone { 1 } else { frame.components[*component].blocks_in_unit };
            let dc = self.dc.get(*dc)?.as_ref();
            let ac = self.ac.get(*ac)?.as_ref().filter(|_| !frame.is_progressive);
            tables.push((blocks, dc, ac));
        }
        for _ in units {
            for (blocks, dc, ac) in &tables {
                for _ in 0..*blocks {
                    if frame.is_progressive && scan.is_refining {
                        bits.take(1)?;
                        continue;
                    }
                    bits.value_and_bits((*dc)?)?;
                    if !frame.is_progressive {
                        block(bits, (*ac)?)?;
                    }
                }
            }
        }
        Some(())
    }
}

impl Scan {
    fn of(head: &[u8], frame: &Frame) -> Option<Self> {
        let (count, rest) = head.split_first()?;
        let (parts, rest) = rest.split_at_checked(2 * usize::from(*count))?;
        let place = |part: &[u8]| {
            let component = frame.components.iter().position(|component| component.id == part[0])?;
            Some((component, usize::from(part[1] >> 4), usize::from(part[1] & 15)))
        };
        let parts = parts.chunks_exact(2).map(place).collect::<Option<Vec<_>>>()?;
        let [first, last, bits] = *rest else { return None };
        let whole = Self { parts, band: 0..COEFFICIENTS, is_refining: false, low: 0 };
        if !frame.is_progressive {
            return Some(whole);
        }
        let scan = Self { band: usize::from(first)..usize::from(last) + 1, is_refining: bits >> 4 != 0, low: bits & 15, ..whole };
        // The first coefficient comes apart from the others, and those of one component at a time.
        let is_sound = if first == 0 { last == 0 } else { first <= last && scan.parts.len() == 1 };
        (is_sound && scan.band.end <= COEFFICIENTS).then_some(scan)
    }
}

/// The rest of a block after its first coefficient, all at once.
fn block(bits: &mut Bits<'_>, codes: &Codes) -> Option<()> {
    let mut at = 1;
    while at < COEFFICIENTS {
        let several = bits.several(codes);
        let next = at + usize::from(several.coefficients);
        // Past the end of the block the codes are another's, and past the end of the stream there are none.
        if several.bits > 0 && u32::from(several.bits) <= bits.count && (next < COEFFICIENTS || (next == COEFFICIENTS && !several.ends)) {
            bits.count -= u32::from(several.bits);
            at = if several.ends { COEFFICIENTS } else { next };
        } else {
            at += coefficients(bits.value_and_bits(codes)?).unwrap_or(COEFFICIENTS);
        }
    }
    Some(())
}

/// How many coefficients a code of a block stands for; `None` if nothing more comes. Sixteen zeros are written as
/// fifteen and one of no size.
fn coefficients(value: u8) -> Option<usize> {
    (value & 15 != 0 || value >= 0xf0).then_some(usize::from(value >> 4) + 1)
}

/// A scan that brings coefficients for the first time.
fn bring(bits: &mut Bits<'_>, codes: &Codes, band: &Range<usize>, blocks: &mut [u64]) -> Option<()> {
    let mut index = 0;
    while let Some(nonzero) = blocks.get_mut(index) {
        index += 1;
        let mut at = band.start;
        while at < band.end {
            let (zeros, size) = halves(bits.value(codes)?);
            match (zeros, size) {
                (15, 0) => at += 16,
                (_, 0) => {
                    // The rest of this block is zero, and so many whole blocks after it.
                    index += (1 << zeros) - 1 + bits.take(zeros as u32)? as usize;
                    break;
                }
                _ => {
                    bits.take(size)?;
                    *nonzero |= 1_u64.checked_shl((at + zeros) as u32)?;
                    at += zeros + 1;
                }
            }
        }
    }
    Some(())
}

/// A scan that brings one bit more of coefficients.
fn refine(bits: &mut Bits<'_>, codes: &Codes, band: &Range<usize>, blocks: &mut [u64]) -> Option<()> {
    // Blocks that only say more about what is known.
    let mut run = 0;
    for nonzero in blocks {
        let mut at = band.start;
        while at < band.end && run == 0 {
            let (mut zeros, size) = halves(bits.value(codes)?);
            if size == 0 && zeros < 15 {
                run = (1 << zeros) + bits.take(zeros as u32)?;
                break;
            }
            bits.take(u32::from(size != 0))?;
            while at < band.end {
                if *nonzero >> at & 1 == 1 {
                    bits.take(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                at += 1;
            }
            if size != 0 && at < band.end {
                *nonzero |= 1 << at;
            }
            at += 1;
        }
        if run > 0 {
            for _ in (at..band.end).filter(|at| *nonzero >> at & 1 == 1) {
                bits.take(1)?;
            }
            run -= 1;
        }
    }
    Some(())
}

/// How many zeros come before, and how many bits follow.
fn halves(value: u8) -> (usize, u32) {
    (usize::from(value >> 4), u32::from(value & 15))
}

/// A number of two bytes.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let [high, low] = *bytes.get(at..at + 2)? else { return None };
    Some(usize::from(u16::from_be_bytes([high, low])))
}

/// Codes are numbered in order of their lengths; each takes all numbers of sixteen bits that begin with it.
fn codes(counts: &[u8], values: &[u8]) -> Option<Codes> {
    let (mut one, mut next, mut values) = (vec![0; 1 << 16], 0_usize, values.iter());
    for (length, count) in (1..).zip(counts) {
        for value in values.by_ref().take(usize::from(*count)) {
            let end = next + (1 << (16 - length));
            one.get_mut(next..end)?.fill((length as u16) << 8 | u16::from(*value));
            next = end;
        }
    }
    let several = (0..1_u32 << SEVERAL).map(|begin| several(&one, begin)).collect();
    Some(Codes { one, several })
}

/// The codes that these bits hold whole.
fn several(one: &[u16], begin: u32) -> Several {
    let mut found = Several::default();
    while !found.ends {
        let rest = begin << (16 - SEVERAL) << found.bits & 0xffff;
        let [length, value] = one.get(rest as usize).copied().unwrap_or_default().to_be_bytes();
        let bits = found.bits + length + (value & 15);
        if length == 0 || u32::from(bits) > SEVERAL {
            break;
        }
        found.bits = bits;
        match coefficients(value) {
            Some(more) => found.coefficients += more as u8,
            None => found.ends = true,
        }
    }
    found
}

/// Reads bits, the highest first; after 0xff a zero is left out.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, held: 0, count: 0 }
    }

    fn fill(&mut self) {
        // Four at once where none of them is 0xff, as nearly always.
        if let Some(&[a, b, c, d]) = self.bytes.get(self.at..self.at + 4)
            && self.count <= 32
            && a.max(b).max(c).max(d) < 0xff
        {
            self.held = self.held << 32 | u64::from(u32::from_be_bytes([a, b, c, d]));
            self.at += 4;
            self.count += 32;
            return;
        }
        while self.count <= 56 {
            let Some(byte) = self.bytes.get(self.at) else { return };
            if *byte == 0xff {
                // Without the zero it fills up space before a marker.
                if self.bytes.get(self.at + 1) != Some(&0) {
                    return;
                }
                self.at += 1;
            }
            self.at += 1;
            self.held = self.held << 8 | u64::from(*byte);
            self.count += 8;
        }
    }

    /// The next `count` bits, 16 at most; where there are fewer, what was to come is missing.
    fn take(&mut self, count: u32) -> Option<u32> {
        if self.count < count {
            self.fill();
        }
        self.count = self.count.checked_sub(count)?;
        // Without bits to take, all of them may be held.
        let taken = self.held.checked_shr(self.count).unwrap_or(0) & ((1 << count) - 1);
        Some(taken as u32)
    }

    /// As many of the bits that come next, with zeros behind the last.
    fn ahead(&self, count: u32) -> usize {
        let ahead = if self.count >= count { self.held >> (self.count - count) } else { self.held << (count - self.count) };
        (ahead & ((1 << count) - 1)) as usize
    }

    /// The codes that come next.
    fn several(&mut self, codes: &Codes) -> Several {
        if self.count < SEVERAL {
            self.fill();
        }
        codes.several.get(self.ahead(SEVERAL)).copied().unwrap_or_default()
    }

    /// The value of the code that comes next.
    fn value(&mut self, codes: &Codes) -> Option<u8> {
        if self.count < 16 {
            self.fill();
        }
        let [length, value] = codes.one.get(self.ahead(16))?.to_be_bytes();
        self.count = self.count.checked_sub(u32::from(length)).filter(|_| length > 0)?;
        Some(value)
    }

    /// The value of the code that comes next, and past as many bits as its lower half says.
    fn value_and_bits(&mut self, codes: &Codes) -> Option<u8> {
        if self.count < 32 {
            self.fill();
        }
        let value = self.value(codes)?;
        self.count = self.count.checked_sub(u32::from(value & 15))?;
        Some(value)
    }

    /// Whole bytes that nobody read.
    fn left_over(&self) -> usize {
        self.bytes.len() - self.at + self.count as usize / 8
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;
    use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

    use super::*;

    /// A picture with something in every block.
    fn picture(width: u32, height: u32) -> RgbImage {
        let noise = |x: u32, y: u32| (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 13;
        RgbImage::from_fn(width, height, |x, y| image::Rgb([(x * 3) as u8, (y * 5) as u8, (noise(x, y) % 90) as u8]))
    }

    fn encoded(set: impl Fn(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
        let (pixels, mut bytes) = (picture(299, 225), Vec::new());
        let mut encoder = Encoder::new(&mut bytes, 80);
        set(&mut encoder);
        encoder.encode(&pixels, 299, 225, ColorType::Rgb).expect("it can be encoded");
        bytes
    }

    /// One of each kind that encoders write.
    fn kinds() -> Vec<Vec<u8>> {
        let mut kinds = Vec::new();
        for sampling in [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_1_2, SamplingFactor::F_2_2, SamplingFactor::F_4_1] {
            // Restart markers with tables made for the picture are more than the encoder can do.
            for (is_progressive, is_optimized, interval) in
                [(false, false, 0), (false, true, 0), (false, false, 5), (true, false, 0), (true, true, 0), (true, false, 7)]
            {
                kinds.push(encoded(|encoder| {
                    encoder.set_sampling_factor(sampling);
                    encoder.set_progressive(is_progressive);
                    encoder.set_optimized_huffman_tables(is_optimized);
                    encoder.set_restart_interval(interval);
                }));
            }
        }
        let (grey, mut bytes) = (image::DynamicImage::from(picture(299, 225)).into_luma8(), Vec::new());
        Encoder::new(&mut bytes, 80).encode(&grey, 299, 225, ColorType::Luma).expect("it can be encoded");
        kinds.push(bytes);
        kinds
    }

    /// What phones and cameras append.
    fn trailers() -> Vec<Vec<u8>> {
        let film = [b"MotionPhoto_Data\0\0\0\x18ftypmp42\0\0\0\0".as_slice(), b"\xff\xda\x00\x0c\xff\x00\xff\xd9\xff\xc4 and more \xff\xda"].concat();
        let second = encoded(|_| ());
        vec![film, second, b"\xff\xd9".to_vec(), vec![0; 4000], b"SEFHe\0\0\0\0SEFT\xff\xd9".to_vec(), vec![0xff; 9]]
    }

    #[test]
    fn a_picture_ends_at_its_own_end_whatever_follows() {
        for (kind, whole_one) in kinds().iter().enumerate() {
            assert_eq!(whole(whole_one), Some(whole_one.as_slice()), "kind {kind}");
            for (number, trailer) in trailers().iter().enumerate() {
                assert_eq!(whole(&[whole_one, trailer.as_slice()].concat()), Some(whole_one.as_slice()), "kind {kind}, trailer {number}");
            }
        }
    }

    #[test]
    fn a_picture_that_was_cut_is_not_whole_whatever_follows() {
        for (kind, whole_one) in kinds().iter().enumerate() {
            // Cut before its first scan it is nothing, and what follows may be a picture of its own.
            for tenths in 4..10 {
                let cut = &whole_one[..whole_one.len() * tenths / 10];
                assert_eq!(whole(cut), None, "kind {kind}, {tenths} tenths");
                for (number, trailer) in trailers().iter().enumerate() {
                    let film = [cut, trailer.as_slice(), b"\xff\xd9"].concat();
                    // Four thousand zeros are more than this small picture lacks, and may be codes of it.
                    assert!(whole(&film).is_none() || number == 3, "kind {kind}, {tenths} tenths, trailer {number}");
                }
            }
        }
    }

    #[test]
    fn a_thumbnail_with_an_end_of_its_own_is_not_the_picture() {
        let (mut picture, thumbnail) = (encoded(|_| ()), encoded(|_| ()));
        let length = ((thumbnail.len() + 2) as u16).to_be_bytes();
        picture.splice(2..2, [b"\xff\xe1".as_slice(), &length, &thumbnail].concat());
        assert_eq!(whole(&picture), Some(picture.as_slice()));
        assert_eq!(whole(&picture[..thumbnail.len() + 300]), None);
        assert_eq!(whole(&[&picture[..thumbnail.len() + 900], b" film \xff\xd9"].concat()), None);
    }

    #[test]
    fn space_between_segments_and_before_markers_is_no_damage() {
        for mut picture in kinds() {
            picture.splice(2..2, b"\xff\xff\xff\xfe\x00\x04ok".iter().copied());
            let end = picture.len() - 2;
            picture.splice(end..end, b"\xff\xff".iter().copied());
            assert_eq!(whole(&picture), Some(picture.as_slice()));
        }
    }

    proptest::proptest! {
        #[test]
        fn changed_bytes_never_make_it_panic(at in 0_usize..4000, byte in proptest::prelude::any::<u8>(), kind in 0_usize..31) {
            let mut bytes = kinds().swap_remove(kind);
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = whole(&bytes);
        }
    }
}
