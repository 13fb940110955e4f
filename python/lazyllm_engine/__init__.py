# SPDX-License-Identifier: Apache-2.0
"""Answers about long documents with a model on your own machine, the first word sooner.

The import name is ``lazyllm_engine``, since another project has ``lazyllm`` on the package index.
"""

from ._core import version as __version__
from ._errors import ContextFullError, Error, FileError, InvalidFileError, InvalidInputError, UnsupportedError, UsageError
from ._model import Answer, Model, Session, Statistics, Stream
from ._server import Server

__all__ = ["Answer", "ContextFullError", "Error", "FileError", "InvalidFileError", "InvalidInputError", "Model", "Server", "Session", "Statistics", "Stream",
           "UnsupportedError", "UsageError", "__version__"]
