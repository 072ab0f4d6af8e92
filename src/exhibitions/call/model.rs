//! Moments in the venue's zone, questions, requirement rules, and the checklist that follows from them.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use poem_openapi::{Enum, Object};
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    documents::{
        model::{DocumentKind, DocumentStatus},
        store::Held,
    },
    exhibitions::model::{is_sensible, zone_label},
    fault::{FieldFault, field, say},
    values::{Localized, text::is_visible},
};

/// A moment as it is read on the clock of the venue.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize)]
pub struct Moment {
    /// RFC 3339 with the venue's offset.
    pub at: DateTime<FixedOffset>,
    /// `YYYY-MM-DDTHH:MM` on the clock of the venue.
    pub local: String,
    /// WIB, WITA or WIT.
    pub time_zone_label: String,
}

impl Moment {
    pub fn of(at: DateTime<Utc>, zone: &str) -> Self {
        let local = at.with_timezone(&zone.parse::<Tz>().unwrap_or(Tz::UTC));
        Self { at: local.fixed_offset(), local: local.format("%Y-%m-%dT%H:%M").to_string(), time_zone_label: zone_label(zone).to_owned() }
    }
}

/// The instant of a local time `YYYY-MM-DDTHH:MM` in `zone`. A time that the clock skips is refused.
pub fn instant(local: &str, zone: &str, pointer: &str, faults: &mut Vec<FieldFault>) -> Option<DateTime<Utc>> {
    let parsed = NaiveDateTime::parse_from_str(local, "%Y-%m-%dT%H:%M").ok().filter(|local| is_sensible(local.date())).zip(zone.parse::<Tz>().ok());
    let instant = parsed.and_then(|(local, zone)| zone.from_local_datetime(&local).earliest()).map(|at| at.to_utc());
    if instant.is_none() {
        let message = say("Waktu setempat seperti 2030-03-01T09:00, tanpa zona.", "A local time such as 2030-03-01T09:00, without a zone.");
        faults.push(field(pointer, "bad_local_time", message));
    }
    instant
}

/// The moment that is so much later on the clock of `zone`: at nine, as `at` is, though the clock was changed in between. Where the
/// clock skips that time, as much later in all.
pub fn later_by_the_clock(at: DateTime<Utc>, moved: TimeDelta, zone: &str) -> DateTime<Utc> {
    let zone = zone.parse::<Tz>().unwrap_or(Tz::UTC);
    let local = at.with_timezone(&zone).naive_local() + moved;
    zone.from_local_datetime(&local).earliest().map_or(at + moved, |at| at.to_utc())
}

/// Until when a document must be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ValidThrough {
    /// The first day of the exhibition.
    Start,
    /// The last day of the exhibition.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Without the document nobody applies, and before it is verified nobody is accepted.
    Block,
    /// Said, but not held against anybody.
    Warn,
}

/// Scope of a rule or question that concerns everybody.
pub const ALL: &str = "all";
/// Scope of a rule or question that concerns food.
pub const FOOD: &str = "food";

/// A document that an exhibition asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub id: Uuid,
    /// `all`, `food`, or the slug of a category.
    pub scope: String,
    /// Each of them will do.
    pub any_of: Vec<DocumentKind>,
    pub valid_through: ValidThrough,
    pub severity: Severity,
    /// The rule concerns exhibitions whose last day is this day or later.
    pub effective_from: Option<NaiveDate>,
    /// Where it is from: a law, a decision.
    pub source: Option<String>,
}

/// The rules of a new call: NIB for everybody, P-IRT or BPOM MD for food. Halal for food is a warning only, because it
/// is not certain how the duty of micro and small firms (PP 42/2024, from 17 October 2026) is enforced.
pub fn default_rules() -> Vec<Rule> {
    let rule = |scope: &str, any_of: &[DocumentKind], severity, effective_from, source: &str| Rule {
        id: Uuid::now_v7(),
        scope: scope.to_owned(),
        any_of: any_of.to_vec(),
        valid_through: ValidThrough::End,
        severity,
        effective_from,
        source: Some(source.to_owned()),
    };
    vec![
        rule(ALL, &[DocumentKind::Nib], Severity::Block, None, "usual demand of offices"),
        rule(FOOD, &[DocumentKind::Pirt, DocumentKind::BpomMd], Severity::Block, None, "BPOM Reg. 22/2018"),
        rule(FOOD, &[DocumentKind::Halal], Severity::Warn, NaiveDate::from_ymd_opt(2026, 10, 17), "PP 42/2024"),
    ]
}

