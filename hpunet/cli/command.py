"""Shared parts of all commands: flags, one-line errors, exit codes."""

import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

from absl import flags, logging
from ml_collections import ConfigDict

from hpunet.config.files import config_files, find_config, load_config, override
from hpunet.config.keys import DEFAULT_MODEL, keys_of
from hpunet.io.errors import UserError
from hpunet.models.base import MODELS
from hpunet.models.fields import Setting

USER_ERROR = 2
INTERRUPTED = 130
HELP_WORDS = ("--help", "-help", "-h", "--helpshort", "--helpfull")
OVERRIDE = re.compile(r"--?config\.([^=]*)(=?)(.*)", re.DOTALL)

# Values of `--config.key=value`; absl's flags cannot hold keys that only a file defines.
_overrides: dict[str, str] = {}


def run(main: Callable[[], int | None]) -> None:
    """Parses the flags, runs a command and exits.

    A `UserError` becomes one line on stderr and exit code 2.

    Args:
        main: The command; its return value is the exit code, and None is 0.
    """
    logging.set_verbosity(logging.WARNING)
    for stream in (sys.stdout, sys.stderr):
        # Terminals without arrows and superscripts show question marks instead of failing.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    module = sys.modules[main.__module__]
    try:
        code = _run(main, module)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has closed the pipe. Without this, Python would report it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def _run(main: Callable[[], int | None], module: ModuleType) -> int:
    if any(word in HELP_WORDS for word in sys.argv[1:]):
        print(help_text(module))
        return 0
    try:
        parse_flags(sys.argv, module)
        return main() or 0
    except UserError as error:
        return fail(str(error))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return INTERRUPTED


def fail(message: str) -> int:
    """Prints an error in one line on stderr and returns its exit code."""
    print(f"{_program()}: {' '.join(message.split())}", file=sys.stderr)
    return USER_ERROR


def _program() -> str:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return f"python -m {spec.name.removesuffix('.__main__')}" if spec else Path(sys.argv[0]).name


def help_text(module: ModuleType) -> str:
    """Returns the text of `--help`: the command's description, flags and configuration keys."""
    own = own_flags(module)
    lines = [(module.__doc__ or "").strip(), "", "Flags:"]
    lines += [f"  --{_with_default(own[name])}: {own[name].help}" for name in sorted(own)]
    if "config" in own:
        lines += ["", f"Names of configurations: {', '.join(sorted(config_files()))}"]
        if module.GET_CONFIG.listed:
            lines += ["", "Keys and their defaults; --config.KEY=VALUE changes a key:"]
            lines += _keys_text(module.GET_CONFIG.listed)
    return "\n".join(lines)


def _keys_text(prefixes: tuple[str, ...]) -> Iterator[str]:
    """Yields a line per key with one of the prefixes; keys of other models follow, by model."""
    usual = keys_of(DEFAULT_MODEL)
    yield from (_key_text(name, key) for name, key in usual.items() if name.startswith(prefixes))
    for model in MODELS:
        own = {name: key for name, key in keys_of(model).items() if usual.get(name) != key}
        listed = [_key_text(name, key) for name, key in own.items() if name.startswith(prefixes)]
        if model != DEFAULT_MODEL and listed:
            yield f"With model.name={model}:"
            yield from listed


def _key_text(name: str, key: Setting) -> str:
    return f"  {name}={key.default}: {key.meaning} Allowed: {key.allowed.text}."


def _with_default(flag: flags.Flag) -> str:
    return flag.name if flag.default is None else f"{flag.name}={flag.default}"


def own_flags(module: ModuleType) -> dict[str, flags.Flag]:
    """Returns a command's flags by name; its module keeps them in `FLAGS`."""
    return {name: module.FLAGS[name] for name in module.FLAGS}


