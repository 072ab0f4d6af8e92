//! Rubric, phases, scores, and the fair distribution of work among reviewers.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use poem_openapi::Enum;
use sea_orm::{DeriveActiveEnum, EnumIter, FromQueryResult};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::values::Localized;

/// When a reviewer sees what others gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum SeeOthers {
    Never,
    /// Once the reviewer's own review is written.
    AfterOwn,
    Always,
}

/// One thing that is judged from 1 to 5.
#[derive(Debug, Clone, FromQueryResult)]
pub struct RubricCategory {
    pub id: Uuid,
    pub name: Localized,
    /// Part of the weighted score in hundredths of a percent; 0 is shown but does not count.
    pub weight_bp: i64,
    pub is_required: i64,
}

/// A time of the review with rules of its own.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Phase {
    pub name: Localized,
    pub can_review: i64,
    pub see_others: SeeOthers,
    /// Reviewers see no names.
    pub is_blind: i64,
    /// No review is taken later, whoever forgets to end the phase.
    pub ends_at: Option<DateTime<Utc>>,
    pub is_active: i64,
}

/// The rubric of a new call. Weights are a proposal that an office changes, not a rule.
pub fn default_rubric() -> Vec<RubricCategory> {
    let category = |id: &str, en: &str, weight_bp, is_required| RubricCategory {
        id: Uuid::now_v7(),
        name: Localized::new(id, en),
        weight_bp,
        is_required: i64::from(is_required),
    };
    vec![
        category("Mutu produk", "Product quality", 5_000, true),
        category("Kemasan dan tampilan", "Packaging and presentation", 2_500, true),
        category("Kesiapan stok", "Readiness of stock", 2_500, true),
        category("Potensi ekspor", "Export potential", 0, false),
    ]
}

/// Review first, with the scores of others hidden until one's own; then selection, where all is seen and nothing changes.
pub fn default_phases() -> Vec<Phase> {
    let phase = |id: &str, en: &str, can_review, see_others, is_active| Phase {
        name: Localized::new(id, en),
        can_review: i64::from(can_review),
        see_others,
        is_blind: 0,
        ends_at: None,
        is_active: i64::from(is_active),
    };
    vec![phase("Penilaian", "Review", true, SeeOthers::AfterOwn, true), phase("Seleksi", "Selection", false, SeeOthers::Always, false)]
}

/// Whether a reviewer sees the scores of others now.
pub fn sees_others(phase: Option<&Phase>, has_own: bool) -> bool {
    match phase.map(|phase| phase.see_others) {
        Some(SeeOthers::Always) => true,
        Some(SeeOthers::AfterOwn) => has_own,
        Some(SeeOthers::Never) | None => false,
    }
}

/// What one review gives: points times weight, and the weight of what was scored.
#[derive(Debug, Clone, Copy, FromQueryResult)]
pub struct Given {
    pub application_id: Uuid,
    pub points: i64,
    pub weight: i64,
}

impl Given {
    /// The weighted score in hundredths of a point, 100 to 500; `None` if nothing that counts was scored.
    pub fn centi(self) -> Option<i64> {
        (self.weight > 0).then(|| (self.points * 100 + self.weight / 2) / self.weight)
    }
}

/// The mean score by application in hundredths of a point, with the number of reviews that count.
pub fn means(given: &[Given]) -> BTreeMap<Uuid, (i64, i64)> {
    let mut sums: BTreeMap<Uuid, (i64, i64)> = BTreeMap::new();
    for (application, centi) in given.iter().filter_map(|given| Some((given.application_id, given.centi()?))) {
        let (sum, count) = sums.entry(application).or_default();
        *sum += centi;
        *count += 1;
    }
    sums.into_iter().map(|(application, (sum, count))| (application, ((sum + count / 2) / count, count))).collect()
}

/// Who reviews what.
pub type Pair = (Uuid, Uuid);

