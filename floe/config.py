"""All settings in one frozen object: defaults < `floe.toml` < environment < flags.

`floe.toml` is read from the user's configuration folder, then from the folder that Floe is started
in. Chats and models lie in a checkout's own `data` and `models`, elsewhere in the user's folders.

Environment variables are the upper-case names with `FLOE_` before them (`FLOE_PORT`); those of a
table have two underlines (`FLOE_SAMPLING__TOP_P`). What the user moves in the page (slider,
temperature, mode) lives in the store instead.
"""

import shlex
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self

from platformdirs import PlatformDirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    CliSuppress,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError

from floe.errors import CloudError, FloeError, UsageError
from floe.origin import parse_address
from floe.records import PoolingRule
from floe.resources import CHECKOUT
from floe.sampling_choices import SamplingChoices

_DIRS: Final = PlatformDirs("floe", appauthor=False)

FILES: Final = (_DIRS.user_config_path / "floe.toml", Path("floe.toml"))
"""Where settings are read from; the later one wins."""

STAND_IN = "stand-in"
"""The cloud that Floe starts itself: a second, larger model in a process of its own."""

OFF = "off"
"""No cloud at all."""


LEAST_CONTEXT: Final = 256
_MOST_BYTES: Final = 1_000_000


def _check_file(path: Path) -> None:
    """Refuse a large settings file: one has a page of text; what has gigabytes is another file.

    Raises:
        FloeError: it is too large, or no TOML; the path is named, because there may be two.
    """
    if not path.is_file():
        return
    if path.stat().st_size > _MOST_BYTES:
        raise FloeError(
            f"{path.name} is far too large to be a settings file. Move it away, or write a new one."
        )
    try:
        tomllib.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise FloeError(f"The settings in {path.absolute()} cannot be read: {error}") from None


KEY_FLAG = "--cloud-key"
"""What hands the key over where everybody on this machine can read it."""


def _bind_key(values: dict[str, Any]) -> dict[str, Any]:
    """Say with a key what address stands beside it in the same source.

    An address from a stronger source replaces that one, but it is not what the key was given for.
    """
    if values.get("cloud_key") and "cloud_key_for" not in values:
        return {**values, "cloud_key_for": values.get("cloud", "")}
    return values


class _Environment(EnvSettingsSource):
    """The variables; see `_bind_key`."""

    def __call__(self) -> dict[str, Any]:
        return _bind_key(super().__call__())


class _File(TomlConfigSettingsSource):
    """`floe.toml`; see `_bind_key`."""

    def __call__(self) -> dict[str, Any]:
        return _bind_key(super().__call__())


