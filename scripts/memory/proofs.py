"""Measurements on the Plonky3 prover: a, b, c, h."""

import signal
import time
from statistics import median

from bench import Bench, Proofs, end_now, prover_arguments
from child import need_memory
from row import Row, against_glibc
from text import number

POSEIDON2, KECCAK = "poseidon2-koalabear", "keccak"
TITLES = {POSEIDON2: "Poseidon2", KECCAK: "Keccak"}
# What one proof of 2^15 rows takes; each doubling of the rows doubles it.
MIB_AT_15 = {POSEIDON2: 350, KECCAK: 690}


def mib_for(air: str, height: int) -> float:
    return MIB_AT_15[air] * 2.0 ** (height - 15)


def heights(bench: Bench) -> list:
    return [12, 13] if bench.quick else [15, 16, 17, 18]


def peak_and_faults(bench: Bench):
    """a. Every size of proof: memory at its peak, and faults when warm, at the same time."""
    for air in (POSEIDON2, KECCAK):
        for height in heights(bench):
            runs = [
                bench.prove(arm, air, [height], 5, mib_for(air, height)) for arm in (bench.glibc, bench.zkalloc)
            ]
            name = f"{TITLES[air]}, 2^{height} rows"
            yield against_glibc(f"{name}: peak RSS", "MiB", *(run.peak_mib() for run in runs), at_most=1.05)
            faults = [run.warm("minor_faults") for run in runs]
            yield against_glibc(f"{name}: minor faults of a warm proof", "faults", *faults, at_most=0.005)


def after_a_large_proof(bench: Bench):
    """b. One proof of more than 4 GiB, then small ones for a minute."""
    air, large, small = (POSEIDON2, 15, 13) if bench.quick else (POSEIDON2, 19, 15)
    minute = 10 if bench.quick else 60
    alone = bench.prove(bench.zkalloc, air, [small], 5, mib_for(air, small)).peak_mib()
    glibc = proofs_for(bench, bench.glibc, air, [large, small], minute / 6, phase=False)  # it shows nothing new later
    for phase in (True, False):
        run = proofs_for(bench, bench.zkalloc, air, [large, small], minute, phase)
        large_mib = run.child.peak_mib()
        settled_mib = after_small_proofs_mib(run)
        marks = "phases marked" if phase else "no phases marked"
        yield Row(
            f"a proof of {number(large_mib)} MiB, then small ones, {marks}: most RSS after 3 of these",
            "MiB",
            after_small_proofs_mib(glibc),
            settled_mib,
            settled_mib / alone,
            "x small peak",
            1.2,
            "at most 1.2 x small peak",
            f"small peak {number(alone)} MiB; {len(run.proofs) - 1} small proofs",
        )


# How long after the third small proof what was given up may still be there.
GIVE_BACK_SECONDS = 1


def after_small_proofs_mib(run: Proofs) -> float:
    return run.child.peak_mib(after=run.proofs[3]["at_seconds"] + GIVE_BACK_SECONDS)


def proofs_for(bench: Bench, arm, air: str, heights: list, seconds: float, phase: bool) -> Proofs:
    """The first height once, then the second one for so long."""
    need_memory(mib_for(air, heights[0]))
    with bench.start(
        arm, bench.prover, *prover_arguments(air, heights, 1_000_000, phase), ends_by_signal=True
    ) as child:
        run = Proofs(child)
        for _ in bench.follow(run, air):
            if len(run.proofs) > 5 and child.seconds() > run.proofs[0]["at_seconds"] + seconds:
                # A second, and one to look.
                time.sleep(max(run.proofs[3]["at_seconds"] + GIVE_BACK_SECONDS + 1 - child.seconds(), 0))
                end_now(child)
                break
        bench.close(child)
    return run


def proofs_with_pauses(bench: Bench):
    """c. A proof, five seconds of nothing, and so on; then idle."""
    height, proofs, pause_ms = (13, 4, 1000) if bench.quick else (16, 6, 5000)
    arms = {
        "glibc": (bench.glibc, False),
        "no phases marked": (bench.zkalloc, False),
        "phases marked": (bench.zkalloc, True),
    }
    runs = {name: paused_run(bench, arm, height, proofs, pause_ms, phase) for name, (arm, phase) in arms.items()}
    glibc = runs.pop("glibc")
    for name, run in runs.items():
        yield against_glibc(
            f"a proof every {pause_ms // 1000} s, {name}: minor faults of a later one, pause included",
            "faults",
            glibc["faults"],
            run["faults"],
            at_most=0.005,
            note=f"{number(run['faults_in_proof'])} of these while it is made",
        )
        yield against_glibc(
            f"the same, {name}: RSS 15 s after the last proof",
            "MiB",
            glibc["idle_mib"],
            run["idle_mib"],
            at_most=1.1,
            note="glibc after malloc_trim(0)",
        )


IDLE_SECONDS = 15


def paused_run(bench: Bench, arm, height: int, proofs: int, pause_ms: int, phase: bool) -> dict:
    arguments = prover_arguments(POSEIDON2, [height], proofs, phase, pause_ms, idle_ms=(IDLE_SECONDS + 2) * 1000)
    need_memory(mib_for(POSEIDON2, height))
    is_glibc = arm is bench.glibc
    trimmer = bench.program("trim_on_signal.so") if is_glibc else ""
    with bench.start(arm, bench.prover, *arguments, also_preload=trimmer) as child:
        run = Proofs(child)
        faults = []
        for proof in bench.follow(run, POSEIDON2):
            faults.append(child.minor_faults())
            if proof["proof"] == proofs:
                time.sleep(IDLE_SECONDS - 1)
                if is_glibc:
                    child.send(signal.SIGUSR1)
                time.sleep(1)
                idle_mib = child.rss_mib()
        bench.close(child)
    # From the end of a proof to the end of the next one: what happens in the pause counts too, and verifying.
    later = [after - before for before, after in zip(faults[1:], faults[2:])]
    in_proof = median(proof["minor_faults"] for proof in run.proofs[2:])
    return {"faults": median(later), "faults_in_proof": in_proof, "idle_mib": idle_mib}


def cost_of_wiping(bench: Bench):
    """h. Warm proofs with freed blocks zeroed. Forth and back, so that a slow machine is slow for all."""
    height, rounds = (13, 1) if bench.quick else (16, 2)
    arms = [bench.glibc, bench.zkalloc, bench.zkalloc.variant("libzkalloc, wiping", ZK_ALLOC_WIPE="1")]
    cpu_ms = {arm.name: [] for arm in arms}
    for _ in range(rounds):
        for arm in arms + arms[::-1]:
            run = bench.prove(arm, POSEIDON2, [height], 5, mib_for(POSEIDON2, height))
            cpu_ms[arm.name].append(run.warm("user_ms") + run.warm("system_ms"))
    glibc, plain, wiping = (median(cpu_ms[arm.name]) for arm in arms)
    note = f"{2 * rounds} processes a side, forth and back"
    yield against_glibc("CPU of a warm proof", "ms", glibc, plain, note=note)
    yield against_glibc("CPU of a warm proof with ZK_ALLOC_WIPE=1", "ms", glibc, wiping, note=note)
    yield Row("the same, against libzkalloc without it", "ms", None, wiping, wiping / plain, "x without", note=note)
