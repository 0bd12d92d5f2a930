"""The command lines."""

import argparse


class Parser(argparse.ArgumentParser):
    """A bad command line gets one line, where argparse would print the usage too."""

    def __init__(self, **options):
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str):
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")
