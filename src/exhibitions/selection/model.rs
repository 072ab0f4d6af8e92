//! The selection as a pure function.
//!
//! Applicants are ranked by their score less a deduction for earlier participation; ties are drawn by the seed. Places:
//!
//! 1. Going down the ranking, whoever can be given a reserved place, if need be by moving others between reserved places,
//!    gets one. As many reserved places are filled as can be filled at all, each by another applicant: no quota is broken
//!    when it can be met.
//! 2. The places that are left go to the best of the others.
//!
//! This is the meritorious horizontal choice rule of Sönmez and Yenmez (2022). What it promises, and the tests hold:
//! the same inputs give the same result; a better score never costs anybody their own place; another applicant never
//! brings in somebody who was not selected without them, and costs at most one their place.

use std::collections::{BTreeMap, BTreeSet};

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    exhibitions::{applications::model::PendingDecision, call::model::FOOD},
    values::Localized,
};

/// For whom places are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum QuotaKind {
    /// SMEs that never took part before.
    FirstTimer,
    /// Members of a WUB group, and groups that share a booth.
    Wub,
    /// Those who show something of `scope`: `food`, or the slug of a category.
    Category,
}

/// Places that are kept for some as long as there are enough of them.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    pub kind: QuotaKind,
    /// With `category` only: `food`, or the slug of a category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    #[oai(validator(max_length = 80))]
    pub scope: Option<String>,
    #[oai(validator(minimum(value = "0"), maximum(value = "10000")))]
    pub places: u32,
}

impl Quota {
    /// Whether an applicant may take one of these places.
    pub fn admits(&self, candidate: &Candidate) -> bool {
        match (self.kind, self.scope.as_deref()) {
            (QuotaKind::FirstTimer, _) => candidate.participations == 0,
            (QuotaKind::Wub, _) => candidate.is_wub,
            (QuotaKind::Category, Some(FOOD)) => candidate.shows_food,
            (QuotaKind::Category, Some(slug)) => candidate.categories.iter().any(|path| path.split('/').any(|part| part == slug)),
            (QuotaKind::Category, None) => false,
        }
    }

    fn name(&self) -> Localized {
        match (self.kind, self.scope.as_deref().unwrap_or_default()) {
            (QuotaKind::FirstTimer, _) => Localized::new("peserta baru", "first-timers"),
            (QuotaKind::Wub, _) => Localized::new("kelompok WUB", "WUB groups"),
            (QuotaKind::Category, scope) => Localized::new(&format!("kategori {scope}"), &format!("category {scope}")),
        }
    }
}

/// What an office decides about a run. Points are hundredths of a score point.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Params {
    /// Draws ties.
    pub seed: u32,
    pub places: u32,
    /// How many of those who come next are put on the waitlist.
    pub waitlist: u32,
    /// Earlier exhibitions count for so many years back.
    pub history_years: u32,
    /// Deducted for each earlier participation in that time.
    pub participation_penalty_centi: i64,
    /// Deducted for each time the SME had a place and did not come.
    pub no_show_penalty_centi: i64,
    /// No more than this is deducted.
    pub most_penalty_centi: i64,
    /// Applicants with fewer reviews are not ranked.
    pub min_reviews: u32,
    pub quotas: Vec<Quota>,
}

/// What is known of an applicant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub application_id: Uuid,
    /// Mean of the weighted scores in hundredths of a point.
    pub score_centi: Option<i64>,
    pub reviews: i64,
    /// Exhibitions of the agency ever, of the applicant or of one who shares its booth, whoever had more.
    pub participations: i64,
    pub recent_participations: i64,
    pub recent_no_shows: i64,
    pub is_wub: bool,
    pub shows_food: bool,
    /// Paths of the categories of what is to be shown.
    pub categories: Vec<String>,
    /// A requirement that keeps it from being accepted.
    pub unmet: Option<Localized>,
}

impl Candidate {
    fn penalty(&self, params: &Params) -> i64 {
        let of = |count: i64, each: i64| count.max(0).saturating_mul(each);
        let all =
            of(self.recent_participations, params.participation_penalty_centi).saturating_add(of(self.recent_no_shows, params.no_show_penalty_centi));
        all.min(params.most_penalty_centi)
    }

