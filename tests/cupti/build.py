"""Compiles ``tracers/callbacks.c`` into bytes, and the simulated libcupti.

``python tests/cupti/build.py`` prints the table that ``tracers/native.py`` holds, of this machine's
processor with its compiler, or of another's: ``CC="zig cc -target aarch64-linux-gnu" OBJCOPY="zig objcopy"``.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
CALLBACKS = HERE.parents[1] / "jupyter_costmeter" / "tracers" / "callbacks.c"
FLAGS = [
    "-std=gnu11",
    "-Os",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fPIC",
    "-ffreestanding",
    "-fno-builtin",
    "-fno-stack-protector",
    "-fno-exceptions",
    "-fno-asynchronous-unwind-tables",
    "-fno-unwind-tables",
    "-fomit-frame-pointer",
    "-g0",
]
NAMES = ("request", "complete", "read")


def compiler() -> list[str]:
    """The system's C compiler.

    Raises:
        RuntimeError: there is none. Never skipped: these tests are the GPU's stand-in.
    """
    found = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not found:
        raise RuntimeError("the simulated CUPTI needs a C compiler: apt-get install gcc libc6-dev")
    return shlex.split(found)


def run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command}:\n{done.stderr}")
    return done.stdout


def callbacks(folder: Path, machine: str = platform.machine()) -> tuple[bytes, tuple[int, ...]]:
    """The code of ``callbacks.c`` and where in it each function of ``NAMES`` begins."""
    built = folder / "callbacks.o"
    more = ["-mno-outline-atomics"] if machine == "aarch64" else ["-mno-red-zone"]
    run(*compiler(), *FLAGS, *more, "-c", CALLBACKS, "-o", built)
    return _text(built.read_bytes())


def _text(elf: bytes) -> tuple[bytes, tuple[int, ...]]:
    """Section ``.text`` of an ELF object, which must need no relocation, and its symbols."""
    (table,), (size, count, names) = struct.unpack_from("<Q", elf, 40), struct.unpack_from("<HHH", elf, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", elf, table + i * size) for i in range(count)]
    label = lambda base, at: elf[base + at : elf.index(b"\0", base + at)].decode()  # noqa: E731
    named = {label(sections[names][4], s[0]): s for s in sections}
    assert not [name for name, s in named.items() if name in (".rela.text", ".rel.text") and s[5]], "relocations"
    code, strings, symbols = named[".text"], named[".strtab"], named[".symtab"]
    found = {}
    for at in range(symbols[4], symbols[4] + symbols[5], 24):
        name, _, _, _, value, _ = struct.unpack_from("<IBBHQQ", elf, at)
        found[label(strings[4], name)] = value
    assert found["where"] == 0, "the pool's address must stand first"
    return elf[code[4] : code[4] + code[5]], tuple(found[f"costmeter_{name}"] for name in NAMES)


def simulation(folder: Path, soname: str = "libcupti.so.12", cuda: str = "libcuda.so.1") -> Path:
    """The simulated libcupti, and beside it a libcuda that is the same thing; gives the path of the second."""
    folder.mkdir(parents=True, exist_ok=True)
    both = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread"]
    run(*compiler(), *both, HERE / "cupti_sim.c", f"-Wl,-soname,{soname}", "-o", folder / soname)
    empty = folder / "empty.c"
    empty.write_text("extern int cuInit(unsigned); int sim_linked(void) { return cuInit(0); }\n")
    link = ["-Wl,--no-as-needed", "-Wl,-rpath,$ORIGIN", f"-Wl,-soname,{cuda}", folder / soname]
    run(*compiler(), *both, empty, *link, "-o", folder / cuda)
    return folder / cuda


def main() -> None:
    machine = sys.argv[1] if len(sys.argv) > 1 else platform.machine()
    with tempfile.TemporaryDirectory() as folder:
        code, starts = callbacks(Path(folder), machine)
    print(f"{machine}: {len(code)} bytes, {dict(zip(NAMES, starts, strict=True))}")
    text = code.hex()
    print("\n".join(f"        {text[at : at + 104]}" for at in range(0, len(text), 104)))


if __name__ == "__main__":
    main()
