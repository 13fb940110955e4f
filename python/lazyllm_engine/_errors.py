# SPDX-License-Identifier: Apache-2.0
"""The one family of exceptions. A message says what happened, where, and what to do next."""


class Error(Exception):
    """Whatever lazyllm refuses."""


class UsageError(Error, ValueError):
    """An option that cannot be meant."""


class InvalidInputError(Error, ValueError):
    """A prompt that cannot be answered as it is."""


class InvalidFileError(Error):
    """A damaged or contradictory file."""


class UnsupportedError(Error):
    """A valid file or request of a kind that this version does not know."""


class FileError(Error, OSError):
    """The operating system refused: not found, no permission, disk full."""


class ContextFullError(Error):
    """The tokens do not fit into the context."""
