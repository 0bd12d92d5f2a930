"""One line of the table."""

from dataclasses import asdict, dataclass


@dataclass
class Row:
    """`measured` is what is compared with `at_most`; without `at_most` the figure is there to be known."""

    what: str
    unit: str
    glibc: float | None
    libzkalloc: float | None
    measured: float | None = None
    measured_as: str = "x glibc"
    at_most: float | None = None
    wanted: str = ""
    note: str = ""
    why_not: str = ""

    def verdict(self) -> str:
        if self.why_not:
            return self.why_not
        if self.at_most is None:
            return "-"
        return "yes" if self.measured <= self.at_most else "no"

    def as_json(self) -> dict:
        return {name: value for name, value in asdict(self).items() if value not in (None, "")} | {
            "verdict": self.verdict()
        }


def against_glibc(what: str, unit: str, glibc: float, libzkalloc: float, at_most=None, note="") -> Row:
    wanted = "" if at_most is None else f"at most {at_most:g} x glibc"
    return Row(what, unit, glibc, libzkalloc, libzkalloc / glibc if glibc else None, "x glibc", at_most, wanted, note)
