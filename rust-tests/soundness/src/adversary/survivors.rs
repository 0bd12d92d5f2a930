//! Blocks of every size class, held across a thousand phases while others of the same sizes come and go beside them.
#![forbid(unsafe_code)]

use crate::pattern::{How, Patterned};
use crate::random::Random;
use crate::work::{phase, Pace, PHASES, STEPS, THREADS};
use std::thread;

/// The library's: 64 bytes times 1 2 3 4 5 6 7 8 10 12 14 16 20 ... for blocks in spans, the same times 2 MiB for
/// larger ones. Sizes beyond are a matter of the machine's memory, not of another code path.
const GRANULE: usize = 64;
const MEDIUM_MAX: usize = 1 << 20;
const UNIT: usize = 2 << 20;
const LARGEST: usize = 32 << 20;
/// Phases between two checks of everything, and between two trims.
const CHECK_EVERY: u64 = 8;
const TRIM_EVERY: u64 = 20;

pub fn run(pace: Pace) -> String {
    let mut random = Random::new(pace.seed);
    let classes = classes();
    // Room for everything: the lists themselves must not lie in the arena.
    let mut held: Vec<Patterned> = Vec::with_capacity(4 * classes.len());
    let mut changing: Vec<Patterned> = Vec::with_capacity(2 * classes.len());
    phase(|| plant(&classes, &mut held, &mut changing));
    let in_arena = held.iter().filter(|block| block.is_in_arena()).count();
    while pace.goes_on_after(PHASES.get()) {
        let number = PHASES.get();
        phase(|| {
            challenge(&classes, number);
            replace(&mut changing, &mut random);
        });
        if number.is_multiple_of(TRIM_EVERY) {
            zkalloc::trim(0);
        }
        if number.is_multiple_of(CHECK_EVERY) {
            check(&held, "held since the first phase");
            check(&changing, "held across phases");
        }
    }
    check(&held, "held since the first phase");
    format!("{in_arena} survivors in the arena")
}

fn classes() -> Vec<usize> {
    let multiples = || (1..=4).chain((0..).flat_map(|doubling| (5..=8).map(move |quarter| quarter << doubling)));
    let medium = multiples().map(|multiple| multiple * GRANULE).take_while(|&bytes| bytes <= MEDIUM_MAX);
    let large = multiples().map(|multiple| multiple * UNIT).take_while(|&bytes| bytes <= LARGEST);
    medium.chain(large).collect()
}

/// Of each class a block that fills it and one a byte larger than the class below; half of them by a thread that ends.
fn plant(classes: &[usize], held: &mut Vec<Patterned>, changing: &mut Vec<Patterned>) {
    let make = |index: usize| {
        let least = if index == 0 { 1 } else { classes[index - 1] + 1 };
        [Patterned::new(How::Malloc, classes[index]), Patterned::new(How::Calloc, least)]
    };
    let theirs = thread::scope(|scope| {
        THREADS.add(1);
        let other = scope.spawn(|| (0..classes.len()).flat_map(make).collect::<Vec<_>>());
        other.join().expect("the other thread plants")
    });
    for (index, block) in theirs.into_iter().enumerate() {
        // The large ones once: they are many times the rest.
        if block.bytes() <= 4 * UNIT || index % 2 == 0 {
            held.push(block);
        }
    }
    for (index, _) in classes.iter().enumerate().filter(|(_, &bytes)| bytes <= MEDIUM_MAX) {
        held.extend(make(index));
        changing.extend(make(index));
    }
}

/// Blocks of the same classes, written and freed beside the survivors: all that lie in spans, one larger one per phase.
fn challenge(classes: &[usize], number: u64) {
    let (medium, large) = classes.split_at(classes.partition_point(|&bytes| bytes <= MEDIUM_MAX));
    let mut rivals: Vec<Patterned> = Vec::with_capacity(2 * classes.len());
    for &bytes in medium.iter().chain(medium) {
        rivals.push(Patterned::new(How::Malloc, bytes));
    }
    rivals.push(Patterned::new(How::Malloc, large[number as usize % large.len()]));
    check(&rivals, "allocated beside the survivors");
}

fn replace(changing: &mut Vec<Patterned>, random: &mut Random) {
    for _ in 0..4 {
        let old = random.take(changing).expect("planted");
        old.check("held across phases");
        let bytes = old.bytes();
        drop(old);
        changing.push(Patterned::new(How::random(random), bytes));
    }
}

fn check(blocks: &[Patterned], when: &str) {
    blocks.iter().for_each(|block| block.check(when));
    STEPS.add(blocks.len() as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classes_are_the_library_s() {
        let classes = classes();
        assert!(classes.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(classes[..9], [64, 128, 192, 256, 320, 384, 448, 512, 640]);
        assert!(classes.contains(&4096) && classes.contains(&MEDIUM_MAX) && classes.ends_with(&[28 << 20, 32 << 20]));
    }
}
