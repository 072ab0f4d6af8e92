//! An exhibition for other programs: a calendar (RFC 5545) and an `ExhibitionEvent` of schema.org (row F29).

use chrono::{Days, Duration, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone};
use chrono_tz::{OffsetName, Tz};
use icalendar::{Calendar, CalendarDateTime, Component, Event, EventLike, EventStatus};
use serde_json::{Value, json};

use crate::{
    exhibitions::{
        model::{DatePrecision, ExhibitionStatus, OpeningHours, Venue},
        store::entity::Model as Exhibition,
    },
    values::Language,
};

fn venue(exhibition: &Exhibition) -> Option<Venue> {
    exhibition.venue.clone().and_then(|venue| serde_json::from_value(venue).ok())
}

fn hours(exhibition: &Exhibition) -> Vec<OpeningHours> {
    serde_json::from_value(exhibition.opening_hours.clone()).unwrap_or_default()
}

fn at(day: NaiveDate, time: &str) -> Option<NaiveDateTime> {
    Some(day.and_time(NaiveTime::parse_from_str(time, "%H:%M").ok()?))
}

/// The calendar: one event for each day with opening hours, or one for all days. None where the days are not known.
pub fn calendar(exhibition: &Exhibition, address: &str, language: Language) -> Option<String> {
    let (DatePrecision::Day, Some(first), Some(last)) = (exhibition.date_precision, exhibition.starts_on, exhibition.ends_on) else { return None };
    let zone: Tz = exhibition.time_zone.parse().ok()?;
    let place = venue(exhibition).map(|venue| venue.name).into_iter().chain([exhibition.city.clone()]).collect::<Vec<_>>().join(", ");
    let event = |uid: String| {
        let mut event = Event::new();
        event.uid(&uid).timestamp(exhibition.updated_at).summary(exhibition.title.in_language(language)).location(&place).url(address);
        event.sequence(u32::try_from(exhibition.version).unwrap_or_default());
        event.status(if exhibition.status == ExhibitionStatus::Cancelled { EventStatus::Cancelled } else { EventStatus::Confirmed });
        if let Some(description) = &exhibition.description {
            event.description(description.in_language(language));
        }
        event
    };
    let mut calendar = Calendar::new();
    let mut opened = false;
    for open in hours(exhibition) {
        if let (Some(starts), Some(ends)) = (at(open.day, &open.opens), at(open.day, &open.closes)) {
            let local = |date_time| CalendarDateTime::WithTimezone { date_time, tzid: exhibition.time_zone.clone() };
            calendar.push(event(format!("{}-{}@etalase", exhibition.id, open.day)).starts(local(starts)).ends(local(ends)).done());
            opened = true;
        }
    }
    if !opened {
        // The end of a whole-day event is the day after.
        let after = last.checked_add_days(Days::new(1))?;
        calendar.push(event(format!("{}@etalase", exhibition.id)).starts(first).ends(after).done());
    }
    let text = calendar.done().to_string();
    Some(text.replacen("BEGIN:VEVENT", &format!("{}BEGIN:VEVENT", time_zone(zone, first, last)), 1))
}

/// VTIMEZONE with the offsets that hold from `first` to `last`; in Indonesia that is one.
fn time_zone(zone: Tz, first: NaiveDate, last: NaiveDate) -> String {
    let offset_on = |day: NaiveDate| {
        let offset = zone.offset_from_utc_datetime(&day.and_time(NaiveTime::MIN));
        (offset.fix(), offset.abbreviation().unwrap_or(zone.name()).to_owned())
    };
    let digits = |offset: FixedOffset| {
        let minutes = offset.local_minus_utc() / 60;
        format!("{}{:02}{:02}", if minutes < 0 { '-' } else { '+' }, minutes.abs() / 60, minutes.abs() % 60)
    };
    let mut text = format!("BEGIN:VTIMEZONE\r\nTZID:{}\r\n", zone.name());
    let mut before: Option<FixedOffset> = None;
    for day in (first - Duration::days(1)).iter_days().take_while(|day| *day <= last + Duration::days(1)) {
        let (offset, name) = offset_on(day);
        if before != Some(offset) {
            let from = before.unwrap_or(offset);
            let start = if before.is_none() { "19700101T000000".to_owned() } else { format!("{}T000000", day.format("%Y%m%d")) };
            text.push_str(&format!(
                "BEGIN:STANDARD\r\nDTSTART:{start}\r\nTZOFFSETFROM:{}\r\nTZOFFSETTO:{}\r\nTZNAME:{name}\r\nEND:STANDARD\r\n",
                digits(from),
                digits(offset)
            ));
            before = Some(offset);
        }
    }
    text.push_str("END:VTIMEZONE\r\n");
    text
}

/// The `ExhibitionEvent`. Dates are as exact as they are known: a month is `2017-12`.
pub fn json_ld(exhibition: &Exhibition, organiser: &str, address: &str, language: Language) -> Value {
    let date = |day: Option<NaiveDate>| {
        let format = match exhibition.date_precision {
            DatePrecision::Day => "%Y-%m-%d",
            DatePrecision::Month => "%Y-%m",
            DatePrecision::Year => "%Y",
            DatePrecision::Unknown => return None,
        };
        day.map(|day| day.format(format).to_string())
    };
    let status = match exhibition.status {
        ExhibitionStatus::Cancelled => "EventCancelled",
        _ => "EventScheduled",
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
        "startDate": date(exhibition.starts_on),
        "endDate": date(exhibition.ends_on),
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
            time_zone: "Asia/Makassar".into(),
            status: ExhibitionStatus::Announced,
            status_reason: None,
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

    #[test]
    fn a_zone_whose_clock_changes_in_between_has_both_offsets() {
        let day = |month, day| NaiveDate::from_ymd_opt(2030, month, day).expect("a day");
        let text = time_zone(chrono_tz::Europe::Berlin, day(3, 29), day(4, 2));
        assert!(text.contains("TZOFFSETTO:+0100") && text.contains("TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200"), "{text}");
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