class Settings(BaseSettings):
    """Settings of one start of Floe: from flags, FLOE_… variables and floe.toml, in this order.

    A name that is not known is refused.

    Example: floe run --cloud off --port 0
    """

    model_config = SettingsConfigDict(
        env_prefix="FLOE_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        toml_file=FILES,
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_exit_on_error=False,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_prog_name="floe run",
    )

    data_dir: Path = (CHECKOUT or _DIRS.user_data_path) / "data"
    models_dir: Path = (CHECKOUT or _DIRS.user_data_path) / "models"
    port: int = Field(7860, ge=0, le=65535, description="0 picks a free one")
    api_port: int = Field(
        7861, ge=0, le=65535, description="of the API that the settings of the page switch on"
    )
    browser: bool = Field(True, description="open the page in the browser once it is ready")
    passphrase_file: Path | None = Field(
        None, description="its first line opens an encrypted data folder where nobody can type"
    )

    model: str = Field(
        "smollm2-135m-instruct", max_length=4096, description="catalog id or path of a GGUF"
    )
    context: int = Field(
        0,
        ge=0,
        le=1 << 20,
        description="tokens, at least 256; cut to what the model was trained on; 0: chosen",
    )
    threads: int = Field(0, ge=0, le=1024, description="0: chosen for this device")
    gpu_layers: int | None = Field(
        None,
        ge=0,
        le=10_000,
        description="layers of the model on the graphics card; left out: as many as fit",
    )
    flash_attention: Literal["auto", "on", "off"] = "auto"
    cache_type: Literal["auto", "f16", "q8_0", "q4_0"] = Field(
        "auto", description="number type of the KV cache; fewer bits take less memory"
    )
    system_prompt: str = Field("You are a helpful assistant.", max_length=100_000)

    sampling: SamplingChoices = Field(
        SamplingChoices(), description="how tokens are picked, until the page says otherwise"
    )

    cloud: str = Field(STAND_IN, description="'stand-in', 'off' or an OpenAI-compatible base URL")
    cloud_model: str = Field(
        "", max_length=200, description="empty: the first model that the endpoint lists"
    )
    cloud_key: SecretStr = Field(
        SecretStr(""),
        description="sent to the address in 'cloud' alone; better in FLOE_CLOUD_KEY or the page: a "
        "flag is seen by all users of this machine",
    )
    cloud_key_for: CliSuppress[str] = Field(
        "", description="the address that the key was given for; empty: the one in 'cloud'"
    )
    stand_in_model: str = Field("qwen2.5-coder-0.5b-instruct", max_length=4096)
    stand_in_args: str = Field(
        "", max_length=4096, description="its flags in one string, to slow or break it"
    )

    memory: bool = Field(
        True, description="the local model may read what you wrote in earlier chats, notes, files"
    )
    memory_folder: Path | None = Field(
        None, description="folder of text, Markdown and PDF files that memory may read"
    )

    rule: PoolingRule = "log-linear"
    deadline_ms: float = Field(
        1000.0,
        ge=0,
        le=600_000,
        allow_inf_nan=False,
        description="longest wait for the cloud, per token",
    )

    @field_validator(
        *("data_dir", "models_dir", "model", "stand_in_model", "system_prompt", "memory_folder")
    )
    @classmethod
    def _without_nul(cls, value: Path | str | None) -> Path | str | None:
        if "\0" in str(value):
            raise ValueError("it holds a character that no name has (NUL)")
        return value

    @field_validator("context")
    @classmethod
    def _is_context(cls, value: int) -> int:
        if 0 < value < LEAST_CONTEXT:
            raise ValueError(f"it should be at least {LEAST_CONTEXT} tokens, or 0")
        return value

    @field_validator("stand_in_args")
    @classmethod
    def _splits(cls, value: str) -> str:
        try:
            shlex.split(value)
        except ValueError:
            raise ValueError("a quotation mark in it is not closed") from None
        return value

    @field_validator("cloud")
    @classmethod
    def _is_cloud(cls, value: str) -> str:
        """Refuse what is no address; the sentence repeats nothing of it."""
        if value not in (STAND_IN, OFF):
            try:
                parse_address(value.strip())
            except CloudError as error:
                raise ValueError(f"{error} Or 'stand-in', or 'off'.") from None
        return value.strip()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put flags first, then the environment, then the file; no `.env`, no secrets folder."""
        del env_settings, dotenv_settings, file_secret_settings
        return init_settings, _Environment(settings_cls), _File(settings_cls)

    @classmethod
    def load(cls, flags: Sequence[str] | None = None, **values: Any) -> Self:
        """Read every source.

        Args:
            flags: words of a command line (`--port 0`); None reads none.
            values: settings by name, stronger than all sources; None counts as not given.

        Raises:
            FloeError: a value does not fit, with the key and what was expected.
        """
        try:
            given = {key: value for key, value in values.items() if value is not None}
            words = flags or ()
            if "cloud_key" in given or any(word.startswith(KEY_FLAG) for word in words):
                # The strongest of all: it is meant for the address that is used.
                given.setdefault("cloud_key_for", "")
            for path in FILES:
                _check_file(path)
            return cls(_cli_parse_args=None if flags is None else list(flags), **given)
        except ValidationError as error:
            # `str(error)` stays out, because it repeats the input, which could be a key.
            lines = [
                f"{'.'.join(str(part) for part in item['loc'])}: "
                f"{item['msg'].removeprefix('Value error, ')}"
                for item in error.errors(include_input=False, include_url=False)
            ]
            raise FloeError("A setting does not fit. " + "; ".join(lines)) from None
        except RecursionError as error:
            raise FloeError(
                "The settings cannot be read: floe.toml is nested too deeply. Each line of it is "
                "`name = value`."
            ) from error
        except (SettingsError, ValueError, OSError) as error:
            if unknown := _unknown_words(error):
                raise UsageError(
                    f"unrecognized arguments: {unknown}. `floe run --help` lists the options."
                ) from None
            raise FloeError(f"The settings cannot be read: {error}") from None

    @property
    def database(self) -> Path:
        """The SQLite file that holds all chats."""
        return self.data_dir / "floe.db"


def _unknown_words(error: Exception) -> str:
    """Name the options that do not exist, or ""; a word that nobody asked for may be a key."""
    _, unknown, words = str(error).partition("unrecognized arguments: ")
    names = [word.partition("=")[0] for word in words.split() if word.startswith("-")]
    return (" ".join(names) or "a word without a name") if unknown else ""
