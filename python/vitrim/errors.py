"""What can go wrong, as ordinary exceptions. Bad arguments are ValueError and Ctrl-C is KeyboardInterrupt, as everywhere in Python."""


class Error(OSError):
    """What a file, the data or the machine did wrong. The message is one sentence that names the place and the remedy."""


class FormatError(Error, ValueError):
    """A file whose content is not what its format says."""
