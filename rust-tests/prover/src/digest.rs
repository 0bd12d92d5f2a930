//! A fingerprint of a proof, so that proofs of different runs can be compared byte for byte.

use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// A proof in serialized form.
pub struct Fingerprint {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Length of what was hashed.
    pub bytes: usize,
}

/// Serializes the proof and hashes the bytes.
pub fn of(proof: &impl Serialize) -> Result<Fingerprint, String> {
    serialize(proof).map(|bytes| of_bytes(&bytes))
}

/// Of a proof that has been serialized.
pub fn of_bytes(bytes: &[u8]) -> Fingerprint {
    Fingerprint { sha256: sha256(bytes), bytes: bytes.len() }
}

/// As Plonky3's own programs do: postcard.
pub fn serialize(proof: &impl Serialize) -> Result<Vec<u8>, String> {
    postcard::to_allocvec(proof).map_err(|error| format!("the proof cannot be serialized: {error}"))
}

/// In hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let mut sha256 = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        write!(sha256, "{byte:02x}").expect("a String takes what is written to it");
    }
    sha256
}
