//! Each statement has one proof.

use prover::airs::{Keccak, Poseidon1BabyBear, Poseidon2BabyBearZk, Poseidon2KoalaBear, Statement};
use prover::digest;

fn proves_the_same_twice<S: Statement>() {
    let [first, second] = [(); 2].map(|()| {
        let proof = S::prove(8).unwrap();
        S::verify(&proof).unwrap();
        digest::of(&proof).unwrap().sha256
    });
    assert_eq!(first, second);
}

#[test]
fn keccak() {
    proves_the_same_twice::<Keccak>();
}

#[test]
fn poseidon1_babybear() {
    proves_the_same_twice::<Poseidon1BabyBear>();
}

#[test]
fn poseidon2_koalabear() {
    proves_the_same_twice::<Poseidon2KoalaBear>();
}

#[test]
fn poseidon2_babybear_zk() {
    proves_the_same_twice::<Poseidon2BabyBearZk>();
}
