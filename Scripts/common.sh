# Sourced by the scripts beside it: what they need is installed, and the package is built.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
packages=(libopenblas-dev liblapacke-dev libpng-dev libarchive-dev libpango1.0-dev libcurl4-openssl-dev fonts-dejavu-core)

say() { echo "$(basename "$0"): $*" >&2; }
fail() { say "$@"; exit 1; }

# Installs the Debian packages that are missing.
install_packages() {
  command -v swift >/dev/null || fail "swift is not there; install Swift 6.2 or later: https://swift.org/install"
  command -v dpkg-query >/dev/null || return 0 # another system: the build says what it lacks
  local missing=() package
  for package in "${packages[@]}"; do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  say "installing ${missing[*]} with apt-get"
  local as_root=()
  ((EUID == 0)) || as_root=(sudo)
  {
    "${as_root[@]}" apt-get update &&
      DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y --no-install-recommends "${missing[@]}"
  } >&2 || fail "apt-get failed; install ${missing[*]} and try again"
}

# Installs the browser that the page of `sdlens explore` is tested in, where it can be had without asking; else those
# tests are left out and said.
install_browser() {
  [[ -x /usr/bin/chromedriver && -x /usr/bin/chromium ]] && return 0
  ((EUID == 0)) && command -v apt-get >/dev/null || return 0
  say "installing chromium and chromium-driver, in which the page is tested, with apt-get"
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium chromium-driver; } \
    >/dev/null 2>&1 || say "they cannot be had: the page is not tested in a browser"
}

# Runs `swift build -c release` with the arguments given; its output is shown only if it fails.
# With SDLENS_STRICT a warning in our own files is a failure. (The compiler gives it in the build that compiles
# the file; so a fresh clone hears of all.)
build() {
  local log warnings
  log=$(mktemp)
  [[ -d $root/.build/release ]] || say "building, which takes some minutes the first time"
  if ! swift build -c release --package-path "$root" "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    fail "the build failed"
  fi
  warnings=$(grep -E "^$root/(Sources|Tests)/.* warning: " "$log" | sort -u || true)
  rm -f "$log"
  if [[ -n ${SDLENS_STRICT:-} && -n $warnings ]]; then
    echo "$warnings" >&2
    fail "there are warnings"
  fi
}

# The library of libFuzzer of this toolchain; nothing, where it has none.
libfuzzer() {
  find "$(dirname "$(readlink -f "$(command -v swiftc)")")/../lib/clang" \
    -name "libclang_rt.fuzzer_no_main*$(uname -m)*.a" 2>/dev/null | head -1
}
