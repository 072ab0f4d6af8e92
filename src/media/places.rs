//! Uploads at work: how many there are, and everybody's share of them. An upload from a phone far from town holds a
//! connection and a file for minutes, so that there are places for so many only; no account, SME or signed address may take
//! those of the others.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;

use crate::fault::{Fault, Outcome, THROTTLED, UNAVAILABLE, say};

/// Uploads in progress at a time, in all.
const PLACES: usize = 64;
/// This many of the places are kept for holders who have none yet: taking all places needs that many holders.
const FOR_NEWCOMERS: usize = 32;
/// Places of one account: as many connections as a browser opens to one server.
const OF_ACCOUNT: usize = 6;
/// Places of all accounts of an SME together.
const OF_SME: usize = 12;
/// Seconds after which somebody whose share is taken is asked to come back.
const COME_BACK: u64 = 5;

/// Whose an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A person, or a program with a key of its own.
    Account(Uuid),
    Sme(Uuid),
    /// One signed address, which takes one file.
    Signed(Uuid),
}

impl Holder {
    fn share(self) -> usize {
        match self {
            Self::Account(_) => OF_ACCOUNT,
            Self::Sme(_) => OF_SME,
            Self::Signed(_) => 1,
        }
    }

    /// The refusal of a holder whose share is taken.
    fn refused(self) -> Fault {
        let detail = match self {
            Self::Account(_) => say(
                format!("Akun ini sudah mengirim {OF_ACCOUNT} foto sekaligus; tunggu salah satunya selesai."),
                format!("This account is sending {OF_ACCOUNT} photos already; wait until one of them is done."),
            ),
            Self::Sme(_) => say(
                format!("IKM ini sudah menerima {OF_SME} foto sekaligus; tunggu salah satunya selesai."),
                format!("{OF_SME} photos of this SME are being sent already; wait until one of them is done."),
            ),
            Self::Signed(_) => say("Berkas ini sedang dikirim.", "This file is being sent already."),
        };
        Fault::new(&THROTTLED).retry_after(COME_BACK).detail(detail)
    }
}

#[derive(Default)]
struct Taken {
    all: usize,
    by: HashMap<Holder, usize>,
}

/// All places of this process.
#[derive(Default)]
pub struct Places(Mutex<Taken>);

/// A place, until it is dropped.
pub struct Place<'a> {
    places: &'a Places,
    holders: Vec<Holder>,
}

impl Places {
    /// A place that counts for each of these, or why there is none.
    pub fn take(&self, holders: Vec<Holder>) -> Outcome<Place<'_>> {
        let mut taken = self.taken();
        let has = |holder: &Holder| taken.by.get(holder).copied().unwrap_or(0);
        if let Some(holder) = holders.iter().find(|holder| has(holder) >= holder.share()) {
            return Err(holder.refused());
        }
        let is_newcomer = holders.iter().all(|holder| has(holder) == 0);
        if taken.all >= PLACES || (taken.all >= PLACES - FOR_NEWCOMERS && !is_newcomer) {
            let detail = say("Sedang banyak foto yang dikirim; coba lagi sebentar lagi.", "Many photos are being sent; try again in a moment.");
            return Err(Fault::new(&UNAVAILABLE).retry_after(COME_BACK).detail(detail));
        }
        taken.all += 1;
        for holder in &holders {
            *taken.by.entry(*holder).or_default() += 1;
        }
        Ok(Place { places: self, holders })
    }

    /// Uploads in progress.
    pub fn in_use(&self) -> usize {
        self.taken().all
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Nothing can panic while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        for holder in &self.holders {
            if let Some(count) = taken.by.get_mut(holder) {
                *count -= 1;
                if *count == 0 {
                    taken.by.remove(holder);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: u128) -> Vec<Holder> {
        vec![Holder::Account(Uuid::from_u128(number)), Holder::Sme(Uuid::from_u128(number))]
    }

    #[test]
    fn an_account_has_its_share_and_no_more_until_one_is_done() {
        let places = Places::default();
        let mut held: Vec<_> = (0..OF_ACCOUNT).map(|_| places.take(account(1)).expect("a place")).collect();
        let refused = places.take(account(1)).err().expect("no place");
        assert_eq!((refused.kind.status, refused.retry_after_seconds), (429, Some(COME_BACK)));
        held.pop();
        drop(places.take(account(1)).expect("a place again"));
        drop(held);
        assert_eq!((places.in_use(), places.taken().by.len()), (0, 0), "nothing is left behind");
    }

    #[test]
    fn the_accounts_of_one_sme_share_what_it_has() {
        let (places, sme) = (Places::default(), Holder::Sme(Uuid::from_u128(9)));
        let of = |number: usize| vec![Holder::Account(Uuid::from_u128(number as u128)), sme];
        let held: Vec<_> = (0..OF_SME).map(|number| places.take(of(number)).expect("a place")).collect();
        assert_eq!(places.take(of(OF_SME)).err().expect("no place").kind.status, 429);
        drop(held);
    }

    #[test]
    fn a_signed_address_takes_one_file_at_a_time() {
        let (places, address) = (Places::default(), vec![Holder::Signed(Uuid::from_u128(1))]);
        let held = places.take(address.clone()).expect("a place");
        assert_eq!(places.take(address.clone()).err().expect("no place").kind.status, 429);
        drop(held);
        places.take(address).expect("a place again");
    }

    #[test]
    fn however_many_a_few_accounts_send_another_finds_a_place() {
        let (places, mut held) = (Places::default(), Vec::new());
        for number in 0..12 {
            held.extend((0..100).map_while(|_| places.take(account(number)).ok()));
        }
        let refused = places.take(account(0)).err().expect("no place");
        assert!(matches!(refused.kind.status, 429 | 503));
        held.push(places.take(account(99)).expect("a place for somebody who has none"));
        // Only so many accounts as there are places can take them all, and then it is nobody's fault.
        held.extend((100..200).map_while(|number| places.take(account(number)).ok()));
        let full = places.take(account(300)).err().expect("no place");
        assert_eq!((places.in_use(), full.kind.status, full.retry_after_seconds), (PLACES, 503, Some(COME_BACK)));
    }
}