/// Gives every application `wanted` reviewers, always the ones with the least work, never against `barred`: conflicts
/// of interest and recusals. Returns the new pairs, and the applications for which there are not enough reviewers.
pub fn distribute(applications: &[Uuid], reviewers: &[Uuid], barred: &HashSet<Pair>, present: &[Pair], wanted: usize) -> (Vec<Pair>, Vec<Uuid>) {
    let reviewers: BTreeSet<Uuid> = reviewers.iter().copied().collect();
    let mut load: BTreeMap<Uuid, usize> = reviewers.iter().map(|reviewer| (*reviewer, 0)).collect();
    let mut has: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    for (application, reviewer) in present {
        has.entry(*application).or_default().push(*reviewer);
        if let Some(load) = load.get_mut(reviewer) {
            *load += 1;
        }
    }
    let (mut pairs, mut short) = (Vec::new(), Vec::new());
    for application in applications {
        let mine = has.entry(*application).or_default();
        while mine.len() < wanted {
            let free = load.iter().filter(|(reviewer, _)| !mine.contains(reviewer) && !barred.contains(&(*application, **reviewer)));
            let Some(next) = free.min_by_key(|(_, load)| **load).map(|(reviewer, _)| *reviewer) else {
                short.push(*application);
                break;
            };
            *load.entry(next).or_default() += 1;
            mine.push(next);
            pairs.push((*application, next));
        }
    }
    (pairs, short)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_score_is_the_weighted_mean_in_hundredths_and_categories_of_no_weight_do_not_count() {
        let application_id = Uuid::nil();
        // 4 × 50 % + 3 × 25 % + 5 × 25 % = 4.00
        assert_eq!(Given { application_id, points: 4 * 5_000 + 3 * 2_500 + 5 * 2_500, weight: 10_000 }.centi(), Some(400));
        assert_eq!(Given { application_id, points: 0, weight: 0 }.centi(), None);
        let given = [(4, 1), (5, 1), (0, 0)].map(|(points, weight)| Given { application_id, points, weight });
        assert_eq!(means(&given)[&application_id], (450, 2));
    }

    proptest! {
        #[test]
        fn work_is_shared_evenly_and_never_against_a_conflict(
            applications in 0_u128..40, reviewers in 1_u128..8, wanted in 1_usize..4,
            barred in prop::collection::hash_set((0_u128..40, 0_u128..8), 0..30),
        ) {
            let ids = |count: u128, from: u128| (0..count).map(|index| Uuid::from_u128(index + from)).collect::<Vec<_>>();
            let (all, people) = (ids(applications, 0), ids(reviewers, 1_000));
            let barred: HashSet<Pair> = barred.into_iter().map(|(a, r)| (Uuid::from_u128(a), Uuid::from_u128(r + 1_000))).collect();
            let (pairs, short) = distribute(&all, &people, &barred, &[], wanted);
            prop_assert!(pairs.iter().all(|pair| !barred.contains(pair)));
            prop_assert_eq!(pairs.iter().collect::<HashSet<_>>().len(), pairs.len());
            for application in &all {
                let has = pairs.iter().filter(|(of, _)| of == application).count();
                let possible = people.iter().filter(|reviewer| !barred.contains(&(*application, **reviewer))).count();
                prop_assert_eq!(has, wanted.min(possible));
                prop_assert_eq!(short.contains(application), possible < wanted);
            }
            if barred.is_empty() {
                let load = |reviewer: &Uuid| pairs.iter().filter(|(_, of)| of == reviewer).count();
                let loads: Vec<_> = people.iter().map(load).collect();
                prop_assert!(loads.iter().max().unwrap_or(&0) - loads.iter().min().unwrap_or(&0) <= 1);
            }
            let again = distribute(&all, &people, &barred, &pairs, wanted);
            prop_assert!(again.0.is_empty(), "asked again it has nothing to add");
        }
    }
}