/// A product that an applicant wishes to show.
#[derive(Debug, Clone)]
pub struct ShownProduct {
    pub id: Uuid,
    pub title: Localized,
    /// Slugs from the root, by `/`.
    pub category_path: String,
    pub is_food: bool,
}

impl ShownProduct {
    /// Whether a scope concerns this product.
    pub fn is_in(&self, scope: &str) -> bool {
        match scope {
            ALL => true,
            FOOD => self.is_food,
            category => self.category_path.split('/').any(|slug| slug == category),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    Met,
    /// There, and an officer has to look at it.
    NotVerified,
    /// There, but not valid long enough.
    ExpiresTooEarly,
    Missing,
}

/// One line of the checklist, with the reason (★1).
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct RequirementCheck {
    pub rule_id: Uuid,
    /// Absent where it concerns the whole SME.
    pub product_id: Option<Uuid>,
    pub any_of: Vec<DocumentKind>,
    pub severity: Severity,
    pub state: CheckState,
    /// The day through which it must be valid.
    pub valid_through: Option<NaiveDate>,
    pub message: Localized,
}

impl RequirementCheck {
    /// Whether it keeps the application from being submitted.
    pub fn blocks_submission(&self) -> bool {
        self.severity == Severity::Block && matches!(self.state, CheckState::Missing | CheckState::ExpiresTooEarly)
    }

    /// The same without what only readers of legal documents may know.
    #[must_use]
    pub fn met_or_not(self) -> Self {
        let (id, en) = if self.state == CheckState::Met { ("terpenuhi", "met") } else { ("belum terpenuhi", "not met") };
        let message = Localized::new(&format!("{}: {id}.", names(&self.any_of, " atau ")), &format!("{}: {en}.", names(&self.any_of, " or ")));
        let state = if self.state == CheckState::Met { CheckState::Met } else { CheckState::Missing };
        Self { state, message, ..self }
    }

    /// Whether it keeps the applicant from being accepted.
    pub fn blocks_acceptance(&self) -> bool {
        self.severity == Severity::Block && self.state != CheckState::Met
    }
}

/// First and last day.
pub type Days = (Option<NaiveDate>, Option<NaiveDate>);

/// The checklist of an applicant with these products and documents.
pub fn checklist(rules: &[Rule], products: &[ShownProduct], held: &[Held], (first, last): Days) -> Vec<RequirementCheck> {
    let mut checks = Vec::new();
    for rule in rules {
        if rule.effective_from.zip(last).is_some_and(|(from, last)| last < from) {
            continue;
        }
        let until = if rule.valid_through == ValidThrough::Start { first } else { last };
        if rule.scope == ALL {
            checks.push(check(rule, None, held, until));
        } else {
            checks.extend(products.iter().filter(|product| product.is_in(&rule.scope)).map(|product| check(rule, Some(product), held, until)));
        }
    }
    checks
}

fn names(any_of: &[DocumentKind], or: &str) -> String {
    any_of.iter().map(|kind| kind.label()).collect::<Vec<_>>().join(or)
}

fn check(rule: &Rule, product: Option<&ShownProduct>, held: &[Held], until: Option<NaiveDate>) -> RequirementCheck {
    let counts = |document: &&Held| {
        rule.any_of.contains(&document.kind) && document.product_id.is_none_or(|own| product.is_some_and(|product| product.id == own))
    };
    let lasts = |document: &Held| document.expires_on.zip(until).is_none_or(|(expires, until)| expires >= until);
    let found: Vec<&Held> = held.iter().filter(counts).collect();
    let valid = |status| found.iter().any(|document| document.status == status && lasts(document));
    let state = if valid(DocumentStatus::Verified) {
        CheckState::Met
    } else if valid(DocumentStatus::Uploaded) {
        CheckState::NotVerified
    } else if found.is_empty() {
        CheckState::Missing
    } else {
        CheckState::ExpiresTooEarly
    };
    let (id, en) = (names(&rule.any_of, " atau "), names(&rule.any_of, " or "));
    let (for_id, for_en) =
        product.map_or_else(Default::default, |product| (format!(" untuk {}", product.title.id), format!(" for {}", product.title.id)));
    let day = until.map(|day| day.to_string()).unwrap_or_default();
    let expires = found.iter().filter_map(|document| document.expires_on).max().map(|day| day.to_string()).unwrap_or_default();
    let message = match state {
        CheckState::Met => Localized::new(&format!("{id}{for_id}: lengkap."), &format!("{en}{for_en}: complete.")),
        CheckState::NotVerified => {
            Localized::new(&format!("{id}{for_id}: menunggu pemeriksaan dinas."), &format!("{en}{for_en}: waits for the office to verify it."))
        }
        CheckState::ExpiresTooEarly => Localized::new(
            &format!("{id}{for_id}: berlaku sampai {expires}, harus sampai {day}."),
            &format!("{en}{for_en}: valid until {expires}, needed until {day}."),
        ),
        CheckState::Missing => Localized::new(&format!("{id}{for_id}: belum ada."), &format!("{en}{for_en}: missing.")),
    };
    RequirementCheck {
        rule_id: rule.id,
        product_id: product.map(|product| product.id),
        any_of: rule.any_of.clone(),
        severity: rule.severity,
        state,
        valid_through: until,
        message,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum QuestionKind {
    Text,
    Number,
    Boolean,
    /// One of `options`.
    Choice,
}

/// What applicants are asked.
#[derive(Debug, Clone)]
pub struct Question {
    pub id: Uuid,
    pub text: Localized,
    pub kind: QuestionKind,
    pub options: Vec<String>,
    /// `all`, `food`, or the slug of a category.
    pub scope: String,
    pub is_required: bool,
}

/// Answers by question.
pub type Answers = BTreeMap<Uuid, Value>;

/// Validates answers; adds a fault for an unknown question and for an answer of the wrong kind.
pub fn check_answers(questions: &[Question], answers: &Answers, faults: &mut Vec<FieldFault>) {
    for (id, answer) in answers {
        let pointer = format!("/answers/{id}");
        let Some(question) = questions.iter().find(|question| question.id == *id) else {
            faults.push(field(pointer, "unknown", say("Pertanyaan tidak dikenal.", "No such question.")));
            continue;
        };
        let fits = match question.kind {
            QuestionKind::Text => answer.as_str().is_some_and(|text| text.chars().count() <= 2000),
            QuestionKind::Number => answer.is_number(),
            QuestionKind::Boolean => answer.is_boolean(),
            QuestionKind::Choice => answer.as_str().is_some_and(|text| question.options.iter().any(|option| option == text)),
        };
        if !fits {
            faults.push(field(pointer, "wrong_kind", say("Jawaban tidak sesuai jenis pertanyaan.", "Not the kind of answer that is asked for.")));
        }
    }
}

/// Adds a fault for each required question without an answer.
pub fn check_answered(questions: &[Question], products: &[ShownProduct], answers: &Answers, faults: &mut Vec<FieldFault>) {
    let concerns = |question: &&Question| question.scope == ALL || products.iter().any(|product| product.is_in(&question.scope));
    for question in questions.iter().filter(|question| question.is_required).filter(concerns) {
        let blank = answers.get(&question.id).is_none_or(|answer| answer.as_str().is_some_and(|text| !is_visible(text)));
        if blank {
            faults.push(field(format!("/answers/{}", question.id), "required", say("Wajib dijawab.", "An answer is required.")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Option<NaiveDate> {
        text.parse().ok()
    }

    fn held(kind: DocumentKind, status: DocumentStatus, expires_on: &str) -> Held {
        Held { sme_id: Uuid::nil(), product_id: None, kind, status, expires_on: day(expires_on) }
    }

    fn dodol() -> ShownProduct {
        ShownProduct { id: Uuid::now_v7(), title: Localized { id: "Dodol".into(), en: None }, category_path: "makanan/dodol".into(), is_food: true }
    }

    #[test]
    fn a_document_must_be_valid_through_the_last_day_and_not_only_today() {
        let rule = Rule { any_of: vec![DocumentKind::Pirt], ..default_rules().remove(1) };
        let state = |expires: &str, status| {
            let days = (day("2030-05-01"), day("2030-05-04"));
            checklist(std::slice::from_ref(&rule), &[dodol()], &[held(DocumentKind::Pirt, status, expires)], days)[0].clone()
        };
        assert_eq!(state("2030-05-04", DocumentStatus::Verified).state, CheckState::Met);
        let early = state("2030-05-03", DocumentStatus::Verified);
        assert_eq!(early.state, CheckState::ExpiresTooEarly);
        assert!(early.blocks_submission() && early.message.id.contains("2030-05-03") && early.message.id.contains("2030-05-04"));
        let waiting = state("2030-06-01", DocumentStatus::Uploaded);
        assert!(!waiting.blocks_submission() && waiting.blocks_acceptance());
    }

    #[test]
    fn the_halal_rule_concerns_food_from_its_day_on_and_only_warns() {
        let halal = |last: &str| {
            let checks = checklist(&default_rules(), &[dodol()], &[], (day(last), day(last)));
            checks.into_iter().find(|check| check.any_of == [DocumentKind::Halal])
        };
        assert!(halal("2026-10-16").is_none());
        assert!(halal("2026-10-17").is_some_and(|check| check.severity == Severity::Warn && !check.blocks_acceptance()));
        assert_eq!(checklist(&default_rules(), &[], &[], (None, None)).len(), 1, "without food only what concerns everybody");
    }

    #[test]
    fn nine_stays_nine_where_the_clocks_are_changed_in_between() {
        let local = |text: &str| instant(text, "Europe/Berlin", "/x", &mut Vec::new()).expect("valid");
        let later = |text: &str, days| later_by_the_clock(local(text), TimeDelta::days(days), "Europe/Berlin");
        assert_eq!(later("2031-03-29T09:00", 3), local("2031-04-01T09:00"));
        assert_eq!(later("2031-10-25T17:00", -300), local("2030-12-29T17:00"));
        // There is no half past two on that night.
        assert_eq!(later("2031-03-29T02:30", 1), local("2031-03-30T03:30"));
        let bali = instant("2030-03-01T09:00", "Asia/Makassar", "/x", &mut Vec::new()).expect("valid");
        assert_eq!(later_by_the_clock(bali, TimeDelta::days(364), "Asia/Makassar"), bali + TimeDelta::days(364));
    }

    #[test]
    fn an_answer_in_which_nothing_can_be_seen_is_none() {
        let question = Question {
            id: Uuid::now_v7(),
            text: Localized { id: "Apa?".into(), en: None },
            kind: QuestionKind::Text,
            options: Vec::new(),
            scope: ALL.to_owned(),
            is_required: true,
        };
        for (answer, count) in [("Dodol", 0), ("", 1), ("\u{3164}", 1), ("\u{2800}", 1)] {
            let mut faults = Vec::new();
            check_answered(std::slice::from_ref(&question), &[], &Answers::from([(question.id, answer.into())]), &mut faults);
            assert_eq!(faults.len(), count, "{answer:?}");
        }
    }

    #[test]
    fn nine_in_bali_is_one_hour_before_nine_in_pontianak() {
        let at = |zone| instant("2030-03-01T09:00", zone, "/x", &mut Vec::new()).expect("valid");
        assert_eq!(at("Asia/Pontianak") - at("Asia/Makassar"), chrono::Duration::hours(1));
        let moment = Moment::of(at("Asia/Makassar"), "Asia/Makassar");
        assert_eq!((moment.local.as_str(), moment.time_zone_label.as_str()), ("2030-03-01T09:00", "WITA"));
        let mut faults = Vec::new();
        assert!(instant("2030-03-01T09:00Z", "Asia/Jakarta", "/opens_at", &mut faults).is_none() && faults.len() == 1);
    }
}
