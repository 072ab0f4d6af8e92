//! An exhibition for other programs: a calendar (RFC 5545) and an `ExhibitionEvent` of schema.org.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone};
use chrono_tz::{OffsetComponents, OffsetName, Tz};
use icalendar::{Calendar, CalendarDateTime, Component, Event, EventLike, EventStatus};
use serde_json::{Value, json};

use crate::{
    exhibitions::{
        model::{DatePrecision, Dates, ExhibitionStatus, OpeningHours, Venue},
        service::{dates_of, first_day, hours_shown, previous_dates},
        store::entity::Model as Exhibition,
    },
    storefront::syndication::Item,
    values::Language,
};

fn venue(exhibition: &Exhibition) -> Option<Venue> {
    exhibition.venue.clone().and_then(|venue| serde_json::from_value(venue).ok())
}

/// What others are told of when an exhibition is held.
enum Schedule {
    AsAnnounced(Dates),
    /// On other days than those it was announced for before.
    Moved {
        from: Dates,
        to: Dates,
    },
    /// No longer on these days, and on none that are known.
    Postponed(Dates),
    Cancelled(Dates),
}

fn schedule(exhibition: &Exhibition) -> Schedule {
    let (now, before) = (dates_of(exhibition), previous_dates(exhibition));
    match (exhibition.status, before) {
        (ExhibitionStatus::Cancelled, Some(before)) if now.starts_on.is_none() => Schedule::Cancelled(before),
        (ExhibitionStatus::Cancelled, _) => Schedule::Cancelled(now),
        (_, Some(before)) if now.starts_on.is_none() => Schedule::Postponed(before),
        (_, Some(before)) if (before.starts_on, before.precision) != (now.starts_on, now.precision) => Schedule::Moved { from: before, to: now },
        _ => Schedule::AsAnnounced(now),
    }
}

/// What people are told before anything else if an exhibition is not held as it was announced.
fn notice(exhibition: &Exhibition, language: Language) -> Option<&'static str> {
    let (id, en) = match schedule(exhibition) {
        Schedule::AsAnnounced(_) => return None,
        Schedule::Moved { .. } => ("Dijadwalkan ulang", "Rescheduled"),
        Schedule::Postponed(_) => ("Ditunda", "Postponed"),
        Schedule::Cancelled(_) => ("Dibatalkan", "Cancelled"),
    };
    Some(if language == Language::En { en } else { id })
}

/// An exhibition as one piece of news: published when it was announced, and told with what has become of it.
pub fn news(exhibition: &Exhibition, link: String, language: Language) -> Item {
    let (title, notice) = (exhibition.title.in_language(language), notice(exhibition, language));
    let when_and_where = format!("{}, {}", dates_of(exhibition).label(language), exhibition.city);
    let reason = exhibition.status_reason.as_deref().filter(|_| notice.is_some());
    Item {
        title: notice.map_or_else(|| title.to_owned(), |notice| format!("{notice}: {title}")),
        link,
        description: reason.map_or_else(|| when_and_where.clone(), |reason| format!("{when_and_where}. {reason}")),
        at: exhibition.announced_at.unwrap_or(exhibition.created_at),
        changed_at: exhibition.updated_at,
    }
}

/// The days that calendars have or, while new ones are not known to the day, had, and whether they are off. `None` if the days were
/// never known.
fn calendar_days(exhibition: &Exhibition) -> Option<(NaiveDate, NaiveDate, bool)> {
    let days = |dates: Dates| dates.starts_on.zip(dates.ends_on).filter(|_| dates.precision == DatePrecision::Day);
    if let Some((first, last)) = days(dates_of(exhibition)) {
        return Some((first, last, exhibition.status == ExhibitionStatus::Cancelled));
    }
    let (first, last) = previous_dates(exhibition).and_then(days)?;
    Some((first, last, true))
}

