"""All settings in one frozen object: defaults < `floe.toml` < environment < flags.

Environment variables are the upper-case names with `FLOE_` before them (`FLOE_PORT`). What the
user moves in the page (slider, temperature, mode) lives in the store instead.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError

from floe.errors import FloeError
from floe.records import Rule

STAND_IN = "stand-in"
"""The cloud that Floe starts itself: a second, larger model in a process of its own."""

OFF = "off"
"""No cloud at all."""


class Settings(BaseSettings):
    """How this run of Floe is set up; an unknown key in the file is an error at the door."""

    model_config = SettingsConfigDict(
        env_prefix="FLOE_",
        frozen=True,
        extra="forbid",
        toml_file="floe.toml",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_exit_on_error=False,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_prog_name="app.py",
    )

    data_dir: Path = Path("data")
    models_dir: Path = Path("models")
    port: int = Field(7860, ge=0, le=65535, description="0 picks a free one")
    browser: bool = Field(True, description="open the page once it is there")
    passphrase_file: Path | None = Field(
        None, description="its first line opens an encrypted data folder where nobody can type"
    )

    model: str = Field("smollm2-135m-instruct", description="catalog id or path of a GGUF")
    context: int = Field(4096, ge=256, description="tokens; cut to what the model was trained on")
    threads: int = Field(0, ge=0, description="0: chosen for this device")
    system_prompt: str = "You are a helpful assistant."

    cloud: str = Field(STAND_IN, description="'stand-in', 'off' or an OpenAI-compatible base URL")
    cloud_model: str = Field("", description="empty: the first model that the endpoint lists")
    cloud_key: SecretStr = SecretStr("")
    stand_in_model: str = "qwen2.5-coder-0.5b-instruct"
    stand_in_args: str = Field("", description="its flags in one string, to slow or break it")

    rule: Rule = "log-linear"
    deadline_ms: float = Field(1000.0, ge=0, description="longest wait for the cloud, per token")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags first, then the environment, then the file; no `.env`, no secrets folder."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

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
            return cls(_cli_parse_args=None if flags is None else list(flags), **given)
        except ValidationError as error:
            # Not `str(error)`: it repeats the input, which could be a key.
            lines = [
                f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
                for item in error.errors(include_input=False, include_url=False)
            ]
            raise FloeError("A setting does not fit. " + "; ".join(lines)) from None
        except (SettingsError, ValueError) as error:
            raise FloeError(f"The settings cannot be read: {error}") from error

    @property
    def database(self) -> Path:
        """The SQLite file that holds all chats."""
        return self.data_dir / "floe.db"
