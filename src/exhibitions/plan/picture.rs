//! The plan as a picture: SVG in millimetres, readable on a phone and in print, with a title on every booth.

use std::fmt::Write;

use super::model::{Booth, Hall};
use crate::values::xml;

/// Room around each hall and below its name, in millimetres.
const MARGIN: i64 = 1_500;
const HEADING: i64 = 2_000;

/// A booth with who stands in it, one name per slot that is taken.
pub struct Labelled<'a> {
    pub booth: &'a Booth,
    pub names: Vec<&'a str>,
}

/// `text` in lines that fit `width` at this font size; what does not fit in `most` lines ends in an ellipsis. A letter is
/// taken as 0.6 of its size wide.
fn wrapped(text: &str, width: i64, size: i64, most: usize) -> Vec<String> {
    let fits = usize::try_from(width * 10 / (size * 6).max(1)).unwrap_or(1).max(1);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= fits => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let cut = lines.len() > most;
    lines.truncate(most);
    let last = lines.len().saturating_sub(1);
    for (index, line) in lines.iter_mut().enumerate() {
        if line.chars().count() > fits || (cut && index == last) {
            *line = line.chars().take(fits.saturating_sub(1)).chain(['…']).collect();
        }
    }
    lines
}

/// `text` as large as it fits without being cut, from `biggest` down to half of it, where it may be cut.
fn fitted(text: &str, width: i64, depth: i64, biggest: i64) -> (i64, Vec<String>) {
    let lines_in = |size: i64| usize::try_from(depth / line_height(size).max(1)).unwrap_or(0);
    let is_whole = |lines: &[String]| lines.join(" ").split_whitespace().eq(text.split_whitespace());
    let smaller = (5..=10).rev().map(|tenths| biggest * tenths / 10);
    let whole = smaller.map(|size| (size, wrapped(text, width, size, lines_in(size)))).find(|(_, lines)| is_whole(lines));
    whole.unwrap_or_else(|| (biggest / 2, wrapped(text, width, biggest / 2, lines_in(biggest / 2))))
}

fn line_height(size: i64) -> i64 {
    size + size / 6
}

/// Halls below each other, booths with code and names. Colour tells free from taken and blocked, and so do words.
pub fn svg(title: &str, halls: &[Hall], booths: &[Labelled<'_>], free: &str, blocked: &str) -> String {
    let width = halls.iter().map(|hall| hall.width_mm).max().unwrap_or(1_000) + 2 * MARGIN;
    let height = halls.iter().map(|hall| hall.depth_mm + HEADING + 2 * MARGIN).sum::<i64>().max(1_000);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"100%\" role=\"img\" aria-labelledby=\"t\" \
         font-family=\"system-ui, sans-serif\"><title id=\"t\">{}</title><rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>",
        xml::text(title)
    );
    let mut top = 0;
    for hall in halls {
        let (x, y) = (MARGIN, top + MARGIN + HEADING);
        // Writing to a string can't fail.
        let _ = write!(out, "<text x=\"{x}\" y=\"{}\" font-size=\"1200\" font-weight=\"bold\">{}</text>", y - 600, xml::text(&hall.name));
        let _ = write!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" fill=\"#f6f6f4\" stroke=\"#222\" stroke-width=\"120\"/>",
            hall.width_mm, hall.depth_mm
        );
        for labelled in booths.iter().filter(|labelled| labelled.booth.hall_id == hall.id) {
            draw(&mut out, labelled, (x, y), free, blocked);
        }
        top += hall.depth_mm + HEADING + 2 * MARGIN;
    }
    out.push_str("</svg>");
    out
}

fn draw(out: &mut String, Labelled { booth, names }: &Labelled<'_>, (left, top): (i64, i64), free: &str, blocked: &str) {
    let (x, y) = (left + booth.x_mm, top + booth.y_mm);
    let (words, fill) = match (booth.is_blocked == 1, names.is_empty()) {
        (true, _) => (blocked.to_owned(), "#d9d9d9"),
        (false, true) => (free.to_owned(), "#fff"),
        (false, false) => (names.join(", "), "#cfe8d5"),
    };
    let _ = write!(
        out,
        "<g><title>{}: {}</title><rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" fill=\"{fill}\" stroke=\"#222\" stroke-width=\"60\"/>",
        xml::text(&booth.code),
        xml::text(&words),
        booth.width_mm,
        booth.depth_mm
    );
    let size = (booth.width_mm / 4).min(booth.depth_mm / 4).clamp(150, 900);
    let middle = x + booth.width_mm / 2;
    let _ = write!(
        out,
        "<text x=\"{middle}\" y=\"{}\" font-size=\"{size}\" font-weight=\"bold\" text-anchor=\"middle\">{}</text>",
        y + size + size / 4,
        xml::text(&booth.code)
    );
    let top_of_names = y + size + size / 2;
    let (small, lines) = fitted(&words, booth.width_mm - size / 4, booth.depth_mm - size - size / 2 - size / 4, size * 8 / 10);
    for (index, line) in lines.iter().enumerate() {
        let below = top_of_names + index as i64 * line_height(small) + small;
        let _ = write!(out, "<text x=\"{middle}\" y=\"{below}\" font-size=\"{small}\" text-anchor=\"middle\">{}</text>", xml::text(line));
    }
    out.push_str("</g>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_wrapped_cut_and_never_markup() {
        assert_eq!(wrapped("Keripik Tempe Barokah Jaya", 3000, 300, 2), ["Keripik Tempe", "Barokah Jaya"]);
        assert_eq!(wrapped("Keripik Tempe Barokah Jaya Abadi", 3000, 300, 2), ["Keripik Tempe", "Barokah Jaya…"]);
        assert_eq!(wrapped("Superpanjangsekalinamanya", 1500, 300, 2), ["Superpa…"]);
        assert_eq!(fitted("Tas Perca", 3000, 1500, 700), (630, vec!["Tas".to_owned(), "Perca".to_owned()]));
        assert_eq!(fitted("Keripik Tempe Barokah", 3000, 1600, 700).1, ["Keripik", "Tempe", "Barokah"], "smaller rather than cut");
        let hall = Hall { id: uuid::Uuid::nil(), name: "<b>\"Tahu & Tempe\"\u{1}\u{ffff}".into(), width_mm: 5000, depth_mm: 5000 };
        let drawn = svg("Peta\u{fffe}", &[hall], &[], "kosong", "tidak dipakai");
        assert!(drawn.contains(">&lt;b&gt;&quot;Tahu &amp; Tempe&quot;  </text>") && drawn.contains(">Peta </title>"), "{drawn}");
    }
}