/// A text of one value (RFC 5545, 3.3.11): line ends of any kind are line feeds, which are written as `\n`, and the controls that
/// no reader takes are left out.
fn spoken(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace(['\r', '\u{85}', '\u{2028}', '\u{2029}'], "\n");
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// The calendar: one event for each session if the opening hours are known, or one for all days. What was postponed to
/// days that nobody knows yet, or cancelled, stays in it as cancelled, so that subscribers learn of it. `None` if the
/// days were never known.
pub fn calendar(exhibition: &Exhibition, address: &str, language: Language) -> Option<String> {
    let (first, last, is_off) = calendar_days(exhibition)?;
    let zone: Tz = exhibition.time_zone.parse().ok()?;
    let place = venue(exhibition).map(|venue| venue.name).into_iter().chain([exhibition.city.clone()]).collect::<Vec<_>>().join(", ");
    let event = |uid: String| {
        let mut event = Event::new();
        event.uid(&uid).timestamp(exhibition.updated_at).last_modified(exhibition.updated_at);
        event.summary(&spoken(exhibition.title.in_language(language))).location(&spoken(&place)).url(address);
        event.sequence(u32::try_from(exhibition.version).unwrap_or_default());
        event.status(if is_off { EventStatus::Cancelled } else { EventStatus::Confirmed });
        if let Some(description) = &exhibition.description {
            event.description(&spoken(description.in_language(language)));
        }
        if let Some(reason) = exhibition.status_reason.as_ref().filter(|_| is_off) {
            event.add_property("COMMENT", spoken(reason));
        }
        event
    };
    let mut calendar = Calendar::new();
    let sessions = sessions(exhibition, first);
    let local = |date_time| CalendarDateTime::WithTimezone { date_time, tzid: exhibition.time_zone.clone() };
    for session in &sessions {
        calendar.push(event(session.uid.clone()).starts(local(session.starts)).ends(local(session.ends)).done());
    }
    if sessions.is_empty() {
        // The end of a whole-day event is the day after.
        let after = last.checked_add_days(Days::new(1))?;
        calendar.push(event(format!("{}@etalase", exhibition.id)).starts(first).ends(after).done());
    }
    let text = calendar.done().to_string();
    Some(text.replacen("BEGIN:VEVENT", &format!("{}BEGIN:VEVENT", time_zone(zone, first, last)?), 1))
}

struct Session {
    uid: String,
    starts: NaiveDateTime,
    ends: NaiveDateTime,
}

/// From when until when it is open, in order. Of two that an older version took for one moment, the first.
fn spans(hours: &[OpeningHours]) -> Vec<(NaiveDateTime, NaiveDateTime)> {
    let mut spans: Vec<_> = hours.iter().filter_map(OpeningHours::span).collect();
    spans.sort();
    spans.dedup_by_key(|(starts, _)| *starts);
    spans
}

/// The sessions of an exhibition that begins on `first`, in their order. A session keeps its UID when it moves with the exhibition
/// and when others come or go, since it is named by the day on which it was first announced and the time at which it opens.
fn sessions(exhibition: &Exhibition, first: NaiveDate) -> Vec<Session> {
    let Some(base) = first_day(exhibition) else { return Vec::new() };
    let named_from = exhibition.calendar_starts_on.unwrap_or(first);
    let numbers = known_numbers(exhibition);
    let moved = first - base;
    let session = |(starts, ends): (NaiveDateTime, NaiveDateTime)| {
        let day = starts.date() - base;
        let (id, name) = (exhibition.id, named_from + day);
        let uid = match numbers.get(&(day, starts.time())) {
            None => format!("{id}-{name}T{}@etalase", starts.format("%H%M")),
            Some(1) => format!("{id}-{name}@etalase"),
            Some(number) => format!("{id}-{name}-{number}@etalase"),
        };
        Session { uid, starts: starts + moved, ends: ends + moved }
    };
    spans(&hours_shown(exhibition)).into_iter().map(session).collect()
}

/// Sessions whose names calendars have from an older version, by how many days after the first they are and when they open: the
/// number within the day by which it named them.
fn known_numbers(exhibition: &Exhibition) -> BTreeMap<(TimeDelta, NaiveTime), usize> {
    let hours = exhibition.calendar_sessions.clone().and_then(|hours| serde_json::from_value::<Vec<OpeningHours>>(hours).ok());
    let Some((hours, from)) = hours.zip(exhibition.calendar_sessions_from) else { return BTreeMap::new() };
    let mut on_day: BTreeMap<NaiveDate, usize> = BTreeMap::new();
    let number = |(starts, _): (NaiveDateTime, NaiveDateTime)| {
        let number = on_day.entry(starts.date()).and_modify(|number| *number += 1).or_insert(1);
        ((starts.date() - from, starts.time()), *number)
    };
    spans(&hours).into_iter().map(number).collect()
}

/// How a zone's clocks go at one moment.
#[derive(Clone, PartialEq, Eq)]
struct Clock {
    /// East of UTC, in seconds.
    offset: i32,
    saving: i64,
    name: String,
}

fn clock(zone: Tz, at: NaiveDateTime) -> Clock {
    let offset = zone.offset_from_utc_datetime(&at);
    Clock {
        offset: offset.fix().local_minus_utc(),
        saving: offset.dst_offset().num_seconds(),
        name: offset.abbreviation().unwrap_or(zone.name()).to_owned(),
    }
}

/// The moments, in UTC, at which the clocks of a zone change between two moments. No zone changes them twice within a day.
fn changes(zone: Tz, from: NaiveDateTime, to: NaiveDateTime) -> Vec<NaiveDateTime> {
    let day = TimeDelta::days(1);
    let mut found = Vec::new();
    let mut at = from;
    while at < to {
        let (mut before, mut after) = (at, at + day);
        at = after;
        if clock(zone, before) == clock(zone, after) {
            continue;
        }
        while after - before > TimeDelta::seconds(1) {
            let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
            if clock(zone, middle) == clock(zone, before) { before = middle } else { after = middle }
        }
        found.push(after);
    }
    found
}

/// VTIMEZONE (RFC 5545, 3.6.5) with every change of the zone's clocks from the year before `first` to the year after `last`, each at
/// the local time that the clocks showed when it came; in Indonesia there is none.
fn time_zone(zone: Tz, first: NaiveDate, last: NaiveDate) -> Option<String> {
    let new_year = |year| NaiveDate::from_ymd_opt(year, 1, 1).map(|day| day.and_time(NaiveTime::MIN));
    let (from, to) = (new_year(first.year() - 1)?, new_year(last.year() + 2)?);
    let long_ago = NaiveDate::from_ymd_opt(1970, 1, 1)?.and_time(NaiveTime::MIN).min(from);
    let before = clock(zone, from);
    let mut observances = vec![(long_ago, before.clone(), before)];
    for change in changes(zone, from, to) {
        let (old, new) = (clock(zone, change - TimeDelta::seconds(1)), clock(zone, change));
        observances.push((change + TimeDelta::seconds(old.offset.into()), old, new));
    }
    // Ireland's law saves a negative hour in winter.
    let standard = observances.iter().map(|(_, _, new)| new.saving).min()?;
    let mut text = format!("BEGIN:VTIMEZONE\r\nTZID:{}\r\n", zone.name());
    for (start, old, new) in observances {
        let kind = if new.saving > standard { "DAYLIGHT" } else { "STANDARD" };
        text.push_str(&format!(
            "BEGIN:{kind}\r\nDTSTART:{}\r\nTZOFFSETFROM:{}\r\nTZOFFSETTO:{}\r\nTZNAME:{}\r\nEND:{kind}\r\n",
            start.format("%Y%m%dT%H%M%S"),
            utc_offset(old.offset),
            utc_offset(new.offset),
            new.name
        ));
    }
    text.push_str("END:VTIMEZONE\r\n");
    Some(text)
}

/// `+0700`; with seconds where a zone has them, as local mean times do.
fn utc_offset(seconds: i32) -> String {
    let (sign, all) = (if seconds < 0 { '-' } else { '+' }, seconds.abs());
    let rest = if all % 60 == 0 { String::new() } else { format!("{:02}", all % 60) };
    format!("{sign}{:02}{:02}{rest}", all / 3600, all / 60 % 60)
}

/// The `ExhibitionEvent`. What is postponed to days that nobody knows yet keeps the days it was announced for, and what has new
/// days names the old first one (schema.org, `EventStatusType` and `previousStartDate`).
pub fn json_ld(exhibition: &Exhibition, organiser: &str, address: &str, language: Language) -> Value {
    let (status, dates, before) = match schedule(exhibition) {
        Schedule::AsAnnounced(dates) => ("EventScheduled", dates, None),
        Schedule::Moved { from, to } => ("EventRescheduled", to, Some(from)),
        Schedule::Postponed(dates) => ("EventPostponed", dates, None),
        Schedule::Cancelled(dates) => ("EventCancelled", dates, None),
    };
    let venue = venue(exhibition);
    let event = json!({
        "@context": "https://schema.org",
        "@type": "ExhibitionEvent",
        "@id": address,
        "url": address,
        "name": exhibition.title.in_language(language),
        "inLanguage": language.tag(),
        "eventStatus": format!("https://schema.org/{status}"),
        "eventAttendanceMode": "https://schema.org/OfflineEventAttendanceMode",
        "location": {
            "@type": "Place",
            "name": venue.as_ref().map_or(exhibition.city.as_str(), |venue| venue.name.as_str()),
            "address": {
                "@type": "PostalAddress",
                "streetAddress": venue.as_ref().and_then(|venue| venue.address.clone()),
                "addressLocality": exhibition.city,
                "addressRegion": exhibition.province_code,
                "addressCountry": "ID",
            },
        },
        "organizer": { "@type": "GovernmentOrganization", "name": organiser },
        "startDate": dates.written(dates.starts_on),
        "endDate": dates.written(dates.ends_on),
        "previousStartDate": before.and_then(|before| before.written(before.starts_on)),
        "description": exhibition.description.as_ref().map(|text| text.in_language(language)),
    });
    event
}

/// Structured data as text that can stand in a page: without what is not known, and without what could end its script.
pub fn for_a_page(mut data: Value) -> String {
    without_nulls(&mut data);
    data.to_string().replace('<', "\\u003c")
}

fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(without_nulls);
        }
        Value::Array(members) => members.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{platform::clock::now, values::Localized};

    fn bali() -> Exhibition {
        Exhibition {
            id: Uuid::nil(),
            agency_id: Uuid::nil(),
            slug: "bali-2030".into(),
            title: Localized::new("Pameran Bali; oleh-oleh, dan dodol", "Bali fair"),
            description: None,
            city: "Denpasar".into(),
            province_code: "ID-BA".into(),
            venue: Some(json!({ "name": "Gedung Ksirarnawa", "halls": [] })),
            opening_hours: json!([{ "day": "2030-05-01", "opens": "09:00", "closes": "17:00" }]),
            starts_on: NaiveDate::from_ymd_opt(2030, 5, 1),
            ends_on: NaiveDate::from_ymd_opt(2030, 5, 4),
            date_precision: DatePrecision::Day,
            previous_starts_on: None,
            previous_ends_on: None,
            previous_precision: None,
            calendar_starts_on: None,
            calendar_sessions: None,
            calendar_sessions_from: None,
            time_zone: "Asia/Makassar".into(),
            status: ExhibitionStatus::Announced,
            status_reason: None,
            announced_at: Some(now()),
            lineup_frozen_at: None,
            source: None,
            source_status: None,
            is_demo: 0,
            version: 3,
            created_at: now(),
            updated_at: now(),
        }
    }

    #[test]
    fn a_calendar_opens_at_nine_in_the_zone_of_bali_which_it_explains() {
        let text = calendar(&bali(), "http://localhost/x", Language::Id).expect("a calendar");
        assert!(text.contains("DTSTART;TZID=Asia/Makassar:20300501T090000\r\n"), "{text}");
        assert!(text.contains("TZOFFSETTO:+0800\r\nTZNAME:WITA\r\n"), "{text}");
        assert!(text.contains("SUMMARY:Pameran Bali\\; oleh-oleh\\, dan dodol"), "{text}");
        assert_eq!(text.matches("BEGIN:VTIMEZONE").count(), 1);
        let whole = calendar(&Exhibition { opening_hours: json!([]), ..bali() }, "x", Language::Id).expect("a calendar");
        assert!(whole.contains("DTSTART;VALUE=DATE:20300501") && whole.contains("DTEND;VALUE=DATE:20300505"), "{whole}");
        assert!(text.lines().all(|line| line.len() <= 75), "folded");
    }

    fn day(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).expect("a day")
    }

    #[test]
    fn a_zone_whose_clock_changes_in_between_has_both_offsets() {
        let text = time_zone(chrono_tz::Europe::Berlin, day(2030, 3, 29), day(2030, 4, 2)).expect("a zone");
        assert!(text.contains("TZOFFSETTO:+0100") && text.contains("TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200"), "{text}");
    }

    #[test]
    fn clocks_change_at_the_moment_at_which_they_do() {
        let text = time_zone(chrono_tz::Europe::Berlin, day(2031, 3, 29), day(2031, 3, 31)).expect("a zone");
        let spring = "BEGIN:DAYLIGHT\r\nDTSTART:20310330T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nTZNAME:CEST\r\nEND:DAYLIGHT\r\n";
        let autumn = "BEGIN:STANDARD\r\nDTSTART:20311026T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nTZNAME:CET\r\nEND:STANDARD\r\n";
        assert!(text.contains(spring) && text.contains(autumn), "{text}");
        let jakarta = time_zone(chrono_tz::Asia::Jakarta, day(2031, 3, 29), day(2031, 3, 31)).expect("a zone");
        let only = "BEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0700\r\nTZOFFSETTO:+0700\r\nTZNAME:WIB\r\nEND:STANDARD\r\n";
        assert_eq!(jakarta, format!("BEGIN:VTIMEZONE\r\nTZID:Asia/Jakarta\r\n{only}END:VTIMEZONE\r\n"));
        let dublin = time_zone(chrono_tz::Europe::Dublin, day(2031, 7, 1), day(2031, 7, 1)).expect("a zone");
        assert!(dublin.contains("BEGIN:DAYLIGHT\r\nDTSTART:20310330T010000\r\nTZOFFSETFROM:+0000\r\nTZOFFSETTO:+0100\r\n"), "{dublin}");
        // Half an hour, south of the equator.
        let lord_howe = time_zone(chrono_tz::Australia::Lord_Howe, day(2031, 1, 1), day(2031, 1, 1)).expect("a zone");
        assert!(lord_howe.contains("BEGIN:STANDARD\r\nDTSTART:20310406T020000\r\nTZOFFSETFROM:+1100\r\nTZOFFSETTO:+1030\r\n"), "{lord_howe}");
    }

    /// From when on a reader of the calendar takes which offset to hold, in local time.
    fn read_offsets(zone: &str) -> Vec<(NaiveDateTime, String)> {
        let fields = |name: &str| zone.lines().filter_map(|line| line.strip_prefix(name)).map(str::to_owned).collect::<Vec<_>>();
        let starts = fields("DTSTART:").into_iter().map(|text| NaiveDateTime::parse_from_str(&text, "%Y%m%dT%H%M%S").expect("a time"));
        let mut observances: Vec<_> = starts.zip(fields("TZOFFSETTO:")).collect();
        observances.sort();
        observances
    }

    #[test]
    fn every_zone_is_read_as_its_clocks_go() {
        for zone in chrono_tz::TZ_VARIANTS {
            let text = time_zone(zone, day(2027, 6, 1), day(2027, 6, 1)).expect("a zone");
            let offsets = read_offsets(&text);
            for hours in (0..365 * 24).step_by(11) {
                let local = day(2027, 1, 1).and_time(NaiveTime::MIN) + TimeDelta::hours(hours);
                // Twice a year an hour is there twice or not at all.
                if let chrono::LocalResult::Single(at) = zone.from_local_datetime(&local) {
                    let read = offsets.iter().rfind(|(start, _)| *start <= local).map(|(_, offset)| offset.as_str());
                    assert_eq!(read, Some(utc_offset(at.offset().fix().local_minus_utc()).as_str()), "{} {local}\n{text}", zone.name());
                }
            }
        }
    }

    #[test]
    fn two_sessions_on_a_day_are_two_events_and_stay_the_same_ones() {
        let hours = json!([
            { "day": "2030-05-01", "opens": "14:00", "closes": "24:00" }, { "day": "2030-05-01", "opens": "09:00", "closes": "12:00" },
            { "day": "2030-05-02", "opens": "18:00", "closes": "02:00" },
        ]);
        let uids = |text: &str| text.lines().filter(|line| line.starts_with("UID:")).map(str::to_owned).collect::<Vec<_>>();
        let open = Exhibition { opening_hours: hours, ..bali() };
        let text = calendar(&open, "x", Language::Id).expect("a calendar");
        let id = Uuid::nil();
        let expected = ["2030-05-01T0900", "2030-05-01T1400", "2030-05-02T1800"].map(|name| format!("UID:{id}-{name}@etalase"));
        assert_eq!(uids(&text.replace("\r\n ", "")), expected);
        assert!(text.contains("DTEND;TZID=Asia/Makassar:20300502T000000") && text.contains("DTEND;TZID=Asia/Makassar:20300503T020000"), "{text}");
        let nowhere = Exhibition {
            starts_on: None,
            ends_on: None,
            date_precision: DatePrecision::Unknown,
            previous_starts_on: open.starts_on,
            previous_ends_on: open.ends_on,
            previous_precision: Some(DatePrecision::Day),
            calendar_starts_on: Some(day(2030, 4, 1)),
            status_reason: Some("Banjir\r\nBEGIN:VALARM".into()),
            version: 4,
            ..open
        };
        let text = calendar(&nowhere, "x", Language::Id).expect("a calendar").replace("\r\n ", "");
        assert!(uids(&text)[0].ends_with("-2030-04-01T0900@etalase") && text.matches("STATUS:CANCELLED\r\n").count() == 3, "{text}");
        assert!(text.contains("DTSTART;TZID=Asia/Makassar:20300501T090000") && text.contains("SEQUENCE:4\r\n"), "{text}");
        assert!(text.contains("COMMENT:Banjir\\nBEGIN:VALARM\r\n") && text.contains("LAST-MODIFIED:"), "{text}");
    }

    /// Of each session, the UID without what is the same in all.
    fn names(exhibition: &Exhibition) -> Vec<String> {
        let first = exhibition.starts_on.expect("a day");
        let name = |session: Session| session.uid.replace(&format!("{}-", Uuid::nil()), "").replace("@etalase", "");
        sessions(exhibition, first).into_iter().map(name).collect()
    }

    #[test]
    fn a_session_stays_the_same_one_when_another_comes_or_goes_before_it() {
        let hours = |day: &str, opens: &str, closes: &str| json!({ "day": day, "opens": opens, "closes": closes });
        let afternoon = hours("2030-05-01", "14:00", "17:00");
        let open = Exhibition { opening_hours: json!([afternoon]), ..bali() };
        assert_eq!(names(&open), ["2030-05-01T1400"]);
        let longer = Exhibition { opening_hours: json!([afternoon, hours("2030-05-01", "09:00", "12:00")]), ..bali() };
        assert_eq!(names(&longer), ["2030-05-01T0900", "2030-05-01T1400"]);
        // What calendars have from an older version keeps its name, also when it moves to other days; what is new has one of its own.
        let known = Exhibition { calendar_sessions: Some(json!([afternoon])), calendar_sessions_from: Some(day(2030, 5, 1)), ..longer };
        assert_eq!(names(&known), ["2030-05-01T0900", "2030-05-01"]);
        let later = Exhibition {
            starts_on: Some(day(2030, 6, 1)),
            ends_on: Some(day(2030, 6, 4)),
            calendar_starts_on: Some(day(2030, 5, 1)),
            opening_hours: json!([hours("2030-06-01", "14:00", "17:00"), hours("2030-06-02", "14:00", "17:00")]),
            ..known
        };
        assert_eq!(names(&later), ["2030-05-01", "2030-05-02T1400"]);
        let two = json!([hours("2030-05-01", "14:00", "17:00"), hours("2030-05-01", "09:00", "12:00")]);
        let both = Exhibition { opening_hours: two.clone(), calendar_sessions: Some(two), calendar_sessions_from: Some(day(2030, 5, 1)), ..bali() };
        assert_eq!(names(&both), ["2030-05-01", "2030-05-01-2"]);
    }

    #[test]
    fn what_is_cancelled_stays_in_calendars_on_the_days_that_they_have() {
        let month = Exhibition {
            starts_on: Some(day(2030, 8, 1)),
            ends_on: Some(day(2030, 8, 31)),
            date_precision: DatePrecision::Month,
            previous_starts_on: Some(day(2030, 5, 1)),
            previous_ends_on: Some(day(2030, 5, 4)),
            previous_precision: Some(DatePrecision::Day),
            opening_hours: json!([]),
            ..bali()
        };
        let cancelled = Exhibition { status: ExhibitionStatus::Cancelled, ..month.clone() };
        let same_month = Exhibition { starts_on: Some(day(2030, 5, 1)), ends_on: Some(day(2030, 5, 31)), ..month.clone() };
        for exhibition in [&month, &cancelled, &same_month] {
            let text = calendar(exhibition, "x", Language::Id).expect("a calendar");
            assert!(text.contains("DTSTART;VALUE=DATE:20300501") && text.contains("STATUS:CANCELLED"), "{text}");
        }
        assert_eq!(json_ld(&same_month, "Disperindag", "x", Language::Id)["eventStatus"], "https://schema.org/EventRescheduled");
        assert_eq!((notice(&month, Language::En), notice(&cancelled, Language::Id)), (Some("Rescheduled"), Some("Dibatalkan")));
        let unknown = Exhibition { starts_on: None, ends_on: None, date_precision: DatePrecision::Unknown, ..month };
        assert_eq!((notice(&unknown, Language::En), notice(&bali(), Language::En)), (Some("Postponed"), None));
    }

    #[test]
    fn no_text_begins_a_line_of_its_own_in_a_calendar() {
        let foreign = "Baris satu\r\nBEGIN:VALARM\rdua\u{7}\u{85}tiga\u{2028}empat";
        let exhibition = Exhibition {
            title: Localized { id: foreign.into(), en: None },
            description: Some(Localized { id: foreign.into(), en: None }),
            city: foreign.into(),
            ..bali()
        };
        let text = calendar(&exhibition, "x", Language::Id).expect("a calendar").replace("\r\n ", "");
        assert!(text.replace("\r\n", "").chars().all(|c| !c.is_control()), "{text:?}");
        assert!(text.contains("DESCRIPTION:Baris satu\\nBEGIN:VALARM\\ndua\\ntiga\\nempat\r\n"), "{text}");
        assert!(!text.contains("\nBEGIN:VALARM"), "{text}");
    }

    #[test]
    fn an_event_that_is_moved_says_from_when() {
        let moved = Exhibition {
            previous_starts_on: Some(day(2030, 4, 1)),
            previous_ends_on: Some(day(2030, 4, 4)),
            previous_precision: Some(DatePrecision::Day),
            ..bali()
        };
        let event = json_ld(&moved, "Disperindag", "x", Language::Id);
        let said = (&event["eventStatus"], &event["startDate"], &event["previousStartDate"]);
        assert_eq!(said, (&json!("https://schema.org/EventRescheduled"), &json!("2030-05-01"), &json!("2030-04-01")));
        let unknown = Exhibition { starts_on: None, ends_on: None, date_precision: DatePrecision::Unknown, ..moved };
        let event = json_ld(&unknown, "Disperindag", "x", Language::Id);
        assert_eq!((&event["eventStatus"], &event["startDate"]), (&json!("https://schema.org/EventPostponed"), &json!("2030-04-01")));
        assert_eq!(event["previousStartDate"], Value::Null);
        let cancelled = Exhibition { status: ExhibitionStatus::Cancelled, ..unknown };
        let event = json_ld(&cancelled, "Disperindag", "x", Language::Id);
        assert_eq!((&event["eventStatus"], &event["endDate"]), (&json!("https://schema.org/EventCancelled"), &json!("2030-04-04")));
    }

    #[test]
    fn an_event_is_dated_only_as_exactly_as_it_is_known() {
        let solo = Exhibition { date_precision: DatePrecision::Month, ..bali() };
        let event = json_ld(&solo, "Disperindag", "http://localhost/x", Language::En);
        assert_eq!((&event["startDate"], &event["name"], &event["@type"]), (&json!("2030-05"), &json!("Bali fair"), &json!("ExhibitionEvent")));
        assert!(calendar(&solo, "x", Language::En).is_none());
        let cancelled = Exhibition { status: ExhibitionStatus::Cancelled, date_precision: DatePrecision::Unknown, ..bali() };
        let event = json_ld(&cancelled, "Disperindag", "x", Language::Id);
        assert_eq!(event["eventStatus"], "https://schema.org/EventCancelled");
        let text = for_a_page(json!({ "name": "</script>", "startDate": event["startDate"] }));
        assert_eq!(text, "{\"name\":\"\\u003c/script>\"}");
    }
}
