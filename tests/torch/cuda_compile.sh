#!/bin/sh
# cuda_compile.sh: builds both halves of the torch door with a libtorch of today that has CUDA, on a machine that
# need not have a GPU, opens them, and runs the tests of the label `torch` with it. The libtorch (0.6 GB to download, 1.3 GB on disk) comes from PyPI into a
# folder of its own, once: without what it depends on but CUDA's headers and two small libraries, so on a machine
# without a GPU the CUDA half ends in a sentence and the CPU half works.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
venv=${XDG_CACHE_HOME:-$HOME/.cache}/pawl/torch-cuda
torch=2.15.0 cuda=13.2
build=${1:-$root/build/cuda-compile}

if [ "$(cat "$venv/made" 2>/dev/null)" != "$torch $cuda" ]; then
    rm -rf "$venv"
    mkdir -p "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --no-deps "torch==$torch" "nvidia-cuda-runtime==$cuda.*" \
        "nvidia-cuda-cupti==$cuda.*" "nvidia-cuda-crt==$cuda.*"
    echo "$torch $cuda" >"$venv/made"
fi

PATH=$venv/bin:$PATH
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DPAWL_FAULTS=OFF -DPAWL_TORCH=PYTHON \
    -DPAWL_TORCH_CUDA=ON | grep 'torch door'
cmake --build "$build" -j 1 --target pawl pawl_torch pawl_torch_cuda torch_door torch_engine \
    torch_gradients torch_sac torch_streams
for half in pawl_torch pawl_torch_cuda; do
    "$root/tests/torch/symbols.sh" "$build/bin/$half.so"
    readelf -d "$build/bin/$half.so" | grep -q '(RPATH)' || {
        echo "$half.so has a path that LD_LIBRARY_PATH overrides"
        exit 1
    }
done

PAWL_LIBEXEC=$build/bin "$build/bin/pawl" info | sed -n '/^torch/,$p' | tee "$build/torch.txt"
grep -q "^ *version *$torch" "$build/torch.txt" || grep -q "^torch *version *$torch" "$build/torch.txt"
# A device, or why there is none.
grep -qE 'cuda( 0)?  +[A-Za-z]' "$build/torch.txt"
ctest --test-dir "$build" -L '^torch$' --no-tests=error --output-on-failure
