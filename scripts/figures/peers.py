"""Builds newer versions of the peers than Debian's, from the sources that crates bundle.

cargo only fetches: each library is compiled the way its own project builds a library to preload.
"""

import functools
import json
import os
import shutil
import subprocess
import sys

import build
from trouble import Failure

MANIFEST = os.path.join(build.ROOT, "scripts", "peers", "Cargo.toml")
PEERS = os.path.join(build.ROOT, "target", "peers")
COMMON = ["-O3", "-DNDEBUG", "-shared", "-fPIC", "-pthread", "-ftls-model=initial-exec"]


def jemalloc() -> str:
    return once("tikv-jemalloc-sys", "libjemalloc", build_jemalloc)


def mimalloc() -> str:
    return once("libmimalloc-sys", "libmimalloc", build_mimalloc)


def snmalloc() -> str:
    return once("snmalloc-sys", "libsnmalloc", build_snmalloc)


def once(crate: str, library: str, compile_it) -> str:
    """The path of the library. Its name has the crate's version: another one is built anew."""
    sources, version = crates()[crate]
    path = os.path.join(PEERS, f"{library}-crate-{version.split('+')[0]}.so")
    if not os.path.exists(path):
        os.makedirs(PEERS, exist_ok=True)
        print(f"bench: building {os.path.basename(path)}", file=sys.stderr, flush=True)
        compile_it(sources, version, path + ".new")
        os.replace(path + ".new", path)
    return path


@functools.cache
def crates() -> dict:
    """Name to directory and version. Fetches them where need be."""
    command = [build.cargo_path(), "metadata", "--format-version", "1", "--locked", "--manifest-path", MANIFEST]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failure(f"scripts/peers: cargo cannot fetch the peers' sources: {done.stderr.strip().splitlines()[-1]}")
    packages = json.loads(done.stdout)["packages"]
    return {package["name"]: (os.path.dirname(package["manifest_path"]), package["version"]) for package in packages}


def build_jemalloc(crate: str, version: str, path: str):
    """configure and make, in a copy; a few minutes of them are configure's."""
    copy = os.path.join(PEERS, "jemalloc")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(os.path.join(crate, "jemalloc"), copy)
    shutil.copytree(os.path.join(crate, "configure"), copy, dirs_exist_ok=True)
    options = ["--disable-cxx", "--enable-doc=no", "--disable-static", f"--with-version={version.split('+')[1]}"]
    quietly("jemalloc", ["bash", "./configure", *options], copy)
    quietly("jemalloc", ["make", f"-j{os.cpu_count()}", "build_lib_shared"], copy)
    shutil.copyfile(os.path.join(copy, "lib", "libjemalloc.so.2"), path)
    shutil.rmtree(copy)


def build_mimalloc(crate: str, _version: str, path: str):
    source = os.path.join(crate, "c_src", "mimalloc", "v3")
    defines = ["-DMI_BUILD_RELEASE", "-DMI_SHARED_LIB", "-DMI_SHARED_LIB_EXPORT", "-DMI_MALLOC_OVERRIDE"]
    options = [*COMMON, *defines, "-fvisibility=hidden", "-fno-builtin-malloc", f"-I{source}/include"]
    quietly("mimalloc", ["gcc", *options, "-o", path, f"{source}/src/static.c"], PEERS)


def build_snmalloc(crate: str, _version: str, path: str):
    source = os.path.join(crate, "upstream", "src")
    options = [*COMMON, "-std=c++20", "-mcx16", "-fno-exceptions", "-fno-rtti", f"-I{source}"]
    options.append("-DSNMALLOC_USE_WAIT_ON_ADDRESS=1")  # its own default
    quietly("snmalloc", ["g++", *options, "-o", path, f"{source}/snmalloc/override/malloc.cc"], PEERS)


def quietly(name: str, command: list, directory: str):
    log = os.path.join(PEERS, f"{name}.log")
    with open(log, "a") as output:
        done = subprocess.run(command, cwd=directory, stdout=output, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise Failure(f"{name} does not build: {command[0]}: see {os.path.relpath(log, build.ROOT)}")
