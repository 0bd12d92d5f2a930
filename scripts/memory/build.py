"""Builds what is measured, and installs what that needs."""

import importlib.util
import os
import shutil
import subprocess
import sys

from trouble import Failure

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
MICRO = os.path.join(ROOT, "target", "micro")


def library() -> str:
    """ZKALLOC_LIB, or a new build."""
    given = os.environ.get("ZKALLOC_LIB")
    if given:
        return existing(given, "ZKALLOC_LIB")
    cargo("the library", "--target-dir", f"{ROOT}/target")
    return f"{ROOT}/target/release/libzkalloc.so"


def prover() -> str:
    """ZKALLOC_PROVER, or the same build as in scripts/demo: see there why for this processor."""
    given = os.environ.get("ZKALLOC_PROVER")
    if given:
        return existing(given, "ZKALLOC_PROVER")
    native = f"{ROOT}/rust-tests/target/native"
    options = ["--manifest-path", f"{ROOT}/rust-tests/Cargo.toml", "--target-dir", native, "--package", "prover"]
    flags = f"-C target-cpu=native {os.environ.get('RUSTFLAGS', '')}".strip()
    cargo("the prover, which takes minutes the first time", *options, RUSTFLAGS=flags)
    return f"{native}/release/prover"


def existing(path: str, variable: str) -> str:
    if not os.path.isfile(path):
        raise Failure(f"{variable}: no such file: {path}")
    return os.path.realpath(path)


def cargo(what: str, *options: str, **environment: str):
    found = shutil.which("cargo") or os.path.expanduser("~/.cargo/bin/cargo")
    if not os.path.exists(found):
        raise Failure("cargo is missing: install Rust with rustup")
    print(f"bench-memory: building {what}", file=sys.stderr, flush=True)
    run(f"not built: {what}", [found, "build", "--quiet", "--release", *options], **environment)


def programs() -> str:
    """The C programs: the directory that they are in."""
    os.makedirs(MICRO, exist_ok=True)
    flags = ["-O2", "-fno-builtin", "-pthread", f"-I{ROOT}/include"]
    for name in ("volume", "survivors"):
        gcc(name, [*flags, "-o", f"{MICRO}/{name}", f"{ROOT}/scripts/micro/{name}.c"])
    name = "trim_on_signal"
    gcc(name, [*flags, "-shared", "-fPIC", "-o", f"{MICRO}/{name}.so", f"{ROOT}/scripts/micro/{name}.c"])
    return MICRO


def gcc(name: str, arguments: list):
    run(f"scripts/micro/{name}.c does not compile", ["gcc", *arguments])


def packages(with_plot: bool):
    """Debian's, where something is missing; elsewhere the user is told."""
    missing = [] if shutil.which("gcc") else ["gcc", "libc6-dev"]
    if with_plot and importlib.util.find_spec("matplotlib") is None:
        missing.append("python3-matplotlib")
    if with_plot and not os.path.exists("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"):
        missing.append("libjemalloc2")
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise Failure(f"{', '.join(missing)}: missing, and there is no apt-get to install them with")
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    run("apt-get update failed", [*sudo, "apt-get", "update"])
    install = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    run("apt-get install failed", [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", *install])


def run(complaint: str, command: list, **environment: str):
    done = subprocess.run(command, env=os.environ | environment, stdout=subprocess.DEVNULL, cwd=ROOT)
    if done.returncode != 0:
        raise Failure(complaint)
