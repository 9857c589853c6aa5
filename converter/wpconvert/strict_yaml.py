"""YAML files of ours: text stays text, nothing is reported twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wpconvert.errors import FileError, UsageError

if TYPE_CHECKING:
    import yaml


class Quoted(str):
    """A text that is written in quotes, as a key like `1:17` has to be: YAML 1.1 reads it as the number 77."""


def load(path: Path, what: str) -> Any:
    """The content of a YAML file, `what` in errors, as `parse` gives it. FileError when it cannot be read."""
    try:
        content = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: cannot read {what}: {getattr(error, 'strerror', None) or error}") from error
    return parse(content, str(path))


def parse(content: str, where: str) -> Any:
    """YAML as lists, mappings and None, and every other scalar as the text that it is.

    UsageError, which starts with `where`, for what is no YAML or has a key twice in one mapping.
    """
    import yaml  # noqa: PLC0415 - few commands read any

    try:
        return yaml.load(content, _loader(where))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        # The loader lets errors of explicit types through: a date that is none, for one.
        raise UsageError(f"{where}: not YAML: {' '.join(str(error).split())}") from error


def dump(content: Any) -> str:
    """Content as YAML, keys in their order."""
    import yaml  # noqa: PLC0415

    class Dumper(yaml.SafeDumper):
        """Writes Quoted in quotes."""

    def quoted(dumper: yaml.SafeDumper, text: Quoted) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="'")

    Dumper.add_representer(Quoted, quoted)
    return yaml.dump(content, Dumper=Dumper, sort_keys=False, allow_unicode=True)


def _only_null(resolvers: dict[str, list[tuple[str, Any]]]) -> dict[str, list[tuple[str, Any]]]:
    """Of PyYAML's table from a first character to tags of scalars, those of null and of the merge key `<<`."""
    return {
        first: [(tag, expression) for tag, expression in entries if tag.rpartition(":")[2] in ("null", "merge")]
        for first, entries in resolvers.items()
    }


def _loader(where: str) -> type[yaml.SafeLoader]:
    import yaml  # noqa: PLC0415

    class Loader(yaml.SafeLoader):
        """Reads scalars as texts, but for null, and refuses a key that stands twice."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            first: dict[str, int] = {}
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                    line = key.start_mark.line + 1
                    if key.value in first:
                        known = first[key.value]
                        raise UsageError(
                            f"{where}: line {line}: duplicate key {key.value!r}, first given in line {known}"
                        )
                    first[key.value] = line
            return super().construct_mapping(node, deep)

    Loader.yaml_implicit_resolvers = _only_null(yaml.SafeLoader.yaml_implicit_resolvers)
    return Loader
