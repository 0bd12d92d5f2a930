//! Numbers that look random and are the same for the same seed.
#![forbid(unsafe_code)]

/// SplitMix64.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// 0 to `bound - 1`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound as u64) as usize
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// `least` to `most`, each power of two as likely as the next.
    pub fn size(&mut self, least: usize, most: usize) -> usize {
        let doublings = (most / least).ilog2() as usize;
        let floor = least << self.below(doublings + 1);
        (floor + self.below(floor)).min(most)
    }

    /// Removes any one item.
    pub fn take<T>(&mut self, items: &mut Vec<T>) -> Option<T> {
        (!items.is_empty()).then(|| items.swap_remove(self.below(items.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_reach_both_ends_and_no_further() {
        let mut random = Random::new(1);
        let sizes: Vec<usize> = (0..100_000).map(|_| random.size(1, 64 << 20)).collect();
        assert!(sizes.iter().all(|&bytes| (1..=64 << 20).contains(&bytes)));
        assert!(sizes.contains(&1) && sizes.contains(&(64 << 20)));
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let numbers = |seed| (0..9).map(|_| 0).scan(Random::new(seed), |random, _: u64| Some(random.number()));
        assert!(numbers(7).eq(numbers(7)));
        assert!(!numbers(7).eq(numbers(8)));
    }
}
