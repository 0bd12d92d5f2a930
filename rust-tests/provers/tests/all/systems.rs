//! Each system proves the same each time, and nothing else.

use prover::digest;
use prover::system::System;
use provers::systems::{Groth16, Halo2, Plonky2, Spartan, Winterfell};

const ROWS_LOG2: u32 = 8;

fn proves_the_same_twice<S: System>() {
    let [first, second] = [(); 2].map(|()| {
        let system = S::prepare(ROWS_LOG2).unwrap();
        let proof = system.prove().unwrap();
        system.verify(&proof).unwrap();
        digest::of_bytes(&system.serialize(&proof).unwrap()).sha256
    });
    assert_eq!(first, second);
}

/// The control of every `verify`: the proof of one statement proves no other.
fn proves_nothing_else<S: System>() {
    let proof = S::prepare(ROWS_LOG2).unwrap().prove().unwrap();
    assert!(S::prepare(ROWS_LOG2 + 1).unwrap().verify(&proof).is_err());
}

macro_rules! each_system {
    ($($test:ident: $system:ty;)*) => {$(
        mod $test {
            use super::*;

            #[test]
            fn proves_the_same_twice() {
                super::proves_the_same_twice::<$system>();
            }

            #[test]
            fn proves_nothing_else() {
                super::proves_nothing_else::<$system>();
            }
        }
    )*};
}

each_system! {
    of_winterfell: Winterfell;
    of_plonky2: Plonky2;
    of_groth16: Groth16;
    of_halo2: Halo2;
    of_spartan: Spartan;
}