def parse_flags(argv: Sequence[str], module: ModuleType) -> None:
    """Parses the command line; afterwards, a `ConfigFlag` knows its file and overrides.

    Args:
        argv: Name of the program and its arguments.
        module: Module of the command, which defines the flags.

    Raises:
        UserError: If a flag or value is not allowed, or there are positional arguments and the
            command has no `WORDS`.
    """
    _overrides.clear()
    words = [word for word in argv[1:] if not _take_override(word)]
    own = own_flags(module)
    # Grain reads absl's global flags, which no command defines.
    flags.FLAGS.mark_as_parsed()
    if _overrides and "config" not in own:
        raise _unknown_flag(f"config.{next(iter(_overrides))}", own)
    try:
        rest = module.FLAGS([argv[0], *words])
    except flags.UnrecognizedFlagError as error:
        raise _unknown_flag(error.flagname, own) from None
    except flags.Error as error:
        raise UserError(_one_line(error, own)) from None
    taken = getattr(module, "WORDS", None)
    if taken is not None:
        taken.given[:] = rest[1:]
    elif len(rest) > 1:
        raise UserError(f"unexpected {rest[1]!r}: allowed are only flags, {_listed(own)}")


def _take_override(word: str) -> bool:
    found = OVERRIDE.fullmatch(word)
    if found is None:
        return False
    key, equals, value = found.groups()
    if not equals:
        raise UserError(f"--config.{key}: the value is missing; allowed is --config.{key}=VALUE")
    _overrides[key] = value
    return True


def _unknown_flag(name: str, own: dict[str, flags.Flag]) -> UserError:
    return UserError(f"--{name}: no such flag; allowed are {_listed(own)}")


def _listed(own: dict[str, flags.Flag]) -> str:
    keys = ["--config.KEY=VALUE"] if "config" in own else []
    return ", ".join([*(f"--{name}" for name in sorted(own)), *keys, "--help"])


def _one_line(error: flags.Error, own: dict[str, flags.Flag]) -> str:
    text = " ".join(str(error).split())
    found = re.match(r"flag --([^=]+)=(.*?): ", text)
    parser = own[found[1]].parser if found else None
    allowed = "true or false" if isinstance(parser, flags.BooleanParser) else ""
    allowed = allowed or getattr(parser, "syntactic_help", "")
    return f"--{found[1]}={found[2]}: allowed is {allowed}" if found and allowed else text


class Words:
    """Positional arguments; a command that accepts them has an instance as `WORDS`.

    Attributes:
        given: The arguments, after the flags are parsed.
    """

    def __init__(self, flag_values: flags.FlagValues) -> None:
        """Allows positional arguments and flags in any order."""
        flag_values.set_gnu_getopt(True)
        self.given: list[str] = []


class ConfigFlag:
    """The flag `--config` and its overrides; call the instance after the flags are parsed.

    Attributes:
        changeable: Prefix of the keys that the command allows to change.
        listed: Prefixes of the keys that `--help` lists.
    """

    def __init__(
        self,
        flag_values: flags.FlagValues,
        changeable: str = "",
        listed: tuple[str, ...] | None = None,
    ) -> None:
        """Defines the flag among those of a command; `--help` lists all changeable keys if None."""
        self.changeable = changeable
        self.listed = (changeable,) if listed is None else listed
        self._flag = flags.DEFINE_string(
            "config",
            None,
            "Path or name of a configuration; --config.KEY=VALUE changes a key.",
            flag_values=flag_values,
        )

    @property
    def given(self) -> bool:
        """Whether the command line contains the flag or an override."""
        return self._flag.value is not None or bool(_overrides)

    @property
    def changed_keys(self) -> tuple[str, ...]:
        """The keys that the command line changes."""
        return tuple(_overrides)

    @property
    def file_given(self) -> bool:
        """Whether the command line names a configuration."""
        return self._flag.value is not None

    def __call__(self, known: ConfigDict | None = None) -> ConfigDict:
        """Loads the configuration and applies the overrides.

        Args:
            known: Configuration to use instead of `--config`, which must then be absent.

        Raises:
            UserError: If the configuration, a key or a value is not allowed. The message names file
                or key, value and the allowed values.
        """
        for key in _overrides:
            known_key = any(key in keys_of(model) for model in MODELS)
            if known_key and not key.startswith(self.changeable):
                raise UserError(
                    f"--config.{key}: this command reads the key from the workdir or weights file; "
                    f"allowed are the keys {self.changeable}*"
                )
        name = self._flag.value
        if known is not None and name is not None:
            raise UserError(f"--config={name}: the run has its own; allowed is --config.KEY=VALUE")
        if known is None:
            if name is None:
                names = ", ".join(sorted(config_files()))
                raise UserError(f"--config is missing: allowed is a path or one of {names}")
            known = load_config(find_config(name))
        return override(known, _overrides)
