"""django-compressor's blocks in the tree: the project renders them, in offline mode and in online mode.

Rule: the step runs after the collection, in the collected directory, with the static host in its URLs. References in
the files that do not resolve are reported, like those in sources.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from static_host_build.collect.project_process import BuiltProject
from static_host_build.references import Lines, find_references
from static_host_build.references.missing_references import MissingReference, report_missing
from static_host_django.static_names import find_tree_name
from static_host_django.tree_writer import TreeWriter


@dataclass(frozen=True, slots=True)
class BlockStep:
    """The step for a project. `output` is what `static_host_django.compressor_blocks.block_files` describes.

    `static_url` has the static host.
    """

    project: BuiltProject
    output: Mapping[str, str]
    static_url: str

    def compress(self, directory: Path, writer: TreeWriter) -> list[MissingReference]:
        """Have the blocks rendered into `directory`; write their manifest with the `writer` of that directory.

        Returns the references in the stylesheets that do not resolve. Raises StaticHostError.
        """
        made = self.project.process.call("compress", static_url=self.static_url)
        if made is None:
            return []
        if self.output["manifest_name"]:  # else the project keeps it in another place
            writer.write(self.output["manifest_name"], json.dumps(made["manifest"], indent=2).encode())
        return list(self._find_dangling(directory, made["names"]))

    def report_dangling(
        self,
        dangling: Iterable[MissingReference],
        found: Iterable[MissingReference],
        names: Collection[str],
        *,
        is_fatal: bool,
    ) -> None:
        """Report references that do not resolve, except those `found` in sources. Raises BuildError.

        `names` are the existing ones.
        """
        known = {posixpath.normpath(posixpath.join(posixpath.dirname(each.file), each.target)) for each in found}
        new = [each for each in dangling if find_tree_name(each.target, each.file, self.static_url) not in known]
        report_missing(new, names, is_fatal=is_fatal)

    def _find_dangling(self, directory: Path, names: Iterable[str]) -> Iterator[MissingReference]:
        for name in names:
            if name.endswith(".css"):
                text = (directory / name).read_text(encoding="utf-8", errors="surrogateescape")
                lines = Lines(text)
                for reference in find_references(name, text):
                    found = find_tree_name(reference.target, name, self.static_url)
                    if found and not (directory / found).exists():
                        line = lines.find_line(reference.start)
                        yield MissingReference(name, line, reference.target, found, reference.is_source_map)
