//! A set of documents by number.

/// One bit per document.
#[derive(Clone, Default)]
pub struct Bits(Vec<u64>);

impl Bits {
    /// A set of numbers below `size` for which `holds`.
    pub fn of(size: usize, mut holds: impl FnMut(usize) -> bool) -> Self {
        let mut blocks = vec![0; size.div_ceil(64)];
        for (at, block) in blocks.iter_mut().enumerate() {
            let from = at * 64;
            for number in from..size.min(from + 64) {
                *block |= u64::from(holds(number)) << (number - from);
            }
        }
        Self(blocks)
    }

    /// A set of these numbers.
    pub fn with(numbers: impl Iterator<Item = usize>) -> Self {
        let mut set = Self::default();
        numbers.for_each(|number| set.insert(number));
        set
    }

    pub fn insert(&mut self, number: usize) {
        if self.0.len() <= number / 64 {
            self.0.resize(number / 64 + 1, 0);
        }
        self.0[number / 64] |= 1 << (number % 64);
    }

    pub fn remove(&mut self, number: usize) {
        if let Some(block) = self.0.get_mut(number / 64) {
            *block &= !(1 << (number % 64));
        }
    }

    pub fn contains(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|block| block & (1 << (number % 64)) != 0)
    }

    /// Keeps what `other` holds as well.
    pub fn keep(&mut self, other: &Self) {
        for (at, block) in self.0.iter_mut().enumerate() {
            *block &= other.0.get(at).copied().unwrap_or_default();
        }
    }

    pub fn count(&self) -> usize {
        self.0.iter().map(|block| block.count_ones() as usize).sum()
    }

    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, block)| {
            let mut left = *block;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros() as usize;
                left &= left.wrapping_sub(1);
                (bit < 64).then_some(at * 64 + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_set_holds(one: BTreeSet<u8>, other: BTreeSet<u8>) {
            let bits = |set: &BTreeSet<u8>| Bits::of(256, |number| set.contains(&(number as u8)));
            let mut both = bits(&one);
            both.keep(&bits(&other));
            prop_assert_eq!(both.iter().map(|number| number as u8).collect::<BTreeSet<_>>(), &one & &other);
            prop_assert_eq!(bits(&one).count(), one.len());
            let with = Bits::with(one.iter().map(|number| usize::from(*number)));
            prop_assert_eq!(with.iter().collect::<Vec<_>>(), bits(&one).iter().collect::<Vec<_>>());
        }
    }
}
