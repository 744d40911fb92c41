"""Registers, stack and spills of every kernel, as ptxas reports them, and its tensor-core instructions, as cuobjdump
disassembles them: a Markdown table on standard output.

    python3 kernels/resources.py [--architectures sm_80,sm_90a,sm_120] > docs/kernels/resources.md

Exit code 1 when a kernel spills registers.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(\w+)'")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers(?:.*?(\d+) bytes smem)?")
FUNCTION = re.compile(r"Function : (\w+)")
TENSOR = re.compile(r"\b[HDIQ]G?MMA\.")


def report(kernel, architecture, folder):
    """{short name: (registers, shared bytes, stack bytes, spilled bytes, tensor-core instructions)} of one file."""
    command = ["nvcc", "-std=c++17", "--fmad=false", f"-arch={architecture}", "-Xptxas", "-v", "-cubin",
               f"-I{ROOT / 'kernels'}", f"-I{ROOT / 'include'}", str(kernel), "-o", str(folder / "out.cubin")]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    found, name, stack = {}, None, (0, 0, 0)
    for line in text.splitlines():
        if match := ENTRY.search(line):
            name = match[1]
        elif match := STACK.search(line):
            stack = tuple(map(int, match.groups()))
        elif (match := USED.search(line)) and name:
            found[name] = (int(match[1]), int(match[2] or 0), stack[0], stack[1] + stack[2])
            name = None
    tensor = tensor_instructions(folder / "out.cubin")
    found = {name: values + (tensor.get(name, 0),) for name, values in found.items()}
    # A mangled name holds a number of the compilation, so only the short one is the same for every architecture.
    return dict(zip(readable(found), found.values()))


def tensor_instructions(cubin):
    """{mangled name: how many instructions of its machine code are for the tensor cores}."""
    text = subprocess.run(["cuobjdump", "-sass", str(cubin)], check=True, capture_output=True, text=True).stdout
    found, name = {}, None
    for line in text.splitlines():
        if match := FUNCTION.search(line):
            name = match[1]
        elif TENSOR.search(line):
            found[name] = found.get(name, 0) + 1
    return found


def readable(names):
    """The mangled names as short C++ names: no parameters, no namespaces."""
    text = subprocess.run(["c++filt", "-p"], input="\n".join(names), check=True, capture_output=True, text=True).stdout
    short = []
    for line in text.splitlines():
        line = re.sub(r"tinyvision_kernels::|ladder::|\(anonymous namespace\)::|^void ", "", line)
        short.append(re.sub(r"\s+", " ", line).strip())
    return short


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", default="sm_80,sm_90a,sm_120")
    architectures = parser.parse_args().architectures.split(",")
    version = subprocess.run(["nvcc", "--version"], check=True, capture_output=True, text=True).stdout
    version = re.search(r"release [^,]+, (V[\d.]+)", version)[1]
    print("# Registers and spills\n\nWhat ptxas says of every kernel, by `./tv kernels` (nvcc " + version + "). A spill fails "
          "the build. Registers are\nper thread; shared memory and stack in bytes; tensor: instructions for the tensor cores "
          "in the machine code (HMMA); all\nbut registers are the largest of the architectures.\n")
    print("| file | kernel | " + " | ".join(architectures) + " | shared | stack | spilled | tensor |")
    print("|---|---|" + "---|" * (len(architectures) + 4))
    spilled = 0
    with tempfile.TemporaryDirectory() as folder:
        for kernel in sorted((ROOT / "kernels").glob("**/*.cu")):
            reports = [report(kernel, architecture, pathlib.Path(folder)) for architecture in architectures]
            for short in sorted(reports[0]):
                rows = [r[short] for r in reports]
                largest = [max(row[i] for row in rows) for i in (1, 2, 3, 4)]
                spilled += largest[2]
                cells = [str(kernel.relative_to(ROOT / "kernels")), f"`{short}`", *(str(row[0]) for row in rows), *map(str, largest)]
                print("| " + " | ".join(cells) + " |")
    return 1 if spilled else 0


if __name__ == "__main__":
    sys.exit(main())
