"""Compile the modules that an editable install points to: pip compiles only what it copies.

Start-up is most of what a short command costs, and environments that keep Python from writing bytecode would otherwise
compile every module on every run.
"""

import compileall

from setuptools import setup
from setuptools.command.editable_wheel import editable_wheel


class CompiledEditableWheel(editable_wheel):
    """An editable install with compiled modules."""

    def run(self) -> None:
        """Install, then compile the sources in place."""
        super().run()
        compileall.compile_dir("kvplan", quiet=1)


setup(cmdclass={"editable_wheel": CompiledEditableWheel})
