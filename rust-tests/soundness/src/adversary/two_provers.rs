//! Two provers at once in one process, of different statements, each in its own phases, which overlap as they fall. The
//! proofs are those that each makes alone.
#![forbid(unsafe_code)]

use crate::program::{corruption, require};
use crate::survivor::{note_where, Block};
use crate::work::{phase, Pace, STEPS, THREADS};
use prover::airs::{Keccak, Poseidon2KoalaBear, Statement};
use prover::digest;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::collections::VecDeque;
use std::sync::Barrier;
use std::thread;

const ROWS_LOG2: u32 = 9;
const POOL_THREADS: usize = 2;
/// Proofs held while others are made.
const KEPT: usize = 3;
/// Every so many proofs both wait outside of any phase, so that the last one has ended with proofs held.
const MEET_EVERY: u64 = 5;

pub fn run(pace: Pace) -> String {
    // One after the other, before the first phase.
    let alone = [digest_alone::<Poseidon2KoalaBear>(), digest_alone::<Keccak>()];
    let meeting = Meeting { barrier: Barrier::new(2) };
    thread::scope(|scope| {
        let (first, second) = (&alone[0], &alone[1]);
        let meeting = &meeting;
        scope.spawn(move || prove_all::<Poseidon2KoalaBear>(pace, meeting, first));
        scope.spawn(move || prove_all::<Keccak>(pace, meeting, second));
    });
    THREADS.add(2 + 2 * POOL_THREADS as u64);
    format!("digest {}, digest {}", alone[0], alone[1])
}

fn digest_alone<S: Statement>() -> String {
    let proof = S::prove(ROWS_LOG2).expect("a proof can be made");
    digest::of(&proof).expect("a proof can be serialized").sha256
}

struct Held<P> {
    proof: P,
    companion: Block,
}

fn prove_all<S: Statement<Proof: Send>>(pace: Pace, meeting: &Meeting, alone: &str) {
    let pool: ThreadPool = ThreadPoolBuilder::new().num_threads(POOL_THREADS).build().expect("a pool");
    let mut held = VecDeque::with_capacity(KEPT + 1);
    for number in 1.. {
        let made = phase(|| {
            let proof = pool.install(|| S::prove(ROWS_LOG2));
            proof.map(|proof| Held { proof, companion: Block::new((1 << 20) + 4096) })
        });
        let made = made.unwrap_or_else(|error| corruption(format_args!("a proof cannot be made: {error}")));
        note_where(made.companion.as_ptr());
        check::<S>(&made, alone, "after its phase");
        held.push_back(made);
        STEPS.add(1);
        if number % MEET_EVERY == 0 {
            let goes_on = meeting.both_go_on(pace);
            held.iter().for_each(|made| check::<S>(made, alone, "after every phase has ended"));
            if !goes_on {
                return;
            }
        }
        if held.len() > KEPT {
            held.pop_front().into_iter().for_each(|made| check::<S>(&made, alone, "some phases later"));
        }
    }
}

fn check<S: Statement>(made: &Held<S::Proof>, alone: &str, when: &str) {
    made.companion.check(when);
    if let Err(error) = S::verify(&made.proof) {
        corruption(format_args!("a proof does not verify {when}: {error}"));
    }
    let digest = digest::of(&made.proof).map(|fingerprint| fingerprint.sha256);
    require(digest.as_deref() == Ok(alone), "a proof is not the one that its prover makes alone");
}

/// Both provers decide together whether to go on: one must not wait for the other, which has gone.
struct Meeting {
    barrier: Barrier,
}

impl Meeting {
    fn both_go_on(&self, pace: Pace) -> bool {
        use std::sync::atomic::{AtomicBool, Ordering};
        static GOES_ON: AtomicBool = AtomicBool::new(true);
        // Relaxed: the barrier orders it.
        if self.barrier.wait().is_leader() {
            GOES_ON.store(pace.goes_on(), Ordering::Relaxed);
        }
        self.barrier.wait();
        GOES_ON.load(Ordering::Relaxed)
    }
}
