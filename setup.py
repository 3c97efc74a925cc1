"""Builds nnfast._core: each ISA's file with its own flags, the rest for the baseline."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from sysconfig import get_platform

from pybind11 import get_include
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

VERSION = "0.1.0"  # the only place: pyproject.toml and nnfast.__version__ follow
COMMON = ["-std=c++17", "-fopenmp", "-fvisibility=hidden", "-ffp-contract=off", "-fno-math-errno"]
WARNINGS = ["-Wall", "-Wextra"]
# GCC's AVX-512 headers trip its own -Wmaybe-uninitialized.
AVX512 = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"]
# The ISAs of each kind of machine; any other has the baseline alone.
MACHINES = {
    "x86_64": {
        "csrc/isa/baseline.cpp": [],
        "csrc/isa/avx2.cpp": ["-mavx2", "-mfma", "-mno-avx512f"],
        "csrc/isa/avx512.cpp": AVX512,
    },
    # NEON is the baseline. Scheduled before registers are given out, large tiles spill.
    "aarch64": {"csrc/isa/neon.cpp": ["-fno-schedule-insns"]},
}
ISA_FLAGS = MACHINES.get(get_platform().split("-")[-1], {"csrc/isa/baseline.cpp": []})


def flags(source: str) -> list[str]:
    """Optimization and ISA flags of one source. Kernels get -O3, everything else -O2."""
    if "NNFAST_SANITIZE" in os.environ:  # a build for finding errors, see CONTRIBUTING.md
        level = ["-O1", "-g1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"]
    else:
        level = ["-O3" if source in ISA_FLAGS else "-O2", "-DNDEBUG"]
    if source in ISA_FLAGS:  # kernels throw nothing, and must not refer to what exceptions need
        level.append("-fno-exceptions")
    return [*COMMON, *WARNINGS, *level, *ISA_FLAGS.get(source, [])]


class BuildExt(build_ext):
    """Compiles on all cores; a source is compiled again if it or any header is newer."""

    def build_extension(self, ext: Extension) -> None:
        newest_header = max(os.path.getmtime(h) for h in ext.depends)

        def compile_one(source: str) -> str:
            target = Path(self.build_temp, source).with_suffix(".o")
            changed = max(os.path.getmtime(source), newest_header, os.path.getmtime(__file__))
            if self.force or not target.exists() or target.stat().st_mtime < changed:
                target.parent.mkdir(parents=True, exist_ok=True)
                self.compiler.compile(
                    [source],
                    output_dir=self.build_temp,
                    include_dirs=ext.include_dirs,
                    macros=ext.define_macros,
                    extra_postargs=flags(source),
                    depends=ext.depends,
                )
            return str(target)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(compile_one, ext.sources))
        link = ["-fopenmp"]
        link += ["-fsanitize=address,undefined"] if "NNFAST_SANITIZE" in os.environ else ["-s"]
        self.compiler.link_shared_object(
            objects,
            self.get_ext_fullpath(ext.name),
            extra_postargs=link,
            target_lang="c++",
            build_temp=self.build_temp,
        )


# Slow ones first, so that the cores finish together.
per_isa = {source for machine in MACHINES.values() for source in machine}
sources = list(reversed(ISA_FLAGS)) + sorted(
    str(p) for p in Path("csrc").rglob("*.cpp") if str(p) not in per_isa
)
headers = sorted(str(p) for e in ("h", "def") for p in Path("csrc").rglob(f"*.{e}"))

setup(
    version=VERSION,
    ext_modules=[
        Extension(
            "nnfast._core",
            sources,
            include_dirs=["csrc", get_include()],
            define_macros=[("NNF_VERSION", f'"{VERSION}"')],
            depends=headers,
        )
    ],
    cmdclass={"build_ext": BuildExt},
)
