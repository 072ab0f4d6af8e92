//! What an exhibition was announced for before it was postponed, so that search engines and calendars can be told.

use crate::Step;

pub const STEP: Step = Step { name: "m0025_rescheduled", tables: TABLE, sqlite: "", postgres: "" };

// `calendar_starts_on` is the first day under which calendars came to know the events: their UIDs are made of it, and so stay.
const TABLE: &str = "
alter table exhibitions add column previous_starts_on $day;
alter table exhibitions add column previous_ends_on $day;
alter table exhibitions add column previous_precision text check (previous_precision in ('day', 'month', 'year'));
alter table exhibitions add column calendar_starts_on $day;
";