    /// Why it is not ranked, if so.
    fn hindrance(&self, params: &Params) -> Option<Localized> {
        if let Some(unmet) = &self.unmet {
            return Some(unmet.clone());
        }
        let (has, needs) = (self.reviews, params.min_reviews);
        (self.score_centi.is_none() || has < i64::from(needs)).then(|| {
            Localized::new(&format!("Belum cukup dinilai: {has} dari {needs} penilaian."), &format!("Not reviewed enough: {has} of {needs} reviews."))
        })
    }
}

/// One line of the result, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Line {
    pub application_id: Uuid,
    /// 1 is best; absent where it is not ranked.
    pub rank: Option<u32>,
    /// Absent where it is not ranked: a coordinator has to look at it.
    pub proposal: Option<PendingDecision>,
    pub score_centi: Option<i64>,
    pub penalty_centi: i64,
    /// What the rank is by.
    pub adjusted_centi: Option<i64>,
    /// The quota that gave the place, by its index, where rank alone would not have.
    pub by_quota: Option<u32>,
    /// The order among equal scores was drawn by the seed.
    pub is_drawn: bool,
    pub reason: Localized,
}

/// How far a quota could be filled.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct QuotaResult {
    pub quota: Quota,
    /// Ranked applicants whom it admits.
    pub eligible: u32,
    /// Selected applicants whom it admits, in its own places or others.
    pub selected: u32,
    /// Its own places that were filled.
    pub filled: u32,
}

/// Result of a run, best first.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Selection {
    pub selected: u32,
    pub ranked: u32,
    pub not_ranked: u32,
    pub quotas: Vec<QuotaResult>,
    pub lines: Vec<Line>,
}

/// A number from seed and applicant alone, so that one more applicant changes no draw between two others.
fn draw(seed: u32, application: Uuid) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(application.as_bytes());
    hash.finalize().into()
}

/// Reserved places, filled so that as many as possible are taken.
struct Reserved<'a> {
    quotas: &'a [Quota],
    /// Who holds the places of each quota, as indices into the ranking.
    holders: Vec<Vec<usize>>,
}

impl Reserved<'_> {
    /// Gives `candidate` a reserved place, if need be by moving others between quotas. Returns false if that can't be.
    fn take(&mut self, candidate: usize, admits: &dyn Fn(usize, usize) -> bool) -> bool {
        // A breadth-first search over quotas: from which quota and whom one gets to each.
        let mut from: Vec<Option<(Option<usize>, usize)>> = vec![None; self.quotas.len()];
        let mut queue = std::collections::VecDeque::new();
        for (quota, reached) in from.iter_mut().enumerate() {
            if admits(quota, candidate) {
                *reached = Some((None, candidate));
                queue.push_back(quota);
            }
        }
        while let Some(quota) = queue.pop_front() {
            if self.holders[quota].len() < self.quotas[quota].places as usize {
                self.shift(quota, &from);
                return true;
            }
            for &holder in &self.holders[quota] {
                for (other, reached) in from.iter_mut().enumerate() {
                    if reached.is_none() && admits(other, holder) {
                        *reached = Some((Some(quota), holder));
                        queue.push_back(other);
                    }
                }
            }
        }
        false
    }

    /// Moves everybody on the way to the free place in `quota` one on.
    fn shift(&mut self, mut quota: usize, from: &[Option<(Option<usize>, usize)>]) {
        while let Some((previous, who)) = from[quota] {
            self.holders[quota].push(who);
            let Some(previous) = previous else { return };
            self.holders[previous].retain(|holder| *holder != who);
            quota = previous;
        }
    }
}

/// A candidate that is ranked.
struct Ranked<'a> {
    candidate: &'a Candidate,
    penalty: i64,
    adjusted: i64,
    draw: [u8; 32],
}

