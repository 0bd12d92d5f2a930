"""The provers: one line of the table is one statement. All take the options that rust-tests/prover has, and print the
same records. docs/provers.md says what each proves."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Prover:
    name: str
    package: str  # of rust-tests, and the name of its program
    full: str  # arguments: at a size that people prove
    quick: str  # in a fraction of a second

    def arguments(self, quick: bool) -> list:
        return (self.quick if quick else self.full).split()


def plonky3(air: str, full: int, quick: int) -> Prover:
    return Prover(air, "prover", f"--air {air} --rows-log2 {full}", f"--air {air} --rows-log2 {quick}")


def other(system: str, full: int, quick: int) -> Prover:
    return Prover(system, "provers", f"--system {system} --rows-log2 {full}", f"--system {system} --rows-log2 {quick}")


PROVERS = [
    plonky3("poseidon2-koalabear", 17, 12),
    plonky3("poseidon2-babybear-zk", 14, 9),
    plonky3("poseidon1-babybear", 16, 11),
    plonky3("keccak", 16, 11),
    other("winterfell", 16, 11),
    other("plonky2", 13, 9),
    other("groth16", 16, 10),
    other("halo2", 13, 8),
    other("spartan", 15, 10),
]
