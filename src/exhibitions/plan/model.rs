//! Geometry in millimetres, placement rules, and the automatic suggestion.

use std::collections::{BTreeSet, HashSet};

use chrono::NaiveDate;
use poem_openapi::{Enum, Object};
use sea_orm::{DeriveActiveEnum, EnumIter, FromQueryResult};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::values::{Localized, Money};

/// Which of the two plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum PlanKind {
    /// Seen by the agency only.
    Draft,
    /// Published.
    Live,
}

/// Where an assignment stands (product.md 3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum AssignmentStatus {
    /// For an SME that has not confirmed yet.
    Held,
    Confirmed,
    CheckedIn,
    Released,
    NoShow,
}

/// A room, seen from above.
#[derive(Debug, Clone, Object, FromQueryResult)]
pub struct Hall {
    pub id: Uuid,
    pub name: String,
    pub width_mm: i64,
    pub depth_mm: i64,
}

/// Days on which the same booths have the same exhibitors.
#[derive(Debug, Clone, Object, FromQueryResult)]
pub struct Batch {
    pub id: Uuid,
    pub name: String,
    pub starts_on: NaiveDate,
    /// The last day, included.
    pub ends_on: NaiveDate,
}

/// A booth: a rectangle in its hall, from the hall's upper left corner.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Booth {
    pub id: Uuid,
    pub hall_id: Uuid,
    pub code: String,
    pub class: String,
    pub x_mm: i64,
    pub y_mm: i64,
    pub width_mm: i64,
    pub depth_mm: i64,
    pub power_w: i64,
    pub fee_minor: i64,
    pub is_blocked: i64,
    pub slots: i64,
}

impl Booth {
    /// Gap between two booths in millimetres; 0 where they touch, none across halls.
    fn gap(&self, other: &Self) -> Option<i64> {
        if self.hall_id != other.hall_id {
            return None;
        }
        let apart = |a: i64, a_size: i64, b: i64, b_size: i64| (b - (a + a_size)).max(a - (b + b_size)).max(0);
        let (dx, dy) = (apart(self.x_mm, self.width_mm, other.x_mm, other.width_mm), apart(self.y_mm, self.depth_mm, other.y_mm, other.depth_mm));
        Some(dx.max(dy))
    }

    /// Floor in square millimetres that both cover.
    pub fn overlaps(&self, other: &Self) -> bool {
        let covers = |a: i64, a_size: i64, b: i64, b_size: i64| a < b.saturating_add(b_size) && b < a.saturating_add(a_size);
        self.hall_id == other.hall_id
            && covers(self.x_mm, self.width_mm, other.x_mm, other.width_mm)
            && covers(self.y_mm, self.depth_mm, other.y_mm, other.depth_mm)
    }
}

/// What a placement has to respect of an applicant.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Exhibitor {
    pub application_id: Uuid,
    pub brand_name: String,
    pub power_needed_w: i64,
    /// Shows food.
    pub has_food: i64,
    /// Shows goods made with glue, paint or solvents: souvenirs from waste.
    pub has_solvents: i64,
    /// A WUB group of the SME.
    pub group_id: Option<Uuid>,
    pub preferred_batch_id: Option<Uuid>,
    pub preferred_booth_class: Option<String>,
}

/// Who stands where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    pub application: Uuid,
    pub batch: Uuid,
    pub booth: Uuid,
    pub slot: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum WarningCode {
    NotEnoughPower,
    FoodNearSolvents,
    GroupApart,
}

/// What is not good about a plan, and why. Never a refusal: the coordinator knows the room.
#[derive(Debug, Clone, Object)]
pub struct PlanWarning {
    pub code: WarningCode,
    pub application_id: Uuid,
    pub booth: String,
    pub message: Localized,
}

/// Food and solvents keep at least this gap, in millimetres.
const FOOD_GAP: i64 = 3_000;
/// Members of one WUB group stand within this gap, in millimetres, or in different halls with a warning.
const GROUP_GAP: i64 = 12_000;

fn find<T>(list: &[T], is: impl Fn(&T) -> bool) -> Option<&T> {
    list.iter().find(|item| is(item))
}

