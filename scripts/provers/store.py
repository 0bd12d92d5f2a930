"""What every process gave, one line of JSON each, as soon as it has ended: a run that is interrupted goes on from here."""

import fcntl
import json
import os

from text import write
from trouble import Failure


class Store:
    def __init__(self, path: str):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.path = path
        self.records = {}
        self.lock = open(path + ".lock", "w")  # held until this process ends
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.lock.close()
            raise Failure(f"{path}: another run of this benchmark is going on: wait for its end") from error
        if os.path.exists(path):
            with open(path) as file:
                self._take_up(file)

    def _take_up(self, lines):
        for line in lines:
            try:
                record = json.loads(line)
                self.records[key(record)] = record
            except (ValueError, KeyError, TypeError):
                continue  # a line that was being written when the run was ended

    def close(self):
        self.lock.close()

    def get(
        self, kind: str, prover: str, allocator: str, place: int, same: dict, failed_too: bool = False
    ) -> dict | None:
        """The record of this process, if it was of the very same program, library, settings and arguments, and ended
        well, or has failed and that is asked for."""
        record = self.records.get((kind, prover, allocator, place))
        if record is None or record["same"] != same or ("failed" in record and not failed_too):
            return None
        return record

    def forget(self, kind: str, prover: str):
        """What is known of these processes; the file keeps it."""
        self.records = {at: record for at, record in self.records.items() if at[:2] != (kind, prover)}

    def discard(self, pairs: set):
        """Forgets these provers under these allocators, in the file, too."""
        self.records = {at: record for at, record in self.records.items() if at[1:3] not in pairs}
        write(self.path, "".join(json.dumps(record) + "\n" for record in self.records.values()))

    def add(self, record: dict):
        ends = True
        if os.path.exists(self.path) and os.path.getsize(self.path):
            with open(self.path, "rb") as file:
                file.seek(-1, os.SEEK_END)
                ends = file.read() == b"\n"
        with open(self.path, "a") as file:
            file.write(("" if ends else "\n") + json.dumps(record) + "\n")
        self.records[key(record)] = record


def key(record: dict) -> tuple:
    return record["kind"], record["prover"], record["allocator"], record["place"]