/// Ranks and selects.
pub fn select(candidates: &[Candidate], params: &Params) -> Selection {
    let (mut ranked, mut lines) = (Vec::new(), Vec::new());
    for candidate in candidates {
        let penalty = candidate.penalty(params);
        match (candidate.hindrance(params), candidate.score_centi) {
            (None, Some(score)) => {
                ranked.push(Ranked { candidate, penalty, adjusted: score - penalty, draw: draw(params.seed, candidate.application_id) });
            }
            (hindrance, score_centi) => lines.push(Line {
                application_id: candidate.application_id,
                rank: None,
                proposal: None,
                score_centi,
                penalty_centi: penalty,
                adjusted_centi: None,
                by_quota: None,
                is_drawn: false,
                reason: hindrance.unwrap_or_default(),
            }),
        }
    }
    ranked.sort_by_key(|ranked| (-ranked.adjusted, ranked.draw, ranked.candidate.application_id));
    let places = params.places as usize;

    let mut reserved = Reserved { quotas: &params.quotas, holders: vec![Vec::new(); params.quotas.len()] };
    let admitted: Vec<Vec<bool>> = params.quotas.iter().map(|quota| ranked.iter().map(|ranked| quota.admits(ranked.candidate)).collect()).collect();
    let admits = |quota: usize, candidate: usize| admitted[quota][candidate];
    let mut selected = BTreeSet::new();
    let reservable = params.quotas.iter().map(|quota| quota.places as usize).sum::<usize>().min(places);
    for index in 0..ranked.len() {
        if selected.len() == reservable {
            break;
        }
        if reserved.take(index, &admits) {
            selected.insert(index);
        }
    }
    for index in 0..ranked.len() {
        if selected.len() >= places {
            break;
        }
        selected.insert(index);
    }

    let quota_of: BTreeMap<usize, usize> =
        reserved.holders.iter().enumerate().flat_map(|(quota, holders)| holders.iter().map(move |holder| (*holder, quota))).collect();
    let last_open = selected.iter().rev().find(|index| **index < places || !quota_of.contains_key(index)).copied();
    let words = Words { params, ranked: &ranked, last_open };
    let mut waiting = 0;
    let mut result = Vec::with_capacity(candidates.len());
    for (index, entry) in ranked.iter().enumerate() {
        let is_selected = selected.contains(&index);
        let by_quota = quota_of.get(&index).copied().filter(|_| is_selected && index >= places);
        let proposal = if is_selected {
            PendingDecision::Accept
        } else if waiting < params.waitlist {
            waiting += 1;
            PendingDecision::Waitlist
        } else {
            PendingDecision::Reject
        };
        let equals = |other: Option<&Ranked>| other.is_some_and(|other| other.adjusted == entry.adjusted);
        let is_drawn = equals(index.checked_sub(1).and_then(|before| ranked.get(before))) || equals(ranked.get(index + 1));
        result.push(Line {
            application_id: entry.candidate.application_id,
            rank: Some(index as u32 + 1),
            proposal: Some(proposal),
            score_centi: entry.candidate.score_centi,
            penalty_centi: entry.penalty,
            adjusted_centi: Some(entry.adjusted),
            by_quota: by_quota.map(|quota| quota as u32),
            is_drawn,
            reason: words.reason(index, is_selected, by_quota, is_drawn),
        });
    }
    let count = |quota: usize, of: &dyn Fn(usize) -> bool| (0..ranked.len()).filter(|index| admits(quota, *index) && of(*index)).count() as u32;
    let quotas = params.quotas.iter().enumerate().map(|(index, quota)| QuotaResult {
        quota: quota.clone(),
        eligible: count(index, &|_| true),
        selected: count(index, &|candidate| selected.contains(&candidate)),
        filled: reserved.holders[index].len() as u32,
    });
    let quotas = quotas.collect();
    let not_ranked = lines.len() as u32;
    lines.sort_by_key(|line| line.application_id);
    result.append(&mut lines);
    Selection { selected: selected.len() as u32, ranked: ranked.len() as u32, not_ranked, quotas, lines: result }
}

/// Writes the reason of each line.
struct Words<'a> {
    params: &'a Params,
    ranked: &'a [Ranked<'a>],
    /// The last who was selected by rank.
    last_open: Option<usize>,
}