/// Everything that is not good about these placements.
pub fn warnings(placements: &[Placement], booths: &[Booth], exhibitors: &[Exhibitor]) -> Vec<PlanWarning> {
    let mut warnings = Vec::new();
    let placed: Vec<(&Placement, &Booth, &Exhibitor)> = placements
        .iter()
        .filter_map(|placement| {
            let booth = find(booths, |booth| booth.id == placement.booth)?;
            Some((placement, booth, find(exhibitors, |exhibitor| exhibitor.application_id == placement.application)?))
        })
        .collect();
    for (placement, booth, exhibitor) in &placed {
        let warn = |code, id: String, en: String| PlanWarning {
            code,
            application_id: placement.application,
            booth: booth.code.clone(),
            message: Localized { id, en: Some(en) },
        };
        let others = placed.iter().filter(|(other, _, _)| other.batch == placement.batch && other.application != placement.application);
        if booth.power_w < exhibitor.power_needed_w {
            warnings.push(warn(
                WarningCode::NotEnoughPower,
                format!("Stan {} punya {} W, perlu {} W.", booth.code, booth.power_w, exhibitor.power_needed_w),
                format!("Booth {} has {} W, {} W are needed.", booth.code, booth.power_w, exhibitor.power_needed_w),
            ));
        }
        if exhibitor.has_food == 1 {
            let near = others.clone().find(|(_, other, who)| who.has_solvents == 1 && booth.gap(other).is_some_and(|gap| gap < FOOD_GAP));
            if let Some((_, other, _)) = near {
                warnings.push(warn(
                    WarningCode::FoodNearSolvents,
                    format!("Makanan di {} kurang dari {} m dari kerajinan berperekat atau bercat di {}.", booth.code, FOOD_GAP / 1000, other.code),
                    format!("Food in {} is less than {} m from crafts with glue or paint in {}.", booth.code, FOOD_GAP / 1000, other.code),
                ));
            }
        }
        let mut group = others.filter(|(_, _, who)| exhibitor.group_id.is_some() && who.group_id == exhibitor.group_id).peekable();
        if group.peek().is_some() && !group.any(|(_, other, _)| booth.gap(other).is_some_and(|gap| gap <= GROUP_GAP)) {
            warnings.push(warn(
                WarningCode::GroupApart,
                format!("Stan {} jauh dari anggota lain kelompok WUB-nya.", booth.code),
                format!("Booth {} is far from the other members of its WUB group.", booth.code),
            ));
        }
    }
    warnings
}

/// An applicant for whom no slot was found, with the reason.
#[derive(Debug, Clone, Object)]
pub struct Unplaced {
    pub application_id: Uuid,
    pub brand_name: String,
    pub reason: Localized,
}

/// Finds slots for those in `waiting` who have none in `batch` and did not ask for another batch. Power and the
/// distance of food from solvents are never violated; the wished class of booth comes next, then the nearness of a
/// group. The same input gives the same plan.
pub fn suggest(
    batch: Uuid,
    waiting: &[Exhibitor],
    booths: &[Booth],
    exhibitors: &[Exhibitor],
    taken: &[Placement],
) -> (Vec<Placement>, Vec<Unplaced>) {
    let mut placements: Vec<Placement> = taken.iter().filter(|placement| placement.batch == batch).copied().collect();
    let (mut placed, mut unplaced) = (Vec::new(), Vec::new());
    let mut order: Vec<&Exhibitor> = waiting.iter().filter(|who| who.preferred_batch_id.is_none_or(|wished| wished == batch)).collect();
    // The hardest to place come first; groups one after the other.
    order.sort_by_key(|who| (-who.power_needed_w, -who.has_solvents, -who.has_food, who.group_id, who.application_id));
    for who in order {
        let used: HashSet<(Uuid, i64)> = placements.iter().map(|placement| (placement.booth, placement.slot)).collect();
        let free = booths.iter().filter(|booth| booth.is_blocked == 0);
        let free: Vec<(&Booth, i64)> = free
            .flat_map(|booth| (1..=booth.slots).map(move |slot| (booth, slot)))
            .filter(|(booth, slot)| !used.contains(&(booth.id, *slot)))
            .collect();
        let powered: Vec<_> = free.iter().copied().filter(|(booth, _)| booth.power_w >= who.power_needed_w).collect();
        let neighbours = |wanted: &dyn Fn(&Exhibitor) -> bool| -> Vec<&Booth> {
            let those: BTreeSet<Uuid> = exhibitors.iter().filter(|other| wanted(other)).map(|other| other.application_id).collect();
            let theirs = placements.iter().filter(|placement| those.contains(&placement.application));
            theirs.filter_map(|placement| find(booths, |booth| booth.id == placement.booth)).collect()
        };
        let hostile = neighbours(&|other| (who.has_food == 1 && other.has_solvents == 1) || (who.has_solvents == 1 && other.has_food == 1));
        let safe: Vec<_> =
            powered.iter().copied().filter(|(booth, _)| hostile.iter().all(|other| booth.gap(other).is_none_or(|gap| gap >= FOOD_GAP))).collect();
        let group = neighbours(&|other| who.group_id.is_some() && other.group_id == who.group_id);
        let nearest = |booth: &Booth| group.iter().map(|other| booth.gap(other).unwrap_or(i64::MAX)).min().unwrap_or(0);
        // The least power that is enough, so that strong booths are left for those who need them.
        let unwished = |booth: &Booth| who.preferred_booth_class.as_ref().is_some_and(|class| *class != booth.class);
        let best = safe.iter().min_by_key(|(booth, slot)| (unwished(booth), nearest(booth), booth.power_w, booth.code.clone(), *slot));
        if let Some((booth, slot)) = best {
            let placement = Placement { application: who.application_id, batch, booth: booth.id, slot: *slot };
            placements.push(placement);
            placed.push(placement);
            continue;
        }
        let reason = if free.is_empty() {
            Localized::new("Semua stan sudah terisi.", "All booths are taken.")
        } else if powered.is_empty() {
            let need = who.power_needed_w;
            Localized::new(&format!("Tidak ada stan bebas dengan {need} W."), &format!("No free booth has {need} W."))
        } else {
            Localized::new(
                "Semua stan bebas terlalu dekat: makanan harus jauh dari perekat dan cat.",
                "All free booths are too near: food keeps away from glue and paint.",
            )
        };
        unplaced.push(Unplaced { application_id: who.application_id, brand_name: who.brand_name.clone(), reason });
    }
    (placed, unplaced)
}

