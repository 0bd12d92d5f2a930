//! The proof system: FRI over Merkle trees of Keccak, several leaves hashed at once where the processor can.

use p3_challenger::{HashChallenger, SerializingChallenger32};
use p3_commit::ExtensionMmcs;
use p3_dft::Radix2DitParallel;
use p3_field::extension::BinomialExtensionField;
use p3_field::{PrimeField32, TwoAdicField};
use p3_fri::{FriParameters, HidingFriPcs, TwoAdicFriPcs};
use p3_keccak::{Keccak256Hash, KeccakF, VECTOR_LEN};
use p3_merkle_tree::{MerkleTreeHidingMmcs, MerkleTreeMmcs};
use p3_symmetric::{CompressionFunctionFromHasher, PaddingFreeSponge, SerializingHasher};
use p3_uni_stark::StarkConfig;
use rand::distr::{Distribution, StandardUniform};
use rand::rngs::StdRng;
use rand::SeedableRng;

/// Plonky3's benchmark parameters. A trace is made with room for its extension, in the one block that both share.
pub const LOG_BLOWUP: usize = 1;
pub const LOG_BLOWUP_HIDING: usize = 2;

/// Random columns that blind the batched opening: one for each base coordinate of a challenge.
const RANDOM_CODEWORDS: usize = 4;
/// Random elements that blind a leaf: 4 of 31 bits.
const SALT_ELEMENTS: usize = 4;
/// Trees are cut off this many levels below the root, as in Plonky3's examples.
const CAP_HEIGHT: usize = 3;

type Sponge = PaddingFreeSponge<KeccakF, 25, 17, 4>;
type LeafHash = SerializingHasher<Sponge>;
type Compress = CompressionFunctionFromHasher<Sponge, 2, 4>;
type Challenge<F> = BinomialExtensionField<F, 4>;
type Challenger<F> = SerializingChallenger32<F, HashChallenger<u8, Keccak256Hash, 32>>;

type Tree<F> = MerkleTreeMmcs<[F; VECTOR_LEN], [u64; VECTOR_LEN], LeafHash, Compress, 2, 4>;
type HidingTree<F> =
    MerkleTreeHidingMmcs<[F; VECTOR_LEN], [u64; VECTOR_LEN], LeafHash, Compress, StdRng, 2, 4, SALT_ELEMENTS>;
type FriTree<F, T> = ExtensionMmcs<F, Challenge<F>, T>;

type Pcs<F> = TwoAdicFriPcs<F, Radix2DitParallel<F>, Tree<F>, FriTree<F, Tree<F>>>;
type HidingPcs<F> = HidingFriPcs<F, Radix2DitParallel<F>, HidingTree<F>, FriTree<F, HidingTree<F>>, StdRng>;

pub type Config<F> = StarkConfig<Pcs<F>, Challenge<F>, Challenger<F>>;
pub type HidingConfig<F> = StarkConfig<HidingPcs<F>, Challenge<F>, Challenger<F>>;

/// The plain scheme.
pub fn config<F: PrimeField32 + TwoAdicField>() -> Config<F> {
    let sponge = Sponge::new(KeccakF {});
    let tree = Tree::new(LeafHash::new(sponge), Compress::new(sponge), CAP_HEIGHT);
    let fri = without_grinding(FriParameters::new_benchmark(FriTree::new(tree.clone())));
    Config::new(Pcs::new(Radix2DitParallel::default(), tree, fri), challenger())
}

/// The hiding scheme (zero knowledge). Its random numbers are seeded with constants, so that runs can be compared: a
/// prover that has something to hide must never do that.
pub fn hiding_config<F: PrimeField32 + TwoAdicField>() -> HidingConfig<F>
where
    StandardUniform: Distribution<F>,
{
    let sponge = Sponge::new(KeccakF {});
    let tree = HidingTree::new(LeafHash::new(sponge), Compress::new(sponge), 0, StdRng::seed_from_u64(1));
    let fri = without_grinding(FriParameters::new_benchmark_zk(FriTree::new(tree.clone())));
    let blinding = StdRng::seed_from_u64(2);
    HidingConfig::new(HidingPcs::new(Radix2DitParallel::default(), tree, fri, RANDOM_CODEWORDS, blinding), challenger())
}

fn challenger<F: PrimeField32>() -> Challenger<F> {
    Challenger::from_hasher(Vec::new(), Keccak256Hash {})
}

/// Plonky3's threads race for a proof of work and the first to find one wins: the only step that would make two proofs
/// of one statement differ. It costs 1 % of a proof and allocates nothing.
fn without_grinding<T>(parameters: FriParameters<T>) -> FriParameters<T> {
    FriParameters {
        batch_proof_of_work_bits: 0,
        commit_proof_of_work_bits: 0,
        query_proof_of_work_bits: 0,
        ..parameters
    }
}
