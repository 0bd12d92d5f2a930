"""Shows that something happens: a bar on a terminal, else a line per process."""

import sys
import threading
import time


class Progress:
    def __init__(self, processes: int):
        import tqdm

        self.lock = threading.Lock()  # some processes run side by side
        self.done, self.all, self.start = 0, processes, time.monotonic()
        self.on_terminal = sys.stderr.isatty()
        self.bar = tqdm.tqdm(
            total=processes, unit=" processes", disable=not self.on_terminal, dynamic_ncols=True, smoothing=0.05
        )

    def doing(self, what: str):
        with self.lock:
            if self.on_terminal:
                self.bar.set_postfix_str(what)
                return
            left = (time.monotonic() - self.start) / max(self.done, 1) * (self.all - self.done)
            when = f", {left / 60:.0f} min left" if self.done else ""
            sys.stderr.write(f"bench: {self.done + 1}/{self.all} {what}{when}\n")

    def say(self, what: str):
        with self.lock:
            self.bar.write(f"bench: {what}", file=sys.stderr)

    def step(self):
        with self.lock:
            self.done += 1
            self.bar.update()

    def skip(self):
        """One that was done in an earlier run."""
        with self.lock:
            self.all -= 1
            self.bar.total = self.all
            self.bar.refresh()

    def close(self):
        self.bar.close()