/// The fee of a booth; `None` if it is free.
pub fn fee(booth: &Booth) -> Option<Money> {
    Some(booth.fee_minor).filter(|fee| *fee > 0).map(Money::idr)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn booth(number: i64, power_w: i64, slots: i64) -> Booth {
        Booth {
            id: Uuid::from_u128(number as u128 + 1),
            hall_id: Uuid::nil(),
            code: format!("A-{number:02}"),
            class: "standard".into(),
            x_mm: number % 10 * 3_000,
            y_mm: number / 10 * 5_000,
            width_mm: 3_000,
            depth_mm: 3_000,
            power_w,
            fee_minor: 0,
            is_blocked: 0,
            slots,
        }
    }

    fn exhibitor(number: u128, (power, kind, group): (i64, u8, Option<u8>)) -> Exhibitor {
        Exhibitor {
            application_id: Uuid::from_u128(number + 1_000),
            brand_name: format!("IKM {number}"),
            power_needed_w: power,
            has_food: i64::from(kind == 1),
            has_solvents: i64::from(kind == 2),
            group_id: group.map(|group| Uuid::from_u128(u128::from(group) + 5_000)),
            preferred_batch_id: None,
            preferred_booth_class: None,
        }
    }

    proptest! {
        #[test]
        fn a_suggestion_gives_no_slot_twice_places_or_explains_everybody_and_breaks_no_hard_rule(
            powers in prop::collection::vec((prop::sample::select(vec![0_i64, 450, 1300]), 1_i64..3), 1..30),
            people in prop::collection::vec((prop::sample::select(vec![0_i64, 450, 1300]), 0_u8..3, prop::option::of(0_u8..3)), 0..40),
        ) {
            let booths: Vec<Booth> = powers.iter().enumerate().map(|(index, (power, slots))| booth(index as i64, *power, *slots)).collect();
            let people: Vec<Exhibitor> = people.into_iter().enumerate().map(|(index, person)| exhibitor(index as u128, person)).collect();
            let batch = Uuid::from_u128(9);
            let (placed, unplaced) = suggest(batch, &people, &booths, &people, &[]);
            prop_assert_eq!(placed.len() + unplaced.len(), people.len());
            let slots: HashSet<_> = placed.iter().map(|placement| (placement.booth, placement.slot)).collect();
            prop_assert_eq!(slots.len(), placed.len());
            let hard = warnings(&placed, &booths, &people).into_iter().filter(|warning| warning.code != WarningCode::GroupApart).count();
            prop_assert_eq!(hard, 0);
            let again = suggest(batch, &people, &booths, &people, &[]);
            prop_assert_eq!(again.0, placed);
        }
    }

    #[test]
    fn each_warning_says_what_is_wrong_and_where() {
        let people = [exhibitor(1, (900, 1, None)), exhibitor(2, (0, 2, Some(1))), exhibitor(3, (0, 0, Some(1)))];
        let booths = [booth(0, 450, 1), booth(1, 0, 1), booth(39, 0, 1)];
        let at =
            |who: usize, booth: usize| Placement { application: people[who].application_id, batch: Uuid::nil(), booth: booths[booth].id, slot: 1 };
        let codes: Vec<_> =
            warnings(&[at(0, 0), at(1, 1), at(2, 2)], &booths, &people).into_iter().map(|warning| (warning.code, warning.booth)).collect();
        let expected = [
            (WarningCode::NotEnoughPower, "A-00"),
            (WarningCode::FoodNearSolvents, "A-00"),
            (WarningCode::GroupApart, "A-01"),
            (WarningCode::GroupApart, "A-39"),
        ];
        assert_eq!(codes, expected.map(|(code, booth)| (code, booth.to_owned())));
    }
}
