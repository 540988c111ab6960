"""The environment that Floe's child processes get: what they need to run, and no secret.

An allow-list, because nobody knows the names of all secrets; what looks like a secret by its name
is left out even where the list would take it. The names are those of the systems and libraries
that Floe runs on.
"""

import os
import re
from collections.abc import Iterable, Mapping, MutableMapping
from fnmatch import fnmatchcase
from typing import Final

_ALLOWED: Final = re.compile(
    r"""
    PATH | HOME | USER | LOGNAME | SHELL | TERM | TZ | LANG | LANGUAGE | LC_\w+ | TMPDIR
    | TEMP | TMP | XDG_\w+ | LD_LIBRARY_PATH | LD_PRELOAD | DYLD_(FALLBACK_)?LIBRARY_PATH
    # Windows starts no program without these.
    | SYSTEMROOT | SYSTEMDRIVE | WINDIR | COMSPEC | PATHEXT | USERPROFILE | APPDATA | LOCALAPPDATA
    | PROGRAMDATA | NUMBER_OF_PROCESSORS | PROCESSOR_\w+
    # Python, and the libraries that compute.
    | PYTHON\w+ | VIRTUAL_ENV | CONDA_PREFIX | MPLCONFIGDIR | MALLOC_\w+ | GLIBC_TUNABLES
    # OMP_THREAD_LIMIT is none of them: torch deals its work out to more threads than that leaves,
    # and what the missing ones should have done is never done.
    | (?!OMP_THREAD_LIMIT$)
      (OMP | GOMP | KMP | MKL | OPENBLAS | BLIS | VECLIB | NUMEXPR | ONEDNN | DNNL | TORCH\w*
      | PYTORCH | ATEN | CUDA | NVIDIA | HIP | ROCR | ROCM | HSA | GGML)_\w+
    | LRU_CACHE_CAPACITY | THP_MEM_ALLOC_ENABLE | TOKENIZERS_PARALLELISM
    | TRANSFORMERS_(OFFLINE | VERBOSITY) | HF_HOME | HF_HUB_(OFFLINE | DISABLE_TELEMETRY)
    | (FLWR | RAY | FLOE)_\w+
    """,
    re.VERBOSE,
)
NETWORK: Final = (
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
)
"""For children that talk to the network: the way there. A proxy's own password is part of it."""
LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "::1")
_SECRET: Final = re.compile(
    r"(?i)(^|_)(api_?)?(keys?|tokens?|secrets?|passwords?|passwd|passphrase|credentials?|auth)"
    r"(_|$)|^(aws|azure|gcp|google|openai|anthropic|github|gitlab)_"
)


def is_secret_name(name: str) -> bool:
    """Return whether a variable of that name is likely to hold a secret."""
    return _SECRET.search(name) is not None


def child_environment(
    also: Iterable[str] = (), source: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the environment for a process that Floe starts.

    Args:
        also: more names that this child needs, or patterns of them (`NETWORK`, `PIP_*`).
        source: what to take from; None: this process's own environment.
    """
    return {
        name: value
        for name, value in (os.environ if source is None else source).items()
        if (_ALLOWED.fullmatch(name) or any(fnmatchcase(name, each) for each in also))
        and not is_secret_name(name)
    }


def drop_secrets(environment: MutableMapping[str, str], names: Iterable[str]) -> None:
    """Take variables out of an environment whose values have been read.

    What a library starts, such as the browser that opens the page, inherits the environment of
    this process; it shall find no key there.
    """
    for name in names:
        environment.pop(name, None)
