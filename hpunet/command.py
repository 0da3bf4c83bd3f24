"""What all commands have in common: flags, one-line errors, exit codes."""

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from absl import flags, logging
from ml_collections import ConfigDict, config_flags

from hpunet.errors import UserError

USER_ERROR = 2
PACKAGE = Path(__file__).parent


def run(main: Callable[[], int | None]) -> None:
    """Parses the flags, runs a command and exits.

    A user's mistake ends in one line on stderr and exit code 2.

    Args:
        main: The command; its return value is the exit code.
    """
    logging.set_verbosity(logging.WARNING)
    try:
        parse_flags(sys.argv)
        code = main() or 0
    except UserError as error:
        code = fail(str(error))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        code = 130
    sys.exit(code)


def fail(message: str) -> int:
    """Prints a mistake in one line and gives the exit code for it."""
    print(f"{_program()}: {' '.join(message.split())}", file=sys.stderr)
    return USER_ERROR


def _program() -> str:
    name = getattr(sys.modules["__main__"], "__spec__", None)
    return f"python -m {name.name}" if name else Path(sys.argv[0]).name


def parse_flags(argv: Sequence[str]) -> None:
    """Parses flags; `--config` may be the name of one of the project's own configurations.

    Raises:
        UserError: At a flag or value that is not allowed, or words that are no flags.
    """
    arguments = [_with_config_path(word) for word in argv]
    try:
        rest = flags.FLAGS(arguments)
    except flags.UnrecognizedFlagError as error:
        raise UserError(f"{error}; --help lists what is allowed") from None
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        raise UserError(_without_repetition(error)) from None
    if len(rest) > 1:
        raise UserError(f"unexpected {rest[1]!r}: allowed are flags only, --help lists them")


def _without_repetition(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _with_config_path(word: str) -> str:
    for flag in ("--config=", "-config="):
        if word.startswith(flag):
            return flag + str(find_config(word.removeprefix(flag)))
    return word


def find_config(name: str) -> Path:
    """The file of a configuration given by path or by name.

    Raises:
        UserError: If there is none.
    """
    if Path(name).is_file():
        return Path(name)
    own = config_files()
    stem = Path(name).stem
    if stem in own and Path(name).parent.name in ("", "configs"):
        return own[stem]
    raise UserError(f"--config={name}: no such file; known by name are {', '.join(sorted(own))}")


def config_files() -> dict[str, Path]:
    """The project's own configurations by name: those of the wheel, or of the checkout."""
    spec = importlib.util.find_spec("hpunet.configs")
    places = list(spec.submodule_search_locations or []) if spec else []
    folder = Path(places[0]) if places else PACKAGE.parent / "configs"
    return {p.stem: p for p in folder.glob("*.py") if p.stem != "__init__"}


def define_config() -> Callable[[], ConfigDict]:
    """Defines `--config` and its overrides; call the result once flags are parsed."""
    holder = config_flags.DEFINE_config_file(
        "config", None, "Path or name of a configuration; --config.key=value changes a key."
    )

    def get() -> ConfigDict:
        if holder.value is None:
            names = ", ".join(sorted(config_files()))
            raise UserError(f"--config is missing: allowed are a path, or one of {names}")
        return holder.value

    return get
