"""What the figures were measured on."""

import os
import re


def read() -> dict:
    return {
        "kernel": text("/proc/sys/kernel/osrelease"),
        "cpu": first(r"^model name\s*: (.*)", text("/proc/cpuinfo")) or "unknown processor",
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(first(r"^MemTotal:\s*(\d+)", text("/proc/meminfo"))) / 2**20),
        "thp": first(r"\[(\w+)\]", text("/sys/kernel/mm/transparent_hugepage/enabled")) or "none",
        "load_before": float(text("/proc/loadavg").split()[0]),
    }


def available_mib() -> int:
    """What may still be used without swapping."""
    return int(first(r"^MemAvailable:\s*(\d+)", text("/proc/meminfo"))) // 1024


def in_words(machine: dict) -> str:
    return (
        f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_gib']} GiB, Linux {machine['kernel']}, "
        f"transparent huge pages {machine['thp']}, load {machine['load_before']:.1f} before the run"
    )


def text(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def first(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    return match.group(1) if match else ""