impl Words<'_> {
    fn reason(&self, index: usize, is_selected: bool, by_quota: Option<usize>, is_drawn: bool) -> Localized {
        let entry = &self.ranked[index];
        let (rank, of) = (index + 1, self.ranked.len());
        let mut id = format!("Peringkat {rank} dari {of}, nilai {}", points(entry.adjusted, ','));
        let mut en = format!("Rank {rank} of {of}, score {}", points(entry.adjusted, '.'));
        if entry.penalty > 0 {
            let (times, years, missed) = (entry.candidate.recent_participations, self.params.history_years, entry.candidate.recent_no_shows);
            id.push_str(&format!(" setelah dikurangi {}: ikut {times} kali dalam {years} tahun terakhir", points(entry.penalty, ',')));
            en.push_str(&format!(" after {} off: took part {times} times in the last {years} years", points(entry.penalty, '.')));
            if missed > 0 {
                id.push_str(&format!(", tidak hadir {missed} kali"));
                en.push_str(&format!(", did not come {missed} times"));
            }
        }
        id.push('.');
        en.push('.');
        if is_drawn {
            let seed = self.params.seed;
            id.push_str(&format!(" Urutan di antara nilai yang sama diundi dengan benih {seed}."));
            en.push_str(&format!(" The order among equal scores was drawn with seed {seed}."));
        }
        match by_quota.map(|quota| self.params.quotas[quota].name()) {
            Some(name) => {
                id.push_str(&format!(" Mendapat tempat yang disediakan untuk {}.", name.id));
                en.push_str(&format!(" In a place reserved for {}.", name.en.unwrap_or_default()));
            }
            None if !is_selected => {
                let places = self.params.places;
                id.push_str(&format!(" Ada {places} tempat"));
                en.push_str(&format!(" There are {places} places"));
                if let Some(last) = self.last_open {
                    let line = self.ranked[last].adjusted;
                    id.push_str(&format!("; yang terakhir menurut peringkat bernilai {}", points(line, ',')));
                    en.push_str(&format!("; the last one by rank scored {}", points(line, '.')));
                }
                id.push('.');
                en.push('.');
            }
            None => {}
        }
        Localized { id, en: Some(en) }
    }
}

fn points(centi: i64, separator: char) -> String {
    let sign = if centi < 0 { "-" } else { "" };
    format!("{sign}{}{separator}{:02}", centi.abs() / 100, centi.abs() % 100)
}

/// Who is selected in one of two runs only.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct Comparison {
    pub both: u32,
    /// Selected in the other run and not in this one.
    pub only_in_other: Vec<ComparedLine>,
    /// Selected in this run and not in the other one.
    pub only_in_this: Vec<ComparedLine>,
}

/// An applicant in two runs.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct ComparedLine {
    pub application_id: Uuid,
    pub rank: Option<u32>,
    pub rank_in_other: Option<u32>,
    pub reason: Localized,
    pub reason_in_other: Localized,
}

