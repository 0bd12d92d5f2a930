"""What can go wrong with a figure."""


class Failure(Exception):
    """A process crashed, or a proof was wrong: the run as a whole has failed."""


class NotPossible(Exception):
    """This machine does not allow the measurement; the reason is one line."""
