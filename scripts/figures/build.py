"""Builds what is measured, and installs what that needs."""

import functools
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from arm import installed
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
    return provers(["prover"])["prover"]


def provers(packages: list) -> dict:
    """Of each package the program that has its name."""
    given = os.environ.get("ZKALLOC_PROVER")
    built = {"prover": existing(given, "ZKALLOC_PROVER")} if given else {}
    missing = [package for package in packages if package not in built]
    if missing:
        native = f"{ROOT}/rust-tests/target/native"
        options = ["--manifest-path", f"{ROOT}/rust-tests/Cargo.toml", "--target-dir", native]
        options += ["--workspace", "--exclude", "micro"] + [word for program in missing for word in ("--bin", program)]
        flags = f"-C target-cpu=native {os.environ.get('RUSTFLAGS', '')}".strip()
        cargo("the provers, which takes minutes the first time", *options, RUSTFLAGS=flags)
        built |= {package: f"{native}/release/{package}" for package in missing}
    return built


@functools.cache
def rust_benches() -> str:
    """The criterion benchmarks of rust-tests/micro."""
    print("bench: building the Rust benchmarks", file=sys.stderr, flush=True)
    command = [cargo_path(), "bench", "--no-run", "--quiet", "--message-format", "json", "--package", "micro"]
    command += ["--manifest-path", f"{ROOT}/rust-tests/Cargo.toml", "--target-dir", f"{ROOT}/rust-tests/target/native"]
    flags = f"-C target-cpu=native {os.environ.get('RUSTFLAGS', '')}".strip()
    done = subprocess.run(command, env=os.environ | {"RUSTFLAGS": flags}, stdout=subprocess.PIPE, text=True)
    built = [json.loads(line) for line in done.stdout.splitlines()]
    programs = [path for message in built if (path := message.get("executable"))]
    if done.returncode != 0 or len(programs) != 1:
        raise Failure("not built: the Rust benchmarks")
    return programs[0]


def sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def existing(path: str, variable: str) -> str:
    if not os.path.isfile(path):
        raise Failure(f"{variable}: no such file: {path}")
    return os.path.realpath(path)


def cargo(what: str, *options: str, **environment: str):
    print(f"bench: building {what}", file=sys.stderr, flush=True)
    run(f"not built: {what}", [cargo_path(), "build", "--quiet", "--release", *options], **environment)


def cargo_path() -> str:
    found = shutil.which("cargo") or os.path.expanduser("~/.cargo/bin/cargo")
    if not os.path.exists(found):
        raise Failure("cargo is missing: install Rust with rustup")
    return found


def programs(*names: str, libraries=()) -> str:
    """The C programs of scripts/micro, and those of them that are preloaded: the directory that they are in."""
    os.makedirs(MICRO, exist_ok=True)
    flags = ["-O2", "-fno-builtin", "-pthread", f"-I{ROOT}/include"]
    for name in names:
        gcc(name, [*flags, "-o", f"{MICRO}/{name}", f"{ROOT}/scripts/micro/{name}.c"])
    for name in libraries:
        gcc(name, [*flags, "-shared", "-fPIC", "-o", f"{MICRO}/{name}.so", f"{ROOT}/scripts/micro/{name}.c"])
    return MICRO


def gcc(name: str, arguments: list):
    run(f"scripts/micro/{name}.c does not compile", ["gcc", *arguments])


@dataclass(frozen=True)
class Needed:
    """A package of Debian's, and how to see that what is wanted of it is there."""

    package: str
    is_there: Callable


def module(name: str) -> Callable:
    return lambda: importlib.util.find_spec(name) is not None


def command(name: str) -> Callable:
    return lambda: shutil.which(name) is not None


def shared_library(file: str) -> Callable:
    return lambda: bool(installed(file))


GCC = Needed("gcc libc6-dev", command("gcc"))
GXX = Needed("g++", command("g++"))
MAKE = Needed("make", command("make"))
STRACE = Needed("strace", command("strace"))
TQDM = Needed("python3-tqdm", module("tqdm"))
MATPLOTLIB = Needed("python3-matplotlib", module("matplotlib"))
JEMALLOC = Needed("libjemalloc2", shared_library("libjemalloc.so.2"))
MIMALLOC = Needed("libmimalloc2.0", shared_library("libmimalloc.so.2"))
TCMALLOC = Needed("libtcmalloc-minimal4", shared_library("libtcmalloc_minimal.so.4"))


def packages(needed: list):
    """Debian's, where something is missing; elsewhere the user is told."""
    missing = [name for need in needed if not need.is_there() for name in need.package.split()]
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise Failure(f"{', '.join(missing)}: missing, and there is no apt-get to install them with")
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    run("apt-get update failed", [*sudo, "apt-get", "update"])
    install = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    run("apt-get install failed", [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", *install])
    importlib.invalidate_caches()


def run(complaint: str, command: list, **environment: str):
    done = subprocess.run(command, env=os.environ | environment, stdout=subprocess.DEVNULL, cwd=ROOT)
    if done.returncode != 0:
        raise Failure(complaint)