/// What changes between two runs.
pub fn compare(this: &Selection, other: &Selection) -> Comparison {
    let selected = |line: &Line| line.proposal == Some(PendingDecision::Accept);
    let others: BTreeMap<Uuid, &Line> = other.lines.iter().map(|line| (line.application_id, line)).collect();
    let mut comparison = Comparison { both: 0, only_in_other: Vec::new(), only_in_this: Vec::new() };
    let mut seen = BTreeSet::new();
    for line in &this.lines {
        let twin = others.get(&line.application_id);
        seen.insert(line.application_id);
        let compared = || ComparedLine {
            application_id: line.application_id,
            rank: line.rank,
            rank_in_other: twin.and_then(|twin| twin.rank),
            reason: line.reason.clone(),
            reason_in_other: twin.map(|twin| twin.reason.clone()).unwrap_or_default(),
        };
        match (selected(line), twin.is_some_and(|twin| selected(twin))) {
            (true, true) => comparison.both += 1,
            (true, false) => comparison.only_in_this.push(compared()),
            (false, true) => comparison.only_in_other.push(compared()),
            (false, false) => {}
        }
    }
    for line in other.lines.iter().filter(|line| selected(line) && !seen.contains(&line.application_id)) {
        comparison.only_in_other.push(ComparedLine {
            application_id: line.application_id,
            rank: None,
            rank_in_other: line.rank,
            reason: Localized::default(),
            reason_in_other: line.reason.clone(),
        });
    }
    comparison
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(number: u128, score: i64) -> Candidate {
        Candidate {
            application_id: Uuid::from_u128(number),
            score_centi: Some(score),
            reviews: 2,
            participations: 1,
            recent_participations: 0,
            recent_no_shows: 0,
            is_wub: false,
            shows_food: false,
            categories: vec!["kerajinan/suvenir".into()],
            unmet: None,
        }
    }

    fn params(places: u32, quotas: Vec<Quota>) -> Params {
        Params {
            seed: 7,
            places,
            waitlist: 2,
            history_years: 3,
            participation_penalty_centi: 30,
            no_show_penalty_centi: 50,
            most_penalty_centi: 150,
            min_reviews: 1,
            quotas,
        }
    }

    fn quota(kind: QuotaKind, places: u32) -> Quota {
        Quota { kind, scope: (kind == QuotaKind::Category).then(|| FOOD.to_owned()), places }
    }

    fn selected(selection: &Selection) -> BTreeSet<Uuid> {
        let accepted = selection.lines.iter().filter(|line| line.proposal == Some(PendingDecision::Accept));
        accepted.map(|line| line.application_id).collect()
    }

    #[test]
    fn those_who_were_helped_often_make_room_and_everybody_reads_why() {
        let often = Candidate { recent_participations: 3, participations: 3, ..candidate(1, 450) };
        let newcomer = Candidate { participations: 0, ..candidate(2, 380) };
        let result = select(&[often, newcomer, candidate(3, 400)], &params(1, vec![]));
        let order: Vec<_> = result.lines.iter().map(|line| line.application_id.as_u128()).collect();
        assert_eq!(order, [3, 2, 1], "450 less 3 × 30 is 360");
        assert_eq!(result.lines[0].reason.id, "Peringkat 1 dari 3, nilai 4,00.");
        let expected =
            "Rank 3 of 3, score 3.60 after 0.90 off: took part 3 times in the last 3 years. There are 1 places; the last one by rank scored 4.00.";
        assert_eq!(result.lines[2].reason.en.as_deref(), Some(expected));
    }

    #[test]
    fn a_reserved_place_goes_to_whom_rank_alone_would_have_left_out() {
        let newcomer = Candidate { participations: 0, ..candidate(9, 200) };
        let field: Vec<_> = (1..=4).map(|number| candidate(number, 300 + number as i64)).chain([newcomer]).collect();
        let result = select(&field, &params(2, vec![quota(QuotaKind::FirstTimer, 1)]));
        assert_eq!(selected(&result).into_iter().map(|id| id.as_u128()).collect::<Vec<_>>(), [4, 9]);
        let line = result.lines.iter().find(|line| line.application_id.as_u128() == 9).expect("listed");
        assert_eq!((line.by_quota, line.rank), (Some(0), Some(5)));
        assert!(line.reason.id.ends_with("Mendapat tempat yang disediakan untuk peserta baru."), "{}", line.reason.id);
    }

    #[test]
    fn one_who_fits_two_quotas_moves_over_when_that_lets_another_in() {
        let both = Candidate { participations: 0, is_wub: true, ..candidate(1, 500) };
        let newcomer = Candidate { participations: 0, ..candidate(2, 100) };
        let quotas = vec![quota(QuotaKind::FirstTimer, 1), quota(QuotaKind::Wub, 1)];
        let result = select(&[both, newcomer, candidate(3, 400)], &params(2, quotas));
        assert_eq!(result.quotas.iter().map(|quota| quota.filled).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(selected(&result).into_iter().map(|id| id.as_u128()).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn who_lacks_a_document_or_reviews_is_not_ranked_and_learns_why() {
        let unmet = Candidate { unmet: Some(Localized::new("NIB: belum ada.", "NIB: missing.")), ..candidate(1, 500) };
        let unread = Candidate { score_centi: None, reviews: 0, ..candidate(2, 0) };
        let result = select(&[unmet, unread], &params(2, vec![]));
        assert_eq!((result.selected, result.not_ranked), (0, 2));
        assert!(result.lines.iter().all(|line| line.proposal.is_none() && line.rank.is_none()));
        assert_eq!(result.lines[1].reason.en.as_deref(), Some("Not reviewed enough: 0 of 1 reviews."));
    }

    prop_compose! {
        fn any_candidate()(score in 100_i64..500, past in 0_i64..4, missed in 0_i64..2, wub: bool, food: bool, reviews in 0_i64..3) -> Candidate {
            Candidate {
                score_centi: (reviews > 0).then_some(score), reviews, participations: past, recent_participations: past, recent_no_shows: missed,
                is_wub: wub, shows_food: food, ..candidate(0, score)
            }
        }
    }

    fn numbered(field: Vec<Candidate>) -> Vec<Candidate> {
        field
            .into_iter()
            .enumerate()
            .map(|(index, candidate)| Candidate { application_id: Uuid::from_u128(index as u128 + 1), ..candidate })
            .collect()
    }

    /// How many reserved places can be filled by different applicants, by trying everything.
    fn most_filled(quotas: &[Quota], field: &[&Candidate], places: u32) -> u32 {
        if places == 0 {
            return 0;
        }
        let Some((first, rest)) = field.split_first() else { return 0 };
        let mut best = most_filled(quotas, rest, places);
        for (index, quota) in quotas.iter().enumerate().filter(|(_, quota)| quota.places > 0 && quota.admits(first)) {
            let mut left = quotas.to_vec();
            left[index] = Quota { places: quota.places - 1, ..quota.clone() };
            best = best.max(1 + most_filled(&left, rest, places - 1));
        }
        best
    }

    fn quotas(first: u32, wub: u32, food: u32) -> Vec<Quota> {
        vec![quota(QuotaKind::FirstTimer, first), quota(QuotaKind::Wub, wub), quota(QuotaKind::Category, food)]
    }

    proptest! {
        #[test]
        fn the_same_inputs_give_the_same_result_in_whatever_order_they_come(
            field in prop::collection::vec(any_candidate(), 0..40), places in 0_u32..12, first in 0_u32..4, wub in 0_u32..4, food in 0_u32..4, seed: u32,
        ) {
            let field = numbered(field);
            let params = Params { seed, ..params(places, quotas(first, wub, food)) };
            let result = select(&field, &params);
            let reversed: Vec<_> = field.iter().rev().cloned().collect();
            prop_assert_eq!(&select(&reversed, &params), &result);
            prop_assert_eq!(result.lines.len(), field.len());
            prop_assert_eq!(result.selected, places.min(result.ranked), "no place stays empty while somebody is ranked");
            let stored: Selection = serde_json::from_value(serde_json::to_value(&result).expect("json")).expect("selection");
            prop_assert_eq!(stored, result);
        }

        #[test]
        fn no_quota_is_broken_when_it_can_be_met(
            field in prop::collection::vec(any_candidate(), 0..8), places in 0_u32..5, first in 0_u32..3, wub in 0_u32..3, food in 0_u32..3,
        ) {
            let field = numbered(field);
            let params = params(places, quotas(first, wub, food));
            let result = select(&field, &params);
            let ranked: Vec<&Candidate> = field.iter().filter(|candidate| candidate.hindrance(&params).is_none()).collect();
            let possible = most_filled(&params.quotas, &ranked, places);
            prop_assert_eq!(result.quotas.iter().map(|quota| quota.filled).sum::<u32>(), possible);
            let chosen = selected(&result);
            let chosen: Vec<&Candidate> = ranked.into_iter().filter(|candidate| chosen.contains(&candidate.application_id)).collect();
            prop_assert_eq!(most_filled(&params.quotas, &chosen, places), possible, "by those who are selected");
        }

        #[test]
        fn one_more_applicant_brings_in_nobody_else_and_costs_at_most_one_their_place(
            field in prop::collection::vec(any_candidate(), 1..40), places in 0_u32..12, first in 0_u32..4, wub in 0_u32..4, food in 0_u32..4,
        ) {
            let field = numbered(field);
            let params = params(places, quotas(first, wub, food));
            let (with, without) = (selected(&select(&field, &params)), selected(&select(&field[1..], &params)));
            let newcomer = field[0].application_id;
            let entered: Vec<_> = with.difference(&without).filter(|id| **id != newcomer).collect();
            prop_assert!(entered.is_empty(), "{entered:?}");
            prop_assert!(without.difference(&with).count() <= usize::from(with.contains(&newcomer)));
        }

        #[test]
        fn a_better_score_never_costs_anybody_their_own_place(
            field in prop::collection::vec(any_candidate(), 1..40), places in 0_u32..12, first in 0_u32..4, wub in 0_u32..4, food in 0_u32..4, more in 1_i64..200,
        ) {
            let field = numbered(field);
            let params = params(places, quotas(first, wub, food));
            let before = selected(&select(&field, &params));
            let mut better = field.clone();
            better[0].score_centi = better[0].score_centi.map(|score| score + more);
            let after = selected(&select(&better, &params));
            prop_assert!(!before.contains(&field[0].application_id) || after.contains(&field[0].application_id));
        }
    }
}
